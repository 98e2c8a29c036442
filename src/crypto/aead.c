/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * ChaCha20-Poly1305 from libcrypto's ChaCha20 and Poly1305 in one pass: enciphering [64 zero bytes | packet]
 * from block 0 gives the one-time Poly1305 key (RFC 8439 2.6) and the text together. libcrypto's own
 * combination makes a separate slow call for that key and another for a tail that is no multiple of 64 bytes,
 * which costs about 1.5 times as much at 1420 bytes.
 *
 * The pass runs in a buffer of ours, so plaintext reaches the caller only after its tag was verified.
 */
#include "crypto/aead.h"

#include <openssl/err.h>
#include <string.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/algorithms.h"

enum { CHACHA_BLOCK = 64, POLY_BLOCK = 16 };

struct aead {
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac;
	uint8_t *buf; /* key block, text, up to a block of surplus key stream */
};

#define AEAD_BUF (CHACHA_BLOCK + AEAD_MAX + CHACHA_BLOCK)

int aead_new(struct aead **ret_aead)
{
	_cleanup_(aead_freep)
	struct aead *a = calloc(1, sizeof(*a));
	if (!a)
		return TM_ENOMEM;

	a->buf = calloc(1, AEAD_BUF);
	a->cipher = EVP_CIPHER_CTX_new();
	a->mac = EVP_MAC_CTX_new(algorithms()->poly1305);
	if (!a->buf || !a->cipher || !a->mac)
		return TM_ENOMEM;
	if (EVP_EncryptInit_ex2(a->cipher, algorithms()->chacha20, NULL, NULL, NULL) != 1) {
		ERR_clear_error();
		return TM_ENOMEM; /* nothing else can be wrong with it */
	}

	*ret_aead = TAKE(a);
	return TM_OK;
}

void aead_free(struct aead *a)
{
	if (!a)
		return;

	EVP_CIPHER_CTX_free(a->cipher); /* libcrypto cleanses both contexts */
	EVP_MAC_CTX_free(a->mac);
	if (a->buf)
		wipe(a->buf, AEAD_BUF);
	free(a->buf);
	free(a);
}

const char *aead_provider(const struct aead *a)
{
	(void)a;
	return "libcrypto";
}

/*
 * buf = key stream from block 0 on, its part from block 1 on combined with the text. iv = counter and nonce.
 */
static int one_pass(
	struct aead *a, const uint8_t *key, const uint8_t iv[static 16], const uint8_t *in, size_t n)
{
	const size_t whole = (CHACHA_BLOCK + n + CHACHA_BLOCK - 1) / CHACHA_BLOCK * CHACHA_BLOCK;
	int len = 0;

	if (n > AEAD_MAX)
		return TM_EINVAL;

	memset(a->buf, 0, CHACHA_BLOCK);
	if (n > 0)
		memcpy(a->buf + CHACHA_BLOCK, in, n);
	if (EVP_EncryptInit_ex2(a->cipher, NULL, key, iv, NULL) != 1 ||
		EVP_EncryptUpdate(a->cipher, a->buf, &len, a->buf, (int)whole) != 1 || (size_t)len != whole) {
		ERR_clear_error();
		return TM_ECRYPTO;
	}
	return TM_OK;
}

/*
 * RFC 8439 2.8: Poly1305 over ad, padding, ciphertext, padding, both lengths; keyed by the key block in buf.
 */
static int tag_compute(struct aead *a, const void *ad, size_t ad_len, const uint8_t *ct, size_t n,
	uint8_t out[static AEAD_TAG])
{
	static const uint8_t zeros[POLY_BLOCK];
	const size_t ct_pad = -n % POLY_BLOCK;
	uint8_t end[POLY_BLOCK + 16] = {0};
	size_t written = 0;
	bool ok;

	put_le64(end + ct_pad, ad_len);
	put_le64(end + ct_pad + 8, n);
	ok = EVP_MAC_init(a->mac, a->buf, AEAD_KEY, NULL) == 1;
	if (ad_len > 0)
		ok = ok && EVP_MAC_update(a->mac, ad, ad_len) == 1 &&
		     EVP_MAC_update(a->mac, zeros, -ad_len % POLY_BLOCK) == 1;
	if (n > 0)
		ok = ok && EVP_MAC_update(a->mac, ct, n) == 1;
	ok = ok && EVP_MAC_update(a->mac, end, ct_pad + 16) == 1 &&
	     EVP_MAC_final(a->mac, out, &written, AEAD_TAG) == 1 && written == AEAD_TAG;
	if (ok)
		return TM_OK;

	ERR_clear_error();
	return TM_ECRYPTO;
}

static int seal(struct aead *a, const uint8_t *key, const uint8_t iv[static 16], const void *ad,
	size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t tag[AEAD_TAG];
	int err = one_pass(a, key, iv, in, n);

	if (err == TM_OK)
		err = tag_compute(a, ad, ad_len, a->buf + CHACHA_BLOCK, n, tag);
	if (err < 0)
		return err;

	if (n > 0)
		memcpy(out, a->buf + CHACHA_BLOCK, n);
	memcpy(out + n, tag, AEAD_TAG);
	return TM_OK;
}

