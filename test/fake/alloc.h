/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Allocations that fail on request, in the calling thread only. The program is linked with --wrap=malloc and
 * so on, which puts these in front of the C library's for everything but shared libraries.
 */
#ifndef TM_TEST_FAKE_ALLOC_H
#define TM_TEST_FAKE_ALLOC_H

#include <stdbool.h>

/* Before anything else: libcrypto's own allocations succeed. (Without memory for a hash we end on purpose.)
 */
void fake_alloc_spare_libcrypto(void);

/* The n-th allocation from now on fails, once; 1 is the next, 0 none. */
void fake_alloc_fail(unsigned n);
/* Has it come to that since? */
bool fake_alloc_failed(void);

#endif
