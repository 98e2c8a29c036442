/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "data/plane/drops.h"
#include "data/plane/event.h"
#include "data/plane/offloads.h"
#include "data/plane/snapshot.h"
#include "data/plane/staging.h"

#include <poll.h>
#include <pthread.h>

static void every_drop_has_a_label_of_its_own_and_a_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < DROP_N; i++) {
		const char *label = plane_drop_label((enum plane_drop)i);

		assert_non_null(label);
		assert_true(strlen(plane_drop_text((enum plane_drop)i)) > 10);
		assert_int_equal(strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(label));
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(label, plane_drop_label((enum plane_drop)k));
	}
}

static bool readable(int fd)
{
	struct pollfd pf = {.fd = fd, .events = POLLIN};

	return poll(&pf, 1, 0) == 1;
}

static void events_arrive_in_order_and_wake_once(void **state)
{
	struct event_queue q;
	struct event e = {.kind = EVENT_STUN, .n = 3}, got;
	(void)state;

	assert_int_equal(event_queue_init(&q), TM_OK);
	assert_false(readable(bell_fd(&q.bell)));
	for (uint8_t i = 0; i < 5; i++) {
		e.bytes[0] = i;
		assert_true(event_post(&q, &e));
	}
	assert_int_equal(event_waiting(&q, EVENT_STUN), 5);
	assert_true(readable(bell_fd(&q.bell)));

	event_acknowledge(&q);
	assert_false(readable(bell_fd(&q.bell)));
	for (uint8_t i = 0; i < 5; i++) {
		assert_true(event_take(&q, &got));
		assert_int_equal(got.kind, EVENT_STUN);
		assert_int_equal(got.n, 3);
		assert_int_equal(got.bytes[0], i);
	}
	assert_false(event_take(&q, &got));

	assert_true(event_post(&q, &e));
	assert_true(readable(bell_fd(&q.bell)));
	event_queue_deinit(&q);
}

static void a_flood_of_one_kind_leaves_room_for_every_other(void **state)
{
	(void)state;
	for (uint8_t flood = 0; flood < EVENT_N; flood++) {
		struct event_queue q;
		struct event e = {.kind = flood};

		assert_int_equal(event_queue_init(&q), TM_OK);
		for (size_t i = 0; i < event_capacity(); i++)
			(void)!event_post(&q, &e);
		assert_false(event_post(&q, &e));
		for (uint8_t k = 0; k < EVENT_N; k++) {
			e.kind = k;
			if (k != flood && !event_post(&q, &e))
				fail_msg("kind %u starves kind %u", flood, k);
		}
		event_queue_deinit(&q);
	}
}

static void all_shares_together_fit_into_the_ring(void **state)
{
	struct event_queue q;
	struct event e = {0}, got;
	size_t posted = 0;
	(void)state;

	assert_int_equal(event_queue_init(&q), TM_OK);
	for (uint8_t k = 0; k < EVENT_N; k++) {
		e.kind = k;
		while (event_post(&q, &e))
			posted++;
	}
	assert_int_equal(posted, event_capacity());
	while (event_take(&q, &got))
		posted--;
	assert_int_equal(posted, 0);
	event_queue_deinit(&q);
}

static void a_full_staging_queue_gives_up_its_oldest(void **state)
{
	struct staging s = {0};
	struct staged_queue q;
	uint8_t packet[4] = {0};
	(void)state;

	staged_queue_init(&q);
	for (unsigned i = 0; i < STAGED_PER_PEER + 10; i++) {
		put_be32(packet, i);

		struct staged *oldest =
			staged_queue_push(&q, staged_new(&s, NULL, packet, sizeof(packet), true));
		if (i < STAGED_PER_PEER) {
			assert_null(oldest);
			continue;
		}
		assert_int_equal(get_be32(staged_packet(oldest)), i - STAGED_PER_PEER);
		staged_free(oldest);
	}
	assert_int_equal(q.n, STAGED_PER_PEER);
	for (unsigned i = 10; i < STAGED_PER_PEER + 10; i++) {
		struct staged *st = staged_queue_pop(&q);

		assert_int_equal(get_be32(staged_packet(st)), i);
		staged_free(st);
	}
	assert_null(staged_queue_pop(&q));
	assert_int_equal(atomic_load(&s.total), 0);
}

static void staging_is_bounded_in_total(void **state)
{
	static struct staged *all[STAGED_TOTAL];
	struct staging s = {0};
	uint8_t packet[1] = {0};
	(void)state;

	for (size_t i = 0; i < STAGED_TOTAL; i++)
		assert_non_null(all[i] = staged_new(&s, NULL, packet, 1, true));
	assert_null(staged_new(&s, NULL, packet, 1, true));
	staged_free(all[0]);
	assert_non_null(all[0] = staged_new(&s, NULL, packet, 1, true));
	for (size_t i = 0; i < STAGED_TOTAL; i++)
		staged_free(all[i]);
	assert_int_equal(atomic_load(&s.total), 0);
}

static void addresses_of_the_mesh(struct snapshot *s)
{
	assert_int_equal(ip_parse("10.77.0.1", &s->self4), TM_OK);
	assert_int_equal(ip_parse("fd77::1", &s->self6), TM_OK);
	assert_int_equal(prefix_parse("10.77.0.0/16", &s->net4), TM_OK);
	assert_int_equal(prefix_parse("fd77::/64", &s->net6), TM_OK);
}

