/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One set of digest contexts per thread, so that a hash costs no allocation; freed when the thread ends. */
#include "crypto/hash.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/algorithms.h"
#include "os/low/lock.h"
#include "os/low/thread.h"

enum digest { BLAKE2S, SHA256, SHA512, SHA1, DIGEST_N };
enum { HMAC_BLOCK = 64 }; /* of BLAKE2s, SHA-256 and SHA-1, the hashes that we use HMAC with */

struct contexts {
	EVP_MD_CTX *md[DIGEST_N];
	EVP_MAC_CTX *blake2s_mac;
};

static struct thread_value contexts_value;
static struct once contexts_once;
static _Thread_local struct contexts *contexts_here;

static void contexts_free(void *p)
{
	struct contexts *c = p;

	for (size_t i = 0; i < DIGEST_N; i++)
		EVP_MD_CTX_free(c->md[i]);
	EVP_MAC_CTX_free(c->blake2s_mac);
	free(c);
}

static void contexts_value_new(void)
{
	crypto_must(thread_value_init(&contexts_value, contexts_free) == 0);
}

static struct contexts *contexts_new(void)
{
	const struct algorithms *alg = algorithms();
	const EVP_MD *const md[DIGEST_N] = {alg->blake2s, alg->sha256, alg->sha512, alg->sha1};
	struct contexts *c = calloc(1, sizeof(*c));

	crypto_must(c != NULL);
	for (size_t i = 0; i < DIGEST_N; i++) {
		c->md[i] = EVP_MD_CTX_new();
		crypto_must(c->md[i] != NULL);
		crypto_must(EVP_DigestInit_ex2(c->md[i], md[i], NULL));
	}
	c->blake2s_mac = EVP_MAC_CTX_new(alg->blake2s_mac);
	crypto_must(c->blake2s_mac != NULL);

	once_run(&contexts_once, contexts_value_new);
	crypto_must(thread_value_set(&contexts_value, c) == 0);
	return c;
}

static struct contexts *contexts(void)
{
	if (!contexts_here)
		contexts_here = contexts_new();
	return contexts_here;
}

static EVP_MD_CTX *digest_begin(enum digest which)
{
	EVP_MD_CTX *md = contexts()->md[which];

	crypto_must(EVP_DigestInit_ex2(md, NULL, NULL));
	return md;
}

static void digest_parts(EVP_MD_CTX *md, const struct hash_part *parts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (parts[i].n > 0)
			crypto_must(EVP_DigestUpdate(md, parts[i].p, parts[i].n));
}

static void digest(enum digest which, const struct hash_part *parts, size_t n, uint8_t *out)
{
	EVP_MD_CTX *md = digest_begin(which);

	digest_parts(md, parts, n);
	crypto_must(EVP_DigestFinal_ex(md, out, NULL));
}

void blake2s(const struct hash_part *parts, size_t n, uint8_t out[static HASH_LEN])
{
	digest(BLAKE2S, parts, n, out);
}

void sha256(const struct hash_part *parts, size_t n, uint8_t out[static 32])
{
	digest(SHA256, parts, n, out);
}

void sha512(const struct hash_part *parts, size_t n, uint8_t out[static 64])
{
	digest(SHA512, parts, n, out);
}

void sha1(const void *p, size_t n, uint8_t out[static 20])
{
	digest(SHA1, &(struct hash_part){p, n}, 1, out);
}

void blake2s_mac(
	const uint8_t *key, size_t key_len, const void *p, size_t n, uint8_t out[static BLAKE2S_MAC_LEN])
{
	size_t size = BLAKE2S_MAC_LEN;
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC_CTX *mac = contexts()->blake2s_mac;
	size_t written = 0;

	assert(key_len > 0 && key_len <= HASH_LEN);
	crypto_must(EVP_MAC_init(mac, key, key_len, params));
	if (n > 0)
		crypto_must(EVP_MAC_update(mac, p, n));
	crypto_must(EVP_MAC_final(mac, out, &written, BLAKE2S_MAC_LEN));
	assert(written == BLAKE2S_MAC_LEN);
}

/* RFC 2104: H(key ^ opad, H(key ^ ipad, text)); keys longer than a block are hashed first. */
static void hmac(enum digest which, size_t digest_len, const uint8_t *key, size_t key_len,
	const struct hash_part *parts, size_t n, uint8_t *out)
{
	uint8_t block[HMAC_BLOCK] = {0}, inner[HASH_LEN];
	EVP_MD_CTX *md;

	if (key_len > HMAC_BLOCK)
		digest(which, &(struct hash_part){key, key_len}, 1, block);
	else if (key_len > 0)
		memcpy(block, key, key_len);

	for (size_t i = 0; i < HMAC_BLOCK; i++)
		block[i] ^= 0x36;
	md = digest_begin(which);
	crypto_must(EVP_DigestUpdate(md, block, sizeof(block)));
	digest_parts(md, parts, n);
	crypto_must(EVP_DigestFinal_ex(md, inner, NULL));

	for (size_t i = 0; i < HMAC_BLOCK; i++)
		block[i] ^= 0x36 ^ 0x5c;
	digest(which, (struct hash_part[]){{block, sizeof(block)}, {inner, digest_len}}, 2, out);

	wipe(block, sizeof(block));
	wipe(inner, sizeof(inner));
}

void hmac_blake2s(const uint8_t *key, size_t key_len, const struct hash_part *parts, size_t n,
	uint8_t out[static HASH_LEN])
{
	hmac(BLAKE2S, HASH_LEN, key, key_len, parts, n, out);
}

void hmac_sha256(
	const uint8_t *key, size_t key_len, const struct hash_part *parts, size_t n, uint8_t out[static 32])
{
	hmac(SHA256, 32, key, key_len, parts, n, out);
}

void hmac_sha1(const uint8_t *key, size_t key_len, const void *p, size_t n, uint8_t out[static 20])
{
	hmac(SHA1, 20, key, key_len, &(struct hash_part){p, n}, 1, out);
}
