/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Message (RFC 8489 5):  0 0 | type 14 | length 16 | magic cookie 32 | transaction id 96 | attributes
 * Attribute (14):        type 16 | length 16 | value, padded to 4
 * Type:                  M11-M7 C1 M6-M4 C0 M3-M0
 */
#include "wire/stun.h"

#include "base/secret.h"
#include "crypto/hash.h"

/* RFC 8489 18.3, RFC 8445 16.1, RFC 5780 7, RFC 8656 18; RELAY-COOKIE, CANDIDATES and GUESS-PORTS are ours,
 * from the range that may be ignored and is not handed out by standards. */
enum stun_attr {
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_CHANGE_REQUEST = 0x0003,
	STUN_USERNAME = 0x0006,
	STUN_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_LIFETIME = 0x000d,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_INTEGRITY_SHA256 = 0x001c,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_PRIORITY = 0x0024,
	STUN_USE_CANDIDATE = 0x0025,
	STUN_PADDING = 0x0026,
	STUN_FINGERPRINT = 0x8028,
	STUN_RESPONSE_ORIGIN = 0x802b,
	STUN_OTHER_ADDRESS = 0x802c,
	STUN_RELAY_COOKIE = 0xc0a1,
	STUN_CANDIDATES = 0xc0a2,
	STUN_GUESS_PORTS = 0xc0a3,
};

enum {
	STUN_OPTIONAL = 0x8000, /* attributes from here on may be ignored when unknown (RFC 8489 14) */
	STUN_ATTR_HEADER = 4,
	STUN_SHA1 = 20,
	STUN_SHA256_MIN = 16, /* RFC 8489 14.6 */
	STUN_SHA256 = 32,
	STUN_CRC = 4,
	STUN_GUESS_HEADER = 4, /* role, three bytes of nothing */
	STUN_GUESS_ENTRY = 6, /* port, address */
	STUN_UNKNOWN_ATTRIBUTE = 420, /* error code, RFC 8489 14.8 */
	STUN_CHANGE_IP = 4, /* RFC 5780 7.2 */
	STUN_CHANGE_PORT = 2,
};
#define STUN_FINGERPRINT_XOR 0x5354554eu /* "STUN", RFC 8489 14.7 */

bool stun_classify(const uint8_t *p, size_t n)
{
	if (n < STUN_HEADER || p[0] >> 6 != 0 || get_be32(p + 4) != STUN_MAGIC)
		return false;

	size_t len = get_be16(p + 2);
	return len % 4 == 0 && len <= n - STUN_HEADER;
}

/* CRC-32 of ITU V.42 (reflected 0xEDB88320), as RFC 8489 14.7 asks. */
static uint32_t crc32(const uint8_t *p, size_t n)
{
	static const uint32_t by_nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190,
		0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ by_nibble[crc & 15];
		crc = crc >> 4 ^ by_nibble[crc & 15];
	}
	return ~crc;
}

/* XOR with magic cookie, and for IPv6 also the transaction id (RFC 8489 14.2). Its own inverse. */
static void xor_address(struct endpoint *ep, const uint8_t txid[static STUN_TXID])
{
	uint8_t key[4 + STUN_TXID];

	put_be32(key, STUN_MAGIC);
	memcpy(key + 4, txid, STUN_TXID);
	ep->port ^= (uint16_t)(STUN_MAGIC >> 16);
	for (size_t i = 0; i < ip_len(&ep->ip); i++)
		ep->ip.bytes[i] ^= key[i];
}

/* As it stands (RFC 8489 14.1): a translator may have rewritten it, so nothing that counts is sent so. */
static int decode_plain_address(const uint8_t *v, size_t n, struct endpoint *ret_ep)
{
	if (n == 8 && v[1] == 1)
		*ret_ep = (struct endpoint){.ip = ip_v4(v + 4), .port = get_be16(v + 2)};
	else if (n == 20 && v[1] == 2)
		*ret_ep = (struct endpoint){.ip = ip_v6(v + 4), .port = get_be16(v + 2)};
	else
		return TM_EBADMSG;
	return TM_OK;
}

static int decode_address(
	const uint8_t *v, size_t n, const uint8_t txid[static STUN_TXID], struct endpoint *ret_ep)
{
	int err = decode_plain_address(v, n, ret_ep);

	if (err)
		return err;
	xor_address(ret_ep, txid);
	ret_ep->ip = ip_unmapped(ret_ep->ip);
	return TM_OK;
}

