/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Memory that begins where the caller wants it. Any thread. */
#ifndef TM_OS_LOW_MEMORY_H
#define TM_OS_LOW_MEMORY_H

#include <stddef.h>

void memory_aligned_free(void *p); /* NULL is fine */

/* gcc complains where it sees that free gets it, which only some systems mind. */
#if !defined(__clang__) && __GNUC__ >= 11
#define MEMORY_ALIGNED __attribute__((warn_unused_result, malloc, malloc(memory_aligned_free, 1)))
#else
#define MEMORY_ALIGNED __attribute__((warn_unused_result, malloc))
#endif

/* n bytes, not zeroed, at a multiple of align, which is a power of two and no less than a pointer; NULL
 * without memory. Goes back by memory_aligned_free and by nothing else: not by free, not by realloc. */
MEMORY_ALIGNED void *memory_aligned(size_t align, size_t n);

#endif
