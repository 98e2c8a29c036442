/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Chooses the provider of batches, and composes single messages from libcrypto's operations. */
#include "crypto/crypto_private.h"

#include <string.h>

#include "base/bytes.h"
#include "base/secret.h"

/* The preferred one first. */
static const struct aead_provider *const providers[] = {
#ifdef TM_IPSEC_MB
	&aead_ipsecmb,
	&aead_ipsecmb_noifma,
#endif
#ifdef TM_LIBGCRYPT
	&aead_libgcrypt,
#endif
#ifdef TM_LIBCRYPTO_DIRECT
	&aead_libcrypto_direct,
#endif
	&aead_libcrypto,
};

static const struct aead_provider *usable_at(size_t i)
{
	for (size_t p = 0; p < ARRAY_LEN(providers); p++)
		if (providers[p]->usable() && i-- == 0)
			return providers[p];
	return NULL;
}

const char *aead_provider_at(size_t i)
{
	const struct aead_provider *p = usable_at(i);

	return p ? p->name : NULL;
}

void aead_iv(uint64_t counter, uint8_t ret_iv[static CHACHA_IV])
{
	memset(ret_iv, 0, 8);
	put_le64(ret_iv + 8, counter);
}

/*
 * Sealing and opening of one length, and the refusal of a forgery, against libcrypto, which crypto_init has
 * tested by published vectors. Of two packets, as each may be computed in the company of another. room: for
 * four copies of n bytes and a tag.
 */
static bool agrees_at(struct aead *a, size_t n, uint8_t *room)
{
	enum { COUNTER = 0x01020304 };
	const size_t each = n + AEAD_TAG;
	uint8_t *ours = room, *ours_too = room + each, *theirs = room + 2 * each, *text = room + 3 * each;
	uint8_t key[AEAD_KEY], iv[CHACHA_IV];
	struct aead_op ops[] = {
		{.key = key, .counter = COUNTER, .data = ours, .n = n},
		{.key = key, .counter = COUNTER, .data = ours_too, .n = n},
	};

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0x80 + i);
	for (size_t i = 0; i < n; i++)
		text[i] = ours[i] = ours_too[i] = (uint8_t)(i * 7 + n);
	aead_iv(COUNTER, iv);
	if (libcrypto_seal(&a->libcrypto, key, iv, NULL, 0, text, n, theirs) < 0 ||
		aead_seal_batch(a, ops, 2) > 0 || !ct_eq(ours, theirs, each) ||
		!ct_eq(ours_too, theirs, each))
		return false;

	ours[n] ^= 1;
	if (aead_open_batch(a, ops, 2) != 1 || ops[0].err != TM_EAUTH || !ct_eq(ours_too, text, n))
		return false;

	ours[n] ^= 1;
	return aead_open_batch(a, ops, 1) == 0 && ct_eq(ours, text, n);
}

/* A keepalive, one block and a bit, a full packet, and beyond what any provider handles in one go. */
static int compare_with_libcrypto(struct aead *a)
{
	static const size_t lengths[] = {0, 65, 1424, 2050};
	_cleanup_(freep) uint8_t *room = malloc(4 * (2050 + AEAD_TAG));

	if (!room)
		return TM_ENOMEM;

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		if (!agrees_at(a, lengths[i], room))
			return TM_ECRYPTO;
	return TM_OK;
}

int aead_new_of(const struct aead_provider *p, struct aead **ret_aead)
{
	_cleanup_(aead_freep) struct aead *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return TM_ENOMEM;

	a->provider = p;
	err = libcrypto_init(&a->libcrypto);
	if (err == TM_OK && p->init)
		err = p->init(a);
	if (err == TM_OK && p != &aead_libcrypto)
		err = compare_with_libcrypto(a);
	if (err < 0)
		return err;

	*ret_aead = TAKE(a);
	return TM_OK;
}

int aead_new(struct aead **ret_aead)
{
	const struct aead_provider *p;
	int err = TM_ECRYPTO;

	for (size_t i = 0; err == TM_ECRYPTO && (p = usable_at(i)); i++)
		err = aead_new_of(p, ret_aead);
	return err;
}

