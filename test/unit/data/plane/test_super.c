/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Super-packets and trains through two whole planes: what leaves, what arrives, and what happens when the
 * kernel changes its mind. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "wire/ip.h"
#include "wire/wg.h"

enum { PIECES = 5, PIECE = 300, UDP_CSUM = 6, TUN_ALL = TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP };

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

static int tear_down(void **state)
{
	(void)state;
	host_stop(&a);
	host_stop(&b);
	return 0;
}

static void start_pair(void)
{
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	rig_warm(&a, &b);
}

/* One packet of PIECES datagrams, as the kernel hands it over: their checksums are left to us. */
static size_t make_super(uint8_t *p, struct vnet *ret_v)
{
	size_t n = packet_make(4, 1, 2, 7, PIECES * PIECE, p), l4 = n - PIECES * PIECE - 8;
	struct ip src = ip_v4(ip_src(p)), dst = ip_v4(ip_dst(p));

	for (size_t i = 0; i < PIECES * PIECE; i++)
		p[l4 + 8 + i] = (uint8_t)(i / PIECE * 17 + i % PIECE);
	put_be16(p + l4 + UDP_CSUM, (uint16_t)~csum_finish(csum_pseudo(&src, &dst, 17, (uint32_t)(n - l4))));
	*ret_v = (struct vnet){
		.needs_csum = true,
		.gso = VNET_GSO_UDP,
		.hdr_len = (uint16_t)(l4 + 8),
		.gso_size = PIECE,
		.csum_start = (uint16_t)l4,
		.csum_offset = UDP_CSUM,
	};
	return n;
}

static uint64_t sent_to_b(void)
{
	struct plane_peer_stats st;

	assert_int_equal(plane_peer_stats(a.plane, b.pub, &st), TM_OK);
	return st.tx_packets;
}

static bool all_pieces_counted(void *arg)
{
	return sent_to_b() == *(uint64_t *)arg + PIECES;
}

static bool b_told(void *arg)
{
	(void)arg;
	return b.n_lost > 0;
}

static void a_super_packet_leaves_in_pieces_and_arrives_whole(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES], last[FAKE_BYTES];
	struct vnet v, back;
	uint64_t before;
	(void)state;

	start_pair();
	before = sent_to_b();
	size_t n = make_super(p, &v);
	fake_tun_send_super("tm1", &v, p, n);
	/* Workers may see the pieces in several bursts; all arrive, in super-packets or alone. */
	size_t total = 0;
	while (total < PIECES * PIECE) {
		size_t len = expect_packet(ab, 2, &b, got), l4 = 20, payload = len - l4 - 8;

		back = fake_tun_last_vnet();
		assert_memory_equal(got + l4 + 8, p + l4 + 8 + total, payload);
		assert_int_equal(back.gso, payload > PIECE ? VNET_GSO_UDP : VNET_GSO_NONE);
		assert_int_equal(back.gso_size, payload > PIECE ? PIECE : 0);
		total += payload;
	}
	assert_int_equal(total, PIECES * PIECE);
	EXPECT_SOON(ab, all_pieces_counted, &before);
	assert_int_equal(fake_last(WG_DATA, last, sizeof(last), NULL), 336 + WG_DATA_OVERHEAD);
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

static void a_kernel_that_takes_no_super_packets_gets_them_cut_and_the_owner_hears_of_it(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	struct vnet v;
	(void)state;

	start_pair();
	assert_int_equal(plane_offloads(b.plane), PLANE_OFFLOAD_ALL);
	fake_refuse_supers(true);
	size_t n = make_super(p, &v);
	/* Until a burst held more than one piece. */
	for (unsigned tries = 0; !fake_supers_refused() && tries < 100; tries++) {
		fake_tun_send_super("tm1", &v, p, n);
		for (size_t i = 0; i < PIECES; i++) {
			assert_int_equal(expect_packet(ab, 2, &b, got), 28 + PIECE);
			assert_memory_equal(got + 28, p + 28 + i * PIECE, PIECE);
			assert_int_equal(fake_tun_last_vnet().gso, VNET_GSO_NONE);
		}
	}
	assert_int_equal(fake_supers_refused(), 1);
	EXPECT_SOON(ab, b_told, NULL);
	assert_int_equal(plane_offloads(b.plane), PLANE_OFFLOAD_ALL & ~PLANE_OFFLOAD_USO);
	for (unsigned i = 0; i < 20; i++) {
		fake_tun_send_super("tm1", &v, p, n);
		for (size_t k = 0; k < PIECES; k++)
			assert_int_equal(expect_packet(ab, 2, &b, got), 28 + PIECE);
	}
	assert_int_equal(fake_supers_refused(), 1);
	assert_int_equal(b.n_lost, 1);
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

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_super_packet_leaves_in_pieces_and_arrives_whole),
		CASE(a_super_packet_waits_for_its_session_in_pieces),
		CASE(a_kernel_that_takes_no_super_packets_gets_them_cut_and_the_owner_hears_of_it),
		CASE(a_header_that_contradicts_its_packet_is_dropped_and_counted),
		CASE(a_piece_larger_than_our_buffers_is_refused_with_the_mtu),
	};

	return cmocka_run_group_tests_name("data/plane/super", tests, NULL, NULL);
}
