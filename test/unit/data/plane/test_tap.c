/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looking into a tunnel: what is seen of what goes there, what is not, and that nothing else changes. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "data/filter/rules.h"
#include "data/plane/tap.h"
#include "packet/csum.h"
#include "packet/icmp.h"
#include "packet/ip.h"

static struct host a, b, c;
static struct host *hosts[] = {&a, &b, &c};

/* --- the ring by itself --- */

static struct tap_packet packet_of(const uint8_t *p, uint32_t n)
{
	return (struct tap_packet){.at = 5, .out = n & 1, .dropped = DROP_N, .n = n, .p = p};
}

static void packets_come_out_as_they_went_in_however_often_it_wraps(void **state)
{
	static uint8_t sent[TAP_PACKET_MAX], buf[TAP_PACKET_MAX];
	const uint8_t key[32] = {1};
	struct tap_packet got;
	struct tap *t;
	(void)state;

	assert_int_equal(tap_new(key, TAP_PACKET_MAX, &t), TM_OK);
	for (size_t total = 0, i = 0; total < 3 * (size_t)TAP_BYTES; i++) {
		const uint32_t n = (uint32_t)(i * 7919 % TAP_PACKET_MAX);
		const struct tap_packet p = packet_of(sent, n);

		memset(sent, (int)i, n);
		tap_put(t, &p);
		assert_true(tap_take(t, buf, &got));
		assert_true(got.n == n && got.kept == n && got.at == 5 && got.out == (n & 1) && !got.lost);
		assert_int_equal(got.dropped, DROP_N);
		assert_memory_equal(buf, sent, n);
		assert_false(tap_take(t, buf, &got));
		total += n + 1;
	}
	tap_free(t);
}

static void what_finds_no_room_is_counted_and_told_with_the_next(void **state)
{
	static uint8_t sent[60000], buf[TAP_PACKET_MAX];
	const uint8_t key[32] = {1};
	const struct tap_packet p = packet_of(sent, sizeof(sent));
	struct tap_packet got;
	struct tap *t;
	size_t in = 0;
	(void)state;

	assert_int_equal(tap_new(key, TAP_PACKET_MAX, &t), TM_OK);
	for (; !tap_lost(t); in++)
		tap_put(t, &p);
	tap_put(t, &p);
	assert_int_equal(tap_lost(t), 2);
	assert_int_equal(in - 1, TAP_BYTES / (sizeof(sent) + 32));
	for (size_t i = 1; i < in; i++) {
		assert_true(tap_take(t, buf, &got));
		assert_int_equal(got.lost, 0);
	}
	assert_false(tap_take(t, buf, &got));
	tap_put(t, &p);
	assert_true(tap_take(t, buf, &got));
	assert_int_equal(got.lost, 2);
	tap_free(t);
}

static void no_more_of_a_packet_is_kept_than_was_asked_for(void **state)
{
	uint8_t sent[100] = {0x45}, buf[TAP_PACKET_MAX];
	const uint8_t key[32] = {1};
	const struct tap_packet p = packet_of(sent, sizeof(sent));
	struct tap_packet got;
	struct tap *t;
	(void)state;

	assert_int_equal(tap_new(key, 40, &t), TM_OK);
	tap_put(t, &p);
	assert_true(tap_take(t, buf, &got));
	assert_true(got.n == 100 && got.kept == 40);
	tap_free(t);
}

/* --- in a plane --- */

static int setup(void **state)
{
	(void)state;
	fake_reset();
	a = b = c = (struct host){.offloads = PLANE_OFFLOAD_ALL};
	fake_tun_can(TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP);
	for (unsigned i = 0; i < ARRAY_LEN(hosts); i++)
		host_start(hosts[i], i + 1);
	rig_connect(&a, &b);
	rig_warm(&a, &b);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(hosts); i++)
		host_stop(hosts[i]);
	return 0;
}

static struct tap *tap_at(struct host *h, const struct host *about)
{
	struct tap *t = NULL;

	assert_int_equal(plane_tap_open(h->plane, about->pub, TAP_PACKET_MAX, &t), TM_OK);
	return t;
}

struct wanted {
	struct tap *t;
	uint8_t buf[TAP_PACKET_MAX];
	struct tap_packet got;
};

