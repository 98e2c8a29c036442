/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/init.h"

#include <assert.h>
#include <openssl/crypto.h>

#include "crypto/algorithms.h"
#include "os/low/entropy.h"

/* Written once by crypto_init on the main thread before any other thread exists; read-only afterwards. */
static struct algorithms fetched;
static bool ready;

const struct algorithms *algorithms(void)
{
	assert(ready);
	return &fetched;
}

void crypto_must(int libcrypto_result)
{
	if (libcrypto_result != 1)
		abort();
}

int crypto_init(struct diag *d)
{
	if (ready)
		return TM_OK;

	/* The system's openssl.cnf may switch algorithms off or load modules; the protocol needs exactly
	 * these. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return diag_what(d, TM_ECRYPTO, "the crypto library does not start");

	fetched = (struct algorithms){
		.blake2s = EVP_MD_fetch(NULL, "BLAKE2S-256", NULL),
		.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL),
		.sha512 = EVP_MD_fetch(NULL, "SHA512", NULL),
		.sha1 = EVP_MD_fetch(NULL, "SHA1", NULL),
		.chacha20 = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL),
		.chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL),
		.poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL),
		.blake2s_mac = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL),
	};
	if (!fetched.blake2s || !fetched.sha256 || !fetched.sha512 || !fetched.sha1 || !fetched.chacha20 ||
		!fetched.chacha20_poly1305 || !fetched.poly1305 || !fetched.blake2s_mac)
		return diag_what(
			d, TM_ECRYPTO, "the crypto library lacks an algorithm that TunnelMesh needs");

	ready = true;
	int err = crypto_selftest(d);
	if (err < 0)
		ready = false;
	return err;
}

void random_bytes(void *p, size_t n)
{
	if (!entropy_read(p, n))
		abort(); /* no key may ever be made of anything else */
}

uint32_t random_u32(void)
{
	uint32_t v;

	random_bytes(&v, sizeof(v));
	return v;
}

uint32_t random_below(uint32_t n)
{
	uint32_t v, surplus;

	assert(n > 0);
	surplus = (uint32_t)-n % n; /* 2^32 mod n: values below it would make small results likelier */
	do
		v = random_u32();
	while (v < surplus);
	return v % n;
}
