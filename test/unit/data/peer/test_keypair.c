/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/keypair.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct keypair *fresh(const struct wg_limits *l, bool initiator)
{
	struct keypair *kp = NULL;

	assert_int_equal(keypair_new(&kp), TM_OK);
	kp->limits = l;
	kp->created = 1000 * SEC;
	kp->initiator = initiator;
	return kp;
}

static void a_session_ends_after_180_seconds_both_ways(void **state)
{
	static const struct {
		ns_t age;
		int err;
	} rows[] = {
		{0, TM_OK}, {179 * SEC, TM_OK}, {180 * SEC - 1, TM_OK}, {180 * SEC, TM_EEXPIRED},
		{999 * SEC, TM_EEXPIRED}, {-5 * MS, TM_OK}, /* a worker's clock reading from just before */
	};
	_cleanup_(keypair_freep) struct keypair *kp = fresh(&wg_limits_default, true);
	uint64_t first;
	bool renew;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(
			keypair_send_reserve(kp, kp->created + rows[i].age, 1, &first, &renew), rows[i].err);
		assert_int_equal(keypair_recv_check(kp, kp->created + rows[i].age, 5), rows[i].err);
	}
}

static void a_dead_session_neither_sends_nor_receives(void **state)
{
	_cleanup_(keypair_freep) struct keypair *kp = fresh(&wg_limits_default, true);
	uint64_t first;
	bool renew;

	(void)state;
	atomic_store(&kp->dead, true);
	assert_int_equal(keypair_send_reserve(kp, kp->created, 1, &first, &renew), TM_EEXPIRED);
	assert_int_equal(keypair_recv_check(kp, kp->created, 0), TM_EEXPIRED);
}

static void only_the_initiator_is_told_to_renew_by_age(void **state)
{
	static const struct {
		bool initiator;
		ns_t age;
		bool send, recv;
	} rows[] = {
		{true, 119 * SEC, false, false},
		{true, 120 * SEC, true, false},
		{true, 164 * SEC, true, false},
		{true, 165 * SEC, true, true},
		{false, 179 * SEC, false, false},
	};
	uint64_t first;
	bool renew;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_(keypair_freep) struct keypair *kp = fresh(&wg_limits_default, rows[i].initiator);

		assert_int_equal(
			keypair_send_reserve(kp, kp->created + rows[i].age, 1, &first, &renew), TM_OK);
		assert_int_equal(renew, rows[i].send);
		assert_int_equal(keypair_recv_wants_renewal(kp, kp->created + rows[i].age), rows[i].recv);
	}
}

static void either_side_renews_by_message_count(void **state)
{
	_cleanup_(keypair_freep) struct keypair *kp = fresh(&wg_limits_default, false);
	uint64_t first;
	bool renew;

	(void)state;
	atomic_store(&kp->send_counter, WG_REKEY_AFTER_MESSAGES - 1);
	assert_int_equal(keypair_send_reserve(kp, kp->created, 1, &first, &renew), TM_OK);
	assert_false(renew);
	assert_int_equal(keypair_send_reserve(kp, kp->created, 1, &first, &renew), TM_OK);
	assert_true(renew);
	assert_true(first == WG_REKEY_AFTER_MESSAGES);
}

static void no_counter_is_handed_out_beyond_the_limit_and_none_wraps(void **state)
{
	_cleanup_(keypair_freep) struct keypair *kp = fresh(&wg_limits_default, false);
	uint64_t first;
	bool renew;

	(void)state;
	atomic_store(&kp->send_counter, WG_REJECT_AFTER_MESSAGES - 3);
	assert_int_equal(keypair_send_reserve(kp, kp->created, 4, &first, &renew), TM_EEXPIRED);
	assert_int_equal(keypair_send_reserve(kp, kp->created, 3, &first, &renew), TM_OK);
	assert_true(first == WG_REJECT_AFTER_MESSAGES - 3);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(keypair_send_reserve(kp, kp->created, 64, &first, &renew), TM_EEXPIRED);
	assert_int_equal(keypair_recv_check(kp, kp->created, WG_REJECT_AFTER_MESSAGES), TM_EEXPIRED);
	assert_int_equal(keypair_recv_check(kp, kp->created, WG_REJECT_AFTER_MESSAGES - 1), TM_OK);
}

static void a_counter_is_marked_once_and_only_when_told(void **state)
{
	_cleanup_(keypair_freep) struct keypair *kp = fresh(&wg_limits_default, false);

	(void)state;
	assert_int_equal(keypair_recv_check(kp, kp->created, 7), TM_OK);
	assert_int_equal(keypair_recv_check(kp, kp->created, 7), TM_OK); /* checking marks nothing */
	assert_int_equal(keypair_recv_mark(kp, 7), TM_OK);
	assert_int_equal(keypair_recv_mark(kp, 7), TM_EREPLAY);
}

enum { THREADS = 4, EACH = 5000 };

struct worker {
	pthread_t thread;
	struct keypair *kp;
	uint64_t firsts[EACH];
	unsigned accepted;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	bool renew;

	for (unsigned i = 0; i < EACH; i++) {
		if (keypair_send_reserve(w->kp, w->kp->created, 3, &w->firsts[i], &renew) < 0)
			return NULL;
		w->accepted += keypair_recv_mark(w->kp, i) == TM_OK;
	}
	return NULL;
}

static void concurrent_workers_share_out_counters_and_never_accept_one_twice(void **state)
{
	static struct worker w[THREADS];
	static uint8_t taken[THREADS * EACH];
	_cleanup_(keypair_freep) struct keypair *kp = fresh(&wg_limits_default, false);
	unsigned accepted = 0;

	(void)state;
	for (size_t i = 0; i < THREADS; i++) {
		w[i].kp = kp;
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		accepted += w[i].accepted;
		for (size_t k = 0; k < EACH; k++) {
			assert_true(w[i].firsts[k] % 3 == 0 && w[i].firsts[k] / 3 < THREADS * EACH);
			assert_int_equal(taken[w[i].firsts[k] / 3]++, 0);
		}
	}
	assert_int_equal(accepted, EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_ends_after_180_seconds_both_ways),
		cmocka_unit_test(a_dead_session_neither_sends_nor_receives),
		cmocka_unit_test(only_the_initiator_is_told_to_renew_by_age),
		cmocka_unit_test(either_side_renews_by_message_count),
		cmocka_unit_test(no_counter_is_handed_out_beyond_the_limit_and_none_wraps),
		cmocka_unit_test(a_counter_is_marked_once_and_only_when_told),
		cmocka_unit_test(concurrent_workers_share_out_counters_and_never_accept_one_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
