/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The device's own edges; what it does over time is told in test/sim. */
#include "data/peer/device.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/dh.h"
#include "crypto/init.h"
#include "wire/wg.h"

/* A caller that only writes down what it is asked to do. */
struct desk {
	struct device *d;
	uint64_t rng;
	unsigned sent, keepalives, flushed, dropped, want_way, ups, downs;
	unsigned keypairs, ways, peers, heard, steps[DEV_GAVE_UP + 1];
	uint8_t last[WG_INIT_LEN];
	size_t last_n;
	struct way_to last_by;
};

static const uint8_t no_psk[32];
static const struct endpoint there = {.ip = {IP_V4, {192, 0, 2, 7}}, .port = 51820};

static void on_send(void *ctx, struct peer *p, const struct way_to *by, const uint8_t *msg, size_t n)
{
	struct desk *k = ctx;

	(void)p;
	k->sent++;
	memcpy(k->last, msg, n);
	k->last_n = n;
	k->last_by = *by;
}

static void on_keepalive(void *ctx, struct peer *p)
{
	assert_non_null(atomic_load(&p->current));
	((struct desk *)ctx)->keepalives++;
}

static void on_flush(void *ctx, struct peer *p, struct keypair *kp)
{
	(void)p, (void)kp;
	((struct desk *)ctx)->flushed++;
}

static void on_drop(void *ctx, struct peer *p)
{
	(void)p;
	((struct desk *)ctx)->dropped++;
}

static void on_retire_keypair(void *ctx, struct keypair *kp)
{
	((struct desk *)ctx)->keypairs++;
	assert_true(atomic_load(&kp->dead));
	keypair_free(kp);
}

static void on_retire_way(void *ctx, struct way *way)
{
	((struct desk *)ctx)->ways++;
	free(way);
}

static void on_retire_peer(void *ctx, struct peer *p)
{
	((struct desk *)ctx)->peers++;
	assert_true(atomic_load(&p->dead));
	device_peer_free(p);
}

static void on_want_way(void *ctx, struct peer *p)
{
	struct desk *k = ctx;

	/* A path chooser that knows one answers at once, from inside the question. */
	if (k->want_way++ == 2)
		assert_int_equal(device_peer_set_way(
					 k->d, p, &(struct way_to){.remote = there}, 1010 * SEC + 700 * MS),
			TM_OK);
}

static void on_heard(void *ctx, struct peer *p, const struct way_to *by)
{
	(void)p, (void)by;
	((struct desk *)ctx)->heard++;
}

static void on_session(void *ctx, struct peer *p, bool up)
{
	struct desk *k = ctx;

	(void)p;
	k->ups += up;
	k->downs += !up;
}

static void on_step(void *ctx, const struct peer *p, enum device_step step, const struct way_to *by)
{
	assert_non_null(p);
	assert_true((by == NULL) == (step == DEV_GAVE_UP));
	((struct desk *)ctx)->steps[step]++;
}

static void dice(void *ctx, void *out, size_t n)
{
	struct desk *k = ctx;
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++) {
		k->rng = k->rng * UINT64_C(6364136223846793005) + 1442695040888963407;
		p[i] = (uint8_t)(k->rng >> 56);
	}
}

static ns_t real_time(void *ctx)
{
	(void)ctx;
	return 1767225600 * SEC;
}

static void desk_open(struct desk *k, uint8_t key)
{
	const struct device_ops ops = {
		.ctx = k,
		.send = on_send,
		.send_keepalive = on_keepalive,
		.flush_staged = on_flush,
		.drop_staged = on_drop,
		.retire_keypair = on_retire_keypair,
		.retire_way = on_retire_way,
		.retire_peer = on_retire_peer,
		.want_way = on_want_way,
		.heard = on_heard,
		.session_changed = on_session,
		.step = on_step,
		.entropy = dice,
		.real_time = real_time,
	};
	uint8_t priv[32];
	const struct device_config cfg = {.private_key = priv};

	memset(priv, key, sizeof(priv));
	assert_int_equal(device_new(&cfg, &ops, &k->d), TM_OK);
}

static void key_of(uint8_t n, uint8_t ret_pub[static 32])
{
	uint8_t priv[32];

	memset(priv, n, sizeof(priv));
	assert_int_equal(dh_public(priv, ret_pub), TM_OK);
}

