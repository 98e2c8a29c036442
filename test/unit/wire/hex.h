/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Test vectors as hex text with spaces. */
#ifndef TM_TEST_WIRE_HEX_H
#define TM_TEST_WIRE_HEX_H

#include "unit/unit.h"

/* Decodes into out; fails the test for anything that is not pairs of hex digits and spaces. Returns the
 * length. */
static inline size_t hex(const char *text, uint8_t *out, size_t out_len)
{
	size_t n = 0;

	while (*text) {
		char pair[3] = {0}, *end;

		if (*text == ' ') {
			text++;
			continue;
		}
		memcpy(pair, text, text[1] ? 2 : 1);
		assert_true(n < out_len);
		out[n++] = (uint8_t)strtoul(pair, &end, 16);
		assert_ptr_equal(end, pair + 2);
		text += 2;
	}
	return n;
}

#endif
