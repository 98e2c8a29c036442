/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What strangers may hold and cost at the coordinator's port, by source: one household or data centre, that
 * is an IPv4 address or an IPv6 /64 (and, four times as much, the /48 around it).
 *
 * Holding: a seat per link that is not established. No source may have more than its share of the seats, so
 * that one cannot keep the others out.
 *
 * Cost: a Noise handshake is four Diffie-Hellmans, some 0.2 ms. The first one, the look, tells whose key it
 * is; strangers pay for the look and for the handshake, out of two budgets of their source and of all, which
 * fill up again with time. A member pays for neither, so ten thousand members behind one address are as
 * welcome as one, whatever strangers do there. Before all that, who asks for TLS pays for its handshake,
 * which costs as much again and tells nothing about who asks: a member who has no budget left comes without
 * TLS. When the budget of all runs low, sources that have asked for little lately go first.
 *
 * Memory is fixed: sources share slots by a keyed hash. Two in one slot share its budget. Pure; the caller
 * brings the time. One thread.
 */
#ifndef TM_CONTROL_LINK_ADMISSION_H
#define TM_CONTROL_LINK_ADMISSION_H

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"

struct admission;

/* What costs. */
enum admission_cost { ADMISSION_TLS, ADMISSION_LOOK, ADMISSION_HANDSHAKE, ADMISSION_COSTS };

struct admission_budget {
	unsigned burst, burst_per_source; /* at once */
	unsigned rate, rate_per_source; /* and per second for ever */
	unsigned modest_burst, modest_rate; /* of a source, while the budget of all is low */
};

struct admission_config {
	unsigned seats; /* in all */
	unsigned seats_per_source;
	struct admission_budget budget[ADMISSION_COSTS];
};
#define ADMISSION_DEFAULT                                                                                    \
	{                                                                                                    \
		.seats = 4096, .seats_per_source = 3072,                                                     \
		.budget = {                                                                                  \
			[ADMISSION_TLS] = {4096, 1024, 1000, 200, 16, 2},                                    \
			[ADMISSION_LOOK] = {8192, 4096, 4000, 1000, 64, 8},                                  \
			[ADMISSION_HANDSHAKE] = {4096, 2048, 1000, 200, 16, 2},                              \
		},                                                                                           \
	}

NODISCARD int admission_new(const struct admission_config *cfg, struct admission **ret_admission);
void admission_free(struct admission *a); /* NULL is fine */

bool admission_full(const struct admission *a); /* no seat is left for anybody */
unsigned admission_seated(const struct admission *a);
/* A seat for a new link, of those left; false: the source has its share. */
bool admission_sit(struct admission *a, const struct ip *from);
/* May a seat of one be what the other lacks? */
bool admission_together(struct admission *a, const struct ip *one, const struct ip *other);
void admission_stand(struct admission *a, const struct ip *from);

/* It is about to be done. False: not now, and nothing was charged. */
bool admission_charge(struct admission *a, enum admission_cost what, const struct ip *from, ns_t now);
void admission_refund(struct admission *a, enum admission_cost what, const struct ip *from);

#endif