static struct peer *add(struct desk *k, uint8_t n)
{
	struct peer *p = NULL;
	uint8_t pub[32];

	key_of(n, pub);
	assert_int_equal(device_peer_add(k->d, pub, no_psk, &p), TM_OK);
	return p;
}

static int set_up(void **state)
{
	struct desk *k = calloc(1, sizeof(*k));

	if (!k || crypto_init(NULL) < 0)
		return -1;
	desk_open(k, 1);
	*state = k;
	return 0;
}

static int tear_down(void **state)
{
	struct desk *k = *state;

	device_free(k->d);
	free(k);
	return 0;
}

static void a_peer_is_known_once_and_never_ourselves_or_a_weak_key(void **state)
{
	static const uint8_t weak[32] = {1};
	struct desk *k = *state;
	struct peer *p = add(k, 2), *q = NULL;
	uint8_t pub[32];

	assert_int_equal(device_peer_add(k->d, p->key, no_psk, &q), TM_EEXIST);
	assert_int_equal(device_peer_add(k->d, weak, no_psk, &q), TM_EINVAL);
	key_of(1, pub);
	assert_int_equal(device_peer_add(k->d, pub, no_psk, &q), TM_EINVAL);
	assert_null(q);
	assert_int_equal(device_peer_count(k->d), 1);
	assert_ptr_equal(device_peer_find(k->d, p->key), p);
	assert_null(device_peer_find(k->d, pub));
}

static void removal_retires_everything_and_forgets_the_key(void **state)
{
	struct desk *k = *state;
	struct peer *p = add(k, 2);
	uint8_t pub[32];

	memcpy(pub, p->key, sizeof(pub));
	assert_int_equal(device_peer_set_way(k->d, p, &(struct way_to){.remote = there}, 1000 * SEC), TM_OK);
	device_want_session(k->d, p, 1000 * SEC);
	assert_int_equal(k->sent, 1);
	assert_non_null(index_owner(device_index(k->d), p->hs.index));
	device_peer_remove(k->d, p);
	assert_int_equal(k->peers, 1);
	assert_int_equal(k->ways, 1);
	assert_int_equal(k->dropped, 1);
	assert_null(device_peer_find(k->d, pub));
	assert_int_equal(device_peer_count(k->d), 0);
	assert_true(device_run(k->d, 2000 * SEC) == NS_NEVER);
	assert_int_equal(k->sent, 1);
}

static void a_path_chooser_may_answer_from_inside_the_question(void **state)
{
	struct desk *k = *state;
	struct peer *p = add(k, 2);
	ns_t next;

	device_want_session(k->d, p, 1000 * SEC);
	assert_int_equal(k->want_way, 1);
	next = device_run(k->d, 1005 * SEC + 340 * MS);
	assert_int_equal(k->want_way, 2);
	assert_int_equal(k->sent, 0);
	device_run(k->d, next);
	assert_int_equal(k->want_way, 3);
	assert_int_equal(k->sent, 1);
	assert_true(endpoint_eq(&k->last_by.remote, &there));
}

static void an_unchanged_way_is_not_replaced(void **state)
{
	struct desk *k = *state;
	struct peer *p = add(k, 2);
	struct way_to to = {.remote = there, .local = {IP_V4, {10, 0, 0, 1}}, .local_ifindex = 2};

	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(device_peer_set_way(k->d, p, &to, 1000 * SEC), TM_OK);
	to.local_ifindex = 3; /* the address says it all */
	assert_int_equal(device_peer_set_way(k->d, p, &to, 1000 * SEC), TM_OK);
	assert_int_equal(k->ways, 0);
	to.socket = 1;
	assert_int_equal(device_peer_set_way(k->d, p, &to, 1000 * SEC), TM_OK);
	assert_int_equal(k->ways, 1);
	assert_int_equal(device_peer_set_way(k->d, p, NULL, 1000 * SEC), TM_OK);
	assert_int_equal(k->ways, 2);
	assert_null(atomic_load(&p->way));
}

