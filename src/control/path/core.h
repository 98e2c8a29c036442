/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * All paths of all peers of this node, without I/O, clock or randomness of its own: what happened goes in,
 * what to do about it comes out, in order. The owner (node/drive.c; the simulator) hands the outputs to
 * plane, agent and os. One thread.
 *
 *   core_input(c, &in, now);
 *   while (core_output(c, now, real, &out)) ...act, which may bring further inputs...
 *   call core_output again at core_next(c) at the latest
 *
 * The core alone chooses by which way a peer is reached. The first address that answers an authenticated
 * check is used at once; a better one replaces it when its own answer comes, a dead one is left as soon as
 * another is known to live. A peer that nobody uses costs nothing and hears nothing: its record is made at
 * the first WANT, HEARD, CANDIDATES or authentic STUN message, and shrinks to its keys and the stamp that
 * refuses replays when it has not been used for long. STUN messages that prove nothing leave no trace.
 */
#ifndef TM_CONTROL_PATH_CORE_H
#define TM_CONTROL_PATH_CORE_H

#include "base/time.h"
#include "control/path/nat.h"
#include "control/path/pair.h"
#include "control/path/path.h"
#include "control/path/why.h"
#include "data/link/way.h"
#include "mesh/model.h"
#include "wire/stun.h"

struct core;

struct core_member {
	char id[NODE_ID_LEN + 1];
	uint8_t key[32]; /* X25519 */
	uint32_t host; /* its number in the mesh; 0 = unknown: no relay can reach it */
};

struct core_ops {
	void *ctx;
	/* A mesh node (no client, not ourselves) by id or by key, the other is NULL; false for strangers. */
	bool (*find)(void *ctx, const char *id, const uint8_t *key, struct core_member *ret_member);
	uint32_t (*random)(void *ctx); /* transaction ids, spread of timers */
	/* Where packets leave by that way (base its local address, IP_NONE: whichever). NULL: all ways are
	 * plain. */
	void (*outlet)(void *ctx, const struct way_to *way, struct outlet *ret_outlet);
};

struct core_config {
	const uint8_t *private_key; /* X25519, 32 bytes, borrowed for the call */
	const char *self_id; /* copied */
	uint32_t self_host; /* our number in the mesh; 0 = unknown: relays are not used */
	uint16_t port; /* of our data socket: host candidates */
	uint16_t mtu; /* of the tunnel: which of its packets pass is found out; 0 = it is not */
	struct prefix net4, net6; /* of the mesh: never candidates */
};

NODISCARD int core_new(const struct core_config *cfg, const struct core_ops *ops, struct core **ret_core);
void core_free(struct core *c); /* wipes; NULL is fine */

/* --- what happened --- */

enum core_in_kind {
	CORE_NETWORK, /* these are our addresses now: check everything again */
	CORE_ADVERTISE, /* further endpoints from the configuration */
	CORE_SERVER, /* the coordinator: its data port answers under which address it sees us */
	CORE_WANT, /* there is traffic for the peer and no way that works */
	CORE_HEARD, /* an authentic packet or handshake came by another way than the one in use */
	CORE_CANDIDATES, /* where the peer may be reached; unasked when it looks for us, changed or came back
			  */
	CORE_STUN, /* from the data socket, not yet authenticated */
	CORE_ACTIVITY, /* answers CORE_SAMPLE */
	CORE_REMOVE, /* no member any more, or a new key: forget it */
	CORE_ROUTES, /* some route or interface changed: do those in use still lead where they led? */
	CORE_RELAYS, /* all members that relay, the coordinator among them if it does */
	CORE_STREAM, /* a stream to a relay is up or down; answers STREAM_OPEN, or came by itself */
	CORE_LINK, /* the control link is up or down */
	CORE_PORTMAP, /* the gateway maps a port to us, or no longer */
	CORE_PROBE, /* somebody wants to know now what stands between us and the world (core_nat) */
	CORE_DOORS, /* further sockets of ours, to answer others who want to know */
	CORE_SOCKETS, /* further sockets were opened to find the peer; answers CORE_OPEN */
	CORE_STREAM_GONE, /* we relay: the stream by which that member came has ended */
	CORE_IN_N,
};

enum { CORE_ADDRESSES_MAX = 32, CORE_ADVERTISE_MAX = 8, CORE_RELAYS_MAX = 16, CORE_RELAY_ADDRESSES_MAX = 8 };

