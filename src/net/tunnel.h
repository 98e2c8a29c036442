/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The layer that has an HTTP proxy make the connection (CONNECT, wire/connect.h), and is passed by
 * afterwards. It asks as soon as what is below is ready; `ready` above means that the other end is the one
 * that was asked for. An end before that is told in a whole sentence.
 */
#ifndef TM_NET_TUNNEL_H
#define TM_NET_TUNNEL_H

#include "net/conn.h"
#include "wire/proxy.h"

/* to: "host:port". Both are copied. opened: the proxy has connected us; before `ready`. */
NODISCARD int tunnel_push(
	struct net_conn *c, const struct proxy *via, const char *to, void (*opened)(struct net_conn *c));

#endif