int aead_new_with(const char *provider, struct aead **ret_aead)
{
	const struct aead_provider *p;

	for (size_t i = 0; (p = usable_at(i)); i++)
		if (strcmp(p->name, provider) == 0)
			return aead_new_of(p, ret_aead);
	return TM_ENOENT;
}

void aead_free(struct aead *a)
{
	if (!a)
		return;

	if (a->provider->deinit)
		a->provider->deinit(a);
	libcrypto_deinit(&a->libcrypto);
	free(a);
}

const char *aead_provider(const struct aead *a)
{
	return a->provider->name;
}

size_t aead_seal_batch(struct aead *a, struct aead_op *ops, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		ops[i].err = ops[i].n <= AEAD_MAX ? TM_OK : TM_EINVAL;
		if (ops[i].err == TM_OK && a->provider->seal)
			ops[i].err = a->provider->seal(a, &ops[i]);
		failed += ops[i].err < 0;
	}
	if (a->provider->seal_all)
		a->provider->seal_all(a, ops, n);
	return failed;
}

size_t aead_open_batch(struct aead *a, struct aead_op *ops, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++) {
		ops[i].err = ops[i].n <= AEAD_MAX ? a->provider->open(a, &ops[i]) : TM_EINVAL;
		failed += ops[i].err < 0;
	}
	return failed;
}

int aead_seal(struct aead *a, const uint8_t key[static AEAD_KEY], uint64_t counter, const void *ad,
	size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t iv[CHACHA_IV];

	aead_iv(counter, iv);
	return libcrypto_seal(&a->libcrypto, key, iv, ad, ad_len, in, n, out);
}

int aead_open(struct aead *a, const uint8_t key[static AEAD_KEY], uint64_t counter, const void *ad,
	size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t iv[CHACHA_IV];

	if (n < AEAD_TAG)
		return TM_ESHORT;

	aead_iv(counter, iv);
	return libcrypto_open(&a->libcrypto, key, iv, ad, ad_len, in, n - AEAD_TAG, out);
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
	uint8_t block[CHACHA_BLOCK];
	int err = libcrypto_block(&a->libcrypto, key, nonce, block);

	if (err < 0)
		return err;

	for (size_t i = 0; i < 16; i += 4) {
		put_le32(ret_key + i, get_le32(block + i) - get_le32(constants + i));
		put_le32(ret_key + 16 + i, get_le32(block + 48 + i) - get_le32(nonce + i));
	}
	wipe(block, sizeof(block));
	return TM_OK;
}

/* The subkey, and the rest of the nonce behind block counter 0 and four zero bytes (draft 2.3). */
static int xchacha(struct aead *a, const uint8_t *key, const uint8_t nonce[static XAEAD_NONCE],
	uint8_t ret_key[static AEAD_KEY], uint8_t ret_iv[static CHACHA_IV])
{
	memset(ret_iv, 0, 8);
	memcpy(ret_iv + 8, nonce + 16, 8);
	return hchacha20(a, key, nonce, ret_key);
}

int xaead_seal(struct aead *a, const uint8_t key[static AEAD_KEY], const uint8_t nonce[static XAEAD_NONCE],
	const void *ad, size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t subkey[AEAD_KEY], iv[CHACHA_IV];
	int err = xchacha(a, key, nonce, subkey, iv);

	if (err == TM_OK)
		err = libcrypto_seal(&a->libcrypto, subkey, iv, ad, ad_len, in, n, out);
	wipe(subkey, sizeof(subkey));
	return err;
}

int xaead_open(struct aead *a, const uint8_t key[static AEAD_KEY], const uint8_t nonce[static XAEAD_NONCE],
	const void *ad, size_t ad_len, const uint8_t *in, size_t n, uint8_t *out)
{
	uint8_t subkey[AEAD_KEY], iv[CHACHA_IV];
	int err;

	if (n < AEAD_TAG)
		return TM_ESHORT;

	err = xchacha(a, key, nonce, subkey, iv);
	if (err == TM_OK)
		err = libcrypto_open(&a->libcrypto, subkey, iv, ad, ad_len, in, n - AEAD_TAG, out);
	wipe(subkey, sizeof(subkey));
	return err;
}
