/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Messages of the DNS (RFC 1035 4, RFC 6891), as far as a server of addresses needs them: one question read,
 * one answer written. By ldns, which nobody else here sees. Pure.
 */
#ifndef TM_DNS_MESSAGE_H
#define TM_DNS_MESSAGE_H

#include "base/addr.h"
#include "dns/name.h"

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_TKEY = 249,
	DNS_TSIG = 250,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_MAILB = 253,
	DNS_MAILA = 254,
	DNS_ANY = 255,
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16,
};

enum {
	DNS_HEADER = 12,
	DNS_CLASS_IN = 1,
	DNS_OPCODE_QUERY = 0,
	DNS_PLAIN_SIZE = 512, /* RFC 1035 4.2.1: UDP, when nothing else is said */
	DNS_EDNS_SIZE = 1232, /* of our own: never cut on the way (1280 less IPv6 and UDP), as all servers
				 since 2020 */
	DNS_TCP_SIZE = 65535,
	DNS_RECORDS_MAX = 2,
};

struct dns_header {
	uint16_t id;
	uint8_t opcode;
	bool answer; /* QR */
	bool rd, cd;
	uint16_t questions, answers, authorities, additionals;
};

struct dns_question {
	struct dns_header header;
	struct dns_name name; /* as asked, letter by letter */
	uint16_t type, class;
	struct {
		bool present, dnssec_ok;
		uint8_t version;
		uint16_t size;
	} edns;
};

struct dns_record {
	uint16_t type; /* enum dns_type: A, AAAA, PTR, NS, SOA */
	uint32_t ttl;
	struct dns_name owner;
	struct ip ip; /* A, AAAA */
	struct dns_name target; /* PTR, NS; SOA: the first server */
	struct dns_name mailbox; /* SOA */
	uint32_t serial, minimum; /* SOA */
};

struct dns_reply {
	enum dns_rcode rcode;
	bool authoritative, truncated;
	struct dns_record answer[DNS_RECORDS_MAX], authority;
	uint8_t n_answer;
	bool has_authority;
};

/* TM_ESHORT: not even a header. */
NODISCARD int dns_header_read(const uint8_t *p, size_t n, struct dns_header *ret_header);
/*
 * A message whose header says that it holds one question and nothing but, perhaps, one additional record.
 * TM_EBADMSG: it does not. What comes behind it is left alone.
 */
NODISCARD int dns_question_read(
	const struct dns_header *h, const uint8_t *p, size_t n, struct dns_question *ret_question);

/* What can be said to somebody who was not understood: a header, nothing else. Its length. */
size_t dns_refusal_write(const struct dns_header *h, enum dns_rcode rcode, uint8_t out[static DNS_HEADER]);
/*
 * The answer, in at most `size` octets: where it does not fit, without its records and marked as cut (TC).
 * *ret_n is untouched after an error, which is no memory, or no room for the question itself.
 */
NODISCARD int dns_reply_write(
	const struct dns_question *q, const struct dns_reply *r, uint8_t *out, size_t size, size_t *ret_n);

#endif