static bool is_seen(void *arg)
{
	struct wanted *w = arg;

	return tap_take(w->t, w->buf, &w->got);
}

static const struct tap_packet *expect_seen(struct tap *t)
{
	static struct wanted w;

	w.t = t;
	EXPECT_SOON(hosts, is_seen, &w);
	return &w.got;
}

static void expect_nothing_more(struct tap *t)
{
	static uint8_t buf[TAP_PACKET_MAX];
	struct tap_packet got;

	assert_false(tap_take(t, buf, &got));
	assert_int_equal(tap_lost(t), 0);
}

/* Of one host to another, and there. */
static void pass(
	const struct host *from, const struct host *to, uint16_t serial, uint8_t *ret_p, size_t *ret_n)
{
	uint8_t got[FAKE_BYTES];

	*ret_n = packet_make(4, from->i, to->i, serial, 99, ret_p);
	fake_tun_send(plane_tun_name(from->plane), ret_p, *ret_n);
	assert_int_equal(expect_packet(hosts, ARRAY_LEN(hosts), to, got), *ret_n);
}

static void both_directions_are_seen_at_both_ends_and_no_others(void **state)
{
	struct tap *at_a = tap_at(&a, &b), *at_b = tap_at(&b, &a), *elsewhere = tap_at(&a, &c);
	uint8_t p[2048];
	size_t n;
	(void)state;

	pass(&a, &b, 1, p, &n);
	const struct tap_packet *seen = expect_seen(at_a);
	assert_true(seen->out && seen->n == n && seen->kept == n && seen->dropped == DROP_N);
	assert_memory_equal(seen->p, p, n);
	seen = expect_seen(at_b);
	assert_true(!seen->out && seen->n == n); /* without what it was padded with */
	assert_memory_equal(seen->p, p, n);

	pass(&b, &a, 2, p, &n);
	seen = expect_seen(at_a);
	assert_true(!seen->out && packet_serial(seen->p) == 2);
	assert_true(expect_seen(at_b)->out);
	expect_nothing_more(at_a);
	expect_nothing_more(at_b);
	expect_nothing_more(elsewhere);
	plane_tap_close(a.plane, at_a);
	plane_tap_close(a.plane, elsewhere);
	plane_tap_close(b.plane, at_b);
}

/* Everything between the two, from the members 1 to 4, is as `v` says. */
static void rules_set(struct host *h, enum verdict v)
{
	struct rules_builder *rb;
	struct rules *r;

	assert_int_equal(rules_builder_new(&rb), TM_OK);
	for (struct rules_at at = {.end = RULES_SELF}; at.dir < RULES_DIRS; at.dir++)
		for (at.proto = 0; at.proto < RULES_PROTOS; at.proto++)
			assert_int_equal(rules_put(rb, &at, v, NULL, 0), TM_OK);
	for (uint32_t host = 1; host < 5; host++)
		assert_int_equal(rules_put_class(rb, host, 0), TM_OK);
	assert_int_equal(rules_build(rb, &r), TM_OK);
	rules_builder_free(rb);
	assert_int_equal(plane_set_rules(h->plane, r), TM_OK);
}

static void what_the_rules_refuse_is_seen_with_the_reason(void **state)
{
	struct tap *at_a = tap_at(&a, &b), *at_b = tap_at(&b, &a);
	uint8_t p[2048];
	(void)state;

	rules_set(&b, VERDICT_DROP);
	size_t n = packet_make(4, 1, 2, 1, 50, p);
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_seen(at_b)->dropped, DROP_FILTERED);
	assert_int_equal(expect_seen(at_a)->dropped, DROP_N); /* there it passed */

	rules_set(&a, VERDICT_REJECT);
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_seen(at_a)->dropped, DROP_REJECTED);
	expect_nothing_more(at_a);
	expect_nothing_more(at_b);

	/* With a filter that lets it pass, too. */
	rules_set(&a, VERDICT_PASS);
	rules_set(&b, VERDICT_PASS);
	pass(&a, &b, 9, p, &n);
	assert_int_equal(expect_seen(at_b)->dropped, DROP_N);
	plane_tap_close(a.plane, at_a);
	plane_tap_close(b.plane, at_b);
}

