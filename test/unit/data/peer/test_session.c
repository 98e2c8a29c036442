/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which session workers send under while sessions come, prove themselves and go: every order of one worker's
 * confirmation among the control thread's steps, and then two workers and the control thread at once (for the
 * sanitizers).
 */
#include "unit/unit.h"

#include <pthread.h>
#include <sched.h>

#include "base/ring.h"
#include "crypto/init.h"
#include "data/peer/peer_private.h"

static struct epoch epoch;
static struct ring_mpsc *ring;
static unsigned freed;

static void on_send(void *ctx, struct peer *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	(void)ctx, (void)p, (void)by, (void)msg, (void)n;
}

static void on_peer(void *ctx, struct peer *p)
{
	(void)ctx, (void)p;
}

static void on_flush(void *ctx, struct peer *p, struct keypair *kp)
{
	(void)ctx, (void)p, (void)kp;
}

static void on_heard(void *ctx, struct peer *p, const struct way_to *by)
{
	(void)ctx, (void)p, (void)by;
}

static void on_changed(void *ctx, struct peer *p, bool up)
{
	(void)ctx, (void)p, (void)up;
}

static void free_keypair(void *kp)
{
	keypair_free(kp);
	freed++;
}

static void on_retire_keypair(void *ctx, struct keypair *kp)
{
	(void)ctx;
	epoch_retire(&epoch, &kp->retired, kp, free_keypair);
}

static void on_retire_way(void *ctx, struct way *way)
{
	(void)ctx;
	free(way);
}

static void on_retire_peer(void *ctx, struct peer *p)
{
	(void)ctx;
	epoch_retire(&epoch, &p->retired, p, device_peer_free);
}

static void on_entropy(void *ctx, void *out, size_t n)
{
	(void)ctx;
	random_bytes(out, n);
}

static ns_t on_real_time(void *ctx)
{
	(void)ctx;
	return SEC;
}

static uint64_t epoch_now(void *ctx)
{
	(void)ctx;
	return atomic_fetch_add(&epoch.global, 1);
}

static const struct device_ops ops = {
	.send = on_send,
	.send_keepalive = on_peer,
	.flush_staged = on_flush,
	.drop_staged = on_peer,
	.retire_keypair = on_retire_keypair,
	.retire_way = on_retire_way,
	.retire_peer = on_retire_peer,
	.want_way = on_peer,
	.heard = on_heard,
	.session_changed = on_changed,
	.entropy = on_entropy,
	.real_time = on_real_time,
};

/* The device, and a peer with the greater public key when `greater`. */
static void meet(bool greater, struct device **ret_d, struct peer **ret_p)
{
	static const uint8_t no_psk[32];
	uint8_t priv[32], theirs[32], pub[32];

	assert_int_equal(crypto_init(NULL), TM_OK);
	freed = 0;
	epoch_init(&epoch, 2);
	random_bytes(priv, sizeof(priv));
	assert_int_equal(device_new(&(struct device_config){.private_key = priv}, &ops, ret_d), TM_OK);
	index_set_epoch(device_index(*ret_d), epoch_now, NULL);
	do {
		random_bytes(theirs, sizeof(theirs));
		assert_int_equal(dh_public(theirs, pub), TM_OK);
	} while ((memcmp(pub, (*ret_d)->self.pub, sizeof(pub)) > 0) != greater);
	assert_int_equal(device_peer_add(*ret_d, pub, no_psk, ret_p), TM_OK);
}

static void part(struct device *d)
{
	device_free(d);
	epoch_deinit(&epoch);
}

static struct keypair *begin(struct device *d, struct peer *p, bool initiator, ns_t now)
{
	const struct hs_keys keys = {.remote_index = 7};
	struct keypair *kp;
	uint32_t index;

	assert_int_equal(index_reserve(device_index(d), p, 0, on_entropy, NULL, &index), TM_OK);
	assert_int_equal(session_new(d, p, index, &keys, initiator, now, &kp), TM_OK);
	if (initiator)
		session_begin_initiator(d, p, kp, now);
	else
		session_begin_responder(d, p, kp, now);
	return kp;
}

static void a_confirmed_answer_is_sent_under_at_once_where_there_was_a_session(void **state)
{
	struct device *d;
	struct peer *p;
	(void)state;

	meet(true, &d, &p);
	struct keypair *first = begin(d, p, false, SEC);
	assert_null(peer_sending_keys(p));
	atomic_store(&first->confirmed, true);
	assert_null(peer_sending_keys(p)); /* what is staged goes before */
	device_confirmed(d, p, first, SEC);
	assert_ptr_equal(peer_sending_keys(p), first);

	struct keypair *second = begin(d, p, false, 2 * SEC);
	assert_ptr_equal(peer_sending_keys(p), first);
	atomic_store(&second->confirmed, true);
	assert_ptr_equal(peer_sending_keys(p), second);
	device_confirmed(d, p, second, 2 * SEC);
	assert_ptr_equal(peer_sending_keys(p), second);
	part(d);
}

