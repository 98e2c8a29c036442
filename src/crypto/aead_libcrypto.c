/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * ChaCha20-Poly1305 from libcrypto's ChaCha20 and Poly1305 in one pass, by its public interface. libcrypto's
 * own combination makes a separate slow call for the Poly1305 key and another for a tail that is no multiple
 * of 64 bytes, which costs about 1.5 times as much at 1420 bytes. Likewise each further call to its Poly1305
 * costs 50 to 110 ns.
 */
#include "crypto/crypto_private.h"

#include <openssl/err.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/algorithms.h"

int libcrypto_init(struct libcrypto *l)
{
	int err = pass_init(&l->pass);

	l->cipher = EVP_CIPHER_CTX_new();
	l->mac = EVP_MAC_CTX_new(algorithms()->poly1305);
	if (err < 0 || !l->cipher || !l->mac)
		return TM_ENOMEM;
	if (EVP_EncryptInit_ex2(l->cipher, algorithms()->chacha20, NULL, NULL, NULL) != 1) {
		ERR_clear_error();
		return TM_ENOMEM; /* nothing else can be wrong with it */
	}
	return TM_OK;
}

void libcrypto_deinit(struct libcrypto *l)
{
	EVP_CIPHER_CTX_free(l->cipher); /* libcrypto cleanses both contexts */
	EVP_MAC_CTX_free(l->mac);
	pass_deinit(&l->pass);
	*l = (struct libcrypto){0};
}

/* out = key stream from block 0 on, its part from block 1 on combined with the text. */
static int one_pass(struct libcrypto *l, const uint8_t *key, const uint8_t iv[static CHACHA_IV],
	const uint8_t *text, size_t n)
{
	size_t whole;
	int len = 0;

	if (n > AEAD_MAX)
		return TM_EINVAL;

	whole = pass_load(&l->pass, text, n, CHACHA_BLOCK);
	if (EVP_EncryptInit_ex2(l->cipher, NULL, key, iv, NULL) != 1 ||
		EVP_EncryptUpdate(l->cipher, l->pass.out, &len, l->pass.in, (int)whole) != 1 ||
		(size_t)len != whole) {
		ERR_clear_error();
		return TM_ECRYPTO;
	}
	return TM_OK;
}

/*
 * RFC 8439 2.8: Poly1305 over ad, padding, ciphertext, padding, both lengths; keyed by the key block in out.
 * ct is in one of the buffers, and what follows it there is overwritten.
 */
static int tag_compute(struct libcrypto *l, const void *ad, size_t ad_len, uint8_t *ct, size_t n,
	uint8_t ret_tag[static AEAD_TAG])
{
	static const uint8_t zeros[16];
	const size_t total = pass_end(ct, ad_len, n);
	size_t written = 0;
	bool ok = EVP_MAC_init(l->mac, l->pass.out, AEAD_KEY, NULL) == 1;

	if (ad_len > 0)
		ok = ok && EVP_MAC_update(l->mac, ad, ad_len) == 1 &&
		     EVP_MAC_update(l->mac, zeros, -ad_len % sizeof(zeros)) == 1;
	ok = ok && EVP_MAC_update(l->mac, ct, total) == 1 &&
	     EVP_MAC_final(l->mac, ret_tag, &written, AEAD_TAG) == 1 && written == AEAD_TAG;
	if (ok)
		return TM_OK;

	ERR_clear_error();
	return TM_ECRYPTO;
}

int libcrypto_seal(struct libcrypto *l, const uint8_t *key, const uint8_t iv[static CHACHA_IV],
	const void *ad, size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t *ct = l->pass.out + CHACHA_BLOCK, tag[AEAD_TAG];
	int err = one_pass(l, key, iv, in, n);

	if (err == TM_OK)
		err = tag_compute(l, ad, ad_len, ct, n, tag);
	if (err < 0)
		return err;

	if (n > 0)
		memcpy(out, ct, n);
	memcpy(out + n, tag, AEAD_TAG);
	return TM_OK;
}

int libcrypto_open(struct libcrypto *l, const uint8_t *key, const uint8_t iv[static CHACHA_IV],
	const void *ad, size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t tag[AEAD_TAG];
	int err = one_pass(l, key, iv, in, n);

	if (err == TM_OK)
		err = tag_compute(l, ad, ad_len, l->pass.in + CHACHA_BLOCK, n, tag);
	if (err < 0)
		return err;

	if (!ct_eq(tag, in + n, AEAD_TAG))
		return TM_EAUTH;

	if (n > 0)
		memcpy(out, l->pass.out + CHACHA_BLOCK, n);
	return TM_OK;
}

int libcrypto_block(struct libcrypto *l, const uint8_t *key, const uint8_t iv[static CHACHA_IV],
	uint8_t ret_block[static CHACHA_BLOCK])
{
	int err = one_pass(l, key, iv, NULL, 0);

	if (err == TM_OK)
		memcpy(ret_block, l->pass.out, CHACHA_BLOCK);
	return err;
}

static bool usable(void)
{
	return true;
}

static int op_seal(struct aead *a, const struct aead_op *op)
{
	uint8_t iv[CHACHA_IV];

	aead_iv(op->counter, iv);
	return libcrypto_seal(&a->libcrypto, op->key, iv, NULL, 0, op->data, op->n, op->data);
}

static int op_open(struct aead *a, const struct aead_op *op)
{
	uint8_t iv[CHACHA_IV];

	aead_iv(op->counter, iv);
	return libcrypto_open(&a->libcrypto, op->key, iv, NULL, 0, op->data, op->n, op->data);
}

const struct aead_provider aead_libcrypto = {
	.name = AEAD_LIBCRYPTO,
	.usable = usable,
	.seal = op_seal,
	.open = op_open,
};
