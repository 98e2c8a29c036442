/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One WireGuard session's transport keys. Created by the control thread when a handshake ends; workers find
 * it by receiver index (index_table) or through peer->current and may use it until their next quiescent
 * point; freed through the epoch.
 */
#ifndef TM_DATA_PEER_KEYPAIR_H
#define TM_DATA_PEER_KEYPAIR_H

#include "base/epoch.h"
#include "base/err.h"
#include "base/spin.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "data/peer/replay.h"

struct peer;

#define WG_REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define WG_REJECT_AFTER_MESSAGES (UINT64_MAX - (UINT64_C(1) << 13))
#define WG_REKEY_AFTER_TIME (120 * SEC)
#define WG_REJECT_AFTER_TIME (180 * SEC)
#define WG_REKEY_ATTEMPT_TIME (90 * SEC)
#define WG_REKEY_TIMEOUT (5 * SEC)
#define WG_REKEY_JITTER (333 * MS)
#define WG_KEEPALIVE_TIMEOUT (10 * SEC)

/* The above as a value, so that tests can shorten a session's life (hidden configuration). */
struct wg_limits {
	uint64_t rekey_after_messages, reject_after_messages;
	ns_t rekey_after, reject_after, rekey_attempt, rekey_timeout, keepalive_timeout;
};
extern const struct wg_limits wg_limits_default;

struct keypair {
	/* set once */
	struct peer *peer;
	const struct wg_limits *limits;
	uint32_t local_index, remote_index;
	uint8_t send_key[AEAD_KEY], recv_key[AEAD_KEY];
	ns_t created;
	bool initiator; /* we started this handshake: only we renew it by age */
	/* workers, atomic */
	_Atomic(uint64_t) send_counter;
	_Atomic(bool) dead; /* removed or expired: refuse both ways at once */
	_Atomic(bool) confirmed; /* responder: first data under it was authenticated and reported */
	/* guards: replay */
	struct spin replay_lock;
	struct replay replay;
	/* control thread */
	struct epoch_retired retired;
};

NODISCARD int keypair_new(struct keypair **ret_kp);
void keypair_free(struct keypair *kp); /* wipes */
DEFINE_CLEANUP(struct keypair, keypair_free)

/*
 * Worker or control thread. Reserves n consecutive counters: TM_EEXPIRED past REJECT_AFTER_TIME or _MESSAGES
 * (or dead). *ret_renew: a new handshake is due (whitepaper 6.2: initiator past REKEY_AFTER_TIME, anyone past
 * REKEY_AFTER_MESSAGES).
 */
NODISCARD int keypair_send_reserve(
	struct keypair *kp, ns_t now, uint64_t n, uint64_t *ret_first, bool *ret_renew);

/* Before opening: TM_EEXPIRED when the session may no longer receive. */
NODISCARD int keypair_recv_check(const struct keypair *kp, ns_t now, uint64_t counter);
/* After opening: TM_EREPLAY, else marks the counter. For many at once: lock, mark each, unlock. */
NODISCARD int keypair_recv_mark(struct keypair *kp, uint64_t counter);
void keypair_recv_lock(struct keypair *kp);
NODISCARD int keypair_recv_mark_locked(struct keypair *kp, uint64_t counter);
void keypair_recv_unlock(struct keypair *kp);
/* Receiving under an ageing session that we started (REJECT - KEEPALIVE - REKEY_TIMEOUT) asks for renewal. */
bool keypair_recv_wants_renewal(const struct keypair *kp, ns_t now);

#endif
