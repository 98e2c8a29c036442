/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What members say of themselves and of the pairs that they are one of, for whoever shows it. Shown and
 * nothing else: no decision follows from it, as a member may say what it likes. Of a pair each end has its
 * own word; what is joined of both says so. Everything goes with the member.
 *
 * Nothing of it is asked for more often than once a minute, unless somebody watches: then reports_watch says
 * so, again and again as long as that lasts. Control thread; what is read is good until the loop goes on.
 */
#ifndef TM_CONTROL_COORD_REPORTS_H
#define TM_CONTROL_COORD_REPORTS_H

#include "base/time.h"
#include "wire/msg/report.h"

struct coord;

enum {
	REPORTS_RECENT = 150, /* samples as they came: five minutes of one that is watched */
	REPORTS_DAY = 288, /* and one for five minutes */
	REPORTS_CHANGES = 16,
};

/* A member. The texts are borrowed. */
struct member_report {
	const char *id, *name;
	bool told; /* it has said something since it linked; else all below but `nat` is 0 */
	ns_t age; /* since it said something */
	struct report_self self; /* as of then; mtu 0: not told */
	struct nat_told nat; /* how the translator before it is */
	size_t pairs[REPORT_PATH_N]; /* that it told of, by path */
	uint64_t rx_rate, tx_rate; /* bytes a second inside the tunnels, of these */
};
/* False: no such member. */
bool reports_member(struct coord *c, const char *id, struct member_report *ret_m);

/* What one end says of the other. */
struct pair_end {
	const char *id, *name; /* who says it */
	bool told; /* else nothing below counts */
	ns_t age; /* since it last said something of this */
	enum report_path path; /* by which it sends */
	uint8_t family;
	enum path_not not_direct;
	const char *relay_name; /* through whom; "" = nobody, or not known */
	uint32_t rtt_us;
	uint16_t mtu;
	uint32_t path_age_s; /* its way has been in use for so long, now */
	uint64_t rx, tx; /* bytes, as it counted them */
	uint64_t rx_rate, tx_rate; /* bytes a second */
};

struct pair_report {
	struct pair_end ends[2]; /* the one with the lower host number first */
	/* Joined. */
	enum report_path path; /* the worse way of the two; CHECKING: neither has one; GONE: not in use */
	uint32_t rtt_us; /* of who spoke last; 0 = not known */
	uint64_t rate; /* bytes a second, both directions together */
};
/* All pairs in use, or those of that member; in no particular order. */
typedef void reports_pair_fn(void *ctx, const struct pair_report *p);
void reports_pairs(struct coord *c, const char *id, reports_pair_fn *each, void *ctx);
/* False: nobody has told of the two for a day. */
bool reports_pair(struct coord *c, const char *id, const char *other, struct pair_report *ret_p);

/* How it was from then on, until the next one says otherwise; the last of all is still so if the pair is in
 * use. */
struct pair_sample {
	int64_t at; /* Unix seconds */
	uint32_t rtt_us;
	enum report_path path;
};
enum reports_span { REPORTS_SPAN_RECENT, REPORTS_SPAN_DAY };
/* Oldest first; how many, REPORTS_RECENT or REPORTS_DAY at most. */
size_t reports_samples(struct coord *c, const char *id, const char *other, enum reports_span span,
	struct pair_sample *v, size_t max);

struct pair_change {
	int64_t at; /* Unix seconds */
	bool by_second; /* by ends[1] */
	enum report_path path; /* from now on */
	enum path_not not_direct;
};
size_t reports_changes(struct coord *c, const char *id, const char *other, struct pair_change *v, size_t max);

/* The mesh. A pair counts once. */
struct reports_total {
	size_t linked, telling; /* nodes with a link; those of them that have said something */
	size_t pairs[REPORT_PATH_N]; /* by path, of those in use */
	size_t pairs_ip4, pairs_ip6; /* with a way, by the family outside */
	uint64_t rate, relayed_rate; /* bytes a second inside the tunnels; of these through relays */
	size_t alarms[REPORT_ALARM_N]; /* nodes that say so */
	size_t memory; /* bytes that all this takes here */
};
void reports_total(struct coord *c, struct reports_total *ret_t);

/* Somebody looks at that member, or (NULL) at all of them: they are asked to report often for a while, two
 * seconds apart, or as far as the coordinator has use for. Cheap when said again. */
#define REPORTS_WATCH_FOR (20 * SEC)
void reports_watch(struct coord *c, const char *id);

#endif
