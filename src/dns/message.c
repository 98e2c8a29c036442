/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/message.h"

#include <ldns/ldns.h>
#include <string.h>

#include "base/bytes.h"

/* Bits of the header's second word, RFC 1035 4.1.1 and RFC 4035 3.2. */
enum { QR = 1 << 15, OPCODE_SHIFT = 11, RD = 1 << 8, CD = 1 << 4 };

/* Values of ldns that outlive their scope only when somebody took them. */
DEFINE_CLEANUP(ldns_pkt, ldns_pkt_free)
DEFINE_CLEANUP(ldns_rr, ldns_rr_free)
DEFINE_CLEANUP(ldns_rdf, ldns_rdf_deep_free)
DEFINE_CLEANUP(ldns_buffer, ldns_buffer_free)

/* --- reading --- */

int dns_header_read(const uint8_t *p, size_t n, struct dns_header *ret_header)
{
	struct rd r = rd_over(p, n);
	struct dns_header h = {0};

	h.id = rd_be16(&r);
	const uint16_t flags = rd_be16(&r);
	h.questions = rd_be16(&r);
	h.answers = rd_be16(&r);
	h.authorities = rd_be16(&r);
	h.additionals = rd_be16(&r);
	if (r.bad)
		return TM_ESHORT;
	h.answer = flags & QR;
	h.opcode = flags >> OPCODE_SHIFT & 0xf;
	h.rd = flags & RD;
	h.cd = flags & CD;
	*ret_header = h;
	return TM_OK;
}

int dns_question_read(
	const struct dns_header *h, const uint8_t *p, size_t n, struct dns_question *ret_question)
{
	_cleanup_(ldns_pkt_freep) ldns_pkt *pkt = NULL;
	struct dns_question q = {.header = *h};

	if (h->questions != 1 || h->answers || h->authorities || h->additionals > 1)
		return TM_EBADMSG;
	if (ldns_wire2pkt(&pkt, p, n) != LDNS_STATUS_OK)
		return TM_EBADMSG;

	const ldns_rr *rr = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	const ldns_rdf *owner = rr ? ldns_rr_owner(rr) : NULL;
	if (!owner || dns_name_take(ldns_rdf_data(owner), ldns_rdf_size(owner), &q.name) != TM_OK)
		return TM_EBADMSG;
	q.type = (uint16_t)ldns_rr_get_type(rr);
	q.class = (uint16_t)ldns_rr_get_class(rr);
	if (ldns_pkt_edns(pkt)) {
		q.edns.present = true;
		q.edns.dnssec_ok = ldns_pkt_edns_do(pkt);
		q.edns.version = ldns_pkt_edns_version(pkt);
		q.edns.size = ldns_pkt_edns_udp_size(pkt);
	}
	*ret_question = q;
	return TM_OK;
}

/* --- writing --- */

size_t dns_refusal_write(const struct dns_header *h, enum dns_rcode rcode, uint8_t out[static DNS_HEADER])
{
	const unsigned flags =
		QR | (unsigned)h->opcode << OPCODE_SHIFT | (h->rd ? RD : 0) | ((unsigned)rcode & 0xf);

	memset(out, 0, DNS_HEADER);
	put_be16(out, h->id);
	put_be16(out + 2, (uint16_t)flags);
	return DNS_HEADER;
}

static ldns_rdf *name_field(const struct dns_name *n)
{
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, n->len, n->bytes);
}

static ldns_rdf *number_field(uint32_t v)
{
	return ldns_native2rdf_int32(LDNS_RDF_TYPE_INT32, v);
}

/* Takes the field over, which may be NULL: no memory. */
static bool add_field(ldns_rr *rr, ldns_rdf *field_take)
{
	if (!field_take)
		return false;
	if (ldns_rr_push_rdf(rr, field_take))
		return true;
	ldns_rdf_deep_free(field_take);
	return false;
}

/* How often another server would ask this one for the zone, and give up (RFC 1912 2.2). There is none. */
enum { SOA_REFRESH = 3600, SOA_RETRY = 600, SOA_EXPIRE = 86400 };

static bool add_soa(ldns_rr *rr, const struct dns_record *r)
{
	return add_field(rr, name_field(&r->target)) && add_field(rr, name_field(&r->mailbox)) &&
	       add_field(rr, number_field(r->serial)) && add_field(rr, number_field(SOA_REFRESH)) &&
	       add_field(rr, number_field(SOA_RETRY)) && add_field(rr, number_field(SOA_EXPIRE)) &&
	       add_field(rr, number_field(r->minimum));
}

