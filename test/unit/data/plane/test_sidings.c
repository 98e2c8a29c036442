/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who sends more than a relay (host 9 of the mesh) can hand on gets a socket of his own there, and waits
 * alone. */
#include "data/plane/plane_private.h"

#include "unit/data/plane/relay_rig.h"

#include "wire/wg.h"

/* What came is what leaves, in this order; the sizes differ so that no two join. */
static void torrent(size_t n)
{
	uint8_t msg[FAKE_BYTES];

	for (size_t i = 0; i < n; i++)
		fake_inject(C, R, 0, msg, message(3, 65536, i % 2 ? 300 : 200, msg));
}

static bool has_siding(void *arg)
{
	return fake_is_steered(arg);
}

static _Atomic(unsigned) clocks;

ns_t __real_time_of_thread(void);
ns_t __wrap_time_of_thread(void);

ns_t __wrap_time_of_thread(void)
{
	clocks++;
	return __real_time_of_thread();
}

/* One that is all that C has sent meanwhile. */
static bool passes_untimed(void *arg)
{
	const unsigned before = clocks;
	uint64_t packets = plane_relayed(r.plane).packets + 1;
	(void)arg;

	torrent(1);
	EXPECT_SOON(all, relayed, &packets);
	return clocks == before;
}

enum { TORRENT = 900 };

static void who_fills_a_relays_socket_gets_one_of_his_own(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	fake_fill(49); /* a burst, and the worker keeps up with it */
	torrent(TORRENT);
	expect_relayed(TORRENT);
	assert_false(fake_is_steered(C));
	fake_fill(50);
	fake_hold(FAKE_UDP); /* we did not run for a while, and nothing is lost by it */
	torrent(TORRENT);
	fake_hold(0);
	expect_relayed(2 * TORRENT);
	plane_service(r.plane, time_monotonic());
	assert_false(fake_is_steered(C));
	fake_overflow(true);
	fake_hold(FAKE_UDP);
	torrent(TORRENT);
	for (int i = 0; i < 30; i++)
		fake_inject(D, R, 0, msg, message(3, 65536, 100, msg));
	fake_hold(0);
	EXPECT_SOON(all, has_siding, (char[]){C});
	assert_false(fake_is_steered(D));
	expect_relayed(3 * TORRENT + 30);
	/* There he is served as before, and so are all others, by their own and by what he has of theirs. */
	torrent(100);
	fake_inject(D, R, 0, msg, message(3, 65536, 100, msg));
	pass(&a, &b, 4, 1, 20);
	EXPECT_SOON(all, passes_untimed, NULL);
	expect_drop(DROP_RELAY_UNPROVEN, 0);
	fake_inject(C, R, 0, msg, message(1, 2, 200, msg));
	expect_drop(DROP_RELAY_UNPROVEN, 1);
	/* Who does not relay has none. */
	assert_int_equal(plane_relay_offer(r.plane, false), TM_OK);
	assert_false(fake_is_steered(C));
	/* Nothing is led any more to where nobody reads. */
	torrent(20);
	expect_drop(DROP_RELAY_OTHERS, 20);
}

/* At once, by a stranger. */
static void rush(const char *from)
{
	uint8_t msg[FAKE_BYTES];

	fake_hold(FAKE_UDP);
	for (size_t k = 0; k < TORRENT; k++)
		fake_inject(from, R, 0, msg, message(3, 65536, k % 2 ? 300 : 200, msg));
	fake_hold(0);
}

static bool rushes_and_has_siding(void *from)
{
	rush(from);
	return has_siding(from);
}

/* The kernel counts those that are not closed yet, and would lead to another one than was said. */
static void nobody_gets_one_before_those_of_an_earlier_relay_are_gone(void **state)
{
	struct host *others[] = {&a, &b};
	uint64_t packets = 2 * TORRENT;
	(void)state;

	fake_fill(100);
	fake_overflow(true);
	rush(C);
	EXPECT_SOON(all, has_siding, (char[]){C});
	expect_relayed(TORRENT); /* a second one finds room */
	rush(D);
	EXPECT_SOON(others, relayed, &packets); /* who relays has not looked since what D wants */
	assert_int_equal(plane_relay_offer(r.plane, false), TM_OK);
	assert_int_equal(plane_relay_offer(r.plane, true), TM_OK);
	plane_service(r.plane, time_monotonic());
	assert_false(fake_is_steered(C));
	assert_false(fake_is_steered(D));
	EXPECT_SOON(all, rushes_and_has_siding, (char[]){D});
}

/* Each siding was heard at `then` and later, in the order in which they were opened, however long all of it
 * takes here. */
static void sidings_were_heard(ns_t then)
{
	for (unsigned i = 0; i < r.plane->n_sidings; i++)
		atomic_store(&r.plane->siding[i]->last, then + i * MS);
}

static void strangers_get_one_too_and_many_who_take_as_much_do_not_run_out_of_them(void **state)
{
	enum { SIDINGS = 32, MANY = SIDINGS + 2 };
	struct host *others[] = {&a, &b};
	const ns_t then = time_monotonic() + 3600 * SEC;
	char from[40];
	(void)state;

	fake_fill(100);
	fake_overflow(true);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(from, sizeof(from), "198.51.100.%u:%u", 1 + i % 40, 1000 + i);
		plane_service(r.plane, time_monotonic()); /* no older wish waits */
		rush(from);
		expect_drop(DROP_RELAY_UNPROVEN, (i + 1) * (uint64_t)TORRENT);
		if (i < SIDINGS)
			EXPECT_SOON(all, has_siding, from);
		else
			assert_false(fake_is_steered(from)); /* until another has been silent for a while */
		sidings_were_heard(then);
	}
	assert_false(fake_is_steered(A));
	pass(&a, &b, 4, 1, 20);
	pass(&b, &a, 4, 2, 20);
	/* It is, and the first that had one was so the longest. */
	for (unsigned i = 0; i < 2; i++) {
		plane_service(r.plane, time_monotonic());
		rush(from);
		expect_drops(others, ARRAY_LEN(others), &r, DROP_RELAY_UNPROVEN,
			(MANY + 1 + i) * (uint64_t)TORRENT);
		assert_false(fake_is_steered(from));
		plane_service(r.plane, then + (i ? 11 : 9) * SEC);
	}
	assert_true(fake_is_steered(from));
	assert_false(fake_is_steered("198.51.100.1:1000"));
	assert_true(fake_is_steered("198.51.100.2:1001"));
}

static void a_node_that_relays_nothing_gives_nobody_a_socket(void **state)
{
	(void)state;

	assert_int_equal(plane_relay_offer(r.plane, false), TM_OK);
	fake_fill(100);
	fake_overflow(true);
	torrent(TORRENT);
	expect_drop(DROP_RELAY_OTHERS, TORRENT);
	assert_false(fake_is_steered(C));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, relaying_set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(who_fills_a_relays_socket_gets_one_of_his_own),
		CASE(nobody_gets_one_before_those_of_an_earlier_relay_are_gone),
		CASE(strangers_get_one_too_and_many_who_take_as_much_do_not_run_out_of_them),
		CASE(a_node_that_relays_nothing_gives_nobody_a_socket),
	};

	return cmocka_run_group_tests_name("data/plane/sidings", tests, NULL, NULL);
}
