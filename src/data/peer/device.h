/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The WireGuard state machine of one interface, without I/O: peers, handshakes, key rotation, cookies, load
 * limiting, timers. Control thread only. Bytes, clock and entropy come in as arguments; what to do goes out
 * through device_ops. The same code runs in the daemon (data/plane) and in the virtual-time simulator
 * (test/sim).
 *
 * Source: WireGuard whitepaper (Donenfeld, revised 2020) sections 5 and 6; docs/wireguard-conformance.md
 * numbers the rules.
 */
#ifndef TM_DATA_PEER_DEVICE_H
#define TM_DATA_PEER_DEVICE_H

#include "base/diag.h"
#include "data/peer/index.h"
#include "data/peer/peer.h"

struct device;

/* What became of a handshake, for those who look for a fault. */
enum device_step {
	DEV_ASKED, /* we sent an initiation */
	DEV_ANSWERED, /* we answered the peer's */
	DEV_GAVE_UP, /* nothing was answered for REKEY_ATTEMPT_TIME */
};

struct device_ops {
	void *ctx;
	/* Send this handshake-class datagram by that way; p NULL: to nobody that is known yet. Answers go by
	 * the way on which the question came, whatever way is chosen. */
	void (*send)(void *ctx, struct peer *p, const struct way_to *by, const uint8_t *msg, size_t n);
	/* Seal and send an empty transport packet under p->current (exists when called). */
	void (*send_keepalive)(void *ctx, struct peer *p);
	/* p->current became usable: send what was staged for p. Called before peer->current is published to
	 * workers. */
	void (*flush_staged)(void *ctx, struct peer *p, struct keypair *kp);
	/* The handshake gave up (REKEY_ATTEMPT_TIME) or p was removed: drop what was staged. */
	void (*drop_staged)(void *ctx, struct peer *p);
	/* Unlinked from the index table and all peer slots: free with keypair_free once no worker can hold
	 * it. */
	void (*retire_keypair)(void *ctx, struct keypair *kp);
	void (*retire_way)(void *ctx, struct way *way); /* free with free */
	void (*retire_peer)(void *ctx, struct peer *p); /* free with device_peer_free */
	/* A handshake is wanted but p has no way: the path chooser should look for one. May be called
	 * repeatedly. */
	void (*want_way)(void *ctx, struct peer *p);
	/* Something authentic came from p by another way than the chosen one (or none is chosen), and p does
	 * not follow. Nothing has changed. */
	void (*heard)(void *ctx, struct peer *p, const struct way_to *by);
	/* A session was established or confirmed (up), or the last one expired or was abandoned (down). */
	void (*session_changed)(void *ctx, struct peer *p, bool up);
	/* Listens only; may be NULL. `by`: the way that it went; NULL = none. */
	void (*step)(void *ctx, const struct peer *p, enum device_step step, const struct way_to *by);
	/* Cryptographically secure bytes; the simulator gives deterministic ones. */
	void (*entropy)(void *ctx, void *out, size_t n);
	/*
	 * Wall clock, ns since the Unix epoch, for TAI64N; must never go backwards across calls or restarts.
	 */
	ns_t (*real_time)(void *ctx);
};

struct device_config {
	const uint8_t *private_key; /* 32 bytes, copied */
	struct wg_limits limits;
	uint32_t load_threshold; /* handshake messages waiting at which cookies are demanded; 0 = 512 */
	unsigned lanes; /* receivers that a peer's `lane` chooses from (data/peer/index.h); 0 = 1 */
};

NODISCARD int device_new(
	const struct device_config *cfg, const struct device_ops *ops, struct device **ret_dev);
void device_free(struct device *d); /* removes all peers (through the retire ops) and wipes keys */

/* TM_EEXIST for a known key, TM_EINVAL for our own key or a point of small order, TM_EFULL at 2^20 peers. */
NODISCARD int device_peer_add(
	struct device *d, const uint8_t key[static 32], const uint8_t psk[static 32], struct peer **ret_peer);
/* Cuts the live sessions at once, silently, and retires everything. */
void device_peer_remove(struct device *d, struct peer *p);
void device_peer_free(void *peer); /* wipes; struct peer *, for the epoch */
struct peer *device_peer_find(struct device *d, const uint8_t key[static 32]);
/*
 * The newest TAI64N stamp accepted from the peer, and its restoration after a restart: initiations that are
 * not newer stay refused. False when none was accepted yet; seeding with an older stamp than the known one
 * changes nothing.
 */
