/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/token.h"

#include "base/addr.h"
#include "base/bytes.h"
#include "base/encode.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "wire/address.h"

#include <stdio.h>
#include <string.h>

static const char token_prefix[] = "tm1_";

enum {
	TOKEN_VERSION = 1, /* every address is "host:port" */
	TOKEN_VERSION_URL =
		2, /* some are URLs: older programs say that they are too old, not that it is garbled */
	TOKEN_SUM = 4,
	TOKEN_PREFIX = sizeof(token_prefix) - 1,
	TOKEN_FIXED = 1 + TOKEN_KEY + TOKEN_ID + TOKEN_SECRET + 8 + 1, /* up to and including the count */
	TOKEN_RAW_MAX = TOKEN_FIXED + TOKEN_ADDRS_MAX * (1 + 255) + TOKEN_SUM,
};
_Static_assert(TOKEN_PREFIX + BASE64_LEN(TOKEN_RAW_MAX) < TOKEN_TEXT_MAX, "every token fits");

static void wipe_raw(uint8_t (*raw)[TOKEN_RAW_MAX])
{
	wipe(*raw, sizeof(*raw));
}

static void checksum(const uint8_t *p, size_t n, uint8_t out[static TOKEN_SUM])
{
	uint8_t digest[32];

	sha256(&(struct hash_part){p, n}, 1, digest);
	memcpy(out, digest, TOKEN_SUM);
}

static bool sum_valid(const uint8_t *raw, size_t n)
{
	uint8_t sum[TOKEN_SUM];

	if (n <= TOKEN_SUM)
		return false;

	checksum(raw, n - TOKEN_SUM, sum);
	return ct_eq(sum, raw + n - TOKEN_SUM, TOKEN_SUM);
}

static uint8_t version_of(const struct token *t)
{
	for (size_t i = 0; i < t->n_addrs; i++)
		if (strstr(t->addrs[i], "://"))
			return TOKEN_VERSION_URL;
	return TOKEN_VERSION;
}

