/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Many packets in one batch, with large, spoiled and refused ones among them: what is wrong with one is the
 * others' business only where it must be. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "crypto/aead.h"
#include "wire/wg.h"

#include <stdatomic.h>

enum { GIANT = 9000, NARROW = 1372, NARROW_MTU = 1328 };

static struct host a, b, c, d;
static struct host *ab[] = {&a, &b};
static struct host *abc[] = {&a, &b, &c};
static struct host *abcd[] = {&a, &b, &c, &d};

/* The operation of each batch that is not done; NOBODY: none. */
enum { NOBODY = 1000 };
static _Atomic(size_t) unsealed = NOBODY;

size_t __real_aead_seal_batch(struct aead *aead, struct aead_op *ops, size_t n);
size_t __wrap_aead_seal_batch(struct aead *aead, struct aead_op *ops, size_t n);

size_t __wrap_aead_seal_batch(struct aead *aead, struct aead_op *ops, size_t n)
{
	const size_t k = atomic_load(&unsealed);

	if (k >= n)
		return __real_aead_seal_batch(aead, ops, n);

	ops[k].err = TM_ECRYPTO;
	return 1 + __real_aead_seal_batch(aead, ops, k) +
	       __real_aead_seal_batch(aead, ops + k + 1, n - k - 1);
}

static int set_up(void **state)
{
	(void)state;
	a = b = c = d = (struct host){.offloads = PLANE_OFFLOAD_ALL};
	atomic_store(&unsealed, NOBODY);
	fake_reset();
	fake_tun_can(TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP);
	return 0;
}

static void start_pair(void)
{
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	rig_warm(&a, &b);
}

/* a reaches c and d through its gateway b. */
static void start_gateway(void)
{
	host_start(&a, 1);
	host_start(&b, 2);
	host_start(&c, 3);
	host_start(&d, 4);
	host_peers(&a, &(struct peering){.with = &b, .extra = "10.77.0.0/16"}, 1);
	host_peers(&b, (struct peering[]){{.with = &a, .forwards = true}, {.with = &c}, {.with = &d}}, 3);
	host_peers(&c, &(struct peering){.with = &b, .extra = "10.77.0.1/32"}, 1);
	host_peers(&d, &(struct peering){.with = &b, .extra = "10.77.0.1/32"}, 1);
	rig_warm(&a, &b);
}

static void nothing_arrived(const char *tun)
{
	uint8_t p[FAKE_BYTES];

	assert_int_equal(fake_tun_recv(tun, p, sizeof(p)), 0);
}

/* A packet with this number arrives at h, unchanged in length. */
static void expect_serial(struct host **hosts, size_t n, const struct host *h, size_t len, unsigned serial)
{
	uint8_t got[FAKE_BYTES];

	assert_int_equal(expect_packet(hosts, n, h, got), len);
	assert_int_equal(packet_serial(got), serial);
}

/* --- larger than we send --- */

/* a is told by the gateway, about its own packet. */
static void expect_too_big(int family, uint32_t mtu, unsigned serial)
{
	uint8_t got[FAKE_BYTES];

	expect_packet(abc, 3, &a, got);
	if (family == 4) {
		assert_int_equal(got[9], 1);
		assert_int_equal(got[15], 2); /* 10.77.0.2 */
		assert_int_equal(got[20], 3); /* destination unreachable, */
		assert_int_equal(got[21], 4); /* fragmentation needed */
		assert_int_equal(get_be16(got + 26), mtu);
		assert_int_equal(packet_serial(got + 28), serial);
	} else {
		assert_int_equal(got[6], 58);
		assert_int_equal(got[23], 2); /* fd77::2 */
		assert_int_equal(got[40], 2); /* packet too big */
		assert_int_equal(get_be32(got + 44), mtu);
		assert_int_equal(packet_serial(got + 48), serial);
	}
}

static void send_giants(void)
{
	static const struct {
		int family;
		const char *others;
	} rows[] = {{4, "10.77.0.0/16"}, {6, "fd77::/64"}};
	uint8_t p[FAKE_BYTES];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = packet_make(rows[i].family, 1, 3, (uint16_t)i, GIANT - 60, p);

		host_peers(&a, &(struct peering){.with = &b, .extra = rows[i].others}, 1);
		fake_tun_send("tm1", p, n);
		expect_too_big(rows[i].family, RIG_MTU, (unsigned)i);
		expect_drops(abc, 3, &b, DROP_TOO_BIG, i + 1);
	}
	nothing_arrived("tm3");
	host_peers(&a, &(struct peering){.with = &b, .extra = "10.77.0.0/16"}, 1);
	fake_tun_send("tm1", p, packet_make(4, 1, 3, 99, 20, p));
	expect_serial(abc, 3, &c, 48, 99);
}

static void a_giant_for_somebody_else_is_refused_with_our_mtu(void **state)
{
	(void)state;

	a.mtu = GIANT;
	start_gateway();
	rig_warm(&b, &c);
	send_giants();
}

static void a_giant_for_a_narrow_path_is_refused_too(void **state)
{
	(void)state;

	a.mtu = GIANT;
	start_gateway();
	rig_warm(&b, &c);
	fake_narrow_path("192.0.2.3", NARROW);
	send_giants();
}

static void a_giant_does_not_wait_for_a_session(void **state)
{
	(void)state;

	a.mtu = GIANT;
	start_gateway();
	fake_narrow_path("192.0.2.3", NARROW);
	send_giants();
}

/* --- larger than one path takes --- */

enum { EACH = 30 }; /* below the limit of ICMP errors a second */

