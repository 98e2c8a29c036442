/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Key rotation. Whoever initiated may use the new keys at once (they become current); whoever answered holds
 * them as next until the first packet under them proves that the other side has them too. The keys before
 * stay as previous, so that packets still under way are not lost. An initiator keeps an unconfirmed next:
 * when both sides initiate at the same moment, each sends under its own and both understand both.
 */
#include "base/secret.h"
#include "data/peer/peer_private.h"

#include <string.h>

/* Workers do not find kp to send under any more. */
static void withdraw(struct peer *p, const struct keypair *kp)
{
	if (atomic_load_explicit(&p->answered, memory_order_relaxed) == kp)
		atomic_store_explicit(&p->answered, NULL, memory_order_release);
	if (atomic_load_explicit(&p->current, memory_order_relaxed) == kp)
		atomic_store_explicit(&p->current, NULL, memory_order_release);
}

static void retire(struct device *d, struct keypair **slot)
{
	struct keypair *kp = *slot;

	*slot = NULL;
	if (!kp)
		return;

	/* Out of the workers' sight first: whoever holds it now holds it until its quiescent point. */
	withdraw(kp->peer, kp);
	atomic_store_explicit(&kp->dead, true, memory_order_release);
	index_release(d->index, kp->local_index);
	d->ops.retire_keypair(d->ops.ctx, kp);
}

static void went_down(struct device *d, struct peer *p)
{
	if (!p->session_up)
		return;

	p->session_up = false;
	d->ops.session_changed(d->ops.ctx, p, false);
}

/* kp is or was next or is new: it becomes current, current becomes previous. */
static void make_current(struct device *d, struct peer *p, struct keypair *kp)
{
	struct keypair *oldest = p->keys_previous;

	if (p->keys_next == kp)
		p->keys_next = NULL;
	p->keys_previous = p->keys_current;
	p->keys_current = kp;
	p->last_handshake_real = d->ops.real_time(d->ops.ctx);
	p->session_up = true;
	timers_handshake_complete(&p->timers);
	peer_drop_attempt(d, p);
	d->ops.flush_staged(d->ops.ctx, p, kp); /* before workers may overtake what waited */
	atomic_store_explicit(&p->current, kp, memory_order_release);
	if (atomic_load_explicit(&p->answered, memory_order_relaxed) == kp)
		atomic_store_explicit(&p->answered, NULL, memory_order_release);
	retire(d, &oldest);
	d->ops.session_changed(d->ops.ctx, p, true);
}

int session_new(struct device *d, struct peer *p, uint32_t local_index, const struct hs_keys *keys,
	bool initiator, ns_t now, struct keypair **ret_kp)
{
	struct keypair *kp;
	int err = keypair_new(&kp);

	if (err < 0)
		return err;

	kp->peer = p;
	kp->limits = &d->limits;
	kp->local_index = local_index;
	kp->remote_index = keys->remote_index;
	memcpy(kp->send_key, keys->send, sizeof(kp->send_key));
	memcpy(kp->recv_key, keys->recv, sizeof(kp->recv_key));
	kp->created = now;
	kp->initiator = initiator;
	atomic_store_explicit(&kp->confirmed, initiator, memory_order_relaxed);
	*ret_kp = kp;
	return TM_OK;
}

/* The other side may not send before it has seen something under the keys that we asked for (whitepaper
 * 5.4.5): if nothing waited, an empty packet it is. */
static void confirm(struct device *d, struct peer *p, ns_t now)
{
	struct keypair *kp = p->keys_current;

	if (!kp->initiator || atomic_load_explicit(&kp->send_counter, memory_order_relaxed) > 0)
		return;

	d->ops.send_keepalive(d->ops.ctx, p);
	peer_auth_sent(p, now);
}

void session_speak(struct device *d, struct peer *p, ns_t now)
{
	d->ops.flush_staged(d->ops.ctx, p, p->keys_current);
	confirm(d, p, now);
}

void session_begin_initiator(struct device *d, struct peer *p, struct keypair *kp, ns_t now)
{
	index_bind(d->index, kp->local_index, kp);
	timers_keys_derived(&p->timers, now);
	make_current(d, p, kp);
	if (p->keys_current == kp)
		confirm(d, p, now);
}

void session_begin_responder(struct device *d, struct peer *p, struct keypair *kp, ns_t now)
{
	/* The other side sends under a confirmed next and will until it has our answer. */
	if (p->keys_next && atomic_load_explicit(&p->keys_next->confirmed, memory_order_relaxed)) {
		retire(d, &p->keys_previous);
		p->keys_previous = p->keys_next;
		p->keys_next = NULL;
	}
	retire(d, &p->keys_next);
	p->keys_next = kp;
	atomic_store_explicit(&p->answered, kp, memory_order_release);
	timers_keys_derived(&p->timers, now);
	index_bind(d->index, kp->local_index, kp);
}

/* Did we finish a handshake of our own after answering the one of kp, and does ours win? */
static bool ours_wins(const struct device *d, const struct peer *p, const struct keypair *kp)
{
	const struct keypair *ours = p->keys_current;

	return ours && ours->initiator && ours->created >= kp->created &&
	       memcmp(d->self.pub, p->key, WG_KEY) > 0;
}

void device_confirmed(struct device *d, struct peer *p, struct keypair *kp, ns_t now)
{
	if (atomic_load_explicit(&p->dead, memory_order_relaxed))
		return;

	if (p->keys_next == kp && ours_wins(d, p, kp))
		withdraw(p, kp); /* good for receiving only */
	else if (p->keys_next == kp)
		make_current(d, p, kp);
	peer_service(d, p, now);
}

ns_t session_expire(struct device *d, struct peer *p, ns_t now)
{
	struct keypair **slots[] = {&p->keys_previous, &p->keys_current, &p->keys_next};
	bool had_current = p->keys_current != NULL;
	ns_t next = NS_NEVER;

	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		struct keypair **slot = slots[i];

		if (!*slot)
			continue;
		if (now - (*slot)->created < d->limits.reject_after) {
			next = ns_min(next, (*slot)->created + d->limits.reject_after);
			continue;
		}
		retire(d, slot);
	}
	if (had_current && !p->keys_current)
		went_down(d, p);
	return next;
}

void session_drop_all(struct device *d, struct peer *p)
{
	retire(d, &p->keys_current);
	retire(d, &p->keys_previous);
	retire(d, &p->keys_next);
	went_down(d, p);
}

bool session_usable(const struct keypair *kp, ns_t now)
{
	return kp && now - kp->created < kp->limits->reject_after &&
	       atomic_load_explicit(&kp->send_counter, memory_order_relaxed) <
		       kp->limits->reject_after_messages;
}

bool session_renewal_due(const struct keypair *kp, ns_t now)
{
	return (kp->initiator && now - kp->created >= kp->limits->rekey_after) ||
	       atomic_load_explicit(&kp->send_counter, memory_order_relaxed) >
		       kp->limits->rekey_after_messages;
}
