/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Finds out by which of its addresses a coordinator is reached, and how: RFC 8305's race, run over the whole
 * handshake, because what accepts a connection may be something else, or silent. The next address is tried a
 * quarter of a second after the last one, later while that has a connection and may just be slow, at once
 * when it failed; the first link that is up wins. Control thread.
 *
 * Where an address does not say whether TLS is spoken there, it is asked without first, on port 443 with, and
 * the other way as soon as it has accepted a connection that led nowhere: something on the way lets only TLS
 * through, or only what it can read. Where it worked last time that comes first.
 *
 * A proxy that is configured comes first, as who configured it wants; without it, everything is tried a while
 * later, or when it failed. It is told names, which it may know better than we do.
 */
#ifndef TM_CONTROL_LINK_RACE_H
#define TM_CONTROL_LINK_RACE_H

#include "control/link/tuning.h"
#include "net/resolver.h"

struct race;
struct proxy_choice;
struct stream_asker;

enum {
	RACE_WHY_MAX = 512,
	RACE_NAMES_MAX = 16, /* addresses that are told, at most */
	RACE_TRIES_MAX = 96, /* and ways to those that they stand for */
};

struct race_tuning {
	unsigned stagger_ms;
	unsigned patience_ms; /* from a connection by TCP, before the next address is tried */
	unsigned proxy_ms; /* by which the proxy is ahead */
	/* When all that is known has failed, how long names are waited for, from the start. */
	unsigned names_ms;
	const struct clink_tuning *link;
};
extern const struct race_tuning race_tuning_default;

struct race_config {
	const char *addresses[RACE_NAMES_MAX]; /* wire/address.h; borrowed for the call */
	size_t n;
	struct endpoint first; /* where it was found last time: tried first, without its name; or unset */
	bool first_tls; /* and how */
	const struct proxy_choice *proxy; /* borrowed for the race; NULL: none */
	const struct stream_asker *stream; /* as in struct clink_config */
	struct endpoint last[2]; /* tried when there is nothing else; or unset */
	struct resolver *resolver; /* borrowed for the race */
	const uint8_t *remote_key; /* as in struct clink_config */
	const struct identity *identity;
	int timeout_ms; /* of all together */
	uint32_t mark; /* not for `last` */
};

/* One of them is called, once; then the race is over and to be freed, at the latest when the call returns. */
struct race_events {
	void *ctx;
	/* link is up and the callee's, who sets its events. address: of those told, or NULL. */
	void (*won)(void *ctx, struct clink *link_take, const char *address);
	/* why: sentences about all addresses, err: what the first one met; TM_ENOENT: its name is not
	 * resolved, TM_EAUTH: somebody has another key. retry_ms: somebody asked us to come back after so
	 * long, or 0. */
	void (*lost)(void *ctx, int err, const char *why, unsigned retry_ms);
};

/* Never calls back before returning. An address that is none counts as one that failed. */
NODISCARD int race_new(struct event_base *base, const struct race_config *cfg, const struct race_events *ev,
	const struct race_tuning *t, struct race **ret_race);
void race_free(struct race *r); /* NULL is fine */
/* In `won`, of a link that does not go by the proxy: what that was tried with has failed so, or has said
 * nothing yet; "": it was not tried, or need not lead there. A sentence, the race's. */
const char *race_proxy_failed(const struct race *r);

#endif
