/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Message (RFC 1035 4.1):
 *
 *   id 2 | flags 2 | questions 2 | answers 2 | authorities 2 | additional 2
 *   question: name | type 2 | class 2
 *   answer:   name | type 2 | class 2 | ttl 4 | length 2 | data
 *
 * A name is labels (length 1, text), ended by a zero byte or by a pointer (two bytes, top bits set) to the
 * rest.
 */
#include "wire/dns.h"

#include <string.h>

#include "base/bytes.h"

enum {
	HEADER = 12,
	LABEL_MAX = 63,
	POINTER = 0xc0,
	CLASS_IN = 1,
	FLAG_RESPONSE = 0x8000,
	FLAG_OPCODE = 0x7800,
	FLAG_RECURSE = 0x0100,
	RCODE = 0x000f,
};

static bool label_encode(struct wr *w, const char *label, size_t n)
{
	if (n == 0 || n > LABEL_MAX)
		return false;

	wr_u8(w, (uint8_t)n);
	wr_bytes(w, label, n);
	return true;
}

static bool name_encode(struct wr *w, const char *name)
{
	size_t len = strlen(name);

	if (len && name[len - 1] == '.')
		len--;
	if (len == 0 || len > DNS_NAME_MAX)
		return false;

	for (size_t at = 0; at < len;) {
		const char *dot = memchr(name + at, '.', len - at);
		size_t n = dot ? (size_t)(dot - name) - at : len - at;

		if (!label_encode(w, name + at, n) || (dot && at + n + 1 == len))
			return false;
		at += n + 1;
	}
	wr_u8(w, 0);
	return true;
}

int dns_query_encode(
	uint16_t id, const char *name, enum dns_type type, uint8_t out[static DNS_QUERY_MAX], size_t *ret_n)
{
	uint8_t header[HEADER] = {0}, type_and_class[4];
	struct wr w = wr_over(out, DNS_QUERY_MAX);

	put_be16(header, id);
	put_be16(header + 2, FLAG_RECURSE);
	put_be16(header + 4, 1); /* one question, and nothing else */
	put_be16(type_and_class, (uint16_t)type);
	put_be16(type_and_class + 2, CLASS_IN);
	wr_bytes(&w, header, sizeof(header));
	if (!name_encode(&w, name))
		return TM_EINVAL;

	wr_bytes(&w, type_and_class, sizeof(type_and_class));
	*ret_n = wr_len(&w);
	return w.bad ? TM_EINVAL : TM_OK;
}

/* Servers may give the name back in other letters' case, and do. p has at least query_len bytes. */
static bool question_matches(const uint8_t *p, const uint8_t *query, size_t query_len)
{
	size_t at = HEADER;

	while (query[at]) {
		size_t n = 1u + query[at];

		if (p[at] != query[at] || !same_but_case(p + at + 1, query + at + 1, n - 1))
			return false;
		at += n;
	}
	return memcmp(p + at, query + at, query_len - at) == 0;
}

static void name_skip(struct rd *r)
{
	for (;;) {
		uint8_t n = rd_u8(r);

		if ((n & POINTER) == POINTER) {
			(void)rd_u8(r);
			return;
		}
		if (n == 0 || r->bad)
			return;
		(void)rd_bytes(r, n);
	}
}

static void record_decode(struct rd *r, uint16_t type, struct dns_answer *a)
{
	name_skip(r);

	uint16_t got = rd_be16(r);
	uint16_t class = rd_be16(r);
	(void)rd_be32(r);
	uint16_t n = rd_be16(r);
	const uint8_t *data = rd_bytes(r, n);

	if (r->bad || got != type || class != CLASS_IN || a->n == DNS_ADDRESSES_MAX)
		return;
	if (type == DNS_A && n == 4)
		a->addresses[a->n++] = ip_v4(data);
	else if (type == DNS_AAAA && n == 16)
		a->addresses[a->n++] = ip_v6(data);
}

int dns_answer_decode(
	const uint8_t *p, size_t n, const uint8_t *query, size_t query_len, struct dns_answer *ret_answer)
{
	struct dns_answer a = {0};
	struct rd r = rd_over(p, n);

	uint16_t id = rd_be16(&r);
	uint16_t flags = rd_be16(&r);
	uint16_t questions = rd_be16(&r);
	uint16_t answers = rd_be16(&r);
	(void)rd_be32(&r);
	if (r.bad)
		return TM_EBADMSG;
	if (id != get_be16(query) || !(flags & FLAG_RESPONSE))
		return TM_EAGAIN;

	a.rcode = flags & RCODE;
	/* Who refuses may leave the question out. */
	if (questions == 0 && a.rcode != DNS_OK && a.rcode != DNS_NXDOMAIN) {
		*ret_answer = a;
		return TM_OK;
	}
	if ((flags & FLAG_OPCODE) || questions != 1 || n < query_len)
		return TM_EBADMSG;
	if (!question_matches(p, query, query_len))
		return TM_EAGAIN;

	uint16_t type = get_be16(query + query_len - 4);
	(void)rd_bytes(&r, query_len - HEADER);
	for (unsigned i = 0; i < answers && !r.bad; i++)
		record_decode(&r, type, &a);
	/* A cut answer (it came by datagram) has what came before the cut. */
	if (r.bad && a.n == 0)
		return TM_EBADMSG;
	*ret_answer = a;
	return TM_OK;
}
