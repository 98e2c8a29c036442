/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packets of this machine that lead nowhere: each is counted under its name, and its sender is told what
 * helps. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "packet/csum.h"
#include "wire/wg.h"

#define A "192.0.2.1:51820"
#define B "192.0.2.2:51820"

static struct host a, b, c;
static struct host *ab[] = {&a, &b};

static int set_up(void **state)
{
	(void)state;
	a = b = c = (struct host){0};
	fake_reset();
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	return 0;
}

static void nothing_arrived(const char *tun)
{
	uint8_t p[FAKE_BYTES];

	assert_int_equal(fake_tun_recv(tun, p, sizeof(p)), 0);
}

static void an_address_of_nobody_is_unreachable(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	fake_tun_send("tm1", p, packet_make(4, 1, 99, 1, 20, p));
	expect_packet(ab, 2, &a, got);
	assert_int_equal(got[9], 1);
	assert_int_equal(got[20], 3); /* destination unreachable */
	fake_tun_send("tm1", p, packet_make(6, 1, 99, 1, 20, p));
	expect_packet(ab, 2, &a, got);
	assert_int_equal(got[6], 58);
	assert_int_equal(got[40], 1);
	expect_drops(ab, 2, &a, DROP_NO_ROUTE, 2);

	/* At most so many a second, however fast the mistakes come. */
	unsigned answers = 0;
	for (uint16_t i = 0; i < 600; i++)
		fake_tun_send("tm1", p, packet_make(4, 1, 99, i, 20, p));
	expect_drops(ab, 2, &a, DROP_NO_ROUTE, 602);
	while (fake_tun_recv("tm1", got, sizeof(got)))
		answers++;
	assert_true(answers >= 90 && answers <= 200);
}

/* Whether answers reach who asks is asked so, and is no fault that somebody should look into. */
static void the_last_host_answers_like_nobody_and_is_not_counted(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	size_t n = packet_make(4, 1, 2, 1, 20, p);
	memcpy(p + 16, (uint8_t[]){10, 77, 255, 254}, 4);
	fake_tun_send("tm1", p, n);
	expect_packet(ab, 2, &a, got);
	assert_int_equal(got[20], 3); /* destination unreachable */
	assert_memory_equal(got + 12, ((uint8_t[]){10, 77, 255, 254}), 4);
	assert_int_equal(host_drops(&a, DROP_NO_ROUTE), 0);
}

/* RFC 1122 3.2.2: and what is not answered leaves the answers to those who get one. */
static void nobody_hears_that_groups_and_broadcasts_go_nowhere(void **state)
{
	static const struct {
		int family;
		uint8_t to[16];
	} rows[] = {
		{4, {10, 77, 255, 255}}, /* of the mesh */
		{4, {10, 77, 0, 0}}, /* as hosts of long ago wrote it, RFC 1122 3.3.6 */
		{4, {255, 255, 255, 255}},
		{4, {224, 0, 0, 251}},
		{6, {0xff, 0x02, [15] = 0xfb}},
	};
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	unsigned sent = 0;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = packet_make(rows[i].family, 1, 2, 1, 20, p);

		memcpy(p + (rows[i].family == 4 ? 16 : 24), rows[i].to, rows[i].family == 4 ? 4 : 16);
		for (unsigned k = 0; k < 150; k++)
			fake_tun_send("tm1", p, n);
		sent += 150;
	}
	expect_drops(ab, 2, &a, DROP_NO_ROUTE, sent);
	nothing_arrived("tm1");
	fake_tun_send("tm1", p, packet_make(4, 1, 99, 7, 20, p));
	expect_packet(ab, 2, &a, got);
	assert_int_equal(packet_serial(got + 28), 7);
}

static void what_is_no_ip_packet_goes_nowhere(void **state)
{
	uint8_t p[64] = {0};
	(void)state;

	fake_tun_send("tm1", p, sizeof(p));
	p[0] = 0x45;
	put_be16(p + 2, 1000);
	fake_tun_send("tm1", p, sizeof(p));
	expect_drops(ab, 2, &a, DROP_NOT_IP, 2);
}

static void a_packet_that_the_kernel_cannot_describe_costs_itself_alone(void **state)
{
	uint8_t p[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	fake_hold(FAKE_TUNS);
	fake_tun_send_indescribable("tm1");
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 5, 20, p));
	fake_hold(0);
	expect_packet(ab, 2, &b, p);
	assert_int_equal(packet_serial(p), 5);
	expect_drops(ab, 2, &a, DROP_NOT_IP, 1);
}

static void too_large_for_the_path_is_told_or_fragmented(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	fake_path_payload(1372); /* Ethernet of 1400 */
	size_t n = packet_make(4, 1, 2, 1, 1392, p);
	fake_tun_send("tm1", p, n);
	expect_packet(ab, 2, &a, got);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 4); /* fragmentation needed */
	assert_int_equal(get_be16(got + 26), 1328);
	assert_memory_equal(got + 28, p, 28); /* about our packet, in clear */
	n = packet_make(6, 1, 2, 1, 1372, p);
	fake_tun_send("tm1", p, n);
	expect_packet(ab, 2, &a, got);
	assert_int_equal(got[40], 2); /* packet too big */
	assert_int_equal(get_be32(got + 44), 1328);
	expect_drops(ab, 2, &a, DROP_TOO_BIG, 2);
	assert_int_equal(fake_sent_fragmented(), 0);

	/* What the sender allows to be fragmented arrives, and so does what every IPv6 host may send. */
	n = packet_make(4, 1, 2, 2, 1392, p);
	p[6] = 0;
	put_be16(p + 10, 0);
	put_be16(p + 10, csum_finish(csum_add(p, 20, 0)));
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_packet(ab, 2, &b, got), 1324);
	assert_int_equal(expect_packet(ab, 2, &b, got), n - 1324 + 20);
	fake_path_payload(1000);
	n = packet_make(6, 1, 2, 3, 1280 - 48, p);
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_packet(ab, 2, &b, got), n);
	assert_int_equal(fake_sent_fragmented(), 1);
	assert_int_equal(host_drops(&a, DROP_TOO_BIG), 2);
}