/* A member that hands on the datagrams of others. */
struct core_relay {
	struct core_member member;
	struct endpoint v[CORE_RELAY_ADDRESSES_MAX]; /* of its data port, public ones first */
	size_t n;
	bool streams; /* it takes streams, too: where, is the business of who opens them */
};

struct core_in {
	enum core_in_kind kind;
	const uint8_t *key; /* WANT HEARD ACTIVITY REMOVE SOCKETS: the peer; SERVER: the coordinator */
	const char *id; /* CANDIDATES: the peer; SERVER: the coordinator; STREAM: the relay; STREAM_GONE: the
			  member */
	bool looks; /* CANDIDATES: the peer looks for us now; else whoever does not use it just takes note */
	union {
		struct {
			const struct ip *v;
			size_t n; /* no loopback, no TUN of ours; beyond CORE_ADDRESSES_MAX ignored */
		} network;
		struct {
			const struct endpoint *v;
			size_t n; /* beyond CORE_ADVERTISE_MAX ignored */
		} advertise;
		struct {
			const struct endpoint *v; /* where its data port may be; of each family LEG_SERVERS */
			size_t n;
			/* When thousands start at once, the first question waits a random part of this. */
			ns_t spread;
		} server;
		struct way_to by; /* HEARD: how it came, and how to go back */
		const struct candidates *candidates;
		struct {
			struct way_to by; /* likewise */
			const uint8_t *msg;
			size_t n;
		} stun;
		struct {
			ns_t last_recv; /* last authentic packet by the chosen way; 0 = never */
			uint64_t tx_bytes; /* sent to the peer so far */
		} activity;
		struct {
			const struct core_relay *v;
			size_t n; /* beyond CORE_RELAYS_MAX ignored */
		} relays;
		struct {
			uint32_t socket; /* number of the stream in the plane */
			struct endpoint remote; /* IP_NONE: it is down, or could not be opened */
		} stream;
		uint32_t gone; /* STREAM_GONE: its number in the plane */
		bool link_up; /* LINK */
		bool full; /* PROBE: also what firewalls may take for an attack */
		struct {
			/* The plane's numbers and ports; 0: there is none. control/path/nat_serve.h */
			uint32_t second, silent;
			uint32_t aside; /* by which we ask ourselves, where the data socket would not do */
			uint16_t second_port, silent_port;
		} doors;
		struct {
			/* The plane's numbers; where ports were asked for, 0: that one is not free. */
			const uint32_t *v;
			size_t n; /* fewer than asked for is fine, and none */
		} sockets;
		struct endpoint portmap; /* PORTMAP: our port as the world reaches it; IP_NONE: not mapped */
	};
};

/*
 * All pointers are borrowed for the call. Strangers and what makes no sense are ignored; so is an input for
 * which there is no memory, as if it had been lost on its way.
 */
void core_input(struct core *c, const struct core_in *in, ns_t now);

/* --- what to do --- */

enum core_out_kind {
	CORE_SEND, /* this datagram */
	CORE_USE, /* reach the peer by this way; remote IP_NONE: there is none */
	CORE_ASK, /* the coordinator for the peer's candidates; it tells the peer ours */
	CORE_TELL, /* the coordinator our candidates (core_mine): they changed */
	CORE_AGAIN, /* what left for the peer since then, once more by this way */
	CORE_LIVES, /* the way in use was proved just now: whoever waits for an answer by it may ask again */
	CORE_WORKS, /* remember: the peer was reached at this address */
	CORE_WAKE, /* the peer looks for us over a path that is up: make sure that there is a session */
	CORE_SAMPLE, /* the peer's traffic counters, as CORE_ACTIVITY */
	CORE_STREAM_OPEN, /* to that relay (peer): CORE_STREAM tells how it went, also much later */
	CORE_STREAM_CLOSE, /* the one to that relay, or give up opening it: no answer */
	CORE_PROBED, /* core_nat has grown */
	CORE_REGISTERED, /* with those relays that core_registered tells: they may send us what is relayed */
	CORE_OPEN, /* n further sockets, to find the peer: CORE_SOCKETS tells which */
	CORE_CLOSE, /* the one of number way.socket */
	CORE_NOTE, /* nothing: a decision that shows in no other way */
	CORE_OUT_N,
};

enum { CORE_MESSAGE_MAX = STUN_MAX };