static int decode_username(const uint8_t *v, size_t n, struct stun_msg *m)
{
	if (n == 0 || n > STUN_USERNAME_MAX || memchr(v, 0, n))
		return TM_EBADMSG;

	memcpy(m->username, v, n);
	m->username[n] = '\0';
	return TM_OK;
}

/* Class 3 to 6 and number 0 to 99 (RFC 8489 14.8). */
static int decode_error_code(const uint8_t *v, size_t n, struct stun_msg *m)
{
	if (n < 4)
		return TM_EBADMSG;

	unsigned class = v[2] & 7u, number = v[3];
	if (class < 3 || class > 6 || number > 99)
		return TM_EBADMSG;

	m->error_code = (uint16_t)(class * 100 + number);
	return TM_OK;
}

static int decode_lifetime(const uint8_t *v, size_t n, struct stun_msg *m)
{
	if (n != 4)
		return TM_EBADMSG;
	m->has_lifetime = true;
	m->lifetime_s = get_be32(v);
	return TM_OK;
}

static int decode_cookie(const uint8_t *v, size_t n, struct stun_msg *m)
{
	if (n != STUN_COOKIE)
		return TM_EBADMSG;
	m->has_cookie = true;
	memcpy(m->cookie, v, STUN_COOKIE);
	return TM_OK;
}

static int decode_change(const uint8_t *v, size_t n, struct stun_msg *m)
{
	if (n != 4)
		return TM_EBADMSG;
	m->change_ip = v[3] & STUN_CHANGE_IP;
	m->change_port = v[3] & STUN_CHANGE_PORT;
	return TM_OK;
}

/* A role that is none of ours counts as absent: nothing is agreed then. */
static int decode_guess(const uint8_t *v, size_t n, struct stun_msg *m)
{
	struct stun_guess g = {.role = STUN_GUESS_NONE};

	if (n < STUN_GUESS_HEADER || (n - STUN_GUESS_HEADER) % STUN_GUESS_ENTRY != 0 ||
		(n - STUN_GUESS_HEADER) / STUN_GUESS_ENTRY > STUN_GUESS_MAX)
		return TM_EBADMSG;
	if (v[0] < STUN_GUESS_OPENS || v[0] > STUN_GUESS_MEETS)
		return TM_OK;

	g.role = v[0];
	g.later_ms = v[1];
	g.n = (uint8_t)((n - STUN_GUESS_HEADER) / STUN_GUESS_ENTRY);
	for (size_t i = 0; i < g.n; i++) {
		const uint8_t *e = v + STUN_GUESS_HEADER + i * STUN_GUESS_ENTRY;

		g.seen[i] = (struct endpoint){.ip = ip_v4(e + 2), .port = get_be16(e)};
		xor_address(&g.seen[i], m->txid);
	}
	m->guess = g;
	return TM_OK;
}

static int decode_integrity(uint16_t type, const uint8_t *p, const uint8_t *v, size_t n, struct stun_msg *m)
{
	size_t at = (size_t)(v - p) - STUN_ATTR_HEADER;

	if (type == STUN_INTEGRITY) {
		if (n != STUN_SHA1)
			return TM_EBADMSG;
		m->integrity_sha1 = v;
		m->integrity_sha1_at = at;
		return TM_OK;
	}
	if (n < STUN_SHA256_MIN || n > STUN_SHA256 || n % 4 != 0)
		return TM_EBADMSG;
	m->integrity_sha256 = v;
	m->integrity_at = at;
	m->integrity_len = n;
	return TM_OK;
}

/* What has been seen of an attribute type that may count only once: the first one counts (RFC 8489 14). */
struct seen {
	bool username, error_code, mapped, priority, lifetime, cookie, change, other, origin, guess;
};

static bool first(bool *seen)
{
	bool was = *seen;

	*seen = true;
	return !was;
}

