/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "crypto/noise.h"

#include <string.h>

#include "base/secret.h"
#include "crypto/kdf.h"

enum noise_token { END, E, S, EE, ES, SE, SS, PSK };
enum { MESSAGES = 2, TOKENS_MAX = 6 };

/* Message 0 goes from initiator to responder, message 1 back. All have the pre-message "<- s". */
static const struct {
	const char *name;
	bool psk;
	uint8_t tokens[MESSAGES][TOKENS_MAX]; /* enum noise_token, END-terminated */
} patterns[] = {
	[NOISE_IK] = {"Noise_IK_25519_ChaChaPoly_BLAKE2s", false, {{E, ES, S, SS}, {E, EE, SE}}},
	[NOISE_IKPSK2] = {"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s", true, {{E, ES, S, SS}, {E, EE, SE, PSK}}},
	[NOISE_IKPSK1] = {"Noise_IKpsk1_25519_ChaChaPoly_BLAKE2s", true, {{E, ES, S, SS, PSK}, {E, EE, SE}}},
	[NOISE_IKPSK0] = {"Noise_IKpsk0_25519_ChaChaPoly_BLAKE2s", true, {{PSK, E, ES, S, SS}, {E, EE, SE}}},
};
_Static_assert(ARRAY_LEN(patterns) == NOISE_PATTERN_N, "a row for each pattern");

int noise_pattern_parse(const char *protocol_name, enum noise_pattern *ret_pattern)
{
	for (unsigned i = 0; i < NOISE_PATTERN_N; i++)
		if (strcmp(patterns[i].name, protocol_name) == 0) {
			*ret_pattern = (enum noise_pattern)i;
			return TM_OK;
		}
	return TM_EUNSUPPORTED;
}

const char *noise_pattern_name(enum noise_pattern p)
{
	return patterns[p].name;
}

/* The symmetric state (Noise 5.2). */

static void mix_hash(struct noise *n, const void *p, size_t len)
{
	blake2s((struct hash_part[]){{n->h, sizeof(n->h)}, {p, len}}, 2, n->h);
}

static void cipher_key(struct noise_cipher *c, const uint8_t key[static AEAD_KEY])
{
	memcpy(c->key, key, AEAD_KEY);
	c->n = 0;
	c->has_key = true;
}

static void mix_key(struct noise *n, const uint8_t *ikm, size_t len)
{
	uint8_t key[HASH_LEN];

	noise_hkdf(n->ck, ikm, len, n->ck, key, NULL);
	cipher_key(&n->cipher, key);
	wipe(key, sizeof(key));
}

static void mix_key_and_hash(struct noise *n, const uint8_t psk[static NOISE_PSK])
{
	uint8_t hash[HASH_LEN], key[HASH_LEN];

	noise_hkdf(n->ck, psk, NOISE_PSK, n->ck, hash, key);
	mix_hash(n, hash, sizeof(hash));
	cipher_key(&n->cipher, key);
	wipe(hash, sizeof(hash));
	wipe(key, sizeof(key));
}

static size_t sealed_len(const struct noise *n, size_t len)
{
	return n->cipher.has_key ? len + AEAD_TAG : len;
}

static int encrypt_and_hash(struct noise *n, struct aead *a, const void *in, size_t len, uint8_t *out)
{
	const size_t out_len = sealed_len(n, len);

	if (n->cipher.has_key) {
		int err = noise_cipher_seal(&n->cipher, a, n->h, sizeof(n->h), in, len, out);
		if (err < 0)
			return err;
	} else if (len > 0) {
		memmove(out, in, len);
	}
	mix_hash(n, out, out_len);
	return TM_OK;
}

