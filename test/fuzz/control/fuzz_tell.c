/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Lists of candidates that members tell each other. The input is what a member has sealed: whatever it holds,
 * what is taken from it can be told on, and reads the same. As it is, unsealed, it is nobody's.
 */
#include "fuzz/fuzz.h"

#include "control/path/tell.h"
#include "crypto/init.h"
#include "crypto/kdf.h"

static const uint8_t check_key[STUN_KEY] = {7};

static struct aead *start(uint8_t key[static AEAD_KEY])
{
	struct aead *a;

	if (crypto_init(NULL) || aead_new_with(AEAD_LIBCRYPTO, &a) ||
		hkdf_sha256(check_key, STUN_KEY, "a", 1, "tunnelmesh candidates 1", key, AEAD_KEY))
		abort();
	return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t key[AEAD_KEY];
	static struct aead *a;
	struct candidates told, back;
	uint8_t again[TELL_MAX];
	bool away, away_again;

	if (!a)
		a = start(key);
	if (size > 2 * TELL_MAX)
		return 0;
	uint8_t *sealed = malloc(size + AEAD_TAG);
	assert(sealed && aead_seal(a, key, 5, NULL, 0, data, size, sealed) == TM_OK);
	int err = tell_open(a, check_key, "a", 5, sealed, size + AEAD_TAG, &told, &away);
	assert(size + AEAD_TAG <= TELL_MAX || err);
	free(sealed);
	assert(tell_open(a, check_key, "a", 5, data, size, &back, &away_again));
	if (err)
		return 0;

	assert(told.n <= CANDIDATES_MAX);
	for (size_t i = 0; i < told.n; i++) {
		const struct candidate *c = &told.v[i];

		assert((unsigned)c->type < CAND_TYPE_N && c->ep.ip.family != IP_NONE);
		assert((c->type == CAND_RELAY) == node_id_valid(c->relay));
	}
	size_t n = tell_seal(a, check_key, "a", 6, &told, away, again);
	assert(n && tell_open(a, check_key, "a", 6, again, n, &back, &away_again) == TM_OK);
	assert(candidates_eq(&told, &back) && away == away_again);
	return 0;
}
