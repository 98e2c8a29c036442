/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What `top` shows: the peers of an answer to `status`, with what came and went since the answer before, in
 * the order that is wanted. Pure.
 */
#ifndef TM_CLI_CORE_TOP_H
#define TM_CLI_CORE_TOP_H

#include <jansson.h>

#include "base/time.h"
#include "cli/core/columns.h"

#define TOP_SORTS(X)                                                                                         \
	X(TRAFFIC, 't', "traffic") /* both ways, the most first, as all figures */                           \
	X(RECEIVED, 'r', "received")                                                                         \
	X(SENT, 's', "sent")                                                                                 \
	X(RTT, 'l', "rtt")                                                                                   \
	X(PATH, 'p', "path") /* those that want looking at first */                                          \
	X(NAME, 'n', "name")

enum top_sort {
#define X(name, key, word) TOP_##name,
	TOP_SORTS(X)
#undef X
		TOP_SORT_N,
};

enum { TOP_FILTER_MAX = 63 };

struct top_peer {
	const json_t *j; /* of `status`; borrowed from it */
	double received, sent; /* bytes per second; 0 as long as there is one answer */
	double figure; /* of those that are shown: what they are in order of */
};

struct top {
	/* the caller's; top_arrange applies them */
	enum top_sort sort;
	bool inverted;
	char filter[TOP_FILTER_MAX + 1]; /* what has to be in a name, an address or the path; "" = all */
	/* zero at first */
	json_t *status; /* the newest */
	ns_t at; /* when it came, monotonic */
	json_t *before; /* peers of the one before, by id; NULL: there is none */
	ns_t took; /* between the two */
	struct top_peer *v; /* those that are shown */
	size_t n;
	struct top_peer *all;
	size_t n_all;
};

void top_deinit(struct top *t);
/* A further answer. TM_ENOMEM, TM_EPROTO: it is none. */
NODISCARD int top_take(struct top *t, json_t *status_take, ns_t now);
void top_arrange(struct top *t);

/* Two lines: this node, and its peers in sum. */
void top_print_head(const struct top *t, FILE *f);
/* `most` rows at most, from the one of that number on. */
NODISCARD int top_print_rows(
	const struct top *t, size_t first, size_t most, FILE *f, const struct screen *screen);
/* As docs/json.md has it; NULL: no memory. */
json_t *top_json(const struct top *t);

const char *top_sort_name(enum top_sort s);
/* By its name; by its key. TM_ENOENT. */
NODISCARD int top_sort_parse(const char *name, enum top_sort *ret_s);
NODISCARD int top_sort_of_key(int key, enum top_sort *ret_s);

#endif