static int decrypt_and_hash(struct noise *n, struct aead *a, const uint8_t *in, size_t len, uint8_t *out)
{
	uint8_t h[HASH_LEN];

	/* The next hash covers the ciphertext, which `out` may overwrite: take it first. */
	blake2s((struct hash_part[]){{n->h, sizeof(n->h)}, {in, len}}, 2, h);
	if (n->cipher.has_key) {
		int err = noise_cipher_open(&n->cipher, a, n->h, sizeof(n->h), in, len, out);
		if (err < 0)
			return err;
	} else if (len > 0) {
		memmove(out, in, len);
	}
	memcpy(n->h, h, sizeof(h));
	return TM_OK;
}

/* The handshake state (Noise 5.3). */

int noise_init(struct noise *n, const struct noise_config *cfg)
{
	const char *name = patterns[cfg->pattern].name;
	const size_t name_len = strlen(name);

	if ((cfg->role == NOISE_INITIATOR) != (cfg->rs != NULL))
		return TM_EINVAL;

	*n = (struct noise){.pattern = cfg->pattern, .role = cfg->role, .s = cfg->s};
	if (cfg->rs) {
		memcpy(n->rs, cfg->rs, DH_KEY);
		n->has_rs = true;
	}
	if (cfg->psk)
		memcpy(n->psk, cfg->psk, NOISE_PSK);

	if (name_len <= HASH_LEN)
		memcpy(n->h, name, name_len);
	else
		blake2s(&(struct hash_part){name, name_len}, 1, n->h);
	memcpy(n->ck, n->h, sizeof(n->ck));
	mix_hash(n, cfg->prologue, cfg->prologue_len);
	mix_hash(n, cfg->role == NOISE_INITIATOR ? n->rs : dh_key_public(n->s), DH_KEY);
	return TM_OK;
}

void noise_deinit(struct noise *n)
{
	if (n)
		wipe(n, sizeof(*n));
}

void noise_set_psk(struct noise *n, const uint8_t psk[static NOISE_PSK])
{
	memcpy(n->psk, psk, NOISE_PSK);
}

void noise_set_ss(struct noise *n, const uint8_t ss[static DH_KEY])
{
	memcpy(n->ss, ss, DH_KEY);
	memcpy(n->ss_for, n->rs, DH_KEY);
	n->has_ss = true;
}

static int mix_dh(struct noise *n, const struct dh_key *key, const uint8_t *pub)
{
	uint8_t shared[DH_KEY];
	int err = dh_key_exchange(key, pub, shared);

	if (err < 0)
		return err;

	mix_key(n, shared, sizeof(shared));
	wipe(shared, sizeof(shared));
	return TM_OK;
}

/* With our ephemeral key, which is ready (e) in the message that brings it. */
static int mix_ephemeral_dh(struct noise *n, const struct dh_key *e, const uint8_t *pub)
{
	_cleanup_(dh_key_freep) struct dh_key *again = NULL;
	int err = e ? TM_OK : dh_key_new(n->e_priv, &again);

	return err < 0 ? err : mix_dh(n, e ? e : again, pub);
}

static int mix_static_static(struct noise *n)
{
	if (!n->has_ss || !ct_eq(n->ss_for, n->rs, DH_KEY))
		return mix_dh(n, n->s, n->rs);

	mix_key(n, n->ss, sizeof(n->ss));
	return TM_OK;
}

/* The tokens that read and write alike. The first letter of es and se names the initiator's key. */
static int mix_token(struct noise *n, enum noise_token token, const struct dh_key *e)
{
	const bool initiator = n->role == NOISE_INITIATOR;

	switch (token) {
	case EE:
		return mix_ephemeral_dh(n, e, n->re);
	case ES:
		return initiator ? mix_ephemeral_dh(n, e, n->rs) : mix_dh(n, n->s, n->re);
	case SE:
		return initiator ? mix_dh(n, n->s, n->re) : mix_ephemeral_dh(n, e, n->rs);
	case SS:
		return mix_static_static(n);
	case PSK:
		mix_key_and_hash(n, n->psk);
		return TM_OK;
	case END:
	case E:
	case S:
		break;
	}
	return TM_EINVAL;
}

