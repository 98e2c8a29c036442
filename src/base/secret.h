/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Handling of key material. Pure; any thread. */
#ifndef TM_BASE_SECRET_H
#define TM_BASE_SECRET_H

#include "base/util.h"

/* Overwrites n bytes in a way that the compiler may not remove. */
void wipe(void *p, size_t n);

/* Constant-time comparison: time depends on n only. */
NODISCARD bool ct_eq(const void *a, const void *b, size_t n);

/* True when all n bytes are zero, in constant time. */
NODISCARD bool ct_is_zero(const void *p, size_t n);

#endif
