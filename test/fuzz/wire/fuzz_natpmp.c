/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Nothing behind the end is read, and what is refused is not touched. */
#include "fuzz/fuzz.h"
#include "wire/natpmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *p = fuzz_copy(data, size);
	struct natpmp_answer m = {.opcode = 0x55};

	if (natpmp_answer_decode(p, size, &m) == TM_OK)
		assert(m.opcode <= NATPMP_MAP_UDP);
	else
		assert(m.opcode == 0x55);
	free(p);
	return 0;
}