static int decode_attr(
	uint16_t type, const uint8_t *p, const uint8_t *v, size_t n, struct seen *seen, struct stun_msg *m)
{
	switch (type) {
	case STUN_USERNAME:
		return first(&seen->username) ? decode_username(v, n, m) : TM_OK;
	case STUN_ERROR_CODE:
		return first(&seen->error_code) ? decode_error_code(v, n, m) : TM_OK;
	case STUN_XOR_MAPPED_ADDRESS:
		return first(&seen->mapped) ? decode_address(v, n, m->txid, &m->mapped) : TM_OK;
	case STUN_PRIORITY:
		if (n != 4)
			return TM_EBADMSG;
		if (first(&seen->priority))
			m->priority = get_be32(v);
		return TM_OK;
	case STUN_USE_CANDIDATE:
		m->use_candidate = true;
		return n == 0 ? TM_OK : TM_EBADMSG;
	case STUN_INTEGRITY:
	case STUN_INTEGRITY_SHA256:
		return decode_integrity(type, p, v, n, m);
	case STUN_LIFETIME:
		return first(&seen->lifetime) ? decode_lifetime(v, n, m) : TM_OK;
	case STUN_RELAY_COOKIE:
		return first(&seen->cookie) ? decode_cookie(v, n, m) : TM_OK;
	case STUN_GUESS_PORTS:
		return first(&seen->guess) ? decode_guess(v, n, m) : TM_OK;
	case STUN_CHANGE_REQUEST:
		return first(&seen->change) ? decode_change(v, n, m) : TM_OK;
	case STUN_OTHER_ADDRESS:
		return first(&seen->other) ? decode_plain_address(v, n, &m->other) : TM_OK;
	case STUN_RESPONSE_ORIGIN:
		return first(&seen->origin) ? decode_plain_address(v, n, &m->origin) : TM_OK;
	case STUN_CANDIDATES:
		if (n > STUN_CANDIDATES_MAX)
			return TM_EBADMSG;
		if (!m->candidates) {
			m->candidates = v;
			m->candidates_len = n;
		}
		return TM_OK;
	case STUN_PADDING: /* any bytes: what counts is that they came */
	case STUN_MAPPED_ADDRESS:
	case STUN_UNKNOWN_ATTRIBUTES:
	case STUN_REALM:
	case STUN_NONCE:
		return TM_OK; /* understood, not needed */
	default:
		if (type < STUN_OPTIONAL && m->n_unknown < ARRAY_LEN(m->unknown))
			m->unknown[m->n_unknown++] = type;
		return TM_OK;
	}
}

/*
 * RFC 8489 14.5, 14.6: what stands behind an integrity attribute is not covered by it and counts for nothing.
 */
static bool is_ignored(uint16_t type, const struct stun_msg *m)
{
	if (m->integrity_sha256)
		return true;
	return m->integrity_sha1 && type != STUN_INTEGRITY_SHA256;
}

int stun_decode(const uint8_t *p, size_t n, struct stun_msg *ret_msg)
{
	struct stun_msg m = {0};
	struct seen seen = {0};

	if (n < STUN_HEADER)
		return TM_ESHORT;
	if (!stun_classify(p, n) || get_be16(p + 2) != n - STUN_HEADER)
		return TM_EBADMSG;

	unsigned type = get_be16(p);
	m.class = (enum stun_class)((type >> 4 & 1) | (type >> 7 & 2));
	m.method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
	memcpy(m.txid, p + 8, STUN_TXID);

	struct rd r = rd_over(p + STUN_HEADER, n - STUN_HEADER);
	while (rd_left(&r)) {
		uint16_t attr = rd_be16(&r);
		uint16_t len = rd_be16(&r);
		const uint8_t *v = rd_bytes(&r, len);

		rd_bytes(&r, -(size_t)len % 4);
		if (r.bad)
			return TM_EBADMSG;
		if (attr == STUN_FINGERPRINT) {
			if (len != STUN_CRC || rd_left(&r)) /* MUST be the last one */
				return TM_EBADMSG;
			if (get_be32(v) != (crc32(p, n - STUN_ATTR_HEADER - STUN_CRC) ^ STUN_FINGERPRINT_XOR))
				return TM_EBADMSG;
			m.has_fingerprint = true;
			break;
		}
		if (is_ignored(attr, &m))
			continue;
		int err = decode_attr(attr, p, v, len, &seen, &m);
		if (err)
			return err;
	}
	*ret_msg = m;
	return TM_OK;
}

/* The length field as it was when the tag of `tag_len` bytes at offset `at` was computed: up to the end of
 * that attribute. */
