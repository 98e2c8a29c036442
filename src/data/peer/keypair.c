/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/keypair.h"

#include "base/secret.h"

const struct wg_limits wg_limits_default = {
	.rekey_after_messages = WG_REKEY_AFTER_MESSAGES,
	.reject_after_messages = WG_REJECT_AFTER_MESSAGES,
	.rekey_after = WG_REKEY_AFTER_TIME,
	.reject_after = WG_REJECT_AFTER_TIME,
	.rekey_attempt = WG_REKEY_ATTEMPT_TIME,
	.rekey_timeout = WG_REKEY_TIMEOUT,
	.keepalive_timeout = WG_KEEPALIVE_TIMEOUT,
};

int keypair_new(struct keypair **ret_kp)
{
	struct keypair *kp = calloc(1, sizeof(*kp));
	if (!kp)
		return TM_ENOMEM;

	kp->limits = &wg_limits_default;
	*ret_kp = kp;
	return TM_OK;
}

void keypair_free(struct keypair *kp)
{
	if (!kp)
		return;

	wipe(kp, sizeof(*kp));
	free(kp);
}

static bool keypair_expired(const struct keypair *kp, ns_t now)
{
	return atomic_load_explicit(&kp->dead, memory_order_acquire) ||
	       now - kp->created >= kp->limits->reject_after;
}

int keypair_send_reserve(struct keypair *kp, ns_t now, uint64_t n, uint64_t *ret_first, bool *ret_renew)
{
	uint64_t limit = kp->limits->reject_after_messages;
	uint64_t first = atomic_load_explicit(&kp->send_counter, memory_order_relaxed);

	if (keypair_expired(kp, now))
		return TM_EEXPIRED;

	/* Not a plain addition: a counter that many refused callers push on would wrap and reuse nonces. */
	do {
		if (n > limit || first > limit - n)
			return TM_EEXPIRED;
	} while (!atomic_compare_exchange_weak_explicit(
		&kp->send_counter, &first, first + n, memory_order_relaxed, memory_order_relaxed));

	*ret_first = first;
	*ret_renew = first + n > kp->limits->rekey_after_messages ||
		     (kp->initiator && now - kp->created >= kp->limits->rekey_after);
	return TM_OK;
}

int keypair_recv_check(const struct keypair *kp, ns_t now, uint64_t counter)
{
	if (keypair_expired(kp, now) || counter >= kp->limits->reject_after_messages)
		return TM_EEXPIRED;

	return TM_OK;
}

void keypair_recv_lock(struct keypair *kp)
{
	spin_lock(&kp->replay_lock);
}

void keypair_recv_unlock(struct keypair *kp)
{
	spin_unlock(&kp->replay_lock);
}

int keypair_recv_mark_locked(struct keypair *kp, uint64_t counter)
{
	return replay_accept(&kp->replay, counter) ? TM_OK : TM_EREPLAY;
}

int keypair_recv_mark(struct keypair *kp, uint64_t counter)
{
	int err;

	keypair_recv_lock(kp);
	err = keypair_recv_mark_locked(kp, counter);
	keypair_recv_unlock(kp);
	return err;
}

bool keypair_recv_wants_renewal(const struct keypair *kp, ns_t now)
{
	const struct wg_limits *l = kp->limits;

	return kp->initiator &&
	       now - kp->created >= l->reject_after - l->keepalive_timeout - l->rekey_timeout;
}