static void the_outside_of_the_tunnel_is_never_inside_it(void **state)
{
	static const char *const inside[] = {"10.77.0.2:51820", "10.77.200.1:1", "[fd77::5]:51820"};
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	struct way_to way = {.kind = WAY_UDP};
	(void)state;

	rig_warm(&a, &b);
	for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
		assert_int_equal(endpoint_parse(inside[i], &way.remote), TM_OK);
		assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_EINVAL);
		assert_int_equal(plane_send(a.plane, &way, p, 20), TM_EINVAL);
	}
	/* Delivered, because it is authentic, but nobody moves there. */
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed);
	fake_inject("10.77.0.1:51820", B, 0, sealed, len);
	expect_packet(ab, 2, &b, p);
	assert_int_equal(b.n_heard, 0);
	len = fake_last(WG_INIT, sealed, sizeof(sealed), NULL);
	fake_inject("10.77.0.1:51820", B, 0, sealed, len);
	expect_drops(ab, 2, &b, DROP_LOOP, 1);
}

static void nobody_is_a_router_unasked(void **state)
{
	uint8_t p[FAKE_BYTES];
	(void)state;

	host_start(&c, 3);
	host_peers(&a, &(struct peering){.with = &b, .extra = "10.77.0.0/16"}, 1);
	host_peers(&b, (struct peering[]){{.with = &a}, {.with = &c}}, 2);
	fake_tun_send("tm1", p, packet_make(4, 1, 3, 1, 20, p));
	expect_drops(ab, 2, &b, DROP_NOT_FOR_US, 1);
	nothing_arrived("tm2");

	/* Nor is b's kernel, which would route for everybody where another program switched forwarding on:
	 * into its other networks, or back to the mesh. */
	static const struct {
		int family;
		uint8_t to[16];
	} rows[] = {
		{4, {198, 51, 100, 7}},
		{4, {127, 0, 0, 1}},
		{4, {10, 77, 0, 99}}, /* nobody's */
		{4, {224, 0, 0, 251}},
		{4, {10, 77, 255, 255}},
		{6, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}},
		{6, {0xff, 0x02, [15] = 0xfb}},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = packet_make(rows[i].family, 1, 2, 2, 20, p);

		host_peers(&a,
			&(struct peering){.with = &b, .extra = rows[i].family == 4 ? "0.0.0.0/0" : "::/0"},
			1);
		memcpy(p + (rows[i].family == 4 ? 16 : 24), rows[i].to, rows[i].family == 4 ? 4 : 16);
		fake_tun_send("tm1", p, n);
		expect_drops(ab, 2, &b, DROP_NOT_FOR_US, 2 + i);
		nothing_arrived("tm2");
	}
}

static void an_absent_peer_costs_little_and_ends_in_unreachable(void **state)
{
	struct way_to nowhere = {.kind = WAY_UDP};
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	(void)state;

	c.limits = wg_limits_default;
	c.limits.rekey_attempt = 300 * MS;
	c.limits.rekey_timeout = 100 * MS;
	host_start(&c, 3);
	host_peers(&c, &(struct peering){.with = &b}, 1);
	assert_int_equal(endpoint_parse("203.0.113.1:9", &nowhere.remote), TM_OK);
	assert_int_equal(plane_set_way(c.plane, b.pub, &nowhere, NULL), TM_OK);

	struct host *only_c[] = {&c};
	for (uint16_t i = 0; i < 200; i++)
		fake_tun_send("tm3", p, packet_make(4, 3, 2, i, 20, p));
	expect_packet(only_c, 1, &c, got);
	assert_int_equal(got[20], 3);
	assert_int_equal(got[21], 1); /* host unreachable */
	/* About the newest: the quoted packet's source port is its serial number. */
	assert_int_equal(get_be16(got + 48), 199);
	expect_drops(only_c, 1, &c, DROP_STAGED_FULL, 200 - 128);
	expect_drops(only_c, 1, &c, DROP_NO_PATH, 128);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_address_of_nobody_is_unreachable),
		CASE(nobody_hears_that_groups_and_broadcasts_go_nowhere),
		CASE(the_last_host_answers_like_nobody_and_is_not_counted),
		CASE(what_is_no_ip_packet_goes_nowhere),
		CASE(a_packet_that_the_kernel_cannot_describe_costs_itself_alone),
		CASE(too_large_for_the_path_is_told_or_fragmented),
		CASE(the_outside_of_the_tunnel_is_never_inside_it),
		CASE(nobody_is_a_router_unasked),
		CASE(an_absent_peer_costs_little_and_ends_in_unreachable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