static void integrity_length(uint8_t out[static 2], size_t at, size_t tag_len)
{
	put_be16(out, (uint16_t)(at + STUN_ATTR_HEADER + tag_len - STUN_HEADER));
}

static void integrity_tag(
	const uint8_t *p, size_t at, const uint8_t key[static STUN_KEY], uint8_t out[static STUN_SHA256])
{
	uint8_t length[2];

	integrity_length(length, at, STUN_SHA256);
	hmac_sha256(key, STUN_KEY,
		(const struct hash_part[]){{p, 2}, {length, sizeof(length)}, {p + 4, at - 4}}, 3, out);
}

int stun_verify(const uint8_t *p, size_t n, const struct stun_msg *m, const uint8_t key[static STUN_KEY])
{
	uint8_t tag[STUN_SHA256];

	if (!m->integrity_sha256 || m->integrity_len != STUN_SHA256)
		return TM_EAUTH;
	if (m->integrity_at + STUN_ATTR_HEADER + STUN_SHA256 > n)
		return TM_EAUTH;

	integrity_tag(p, m->integrity_at, key, tag);
	bool right = ct_eq(tag, m->integrity_sha256, sizeof(tag));
	wipe(tag, sizeof(tag));
	return right ? TM_OK : TM_EAUTH;
}

int stun_verify_sha1(const uint8_t *p, size_t n, const struct stun_msg *m, const void *key, size_t key_len)
{
	uint8_t covered[STUN_MAX], tag[STUN_SHA1];
	size_t at = m->integrity_sha1_at;

	if (!m->integrity_sha1 || at > sizeof(covered) || at > n)
		return TM_EAUTH;

	memcpy(covered, p, at);
	integrity_length(covered + 2, at, STUN_SHA1);
	hmac_sha1(key, key_len, covered, at, tag);
	return ct_eq(tag, m->integrity_sha1, sizeof(tag)) ? TM_OK : TM_EAUTH;
}

static void encode_attr(struct wr *w, uint16_t type, const void *v, size_t n)
{
	static const uint8_t padding[3];

	wr_be16(w, type);
	wr_be16(w, (uint16_t)n);
	wr_bytes(w, v, n);
	wr_bytes(w, padding, -n % 4);
}

static void encode_u32(struct wr *w, uint16_t type, uint32_t value)
{
	uint8_t v[4];

	put_be32(v, value);
	encode_attr(w, type, v, sizeof(v));
}

static void encode_address(struct wr *w, uint16_t type, const struct endpoint *ep)
{
	uint8_t v[20] = {[1] = ep->ip.family == IP_V4 ? 1 : 2};

	if (ep->ip.family == IP_NONE)
		return;
	put_be16(v + 2, ep->port);
	memcpy(v + 4, ep->ip.bytes, ip_len(&ep->ip));
	encode_attr(w, type, v, 4 + ip_len(&ep->ip));
}

static void encode_mapped(struct wr *w, const struct stun_msg *m)
{
	struct endpoint ep = m->mapped;

	if (ep.ip.family != IP_NONE)
		xor_address(&ep, m->txid);
	encode_address(w, STUN_XOR_MAPPED_ADDRESS, &ep);
}

static void encode_guess(struct wr *w, const struct stun_msg *m)
{
	uint8_t v[STUN_GUESS_HEADER + STUN_GUESS_MAX * STUN_GUESS_ENTRY] = {
		[0] = (uint8_t)m->guess.role, [1] = m->guess.later_ms};

	if (m->guess.role == STUN_GUESS_NONE)
		return;
	for (size_t i = 0; i < m->guess.n; i++) {
		struct endpoint ep = m->guess.seen[i];
		uint8_t *e = v + STUN_GUESS_HEADER + i * STUN_GUESS_ENTRY;

		xor_address(&ep, m->txid);
		put_be16(e, ep.port);
		memcpy(e + 2, ep.ip.bytes, STUN_GUESS_ENTRY - 2);
	}
	encode_attr(w, STUN_GUESS_PORTS, v, STUN_GUESS_HEADER + (size_t)m->guess.n * STUN_GUESS_ENTRY);
}

