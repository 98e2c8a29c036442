/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* However the bytes are cut, the verdict is the same. */
#include "fuzz/fuzz.h"
#include "wire/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct client_hello whole = {0}, pieces = {0};
	int err = client_hello_read(&whole, data, size), cut = TM_OK;

	for (size_t at = 0; at < size && !cut; at++)
		cut = client_hello_read(&pieces, data + at, 1);
	assert(err == cut);
	assert(whole.hellos == pieces.hellos);
	return 0;
}
