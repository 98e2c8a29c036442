/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Doing what the timers say, and the agreement with workers about who looks when (peer->armed). */
#include "base/secret.h"
#include "data/peer/peer_private.h"

#define CONFIRM_EVERY (100 * MS)

void peer_auth_sent(struct peer *p, ns_t now)
{
	atomic_store_explicit(&p->last_auth_sent, now, memory_order_relaxed);
	atomic_store_explicit(&p->data_recv_unacked, 0, memory_order_relaxed);
}

void peer_auth_received(struct peer *p, ns_t now)
{
	atomic_store_explicit(&p->last_auth_recv, now, memory_order_relaxed);
	atomic_store_explicit(&p->data_sent_unanswered, 0, memory_order_relaxed);
}

void device_step(struct device *d, const struct peer *p, enum device_step step, const struct way_to *by)
{
	if (d->ops.step)
		d->ops.step(d->ops.ctx, p, step, by);
}

void peer_drop_attempt(struct device *d, struct peer *p)
{
	if (p->hs.pending)
		index_release(d->index, p->hs.index);
	handshake_abandon(&p->hs);
}

static int send_initiation(struct device *d, struct peer *p, ns_t now)
{
	const struct way *way = atomic_load_explicit(&p->way, memory_order_relaxed);
	uint8_t msg[WG_INIT_LEN], e_priv[WG_KEY];
	uint32_t index;
	int err;

	peer_drop_attempt(d, p);
	err = peer_reserve_index(d, p, &index);
	if (err < 0)
		return err;

	d->ops.entropy(d->ops.ctx, e_priv, sizeof(e_priv));
	err = handshake_create_init(
		&p->hs, &d->self, d->aead, index, d->ops.real_time(d->ops.ctx), e_priv, msg);
	wipe(e_priv, sizeof(e_priv));
	if (err < 0) {
		index_release(d->index, index);
		return err;
	}
	handshake_sign(&p->hs, msg, sizeof(msg), now);
	timers_initiation_sent(&p->timers, &d->limits, now, device_random(d));
	peer_auth_sent(p, now);
	d->ops.send(d->ops.ctx, p, &way->to, msg, sizeof(msg));
	device_step(d, p, DEV_ASKED, &way->to);
	return TM_OK;
}

static void try_handshake(struct device *d, struct peer *p, ns_t now)
{
	bool reachable = atomic_load_explicit(&p->way, memory_order_relaxed) != NULL;

	/* The address that we last sent from may be the very thing that broke. */
	if (reachable && p->timers.tries > 0)
		peer_forget_source(d, p);
	if (reachable && send_initiation(d, p, now) == TM_OK)
		return;

	timers_initiation_starved(&p->timers, &d->limits, now, device_random(d));
	if (!reachable)
		d->ops.want_way(d->ops.ctx, p); /* last: it may bring one at once */
}

static void give_up(struct device *d, struct peer *p)
{
	timers_gave_up(&p->timers);
	peer_drop_attempt(d, p);
	d->ops.drop_staged(d->ops.ctx, p);
	device_step(d, p, DEV_GAVE_UP, NULL);
}

static void keep_alive(struct device *d, struct peer *p, ns_t now)
{
	struct keypair *kp = p->keys_current;

	if (session_usable(kp, now)) {
		d->ops.send_keepalive(d->ops.ctx, p);
		peer_auth_sent(p, now);
		if (!session_renewal_due(kp, now))
			return;
	} else {
		atomic_store_explicit(&p->data_recv_unacked, 0, memory_order_relaxed);
	}
	if (!p->timers.wanted)
		timers_handshake_wanted(&p->timers, &d->limits, now);
}

/* Nothing could have been decrypted for a long while: no trace of keys stays behind. */
static void forget_keys(struct device *d, struct peer *p)
{
	timers_wiped(&p->timers);
	peer_drop_attempt(d, p);
	handshake_forget(&p->hs);
	session_drop_all(d, p);
}

static void sample(const struct peer *p, ns_t now, struct timers_in *ret_in)
{
	*ret_in = (struct timers_in){
		/* Sequentially consistent with `armed`, see peer_service. */
		.data_sent_unanswered = atomic_load(&p->data_sent_unanswered),
		.data_recv_unacked = atomic_load(&p->data_recv_unacked),
		.last_auth_sent = atomic_load_explicit(&p->last_auth_sent, memory_order_relaxed),
		.last_auth_recv = atomic_load_explicit(&p->last_auth_recv, memory_order_relaxed),
		.persistent_keepalive = p->persistent_keepalive_s * SEC,
		.session = session_usable(p->keys_current, now),
	};
}

