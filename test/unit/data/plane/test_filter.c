/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Planes with rules: what passes, what becomes of the rest, and when rules hold. What they mean is tested in
 * test/unit/data/filter. */
#include "unit/data/plane/rig.h"

#include "data/filter/rules.h"
#include "packet/icmp.h"
#include "packet/ip.h"

static struct host a, b, c;
static struct host *hosts[] = {&a, &b};

/* Of everybody, in one direction, one protocol, to these ports. Everything else is as `otherwise` says. */
struct allow {
	enum rules_dir dir;
	enum rules_proto proto;
	uint16_t first, last;
};

static void put_all(
	struct rules_builder *rb, uint32_t end, const struct allow *v, size_t n, enum verdict otherwise)
{
	struct rules_at at = {.end = end};

	for (at.dir = 0; at.dir < RULES_DIRS; at.dir++)
		for (at.proto = 0; at.proto < RULES_PROTOS; at.proto++) {
			struct rules_span span[4];
			size_t k = 0;

			for (size_t i = 0; i < n; i++)
				if (v[i].dir == at.dir && v[i].proto == at.proto)
					span[k++] =
						(struct rules_span){v[i].first, v[i].last, VERDICT_PASS, 1};
			assert_int_equal(rules_put(rb, &at, otherwise, span, k), TM_OK);
		}
}

static void rules_give(struct host *h, struct rules_builder *rb)
{
	struct rules *r;

	for (uint32_t host = 1; host < 5; host++)
		assert_int_equal(rules_put_class(rb, host, 0), TM_OK);
	assert_int_equal(rules_build(rb, &r), TM_OK);
	rules_builder_free(rb);
	assert_int_equal(plane_set_rules(h->plane, r), TM_OK);
}

static void rules_set(struct host *h, enum verdict otherwise, const struct allow *v, size_t n)
{
	struct rules_builder *rb;

	assert_int_equal(rules_builder_new(&rb), TM_OK);
	put_all(rb, RULES_SELF, v, n, otherwise);
	rules_give(h, rb);
}
#define RULES(h, otherwise, ...)                                                                             \
	rules_set(h, otherwise, (const struct allow[]){__VA_ARGS__},                                         \
		sizeof((const struct allow[]){__VA_ARGS__}) / sizeof(struct allow))

/* The destination port of packet_make. */
enum { PORT = 7 };