static void a_foreign_source_is_seen_as_such(void **state)
{
	struct tap *at_b = tap_at(&b, &a);
	uint8_t p[2048];
	(void)state;

	size_t n = packet_make(4, 3, 2, 1, 50, p); /* c's address, from a */
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_seen(at_b)->dropped, DROP_SPOOF);
	plane_tap_close(b.plane, at_b);
}

static void what_is_too_long_for_its_way_is_seen_as_such(void **state)
{
	struct tap *at_a = tap_at(&a, &b);
	struct plane_peer_stats st;
	uint8_t p[2048];
	(void)state;

	assert_int_equal(plane_peer_stats(a.plane, b.pub, &st), TM_OK);
	st.way.payload = 1372;
	assert_int_equal(plane_set_way(a.plane, b.pub, &st.way, NULL), TM_OK);
	size_t n = packet_make(6, 1, 2, 1, 1340, p);
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_seen(at_a)->dropped, DROP_TOO_BIG);
	plane_tap_close(a.plane, at_a);
}

enum { PIECES = 4, PIECE = 200 };

static void a_super_packet_is_seen_as_the_packets_that_it_becomes(void **state)
{
	struct tap *at_a = tap_at(&a, &b);
	uint8_t p[FAKE_BYTES];
	size_t n = packet_make(4, 1, 2, 7, (size_t)PIECES * PIECE, p);
	struct ip src = ip_v4(ip_src(p)), dst = ip_v4(ip_dst(p));
	(void)state;

	put_be16(p + 20 + UDP_CSUM, (uint16_t)~csum_finish(csum_pseudo(&src, &dst, 17, (uint32_t)(n - 20))));
	const struct vnet v = {.needs_csum = true,
		.gso = VNET_GSO_UDP,
		.hdr_len = 28,
		.gso_size = PIECE,
		.csum_start = 20,
		.csum_offset = UDP_CSUM};
	fake_tun_send_super("tm1", &v, p, n);
	for (size_t i = 0; i < PIECES; i++) {
		const struct tap_packet *seen = expect_seen(at_a);

		assert_int_equal(seen->n, 28 + PIECE);
		assert_memory_equal(seen->p + 28, p + 28 + i * PIECE, PIECE);
		/* Complete: the sum over it and its pseudo-header comes out. */
		const uint16_t sum = csum_finish(
			csum_add(seen->p + 20, 8 + PIECE, csum_pseudo(&src, &dst, 17, 8 + PIECE)));
		assert_int_equal(sum, 0);
	}
	expect_nothing_more(at_a);
	plane_tap_close(a.plane, at_a);
}

static void there_may_be_so_many_and_a_closed_one_makes_room(void **state)
{
	struct tap *t[PLANE_TAPS_MAX], *more = NULL;
	uint8_t p[2048];
	size_t n;
	(void)state;

	for (size_t i = 0; i < PLANE_TAPS_MAX; i++)
		t[i] = tap_at(&a, &b);
	assert_int_equal(plane_tap_open(a.plane, b.pub, 1, &more), TM_EFULL);
	plane_tap_close(a.plane, t[1]);
	plane_tap_close(a.plane, NULL);
	more = tap_at(&a, &b);
	pass(&a, &b, 1, p, &n);
	assert_true(expect_seen(t[0])->out);
	assert_true(expect_seen(more)->out);
	plane_tap_close(a.plane, t[0]);
	pass(&a, &b, 2, p, &n);
	/* The rest goes with the plane. */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_out_as_they_went_in_however_often_it_wraps),
		cmocka_unit_test(what_finds_no_room_is_counted_and_told_with_the_next),
		cmocka_unit_test(no_more_of_a_packet_is_kept_than_was_asked_for),
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(both_directions_are_seen_at_both_ends_and_no_others),
		T(what_the_rules_refuse_is_seen_with_the_reason),
		T(a_foreign_source_is_seen_as_such),
		T(what_is_too_long_for_its_way_is_seen_as_such),
		T(a_super_packet_is_seen_as_the_packets_that_it_becomes),
		T(there_may_be_so_many_and_a_closed_one_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