static void what_comes_from_elsewhere_moves_only_a_peer_that_follows(void **state)
{
	const struct way_to elsewhere = {.remote = {.ip = {IP_V4, {198, 51, 100, 9}}, .port = 9}};
	struct desk *k = *state;
	struct peer *p = add(k, 2);

	assert_int_equal(device_peer_set_way(k->d, p, &(struct way_to){.remote = there}, 1000 * SEC), TM_OK);
	for (unsigned i = 0; i < 100; i++) {
		const struct way_to by[] = {{.remote = there}, elsewhere};

		atomic_store(&p->heard_pending, true);
		device_heard(k->d, p, &by[i % 2], 1000 * SEC + i * MS);
		assert_false(atomic_load(&p->heard_pending));
		assert_true(endpoint_eq(&atomic_load(&p->way)->to.remote, &there));
	}
	assert_int_equal(k->heard, 50);
	assert_int_equal(k->ways, 0);
	assert_true(atomic_load(&p->last_way_recv) == 1000 * SEC + 98 * MS);
	assert_true(atomic_load(&p->heard_again) == 1000 * SEC + 99 * MS + DEVICE_HEARD_EVERY);

	/* Only what leads elsewhere makes the next report due at once. */
	struct way_to to = {.remote = there, .local = {IP_V4, {10, 0, 0, 1}}};
	assert_int_equal(device_peer_set_way(k->d, p, &to, 1001 * SEC), TM_OK);
	assert_true(atomic_load(&p->heard_again) > 0);
	to.remote.port++;
	assert_int_equal(device_peer_set_way(k->d, p, &to, 1001 * SEC), TM_OK);
	assert_true(atomic_load(&p->heard_again) == 0);
	assert_int_equal(k->ways, 2);

	p->follows = true;
	device_heard(k->d, p, &elsewhere, 1001 * SEC);
	assert_int_equal(k->heard, 50);
	assert_int_equal(k->ways, 3);
	assert_true(way_to_eq(&atomic_load(&p->way)->to, &elsewhere));
}

static void a_source_address_that_fails_is_forgotten_and_the_way_leads_where_it_did(void **state)
{
	struct desk *k = *state;
	struct peer *p = add(k, 2);
	const struct way_to to = {.remote = there, .local = {IP_V4, {10, 0, 0, 1}}};

	device_peer_unstick(k->d, p, 1000 * SEC); /* no way, no source */
	assert_int_equal(device_peer_set_way(k->d, p, &to, 1000 * SEC), TM_OK);
	atomic_store(&p->heard_pending, true);
	for (unsigned i = 0; i < 3; i++)
		device_peer_unstick(k->d, p, 1000 * SEC);
	assert_int_equal(k->ways, 1);
	assert_false(atomic_load(&p->heard_pending));
	assert_true(way_to_eq(&atomic_load(&p->way)->to, &(struct way_to){.remote = there}));
}

static void what_leaves_by_two_ways_forgets_the_source_of_both(void **state)
{
	struct desk *k = *state;
	struct peer *p = add(k, 2);
	const struct way_to to = {.remote = there, .local = {IP_V4, {10, 0, 0, 1}}};
	const struct endpoint relay = {.ip = {IP_V4, {198, 51, 100, 9}}, .port = 9};
	const struct way_to also = {.remote = relay, .local = {IP_V4, {10, 0, 0, 1}}};

	assert_int_equal(device_peer_set_way(k->d, p, &to, 1000 * SEC), TM_OK);
	assert_int_equal(device_peer_set_also(k->d, p, &also), TM_OK);
	device_peer_unstick(k->d, p, 1000 * SEC);
	assert_true(way_to_eq(&atomic_load(&p->way)->to, &(struct way_to){.remote = there}));
	assert_true(way_to_eq(&atomic_load(&p->also)->to, &(struct way_to){.remote = relay}));
}

/* Two devices whose messages the test carries over itself. */
static void connect_pair(struct desk *a, struct peer *pa, struct desk *b, ns_t now)
{
	assert_int_equal(device_peer_set_way(a->d, pa, &(struct way_to){.remote = there}, now), TM_OK);
	device_want_session(a->d, pa, now);
	assert_int_equal(
		device_receive(b->d, now, &(struct way_to){.remote = there}, a->last, a->last_n, 0), DEV_OK);
	assert_int_equal(
		device_receive(a->d, now, &(struct way_to){.remote = there}, b->last, b->last_n, 0), DEV_OK);
}

