/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the fuzz targets share. assert() is always on in this project. */
#ifndef TM_TEST_FUZZ_H
#define TM_TEST_FUZZ_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly n bytes, so that a sanitizer sees every byte beyond; never NULL. The caller frees it. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t n)
{
	uint8_t *p = malloc(n ? n : 1);

	assert(p);
	if (n)
		memcpy(p, data, n);
	return p;
}

#endif
