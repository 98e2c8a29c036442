/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a train of echo datagrams came to: loss, round trips, jitter. Pure. */
#ifndef TM_BENCH_STATS_H
#define TM_BENCH_STATS_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct bench_latency {
	uint32_t sent, received;
	ns_t min, avg, p50, p99, max, jitter; /* 0 when none was received */
};

struct echo_mark {
	ns_t sent, rtt; /* rtt -1 = not answered */
};

struct echo_trail {
	uint32_t first_seq;
	uint32_t n, cap, received;
	struct echo_mark *marks; /* owned */
	ns_t last_rtt, jitter;
};

/* Room for cap datagrams; the first gets first_seq, so that late answers to an earlier train do not count. */
NODISCARD int echo_trail_init(struct echo_trail *t, uint32_t first_seq, uint32_t cap);
void echo_trail_deinit(struct echo_trail *t);

/* The next one's number; false when the trail is full. */
bool echo_trail_sent(struct echo_trail *t, ns_t now, uint32_t *ret_seq);
/* Ignores what was not sent in this train or is answered already. */
void echo_trail_answered(struct echo_trail *t, uint32_t seq, ns_t now);
bool echo_trail_complete(const struct echo_trail *t);

/* Percentiles by nearest rank. Leaves zero round trips when it runs out of memory. */
void echo_trail_summary(const struct echo_trail *t, struct bench_latency *ret_latency);

#endif
