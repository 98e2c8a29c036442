/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/identity.h"

#include "crypto/init.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Whatever is accepted must survive being written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct identity id, again;
	struct diag d = {0};
	char *text = NULL;
	int err = crypto_init(NULL);

	assert(err == TM_OK);
	if (identity_parse((const char *)data, n, &id, &d) < 0)
		return 0;

	err = identity_format(&id, "", &text);
	assert(err == TM_OK);
	err = identity_parse(text, strlen(text), &again, &d);
	assert(err == TM_OK && strcmp(id.id, again.id) == 0);
	free(text);
	return 0;
}