static int setup(void **state)
{
	(void)state;
	fake_reset();
	a = b = c = (struct host){0};
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

static void answers_pass_where_questions_may(void **state)
{
	uint8_t p[200], got[2048];
	(void)state;

	RULES(&a, VERDICT_DROP, {RULES_OUT, RULES_UDP, PORT, PORT});
	RULES(&b, VERDICT_DROP, {RULES_IN, RULES_UDP, PORT, PORT});
	for (int family = 4; family <= 6; family += 2) {
		size_t n = packet_make(family, 1, 2, 4711, 100, p);
		send_from(&a, p, n);
		assert_int_equal(expect_packet(hosts, 2, &b, got), n);
		assert_memory_equal(got + n - 50, p + n - 50, 50);

		/* From b nothing but the answer. */
		const size_t udp = family == 4 ? 20 : 40;
		size_t m = packet_make(family, 2, 1, 4711, 100, p);
		send_from(&b, p, m);
		put_be16(p + udp, PORT);
		put_be16(p + udp + 2, 4711);
		send_from(&b, p, m);
		assert_int_equal(expect_packet(hosts, 2, &a, got), m);
		assert_int_equal(get_be16(got + udp), PORT);
	}
	expect_drops(hosts, 2, &b, DROP_FILTERED, 2);
}

/* The other end is not believed to have filtered. */
static void each_end_filters_by_itself(void **state)
{
	uint8_t p[200], got[2048];
	(void)state;

	RULES(&b, VERDICT_DROP, {RULES_IN, RULES_UDP, PORT, PORT});
	size_t n = syn_make(1, 2, p);
	send_from(&a, p, n);
	n = packet_make(4, 1, 2, 1, 100, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);
	assert_int_equal(got[9], PROTO_UDP);
	expect_drops(hosts, 2, &b, DROP_FILTERED, 1);

	assert_int_equal(plane_set_rules(b.plane, NULL), TM_OK);
	RULES(&a, VERDICT_DROP, {RULES_OUT, RULES_UDP, PORT, PORT});
	send_from(&a, p, syn_make(1, 2, p));
	expect_drops(hosts, 2, &a, DROP_FILTERED, 1);
	assert_int_equal(fake_tun_recv(plane_tun_name(b.plane), got, sizeof(got)), 0);
}

static void what_is_dropped_has_a_name_and_nobody_hears_of_it(void **state)
{
	uint8_t p[200], got[2048];
	(void)state;

	RULES(&b, VERDICT_DROP, {RULES_IN, RULES_TCP, 0, UINT16_MAX});
	size_t n = syn_make(1, 2, p);
	p[33] = TCP_RST;
	send_from(&a, p, n);
	expect_drops(hosts, 2, &b, DROP_STRAY, 1);

	n = packet_make(4, 1, 2, 1, 100, p);
	send_from(&a, p, n);
	expect_drops(hosts, 2, &b, DROP_FILTERED, 1);
	put_be16(p + 6, 0x0010); /* a piece from byte 128 on */
	send_from(&a, p, n);
	expect_drops(hosts, 2, &b, DROP_PIECE, 1);

	n = packet_make(6, 1, 2, 1, 100, p);
	p[6] = PROTO_DESTINATION;
	p[41] = 0xff;
	send_from(&a, p, n);
	expect_drops(hosts, 2, &b, DROP_HIDDEN, 1);
	assert_int_equal(fake_tun_recv(plane_tun_name(a.plane), got, sizeof(got)), 0);
	assert_int_equal(fake_tun_recv(plane_tun_name(b.plane), got, sizeof(got)), 0);
}

static void a_rejected_packet_of_our_own_is_answered_at_once(void **state)
{
	uint8_t p[200], got[2048];
	(void)state;

	rules_set(&a, VERDICT_REJECT, NULL, 0);
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

	rules_set(&b, VERDICT_REJECT, NULL, 0);
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

	rules_set(&a, VERDICT_REJECT, NULL, 0);
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

/* Nor do they take other errors' places, or those of other peers. */
static void who_is_rejected_much_silences_nobody_else(void **state)
{
	enum { MANY = 400 };
	struct host *three[] = {&a, &b, &c};
	uint8_t p[200], got[2048];
	(void)state;

	rules_set(&a, VERDICT_REJECT, NULL, 0);
	fake_hold(FAKE_TUNS);
	size_t n = packet_make(4, 1, 2, 1, 100, p);
	for (unsigned i = 0; i < MANY; i++)
		send_from(&a, p, n);
	fake_hold(0);
	expect_drops(hosts, 2, &a, DROP_REJECTED, MANY);
	while (fake_tun_recv(plane_tun_name(a.plane), got, sizeof(got)))
		;
	n = packet_make(4, 1, 9, 1, 100, p); /* there is no such member */
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &a, got), 20 + 8 + n);
	assert_int_equal(plane_set_rules(a.plane, NULL), TM_OK);

	host_start(&c, 3);
	host_peers(&b, (struct peering[]){{.with = &a}, {.with = &c}}, 2);
	host_peers(&c, &(struct peering){.with = &b}, 1);
	rules_set(&b, VERDICT_REJECT, NULL, 0);
	n = packet_make(4, 1, 2, 1, 100, p);
	for (unsigned i = 1; i <= MANY; i++) {
		send_from(&a, p, n);
		if (i % 50 == 0) /* none is lost on the way */
			expect_drops(three, 3, &b, DROP_REJECTED, i);
	}
	n = packet_make(4, 3, 2, 1, 100, p);
	send_from(&c, p, n);
	assert_int_equal(expect_packet(three, 3, &c, got), 20 + 8 + n);
	host_stop(&c);
}

