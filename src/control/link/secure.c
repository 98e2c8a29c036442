/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/secure.h"

#include <jansson.h>
#include <string.h>

#include "base/secret.h"
#include "crypto/init.h"

static const char prologue[] = "tunnelmesh control 1";
static const char hello[] = "{\"v\":1}";

enum { FLAG_LAST = 1, KEEP_CAP = 16 << 10 };

int secure_init(struct secure *s, struct aead *a, enum noise_role role, const struct identity *id,
	const uint8_t *remote, size_t max)
{
	struct noise_config cfg = {
		.pattern = NOISE_IK,
		.role = role,
		.prologue = prologue,
		.prologue_len = sizeof(prologue) - 1,
		.rs = remote,
	};
	int err;

	*s = (struct secure){.aead = a, .max = max};
	err = dh_key_new(id->x_priv, &s->key);
	if (err)
		return err;

	cfg.s = s->key;
	return noise_init(&s->noise, &cfg);
}

void secure_deinit(struct secure *s)
{
	noise_deinit(&s->noise);
	dh_key_free(s->key);
	if (s->text)
		wipe(s->text, s->cap);
	free(s->text);
	wipe(s, sizeof(*s));
}

static int split_when_done(struct secure *s)
{
	if (!s->noise.done)
		return TM_OK;

	int err = noise_split(&s->noise, &s->tx, &s->rx);
	dh_key_free(s->key);
	s->key = NULL;
	s->ready = err == TM_OK;
	return err;
}

int secure_hello_write(struct secure *s, uint8_t *out, size_t *ret_n)
{
	uint8_t ephemeral[DH_KEY];

	random_bytes(ephemeral, sizeof(ephemeral));
	int err = noise_write(
		&s->noise, s->aead, ephemeral, hello, sizeof(hello) - 1, out, SECURE_HELLO_MAX, ret_n);
	wipe(ephemeral, sizeof(ephemeral));
	return err ? err : split_when_done(s);
}

/* {"v":1} and any fields that a later version of the same protocol may add. */
static int version_check(const uint8_t *payload, size_t n)
{
	json_t *j = json_loadb((const char *)payload, n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *v = json_object_get(j, "v");
	int err = !json_is_integer(v)                       ? TM_EBADMSG
		  : json_integer_value(v) != SECURE_VERSION ? TM_EVERSION
							    : TM_OK;

	json_decref(j);
	return err;
}

int secure_hello_read(struct secure *s, const uint8_t *msg, size_t n)
{
	uint8_t payload[SECURE_HELLO_MAX];
	size_t payload_len = 0;

	if (n > sizeof(payload))
		return TM_EBADMSG;

	int err = noise_read(&s->noise, s->aead, msg, n, payload, &payload_len);
	if (err)
		return err;

	memcpy(s->remote, s->noise.rs, DH_KEY);
	err = version_check(payload, payload_len);
	return err ? err : split_when_done(s);
}

int secure_seal(struct secure *s, uint8_t *buf, size_t n, bool last)
{
	if (!s->ready || n > SECURE_FRAGMENT_MAX)
		return TM_EINVAL;

	buf[0] = last ? FLAG_LAST : 0;
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

	if (s->text) {
		memcpy(text, s->text, s->len);
		wipe(s->text, s->cap); /* messages carry the mesh secret */
		free(s->text);
	}
	s->text = text;
	s->cap = cap;
	return TM_OK;
}

int secure_open(struct secure *s, const uint8_t *msg, size_t n, const char **ret_text, size_t *ret_n)
{
	if (!s->ready || n < SECURE_OVERHEAD || n > NOISE_MSG_MAX)
		return TM_EBADMSG;

	/* The message handed out last time is over. */
	if (s->len == 0 && s->cap > KEEP_CAP) {
		wipe(s->text, s->cap);
		free(TAKE(s->text));
		s->cap = 0;
	}
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
	if (flags & ~FLAG_LAST)
		return TM_EBADMSG;
	if (!(flags & FLAG_LAST) && fragment == 0)
		return TM_EBADMSG; /* else a peer could send for ever without saying anything */

	memmove(at, at + 1, fragment);
	s->len += fragment;
	if (!(flags & FLAG_LAST))
		return TM_EAGAIN;

	*ret_text = s->text;
	*ret_n = s->len;
	s->len = 0;
	return TM_OK;
}
