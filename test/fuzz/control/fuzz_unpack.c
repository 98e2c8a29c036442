/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Deflated messages: what comes out is bounded whatever goes in, and survives being packed again. */
#include "fuzz/fuzz.h"

#include "control/link/pack.h"

enum { TEXT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *packed = fuzz_copy(data, n), *again;
	char *text, *back;
	size_t len, again_len, back_len;

	if (unpack(packed, n, TEXT_MAX, &text, &len) == 0) {
		assert(len <= TEXT_MAX && len <= n * PACK_RATIO_MAX && text[len] == '\0');
		if (pack(text, len, &again, &again_len) == 0) {
			assert(again_len < len);
			assert(unpack(again, again_len, len, &back, &back_len) == 0);
			assert(back_len == len && memcmp(back, text, len) == 0);
			free(back);
			free(again);
		}
		free(text);
	}
	free(packed);
	return 0;
}
