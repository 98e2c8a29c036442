/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Log lines that others can provoke, members or strangers, on purpose or by a fault. Of each kind so many are
 * written for one peer, and so many for all, in a window of time; what was left out is counted, and the next
 * line of the kind tells how many. What repeats a state that was told already (log_told) is none at all.
 *
 * One thread per limit, and per struct log_told.
 */
#ifndef TM_BASE_LOGLIMIT_H
#define TM_BASE_LOGLIMIT_H

#include "base/log.h"

enum { LOG_LIMIT_PEERS = 32 }; /* told apart within a window; those beyond share the last one's part */

struct log_limit {
	/* set once */
	ns_t window;
	uint32_t each, all; /* lines in a window: of one peer, of all */
	/* changes */
	ns_t until; /* of this window */
	uint32_t n, n_peers;
	uint64_t left_out; /* since the last line */
	struct {
		uint64_t who;
		uint32_t n;
	} peers[LOG_LIMIT_PEERS];
};

/* Events of which a few tell as much as a thousand: 10 lines a minute are 3 MB a day. */
#define LOG_LIMIT_FEW ((struct log_limit){.window = 60 * SEC, .each = 2, .all = 10})
/* A condition that lasts. */
#define LOG_LIMIT_ONE ((struct log_limit){.window = 60 * SEC, .each = 1, .all = 1})
/* States of peers: a mesh that comes back is many of them. */
#define LOG_LIMIT_STATES ((struct log_limit){.window = 60 * SEC, .each = 4, .all = 40})
/* For those who look for a fault and asked for more than they can read. */
#define LOG_LIMIT_DEBUG ((struct log_limit){.window = 10 * SEC, .each = 200, .all = 1000})

/* May a line about `who` be written now? Then *ret_left_out is how many were not since the last one; it
 * may be NULL. */
bool log_allow(struct log_limit *l, uint64_t who, ns_t now, uint64_t *ret_left_out);

/* Whom a line is about. By an IPv6 address is meant who has the /64, with 2^64 addresses to choose from. */
uint64_t log_who(const void *p, size_t n);
uint64_t log_who_ip(const struct ip *ip);
#define LOG_WHO_ALL 0 /* nobody in particular */

/* As log_info and the like, within the limit. The values are looked at only when the line is written. */
#define LOG_LIMITED(level, limit, who, text, ...)                                                            \
	do {                                                                                                 \
		uint64_t log_left_out_;                                                                      \
		if (log_enabled(level) && log_allow(limit, who, time_monotonic(), &log_left_out_)) {         \
			const struct log_kv log_kv_[] = {                                                    \
				{0}, ##__VA_ARGS__, KV_INT("left_out", log_left_out_)};                      \
			log_write(level, text, log_kv_ + 1, ARRAY_LEN(log_kv_) - 1 - !log_left_out_);        \
		}                                                                                            \
	} while (0)

/*
 * What was told since a state began (zero it then): each reason once, however they alternate, and no more
 * than these many.
 */
enum { LOG_TOLD_MAX = 4 };
struct log_told {
	uint64_t seen[LOG_TOLD_MAX];
	unsigned n;
};
bool log_is_news(struct log_told *t, const char *reason); /* and notes it */

#endif
