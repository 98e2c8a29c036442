/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The other end of `tunnelmesh bench`: listens on this node's mesh addresses, on its TUN device alone, and
 * serves members of the mesh, one at a time (docs/decisions/0010-bench-responder.md). Control thread; the
 * work is done by a thread of its own, which the first connection starts (worker.h).
 */
#ifndef TM_BENCH_RESPONDER_H
#define TM_BENCH_RESPONDER_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

struct event_base;
struct responder;

struct responder_config {
	struct ip addrs[2]; /* IPv4 and IPv6 */
	uint16_t port; /* TCP and UDP */
	const char *ifname; /* the sockets hear nothing from elsewhere; NULL in tests: everywhere */
	void *ctx;
	bool (*is_member)(void *ctx, const struct ip *from); /* others are hung up on */
};

/* Everything is open, or nothing and a sentence in d. */
NODISCARD int responder_new(struct event_base *base, const struct responder_config *cfg,
	struct responder **ret_responder, struct diag *d);
void responder_free(struct responder *r); /* cuts a test under way; NULL is fine */

#endif
