/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/login.h"

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/init.h"
#include "crypto/kdf.h"

#include <stdio.h>
#include <string.h>

enum { MADE_BYTES = 18, SECRET_BYTES = 32 };

/* The line says what it was made with: one of another cost is another word. */
#define SCHEME "scrypt-15-8-1"
static const struct scrypt_cost cost = {15, 8, 1};

/* A hash of its own for each purpose. */
static void quick_hash(const char *what, const void *salt, size_t n_salt, const void *p, size_t n,
	uint8_t ret_hash[static LOGIN_HASH])
{
	const struct hash_part parts[] = {{what, strlen(what) + 1}, {salt, n_salt}, {p, n}};

	sha256(parts, ARRAY_LEN(parts), ret_hash);
}

/* --- what is kept --- */

void login_make(char ret_password[static LOGIN_MADE_LEN + 1])
{
	uint8_t random[MADE_BYTES];

	_Static_assert(LOGIN_MADE_LEN * 6 == MADE_BYTES * 8, "base64url without a rest");
	random_bytes(random, sizeof(random));
	base64url_encode(random, sizeof(random), ret_password);
	wipe(random, sizeof(random));
}

int login_hash(
	const char *password, const uint8_t salt[static LOGIN_SALT], uint8_t ret_hash[static LOGIN_HASH])
{
	return scrypt_sha256(password, strlen(password), salt, LOGIN_SALT, &cost, ret_hash, LOGIN_HASH);
}

static void filter_of(
	const uint8_t salt[static LOGIN_SALT], const char *password, uint8_t ret_filter[static LOGIN_FILTER])
{
	uint8_t hash[LOGIN_HASH];

	quick_hash("filter", salt, LOGIN_SALT, password, strlen(password), hash);
	memcpy(ret_filter, hash, LOGIN_FILTER);
	wipe(hash, sizeof(hash));
}

int login_keep(const char *password, bool made, char ret_kept[static LOGIN_KEPT_MAX])
{
	char salt_text[HEX_LEN(LOGIN_SALT) + 1], hash_text[HEX_LEN(LOGIN_HASH) + 1],
		filter_text[HEX_LEN(LOGIN_FILTER) + 1];
	uint8_t salt[LOGIN_SALT], hash[LOGIN_HASH], filter[LOGIN_FILTER];

	random_bytes(salt, sizeof(salt));
	int err = login_hash(password, salt, hash);
	if (err)
		return err;
	hex_encode(salt, sizeof(salt), salt_text);
	hex_encode(hash, sizeof(hash), hash_text);
	filter_of(salt, password, filter);
	hex_encode(filter, sizeof(filter), filter_text);
	snprintf(ret_kept, LOGIN_KEPT_MAX, SCHEME ":%s:%s:%s\n", salt_text, hash_text,
		made ? filter_text : "");
	return TM_OK;
}

/* The next field, up to a colon or the end; NULL: there is none. */
static const char *field(const char **at, const char *end, size_t *ret_n)
{
	const char *s = *at;

	if (!s)
		return NULL;
	const char *colon = memchr(s, ':', (size_t)(end - s));
	*ret_n = (size_t)((colon ? colon : end) - s);
	*at = colon ? colon + 1 : NULL;
	return s;
}

static bool hex_field(const char **at, const char *end, uint8_t *ret_out, size_t n)
{
	size_t len = 0;
	const char *s = field(at, end, &len);

	return s && hex_decode(s, len, ret_out, n) == TM_OK;
}

int login_kept_parse(const char *line, size_t n, struct login_kept *ret_kept)
{
	const size_t len = n && line[n - 1] == '\n' ? n - 1 : n;
	const char *at = line, *end = line + len;
	struct login_kept k = {.made = false};
	size_t n_word = 0;
	const char *word = field(&at, end, &n_word);

	if (!word || n_word != strlen(SCHEME) || memcmp(word, SCHEME, n_word) != 0 ||
		!hex_field(&at, end, k.salt, sizeof(k.salt)) ||
		!hex_field(&at, end, k.hash, sizeof(k.hash)) || !at)
		return TM_EBADMSG;
	k.made = at < end;
	if (k.made && !hex_field(&at, end, k.filter, sizeof(k.filter)))
		return TM_EBADMSG;
	if (k.made && at)
		return TM_EBADMSG;
	*ret_kept = k;
	return TM_OK;
}

/* --- the password --- */

void login_set(struct login *l, const struct login_kept *kept)
{
	login_wipe(l);
	l->kept = *kept;
	l->has_password = true;
}

void login_wipe(struct login *l)
{
	wipe(l, sizeof(*l));
}

