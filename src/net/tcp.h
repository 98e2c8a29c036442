/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The lowest layer of a connection: a connected TCP socket. It writes at once, and keeps only what the socket
 * did not take; it keeps nothing of what arrives. An idle connection costs its struct alone.
 */
#ifndef TM_NET_TCP_H
#define TM_NET_TCP_H

#include "net/conn.h"

struct event_base;

/* Pushes the layer; fd is its own, also when this fails. */
NODISCARD int net_tcp_push(struct net_conn *c, struct event_base *base, int fd);
/* Since when has the socket taken nothing of what is queued? NS_NEVER: nothing is queued. */
ns_t net_tcp_stalled_since(const struct net_conn *c);
/* Has this machine lost the address that the connection comes from? */
bool net_tcp_source_gone(const struct net_conn *c);

/* Nothing is queued: gives the socket to the caller, and the connection is of no use any more. */
int net_tcp_release(struct net_conn *c);

#endif