/* EACH packets of full size for either destination in turn, which nobody sees yet. */
static void send_in_turn(unsigned one, unsigned other)
{
	uint8_t p[FAKE_BYTES];

	for (uint16_t i = 0; i < 2 * EACH; i++)
		fake_tun_send("tm1", p, packet_make(4, 1, i & 1 ? other : one, i, RIG_MTU - 28, p));
}

static void a_narrow_path_in_a_batch_takes_nothing_from_the_others(void **state)
{
	uint8_t got[FAKE_BYTES];
	(void)state;

	start_pair();
	host_start(&c, 3);
	host_peers(&c, &(struct peering){.with = &a}, 1);
	host_peers(&a, (struct peering[]){{.with = &b}, {.with = &c}}, 2);
	rig_warm(&a, &c);
	fake_narrow_path("192.0.2.3", NARROW);
	fake_hold(FAKE_TUNS);
	send_in_turn(2, 3);
	fake_hold(0);
	for (unsigned i = 0; i < EACH; i++) {
		expect_serial(abc, 3, &b, RIG_MTU, 2 * i);
		expect_packet(abc, 3, &a, got);
		assert_int_equal(get_be16(got + 26), NARROW_MTU);
		assert_int_equal(packet_serial(got + 28), 2 * i + 1);
	}
	expect_drops(abc, 3, &a, DROP_TOO_BIG, EACH);
	nothing_arrived("tm3");
}

/* Each error is a packet that is sent while the batch before it is still being settled. */
static void a_narrow_path_behind_the_gateway_is_told_for_each_packet(void **state)
{
	uint64_t before;
	(void)state;

	start_gateway();
	rig_warm(&b, &c);
	rig_warm(&b, &d);
	before = host_sent(&a, &b);
	fake_narrow_path("192.0.2.3", NARROW);
	fake_hold(FAKE_UDP);
	send_in_turn(4, 3);
	expect_sent(abcd, 4, &a, &b, before + 2 * EACH);
	fake_hold(0);
	for (unsigned i = 0; i < EACH; i++) {
		expect_serial(abcd, 4, &d, RIG_MTU, 2 * i);
		expect_too_big(4, NARROW_MTU, 2 * i + 1);
	}
	expect_drops(abcd, 4, &b, DROP_TOO_BIG, EACH);
	nothing_arrived("tm3");
	nothing_arrived("tm4");
}

/* --- more than one batch takes --- */

static void a_burst_longer_than_every_batch_arrives_in_order(void **state)
{
	/* Around what is opened at once, and what the coalescer takes up. */
	static const unsigned rows[] = {255, 256, 257, 511, 512, 513, 900};
	uint8_t p[FAKE_BYTES];
	(void)state;

	start_pair();
	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		uint64_t before = host_sent(&a, &b);

		fake_hold(FAKE_UDP);
		for (uint16_t i = 0; i < rows[row]; i++)
			fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 4, p));
		expect_sent(ab, 2, &a, &b, before + rows[row]);
		fake_hold(0);
		for (uint16_t i = 0; i < rows[row]; i++)
			expect_serial(ab, 2, &b, 32, i);
		nothing_arrived("tm2");
	}
}

static void a_spoiled_message_in_a_burst_costs_itself_alone(void **state)
{
	enum { MANY = 20 };
	static const unsigned rows[] = {0, 9, MANY - 1};
	struct plane_peer_stats st;
	uint8_t p[FAKE_BYTES];
	(void)state;

	start_pair();
	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		uint64_t before = host_sent(&a, &b);

		fake_hold(FAKE_UDP);
		for (uint16_t i = 0; i < MANY; i++)
			fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 100, p));
		expect_sent(ab, 2, &a, &b, before + MANY);
		fake_spoil("192.0.2.2", rows[row]);
		assert_int_equal(plane_peer_stats(b.plane, a.pub, &st), TM_OK);
		before = st.rx_packets;
		fake_hold(0);
		for (uint16_t i = 0; i < MANY; i++)
			if (i != rows[row])
				expect_serial(ab, 2, &b, 128, i);
		expect_drops(ab, 2, &b, DROP_AUTH, row + 1);
		assert_int_equal(plane_peer_stats(b.plane, a.pub, &st), TM_OK);
		assert_int_equal(st.rx_packets, before + MANY - 1);
		nothing_arrived("tm2");
	}
}

/* --- not sealed --- */

static void what_could_not_be_sealed_never_leaves(void **state)
{
	enum { MANY = 3 };
	uint8_t p[FAKE_BYTES];
	size_t before;
	(void)state;

	start_pair();
	before = fake_sent();
	for (size_t k = 0; k < MANY; k++) {
		fake_hold(FAKE_TUNS);
		for (uint16_t i = 0; i < MANY; i++)
			fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 20, p));
		atomic_store(&unsealed, k);
		fake_hold(0);
		/* The whole batch: which of them are sealed is not worth a guess. */
		expect_drops(ab, 2, &a, DROP_SEND_FAILED, (k + 1) * MANY);
		assert_int_equal(fake_sent(), before);
	}
	atomic_store(&unsealed, NOBODY);
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 77, 20, p));
	expect_serial(ab, 2, &b, 48, 77);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_giant_for_somebody_else_is_refused_with_our_mtu),
		CASE(a_giant_for_a_narrow_path_is_refused_too),
		CASE(a_giant_does_not_wait_for_a_session),
		CASE(a_narrow_path_in_a_batch_takes_nothing_from_the_others),
		CASE(a_narrow_path_behind_the_gateway_is_told_for_each_packet),
		CASE(a_burst_longer_than_every_batch_arrives_in_order),
		CASE(a_spoiled_message_in_a_burst_costs_itself_alone),
		CASE(what_could_not_be_sealed_never_leaves),
	};

	return cmocka_run_group_tests_name("data/plane/bursts", tests, NULL, NULL);
}