static void addresses_inside_the_mesh_are_loops(void **state)
{
	static const struct {
		const char *ip;
		bool loops;
	} rows[] = {
		{"10.77.0.1", true},
		{"10.77.255.255", true},
		{"10.78.0.1", false},
		{"192.0.2.1", false},
		{"fd77::1", true},
		{"fd77::ffff", true},
		{"fd77:0:0:1::1", false},
		{"2001:db8::1", false},
	};
	struct snapshot s = {0};
	(void)state;

	addresses_of_the_mesh(&s);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct ip ip;

		assert_int_equal(ip_parse(rows[i].ip, &ip), TM_OK);
		if (snapshot_loops(&s, &ip) != rows[i].loops)
			fail_msg("%s", rows[i].ip);
	}
}

/* Readers follow the published pointer while the writer swaps and frees: nobody may see freed memory (thread
 * sanitizer). */
struct swap {
	struct epoch epoch;
	_Atomic(struct snapshot *) live;
	_Atomic(bool) stop;
	_Atomic(uint64_t) rounds, wrong;
	_Atomic(unsigned) next_id;
};

static void *swap_reader(void *arg)
{
	struct swap *sw = arg;
	unsigned id = atomic_fetch_add(&sw->next_id, 1);
	uint8_t packet[40] = {[0] = 0x45, [16] = 10, [17] = 77, [19] = 2};

	while (!atomic_load(&sw->stop)) {
		epoch_unpark(&sw->epoch, id);
		struct snapshot *s = atomic_load_explicit(&sw->live, memory_order_acquire);
		if (!snapshot_owner_of_dst(s, packet))
			atomic_fetch_add(&sw->wrong, 1);
		atomic_fetch_add(&sw->rounds, 1);
		epoch_park(&sw->epoch, id);
	}
	return NULL;
}

/* The live snapshot's successor, in which `to` has the prefix that `from` (or nobody) had. */
static void swap_owner(struct swap *sw, struct route_set *set, struct route *to, struct route *from)
{
	struct snapshot *old = atomic_load(&sw->live), *next;

	assert_int_equal(snapshot_new(old, &next), TM_OK);
	assert_int_equal(route_put(set, to), TM_OK);
	if (from)
		assert_int_equal(route_remove(set, from), TM_OK);
	assert_int_equal(route_commit(set, &next->routes, &old->unused), TM_OK);
	atomic_store(&sw->live, next);
	epoch_retire(&sw->epoch, &old->retired, old, snapshot_free);
	epoch_reclaim(&sw->epoch);
}

static void an_address_that_moves_has_an_owner_at_any_time(void **state)
{
	static struct swap sw;
	static char peer_a, peer_b; /* only addresses are needed */
	_cleanup_(route_set_freep) struct route_set *set = NULL;
	struct route routes[2] = {
		{.peer = (struct peer *)(void *)&peer_a}, {.peer = (struct peer *)(void *)&peer_b}};
	struct snapshot none = {0}, *s;
	pthread_t t[2];
	(void)state;

	assert_int_equal(prefix_parse("10.77.0.0/24", &routes[0].prefix), TM_OK);
	assert_int_equal(prefix_parse("10.77.0.0/24", &routes[1].prefix), TM_OK);
	route_table_init(&none.routes);
	assert_int_equal(route_set_new(&set), TM_OK);
	assert_int_equal(snapshot_new(&none, &s), TM_OK);
	epoch_init(&sw.epoch, 2);
	atomic_store(&sw.live, s);
	swap_owner(&sw, set, &routes[1], NULL);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, swap_reader, &sw), 0);
	for (unsigned i = 0; i < 2000 || atomic_load(&sw.rounds) < 2000; i++)
		swap_owner(&sw, set, &routes[i & 1], &routes[!(i & 1)]);
	atomic_store(&sw.stop, true);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		pthread_join(t[i], NULL);
	assert_int_equal(atomic_load(&sw.wrong), 0);
	assert_int_equal(epoch_reclaim(&sw.epoch), 0);
	epoch_deinit(&sw.epoch);
	snapshot_free(atomic_load(&sw.live));
}

static void every_choice_of_offloads_has_a_text_that_reads_back(void **state)
{
	char buf[PLANE_OFFLOADS_STR];
	(void)state;

	for (unsigned set = 0; set <= PLANE_OFFLOAD_ALL; set++) {
		unsigned got = ~set;

		memset(buf, '?', sizeof(buf));
		assert_ptr_equal(plane_offloads_format(set, buf), buf);
		if (set & PLANE_OFFLOAD_USO && !(set & PLANE_OFFLOAD_TUN))
			continue;
		assert_int_equal(plane_offloads_parse(buf, &got), TM_OK);
		assert_int_equal(got, set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_drop_has_a_label_of_its_own_and_a_text),
		cmocka_unit_test(events_arrive_in_order_and_wake_once),
		cmocka_unit_test(a_flood_of_one_kind_leaves_room_for_every_other),
		cmocka_unit_test(all_shares_together_fit_into_the_ring),
		cmocka_unit_test(a_full_staging_queue_gives_up_its_oldest),
		cmocka_unit_test(staging_is_bounded_in_total),
		cmocka_unit_test(addresses_inside_the_mesh_are_loops),
		cmocka_unit_test(an_address_that_moves_has_an_owner_at_any_time),
		cmocka_unit_test(every_choice_of_offloads_has_a_text_that_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