/* Printable ASCII without spaces or quotes: an address goes on to command lines and logs. */
static bool address_valid(const char *s, size_t n)
{
	if (n == 0 || n > 255 || n >= TOKEN_ADDR_LEN)
		return false;

	for (size_t i = 0; i < n; i++) {
		char c = s[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    (c && strchr(".-_:[]%/~", c));

		if (!good)
			return false;
	}
	return true;
}

/* "203.0.113.7" or "[2001:db8::1]"; the brackets may be left out. */
static bool is_literal(const char *given, struct ip *ret_ip)
{
	char bare[IP_STR_LEN];
	size_t n = strlen(given);

	if (ip_parse(given, ret_ip) == TM_OK)
		return true;
	if (n < 2 || n - 2 >= sizeof(bare) || given[0] != '[' || given[n - 1] != ']')
		return false;
	memcpy(bare, given + 1, n - 2);
	bare[n - 2] = '\0';
	return ip_parse(bare, ret_ip) == TM_OK && ret_ip->family == IP_V6;
}

/* "host" or "host:port", as far as its characters and its port go. */
static bool is_name(const char *given, bool *ret_has_port)
{
	const char *colon = strchr(given, ':');
	size_t n = colon ? (size_t)(colon - given) : strlen(given);
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

	if (n == 0 || strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") != n)
		return false;
	*ret_has_port = colon != NULL;
	return !colon || (digits > 0 && digits <= 5 && !colon[1 + digits] &&
				 strtoul(colon + 1, NULL, 10) - 1 < UINT16_MAX);
}

int token_address(const char *given, uint16_t port, char out[static TOKEN_ADDR_LEN])
{
	struct endpoint ep = {.port = port};
	struct address url;
	bool has_port;

	if (strstr(given, "://")) {
		if (address_parse(given, &url) != TM_OK || strlen(given) >= TOKEN_ADDR_LEN)
			return TM_EINVAL;
		memcpy(out, given, strlen(given) + 1);
		return TM_OK;
	}

	if (is_literal(given, &ep.ip) || endpoint_parse(given, &ep) == TM_OK) {
		if (ep.ip.family == IP_V6 && ip_is_link_local(&ep.ip))
			return TM_EUNREACH;
		endpoint_format(&ep, out);
		return ep.port ? TM_OK : TM_EINVAL;
	}
	if (!is_name(given, &has_port))
		return TM_EINVAL;

	int n = has_port ? snprintf(out, TOKEN_ADDR_LEN, "%s", given)
			 : snprintf(out, TOKEN_ADDR_LEN, "%s:%u", given, port);
	return n < TOKEN_ADDR_LEN ? TM_OK : TM_EINVAL;
}

int token_encode(const struct token *t, char *out, size_t out_len)
{
	_cleanup_(wipe_raw) uint8_t raw[TOKEN_RAW_MAX];
	struct wr w = wr_over(raw, sizeof(raw));

	if (t->n_addrs == 0 || t->n_addrs > TOKEN_ADDRS_MAX)
		return TM_EINVAL;
	if (out_len < TOKEN_TEXT_MAX)
		return TM_EFULL;

	wr_u8(&w, version_of(t));
	wr_bytes(&w, t->coordinator_key, TOKEN_KEY);
	wr_bytes(&w, t->id, TOKEN_ID);
	wr_bytes(&w, t->secret, TOKEN_SECRET);
	wr_be64(&w, (uint64_t)t->expiry);
	wr_u8(&w, (uint8_t)t->n_addrs);
	for (size_t i = 0; i < t->n_addrs; i++) {
		size_t n = strnlen(t->addrs[i], TOKEN_ADDR_LEN);

		if (!address_valid(t->addrs[i], n))
			return TM_EINVAL;
		wr_u8(&w, (uint8_t)n);
		wr_bytes(&w, t->addrs[i], n);
	}
	uint8_t *sum = wr_room(&w, TOKEN_SUM);
	if (!sum)
		return TM_EFULL;
	checksum(raw, (size_t)(sum - raw), sum);

	memcpy(out, token_prefix, TOKEN_PREFIX);
	base64url_encode(raw, wr_len(&w), out + TOKEN_PREFIX);
	return TM_OK;
}

static int cut_off(struct diag *d)
{
	diag_hint(d, "copy the whole line, from tm1_ to its last character");
	return diag_what(d, TM_ESHORT, "the join token is cut off");
}

static int garbled(struct diag *d)
{
	diag_hint(
		d, "copy it again from where it was made, or make a new one with `tunnelmesh token create`");
	return diag_what(d, TM_ECORRUPT, "the join token is garbled");
}

static int newer(struct diag *d)
{
	diag_hint(d, "update tunnelmesh on this machine");
	return diag_what(d, TM_EVERSION, "the join token was made by a newer version of tunnelmesh");
}

/* "tm<number>_" with another number: made by a version that knows more than we do. */
static bool is_newer(const char *s, size_t n)
{
	size_t i = 2;

	if (n < 4 || s[0] != 't' || s[1] != 'm')
		return false;
	while (i < n && s[i] >= '0' && s[i] <= '9')
		i++;
	return i > 2 && i < n && s[i] == '_';
}

static int check_prefix(const char *s, size_t n, struct diag *d)
{
	if (n >= TOKEN_PREFIX && memcmp(s, token_prefix, TOKEN_PREFIX) == 0)
		return TM_OK;

	if (is_newer(s, n))
		return newer(d);
	diag_hint(d, "a token starts with tm1_; make one with `tunnelmesh token create` on the coordinator");
	return diag_what(d, TM_EBADMSG, "this is not a join token");
}

/* The length that the length fields ask for, 0 while the bytes do not reach that far. */
static size_t declared_len(const uint8_t *raw, size_t n)
{
	size_t at = TOKEN_FIXED;

	if (n < TOKEN_FIXED)
		return 0;

	for (unsigned left = raw[TOKEN_FIXED - 1]; left > 0; left--) {
		if (at >= n)
			return 0;
		at += 1u + raw[at];
	}
	return at + TOKEN_SUM;
}

static int parse_raw(const uint8_t *raw, size_t n, struct token *ret_token)
{
	struct rd r = rd_over(raw + 1, n - 1 - TOKEN_SUM);
	struct token t = {0};

	rd_copy(&r, t.coordinator_key, TOKEN_KEY);
	rd_copy(&r, t.id, TOKEN_ID);
	rd_copy(&r, t.secret, TOKEN_SECRET);
	t.expiry = (int64_t)rd_be64(&r);
	t.n_addrs = rd_u8(&r);
	int err = t.n_addrs == 0 || t.n_addrs > TOKEN_ADDRS_MAX ? TM_EBADMSG : TM_OK;
	for (size_t i = 0; !err && i < t.n_addrs; i++) {
		size_t len = rd_u8(&r);
		const uint8_t *text = rd_bytes(&r, len);

		if (!text || !address_valid((const char *)text, len))
			err = TM_EBADMSG;
		else
			memcpy(t.addrs[i], text, len);
	}
	if (!err && raw[0] != version_of(&t))
		err = TM_EBADMSG;
	if (!err)
		*ret_token = t;
	token_wipe(&t);
	return err;
}

/*
 * Text to bytes. A token that was cut leaves a group of digits that no encoder writes (one digit, or stray
 * bits): it is dropped and `torn` says so, so that the lengths inside can tell a cut from a garbled
 * character.
 */
static int decode_body(
	const char *s, size_t len, uint8_t (*raw)[TOKEN_RAW_MAX], size_t *ret_n, bool *ret_torn)
{
	int err = base64url_decode(s, len, *raw, sizeof(*raw), ret_n);

	*ret_torn = false;
	if (err != TM_EBADMSG || len % 4 == 0)
		return err;

	*ret_torn = true;
	return base64url_decode(s, len - len % 4, *raw, sizeof(*raw), ret_n);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int token_decode(const char *text, struct token *ret_token, struct diag *d)
{
	_cleanup_(wipe_raw) uint8_t raw[TOKEN_RAW_MAX];
	size_t n;

	while (is_space(*text))
		text++;
	size_t text_len = strlen(text);
	while (text_len && is_space(text[text_len - 1]))
		text_len--;

	int err = check_prefix(text, text_len, d);
	if (err)
		return err;

	bool torn;
	err = decode_body(text + TOKEN_PREFIX, text_len - TOKEN_PREFIX, &raw, &n, &torn);
	if (err)
		return garbled(d);
	if (n && raw[0] != TOKEN_VERSION && raw[0] != TOKEN_VERSION_URL)
		return sum_valid(raw, n) ? newer(d) : garbled(d);

	size_t want = declared_len(raw, n);
	if (want == 0 || n < want)
		return cut_off(d);
	if (torn || n > want || !sum_valid(raw, n) || parse_raw(raw, n, ret_token))
		return garbled(d);
	return TM_OK;
}

void token_wipe(struct token *t)
{
	wipe(t, sizeof(*t));
}
