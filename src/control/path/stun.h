/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * STUN between two nodes that know each other: keys, transaction ids, what is answered and what is a replay.
 * The codec is wire/stun. Pure.
 *
 * Key of a pair of nodes = HKDF-SHA256(X25519(static, static), salt "", info "tunnelmesh stun 1").
 */
#ifndef TM_CONTROL_PATH_STUN_H
#define TM_CONTROL_PATH_STUN_H

#include "base/time.h"
#include "mesh/model.h"
#include "wire/stun.h"

struct dh_key;

NODISCARD int stun_pair_key(
	const struct dh_key *own, const uint8_t remote[static 32], uint8_t ret_key[static STUN_KEY]);

/* --- what we send --- */

/* The sender of this node's messages. A stamp is never used twice: receivers refuse it as a replay. */
struct stun_self {
	char id[NODE_ID_LEN + 1];
	uint64_t last_stamp;
	ns_t real; /* the wall clock now: never goes back, also not across restarts */
	uint32_t (*random)(void *ctx);
	void *random_ctx;
};

/* That of the next question. */
uint64_t stun_next_stamp(const struct stun_self *self);

/*
 * Bytes of the longest answers: with an IPv6 address, with GUESS-PORTS besides, and with everything that a
 * relay and a probed server add. No answer is longer than its question, so each question is padded to what it
 * may be answered with.
 */
enum { STUN_ANSWER = 128, STUN_ANSWER_GUESS = 192, STUN_ANSWER_WHOLE = 196 };

/*
 * A question with what `ask` says (priority: it is a check, RFC 8445 7.1.1; lifetime and cookie; changes;
 * pad_to: 0 = as long as its answer may be), class, method, names and transaction id set here. Gives the
 * length, and the stamp in the transaction id.
 */
size_t stun_ask(struct stun_self *self, const char *to_id, const uint8_t key[static STUN_KEY],
	const struct stun_msg *ask, uint8_t *out, size_t out_len, uint64_t *ret_stamp);
/* The most common ones: a check, or with priority 0 a mere question for our address. */
size_t stun_request(struct stun_self *self, const char *to_id, const uint8_t key[static STUN_KEY],
	uint32_t priority, uint8_t *out, size_t out_len, uint64_t *ret_stamp);
/*
 * The answer to a question of req_len bytes that came from `from`, and with what `more` says beyond that
 * (NULL: nothing). 0 when it would be longer than the question: there is none then.
 */
size_t stun_reply(const struct stun_self *self, const char *to_id, const uint8_t key[static STUN_KEY],
	const struct stun_msg *req, size_t req_len, const struct endpoint *from, const struct stun_msg *more,
	uint8_t *out, size_t out_len);

/* --- what we receive --- */

/* A Binding request or success response for us with a fingerprint; `sender` is what it claims, until
 * stun_verify. */
NODISCARD int stun_open(const struct stun_self *self, const uint8_t *p, size_t n, struct stun_msg *ret_msg,
	char ret_sender[static NODE_ID_LEN + 1]);
uint64_t stun_stamp(const struct stun_msg *m);

/*
 * Which requests of one sender were answered already. A few may overtake each other, so the newest ones are
 * remembered whole and everything at or below the floor is old.
 */
enum { STUN_RECENT = 32 };
#define STUN_SLACK_NS UINT64_C(5000000000)

struct stun_window {
	uint64_t floor;
	uint64_t recent[STUN_RECENT]; /* 0 = free */
};

/* True once per stamp. Call it only for authenticated requests. */
bool stun_window_accept(struct stun_window *w, uint64_t stamp);
/* For a restart: the newest stamp accepted (0 = none); a window that starts from it accepts only newer ones.
 */
uint64_t stun_window_newest(const struct stun_window *w);

#endif
