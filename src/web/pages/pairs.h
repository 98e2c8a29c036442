/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Pairs of members as report.list and report.node have them, for people. Private to pages/. Pure. */
#ifndef TM_WEB_PAGES_PAIRS_H
#define TM_WEB_PAGES_PAIRS_H

#include "web/pages/index.h"
#include "web/pages/parts.h"

/* How a pair talks, or one end of it; WAY_NONE: it is looked for, or nobody wants it. */
enum part_way { WAY_NONE, WAY_DIRECT, WAY_RELAYED };
enum part_way pair_way(const msg_object *pair);
void pair_state(struct strbuf *out, const msg_object *pair);
/* "direct", "relayed through hub: UDP does not pass", ... ; as text, and whole or cut. */
enum { PAIR_TEXT = 256 };
const char *pair_text(const msg_object *pair, char buf[static PAIR_TEXT]);
bool pair_is_of(const msg_object *pair, const char *id); /* of the list, too */
const char *pair_other(const msg_object *pair, const char *id); /* of the list: id of the other end */

/* What the pairs of one member, or all of them, are together. */
struct pair_sum {
	unsigned direct, relayed, none;
	uint64_t rate, relayed_rate; /* bytes a second */
	uint32_t rtt_us; /* half of them are faster; 0 = not known */
};
struct pair_sum pair_sum_of(const struct page_index *pairs, const char *id);
struct pair_sum pair_sum_all(const struct page *p);
/* "3 direct, 1 relayed" with its mark. */
void pair_sum_state(struct strbuf *out, const struct pair_sum *s);

/* All pairs, or those of that member; those first that want attention, at most so many. */
void pair_table(
	struct strbuf *out, const struct page *p, const struct page_index *nodes, const char *of, size_t max);

#endif
