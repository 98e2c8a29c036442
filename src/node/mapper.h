/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Drives control/portmap: its sockets and deadlines, which gateway there is, and the journal of what has to
 * be taken back (node/undo.h), which is written before anything is asked for. Control thread.
 */
#ifndef TM_NODE_MAPPER_H
#define TM_NODE_MAPPER_H

#include "control/portmap/portmap.h"

struct event_base;
struct os_routes;
struct mapper;

struct mapper_config {
	struct os_routes *routes; /* borrowed; must outlive the mapper */
	uint32_t mark; /* of our sockets */
	uint16_t port; /* that of the data socket */
	ns_t lease;
	uint8_t nonce[PCP_NONCE];
	const char *journal; /* its file; borrowed, must outlive the mapper */
	void *ctx;
	/* mapper_look says something else now. */
	void (*changed)(void *ctx);
};

NODISCARD int mapper_new(
	struct event_base *base, const struct mapper_config *cfg, struct mapper **ret_mapper);
/* What is mapped then stays mapped: mapper_end first. Writes what is due. NULL is fine. */
void mapper_free(struct mapper *m);

/* Are ports to be mapped? At first they are not. Off gives back what is mapped. */
void mapper_switch(struct mapper *m, bool on);
/* The network changed. */
void mapper_network(struct mapper *m);
/* Off for good: calls `ended` when everything is given back, at the latest after MAPPER_END_WAIT; perhaps at
 * once. */
#define MAPPER_END_WAIT SEC
void mapper_end(struct mapper *m, void (*ended)(void *ctx), void *ctx);

/* False: switched off. */
bool mapper_look(const struct mapper *m, enum ip_family family, struct portmap_view *ret_view);

#endif
