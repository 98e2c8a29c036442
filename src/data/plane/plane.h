/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The data plane's one door. Everything here is for the control thread. The plane owns the TUN queues, the
 * UDP sockets, the worker threads and the WireGuard device; the control plane says who the peers are, which
 * prefixes are theirs and by which way they are reached, and hears what happened.
 */
#ifndef TM_DATA_PLANE_PLANE_H
#define TM_DATA_PLANE_PLANE_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/time.h"
#include "data/filter/memory.h"
#include "data/link/sockets.h"
#include "data/link/way.h"
#include "data/peer/keypair.h"
#include "data/plane/drops.h"
#include "data/plane/offloads.h"

struct plane;
struct rules;
struct tap;

struct plane_config {
	const char *tun_name; /* exact name, up to 15 bytes */
	uint16_t mtu; /* of the TUN */
	uint16_t listen_port; /* UDP; 0 = any */
	unsigned workers; /* 1..EPOCH_WORKERS_MAX */
	uint32_t fwmark; /* SO_MARK on the sockets; 0 = none */
	unsigned offloads; /* enum plane_offload: those that may be used where the kernel has them */
	const char *aead; /* provider (crypto/aead.h); NULL = the best for this CPU */
	const uint8_t *private_key;
	struct wg_limits limits;
	struct ip self4, self6; /* our inner addresses: source of ICMP errors, target of local delivery */
	uint32_t host; /* our number in the mesh, by which relays know us; 0: nothing relayed is for us */
	/*
	 * The mesh's own prefixes: no endpoint may lie inside them. What is sent to the last host of either
	 * is answered like all that no peer owns, but not counted: that is asked on purpose. Family IP_NONE:
	 * not known.
	 */
	struct prefix net4, net6;
	uint32_t flows; /* that the filter remembers at most; 0: as many as is usual (data/filter/memory.h) */
};

/* A peer is named by its public key. */
struct plane_peer {
	uint8_t key[32], psk[32];
	const struct prefix *allowed; /* borrowed for the call */
	size_t n_allowed;
	uint16_t keepalive_s;
	uint32_t id; /* host number of the member, by which rules know it (data/filter/rules.h); 0: none */
	bool forwards; /* a stock client whose packets we forward to other peers, and theirs to it */
	bool follows; /* nobody chooses its way: it is where its authentic packets come from */
};

struct plane_peer_stats {
	uint8_t key[32];
	struct way_to way; /* the chosen one; without remote: none */
	uint64_t tx_bytes, rx_bytes, tx_packets, rx_packets;
	ns_t last_handshake_real; /* 0 = never */
	ns_t last_recv; /* something authentic, by whatever way; monotonic, 0 = never */
	ns_t last_way_recv; /* the same by the chosen way */
	bool session;
};

/*
 * Called from plane_service on the control thread, never from inside another call; they may call back into
 * the plane (but not free it). Each may be NULL.
 */
struct plane_events {
	void *ctx;
	void (*stun)(void *ctx, const struct way_to *by, const uint8_t *msg, size_t n); /* answer by `by` */
	void (*want_path)(void *ctx, const uint8_t key[32]); /* there is traffic for the peer and no way */
	/*
	 * Something authentic came from the peer by another way than the chosen one, or none is chosen. Told
	 * at most once a second, unless the chosen one has come to lead elsewhere. It has moved nothing. Not
	 * for those that follow.
	 */
	void (*heard)(void *ctx, const uint8_t key[32], const struct way_to *by);
	void (*session)(void *ctx, const uint8_t key[32], bool up);
	/* What became of a handshake, in words. key NULL: of nobody that is known; by NULL: it went nowhere.
	 * Only listens: must not call back. */
	void (*handshake)(void *ctx, const uint8_t *key, const struct way_to *by, const char *what);
	ns_t (*real_time)(
		void *ctx); /* monotonic-across-restarts wall clock for TAI64N; NULL = the system's */
	void (*offload_lost)(void *ctx); /* plane_offloads has become less */
	/* A stream has ended (TM_ECLOSED) or broke the protocol; its number is nobody's any more. */
	void (*stream_lost)(void *ctx, uint32_t stream, int err);
	void (*tun_lost)(void *ctx); /* somebody deleted the TUN device under us; may be NULL */
};

