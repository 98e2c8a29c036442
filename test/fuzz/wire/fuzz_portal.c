/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever a portal says, it is judged, and only what follows from the token is the coordinator's. */
#include "fuzz/fuzz.h"
#include "wire/portal.h"

#include "crypto/init.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char token[] = "0123456789abcdef";
	char answer[PORTAL_TEXT_MAX], seen[PORTAL_TOKEN + 1];
	if (crypto_init(NULL))
		abort();
	char *copy = (char *)fuzz_copy(data, size);
	size_t n = portal_answer(token, answer, sizeof(answer));

	for (int over = 0; over < 2; over++) {
		enum portal_verdict v = portal_judge(copy, size, over, token);

		assert(v != PORTAL_UNTRIED && v != PORTAL_CLOSED && (v != PORTAL_WAITS || !over));
		/* The last line of it, at least. */
		assert(v != PORTAL_CLEAN || memmem(copy, size, answer + n - 33, 32));
	}
	if (portal_is_question(copy, size, seen))
		assert(portal_answer(seen, answer, sizeof(answer)) > 0);
	free(copy);
	return 0;
}
