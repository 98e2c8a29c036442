/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One phase of a bench: a train of echo datagrams, and beside it the streams of a transfer. Shared by
 * bench_*.c. */
#ifndef TM_BENCH_PHASE_H
#define TM_BENCH_PHASE_H

#include "bench/client.h"

/* From asking for something to having it: a lost handshake message is repeated after 5 s (WireGuard 6.1). */
#define BENCH_OPEN_WAIT (8 * SEC)

/* m has what there is, also after a failure or an interrupt (TM_EAGAIN). */
NODISCARD int bench_phase_run(struct bench_client *c, enum bench_phase phase, const struct bench_watch *watch,
	struct bench_measure *m, struct diag *d);

/* --- client.c --- */

struct endpoint bench_client_peer(const struct bench_target *t);
/* Sends a request over the control connection and waits for the reply, which says BENCH_OK; else a sentence.
 */
NODISCARD int bench_client_ask(struct bench_client *c, const struct bench_request *r, ns_t deadline,
	struct bench_reply *ret_reply, struct diag *d);
/* What a reply other than BENCH_OK means, or that a connection ended, or failed just now (errno is looked
 * at). */
int bench_client_refused(const struct bench_client *c, enum bench_code code, struct diag *d);
int bench_client_lost(const struct bench_client *c, int err, struct diag *d);

#endif
