/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A filter with rules that a test says in a line each, and packets made to order. We are host 1. All packets
 * come through the peer whose host number their remote end is, or bed.peer where a test says so.
 */
#ifndef TM_TEST_FILTER_BED_H
#define TM_TEST_FILTER_BED_H

#include "unit/unit.h"

#include "data/filter/filter.h"
#include "data/filter/hits.h"
#include "unit/data/filter/pkt.h"

enum { BED_SELF = 1, BED_CLIENT = 230 /* behind us, and a member to our other ends */ };

struct bed_rule {
	enum rules_dir dir;
	enum rules_proto proto;
	uint16_t first, last;
	enum verdict verdict;
	uint32_t class; /* 0 mostly, that is, of hosts 2 to 9; 1: 10 to 19, and what is outside, behind 2; 2:
			   20 to 29, and BED_CLIENT; ... */
	uint32_t end; /* likewise; 1: hosts 200 to 209, BED_CLIENT, and what is outside from 128 on, as far as
			 that is behind us */
};

struct bed {
	struct filter_worker w;
	ns_t now;
	uint64_t generation;
	uint32_t peer; /* 0: as above */
	struct hits *hits; /* of the rules of now, by their place in the list, from 1 on */
};

/* With this many flows, and filtering for long already. */
void bed_start(struct bed *b, uint32_t flows, unsigned parts);
void bed_stop(struct bed *b);
/* These rules from now on, the next generation; all else is dropped, or rejected. */
void bed_rules(struct bed *b, const struct bed_rule *v, size_t n, enum verdict otherwise);
#define BED_RULES(b, ...)                                                                                    \
	bed_rules(b, (const struct bed_rule[]){__VA_ARGS__},                                                 \
		sizeof((const struct bed_rule[]){__VA_ARGS__}) / sizeof(struct bed_rule), VERDICT_DROP)

/* One packet: what is said about it. From host 1 it is egress, else ingress. */
enum filter_says bed_says(struct bed *b, const struct pkt *p);
enum filter_says bed_says_bytes(
	struct bed *b, enum filter_dir dir, uint32_t peer, const uint8_t *p, size_t n);
const char *bed_word(enum filter_says s);
#define EXPECT(b, want, ...)                                                                                 \
	do {                                                                                                 \
		const enum filter_says said_ = bed_says(b, &(const struct pkt){__VA_ARGS__});                \
		if (said_ != (want))                                                                         \
			fail_msg("line %d: %s, not %s: %s", __LINE__, bed_word(said_), bed_word(want),       \
				#__VA_ARGS__);                                                               \
	} while (0)

/* Host 1 connects from 40000 to port 22 of host 2, or the other way round; the numbers are 1000 and 5000
 * behind the handshake. */
void bed_connect(struct bed *b, uint32_t from, uint32_t to);

#endif
