/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Inside crypto/ only: the algorithm handles that crypto_init fetches once. Constant afterwards; any thread.
 */
#ifndef TM_CRYPTO_ALGORITHMS_H
#define TM_CRYPTO_ALGORITHMS_H

#include <openssl/evp.h>

struct algorithms {
	EVP_MD *blake2s, *sha256, *sha512, *sha1;
	EVP_CIPHER *chacha20, *chacha20_poly1305;
	EVP_MAC *poly1305, *blake2s_mac;
};

/* Asserts that crypto_init has run. */
const struct algorithms *algorithms(void);

/*
 * For calls into libcrypto that take no outside input and so fail only when memory is gone or the program is
 * wrong: there is no result to go on with, and a hash that was not computed must never be used as one.
 */
void crypto_must(int libcrypto_result);

#endif