static void armed_is_cleared_when_nothing_is_pending_and_kept_when_something_is(void **state)
{
	struct desk *a = *state, b = {.rng = 2};
	struct peer *pa = add(a, 2), *pb;
	ns_t now = 1000 * SEC;

	desk_open(&b, 2);
	pb = add(&b, 1);
	connect_pair(a, pa, &b, now);
	assert_int_equal(a->keepalives, 1);
	device_confirmed(b.d, pb, pb->keys_next, now);
	assert_int_equal(b.ups, 1);

	atomic_store(&pa->armed, true);
	device_observe(a->d, pa, now);
	assert_false(atomic_load(&pa->armed));

	/* A worker sent data at now: the device looks again within 10 s, because data might arrive that
	 * starts that wait. */
	atomic_store(&pa->data_sent_unanswered, now);
	atomic_store(&pa->armed, true);
	device_observe(a->d, pa, now);
	assert_true(atomic_load(&pa->armed));
	assert_true(device_run(a->d, now) <= now + 10 * SEC);
	atomic_store(&pa->data_sent_unanswered, 0);
	atomic_store(&pa->data_recv_unacked, now + 1 * MS);
	device_run(a->d, now + 10 * SEC);
	assert_int_equal(a->keepalives, 1);
	device_run(a->d, now + 10 * SEC + 1 * MS);
	assert_int_equal(a->keepalives, 2);
	assert_false(atomic_load(&pa->armed));
	device_free(b.d);
}

struct race {
	struct peer *p;
	_Atomic(unsigned) events; /* posted */
	_Atomic(bool) stop;
};

static void *worker(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->stop)) {
		ns_t nothing = 0;

		if (atomic_compare_exchange_strong(&r->p->data_sent_unanswered, &nothing, 1000 * SEC) &&
			!atomic_exchange(&r->p->armed, true))
			atomic_fetch_add(&r->events, 1);
	}
	return NULL;
}

/* Whatever the interleaving: a time that a worker left behind is either watched by a deadline or announced by
 * an event. */
static void no_wake_up_is_lost_between_workers_and_the_control_thread(void **state)
{
	struct desk *k = *state;
	struct race r = {.p = add(k, 2)};
	unsigned handled = 0;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, worker, &r), 0);
	for (unsigned i = 0; i < 20000; i++) {
		handled = atomic_load(&r.events);
		device_observe(k->d, r.p, 1000 * SEC);
		if (i % 2)
			atomic_store(&r.p->data_sent_unanswered, 0);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	/* All quiet now: what did the last worker leave behind? */
	if (atomic_load(&r.p->data_sent_unanswered) && atomic_load(&r.events) == handled)
		assert_true(device_run(k->d, 1000 * SEC) <= 1000 * SEC + 10 * SEC);
}

static void impossible_messages_are_malformed(void **state)
{
	struct desk *k = *state;
	uint8_t msg[256] = {0};

	for (unsigned type = 0; type < 8; type++) {
		for (size_t n = 0; n <= sizeof(msg); n++) {
			enum device_verdict v;

			msg[0] = (uint8_t)type;
			v = device_receive(k->d, 1000 * SEC, &(struct way_to){.remote = there}, msg, n, 0);
			assert_true(v == DEV_MALFORMED || v == DEV_BAD_MAC1 || v == DEV_NO_HANDSHAKE ||
				    v == DEV_BAD_COOKIE);
		}
	}
	assert_int_equal(k->sent, 0);
}

/* Counts what handshakes cost: the linker puts this in front of crypto/dh.c's. */
static unsigned exchanges;
int __real_dh_key_exchange(
	const struct dh_key *k, const uint8_t pub[static 32], uint8_t ret_shared[static 32]);
int __wrap_dh_key_exchange(
	const struct dh_key *k, const uint8_t pub[static 32], uint8_t ret_shared[static 32]);

int __wrap_dh_key_exchange(
	const struct dh_key *k, const uint8_t pub[static 32], uint8_t ret_shared[static 32])
{
	exchanges++;
	return __real_dh_key_exchange(k, pub, ret_shared);
}

