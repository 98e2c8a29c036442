/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vec/vectors.h"

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/noise.h"
#include "vec/protocol_name.h"

#include <stdio.h>
#include <string.h>

enum { HANDSHAKE_MESSAGES = 2, ROLES = 2 };

/* Fields that may stand in a vector and that we read; and those that others write for their own use. */
static const char *const known_fields[] = {"protocol_name", "init_prologue", "init_static", "init_ephemeral",
	"init_remote_static", "init_psks", "resp_prologue", "resp_static", "resp_ephemeral",
	"resp_remote_static", "resp_psks", "handshake_hash", "messages", "name", "pattern", "dh", "cipher",
	"hash", NULL};

struct bytes {
	uint8_t p[NOISE_MSG_MAX];
	size_t n;
};

struct run {
	const json_t *v;
	struct aead *aead;
	struct noise side[ROLES];
	struct dh_key *s[ROLES];
	struct noise_cipher send[ROLES], recv[ROLES];
	struct bytes payload, ciphertext, out;
	struct vector_why *why;
};

static void run_free(struct run *r)
{
	for (int i = 0; i < ROLES; i++)
		dh_key_free(r->s[i]);
	free(r);
}
DEFINE_CLEANUP(struct run, run_free)

static bool fail(struct run *r, const char *what, const char *field)
{
	snprintf(r->why->text, sizeof(r->why->text), "%s: %s", field, what);
	return false;
}

/* Digits of both cases in one string are damage: a flipped bit makes an A of an a. */
static bool is_mixed_case(const char *hex)
{
	return strpbrk(hex, "abcdef") && strpbrk(hex, "ABCDEF");
}

static bool read_hex(struct run *r, const json_t *j, const char *field, struct bytes *ret_bytes)
{
	const char *hex = json_string_value(j);

	if (!hex)
		return fail(r, "is missing or no string", field);
	if (json_string_length(j) != strlen(hex) || strlen(hex) % 2 != 0 ||
		strlen(hex) / 2 > sizeof(ret_bytes->p) || is_mixed_case(hex) ||
		hex_decode(hex, strlen(hex), ret_bytes->p, strlen(hex) / 2) < 0)
		return fail(r, "is no hexadecimal string", field);

	ret_bytes->n = strlen(hex) / 2;
	return true;
}

static bool read_key(struct run *r, const json_t *j, const char *field, uint8_t ret_key[static 32])
{
	if (!read_hex(r, j, field, &r->out))
		return false;
	if (r->out.n != 32)
		return fail(r, "is not 32 bytes long", field);

	memcpy(ret_key, r->out.p, 32);
	return true;
}

static bool same(const struct bytes *b, const uint8_t *p, size_t n)
{
	return b->n == n && ct_eq(b->p, p, n);
}

static bool only_known_fields(struct run *r)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)r->v, key, value) {
		const char *const *known = known_fields;

		while (*known && strcmp(*known, key) != 0)
			known++;
		if (!*known)
			return fail(r, "is no field that this program knows", key);
	}
	return true;
}

static bool begin_side(struct run *r, enum noise_pattern pattern, enum noise_role role, bool psk)
{
	static const char *const names[ROLES][4] = {
		{"init_prologue", "init_static", "init_remote_static", "init_psks"},
		{"resp_prologue", "resp_static", "resp_remote_static", "resp_psks"},
	};
	const char *const *name = names[role];
	const json_t *prologue = json_object_get(r->v, name[0]), *psks = json_object_get(r->v, name[3]);
	uint8_t s[32], rs[32], key[NOISE_PSK];
	struct noise_config cfg = {.pattern = pattern, .role = role};

	r->payload.n = 0;
	if (prologue && !read_hex(r, prologue, name[0], &r->payload))
		return false;
	if (!read_key(r, json_object_get(r->v, name[1]), name[1], s))
		return false;
	if (role == NOISE_INITIATOR && !read_key(r, json_object_get(r->v, name[2]), name[2], rs))
		return false;
	if (json_array_size(psks) != (psk ? 1 : 0))
		return fail(r, "does not hold the keys of this pattern", name[3]);
	if (psk && !read_key(r, json_array_get(psks, 0), name[3], key))
		return false;

	cfg.prologue = r->payload.p;
	cfg.prologue_len = r->payload.n;
	cfg.rs = role == NOISE_INITIATOR ? rs : NULL;
	cfg.psk = psk ? key : NULL;
	if (dh_key_new(s, &r->s[role]) != TM_OK)
		return fail(r, "cannot be used", name[1]);

	cfg.s = r->s[role];
	return noise_init(&r->side[role], &cfg) == TM_OK || fail(r, "cannot be used", name[1]);
}

