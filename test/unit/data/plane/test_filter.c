/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a filter is asked, and what becomes of the packets that it does not let pass. */
#include "unit/data/plane/rig.h"

#include "data/filter/filter.h"
#include "packet/icmp.h"

#include <stdatomic.h>

static struct host a, b;
static struct host *hosts[] = {&a, &b};

/* A filter that says the same to all UDP packets with this source port (the serial number of packet_make) or
 * any TCP, and notes what it was asked last. Alone on a worker. */
struct fake {
	struct filter filter;
	enum verdict verdict;
	uint16_t about; /* 0: everything */
	struct filter_question last;
	uint16_t sport;
	_Atomic(unsigned) asked;
	unsigned *freed;
};

static enum verdict fake_judge(const struct filter *f, const struct filter_question *q)
{
	struct fake *fake = (struct fake *)(uintptr_t)f;

	fake->last = *q;
	fake->sport = q->packet->sport;
	atomic_fetch_add(&fake->asked, 1);
	return !fake->about || fake->about == q->packet->sport ? fake->verdict : VERDICT_PASS;
}

static void fake_free(struct filter *f)
{
	struct fake *fake = (struct fake *)f;

	++*fake->freed;
	free(fake);
}

static unsigned freed;

static struct fake *filter_set(struct host *h, enum verdict verdict, uint16_t about)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	fake->filter = (struct filter){.judge = fake_judge, .free = fake_free};
	fake->verdict = verdict;
	fake->about = about;
	fake->freed = &freed;
	assert_int_equal(plane_set_filter(h->plane, &fake->filter), TM_OK);
	return fake;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	a = b = (struct host){0};
	freed = 0;
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	rig_warm(&a, &b);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	host_stop(&a);
	host_stop(&b);
	return 0;
}

static void send_from(const struct host *h, const uint8_t *p, size_t n)
{
	fake_tun_send(plane_tun_name(h->plane), p, n);
}

/* A SYN of `from` to `to`. */
static size_t syn_make(unsigned from, unsigned to, uint8_t *out)
{
	size_t n = packet_make(4, from, to, 50000, 12, out);

	assert_int_equal(n, 40);
	memset(out + 20, 0, 20);
	out[9] = PROTO_TCP;
	put_be16(out + 20, 50000);
	put_be16(out + 22, 22);
	put_be32(out + 24, 1000);
	out[32] = 0x50;
	out[33] = TCP_SYN;
	return n;
}

static void a_filter_is_asked_once_in_each_direction_with_the_facts_of_the_peer(void **state)
{
	struct fake *at_a = filter_set(&a, VERDICT_PASS, 0), *at_b = filter_set(&b, VERDICT_PASS, 0);
	uint8_t p[200], got[2048];
	(void)state;

	size_t n = packet_make(4, 1, 2, 4711, 100, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);

	assert_int_equal(at_a->asked, 1);
	assert_int_equal(at_a->last.dir, FILTER_EGRESS);
	assert_int_equal(at_a->last.peer, 1002);
	assert_int_equal(at_a->last.tags, 1u << 2);
	assert_int_equal(at_b->asked, 1);
	assert_int_equal(at_b->last.dir, FILTER_INGRESS);
	assert_int_equal(at_b->last.peer, 1001);
	assert_int_equal(at_b->last.tags, 1u << 1);
	assert_int_equal(at_a->sport, 4711);
	assert_int_equal(at_b->sport, 4711);
	assert_true(at_a->last.now > 0 && at_b->last.now > 0);
}

static void a_dropped_packet_is_counted_and_nobody_hears_of_it(void **state)
{
	uint8_t p[200], got[2048];
	(void)state;

	filter_set(&a, VERDICT_DROP, 1);
	filter_set(&b, VERDICT_DROP, 2);
	size_t n = packet_make(4, 1, 2, 1, 100, p);
	send_from(&a, p, n);
	n = packet_make(4, 1, 2, 2, 100, p);
	send_from(&a, p, n);
	n = packet_make(4, 1, 2, 3, 100, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);
	assert_int_equal(packet_serial(got), 3);
	expect_drops(hosts, 2, &a, DROP_FILTERED, 1);
	expect_drops(hosts, 2, &b, DROP_FILTERED, 1);
	assert_int_equal(fake_tun_recv(plane_tun_name(a.plane), got, sizeof(got)), 0);
}

