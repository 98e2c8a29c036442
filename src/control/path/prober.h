/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Runs the paths of all peers over the plane's data socket: gathers our candidates (host addresses,
 * server-reflexive by STUN to the coordinator's data port), answers and sends checks, tells the plane the
 * chosen ways. Control thread.
 *
 * Check key of a pair of nodes = HKDF-SHA256(X25519(static, static), salt "", info "tunnelmesh stun 1").
 */
#ifndef TM_CONTROL_PATH_PROBER_H
#define TM_CONTROL_PATH_PROBER_H

#include "base/diag.h"
#include "control/path/path.h"
#include "crypto/identity.h"
#include "data/link/way.h"
#include "mesh/model.h"

struct prober;
struct event_base;

/* What the prober needs from its surroundings; node/ plugs plane, agent and os in. */
struct prober_ops {
	void *ctx;
	int (*send)(void *ctx, const struct way_to *by, const uint8_t *msg, size_t n);
	int (*set_way)(void *ctx, const uint8_t key[32], const struct way_to *way);
	/* Liveness from the plane: last authentic packet by the chosen way (monotonic), and bytes sent so
	 * far. */
	void (*activity)(void *ctx, const uint8_t key[32], ns_t *ret_last_recv, uint64_t *ret_tx_bytes);
	/* The peer checks a path that is up already: something of it does not reach us. Make sure that there
	 * is a session. */
	void (*peer_waits)(void *ctx, const uint8_t key[32]);
	void (*want_candidates)(void *ctx, const char *id); /* -> agent_want_candidates */
	/* -> agent_remember_endpoint */
	void (*path_works)(void *ctx, const char *id, const struct endpoint *ep);
	void (*my_candidates)(void *ctx, const struct candidates *mine); /* changed -> agent_set_candidates */
	/* Wall clock that never goes back, also not across restarts: stamps our checks. */
	ns_t (*real_time)(void *ctx);
	/* Usable local addresses now (no loopback, no TUN of ours); returns how many. */
	size_t (*local_addresses)(void *ctx, struct ip *out, size_t max);
};

struct prober_config {
	const struct identity *identity; /* borrowed */
	const char *self_id;
	uint16_t data_port; /* of our own data socket, for host candidates */
	struct prefix net4, net6; /* of the mesh: never candidates */
	const struct endpoint *advertise; /* extra endpoints from the configuration, copied */
	size_t n_advertise;
};

NODISCARD int prober_new(struct event_base *base, const struct prober_config *cfg,
	const struct prober_ops *ops, struct prober **ret_prober);
void prober_free(struct prober *p);

/* Peers to keep paths for (mesh nodes, not clients); kept ones keep their state. */
NODISCARD int prober_set_peers(struct prober *p, const struct node_rec *nodes, size_t n);
/* The coordinator's data port is our STUN server. */
void prober_set_coordinator(
	struct prober *p, const uint8_t key[static 32], const char *id, const struct endpoint *data_ep);
/* There is traffic for this peer and no session; unknown peers are ignored. */
void prober_want(struct prober *p, const uint8_t key[static 32]);
void prober_candidates(struct prober *p, const char *id, const struct candidates *c);
/* Something authentic came by another way than the chosen one, or none is chosen. */
void prober_heard(struct prober *p, const uint8_t key[static 32], const struct way_to *by);
/* A STUN message that the plane received. */
void prober_stun(struct prober *p, const struct way_to *by, const uint8_t *msg, size_t n);
void prober_network_changed(struct prober *p);
/* The configured extra endpoints changed (reload); copied. */
void prober_set_advertise(struct prober *p, const struct endpoint *advertise, size_t n);
/* The newest check answered for the peer (0 = none), kept across restarts so that recorded ones stay
 * unanswered. */
uint64_t prober_check_stamp(const struct prober *p, const uint8_t key[static 32]);
void prober_seed_check_stamp(struct prober *p, const uint8_t key[static 32], uint64_t stamp);
uint64_t prober_refused(const struct prober *p); /* STUN messages without valid integrity, or replayed */

struct prober_view {
	enum path_state state;
	enum candidate_type type; /* of the chosen pair */
	struct endpoint ep; /* IP_NONE = none chosen */
	ns_t rtt; /* 0 = unknown */
};
bool prober_view(const struct prober *p, const uint8_t key[static 32], struct prober_view *ret_view);
const struct candidates *prober_my_candidates(const struct prober *p);

#endif
