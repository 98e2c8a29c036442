/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/secure.h"

#include <jansson.h>
#include <string.h>

#include "base/secret.h"
#include "control/link/pack.h"
#include "crypto/init.h"

static const char prologue[] = "tunnelmesh control 1";
static const char mac_label[] = "tunnelmesh mac1";
static const char hello_initiator[] = "{\"v\":1,\"deflate\":1}";
static const char hello_responder[] = "{\"v\":1}";

int secure_init(struct secure *s, struct aead *a, enum noise_role role, const struct dh_key *key,
	const uint8_t *remote, size_t max)
{
	struct noise_config cfg = {
		.pattern = NOISE_IK,
		.role = role,
		.prologue = prologue,
		.prologue_len = sizeof(prologue) - 1,
		.s = key,
		.rs = remote,
	};

	const struct hash_part mac_parts[] = {
		{mac_label, sizeof(mac_label) - 1}, {remote ? remote : dh_key_public(key), DH_KEY}};

	*s = (struct secure){.aead = a, .max = max, .may_receive_packed = role == NOISE_INITIATOR};
	blake2s(mac_parts, ARRAY_LEN(mac_parts), s->mac_key);
	s->noise = malloc(sizeof(*s->noise));
	return s->noise ? noise_init(s->noise, &cfg) : TM_ENOMEM;
}

static void noise_forget(struct secure *s)
{
	if (s->noise)
		noise_deinit(s->noise);
	free(TAKE(s->noise));
}

void secure_release(struct secure *s)
{
	if (s->text)
		wipe(s->text, s->cap); /* messages carry the mesh secret */
	free(TAKE(s->text));
	s->len = s->cap = 0;
}

void secure_deinit(struct secure *s)
{
	noise_forget(s);
	secure_release(s);
	wipe(s, sizeof(*s));
}

static int split_when_done(struct secure *s)
{
	if (!s->noise->done)
		return TM_OK;

	int err = noise_split(s->noise, &s->tx, &s->rx);
	s->ready = err == TM_OK;
	noise_forget(s);
	return err;
}

int secure_hello_write(struct secure *s, uint8_t *out, size_t *ret_n)
{
	bool asks = s->noise->role == NOISE_INITIATOR;
	const char *payload = asks ? hello_initiator : hello_responder;
	uint8_t ephemeral[DH_KEY];
	size_t n;

	random_bytes(ephemeral, sizeof(ephemeral));
	int err = noise_write(s->noise, s->aead, ephemeral, payload, strlen(payload), out,
		SECURE_HELLO_MAX - SECURE_MAC, &n);
	wipe(ephemeral, sizeof(ephemeral));
	if (!err)
		err = split_when_done(s);
	if (err)
		return err;

	if (asks)
		blake2s_mac(s->mac_key, sizeof(s->mac_key), out, n, out + n);
	*ret_n = n + (asks ? SECURE_MAC : 0);
	return TM_OK;
}

bool secure_hello_meant_for_us(const struct secure *s, const uint8_t *msg, size_t n)
{
	uint8_t mac[SECURE_MAC];

	if (n < SECURE_MAC)
		return false;

	blake2s_mac(s->mac_key, sizeof(s->mac_key), msg, n - SECURE_MAC, mac);
	return ct_eq(mac, msg + n - SECURE_MAC, SECURE_MAC);
}

int secure_hello_look(struct secure *s, const uint8_t *msg, size_t n)
{
	if (n < SECURE_MAC || !s->noise)
		return TM_EBADMSG;

	int err = noise_read_static(s->noise, s->aead, msg, n - SECURE_MAC);
	if (!err)
		memcpy(s->remote, s->noise->rs, DH_KEY);
	return err;
}