static void encode_error(struct wr *w, const struct stun_msg *m)
{
	uint8_t v[2 * ARRAY_LEN(m->unknown)] = {
		[2] = (uint8_t)(m->error_code / 100), [3] = (uint8_t)(m->error_code % 100)};

	encode_attr(w, STUN_ERROR_CODE, v, 4);
	if (m->error_code != STUN_UNKNOWN_ATTRIBUTE)
		return;

	for (size_t i = 0; i < m->n_unknown; i++)
		put_be16(v + 2 * i, m->unknown[i]);
	encode_attr(w, STUN_UNKNOWN_ATTRIBUTES, v, 2u * m->n_unknown);
}

/* What brings the message to m->pad_to, with `more` bytes still to come. False: it cannot have that length.
 */
static bool encode_padding(struct wr *w, const struct stun_msg *m, size_t more)
{
	static const uint8_t zeros[STUN_MAX];
	size_t have = wr_len(w) + more;

	if (!m->pad_to || m->pad_to == have)
		return true;
	if (m->pad_to > STUN_MAX || m->pad_to % 4 != 0 || m->pad_to < have + STUN_ATTR_HEADER)
		return false;
	encode_attr(w, STUN_PADDING, zeros, m->pad_to - have - STUN_ATTR_HEADER);
	return true;
}

/* The header's length field, as if the message ended after `more` further bytes. */
static void set_length(struct wr *w, size_t more)
{
	put_be16(w->begin + 2, (uint16_t)(wr_len(w) - STUN_HEADER + more));
}

static void encode_integrity(struct wr *w, const uint8_t key[static STUN_KEY])
{
	uint8_t tag[STUN_SHA256];

	if (w->bad)
		return;

	integrity_tag(w->begin, wr_len(w), key, tag);
	encode_attr(w, STUN_INTEGRITY_SHA256, tag, sizeof(tag));
}

static void encode_fingerprint(struct wr *w)
{
	uint8_t v[STUN_CRC];

	if (w->bad)
		return;

	set_length(w, STUN_ATTR_HEADER + STUN_CRC);
	put_be32(v, crc32(w->begin, wr_len(w)) ^ STUN_FINGERPRINT_XOR);
	encode_attr(w, STUN_FINGERPRINT, v, sizeof(v));
}

static void encode_attrs(struct wr *w, const struct stun_msg *m)
{
	if (m->username[0])
		encode_attr(w, STUN_USERNAME, m->username, strnlen(m->username, STUN_USERNAME_MAX));
	if (m->priority)
		encode_u32(w, STUN_PRIORITY, m->priority);
	if (m->use_candidate)
		encode_attr(w, STUN_USE_CANDIDATE, NULL, 0);
	if (m->has_lifetime)
		encode_u32(w, STUN_LIFETIME, m->lifetime_s);
	if (m->has_cookie)
		encode_attr(w, STUN_RELAY_COOKIE, m->cookie, STUN_COOKIE);
	if (m->change_ip || m->change_port)
		encode_u32(w, STUN_CHANGE_REQUEST,
			(m->change_ip ? STUN_CHANGE_IP : 0) | (m->change_port ? STUN_CHANGE_PORT : 0));
	if (m->candidates_len)
		encode_attr(w, STUN_CANDIDATES, m->candidates, m->candidates_len);
	encode_mapped(w, m);
	encode_address(w, STUN_OTHER_ADDRESS, &m->other);
	encode_address(w, STUN_RESPONSE_ORIGIN, &m->origin);
	encode_guess(w, m);
	if (m->error_code)
		encode_error(w, m);
}

size_t stun_encode(const struct stun_msg *m, const uint8_t *key, uint8_t *out, size_t out_len)
{
	struct wr w = wr_over(out, out_len);
	unsigned method = m->method, class = (unsigned)m->class;
	unsigned type = (method & 0xf) | (method & 0x70) << 1 | (method & 0xf80) << 2 | (class & 1) << 4 |
			(class & 2) << 7;

	if (m->error_code && (m->error_code < 300 || m->error_code > 699))
		return 0;

	wr_be16(&w, (uint16_t)type);
	wr_be16(&w, 0);
	wr_be32(&w, STUN_MAGIC);
	wr_bytes(&w, m->txid, STUN_TXID);
	encode_attrs(&w, m);
	if (!encode_padding(&w, m, (key ? STUN_ATTR_HEADER + STUN_SHA256 : 0) + STUN_ATTR_HEADER + STUN_CRC))
		return 0;
	if (key)
		encode_integrity(&w, key);
	encode_fingerprint(&w);
	return w.bad ? 0 : wr_len(&w);
}