static void a_stranger_costs_one_diffie_hellman_and_a_peer_three_or_four_the_first_time(void **state)
{
	struct desk *a = *state, b = {.rng = 2};
	struct peer *pa = add(a, 2);
	ns_t now = 1000 * SEC;

	desk_open(&b, 2);
	assert_int_equal(device_peer_set_way(a->d, pa, &(struct way_to){.remote = there}, now), TM_OK);
	device_want_session(a->d, pa, now);
	exchanges = 0;
	assert_int_equal(device_receive(b.d, now, &(struct way_to){.remote = there}, a->last, a->last_n, 0),
		DEV_UNKNOWN_PEER);
	assert_int_equal(exchanges, 1); /* es */
	exchanges = 0;
	add(&b, 1);
	assert_int_equal(exchanges, 0);
	assert_int_equal(
		device_receive(b.d, now, &(struct way_to){.remote = there}, a->last, a->last_n, 0), DEV_OK);
	assert_int_equal(exchanges, 4); /* es, ss, ee, se */
	exchanges = 0;
	assert_int_equal(device_receive(b.d, now, &(struct way_to){.remote = there}, a->last, a->last_n, 0),
		DEV_OLD_TIMESTAMP);
	assert_int_equal(exchanges, 1);
	now += 200 * SEC; /* renewal */
	device_run(a->d, now);
	device_want_session(a->d, pa, now);
	exchanges = 0;
	assert_int_equal(
		device_receive(b.d, now, &(struct way_to){.remote = there}, a->last, a->last_n, 0), DEV_OK);
	assert_int_equal(exchanges, 3); /* ss is known */
	device_free(b.d);
}

static void a_handshake_tells_its_steps(void **state)
{
	const struct way_to way = {.remote = there};
	struct desk *k = *state, other = {0};
	struct peer *p = add(k, 2), *q;
	ns_t now = 1000 * SEC;

	desk_open(&other, 2);
	q = add(&other, 1);
	assert_int_equal(device_peer_set_way(k->d, p, &way, now), TM_OK);
	assert_int_equal(device_peer_set_way(other.d, q, &way, now), TM_OK);
	device_want_session(other.d, q, now);
	assert_int_equal(other.steps[DEV_ASKED], 1);
	assert_int_equal(device_receive(k->d, now, &way, other.last, other.last_n, 0), DEV_OK);
	assert_int_equal(k->steps[DEV_ANSWERED], 1);
	while (now < 1200 * SEC) { /* and the answer is lost, again and again */
		ns_t next = device_run(other.d, now);

		now = ns_min(MAX(next, now + MS), 1200 * SEC);
	}
	assert_int_equal(other.steps[DEV_ASKED], other.sent);
	assert_in_range(other.sent, 10, 25);
	assert_int_equal(other.steps[DEV_GAVE_UP], 1);
	device_free(other.d);
}

static void a_worker_that_staged_too_late_is_served_when_it_asks(void **state)
{
	struct desk *a = *state, b = {.rng = 2};
	struct peer *pa = add(a, 2);
	unsigned flushed;

	desk_open(&b, 2);
	add(&b, 1);
	connect_pair(a, pa, &b, 1000 * SEC);
	flushed = a->flushed;
	device_want_session(a->d, pa, 1001 * SEC);
	assert_int_equal(a->flushed, flushed + 1);
	assert_int_equal(a->sent, 1); /* no second initiation: the session is fresh */
	device_free(b.d);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_peer_is_known_once_and_never_ourselves_or_a_weak_key),
		CASE(removal_retires_everything_and_forgets_the_key),
		CASE(a_path_chooser_may_answer_from_inside_the_question),
		CASE(an_unchanged_way_is_not_replaced),
		CASE(what_comes_from_elsewhere_moves_only_a_peer_that_follows),
		CASE(a_source_address_that_fails_is_forgotten_and_the_way_leads_where_it_did),
		CASE(what_leaves_by_two_ways_forgets_the_source_of_both),
		CASE(armed_is_cleared_when_nothing_is_pending_and_kept_when_something_is),
		CASE(no_wake_up_is_lost_between_workers_and_the_control_thread),
		CASE(impossible_messages_are_malformed),
		CASE(a_stranger_costs_one_diffie_hellman_and_a_peer_three_or_four_the_first_time),
		CASE(a_handshake_tells_its_steps),
		CASE(a_worker_that_staged_too_late_is_served_when_it_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
