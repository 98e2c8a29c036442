/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Super-packets and trains through two whole planes: what leaves, what arrives, and what happens when the
 * kernel changes its mind. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "packet/csum.h"
#include "packet/ip.h"
#include "wire/wg.h"

enum { PIECES = 5, PIECE = 300, TUN_ALL = TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP };

static struct host a, b;
static struct host *ab[] = {&a, &b};

static int set_up(void **state)
{
	(void)state;
	a = b = (struct host){.offloads = PLANE_OFFLOAD_ALL};
	fake_reset();
	fake_tun_can(TUN_ALL);
	return 0;
}

static void start_pair(void)
{
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	rig_warm(&a, &b);
}

/* One packet of `pieces` datagrams, as the kernel hands it over: their checksums are left to us. */
static size_t make_udp(uint8_t *p, size_t pieces, size_t piece, struct vnet *ret_v)
{
	size_t n = packet_make(4, 1, 2, 7, pieces * piece, p), l4 = n - pieces * piece - 8;
	struct ip src = ip_v4(ip_src(p)), dst = ip_v4(ip_dst(p));

	for (size_t i = 0; i < pieces * piece; i++)
		p[l4 + 8 + i] = (uint8_t)(i / piece * 17 + i % piece);
	put_be16(p + l4 + UDP_CSUM, (uint16_t)~csum_finish(csum_pseudo(&src, &dst, 17, (uint32_t)(n - l4))));
	*ret_v = (struct vnet){
		.needs_csum = true,
		.gso = VNET_GSO_UDP,
		.hdr_len = (uint16_t)(l4 + 8),
		.gso_size = (uint16_t)piece,
		.csum_start = (uint16_t)l4,
		.csum_offset = UDP_CSUM,
	};
	return n;
}

static size_t make_super(uint8_t *p, struct vnet *ret_v)
{
	return make_udp(p, PIECES, PIECE, ret_v);
}

/* PIECES segments of a TCP stream. */
static size_t make_tcp(uint8_t *p, struct vnet *ret_v)
{
	size_t n = packet_make(4, 1, 2, 7, TCP_HEADER - 8 + PIECES * PIECE, p), l4 = 20;
	struct ip src = ip_v4(ip_src(p)), dst = ip_v4(ip_dst(p));

	p[9] = 6;
	put_be16(p + 10, 0);
	put_be16(p + 10, csum_finish(csum_add(p, 20, 0)));
	memset(p + l4 + 4, 0, TCP_HEADER - 4);
	put_be32(p + l4 + 4, 1000); /* sequence number */
	p[l4 + 12] = TCP_HEADER / 4 << 4;
	p[l4 + 13] = 0x10; /* ACK */
	put_be16(p + l4 + 14, 500); /* window */
	put_be16(p + l4 + TCP_CSUM, (uint16_t)~csum_finish(csum_pseudo(&src, &dst, 6, (uint32_t)(n - l4))));
	*ret_v = (struct vnet){
		.needs_csum = true,
		.gso = VNET_GSO_TCP4,
		.hdr_len = (uint16_t)(l4 + TCP_HEADER),
		.gso_size = PIECE,
		.csum_start = (uint16_t)l4,
		.csum_offset = TCP_CSUM,
	};
	return n;
}

/* All pieces of a super-packet are in the receiver's socket before it looks. */
static void send_at_once(
	const struct host *from, const struct host *to, const struct vnet *v, const uint8_t *p, size_t n)
{
	uint64_t before = host_sent(from, to), pieces = (n - v->hdr_len + v->gso_size - 1) / v->gso_size;
	char name[16];

	snprintf(name, sizeof(name), "tm%u", from->i);
	fake_hold(FAKE_UDP);
	fake_tun_send_super(name, v, p, n);
	expect_sent(ab, 2, from, to, before + pieces);
	fake_hold(0);
}

/* Each of the pieces comes alone. */
static void expect_udp_apart(const uint8_t *p, size_t pieces, size_t piece)
{
	uint8_t got[FAKE_BYTES];

	for (size_t i = 0; i < pieces; i++) {
		assert_int_equal(expect_packet(ab, 2, &b, got), 28 + piece);
		assert_memory_equal(got + 28, p + 28 + i * piece, piece);
		assert_int_equal(fake_tun_last_vnet().gso, VNET_GSO_NONE);
	}
}

static bool b_told(void *arg)
{
	return b.n_lost >= *(unsigned *)arg;
}

static bool a_told(void *arg)
{
	return a.n_lost >= *(unsigned *)arg;
}

