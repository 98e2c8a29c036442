/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The asking end of a bench: a session at the other node's responder (docs/protocol.md), and the phases in
 * it. Blocking, every wait with a deadline; ends early when interrupt_came. What goes wrong is one sentence
 * in a diag.
 */
#ifndef TM_BENCH_CLIENT_H
#define TM_BENCH_CLIENT_H

#include "base/addr.h"
#include "base/diag.h"
#include "bench/codec.h"
#include "bench/stats.h"

struct bench_target {
	const char *name; /* for sentences */
	struct ip ip;
	uint16_t port;
	bool online; /* as far as is known */
	ns_t time; /* of each transfer */
	unsigned streams; /* 1..BENCH_STREAMS_MAX */
};

enum bench_phase { BENCH_PHASE_IDLE, BENCH_PHASE_DOWNLOAD, BENCH_PHASE_UPLOAD, BENCH_PHASE_N };

struct bench_measure {
	bool begun; /* there is something in the rest */
	bool whole; /* it was not cut short */
	ns_t elapsed;
	uint64_t bytes; /* that arrived at the other end */
	uint32_t retransmits; /* segments, or BENCH_RETRANSMITS_UNKNOWN */
	struct bench_latency latency;
};

struct bench_results {
	struct bench_measure phases[BENCH_PHASE_N];
};

double bench_bits_per_second(const struct bench_measure *m);

struct bench_watch {
	void *ctx;
	/* Every 250 ms; now: since the last call. */
	void (*progress)(void *ctx, enum bench_phase phase, ns_t elapsed, ns_t of, double bits_per_second_now,
		ns_t last_rtt);
};

enum { BENCH_CHUNK = 256 * 1024 };

struct bench_client {
	const struct bench_target *target; /* borrowed */
	int control, echo; /* -1 = closed */
	uint8_t id[BENCH_ID];
	uint32_t next_seq;
	uint8_t *chunk; /* owned; BENCH_CHUNK bytes: zeros to send, a bin to receive */
};

NODISCARD int bench_client_open(
	const struct bench_target *t, struct bench_client *ret_client, struct diag *d);
void bench_client_close(struct bench_client *c);

/* All phases. After a failure, or TM_EAGAIN for an interrupt, results has what there is. */
NODISCARD int bench_client_run(struct bench_client *c, const struct bench_watch *watch,
	struct bench_results *results, struct diag *d);

#endif
