/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Published values are hexadecimal text: helpers to compare with them. */
#ifndef TM_TEST_UNIT_CRYPTO_HEX_H
#define TM_TEST_UNIT_CRYPTO_HEX_H

#include "base/encode.h"
#include "unit/unit.h"

struct bytes {
	uint8_t p[1024];
	size_t n;
};

static inline struct bytes unhex(const char *s)
{
	struct bytes b = {.n = strlen(s) / 2};

	assert_true(b.n <= sizeof(b.p));
	assert_int_equal(hex_decode(s, strlen(s), b.p, b.n), 0);
	return b;
}

/* Fails with both texts. */
static inline void assert_hex(const uint8_t *p, size_t n, const char *expected)
{
	char text[2 * sizeof(((struct bytes *)0)->p) + 1];

	assert_true(n <= sizeof(((struct bytes *)0)->p));
	hex_encode(p, n, text);
	assert_string_equal(text, expected);
}

#endif