static void new_rules_hold_for_what_passes_already(void **state)
{
	uint8_t p[200], got[2048];
	(void)state;

	RULES(&b, VERDICT_DROP, {RULES_IN, RULES_UDP, PORT, PORT});
	size_t n = packet_make(4, 1, 2, 1, 100, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);

	RULES(&b, VERDICT_DROP, {RULES_IN, RULES_UDP, PORT + 1, PORT + 1});
	send_from(&a, p, n);
	expect_drops(hosts, 2, &b, DROP_FILTERED, 1);

	assert_int_equal(plane_set_rules(b.plane, NULL), TM_OK);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);
}

static void flows_live_on_where_rules_and_peers_change_and_they_do_not(void **state)
{
	uint8_t p[200], answer[200], got[2048];
	(void)state;

	RULES(&b, VERDICT_DROP, {RULES_IN, RULES_UDP, PORT, PORT});
	size_t n = packet_make(4, 1, 2, 4711, 100, p);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);
	/* What b sends is an answer to that, and nothing else. */
	size_t m = packet_make(4, 2, 1, PORT, 100, answer);
	put_be16(answer + 22, 4711);

	RULES(&b, VERDICT_DROP, {RULES_IN, RULES_UDP, PORT - 1, PORT + 1});
	send_from(&b, answer, m);
	assert_int_equal(expect_packet(hosts, 2, &a, got), m);
	host_peers(&b, &(struct peering){.with = &a, .extra = "10.9.0.0/16"}, 1);
	send_from(&b, answer, m);
	assert_int_equal(expect_packet(hosts, 2, &a, got), m);
}

/* Many at once: in the order in which they came, and each by itself. */
static void a_burst_is_filtered_packet_by_packet(void **state)
{
	enum { MANY = 100 };
	uint8_t p[200], got[2048];
	(void)state;

	RULES(&b, VERDICT_DROP, {RULES_IN, RULES_UDP, PORT, PORT});
	fake_hold(FAKE_TUNS);
	for (uint16_t i = 0; i < MANY; i++) {
		const size_t n = packet_make(4, 1, 2, i, 100, p);

		if (i % 3 == 0)
			put_be16(p + 22, PORT + 1);
		send_from(&a, p, n);
	}
	fake_hold(0);
	for (uint16_t i = 0; i < MANY; i++)
		if (i % 3) {
			expect_packet(hosts, 2, &b, got);
			assert_int_equal(packet_serial(got), i);
		}
	expect_drops(hosts, 2, &b, DROP_FILTERED, (MANY + 2) / 3);
}

/* Nebula looked flows up before it asked whose address it is. */
static void an_address_of_another_ones_flow_helps_nobody(void **state)
{
	struct host *three[] = {&a, &b, &c};
	uint8_t p[200], got[2048];
	(void)state;

	host_start(&c, 3);
	host_peers(&b, (struct peering[]){{.with = &a}, {.with = &c}}, 2);
	host_peers(&c, &(struct peering){.with = &b}, 1);
	RULES(&b, VERDICT_DROP, {RULES_OUT, RULES_UDP, PORT, PORT});
	send_from(&b, p, packet_make(4, 2, 3, 70, 100, p));
	(void)expect_packet(three, 3, &c, got);

	size_t n = packet_make(4, 3, 2, PORT, 100, p);
	put_be16(p + 20, PORT);
	put_be16(p + 22, 70);
	send_from(&a, p, n);
	expect_drops(three, 3, &b, DROP_SPOOF, 1);
	send_from(&c, p, n);
	assert_int_equal(expect_packet(three, 3, &b, got), n);
	assert_int_equal(host_drops(&b, DROP_FILTERED), 0);
	host_stop(&c);
}