static bool run_handshake_message(struct run *r, enum noise_role from, const char *where)
{
	const char *field = from == NOISE_INITIATOR ? "init_ephemeral" : "resp_ephemeral";
	uint8_t ephemeral[DH_KEY];
	size_t n = 0;

	if (!read_key(r, json_object_get(r->v, field), field, ephemeral))
		return false;
	if (noise_write(&r->side[from], r->aead, ephemeral, r->payload.p, r->payload.n, r->out.p,
		    sizeof(r->out.p), &n))
		return fail(r, "cannot be written", where);
	if (!same(&r->ciphertext, r->out.p, n))
		return fail(r, "differs from what we write", where);
	if (noise_read(&r->side[!from], r->aead, r->ciphertext.p, r->ciphertext.n, r->out.p, &n))
		return fail(r, "cannot be read", where);

	return same(&r->payload, r->out.p, n) || fail(r, "has another payload", where);
}

static bool run_transport_message(struct run *r, enum noise_role from, const char *where)
{
	const size_t n = r->payload.n;

	if (n + AEAD_TAG > sizeof(r->out.p))
		return fail(r, "is too long", where);
	if (noise_cipher_seal(&r->send[from], r->aead, NULL, 0, r->payload.p, n, r->out.p) < 0)
		return fail(r, "cannot be written", where);
	if (!same(&r->ciphertext, r->out.p, n + AEAD_TAG))
		return fail(r, "differs from what we write", where);
	if (noise_cipher_open(&r->recv[!from], r->aead, NULL, 0, r->ciphertext.p, r->ciphertext.n, r->out.p) <
		0)
		return fail(r, "cannot be read", where);

	return same(&r->payload, r->out.p, n) || fail(r, "has another payload", where);
}

static bool end_handshake(struct run *r)
{
	const json_t *hash = json_object_get(r->v, "handshake_hash");
	bool ok = true;

	if (hash) {
		if (!read_hex(r, hash, "handshake_hash", &r->out))
			return false;
		if (!same(&r->out, r->side[NOISE_INITIATOR].h, HASH_LEN) ||
			!same(&r->out, r->side[NOISE_RESPONDER].h, HASH_LEN))
			return fail(r, "differs from ours", "handshake_hash");
	}
	for (int i = 0; i < ROLES; i++)
		ok = ok && noise_split(&r->side[i], &r->send[i], &r->recv[i]) == TM_OK;
	return ok || fail(r, "does not end", "handshake");
}

static bool run_message(struct run *r, size_t i, const json_t *m)
{
	const enum noise_role from = i % 2 == 0 ? NOISE_INITIATOR : NOISE_RESPONDER;
	char where[32];

	snprintf(where, sizeof(where), "message %zu", i + 1);
	if (!json_is_object(m) || json_object_size(m) != 2)
		return fail(r, "is not a payload and a ciphertext", where);
	if (!read_hex(r, json_object_get(m, "payload"), where, &r->payload) ||
		!read_hex(r, json_object_get(m, "ciphertext"), where, &r->ciphertext))
		return false;

	if (i >= HANDSHAKE_MESSAGES)
		return run_transport_message(r, from, where);
	if (!run_handshake_message(r, from, where))
		return false;

	return i + 1 < HANDSHAKE_MESSAGES || end_handshake(r);
}

static bool run(struct run *r, enum noise_pattern pattern, bool psk)
{
	const json_t *messages = json_object_get(r->v, "messages"), *m;
	size_t i;

	if (!only_known_fields(r) || !begin_side(r, pattern, NOISE_INITIATOR, psk) ||
		!begin_side(r, pattern, NOISE_RESPONDER, psk))
		return false;
	if (json_array_size(messages) < HANDSHAKE_MESSAGES)
		return fail(r, "do not complete the handshake", "messages");

	json_array_foreach (messages, i, m)
		if (!run_message(r, i, m))
			return false;
	return true;
}

const char *vector_name(const json_t *v)
{
	const json_t *name = json_object_get(v, "protocol_name");

	return json_string_value(name ? name : json_object_get(v, "name"));
}

enum vector_verdict vector_run(const json_t *v, struct aead *a, struct vector_why *ret_why)
{
	const char *name = vector_name(v);
	_cleanup_(run_freep) struct run *r = calloc(1, sizeof(*r));
	struct protocol_name parsed;
	enum noise_pattern pattern;

	if (!r) {
		snprintf(ret_why->text, sizeof(ret_why->text), "out of memory");
		return VECTOR_FAILED;
	}
	*r = (struct run){.v = v, .aead = a, .why = ret_why};
	if (!name || !protocol_name_parse(name, &parsed)) {
		fail(r, "is no name of a Noise protocol", "protocol_name");
		return VECTOR_FAILED;
	}
	if (noise_pattern_parse(name, &pattern) == TM_OK)
		return run(r, pattern, parsed.psk) ? VECTOR_PASSED : VECTOR_FAILED;

	/* Not ours, but a vector of this name has these: without them it is a damaged one of another name. */
	if ((parsed.init_knows_resp && !json_object_get(v, "init_remote_static")) ||
		(parsed.resp_knows_init && !json_object_get(v, "resp_remote_static"))) {
		fail(r, "is missing, which this protocol needs", "static key of the other side");
		return VECTOR_FAILED;
	}
	return VECTOR_SKIPPED;
}
