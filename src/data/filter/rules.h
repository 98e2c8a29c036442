/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who may begin what, compiled for the workers: for each end that this node filters for, each class of
 * members, each direction and protocol a list of port intervals with verdicts. Who the other one is has been
 * proved by a key, so that a look-up is one binary search and allocates nothing.
 *
 * A node has as many pairs of ends and classes as it has clients times members with rights of their own, and
 * hardly any different lists: pairs share them.
 *
 * An end is this node (number 0), or stock clients behind it, which cannot filter themselves: the maker
 * numbers them, those with equal rights share one. A class is a set of members with equal rights, or of
 * addresses behind one. Both number from 0 on, without holes. Who is of which class stands here too, by host
 * number: so the numbers are those of one policy at any time.
 *
 * Made by the control thread, never changed, owned by the snapshots that carry it (data/plane/snapshot.h),
 * read by all workers. The generation by which flows are judged again is the snapshot's, which grows with
 * new rules and with new peers as well.
 */
#ifndef TM_DATA_FILTER_RULES_H
#define TM_DATA_FILTER_RULES_H

#include "base/addr.h"
#include "base/err.h"

enum verdict {
	VERDICT_PASS,
	VERDICT_DROP, /* in silence */
	VERDICT_REJECT, /* its sender is told (packet/reject.h) */
};

/* Who sends the first packet. */
enum rules_dir {
	RULES_IN, /* the peer */
	RULES_OUT, /* our end */
	RULES_DIRS
};

/* What a "port" is: */
enum rules_proto {
	RULES_TCP, /* the port of the one that is asked */
	RULES_UDP, /* likewise */
	RULES_ICMP, /* the type, of IPv4 */
	RULES_ICMP6, /* the type, of IPv6 */
	RULES_OTHER, /* the number of the protocol (RFC 8200: of the upper layer) */
	RULES_PROTOS
};

struct rules_span {
	uint16_t first, last; /* ports, both included */
	uint8_t verdict; /* enum verdict */
	uint32_t rule; /* the maker's number of it; RULE_NONE: no rule says so */
};

enum {
	RULE_NONE = 0,
	RULE_MAX = (1 << 30) - 1,
	RULES_SELF = 0, /* the end that this node is */
	RULES_HOSTS_MAX = 1 << 16, /* host numbers are less */
	RULES_ENDS_MAX = (1 << 16) - 1,
	RULES_CLASSES_MAX = (1 << 16) - 1,
	RULES_PAIRS_MAX = 1 << 24, /* ends x classes */
	RULES_SETS_MAX = 1 << 17, /* pairs with lists of their own, of which most share one */
	RULES_SPANS_MAX = 1 << 22,
	RULES_PREFIXES_MAX = 1 << 17,
};

/* Which list. */
struct rules_at {
	uint32_t end, class;
	enum rules_dir dir;
	enum rules_proto proto;
};

struct hits;
struct rules;
struct rules_builder;

/* --- making them --- */

NODISCARD int rules_builder_new(struct rules_builder **ret_b);
void rules_builder_free(struct rules_builder *b);
DEFINE_CLEANUP(struct rules_builder, rules_builder_free)

/*
 * One list: intervals in ascending order that do not overlap, and a verdict for all that lies between them. A
 * list that is never put drops everything. TM_EINVAL: the intervals are not so, or something is none;
 * TM_EFULL: a bound above. Nothing has changed then.
 */
NODISCARD int rules_put(struct rules_builder *b, const struct rules_at *at, enum verdict fallback,
	const struct rules_span *v, size_t n);
/* All lists of the one pair are those of the other, for which some are put. TM_EINVAL, TM_EFULL. */
NODISCARD int rules_share(
	struct rules_builder *b, uint32_t end, uint32_t class, uint32_t of_end, uint32_t of_class);
/* The stock client with this host number, which is behind us, is of this end. TM_EINVAL. */
NODISCARD int rules_put_end(struct rules_builder *b, uint32_t host, uint32_t end);
/* The member with this host number, node or client, is of this class. TM_EINVAL. */
NODISCARD int rules_put_class(struct rules_builder *b, uint32_t host, uint32_t class);
/* What is reached through the member `via` and is no member itself; the longest prefix counts. TM_EINVAL,
 * TM_EFULL. */
NODISCARD int rules_put_prefix(
	struct rules_builder *b, const struct prefix *prefix, uint32_t via, uint32_t class);
/* What is behind ourselves and is no member is of this end. Likewise. */
NODISCARD int rules_put_prefix_end(struct rules_builder *b, const struct prefix *prefix, uint32_t end);

/* The builder is left as it is. TM_EEXIST: a list, a pair or a host number was put twice; TM_ENOENT: a pair
 * shares lists that there are not; TM_EFULL: RULES_PAIRS_MAX, RULES_SETS_MAX. */
NODISCARD int rules_build(const struct rules_builder *b, struct rules **ret_rules);
/* From now on rules_hit counts there, by the maker's numbers (hits.h). Takes it. */
void rules_count(struct rules *r, struct hits *h_take);
void rules_free(struct rules *r);
DEFINE_CLEANUP(struct rules, rules_free)

/* --- asking them: any thread --- */

struct rules_answer {
	enum verdict verdict;
	uint32_t rule;
};
/* Ends and classes that there are not drop everything. */
struct rules_answer rules_find(const struct rules *r, const struct rules_at *at, uint16_t port);

enum { RULES_NO_END = UINT32_MAX, RULES_NO_CLASS = UINT32_MAX };
/* 0 is this node; RULES_NO_END: nobody has said anything about that client. */
uint32_t rules_end_of(const struct rules *r, uint32_t host);
/* Of a member; RULES_NO_CLASS likewise. */
uint32_t rules_class_of(const struct rules *r, uint32_t host);
/* Of an address behind the member `via`; likewise. */
uint32_t rules_class_behind(const struct rules *r, uint32_t via, const struct ip *ip);
/* Of an address behind ourselves; RULES_NO_END likewise. */
uint32_t rules_end_behind(const struct rules *r, const struct ip *ip);

/* The rule has decided about a connection; by who has that part of the filter's memory. Nothing where nobody
 * wants to know. */
void rules_hit(const struct rules *r, unsigned part, uint32_t rule);

size_t rules_bytes(const struct rules *r); /* of memory */

#endif