/* a and c are stock clients of b, or a is one and c a node. */
static void clients_behind_us_are_filtered_here(void **state)
{
	struct host *three[] = {&a, &b, &c};
	(void)state;

	host_start(&c, 3);
	for (int client = 0; client < 2; client++) {
		uint8_t p[200], got[2048];
		struct rules_builder *rb;

		host_peers(&b,
			(struct peering[]){{.with = &a, .forwards = true}, {.with = &c, .forwards = client}},
			2);
		host_peers(&a, &(struct peering){.with = &b, .extra = "10.77.0.3/32"}, 1);
		host_peers(&c, &(struct peering){.with = &b, .extra = "10.77.0.1/32"}, 1);
		assert_int_equal(plane_set_rules(b.plane, NULL), TM_OK);
		size_t n = packet_make(4, 1, 3, 70, 100, p);
		send_from(&a, p, n);
		assert_int_equal(expect_packet(three, 3, &c, got), n);

		/* Our own end has rules that let everything pass; those of clients let a ask c. */
		assert_int_equal(rules_builder_new(&rb), TM_OK);
		put_all(rb, RULES_SELF, NULL, 0, VERDICT_PASS);
		put_all(rb, 1, &(const struct allow){RULES_OUT, RULES_UDP, PORT, PORT}, 1, VERDICT_DROP);
		assert_int_equal(rules_put_end(rb, 1, 1), TM_OK);
		rules_give(&b, rb);
		send_from(&a, p, n);
		assert_int_equal(expect_packet(three, 3, &c, got), n);
		const uint64_t before = host_drops(&b, DROP_FILTERED);
		size_t m = packet_make(4, 3, 1, 8, 100, p);
		send_from(&c, p, m);
		expect_drops(three, 3, &b, DROP_FILTERED, before + 1);
		put_be16(p + 20, PORT);
		put_be16(p + 22, 70);
		send_from(&c, p, m);
		assert_int_equal(expect_packet(three, 3, &a, got), m);
	}
	host_stop(&c);
}

/* Our own end may do everything, and a host of the network 10.9.0.0/16 behind b is asked by a. */
static void networks_behind_us_are_filtered_here(void **state)
{
	static const uint8_t inside[] = {10, 9, 0, 5};
	uint8_t p[200], got[2048];
	struct rules_builder *rb;
	struct prefix net;
	(void)state;

	assert_int_equal(prefix_parse("10.9.0.0/16", &net), TM_OK);
	host_peers(&a, &(struct peering){.with = &b, .extra = "10.9.0.0/16"}, 1);
	assert_int_equal(plane_set_networks(b.plane, &net, 1), TM_OK);
	size_t n = packet_make(4, 1, 2, 70, 100, p);
	memcpy(p + 16, inside, 4);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);

	assert_int_equal(rules_builder_new(&rb), TM_OK);
	put_all(rb, RULES_SELF, NULL, 0, VERDICT_PASS);
	put_all(rb, 1, &(const struct allow){RULES_IN, RULES_UDP, PORT, PORT}, 1, VERDICT_DROP);
	assert_int_equal(rules_put_prefix_end(rb, &net, 1), TM_OK);
	rules_give(&b, rb);
	send_from(&a, p, n);
	assert_int_equal(expect_packet(hosts, 2, &b, got), n);
	put_be16(p + 22, PORT + 1);
	send_from(&a, p, n);
	expect_drops(hosts, 2, &b, DROP_FILTERED, 1);

	/* The answer, and what is none. */
	n = packet_make(4, 2, 1, PORT, 100, p);
	memcpy(p + 12, inside, 4);
	send_from(&b, p, n);
	expect_drops(hosts, 2, &b, DROP_FILTERED, 2);
	put_be16(p + 22, 70);
	send_from(&b, p, n);
	assert_int_equal(expect_packet(hosts, 2, &a, got), n);
	assert_int_equal(get_be16(got + 22), 70);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(answers_pass_where_questions_may),
		TEST(each_end_filters_by_itself),
		TEST(what_is_dropped_has_a_name_and_nobody_hears_of_it),
		TEST(a_rejected_packet_of_our_own_is_answered_at_once),
		TEST(a_rejected_packet_of_a_peer_is_answered_through_the_tunnel),
		TEST(rejections_are_answered_no_faster_than_other_errors),
		TEST(who_is_rejected_much_silences_nobody_else),
		TEST(new_rules_hold_for_what_passes_already),
		TEST(flows_live_on_where_rules_and_peers_change_and_they_do_not),
		TEST(a_burst_is_filtered_packet_by_packet),
		TEST(an_address_of_another_ones_flow_helps_nobody),
		TEST(clients_behind_us_are_filtered_here),
		TEST(networks_behind_us_are_filtered_here),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
