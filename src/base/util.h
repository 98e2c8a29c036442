/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Small language helpers that every file may use. Pure; any thread. */
#ifndef TM_BASE_UTIL_H
#define TM_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
/* A large array on the stack of the data path that is filled before it is read: not zeroed first, as
 * everything else is (-ftrivial-auto-var-init). */
#if defined(__clang__) || __GNUC__ >= 12
#define UNINITIALIZED __attribute__((uninitialized))
#else
#define UNINITIALIZED
#endif
#define UNUSED __attribute__((unused))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Runs fn(&variable) when the variable leaves its scope. */
#define _cleanup_(fn) __attribute__((cleanup(fn)))

/* Moves a pointer out of a _cleanup_ variable: the variable becomes NULL. */
#define TAKE(p)                                                                                              \
	({                                                                                                   \
		__typeof__(p) *take_from_ = &(p);                                                            \
		__typeof__(p) taken_ = *take_from_;                                                          \
		*take_from_ = NULL;                                                                          \
		taken_;                                                                                      \
	})

/* Defines `void fnp(type **p)` for use with _cleanup_. */
#define DEFINE_CLEANUP(type, fn)                                                                             \
	static inline void fn##p(type **p)                                                                   \
	{                                                                                                    \
		if (*p)                                                                                      \
			fn(*p);                                                                              \
	}

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* Are n bytes the same, but for the case of ASCII letters? */
bool same_but_case(const void *a, const void *b, size_t n);

void closep(const int *fd); /* closes *fd when >= 0; for _cleanup_ */

#endif