/* n without the tag, which follows the ciphertext. */
static int unseal(struct aead *a, const uint8_t *key, const uint8_t iv[static 16], const void *ad,
	size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t tag[AEAD_TAG];
	int err = one_pass(a, key, iv, in, n);

	if (err == TM_OK)
		err = tag_compute(a, ad, ad_len, in, n, tag);
	if (err < 0)
		return err;

	if (!ct_eq(tag, in + n, AEAD_TAG))
		return TM_EAUTH;

	if (n > 0)
		memcpy(out, a->buf + CHACHA_BLOCK, n);
	return TM_OK;
}

/* Block counter 0 (little-endian), then the nonce of Noise and WireGuard: 4 zero bytes, counter
 * little-endian. */
static void iv_counter(uint64_t counter, uint8_t iv[static 16])
{
	memset(iv, 0, 8);
	put_le64(iv + 8, counter);
}

size_t aead_seal_batch(struct aead *a, struct aead_op *ops, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		struct aead_op *op = &ops[i];
		uint8_t iv[16];

		iv_counter(op->counter, iv);
		op->err = seal(a, op->key, iv, NULL, 0, op->data, op->n, op->data);
		failed += op->err < 0;
	}
	return failed;
}

size_t aead_open_batch(struct aead *a, struct aead_op *ops, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		struct aead_op *op = &ops[i];
		uint8_t iv[16];

		iv_counter(op->counter, iv);
		op->err = unseal(a, op->key, iv, NULL, 0, op->data, op->n, op->data);
		failed += op->err < 0;
	}
	return failed;
}

int aead_seal(struct aead *a, const uint8_t key[static AEAD_KEY], uint64_t counter, const void *ad,
	size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t iv[16];

	iv_counter(counter, iv);
	return seal(a, key, iv, ad, ad_len, in, n, out);
}

int aead_open(struct aead *a, const uint8_t key[static AEAD_KEY], uint64_t counter, const void *ad,
	size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t iv[16];

	if (n < AEAD_TAG)
		return TM_ESHORT;

	iv_counter(counter, iv);
	return unseal(a, key, iv, ad, ad_len, in, n - AEAD_TAG, out);
}

/*
 * HChaCha20 (draft-irtf-cfrg-xchacha-03 2.2) is the ChaCha20 state after its rounds, words 0-3 and 12-15,
 * without the final addition of the initial state. A block of key stream has that addition, so take it off:
 * the initial words are public (constants and nonce) in just these positions.
 */
static int hchacha20(
	struct aead *a, const uint8_t *key, const uint8_t nonce[static 16], uint8_t ret_key[static AEAD_KEY])
{
	static const uint8_t constants[] = {
		'e', 'x', 'p', 'a', 'n', 'd', ' ', '3', '2', '-', 'b', 'y', 't', 'e', ' ', 'k'};
	int err = one_pass(a, key, nonce, NULL, 0);

	if (err < 0)
		return err;

	for (size_t i = 0; i < 16; i += 4) {
		put_le32(ret_key + i, get_le32(a->buf + i) - get_le32(constants + i));
		put_le32(ret_key + 16 + i, get_le32(a->buf + 48 + i) - get_le32(nonce + i));
	}
	return TM_OK;
}

/* The subkey, and the rest of the nonce behind block counter 0 and four zero bytes (draft 2.3). */
static int xchacha(struct aead *a, const uint8_t *key, const uint8_t nonce[static XAEAD_NONCE],
	uint8_t ret_key[static AEAD_KEY], uint8_t ret_iv[static 16])
{
	memset(ret_iv, 0, 8);
	memcpy(ret_iv + 8, nonce + 16, 8);
	return hchacha20(a, key, nonce, ret_key);
}

int xaead_seal(struct aead *a, const uint8_t key[static AEAD_KEY], const uint8_t nonce[static XAEAD_NONCE],
	const void *ad, size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t subkey[AEAD_KEY], iv[16];
	int err = xchacha(a, key, nonce, subkey, iv);

	if (err == TM_OK)
		err = seal(a, subkey, iv, ad, ad_len, in, n, out);
	wipe(subkey, sizeof(subkey));
	return err;
}

int xaead_open(struct aead *a, const uint8_t key[static AEAD_KEY], const uint8_t nonce[static XAEAD_NONCE],
	const void *ad, size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t subkey[AEAD_KEY], iv[16];
	int err;

	if (n < AEAD_TAG)
		return TM_ESHORT;

	err = xchacha(a, key, nonce, subkey, iv);
	if (err == TM_OK)
		err = unseal(a, subkey, iv, ad, ad_len, in, n - AEAD_TAG, out);
	wipe(subkey, sizeof(subkey));
	return err;
}
