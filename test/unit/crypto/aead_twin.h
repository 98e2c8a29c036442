/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The naive twin of crypto/aead: libcrypto's own ChaCha20-Poly1305, a new context for every message. */
#ifndef TM_TEST_UNIT_CRYPTO_AEAD_TWIN_H
#define TM_TEST_UNIT_CRYPTO_AEAD_TWIN_H

#include "base/bytes.h"
#include "crypto/aead.h"
#include "unit/unit.h"

#include <openssl/evp.h>

static inline void twin_seal(const uint8_t *key, uint64_t counter, const uint8_t *ad, size_t ad_len,
	const uint8_t *in, size_t n, uint8_t *out)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t nonce[AEAD_NONCE] = {0};
	int len;

	put_le64(nonce + 4, counter);
	assert_int_equal(EVP_EncryptInit_ex(c, EVP_chacha20_poly1305(), NULL, key, nonce), 1);
	if (ad_len)
		assert_int_equal(EVP_EncryptUpdate(c, NULL, &len, ad, (int)ad_len), 1);
	if (n)
		assert_int_equal(EVP_EncryptUpdate(c, out, &len, in, (int)n), 1);
	assert_int_equal(EVP_EncryptFinal_ex(c, out + n, &len), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG, out + n), 1);
	EVP_CIPHER_CTX_free(c);
}

#endif
