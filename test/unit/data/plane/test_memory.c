/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every allocation fails once, one after the other: nothing leaks (the sanitizer says), nothing is half done.
 */
#include "fake/proc.h"
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "crypto/init.h"
#include "fake/alloc.h"
#include "wire/wg.h"

enum { ALLOCATIONS_MAX = 500 };

static int plane_open(unsigned workers, const uint8_t *key, struct plane **ret_plane, struct diag *d)
{
	const struct plane_config cfg = {
		.tun_name = "tm9", .mtu = RIG_MTU, .workers = workers, .private_key = key};
	const struct plane_events ev = {0};

	return plane_new(&cfg, &ev, ret_plane, d);
}

static void a_plane_without_memory_for_any_one_thing_does_not_open_and_leaks_nothing(void **state)
{
	unsigned before = proc_count("/proc/self/fd"), n = 1;
	static const uint8_t key[32] = {8, [31] = 64};
	struct plane *p = NULL;
	(void)state;

	fake_reset();
	for (;; n++) {
		struct diag d = {0};

		fake_alloc_fail(n);
		int err = plane_open(3, key, &p, &d);
		bool failed = fake_alloc_failed();
		fake_alloc_fail(0);
		if (!failed) {
			assert_int_equal(err, TM_OK);
			break;
		}
		if (err != TM_ENOMEM || !d.what[0] || p)
			fail_msg("allocation %u: error %d, \"%s\"", n, err, d.what);
		assert_int_equal(proc_count("/proc/self/fd"), before);
		assert_true(n < ALLOCATIONS_MAX);
	}
	assert_true(n > 10);
	plane_free(p);
	assert_int_equal(proc_count("/proc/self/fd"), before);
}

static void peers_are_taken_in_all_or_not_at_all(void **state)
{
	static const uint8_t ours[32] = {8, [31] = 64};
	struct plane_peer peers[40] = {0};
	struct prefix allowed[40];
	struct plane_peer_stats st;
	struct plane *p;
	unsigned n = 1;
	(void)state;

	fake_reset();
	assert_int_equal(plane_open(1, ours, &p, NULL), TM_OK);
	for (uint8_t i = 0; i < ARRAY_LEN(peers); i++) {
		random_bytes(peers[i].key, 32);
		allowed[i] = (struct prefix){.ip = ip_v4((uint8_t[]){10, 77, 0, i}), .len = 32};
		peers[i].allowed = &allowed[i];
		peers[i].n_allowed = 1;
	}
	for (;; n++) {
		fake_alloc_fail(n);
		plane_peers_begin(p);
		for (size_t i = 0; i < ARRAY_LEN(peers); i++)
			(void)!plane_peer_put(p, &peers[i]); /* commit says it again */
		int err = plane_peers_commit(p);
		bool failed = fake_alloc_failed();
		fake_alloc_fail(0);
		if (!failed)
			break;
		if (err != TM_ENOMEM)
			fail_msg("allocation %u: error %d", n, err);
		for (size_t i = 0; i < ARRAY_LEN(peers); i++)
			assert_int_equal(plane_peer_stats(p, peers[i].key, &st), TM_ENOENT);
		assert_true(n < ALLOCATIONS_MAX);
	}
	assert_true(n > ARRAY_LEN(peers));
	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		assert_int_equal(plane_peer_stats(p, peers[i].key, &st), TM_OK);
	plane_free(p);
}

/* Two prefixes move, a peer goes, one comes. */
static int change_some(struct plane *p, const struct plane_peer peers[static 4])
{
	struct plane_peer first = peers[0], second = peers[1];

	first.n_allowed = 0;
	second.allowed = peers[0].allowed;
	second.n_allowed = 2;
	plane_peers_begin(p);
	(void)!plane_peer_put(p, &first);
	(void)!plane_peer_put(p, &second);
	(void)!plane_peer_remove(p, peers[2].key);
	(void)!plane_peer_put(p, &peers[3]);
	return plane_peers_commit(p);
}

static void a_batch_without_memory_for_any_one_thing_changes_nothing(void **state)
{
	static const uint8_t ours[32] = {8, [31] = 64};
	struct plane_peer peers[4] = {0};
	struct prefix allowed[4];
	struct plane_peer_stats st;
	struct plane *p;
	unsigned n = 1;
	(void)state;

	fake_reset();
	assert_int_equal(plane_open(1, ours, &p, NULL), TM_OK);
	for (uint8_t i = 0; i < ARRAY_LEN(peers); i++) {
		random_bytes(peers[i].key, 32);
		allowed[i] = (struct prefix){.ip = ip_v4((uint8_t[]){10, 77, 0, i}), .len = 32};
		peers[i].allowed = &allowed[i];
		peers[i].n_allowed = 1;
		if (i < 3)
			assert_int_equal(plane_peer_put(p, &peers[i]), TM_OK);
	}
	for (;; n++) {
		fake_alloc_fail(n);
		int err = change_some(p, peers);
		bool failed = fake_alloc_failed();
		fake_alloc_fail(0);
		if (!failed)
			break;
		if (err != TM_ENOMEM)
			fail_msg("allocation %u: error %d", n, err);
		assert_int_equal(plane_peer_stats(p, peers[2].key, &st), TM_OK);
		assert_int_equal(plane_peer_stats(p, peers[3].key, &st), TM_ENOENT);
	}
	assert_true(n > 10);
	assert_int_equal(plane_peer_stats(p, peers[2].key, &st), TM_ENOENT);
	assert_int_equal(plane_peer_stats(p, peers[3].key, &st), TM_OK);
	assert_int_equal(plane_peers_clear(p), TM_OK);
	plane_free(p);
}

static void a_handshake_without_memory_is_counted_and_the_next_one_works(void **state)
{
	struct host a = {.limits = wg_limits_default}, b = {0};
	struct host *only_a[] = {&a};
	uint8_t p[FAKE_BYTES];
	(void)state;

	fake_reset();
	a.limits.rekey_timeout = 30 * MS;
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	size_t n = packet_make(4, 1, 2, 1, 20, p);
	fake_tun_send("tm1", p, n);
	while (!fake_last(WG_INIT, p, sizeof(p), NULL))
		plane_service(only_a[0]->plane, time_monotonic());
	while (!host_drops(&b, DROP_NO_MEMORY)) {
		fake_alloc_fail(1); /* the session's keys */
		plane_service(b.plane, time_monotonic());
		fake_alloc_fail(0);
	}
	assert_int_equal(host_drops(&b, DROP_NO_MEMORY), 1);
	assert_int_equal(expect_packet((struct host *[]){&a, &b}, 2, &b, p), n);
	host_stop(&a);
	host_stop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plane_without_memory_for_any_one_thing_does_not_open_and_leaks_nothing),
		cmocka_unit_test(peers_are_taken_in_all_or_not_at_all),
		cmocka_unit_test(a_batch_without_memory_for_any_one_thing_changes_nothing),
		cmocka_unit_test(a_handshake_without_memory_is_counted_and_the_next_one_works),
	};

	fake_alloc_spare_libcrypto();
	if (crypto_init(NULL) != TM_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