/* {"v":1} and any fields that a later version of the same protocol may add. */
static int hello_parse(struct secure *s, const uint8_t *payload, size_t n)
{
	json_t *j = json_loadb((const char *)payload, n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *v = json_object_get(j, "v");
	int err = !json_is_integer(v)                       ? TM_EBADMSG
		  : json_integer_value(v) != SECURE_VERSION ? TM_EVERSION
							    : TM_OK;

	s->may_send_packed = s->noise->role == NOISE_RESPONDER &&
			     json_integer_value(json_object_get(j, "deflate")) == PACK_VERSION;
	json_decref(j);
	return err;
}

int secure_hello_read(struct secure *s, const uint8_t *msg, size_t n)
{
	uint8_t payload[SECURE_HELLO_MAX];
	size_t payload_len = 0;

	if (n > sizeof(payload) || !s->noise)
		return TM_EBADMSG;
	if (s->noise->role == NOISE_RESPONDER) {
		if (!secure_hello_meant_for_us(s, msg, n))
			return TM_EAUTH;
		n -= SECURE_MAC;
	}

	int err = noise_read(s->noise, s->aead, msg, n, payload, &payload_len);
	if (err)
		return err;

	memcpy(s->remote, s->noise->rs, DH_KEY);
	err = hello_parse(s, payload, payload_len);
	return err ? err : split_when_done(s);
}

int secure_seal(struct secure *s, uint8_t *buf, size_t n, unsigned flags)
{
	if (!s->ready || n > SECURE_FRAGMENT_MAX)
		return TM_EINVAL;

	buf[0] = (uint8_t)flags;
	return noise_cipher_seal(&s->tx, s->aead, NULL, 0, buf, n + 1, buf);
}

static int text_reserve(struct secure *s, size_t need)
{
	if (need <= s->cap)
		return TM_OK;

	size_t cap = MAX(need, s->cap * 2);
	char *text = malloc(cap);
	if (!text)
		return TM_ENOMEM;

	size_t len = s->len;
	if (s->text)
		memcpy(text, s->text, len);
	secure_release(s);
	s->text = text;
	s->len = len;
	s->cap = cap;
	return TM_OK;
}

static bool flags_valid(const struct secure *s, unsigned flags, bool first)
{
	if (flags & ~(unsigned)(SECURE_LAST | SECURE_PACKED))
		return false;
	if ((flags & SECURE_PACKED) && !s->may_receive_packed)
		return false;
	return first || s->packed == !!(flags & SECURE_PACKED);
}

/* The message in its deflated form becomes its text. */
static int inflate_message(struct secure *s)
{
	char *text;
	size_t n;
	int err = unpack((const uint8_t *)s->text, s->len, s->max, &text, &n);

	if (err)
		return err;

	secure_release(s);
	s->text = text;
	s->len = s->cap = n;
	return TM_OK;
}

int secure_open(struct secure *s, const uint8_t *msg, size_t n, const char **ret_text, size_t *ret_n)
{
	if (!s->ready || n < SECURE_OVERHEAD || n > NOISE_MSG_MAX)
		return TM_EBADMSG;

	size_t fragment = n - SECURE_OVERHEAD;
	if (s->len + fragment > s->max)
		return TM_EFULL;

	/* One byte more for the flags, which stand where the fragment's first byte goes. */
	int err = text_reserve(s, s->len + fragment + 1);
	if (err)
		return err;

	uint8_t *at = (uint8_t *)s->text + s->len;
	err = noise_cipher_open(&s->rx, s->aead, NULL, 0, msg, n, at);
	if (err)
		return err;

	uint8_t flags = at[0];
	if (!flags_valid(s, flags, s->len == 0))
		return TM_EBADMSG;
	if (!(flags & SECURE_LAST) && fragment == 0)
		return TM_EBADMSG; /* else a peer could send for ever without saying anything */

	s->packed = flags & SECURE_PACKED;
	memmove(at, at + 1, fragment);
	s->len += fragment;
	if (!(flags & SECURE_LAST))
		return TM_EAGAIN;

	err = s->packed ? inflate_message(s) : TM_OK;
	if (err)
		return err;

	*ret_text = s->text;
	*ret_n = s->len;
	return TM_OK;
}