static void a_rejected_packet_of_our_own_is_answered_at_once(void **state)
{
	uint8_t p[200], got[2048];
	(void)state;

	filter_set(&a, VERDICT_REJECT, 0);
	size_t n = packet_make(6, 1, 2, 1, 100, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &a, got), 40 + 8 + n);
	assert_int_equal(got[6], PROTO_ICMP6);
	assert_int_equal(get_be16(got + 40), 0x0101);

	n = syn_make(1, 2, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &a, got), 40);
	assert_memory_equal(got + 12, p + 16, 4); /* in the name of the destination */
	assert_memory_equal(got + 16, p + 12, 4);
	assert_int_equal(got[20 + 13], TCP_RST | TCP_ACK);
	expect_drops(hosts, 2, &a, DROP_REJECTED, 2);
}

static void a_rejected_packet_of_a_peer_is_answered_through_the_tunnel(void **state)
{
	uint8_t p[200], got[2048];
	(void)state;

	filter_set(&b, VERDICT_REJECT, 0);
	size_t n = packet_make(4, 1, 2, 1, 100, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &a, got), 20 + 8 + n);
	assert_int_equal(got[9], PROTO_ICMP);
	assert_int_equal(get_be16(got + 20), 0x030d);
	assert_memory_equal(got + 28, p, n);

	n = syn_make(1, 2, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &a, got), 40);
	assert_int_equal(got[20 + 13], TCP_RST | TCP_ACK);
	expect_drops(hosts, 2, &b, DROP_REJECTED, 2);
	assert_int_equal(fake_tun_recv(plane_tun_name(b.plane), got, sizeof(got)), 0);
}

static void rejections_are_answered_no_faster_than_other_errors(void **state)
{
	enum { MANY = 400 };
	uint8_t p[200], got[2048];
	unsigned answers = 0;
	(void)state;

	filter_set(&a, VERDICT_REJECT, 0);
	fake_hold(FAKE_TUNS);
	size_t n = packet_make(4, 1, 2, 1, 100, p);
	for (unsigned i = 0; i < MANY; i++)
		send_from(&a, p, n);
	fake_hold(0);
	expect_drops(hosts, 2, &a, DROP_REJECTED, MANY);
	while (fake_tun_recv(plane_tun_name(a.plane), got, sizeof(got)))
		answers++;
	/* A second may have passed meanwhile. */
	assert_in_range(answers, 100, 200);
}

static void each_publication_has_a_greater_generation(void **state)
{
	struct fake *f = filter_set(&a, VERDICT_PASS, 0);
	uint8_t p[200], got[2048];
	uint64_t before;
	(void)state;

	size_t n = packet_make(4, 1, 2, 1, 100, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);
	before = f->last.generation;
	assert_true(before > 0);

	/* New peers, same filter. */
	host_peers(&a, &(struct peering){.with = &b, .extra = "10.9.0.0/16"}, 1);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);
	assert_true(f->last.generation > before);
	before = f->last.generation;

	f = filter_set(&a, VERDICT_PASS, 0);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);
	assert_true(f->last.generation > before);
}

static bool one_freed(void *arg)
{
	(void)arg;
	return freed == 1;
}

static void a_filter_is_freed_once_after_the_last_snapshot_that_carried_it(void **state)
{
	(void)state;

	filter_set(&a, VERDICT_PASS, 0);
	host_peers(&a, &(struct peering){.with = &b, .extra = "10.9.0.0/16"}, 1);
	host_peers(&a, &(struct peering){.with = &b}, 1);
	assert_int_equal(freed, 0);
	filter_set(&a, VERDICT_PASS, 0);
	assert_true(rig_until(hosts, 2, one_freed, NULL));
	assert_int_equal(plane_set_filter(a.plane, NULL), TM_OK);
	host_stop(&a);
	assert_int_equal(freed, 2);
	host_start(&a, 1);
	filter_set(&a, VERDICT_PASS, 0);
	host_stop(&a);
	assert_int_equal(freed, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_filter_is_asked_once_in_each_direction_with_the_facts_of_the_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_dropped_packet_is_counted_and_nobody_hears_of_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_rejected_packet_of_our_own_is_answered_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_rejected_packet_of_a_peer_is_answered_through_the_tunnel, setup, teardown),
		cmocka_unit_test_setup_teardown(
			rejections_are_answered_no_faster_than_other_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(each_publication_has_a_greater_generation, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_filter_is_freed_once_after_the_last_snapshot_that_carried_it, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