static void a_super_packet_leaves_in_pieces_and_arrives_whole(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	struct vnet v, back;
	(void)state;

	start_pair();
	size_t n = make_super(p, &v);
	send_at_once(&a, &b, &v, p, n);
	assert_int_equal(fake_last(WG_DATA, got, sizeof(got), NULL), 336 + WG_DATA_OVERHEAD);
	assert_int_equal(expect_packet(ab, 2, &b, got), n);
	back = fake_tun_last_vnet();
	assert_memory_equal(got + 28, p + 28, PIECES * PIECE);
	assert_int_equal(back.gso, VNET_GSO_UDP);
	assert_int_equal(back.gso_size, PIECE);
	assert_true(back.needs_csum);

	n = make_tcp(p, &v);
	send_at_once(&a, &b, &v, p, n);
	assert_int_equal(expect_packet(ab, 2, &b, got), n);
	assert_memory_equal(got + 40, p + 40, PIECES * PIECE);
	assert_int_equal(fake_tun_last_vnet().gso, VNET_GSO_TCP4);
	assert_int_equal(fake_tun_last_vnet().gso_size, PIECE);
}

static void more_pieces_than_one_super_packet_may_have_make_several(void **state)
{
	enum { MANY = 150, SMALL = 100 };
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	size_t total = 0;
	struct vnet v;
	(void)state;

	start_pair();
	size_t n = make_udp(p, MANY, SMALL, &v);
	send_at_once(&a, &b, &v, p, n);
	for (unsigned i = 0; i < 3; i++) {
		size_t payload = expect_packet(ab, 2, &b, got) - 28;

		assert_true(payload <= n - 28 - total);
		assert_memory_equal(got + 28, p + 28 + total, payload);
		assert_int_equal(fake_tun_last_vnet().gso, VNET_GSO_UDP);
		total += payload;
	}
	assert_int_equal(total, MANY * SMALL);
}

static void a_super_packet_waits_for_its_session_in_pieces(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	size_t total = 0;
	struct vnet v;
	(void)state;

	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	size_t n = make_super(p, &v);
	fake_tun_send_super("tm1", &v, p, n);
	while (total < PIECES * PIECE)
		total += expect_packet(ab, 2, &b, got) - 28;
	assert_int_equal(total, PIECES * PIECE);
}

static void a_kernel_that_takes_no_udp_super_packets_gets_them_cut_and_the_owner_hears_of_it(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	struct vnet v;
	unsigned once = 1;
	(void)state;

	start_pair();
	assert_int_equal(plane_offloads(b.plane), PLANE_OFFLOAD_ALL);
	fake_refuse_supers(true);
	size_t n = make_super(p, &v);
	send_at_once(&a, &b, &v, p, n);
	expect_udp_apart(p, PIECES, PIECE);
	assert_int_equal(fake_supers_refused(), 1);
	EXPECT_SOON(ab, b_told, &once);
	assert_int_equal(plane_offloads(b.plane), PLANE_OFFLOAD_ALL & ~PLANE_OFFLOAD_USO);
	for (unsigned i = 0; i < 5; i++) {
		send_at_once(&a, &b, &v, p, n);
		expect_udp_apart(p, PIECES, PIECE);
	}
	assert_int_equal(fake_supers_refused(), 1);
	assert_int_equal(b.n_lost, 1);

	/* TCP is another matter. */
	fake_refuse_supers(false);
	n = make_tcp(p, &v);
	send_at_once(&a, &b, &v, p, n);
	assert_int_equal(expect_packet(ab, 2, &b, got), n);
	assert_int_equal(fake_tun_last_vnet().gso, VNET_GSO_TCP4);
}

static void a_refused_super_packet_of_another_mtu_arrives_in_pieces_of_that_size(void **state)
{
	enum { LARGE = 6000 };
	uint8_t p[FAKE_BYTES];
	struct vnet v;
	(void)state;

	a.mtu = 9000;
	start_pair();
	fake_refuse_supers(true);
	size_t n = make_udp(p, 2, LARGE, &v);
	send_at_once(&a, &b, &v, p, n);
	expect_udp_apart(p, 2, LARGE);
	assert_int_equal(fake_supers_refused(), 1);
}

/* Packets through both workers of a, in either direction, until each has settled what it did before. */
static void busy_both_workers(void)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];

	for (uint16_t i = 0; i < 20; i++) {
		fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 20, p));
		expect_packet(ab, 2, &b, got);
		fake_tun_send("tm2", p, packet_make(4, 2, 1, i, 20, p));
		expect_packet(ab, 2, &a, got);
	}
}

static void the_owner_hears_once_of_each_loss_however_many_workers_meet_it(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	struct vnet v;
	unsigned once = 1, twice = 2;
	(void)state;

	a.workers = 2;
	start_pair();
	assert_int_equal(plane_offloads(a.plane), PLANE_OFFLOAD_ALL);
	fake_lose_gso();
	busy_both_workers();
	EXPECT_SOON(ab, a_told, &once);
	assert_int_equal(a.n_lost, 1);
	assert_int_equal(plane_offloads(a.plane), PLANE_OFFLOAD_ALL & ~PLANE_OFFLOAD_GSO);

	/* The pieces are shared out among a's sockets, so both workers have some to merge. */
	fake_refuse_supers(true);
	size_t n = make_super(p, &v);
	for (size_t i = 0; i < 4; i++) { /* the sums stay what they were */
		uint8_t from = p[12 + i];

		p[12 + i] = p[16 + i];
		p[16 + i] = from;
	}
	send_at_once(&b, &a, &v, p, n);
	for (size_t i = 0; i < PIECES; i++)
		assert_int_equal(expect_packet(ab, 2, &a, got), 28 + PIECE);
	assert_int_equal(fake_supers_refused(), 2);
	busy_both_workers();
	EXPECT_SOON(ab, a_told, &twice);
	assert_int_equal(a.n_lost, 2);
	assert_int_equal(plane_offload_losses(a.plane), 2);
	assert_int_equal(plane_offloads(a.plane), PLANE_OFFLOAD_TUN | PLANE_OFFLOAD_GRO);
}