static void act(struct device *d, struct peer *p, const struct timers_in *in, unsigned acts, ns_t now)
{
	if (acts & TIMERS_WIPE)
		forget_keys(d, p);
	if (acts & TIMERS_GIVE_UP)
		give_up(d, p);
	if (acts & TIMERS_UNANSWERED) {
		ns_t seen = in->data_sent_unanswered;

		/* Used up: only data sent after this starts the wait again. */
		atomic_compare_exchange_strong(&p->data_sent_unanswered, &seen, 0);
		peer_forget_source(d, p);
		timers_handshake_wanted(&p->timers, &d->limits, now);
	}
	if (acts & TIMERS_KEEPALIVE)
		keep_alive(d, p, now);
	if (acts & TIMERS_TRY)
		try_handshake(d, p, now);
}

/*
 * `armed` says: the control thread will look at this peer's worker-written times within KEEPALIVE_TIMEOUT,
 * which is the shortest wait that any of them starts. A worker that writes one while it is unset sets it and
 * posts an event. Here it is cleared first and the times read once more after that, so one of the two sides
 * always sees the other.
 */
void peer_service(struct device *d, struct peer *p, ns_t now)
{
	enum { ROUNDS = 4 }; /* one action leads to at most a few others; the rest waits a millisecond */
	struct timers_in in;
	ns_t next = NS_NEVER, expiry = NS_NEVER;
	bool watched;

	if (atomic_load_explicit(&p->dead, memory_order_relaxed))
		return;

	for (unsigned round = 0; round <= ROUNDS; round++) {
		unsigned acts;

		expiry = session_expire(d, p, now);
		sample(p, now, &in);
		acts = timers_due(&p->timers, &d->limits, &in, now, &next);
		if (!acts)
			break;
		act(d, p, &in, acts, now);
		next = now + MS;
	}

	watched = in.data_sent_unanswered || in.data_recv_unacked;
	if (!watched) {
		atomic_store(&p->armed, false);
		sample(p, now, &in);
		if (in.data_sent_unanswered || in.data_recv_unacked)
			/* Else the worker's event is on its way. */
			watched = !atomic_exchange(&p->armed, true);
	}
	if (watched) {
		atomic_store(&p->armed, true);
		next = ns_min(next, now + d->limits.keepalive_timeout);
	}
	heap_set(&d->due, &p->due, ns_min(next, expiry));
}

void device_observe(struct device *d, struct peer *p, ns_t now)
{
	peer_service(d, p, now);
}

void device_want_session(struct device *d, struct peer *p, ns_t now)
{
	struct keypair *kp = p->keys_current;

	atomic_store_explicit(&p->wanted, false, memory_order_release);
	atomic_store_explicit(&p->renew_pending, false, memory_order_release);
	if (atomic_load_explicit(&p->dead, memory_order_relaxed))
		return;

	/* Staged by a worker that had not seen the new keys yet. */
	if (session_usable(kp, now))
		d->ops.flush_staged(d->ops.ctx, p, kp);
	if (!session_usable(kp, now) || session_renewal_due(kp, now))
		timers_handshake_wanted(&p->timers, &d->limits, now);
	peer_service(d, p, now);
}

/*
 * Is it to be feared that the packet which confirms our session was lost? Until one arrives the peer sends
 * under the session before, which we may have lost in a restart, and it will for KEEPALIVE_TIMEOUT and
 * REKEY_TIMEOUT.
 */
static bool is_unheard(const struct peer *p, ns_t now)
{
	const struct keypair *kp = p->keys_current;

	return session_usable(kp, now) && kp->initiator &&
	       atomic_load_explicit(&p->last_auth_recv, memory_order_relaxed) <= kp->created &&
	       now - atomic_load_explicit(&p->last_auth_sent, memory_order_relaxed) >= CONFIRM_EVERY;
}

void device_nudge(struct device *d, struct peer *p, ns_t now)
{
	device_want_session(d, p, now);
	if (atomic_load_explicit(&p->dead, memory_order_relaxed) || !is_unheard(p, now))
		return;

	d->ops.send_keepalive(d->ops.ctx, p);
	peer_auth_sent(p, now);
}

ns_t device_run(struct device *d, ns_t now)
{
	for (struct heap_node *top; (top = heap_top(&d->due)) && top->at <= now;)
		peer_service(d, CONTAINER_OF(top, struct peer, due), now);
	return heap_next(&d->due);
}
