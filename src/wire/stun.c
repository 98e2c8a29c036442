/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Message (RFC 8489 5):  0 0 | type 14 | length 16 | magic cookie 32 | transaction id 96 | attributes
 * Attribute (14):        type 16 | length 16 | value, padded to 4
 * Type:                  M11-M7 C1 M6-M4 C0 M3-M0
 */
#include "wire/stun.h"

#include "base/secret.h"
#include "crypto/hash.h"

/* RFC 8489 18.3, RFC 8445 16.1 */
enum stun_attr {
	STUN_MAPPED_ADDRESS = 0x0001,
	STUN_USERNAME = 0x0006,
	STUN_INTEGRITY = 0x0008,
	STUN_ERROR_CODE = 0x0009,
	STUN_UNKNOWN_ATTRIBUTES = 0x000a,
	STUN_REALM = 0x0014,
	STUN_NONCE = 0x0015,
	STUN_INTEGRITY_SHA256 = 0x001c,
	STUN_XOR_MAPPED_ADDRESS = 0x0020,
	STUN_PRIORITY = 0x0024,
	STUN_USE_CANDIDATE = 0x0025,
	STUN_FINGERPRINT = 0x8028,
};

enum {
	STUN_OPTIONAL = 0x8000, /* attributes from here on may be ignored when unknown (RFC 8489 14) */
	STUN_ATTR_HEADER = 4,
	STUN_SHA1 = 20,
	STUN_SHA256_MIN = 16, /* RFC 8489 14.6 */
	STUN_SHA256 = 32,
	STUN_CRC = 4,
	STUN_UNKNOWN_ATTRIBUTE = 420, /* error code, RFC 8489 14.8 */
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
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
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

static int decode_address(
	const uint8_t *v, size_t n, const uint8_t txid[static STUN_TXID], struct endpoint *ret_ep)
{
	if (n == 8 && v[1] == 1)
		*ret_ep = (struct endpoint){.ip = ip_v4(v + 4), .port = get_be16(v + 2)};
	else if (n == 20 && v[1] == 2)
		*ret_ep = (struct endpoint){.ip = ip_v6(v + 4), .port = get_be16(v + 2)};
	else
		return TM_EBADMSG;

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
	bool username, error_code, mapped, priority;
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

static void encode_mapped(struct wr *w, const struct stun_msg *m)
{
	struct endpoint ep = m->mapped;
	uint8_t v[20] = {[1] = ep.ip.family == IP_V4 ? 1 : 2};

	xor_address(&ep, m->txid);
	put_be16(v + 2, ep.port);
	memcpy(v + 4, ep.ip.bytes, ip_len(&ep.ip));
	encode_attr(w, STUN_XOR_MAPPED_ADDRESS, v, 4 + ip_len(&ep.ip));
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
	if (m->username[0])
		encode_attr(&w, STUN_USERNAME, m->username, strnlen(m->username, STUN_USERNAME_MAX));
	if (m->priority) {
		uint8_t v[4];

		put_be32(v, m->priority);
		encode_attr(&w, STUN_PRIORITY, v, sizeof(v));
	}
	if (m->use_candidate)
		encode_attr(&w, STUN_USE_CANDIDATE, NULL, 0);
	if (m->mapped.ip.family != IP_NONE)
		encode_mapped(&w, m);
	if (m->error_code)
		encode_error(&w, m);
	if (key)
		encode_integrity(&w, key);
	encode_fingerprint(&w);
	return w.bad ? 0 : wr_len(&w);
}