static void when_both_started_the_agreed_one_is_sent_under(void **state)
{
	(void)state;

	for (int greater = 0; greater < 2; greater++) {
		struct device *d;
		struct peer *p;

		meet(greater, &d, &p);
		struct keypair *answered = begin(d, p, false, SEC);
		struct keypair *ours = begin(d, p, true, SEC);
		atomic_store(&answered->confirmed, true);
		device_confirmed(d, p, answered, SEC);
		/* The one that the side with the greater key started. */
		assert_ptr_equal(peer_sending_keys(p), greater ? answered : ours);
		part(d);
	}
}

/* What the control thread may do after it answered, with the worker's confirmation before or after it. */
enum step { ANSWER_AGAIN, START, EXPIRE, DROP_ALL, STEP_N };

static void a_retired_session_is_never_sent_under(void **state)
{
	(void)state;

	for (enum step step = 0; step < STEP_N; step++)
		for (int before = 0; before < 2; before++)
			for (int greater = 0; greater < 2; greater++) {
				struct device *d;
				struct peer *p;
				ns_t now = SEC;

				meet(greater, &d, &p);
				epoch_unpark(&epoch, 0); /* this thread is a worker, too: nothing is freed */
				struct keypair *first = begin(d, p, true, now);
				struct keypair *kp = begin(d, p, false, now);
				if (before)
					atomic_store(&kp->confirmed, true);
				if (step == ANSWER_AGAIN)
					begin(d, p, false, now);
				else if (step == START)
					begin(d, p, true, now);
				else if (step == EXPIRE)
					session_expire(d, p, now += WG_REJECT_AFTER_TIME);
				else
					session_drop_all(d, p);
				for (int report = 0; report < 2; report++) {
					struct keypair *sending = peer_sending_keys(p);

					if (sending && atomic_load(&sending->dead))
						fail_msg("step %d, before %d, report %d", step, before,
							report);
					if ((step == EXPIRE || step == DROP_ALL) && sending)
						fail_msg("step %d left a session", step);
					if ((step == ANSWER_AGAIN || step == START) && !sending)
						fail_msg("step %d left none", step);
					atomic_store(&kp->confirmed, true);
					sending = peer_sending_keys(p);
					if (sending && atomic_load(&sending->dead))
						fail_msg("step %d, confirmed late", step);
					device_confirmed(d, p, kp, now);
				}
				assert_false(atomic_load(&first->dead) && peer_sending_keys(p) == first);
				epoch_park(&epoch, 0);
				part(d);
			}
}

/* --- all at once --- */

static struct device *device;
static struct peer *peer;
static _Atomic(uint32_t) newest; /* index of the newest answered session */
static _Atomic(bool) stop;

static void *confirm(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		epoch_unpark(&epoch, 0);
		struct keypair *kp = index_find(device_index(device), atomic_load(&newest));

		if (kp && !atomic_exchange(&kp->confirmed, true) && !ring_mpsc_push(ring, &kp, sizeof(kp)))
			atomic_store(&kp->confirmed, false);
		if (kp && kp->peer != peer)
			abort();
		epoch_park(&epoch, 0);
		sched_yield();
	}
	return NULL;
}

static void *transmit(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		epoch_unpark(&epoch, 1);
		for (unsigned i = 0; i < 8; i++) {
			struct keypair *kp = peer_sending_keys(peer);
			uint64_t counter;
			bool renew;

			if (!kp)
				continue;
			(void)!keypair_send_reserve(kp, SEC, 1, &counter, &renew);
			if (kp->peer != peer || kp->remote_index != 7)
				abort();
		}
		epoch_park(&epoch, 1);
	}
	return NULL;
}

static void handle_confirmations(void)
{
	uint64_t safe = epoch_safe_before(&epoch);
	size_t mark = ring_mpsc_mark(ring);
	struct keypair *kp;

	while (ring_mpsc_pop(ring, &kp))
		device_confirmed(device, peer, kp, SEC);
	if (!ring_mpsc_passed(ring, mark))
		return;
	epoch_reclaim_before(&epoch, safe);
	index_collect(device_index(device), safe);
}

static void workers_never_meet_a_freed_session(void **state)
{
	enum { ROUNDS = 6000 };
	pthread_t confirmer, sender;
	(void)state;

	meet(true, &device, &peer);
	assert_int_equal(ring_mpsc_new(16, sizeof(struct keypair *), &ring), TM_OK);
	begin(device, peer, true, SEC);
	assert_int_equal(pthread_create(&confirmer, NULL, confirm, NULL), 0);
	assert_int_equal(pthread_create(&sender, NULL, transmit, NULL), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		if (i % 97 == 0)
			session_drop_all(device, peer);
		if (i % 7 == 0)
			begin(device, peer, true, SEC);
		atomic_store(&newest, begin(device, peer, false, SEC)->local_index);
		if (i % 3 == 0)
			sched_yield();
		handle_confirmations();
	}
	atomic_store(&stop, true);
	pthread_join(confirmer, NULL);
	pthread_join(sender, NULL);
	handle_confirmations();
	assert_true(freed > ROUNDS / 2);
	part(device);
	ring_mpsc_free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_confirmed_answer_is_sent_under_at_once_where_there_was_a_session),
		cmocka_unit_test(when_both_started_the_agreed_one_is_sent_under),
		cmocka_unit_test(a_retired_session_is_never_sent_under),
		cmocka_unit_test(workers_never_meet_a_freed_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