/* Opens TUN and sockets (nothing is configured on them beyond MTU); d says in a sentence what is missing. */
NODISCARD int plane_new(const struct plane_config *cfg, const struct plane_events *ev,
	struct plane **ret_plane, struct diag *d);
NODISCARD int plane_start(struct plane *p); /* the workers */
void plane_stop(struct plane *p); /* joins them within a bounded time; idempotent */
/* The program that this process becomes has the TUN device (tun_keep). Before plane_free. */
NODISCARD int plane_keep_tun(const struct plane *p);
void plane_free(struct plane *p); /* stops, wipes, closes; NULL is fine */

uint16_t plane_port(const struct plane *p);
const char *plane_tun_name(const struct plane *p);
/* enum plane_offload: what the kernel does for us, in both directions, now. */
unsigned plane_offloads(const struct plane *p);
unsigned plane_offload_losses(const struct plane *p); /* how often it became less */
const char *plane_aead_provider(const struct plane *p);
unsigned plane_workers(const struct plane *p);
/* One worker does both directions of a peer's address; else that holds for each direction of a flow by
 * itself. */
bool plane_steered(const struct plane *p);

/* Readable when plane_service has something to do. */
int plane_fd(const struct plane *p);
/* Drains worker events, runs timers; returns when to call again at the latest. */
ns_t plane_service(struct plane *p, ns_t now);

/*
 * The peer set, changed piece by piece: the cost is that of what changed, however many others there are. Put
 * adds a peer or changes a known one, whole (its session lives on); remove cuts its sessions at once, and an
 * unknown key is none; clear removes all. Of equal prefixes of two peers the one put last counts, until it
 * goes.
 *
 * Between begin and commit nothing is applied yet; commit publishes all of it in one step, so that an address
 * that moves from one peer to another has the one owner or the other at any time. The last word about a key
 * counts: a peer that is removed and put again keeps its session. Without begin each call is a batch of its
 * own.
 *
 * Put: TM_EINVAL for our own key, a low-order point or an impossible prefix; that record is left out, the
 * batch goes on. After any other error, of whichever call, commit returns it and nothing has changed since
 * begin.
 */
void plane_peers_begin(struct plane *p);
NODISCARD int plane_peers_commit(struct plane *p);
NODISCARD int plane_peer_put(struct plane *p, const struct plane_peer *peer);
NODISCARD int plane_peer_remove(struct plane *p, const uint8_t key[static 32]);
NODISCARD int plane_peers_clear(struct plane *p);
/*
 * How to reach a peer; NULL forgets. A staged handshake starts at once. TM_EINVAL for a remote inside the
 * mesh itself (the packet would loop), TM_ENOENT for an unknown key.
 *
 * also: NULL mostly. While it is in doubt whether `way` still leads there, every datagram leaves by both; the
 * other side's replay window drops what comes twice.
 */
NODISCARD int plane_set_way(
	struct plane *p, const uint8_t key[static 32], const struct way_to *way, const struct way_to *also);
/*
 * What left for the peer since then (time_monotonic), by whatever way, leaves once more by this one: it may
 * not have arrived, and the other side's replay window drops what had. The last of it, as far as it was kept:
 * data to those to whom little goes (data/plane/kept.h). TM_EINVAL, TM_ENOENT as above.
 */
NODISCARD int plane_send_again(
	struct plane *p, const uint8_t key[static 32], const struct way_to *by, ns_t since);
/* The peer's way was proved to work just now, with this round trip: what waits for a handshake that got lost
 * need not wait for its next try. */
void plane_way_lives(struct plane *p, const uint8_t key[static 32], ns_t rtt);
/* Start a handshake now if there is no fresh session, and speak under one that was never answered (used by
 * `ping`, when the peer looks for us, after path changes and in tests). */
void plane_nudge(struct plane *p, const uint8_t key[static 32]);

/*
 * Who may begin what from now on (data/filter/rules.h); NULL: everything passes. Takes the rules on TM_OK.
 * Flows that pass are judged anew with their next packet.
 */
NODISCARD int plane_set_rules(struct plane *p, struct rules *rules_take);

/*
 * Networks behind this machine: what peers send there goes to the kernel by the TUN, unless a peer owns the
 * address. One of no length is the internet: public addresses of its family. All of them each time; at most
 * PLANE_NETWORKS_MAX (data/plane/networks.h), TM_EFULL.
 */
NODISCARD int plane_set_networks(struct plane *p, const struct prefix *v, size_t n);

