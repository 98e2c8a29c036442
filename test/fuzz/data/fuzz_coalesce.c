/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The script of unit/data/offload/script.h for coalesce.c, with its twin. */
#include "unit/data/offload/script.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *error = script_coalesce(data, size);

	if (error) {
		fprintf(stderr, "%s\n", error);
		abort();
	}
	return 0;
}
