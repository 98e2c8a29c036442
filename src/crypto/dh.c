/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/dh.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/init.h"

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

struct dh_key {
	EVP_PKEY *pkey; /* wiped by libcrypto when it is freed */
	uint8_t pub[DH_KEY];
};

void dh_clamp(uint8_t priv[static DH_KEY])
{
	priv[0] &= 248;
	priv[31] &= 127;
	priv[31] |= 64;
}

int dh_key_new(const uint8_t priv[static DH_KEY], struct dh_key **ret_key)
{
	_cleanup_(dh_key_freep) struct dh_key *k = calloc(1, sizeof(*k));
	size_t n = DH_KEY;

	if (!k)
		return TM_ENOMEM;

	k->pkey = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, priv, DH_KEY);
	if (!k->pkey || EVP_PKEY_get_raw_public_key(k->pkey, k->pub, &n) != 1 || n != DH_KEY) {
		ERR_clear_error();
		return TM_ENOMEM; /* every 32 bytes are a key */
	}
	*ret_key = TAKE(k);
	return TM_OK;
}

void dh_key_free(struct dh_key *k)
{
	if (!k)
		return;

	EVP_PKEY_free(k->pkey);
	free(k);
}

const uint8_t *dh_key_public(const struct dh_key *k)
{
	return k->pub;
}

int dh_generate(uint8_t ret_priv[static DH_KEY], uint8_t ret_pub[static DH_KEY])
{
	random_bytes(ret_priv, DH_KEY);
	dh_clamp(ret_priv);
	return dh_public(ret_priv, ret_pub);
}

int dh_public(const uint8_t priv[static DH_KEY], uint8_t ret_pub[static DH_KEY])
{
	_cleanup_(dh_key_freep) struct dh_key *k = NULL;
	int err = dh_key_new(priv, &k);

	if (err == TM_OK)
		memcpy(ret_pub, k->pub, DH_KEY);
	return err;
}

static int derive(EVP_PKEY *ours, const uint8_t *pub, uint8_t out[static DH_KEY])
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *theirs = NULL;
	_cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
	size_t n = DH_KEY;

	theirs = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, pub, DH_KEY);
	if (!theirs)
		return TM_ENOMEM;

	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL);
	if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer_ex(ctx, theirs, 0) != 1)
		return TM_ENOMEM;

	/* libcrypto refuses an all-zero result itself; do not depend on that. */
	if (EVP_PKEY_derive(ctx, out, &n) != 1 || n != DH_KEY || ct_is_zero(out, DH_KEY))
		return TM_ECRYPTO;
	return TM_OK;
}

int dh_key_exchange(
	const struct dh_key *k, const uint8_t pub[static DH_KEY], uint8_t ret_shared[static DH_KEY])
{
	uint8_t shared[DH_KEY] = {0};
	int err = derive(k->pkey, pub, shared);

	if (err < 0) {
		ERR_clear_error();
		wipe(ret_shared, DH_KEY);
	} else {
		memcpy(ret_shared, shared, sizeof(shared));
	}
	wipe(shared, sizeof(shared));
	return err;
}

int dh(const uint8_t priv[static DH_KEY], const uint8_t pub[static DH_KEY], uint8_t ret_shared[static DH_KEY])
{
	_cleanup_(dh_key_freep) struct dh_key *k = NULL;
	int err = dh_key_new(priv, &k);

	if (err < 0) {
		wipe(ret_shared, DH_KEY);
		return err;
	}
	return dh_key_exchange(k, pub, ret_shared);
}

bool dh_public_usable(const uint8_t pub[static DH_KEY])
{
	/* Little-endian u coordinates, all below 2^255: the highest bit of a key does not count. */
	static const uint8_t small[][DH_KEY] = {
		{0},
		{1},
		/* of order 8 */
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
			0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f,
			0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
			0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0,
			0x9f, 0x11, 0x57},
		/* p - 1, and 0 and 1 again as p and p + 1 */
		{0xec, [1 ... 30] = 0xff, 0x7f},
		{0xed, [1 ... 30] = 0xff, 0x7f},
		{0xee, [1 ... 30] = 0xff, 0x7f},
	};
	uint8_t u[DH_KEY];
	bool hit = false;

	memcpy(u, pub, sizeof(u));
	u[DH_KEY - 1] &= 0x7f;
	for (size_t i = 0; i < ARRAY_LEN(small); i++)
		hit |= ct_eq(u, small[i], DH_KEY);
	return !hit;
}
