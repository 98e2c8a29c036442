/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The one bench session that a node grants at a time: who has it, what it may do, until when, and what its
 * present transfer ("run") came to. Pure: the caller has the sockets, the clock and the random id.
 */
#ifndef TM_BENCH_SESSION_H
#define TM_BENCH_SESSION_H

#include "base/addr.h"
#include "bench/codec.h"

#define BENCH_HEAD_WAIT (5 * SEC) /* from accepting a connection to its request */
#define BENCH_SESSION_IDLE (15 * SEC) /* nothing asked, echoed or moved */
#define BENCH_SESSION_MAX (180 * SEC) /* two transfers of the longest, and what is between them */
#define BENCH_STREAM_IDLE (10 * SEC) /* no byte moved */
#define BENCH_DRAIN (5 * SEC) /* an upload's last bytes may come so much later than it ends */

struct bench_session {
	bool open;
	struct ip peer;
	uint8_t id[BENCH_ID];
	unsigned streams; /* open ones */
	ns_t idle_at, end_at; /* when it is over */
	/* the run: from one result to the next */
	uint32_t run;
	ns_t first, window; /* when its first byte came, how long bytes count from there */
	uint64_t bytes;
	uint32_t retransmits; /* of its streams that have ended */
};

/* BENCH_OK, or BENCH_BUSY until the one before has been closed, even if it is due: only the caller can end
 * what belongs to it. */
NODISCARD enum bench_code bench_session_open(
	struct bench_session *s, ns_t now, const struct ip *from, const uint8_t id[static BENCH_ID]);
void bench_session_close(struct bench_session *s);

/* A connection wants to be a stream; *ret_end = when it has to end. */
NODISCARD enum bench_code bench_session_stream(struct bench_session *s, ns_t now, const struct ip *from,
	const struct bench_request *r, ns_t *ret_end);
/* run: the session's when the stream began. A stream of an earlier run moves bytes that nobody counts. */
void bench_session_moved(struct bench_session *s, uint32_t run, ns_t now, size_t n);
void bench_session_stream_ended(struct bench_session *s, uint32_t run, uint32_t retransmits);
/* What the run came to; live_retransmits: of its streams that are still open. The next run begins. */
NODISCARD enum bench_code bench_session_result(struct bench_session *s, ns_t now, const struct ip *from,
	const struct bench_request *r, uint32_t live_retransmits, struct bench_reply *ret_reply);

/* Must this datagram be answered? */
bool bench_session_echoes(
	struct bench_session *s, ns_t now, const struct ip *from, const struct bench_echo *e);

/* When the session is over unless something happens; NS_NEVER without one. */
ns_t bench_session_due(const struct bench_session *s);

#endif
