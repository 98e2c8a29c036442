/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/identity.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/curve_map.h"
#include "crypto/dh.h"
#include "crypto/hash.h"
#include "crypto/init.h"

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_MD_CTX, EVP_MD_CTX_free)

void identity_wipe(struct identity *id)
{
	if (id)
		wipe(id, sizeof(*id));
}

void identity_node_id(const uint8_t ed_pub[static ED_KEY], char ret_id[static NODE_ID_STR_LEN])
{
	uint8_t digest[32];

	sha256(&(struct hash_part){ed_pub, ED_KEY}, 1, digest);
	hex_encode(digest, NODE_ID_BYTES, ret_id);
}

int identity_x_from_ed_public(const uint8_t ed_pub[static ED_KEY], uint8_t ret_x[static 32])
{
	static const uint8_t any_scalar[DH_KEY] = {[31] = 64};
	uint8_t u[32], product[DH_KEY];
	int err = curve_map_u(ed_pub, u);

	if (err < 0)
		return err;

	/* Points of small order are nobody's key; every clamped scalar sends them to zero (RFC 7748 6.1). */
	err = dh(any_scalar, u, product);
	if (err < 0)
		return err == TM_ECRYPTO ? TM_EINVAL : err;

	memcpy(ret_x, u, sizeof(u));
	return TM_OK;
}

static int ed_public(const uint8_t seed[static ED_KEY], uint8_t ret_pub[static ED_KEY])
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, ED_KEY);
	size_t n = ED_KEY;

	if (key && EVP_PKEY_get_raw_public_key(key, ret_pub, &n) == 1 && n == ED_KEY)
		return TM_OK;

	ERR_clear_error();
	return TM_ECRYPTO;
}

int identity_from_seed(const uint8_t seed[static ED_KEY], struct identity *ret_id)
{
	struct identity id = {0};
	uint8_t expanded[64];
	int err;

	memcpy(id.ed_seed, seed, ED_KEY);
	err = ed_public(seed, id.ed_pub);
	if (err == TM_OK) {
		/* RFC 8032 5.1.5: the same scalar that Ed25519 signs with. */
		sha512(&(struct hash_part){seed, ED_KEY}, 1, expanded);
		memcpy(id.x_priv, expanded, sizeof(id.x_priv));
		wipe(expanded, sizeof(expanded));
		dh_clamp(id.x_priv);
		err = dh_public(id.x_priv, id.x_pub);
	}
	if (err == TM_OK) {
		identity_node_id(id.ed_pub, id.id);
		*ret_id = id;
	}
	identity_wipe(&id);
	return err;
}

int identity_generate(struct identity *ret_id)
{
	uint8_t seed[ED_KEY];
	int err;

	random_bytes(seed, sizeof(seed));
	err = identity_from_seed(seed, ret_id);
	wipe(seed, sizeof(seed));
	return err;
}

int identity_sign(const struct identity *id, const void *msg, size_t n, uint8_t ret_sig[static ED_SIG])
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, id->ed_seed, ED_KEY);
	_cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[ED_SIG];
	size_t sig_len = sizeof(sig);

	if (!key || !ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) != 1 ||
		EVP_DigestSign(ctx, sig, &sig_len, msg, n) != 1 || sig_len != sizeof(sig)) {
		ERR_clear_error();
		return TM_ECRYPTO;
	}
	memcpy(ret_sig, sig, sizeof(sig));
	return TM_OK;
}

int identity_verify(
	const uint8_t ed_pub[static ED_KEY], const void *msg, size_t n, const uint8_t sig[static ED_SIG])
{
	_cleanup_(EVP_PKEY_freep) EVP_PKEY *key =
		EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, ed_pub, ED_KEY);
	_cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (key && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
		EVP_DigestVerify(ctx, sig, ED_SIG, msg, n) == 1)
		return TM_OK;

	ERR_clear_error();
	return TM_EAUTH;
}
