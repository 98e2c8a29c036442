/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the files of the device share with each other and with nobody else. Control thread. */
#ifndef TM_DATA_PEER_PEER_PRIVATE_H
#define TM_DATA_PEER_PEER_PRIVATE_H

#include "base/hashset.h"
#include "data/peer/cookie.h"
#include "data/peer/device.h"
#include "data/peer/ratelimit.h"

enum { DEVICE_PEERS_MAX = 1 << 20, DEVICE_LOAD_THRESHOLD = 512 };
#define DEVICE_LOAD_LINGERS (1 * SEC) /* once under load, cookies are demanded for this long at least */

struct device {
	/* set once */
	struct hs_self self;
	struct wg_limits limits;
	uint32_t load_threshold;
	struct device_ops ops;
	struct aead *aead;
	/* changing */
	struct index_table *index;
	struct hashset by_key;
	struct list peers;
	struct heap due;
	struct cookie_oven oven;
	struct ratelimit *ratelimit;
	ns_t loaded_until;
};

uint32_t device_random(struct device *d);

/* device_session.c: which keys are current, previous, next. */
NODISCARD int session_new(struct device *d, struct peer *p, uint32_t local_index, const struct hs_keys *keys,
	bool initiator, ns_t now, struct keypair **ret_kp);
void session_begin_initiator(struct device *d, struct peer *p, struct keypair *kp, ns_t now);
void session_begin_responder(struct device *d, struct peer *p, struct keypair *kp, ns_t now);
void device_step(struct device *d, const struct peer *p, enum device_step step, const struct way_to *by);
/* Drops what is too old; returns when the next one will be. */
ns_t session_expire(struct device *d, struct peer *p, ns_t now);
void session_drop_all(struct device *d, struct peer *p);
/* p->keys_current exists: what is staged goes, or an empty packet if the other side waits for one. */
void session_speak(struct device *d, struct peer *p, ns_t now);
bool session_usable(const struct keypair *kp, ns_t now);
bool session_renewal_due(const struct keypair *kp, ns_t now);

/* device_timers.c. */
void peer_service(struct device *d, struct peer *p, ns_t now); /* does what is due, sets the next deadline */
void peer_drop_attempt(struct device *d, struct peer *p); /* our initiation under way and its index */
void peer_auth_sent(struct peer *p, ns_t now);
void peer_auth_received(struct peer *p, ns_t now);

/* device.c. */
NODISCARD int peer_reserve_index(struct device *d, struct peer *p, uint32_t *ret_index);
/* Replaces the way unless it is the same already; `to` NULL or without remote: none. */
NODISCARD int peer_set_way(struct device *d, struct peer *p, const struct way_to *to);
/* The kernel chooses the source address again. */
void peer_forget_source(struct device *d, struct peer *p);
/* Something authentic came from p by `by`: a peer that is followed moves there, else the owner hears of it.
 */
void peer_heard(struct device *d, struct peer *p, const struct way_to *by, ns_t now);

#endif