/* Noise 9.2: with a psk in the pattern, every ephemeral key is mixed into the key, too. */
static void mix_ephemeral(struct noise *n, const uint8_t pub[static DH_KEY])
{
	mix_hash(n, pub, DH_KEY);
	if (patterns[n->pattern].psk)
		mix_key(n, pub, DH_KEY);
}

static bool our_turn(const struct noise *n, bool writing)
{
	const bool initiator_writes = n->step == 0;

	return !n->failed && n->step < MESSAGES &&
	       writing == (initiator_writes == (n->role == NOISE_INITIATOR));
}

/* After each message: counts it, or spoils the state for good. */
static int advance(struct noise *n, int err)
{
	if (err < 0) {
		n->failed = true;
		wipe(n->ck, sizeof(n->ck));
		wipe(&n->cipher, sizeof(n->cipher));
		return err;
	}

	n->step++;
	n->token = 0;
	n->at = 0;
	n->done = n->step == MESSAGES;
	return TM_OK;
}

static int write_token(
	struct noise *n, struct aead *a, enum noise_token token, const struct dh_key *e, uint8_t **at)
{
	int err;

	if (token == S) {
		const size_t len = sealed_len(n, DH_KEY);

		err = encrypt_and_hash(n, a, dh_key_public(n->s), DH_KEY, *at);
		if (err == TM_OK)
			*at += len;
		return err;
	}
	if (token != E)
		return mix_token(n, token, e);

	memcpy(n->e_pub, dh_key_public(e), DH_KEY);
	memcpy(*at, n->e_pub, DH_KEY);
	*at += DH_KEY;
	mix_ephemeral(n, n->e_pub);
	return TM_OK;
}

/*
 * What the message adds to its payload. All patterns of ours have a key before the first s and the payload.
 */
static size_t overhead(const struct noise *n)
{
	const uint8_t *tokens = patterns[n->pattern].tokens[n->step];
	size_t len = AEAD_TAG;

	for (size_t i = 0; i < TOKENS_MAX && tokens[i] != END; i++) {
		if (tokens[i] == E)
			len += DH_KEY;
		if (tokens[i] == S)
			len += DH_KEY + AEAD_TAG;
	}
	return len;
}

int noise_write(struct noise *n, struct aead *a, const uint8_t e_priv[static DH_KEY], const void *payload,
	size_t payload_len, uint8_t *out, size_t out_len, size_t *ret_n)
{
	_cleanup_(dh_key_freep) struct dh_key *e = NULL;
	const uint8_t *tokens;
	uint8_t *at = out;
	size_t total;
	int err;

	if (!our_turn(n, true))
		return TM_EPROTO;

	total = payload_len + overhead(n);
	if (payload_len > NOISE_MSG_MAX || total > NOISE_MSG_MAX || total > out_len)
		return TM_EFULL;

	memcpy(n->e_priv, e_priv, DH_KEY);
	err = dh_key_new(e_priv, &e);
	tokens = patterns[n->pattern].tokens[n->step];
	for (size_t i = 0; i < TOKENS_MAX && tokens[i] != END && err == TM_OK; i++)
		err = write_token(n, a, (enum noise_token)tokens[i], e, &at);
	if (err == TM_OK)
		err = encrypt_and_hash(n, a, payload, payload_len, at);
	err = advance(n, err);
	if (err == TM_OK)
		*ret_n = total;
	return err;
}

static int read_token(
	struct noise *n, struct aead *a, enum noise_token token, const uint8_t **at, const uint8_t *end)
{
	const size_t len = token == S ? sealed_len(n, DH_KEY) : DH_KEY;
	const uint8_t *from = *at;
	int err = TM_OK;

	if (token != E && token != S)
		return mix_token(n, token, NULL);
	if ((size_t)(end - from) < len)
		return TM_ESHORT;

	*at += len;
	if (token == E) {
		memcpy(n->re, from, DH_KEY);
		mix_ephemeral(n, n->re);
	} else {
		err = decrypt_and_hash(n, a, from, len, n->rs);
		n->has_rs = err == TM_OK;
	}
	return err;
}