/*
 * Somebody looks at what goes inside of that peer's tunnel from now on, `keep` bytes of each packet (tap.h).
 * The peer need not be there. TM_EFULL: PLANE_TAPS_MAX look already. After closing it is nobody's any more.
 */
NODISCARD int plane_tap_open(
	struct plane *p, const uint8_t key[static 32], uint32_t keep, struct tap **ret_tap);
void plane_tap_close(struct plane *p, struct tap *t); /* NULL is fine */

/* STUN and other control datagrams, by any kind of way. */
NODISCARD int plane_send(struct plane *p, const struct way_to *by, const uint8_t *msg, size_t n);

/*
 * Further UDP sockets, beside the one (number 0) that everybody has: a second port to probe NATs with, or
 * hundreds for a short time, to find a mapping that a peer guesses. Each is read by one worker, which treats
 * what comes as if it had come by the first; ways name it by its number (way_to.socket), and any thread sends
 * by it. A number is not used again for long after it was closed. Ways that still name a closed one lead
 * nowhere (DROP_NO_SENDER): choose others first.
 *
 * port 0: any. TM_EBUSY, TM_EPERM; TM_EFULL at SOCKETS_MAX (data/link/sockets.h).
 */
NODISCARD int plane_socket_open(struct plane *p, uint16_t port, uint32_t *ret_socket, uint16_t *ret_port);
void plane_socket_close(struct plane *p, uint32_t socket);

/* --- relays that we use --- */

/*
 * The relays through which we can be reached (we have registered with them): their UDP endpoints. What comes
 * with a relay's header from elsewhere is dropped under a name. All of them each time; TM_EFULL above
 * PLANE_RELAYS_MAX, and nothing has changed then.
 */
enum { PLANE_RELAYS_MAX = 64 };
NODISCARD int plane_set_relays(struct plane *p, const struct endpoint *v, size_t n);

/* --- being a relay --- */

/* How a member is reached by the relay that we are: its leg. */
struct plane_leg {
	/*
	 * WAY_UDP: the address that the member has proved to receive at, `local` the one of ours that it
	 * sends to; WAY_RELAY_TCP: its stream. Only what comes by it comes from the member, and by streams of
	 * its (plane_stream.host).
	 */
	struct way_to way;
	uint8_t key[32]; /* public: handshakes for the member must know it (mac1) */
};

/* false, as at first: nothing is relayed, and all legs are forgotten. */
NODISCARD int plane_relay_offer(struct plane *p, bool on);
/* The member's leg from now on. TM_EINVAL: no host number, our own, or no such way; TM_EBUSY: not offered. */
NODISCARD int plane_relay_put(struct plane *p, uint32_t host, const struct plane_leg *leg);
void plane_relay_remove(struct plane *p, uint32_t host);

/* What was handed on. */
struct plane_relayed {
	uint64_t packets, bytes; /* with the relay's header, without UDP's and IP's */
};
struct plane_relayed plane_relayed(const struct plane *p);

NODISCARD int plane_peer_stats(
	struct plane *p, const uint8_t key[static 32], struct plane_peer_stats *ret_stats);
/*
 * The newest handshake stamp (TAI64N) accepted from the peer, to be kept across restarts: a recorded
 * initiation must stay refused. False when the peer is unknown or none was accepted. Seeding never goes back.
 */
enum { PLANE_STAMP = 12 };
bool plane_peer_stamp(struct plane *p, const uint8_t key[static 32], uint8_t ret_stamp[static PLANE_STAMP]);
void plane_seed_stamp(struct plane *p, const uint8_t key[static 32], const uint8_t stamp[static PLANE_STAMP]);

void plane_drops(const struct plane *p, uint64_t ret_counts[static DROP_N]);

/* Since the start, of all peers together, of those that have gone, too: what is counted here never becomes
 * less. */
struct plane_figures {
	uint64_t tx_bytes, rx_bytes, tx_packets, rx_packets; /* as of each peer */
	/* Questions for a session that we sent, those of peers that we answered, and peers of whom none was
	 * answered for so long that they were given up. */
	uint64_t asked, answered, gave_up;
	uint64_t sessions; /* that began, with new keys each */
	bool filtered; /* there are or have been rules: */
	struct filter_count flows[FILTER_KINDS];
};
void plane_figures(const struct plane *p, struct plane_figures *ret_figures);

#endif
