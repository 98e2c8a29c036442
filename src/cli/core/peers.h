/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How a peer of the daemon's `status` reply is shown. j is one element of "peers". Pure. */
#ifndef TM_CLI_CORE_PEERS_H
#define TM_CLI_CORE_PEERS_H

#include <jansson.h>

#include "base/format.h"
#include "cli/core/columns.h"

enum { PEER_TEXT_LEN = 160, PEER_LONG_LEN = 320 };

/* The one with the coordinator role, or with that id; NULL when there is none. */
const json_t *peers_coordinator(const json_t *peers);
const json_t *peers_by_id(const json_t *peers, const char *id);

/*
 * Of the whole `status`: what this machine's firewall drops of what comes from the mesh, "100.101.0.0/16" or
 * both ranges; NULL when nothing.
 */
const char *peers_firewalled(const json_t *status, char buf[static PEER_TEXT_LEN]);

bool peer_has_rtt(const json_t *j);
const char *peer_rtt(const json_t *j, char buf[static FORMAT_LEN]); /* "11 ms" or "-" */
bool peer_is_relayed(const json_t *j);
/* "direct", "relay", "idle", "offline", "via hub", and how good that is */
const char *peer_state(const json_t *j, char buf[static PEER_TEXT_LEN]);
enum tone peer_tone(const json_t *j);
/* The same with the address: "direct 192.0.2.1:51820", "relay via hub by TCP" */
const char *peer_path(const json_t *j, char buf[static PEER_TEXT_LEN]);
/* And with its age and why it is none better: "relay via hub, for 3 min, no direct path: none of its
 * addresses answers"; or why there is none at all. */
const char *peer_path_long(const json_t *j, char buf[static PEER_LONG_LEN]);
const char *words_text(const json_t *list, char *buf, size_t n); /* "a,b" */
const char *peer_traffic(const json_t *j, char buf[static PEER_TEXT_LEN]); /* "1.2M/340K" */

#endif