static void a_header_that_contradicts_its_packet_is_dropped_and_counted(void **state)
{
	uint8_t p[FAKE_BYTES];
	struct vnet v;
	(void)state;

	start_pair();
	size_t n = make_super(p, &v);
	v.gso_size = 0;
	fake_tun_send_super("tm1", &v, p, n);
	expect_drops(ab, 2, &a, DROP_NOT_IP, 1);
	v = (struct vnet){.gso = 99, .gso_size = PIECE};
	fake_tun_send_super("tm1", &v, p, n);
	expect_drops(ab, 2, &a, DROP_NOT_IP, 2);
}

static void a_piece_larger_than_our_buffers_is_refused_with_the_mtu(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	start_pair();
	size_t n = packet_make(4, 1, 2, 1, 3000, p); /* somebody raised the MTU of the device */
	fake_tun_send("tm1", p, n);
	expect_drops(ab, 2, &a, DROP_TOO_BIG, 1);
	expect_packet(ab, 2, &a, got);
	assert_int_equal(got[9], 1); /* ICMP: destination unreachable, fragmentation needed */
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 4);
	assert_int_equal(get_be16(got + 26), RIG_MTU);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

/* From now on a's way to b takes messages of so many bytes. */
static void narrow_to(uint16_t payload)
{
	struct way_to way = {.payload = payload};

	assert_int_equal(endpoint_parse("192.0.2.2:51820", &way.remote), TM_OK);
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
}

static void a_super_packet_too_long_for_its_way_is_answered_once(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	struct vnet v;
	(void)state;

	start_pair();
	narrow_to(320 + 32);
	const size_t n = make_super(p, &v);
	const uint64_t before = host_sent(&a, &b);

	fake_tun_send_super("tm1", &v, p, n);
	expect_packet(ab, 2, &a, got);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 4); /* fragmentation needed */
	assert_int_equal(get_be16(got + 26), 320);
	expect_drops(ab, 2, &a, DROP_TOO_BIG, PIECES);
	assert_int_equal(host_sent(&a, &b), before); /* none was sealed */
	rig_warm(&a, &b); /* nor is there a second answer */
}

static void its_pieces_are_cut_where_that_is_allowed_but_for_one_that_fits(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	struct vnet v;
	(void)state;

	start_pair();
	narrow_to(320 + 32);
	size_t n = make_super(p, &v) - 100; /* of the last */
	put_be16(p + 2, (uint16_t)n);
	p[6] = 0; /* without DF */
	put_be16(p + 10, 0);
	put_be16(p + 10, csum_finish(csum_add(p, 20, 0)));
	fake_tun_send_super("tm1", &v, p, n);
	for (size_t i = 0; i < PIECES - 1; i++) {
		assert_int_equal(expect_packet(ab, 2, &b, got), 20 + 296);
		assert_memory_equal(got + 28, p + 28 + i * PIECE, 296 - 8);
		assert_int_equal(expect_packet(ab, 2, &b, got), 20 + 8 + PIECE - 296);
		assert_memory_equal(got + 20, p + 28 + i * PIECE + 288, PIECE - 288);
	}
	assert_int_equal(expect_packet(ab, 2, &b, got), 28 + PIECE - 100);
	assert_int_equal(host_drops(&a, DROP_TOO_BIG), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_super_packet_leaves_in_pieces_and_arrives_whole),
		CASE(a_super_packet_waits_for_its_session_in_pieces),
		CASE(more_pieces_than_one_super_packet_may_have_make_several),
		CASE(a_kernel_that_takes_no_udp_super_packets_gets_them_cut_and_the_owner_hears_of_it),
		CASE(a_refused_super_packet_of_another_mtu_arrives_in_pieces_of_that_size),
		CASE(the_owner_hears_once_of_each_loss_however_many_workers_meet_it),
		CASE(a_header_that_contradicts_its_packet_is_dropped_and_counted),
		CASE(a_piece_larger_than_our_buffers_is_refused_with_the_mtu),
		CASE(a_super_packet_too_long_for_its_way_is_answered_once),
		CASE(its_pieces_are_cut_where_that_is_allowed_but_for_one_that_fits),
	};

	return cmocka_run_group_tests_name("data/plane/super", tests, NULL, NULL);
}
