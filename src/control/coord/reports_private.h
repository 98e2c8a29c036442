/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reports from inside: reports.c keeps what is told, reports_ask.c asks for it, reports_view.c reads it out,
 * reports_history.c has the rings. Control thread.
 */
#ifndef TM_CONTROL_COORD_REPORTS_PRIVATE_H
#define TM_CONTROL_COORD_REPORTS_PRIVATE_H

#include "base/list.h"
#include "control/coord/coord_private.h"
#include "control/coord/reports.h"

/* --- reports_history.c; pure --- */

/* Samples, oldest first from `first` on once it is full. */
struct ring_samples {
	struct packed_sample {
		uint32_t at; /* Unix seconds */
		uint32_t rtt_and_path; /* microseconds in the upper 24 bits */
	} * v;
	uint16_t n, room, first;
};

struct pair_history {
	struct ring_samples recent, day;
	struct pair_change
		changes[REPORTS_CHANGES]; /* oldest first from first_change on once they are full */
	uint8_t n_changes, first_change;
};

/* In one of `span` seconds the last one counts. What is the same as the last one says nothing. Without memory
 * it is left out. */
void samples_add(struct ring_samples *r, size_t max, unsigned span, const struct pair_sample *s);
size_t samples_read(const struct ring_samples *r, struct pair_sample *v, size_t max);
size_t samples_bytes(const struct ring_samples *r);
void changes_add(struct pair_history *h, const struct pair_change *change);
size_t changes_read(const struct pair_history *h, struct pair_change *v, size_t max);
void pair_history_free(struct pair_history *h); /* NULL is fine */

/* --- reports.c --- */

/* What one end of a pair says. */
struct side {
	struct pair_kept *pair;
	struct list in_reporter; /* of whoever says it */
	bool told; /* by the link that the member has now */
	struct report_peer said;
	ns_t at;
	uint64_t rx_rate, tx_rate;
	ns_t rates_until; /* then they are 0 */
};

struct pair_kept {
	uint64_t key; /* the lower host number above the higher */
	struct member *members[2]; /* in that order */
	struct side sides[2];
	struct list in_pairs; /* reports.told or reports.untold */
	ns_t untold_at; /* since then nobody tells of it; while nobody does */
	struct pair_history *history; /* NULL: none, or it was given up for another's */
	struct list in_histories; /* while there is one */
};

/* alarms.c: how often one of a member was stored lately. */
struct alarm_kept {
	ns_t since; /* the first of them, monotonic */
	unsigned n;
};

/* Of a member that says something, or is named by one that does. */
struct reporter {
	struct list sides; /* what it may say, one of each pair that it is of */
	size_t n_told;
	uint64_t told_by; /* the link by which it said something last; 0 = it never has */
	ns_t at;
	struct report_self self;
	struct spending spent;
	bool lost; /* more came than it may say, so that it has to begin anew */
	/* alarms.c */
	struct member *member;
	uint32_t alarms_stored; /* as the events in the store have it */
	struct alarm_kept alarms[REPORT_ALARM_N];
	struct list in_late; /* reports.late: while that is not what it says */
	/* reports_ask.c; of its link */
	uint64_t asked; /* the one that was asked */
	uint32_t every_ms; /* as asked last */
	ns_t asked_until; /* then as always */
	ns_t watched_until;
	ns_t whole_at; /* when it was asked for everything last */
};

/* Tests make them small. */
struct reports_limits {
	size_t pairs; /* of the mesh */
	size_t told; /* of one member */
	size_t histories; /* bytes, of all pairs */
	unsigned asked_at_once; /* members, in one turn */
};

struct reports {
	struct reports_limits limits;
	struct map *pairs; /* by key */
	struct list told; /* pairs in use: one of both ends tells of it, by the link that it has now */
	struct list untold; /* the others, for longest first */
	struct list late; /* reporters: alarms.c has to catch up with them */
	struct spending alarms_spent;
	struct list histories; /* pairs that have one; who was told of longest ago is first */
	size_t n_pairs, bytes; /* bytes of histories */
	ns_t watched_until; /* all of them */
	struct reports_total total; /* as of total_at; 0 = never */
	ns_t total_at;
};

#define REPORTS_RATE_MAX UINT64_C(1000000000000) /* bytes a second: nobody is so fast, and a sum has room */

struct reporter *reporter_of(struct member *m); /* made when there is none; NULL: no memory */
struct pair_kept *pair_find(struct coord *c, const struct member *a, const struct member *b);
static inline unsigned side_of(const struct pair_kept *p, const struct member *m)
{
	return p->members[1] == m;
}
enum report_path pair_path(const struct pair_kept *p);

#endif