bool device_peer_stamp(const struct peer *p, uint8_t ret_stamp[static WG_TAI64N]);
void device_peer_seed_stamp(struct peer *p, const uint8_t stamp[static WG_TAI64N]);
/* Counts from the next handshake on. */
void device_peer_set_psk(struct device *d, struct peer *p, const uint8_t psk[static 32]);
void device_peer_set_keepalive(struct device *d, struct peer *p, uint16_t seconds, ns_t now);
/*
 * The chosen way; NULL or one without remote clears it. Retires the old one. A waiting handshake starts at
 * once, and so does what only the want of a way held up.
 */
NODISCARD int device_peer_set_way(struct device *d, struct peer *p, const struct way_to *to, ns_t now);
/* A second way for everything that goes to p by a first; NULL: none. To be set before the first, so that what
 * waits for that leaves by both; it goes with it. */
NODISCARD int device_peer_set_also(struct device *d, struct peer *p, const struct way_to *to);
/* Something came back by p's way just now, which takes rtt: a question for a session that got lost is asked
 * again soon, where one is under way. */
void device_way_lives(struct device *d, struct peer *p, ns_t rtt, ns_t now);
/* A source address of p's ways does not work any more: the kernel chooses again, the way leads where it did.
 */
void device_peer_unstick(struct device *d, struct peer *p, ns_t now);

/* Why a handshake message was refused; counted by the caller (see data/plane/drops.h). */
enum device_verdict {
	DEV_OK,
	DEV_MALFORMED,
	DEV_BAD_MAC1,
	DEV_NEED_COOKIE,
	DEV_RATE_LIMITED,
	DEV_DECRYPT,
	DEV_UNKNOWN_PEER,
	DEV_OLD_TIMESTAMP,
	DEV_FLOOD,
	DEV_NO_HANDSHAKE,
	DEV_BAD_COOKIE,
	DEV_NO_MEMORY,
	DEV_VERDICT_N,
};

/* At most one report of another way per peer and this time, unless the chosen one has come to lead elsewhere.
 */
#define DEVICE_HEARD_EVERY (1 * SEC)

/*
 * A handshake message, type 1 to 3, of n bytes that came by `by` (its remote, our address). `waiting` is how
 * many more wait behind it (load measure). DEV_NEED_COOKIE means: a cookie reply was sent.
 */
enum device_verdict device_receive(
	struct device *d, ns_t now, const struct way_to *by, const uint8_t *msg, size_t n, size_t waiting);
/*
 * The same in two steps, so that those who know nothing of us cannot use up the control thread's time, nor
 * the room in front of it. Any thread: does it come from somebody who knows our public key (mac1), or answer
 * a handshake that is under way? Then DEV_OK, and the control thread has the rest to do.
 */
enum device_verdict device_screen(const struct device *d, const uint8_t *msg, size_t n);
enum device_verdict device_receive_screened(
	struct device *d, ns_t now, const struct way_to *by, const uint8_t *msg, size_t n, size_t waiting);

/* Events from workers (or the simulator's data path). */
void device_want_session(struct device *d, struct peer *p, ns_t now); /* data is staged, or renewal is due */
/* Somebody wants to be sure of a session, the peer perhaps, who does not hear us: one that is alive and was
 * never answered is confirmed once more. */
void device_nudge(struct device *d, struct peer *p, ns_t now);
void device_confirmed(
	struct device *d, struct peer *p, struct keypair *kp, ns_t now); /* first data under keys_next */
void device_heard(
	struct device *d, struct peer *p, const struct way_to *by, ns_t now); /* authentic, by another way */
void device_observe(struct device *d, struct peer *p, ns_t now); /* sample the peer's atomics now */

/* Runs what is due; returns the next deadline (NS_NEVER when idle). */
ns_t device_run(struct device *d, ns_t now);

struct index_table *device_index(struct device *d); /* workers look receiver indices up here */
size_t device_peer_count(const struct device *d);
#define DEVICE_FOREACH_PEER(var, d) LIST_FOREACH (var, device_peers(d), struct peer, all)
struct list *device_peers(struct device *d);

#endif