bool login_rules_out(const struct login *l, const char *password)
{
	const size_t n = strlen(password);
	uint8_t filter[LOGIN_FILTER];

	if (!l->has_password || n < LOGIN_OWN_MIN || n > LOGIN_PASSWORD_MAX)
		return true;
	if (!l->kept.made)
		return false;
	filter_of(l->kept.salt, password, filter);
	return !ct_eq(filter, l->kept.filter, sizeof(filter));
}

/* --- sessions --- */

static bool is_over(const struct login_session *s, ns_t now)
{
	return s->until <= now;
}

/* A free place, or the one that ends first. */
static struct login_session *place(struct login *l, ns_t now)
{
	struct login_session *first = &l->sessions[0];

	for (size_t i = 0; i < LOGIN_SESSIONS && !is_over(first, now); i++)
		if (l->sessions[i].until < first->until)
			first = &l->sessions[i];
	return first;
}

bool login_begin(struct login *l, const uint8_t hash[static LOGIN_HASH], ns_t now,
	char ret_secret[static LOGIN_SECRET_LEN + 1])
{
	uint8_t random[SECRET_BYTES];

	if (!l->has_password || !ct_eq(hash, l->kept.hash, LOGIN_HASH))
		return false;
	struct login_session *s = place(l, now);
	random_bytes(random, sizeof(random));
	base64url_encode(random, sizeof(random), ret_secret);
	wipe(random, sizeof(random));
	quick_hash("session", NULL, 0, ret_secret, LOGIN_SECRET_LEN, s->hash);
	s->until = now + LOGIN_LASTS;
	return true;
}

/* Hashes are compared, of which nobody learns anything by the time that it takes. */
static size_t find(const struct login *l, const char *secret, size_t n)
{
	uint8_t hash[LOGIN_HASH];
	size_t i = LOGIN_SESSIONS;

	if (n != LOGIN_SECRET_LEN)
		return i;
	quick_hash("session", NULL, 0, secret, n, hash);
	for (i = 0; i < LOGIN_SESSIONS; i++)
		if (l->sessions[i].until && ct_eq(hash, l->sessions[i].hash, sizeof(hash)))
			break;
	return i;
}

static void id_of(const struct login_session *s, uint8_t ret_id[static LOGIN_ID])
{
	ret_id[0] = 0; /* ids of members are text */
	memcpy(ret_id + 1, s->hash, LOGIN_ID - 1);
}

bool login_has(const struct login *l, const char *secret, size_t n, ns_t now, uint8_t ret_id[static LOGIN_ID])
{
	const size_t i = find(l, secret, n);

	if (i == LOGIN_SESSIONS || is_over(&l->sessions[i], now))
		return false;
	id_of(&l->sessions[i], ret_id);
	return true;
}

bool login_lives(const struct login *l, const uint8_t id[static LOGIN_ID], ns_t now)
{
	uint8_t own[LOGIN_ID];

	for (size_t i = 0; i < LOGIN_SESSIONS; i++) {
		id_of(&l->sessions[i], own);
		if (!is_over(&l->sessions[i], now) && memcmp(own, id, sizeof(own)) == 0)
			return true;
	}
	return false;
}

void login_end(struct login *l, const char *secret, size_t n)
{
	const size_t i = find(l, secret, n);

	if (i < LOGIN_SESSIONS)
		l->sessions[i] = (struct login_session){.until = 0};
}

/* --- browsers --- */

/* By the hash that is kept of the password: whoever has that one can let himself in by other ways. */
static void seal(const struct login *l, const uint8_t browser[static LOGIN_ID],
	uint8_t ret_mac[static SECRET_BYTES - LOGIN_ID])
{
	const struct hash_part parts[] = {{"browser", 8}, {browser, LOGIN_ID}};
	uint8_t mac[LOGIN_HASH];

	hmac_sha256(l->kept.hash, sizeof(l->kept.hash), parts, ARRAY_LEN(parts), mac);
	memcpy(ret_mac, mac, SECRET_BYTES - LOGIN_ID);
}

void login_vouch(const struct login *l, char ret_text[static LOGIN_SECRET_LEN + 1])
{
	uint8_t both[SECRET_BYTES];

	random_bytes(both, LOGIN_ID);
	seal(l, both, both + LOGIN_ID);
	base64url_encode(both, sizeof(both), ret_text);
}

bool login_vouched(const struct login *l, const char *text, size_t n, uint8_t ret_browser[static LOGIN_ID])
{
	uint8_t both[SECRET_BYTES], mac[SECRET_BYTES - LOGIN_ID];
	size_t len = 0;

	if (!l->has_password || base64url_decode(text, n, both, sizeof(both), &len) != TM_OK ||
		len != sizeof(both))
		return false;
	seal(l, both, mac);
	if (!ct_eq(mac, both + LOGIN_ID, sizeof(mac)))
		return false;
	memcpy(ret_browser, both, LOGIN_ID);
	return true;
}
