/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/dh.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/secret.h"

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_PKEY_CTX, EVP_PKEY_CTX_free)

void dh_clamp(uint8_t priv[static DH_KEY])
{
	priv[0] &= 248;
	priv[31] &= 127;
	priv[31] |= 64;
}

int dh_public(const uint8_t priv[static DH_KEY], uint8_t ret_pub[static DH_KEY])
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, priv, DH_KEY);
	uint8_t pub[DH_KEY];
	size_t n = sizeof(pub);

	if (!key || EVP_PKEY_get_raw_public_key(key, pub, &n) != 1 || n != sizeof(pub)) {
		ERR_clear_error();
		return TM_ENOMEM; /* every 32 bytes are a key */
	}
	memcpy(ret_pub, pub, sizeof(pub));
	return TM_OK;
}

static int derive(const uint8_t *priv, const uint8_t *pub, uint8_t out[static DH_KEY])
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *ours = NULL;
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *theirs = NULL;
	_cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
	size_t n = DH_KEY;

	ours = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, priv, DH_KEY);
	theirs = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, pub, DH_KEY);
	if (!ours || !theirs)
		return TM_ENOMEM;

	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ours, NULL);
	if (!ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer_ex(ctx, theirs, 0) != 1)
		return TM_ENOMEM;

	/* libcrypto refuses an all-zero result itself; do not depend on that. */
	if (EVP_PKEY_derive(ctx, out, &n) != 1 || n != DH_KEY || ct_is_zero(out, DH_KEY))
		return TM_ECRYPTO;
	return TM_OK;
}

int dh(const uint8_t priv[static DH_KEY], const uint8_t pub[static DH_KEY], uint8_t ret_shared[static DH_KEY])
{
	uint8_t shared[DH_KEY] = {0};
	int err = derive(priv, pub, shared);

	if (err < 0) {
		ERR_clear_error();
		wipe(ret_shared, DH_KEY);
	} else {
		memcpy(ret_shared, shared, sizeof(shared));
	}
	wipe(shared, sizeof(shared));
	return err;
}
