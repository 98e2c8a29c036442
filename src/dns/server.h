/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The zone's server: UDP and TCP at addresses of this host, port 53 mostly. What one turn of the loop does is
 * bounded, whoever asks how much. Control thread.
 */
#ifndef TM_DNS_SERVER_H
#define TM_DNS_SERVER_H

#include "base/diag.h"
#include "dns/answer.h"

struct dns_server;
struct event_base;

enum { DNS_PORT = 53, DNS_SERVER_ADDRESSES = 12 };

/* A program of this machine has just got the address of that member. */
typedef void dns_asked_fn(void *ctx, const struct mesh_node *m);

struct dns_server_config {
	const struct dns_zone *zone; /* borrowed */
	bool serve_mesh; /* other members are answered, too; else this machine alone */
	void *ctx;
	dns_asked_fn *asked;
};

NODISCARD int dns_server_new(
	struct event_base *base, const struct dns_server_config *cfg, struct dns_server **ret_server);
void dns_server_free(struct dns_server *s); /* NULL is fine */
/* Serves there, too; UDP and TCP, or neither and a sentence in d. *at becomes what was bound. */
NODISCARD int dns_server_open(struct dns_server *s, struct endpoint *at, struct diag *d);

const struct dns_counters *dns_server_counters(const struct dns_server *s);
size_t dns_server_connections(const struct dns_server *s);

#endif
