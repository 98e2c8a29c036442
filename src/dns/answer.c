/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/answer.h"

int dns_answerer_init(struct dns_answerer *a, const struct dns_zone *zone)
{
	*a = (struct dns_answerer){.zone = zone};
	int err = dns_limit_init(&a->by_udp);

	return err ? err : dns_limit_init(&a->by_tcp);
}

static bool may_ask(struct dns_answerer *a, const struct dns_asker *from, ns_t now)
{
	struct dns_limit *l = from->transport == DNS_TCP ? &a->by_tcp : &a->by_udp;

	return from->own || dns_limit_allow(l, &from->from, from->served, now);
}

/* What is no question about records; NOERROR = it is one. RFC 6895 3.1. */
static enum dns_rcode judge_type(uint16_t type)
{
	switch (type) {
	case 0:
	case DNS_OPT:
		return DNS_FORMERR;
	case DNS_TKEY:
	case DNS_TSIG:
	case DNS_MAILB:
	case DNS_MAILA:
		return DNS_NOTIMP;
	case DNS_AXFR: /* the zone is each member's to ask about, name by name */
	case DNS_IXFR:
		return DNS_REFUSED;
	default:
		return DNS_NOERROR;
	}
}

static void reply_to(struct dns_answerer *a, const struct dns_asker *from, const struct dns_question *q,
	struct dns_reply *r, const struct mesh_node **ret_member)
{
	const enum dns_rcode kind = judge_type(q->type);

	*r = (struct dns_reply){.rcode = kind};
	if (q->edns.present && q->edns.version != 0)
		r->rcode = DNS_BADVERS; /* RFC 6891 6.1.3: before anything else */
	else if (!kind && (!from->served || q->class != DNS_CLASS_IN))
		r->rcode = DNS_REFUSED;
	else if (!kind)
		dns_zone_ask(a->zone, &q->name, q->type, r, ret_member);
}

static void count(struct dns_counters *c, const struct dns_reply *r)
{
	if (r->rcode == DNS_REFUSED)
		c->refused++;
	else if (r->n_answer)
		c->answered++;
	else if (r->authoritative || r->rcode == DNS_SERVFAIL)
		c->denied++;
	else
		c->malformed++;
}

/* RFC 6891 6.2.3 and 6.2.5: no less than 512, and no more than gets through everywhere. */
static size_t room_of(const struct dns_asker *from, const struct dns_question *q)
{
	if (from->transport == DNS_TCP)
		return DNS_ANSWER_MAX;
	return q->edns.present ? MIN(MAX((size_t)q->edns.size, DNS_PLAIN_SIZE), DNS_EDNS_SIZE)
			       : (size_t)DNS_PLAIN_SIZE;
}

/*
 * Who asks too often by UDP may be somebody else: half of what is left out is answered with "ask by TCP", so
 * that whoever is really there still learns what it wants, at its own cost, and nobody gets more octets than
 * were sent in its name.
 */
static bool may_slip(struct dns_answerer *a, const struct dns_asker *from)
{
	a->counters.limited++;
	return from->transport == DNS_UDP && a->slips++ % 2 == 0;
}

size_t dns_answer(struct dns_answerer *a, const struct dns_asker *from, const uint8_t *question, size_t n,
	ns_t now, uint8_t out[static DNS_ANSWER_MAX], const struct mesh_node **ret_member)
{
	const bool allowed = may_ask(a, from, now);
	struct dns_header h;
	struct dns_question q;
	struct dns_reply r = {.truncated = true};
	size_t len;

	*ret_member = NULL;
	if (!allowed && !may_slip(a, from))
		return 0;
	/* An answer to an answer would go on for ever. */
	if (dns_header_read(question, n, &h) != TM_OK || h.answer) {
		a->counters.dropped++;
		return 0;
	}
	if (h.opcode != DNS_OPCODE_QUERY || dns_question_read(&h, question, n, &q) != TM_OK) {
		a->counters.malformed++;
		return dns_refusal_write(&h, h.opcode == DNS_OPCODE_QUERY ? DNS_FORMERR : DNS_NOTIMP, out);
	}
	if (allowed) {
		reply_to(a, from, &q, &r, ret_member);
		count(&a->counters, &r);
	}
	/* No memory: who asked will ask again. */
	return dns_reply_write(&q, &r, out, room_of(from, &q), &len) == TM_OK ? len : 0;
}