static bool add_fields(ldns_rr *rr, const struct dns_record *r)
{
	switch (r->type) {
	case DNS_A:
		return add_field(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_A, 4, r->ip.bytes));
	case DNS_AAAA:
		return add_field(rr, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_AAAA, 16, r->ip.bytes));
	case DNS_SOA:
		return add_soa(rr, r);
	default:
		return add_field(rr, name_field(&r->target));
	}
}

/* NULL: no memory. */
static ldns_rr *make_rr(const struct dns_name *owner, uint16_t type, uint16_t class)
{
	_cleanup_(ldns_rr_freep) ldns_rr *rr = ldns_rr_new();
	ldns_rdf *name = rr ? name_field(owner) : NULL;

	if (!name)
		return NULL;
	ldns_rr_set_owner(rr, name);
	ldns_rr_set_type(rr, (ldns_rr_type)type);
	ldns_rr_set_class(rr, (ldns_rr_class) class);
	return TAKE(rr);
}

static bool add_record(ldns_pkt *pkt, ldns_pkt_section section, const struct dns_record *r)
{
	_cleanup_(ldns_rr_freep) ldns_rr *rr = make_rr(&r->owner, r->type, DNS_CLASS_IN);

	if (!rr || !add_fields(rr, r))
		return false;
	ldns_rr_set_ttl(rr, r->ttl);
	if (!ldns_pkt_push_rr(pkt, section, rr))
		return false;
	rr = NULL;
	return true;
}

static bool add_question(ldns_pkt *pkt, const struct dns_question *q)
{
	_cleanup_(ldns_rr_freep) ldns_rr *rr = make_rr(&q->name, q->type, q->class);

	if (!rr)
		return false;
	ldns_rr_set_question(rr, true);
	if (!ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, rr))
		return false;
	rr = NULL;
	return true;
}

static void set_header(ldns_pkt *pkt, const struct dns_question *q, const struct dns_reply *r)
{
	ldns_pkt_set_id(pkt, q->header.id);
	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_rd(pkt, q->header.rd);
	ldns_pkt_set_cd(pkt, q->header.cd);
	ldns_pkt_set_aa(pkt, r->authoritative);
	ldns_pkt_set_tc(pkt, r->truncated);
	ldns_pkt_set_rcode(pkt, (uint8_t)r->rcode & 0xf);
	if (!q->edns.present)
		return;
	/* RFC 6891 6.1.1: who speaks EDNS is answered in it. */
	ldns_pkt_set_edns_udp_size(pkt, DNS_EDNS_SIZE);
	ldns_pkt_set_edns_extended_rcode(pkt, (uint8_t)((unsigned)r->rcode >> 4));
	ldns_pkt_set_edns_version(pkt, 0);
	ldns_pkt_set_edns_do(pkt, q->edns.dnssec_ok);
}

static int write_once(const struct dns_question *q, const struct dns_reply *r, ldns_buffer *buffer)
{
	_cleanup_(ldns_pkt_freep) ldns_pkt *pkt = ldns_pkt_new();

	if (!pkt)
		return TM_ENOMEM;
	set_header(pkt, q, r);
	bool ok = add_question(pkt, q);
	for (size_t i = 0; ok && i < r->n_answer; i++)
		ok = add_record(pkt, LDNS_SECTION_ANSWER, &r->answer[i]);
	if (ok && r->has_authority)
		ok = add_record(pkt, LDNS_SECTION_AUTHORITY, &r->authority);
	ldns_buffer_clear(buffer);
	return ok && ldns_pkt2buffer_wire(buffer, pkt) == LDNS_STATUS_OK ? TM_OK : TM_ENOMEM;
}

int dns_reply_write(
	const struct dns_question *q, const struct dns_reply *r, uint8_t *out, size_t size, size_t *ret_n)
{
	_cleanup_(ldns_buffer_freep) ldns_buffer *buffer = ldns_buffer_new(DNS_EDNS_SIZE);
	int err = buffer ? write_once(q, r, buffer) : TM_ENOMEM;

	if (!err && ldns_buffer_position(buffer) > size) {
		/* RFC 2181 9: whole, or not at all. */
		const struct dns_reply cut = {
			.rcode = r->rcode, .authoritative = r->authoritative, .truncated = true};

		err = write_once(q, &cut, buffer);
		if (!err && ldns_buffer_position(buffer) > size)
			err = TM_ERANGE;
	}
	if (err)
		return err;
	*ret_n = ldns_buffer_position(buffer);
	memcpy(out, ldns_buffer_begin(buffer), *ret_n);
	return TM_OK;
}
