/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions made and answers read octet by octet, without the library that the server uses; and a small mesh
 * to ask about. */
#ifndef TM_TEST_UNIT_DNS_RIG_H
#define TM_TEST_UNIT_DNS_RIG_H

#include "unit/unit.h"

#include "base/bytes.h"
#include "dns/answer.h"

enum { QUESTION_ROOM = 600 };

struct question {
	uint8_t bytes[QUESTION_ROOM];
	size_t n;
};

/* RD set, class IN; name as text with dots. */
struct question question_of(const char *name, uint16_t type);
/* Adds an OPT record; flags: the DO bit is 0x8000. */
void question_edns(struct question *q, uint16_t size, uint8_t version, uint16_t flags);

struct told_record {
	char owner[DNS_NAME_TEXT];
	uint16_t type, class;
	uint32_t ttl;
	char data[3 * DNS_NAME_TEXT]; /* an address, a name, "FIRST MAILBOX SERIAL MINIMUM" */
};

struct told {
	uint16_t id, flags;
	unsigned rcode; /* with EDNS's bits */
	bool aa, tc, rd, ra, ad, cd;
	unsigned n_question, n_answer, n_authority, n_additional;
	char name[DNS_NAME_TEXT]; /* of the question */
	uint16_t type;
	struct told_record record[4]; /* but for OPT, in order */
	bool edns, dnssec_ok;
	unsigned edns_size, edns_version;
};

/* Fails the test where it is no message, or anything is left over. */
struct told told_read(const uint8_t *p, size_t n);

struct rig {
	struct mesh *mesh;
	struct dns_zone zone;
	struct dns_answerer answerer;
	struct dns_asker from; /* a program of this machine, by UDP */
	ns_t now;
	/* of the last question */
	uint8_t out[DNS_ANSWER_MAX];
	size_t n;
	const struct mesh_node *member;
};

/* Members: n0 (coordinator, 100.101.0.1) to n4, and the client "phone" behind n0 (100.101.1.44); this is n1.
 */
void rig_open(struct rig *r);
/* The same with prefixes of the caller's. */
void rig_open_in(struct rig *r, const char *net4, const char *net6, bool empty);
void rig_close(struct rig *r);
void rig_add(struct rig *r, const char *name, uint32_t host);
/* Fails where there is no answer. */
struct told rig_ask(struct rig *r, const struct question *q);
struct told rig_ask_for(struct rig *r, const char *name, uint16_t type);

#endif