/* From where the last call stopped until after the token `last` (END: all). */
static int read_tokens(
	struct noise *n, struct aead *a, const uint8_t *msg, size_t msg_len, enum noise_token last)
{
	const uint8_t *tokens = patterns[n->pattern].tokens[n->step], *at = msg + n->at;
	enum noise_token token = END;

	if (msg_len > NOISE_MSG_MAX)
		return TM_EFULL;
	if (msg_len < n->at)
		return TM_ESHORT;

	while (n->token < TOKENS_MAX && (token == END || token != last)) {
		token = (enum noise_token)tokens[n->token];
		if (token == END)
			break;

		int err = read_token(n, a, token, &at, msg + msg_len);
		if (err < 0)
			return err;

		n->token++;
		n->at = (uint16_t)(at - msg);
	}
	return TM_OK;
}

int noise_read_static(struct noise *n, struct aead *a, const uint8_t *msg, size_t msg_len)
{
	int err;

	if (!our_turn(n, false) || n->role != NOISE_RESPONDER || n->has_rs)
		return TM_EPROTO;

	err = read_tokens(n, a, msg, msg_len, S);
	return err < 0 ? advance(n, err) : TM_OK;
}

int noise_read(struct noise *n, struct aead *a, const uint8_t *msg, size_t msg_len, uint8_t *payload_out,
	size_t *ret_payload_len)
{
	size_t sealed;
	int err;

	if (!our_turn(n, false))
		return TM_EPROTO;

	err = read_tokens(n, a, msg, msg_len, END);
	if (err < 0)
		return advance(n, err);

	sealed = msg_len - n->at;
	if (sealed < AEAD_TAG)
		return advance(n, TM_ESHORT);

	err = advance(n, decrypt_and_hash(n, a, msg + n->at, sealed, payload_out));
	if (err == TM_OK)
		*ret_payload_len = sealed - AEAD_TAG;
	return err;
}

int noise_split(struct noise *n, struct noise_cipher *ret_send, struct noise_cipher *ret_recv)
{
	struct noise_cipher to_responder = {.has_key = true}, to_initiator = {.has_key = true};
	struct noise rest;

	if (n->failed || n->step != MESSAGES)
		return TM_EPROTO;

	noise_hkdf(n->ck, NULL, 0, to_responder.key, to_initiator.key, NULL);
	*ret_send = n->role == NOISE_INITIATOR ? to_responder : to_initiator;
	*ret_recv = n->role == NOISE_INITIATOR ? to_initiator : to_responder;
	wipe(&to_responder, sizeof(to_responder));
	wipe(&to_initiator, sizeof(to_initiator));

	/* One step past the end: a second split would hand out the same keys with nonce 0 again. */
	rest = (struct noise){
		.pattern = n->pattern, .role = n->role, .step = MESSAGES + 1, .done = true, .has_rs = true};
	memcpy(rest.h, n->h, sizeof(rest.h));
	memcpy(rest.rs, n->rs, sizeof(rest.rs));
	wipe(n, sizeof(*n));
	*n = rest;
	return TM_OK;
}

/* Noise 5.1: the greatest nonce is reserved. */
int noise_cipher_seal(struct noise_cipher *c, struct aead *a, const void *ad, size_t ad_len,
	const uint8_t *in, size_t n, uint8_t *out)
{
	int err;

	if (!c->has_key || c->n == UINT64_MAX)
		return TM_EPROTO;

	err = aead_seal(a, c->key, c->n, ad, ad_len, in, n, out);
	if (err == TM_OK)
		c->n++;
	return err;
}

int noise_cipher_open(struct noise_cipher *c, struct aead *a, const void *ad, size_t ad_len,
	const uint8_t *in, size_t n, uint8_t *out)
{
	int err;

	if (!c->has_key || c->n == UINT64_MAX)
		return TM_EPROTO;

	err = aead_open(a, c->key, c->n, ad, ad_len, in, n, out);
	if (err == TM_OK)
		c->n++;
	return err;
}
