/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The WireGuard handshake of one peer: create/consume pairs for the two messages over Noise_IKpsk2. MACs are
 * put on and checked by data/peer/cookie.h. No I/O, no clock, entropy and indices are arguments. Control
 * thread.
 *
 *   IKpsk2:  <- s   ...   -> e, es, s, ss {TAI64N}   <- e, ee, se, psk {}
 *
 * Our own initiation under way lives here; answering someone else's needs no state beyond the call (struct
 * hs_incoming), so that two peers who initiate at the same moment both succeed and neither forgets its own
 * attempt.
 */
#ifndef TM_DATA_PEER_HANDSHAKE_H
#define TM_DATA_PEER_HANDSHAKE_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "crypto/noise.h"
#include "data/peer/cookie.h"
#include "wire/wg.h"

/* Refuse initiations of one peer that come closer together than this, replayed or not. */
#define HS_INITIATIONS_PER_SECOND 50
/* Nothing is on its way for so long: a recording, or its sender's clock went back. */
#define HS_STAMP_STALE_S (10 * 60)

/* Our static key pair. */
struct hs_self {
	struct dh_key *key; /* owned */
	uint8_t pub[WG_KEY];
};

/* What a peer needs as soon as we speak with it. Most peers of a large mesh never come to that. */
struct hs_talk {
	uint8_t ss[WG_KEY]; /* DH(our static, theirs) */
	struct noise noise; /* our initiation under way */
	struct cookie_jar jar;
};

struct handshake {
	const uint8_t *remote; /* the peer's static public key, borrowed */
	/* settings: count from the next message on */
	uint8_t psk[NOISE_PSK];
	/* the newest stamps in each direction: only newer ones follow */
	uint8_t sent_stamp[WG_TAI64N], received_stamp[WG_TAI64N];
	ns_t received_at; /* when the last initiation was accepted */
	bool has_received;
	bool pending; /* our initiation is under way, as `index` */
	uint32_t index;
	struct hs_talk *talk; /* made with the first message in either direction */
};

/* What a finished handshake yields. Wipe it. */
struct hs_keys {
	uint8_t send[AEAD_KEY], recv[AEAD_KEY];
	uint32_t remote_index;
};

/* An initiation on its way: first `remote` is known, then the stamp. Wipe it with hs_incoming_wipe. */
struct hs_incoming {
	uint8_t remote[WG_KEY];
	uint8_t stamp[WG_TAI64N];
	uint32_t remote_index;
	struct noise noise;
};

NODISCARD int hs_self_init(struct hs_self *self, const uint8_t priv[static WG_KEY]); /* clamps */
void hs_self_deinit(struct hs_self *self);

/* remote is borrowed for the handshake's life. */
void handshake_init(
	struct handshake *h, const uint8_t remote[static WG_KEY], const uint8_t psk[static NOISE_PSK]);
void handshake_deinit(struct handshake *h); /* wipes */
/* Forgets our initiation under way (not the stamps). */
void handshake_abandon(struct handshake *h);
/* All but settings and stamps. */
void handshake_forget(struct handshake *h);

/* Puts the MACs on a message of ours that was created before. */
void handshake_sign(struct handshake *h, uint8_t *msg, size_t n, ns_t now);
/* TM_EAUTH as cookie_jar_consume, also when we never spoke. */
NODISCARD int handshake_take_cookie(
	struct handshake *h, struct aead *a, const struct wg_cookie_reply *m, ns_t now);

/* The last message that was signed had no cookie to show. */
bool handshake_was_bare(const struct handshake *h);

/* TAI64N of a Unix time, its nanoseconds coarsened so that the stamp does not tell the exact clock. */
void tai64n(ns_t real, uint8_t out[static WG_TAI64N]);

/* Initiator. Replaces the attempt under way; the stamp is newer than all before, whatever the clock did. */
NODISCARD int handshake_create_init(struct handshake *h, const struct hs_self *self, struct aead *a,
	uint32_t index, ns_t real, const uint8_t e_priv[static WG_KEY], uint8_t out[static WG_INIT_MAC1]);
/*
 * Responder: who claims to have sent it? One Diffie-Hellman, so that strangers cost no more. TM_EAUTH or
 * TM_ECRYPTO when it does not decrypt.
 */
NODISCARD int handshake_identify(
	const struct hs_self *self, struct aead *a, const struct wg_init *m, struct hs_incoming *ret_in);
/* Responder, peer known, same m: is it really from there? A Diffie-Hellman the first time, then none. On
 * failure `in` is of no use. */
NODISCARD int handshake_consume_init(struct handshake *h, const struct hs_self *self, struct aead *a,
	const struct wg_init *m, struct hs_incoming *in);
/* Responder, initiation consumed: TM_EREPLAY for a stamp that is not newer, TM_EAGAIN for too many; else
 * remembers the stamp. */
NODISCARD int handshake_accept_init(struct handshake *h, const struct hs_incoming *in, ns_t now);
/* Responder, initiation refused for its stamp: is that older than anything on its way can be? */
bool handshake_is_stale(const struct handshake *h, const struct hs_incoming *in);
NODISCARD int handshake_create_response(struct handshake *h, struct hs_incoming *in, struct aead *a,
	uint32_t index, const uint8_t e_priv[static WG_KEY], uint8_t out[static WG_RESPONSE_MAC1],
	struct hs_keys *ret_keys);
/* Initiator. On success the attempt is over; a response that does not decrypt leaves it as it was. */
NODISCARD int handshake_consume_response(
	struct handshake *h, struct aead *a, const struct wg_response *m, struct hs_keys *ret_keys);

void hs_incoming_wipe(struct hs_incoming *in);
void hs_keys_wipe(struct hs_keys *k);

#endif