struct core_out {
	enum core_out_kind kind;
	enum path_why why; /* the decision behind it */
	struct core_member peer; /* all but TELL and REGISTERED; SEND and STREAM_ to a relay: the relay */
	struct way_to way; /* SEND, USE, AGAIN, LIVES, WORKS; NOTE about one pair */
	/* USE: each datagram leaves by this way as well, since it is not sure which of them lives; remote
	 * IP_NONE: by the one alone. */
	struct way_to also;
	ns_t since; /* AGAIN */
	ns_t rtt; /* LIVES */
	uint8_t msg[CORE_MESSAGE_MAX]; /* SEND */
	size_t n; /* SEND: its bytes; OPEN: how many */
	uint16_t port; /* OPEN: of the first of them, the next ones follow; 0: whichever are free */
};

/*
 * The next thing to do, in the order in which it was decided; false when there is nothing now. `real` is the
 * wall clock that never goes back, also not across restarts: it stamps our checks. Call it until it says
 * false after each input (assert: 64 outputs wait at most).
 */
bool core_output(struct core *c, ns_t now, ns_t real, struct core_out *ret_out);
/* When core_output has something again: 0 = already, NS_NEVER = not before an input. */
ns_t core_next(const struct core *c);

/* --- what is so --- */

struct core_view {
	enum path_state state;
	enum candidate_type type; /* of the chosen pair */
	struct way_to way; /* remote IP_NONE = none chosen */
	ns_t rtt; /* smoothed; 0 = unknown */
	uint16_t mtu; /* the longest packet of the tunnel that is known to pass; 0 = unknown */
	ns_t since; /* the chosen one is in use; 0 = none is */
	bool proved; /* something came back by it, or by one like it before */
	char relay[NODE_ID_LEN + 1]; /* core_relay_of the way */
	enum path_not not_direct; /* why */
	ns_t guesses_at; /* MISSED, UNMET: not before are ports tried again */
	unsigned addresses; /* of the peer's, directly: those that were tried */
};
/* False for peers that were never used. */
bool core_view(const struct core *c, const uint8_t key[static 32], struct core_view *ret_view);
/* The key of each peer that is in use, or was lately; `each` may look, and puts nothing in. */
void core_each_used(const struct core *c, void (*each)(void *ctx, const uint8_t key[static 32]), void *ctx);
/* All addresses of the peer that are being tried or were last, until the next input; *ret_chosen is the one
 * in use, NULL = none. None for a peer that nobody has wanted lately. */
const struct pair *core_pairs(
	const struct core *c, const uint8_t key[static 32], size_t *ret_n, const struct pair **ret_chosen);
/* Through whose relay the way leads, the id; "" = nobody's whom we use: ours, or one that only the peer
 * knows. */
void core_relay_of(const struct core *c, const struct way_to *way, char ret_id[static NODE_ID_LEN + 1]);
/* Are these, in their order, the addresses of the last CORE_NETWORK? */
bool core_is_at(const struct core *c, const struct ip *v, size_t n);
const struct candidates *core_mine(const struct core *c);
/* What is known, or being found out, of what stands between us and the world. */
const struct nat_report *core_nat(const struct core *c);
/* The relay by which others reach us first, its id; "" = none. */
const char *core_home(const struct core *c);
/* Data ports of the relays that we are registered with. */
enum { CORE_REGISTERED_MAX = 2 * (CORE_RELAYS_MAX + 1) };
size_t core_registered(const struct core *c, ns_t now, struct endpoint ret_eps[static CORE_REGISTERED_MAX]);
/*
 * The first message by a new stream to a relay (STREAM_OPEN): it proves who we are. real: as for core_output.
 * The length, 0 = that is no relay of ours. And whether that is the answer to the last one.
 */
size_t core_stream_question(
	struct core *c, const char *relay, ns_t now, ns_t real, uint8_t *out, size_t out_len);
bool core_stream_answered(const struct core *c, const char *relay, const uint8_t *p, size_t n);
uint64_t core_refused(const struct core *c); /* STUN messages without valid integrity, or replayed */

/*
 * The newest check answered for the peer (0 = none), to be kept across restarts, so that recorded ones stay
 * unanswered. Seeding never goes back, and does nothing to a peer that has been heard since the start: that
 * one knows better which late ones it may still accept.
 */
uint64_t core_stamp(const struct core *c, const uint8_t key[static 32]);
void core_seed_stamp(struct core *c, const uint8_t key[static 32], uint64_t stamp);

/* --- for logs and tests --- */

enum { CORE_LINE_MAX = 256 };
/* One line without its end: "0123456789abcdef use 192.0.2.1:51820 (first answer)". Both return buf. */
const char *core_in_format(const struct core_in *in, char buf[static CORE_LINE_MAX]);
const char *core_out_format(const struct core_out *out, char buf[static CORE_LINE_MAX]);

#endif
