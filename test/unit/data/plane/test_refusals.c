/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packets that must not arrive: each is counted under its name, and strangers hear nothing. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "data/plane/askers.h"
#include "packet/csum.h"
#include "wire/stun.h"
#include "wire/wg.h"

#define A "192.0.2.1:51820"
#define B "192.0.2.2:51820"
#define STRANGER "203.0.113.66:4444"

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

static void a_datagram_is_accepted_once(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed);
	fake_inject(A, B, 0, sealed, len);
	expect_packet(ab, 2, &b, p);
	fake_inject(A, B, 0, sealed, len);
	expect_drops(ab, 2, &b, DROP_REPLAY, 1);
	nothing_arrived("tm2");
}

static void a_changed_bit_anywhere_is_noticed(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	struct plane_peer_stats st;
	uint64_t auth = 0, unknown = 0, malformed = 0;
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed);
	for (size_t i = 0; i < len; i++) {
		sealed[i] ^= 0x20;
		fake_inject("198.51.100.1:1", B, 0, sealed, len);
		sealed[i] ^= 0x20;
		if (i < 4)
			malformed++;
		else if (i < 8)
			unknown++;
		else
			auth++;
	}
	/* A counter far beyond the limit is refused before it is opened: its highest bytes alone do not reach
	 * that. */
	expect_drops(ab, 2, &b, DROP_AUTH, auth);
	expect_drops(ab, 2, &b, DROP_NO_SESSION, unknown);
	expect_drops(ab, 2, &b, DROP_MALFORMED, malformed);
	nothing_arrived("tm2");
	assert_int_equal(b.n_heard, 0);
	assert_int_equal(plane_peer_stats(b.plane, a.pub, &st), TM_OK);
	assert_int_equal(st.way.remote.ip.bytes[0], 192);
}

static void garbage_is_counted_and_never_answered(void **state)
{
	uint8_t p[FAKE_BYTES] = {0};
	size_t before;
	(void)state;

	rig_warm(&a, &b);
	before = fake_sent();

	fake_inject(STRANGER, B, 0, p, 0);
	fake_inject(STRANGER, B, 0, p, 3);
	fake_inject(STRANGER, B, 0, p, 100);
	expect_drops(ab, 2, &b, DROP_MALFORMED, 3);

	p[0] = WG_DATA;
	for (size_t n = 1; n < WG_DATA_MIN; n++)
		fake_inject(STRANGER, B, 0, p, n);
	expect_drops(ab, 2, &b, DROP_MALFORMED, 3 + WG_DATA_MIN - 1);
	put_be32(p + 4, 0x01020304);
	fake_inject(STRANGER, B, 0, p, WG_DATA_MIN);
	expect_drops(ab, 2, &b, DROP_NO_SESSION, 1);
	fake_inject(STRANGER, B, 0, p, 3000);
	if (rig_trains()) /* nothing is too large for a slot that many fit into */
		expect_drops(ab, 2, &b, DROP_NO_SESSION, 2);
	else
		expect_drops(ab, 2, &b, DROP_TRUNCATED, 1);

	for (uint8_t type = WG_INIT; type <= WG_COOKIE_REPLY; type++) {
		p[0] = type;
		fake_inject(STRANGER, B, 0, p, 60);
		fake_inject(STRANGER, B, 0, p, 1000);
	}
	expect_drops(ab, 2, &b, DROP_HS_MALFORMED, 6);
	p[0] = WG_INIT;
	fake_inject(STRANGER, B, 0, p, WG_INIT_LEN);
	p[0] = WG_RESPONSE;
	fake_inject(STRANGER, B, 0, p, WG_RESPONSE_LEN);
	expect_drops(ab, 2, &b, DROP_HS_MAC1, 1);
	p[0] = WG_COOKIE_REPLY;
	fake_inject(STRANGER, B, 0, p, WG_COOKIE_REPLY_LEN);
	expect_drops(ab, 2, &b, DROP_HS_UNEXPECTED, 2);

	assert_int_equal(fake_sent(), before);
	rig_warm(&a, &b);
}

static void a_replayed_initiation_is_not_answered(void **state)
{
	uint8_t init[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = fake_last(WG_INIT, init, sizeof(init), NULL), before = fake_sent();
	assert_int_equal(len, WG_INIT_LEN);
	fake_inject(STRANGER, B, 0, init, len);
	expect_drops(ab, 2, &b, DROP_HS_REPLAY, 1);
	assert_int_equal(fake_sent(), before);
}

static void a_flood_of_handshakes_is_bounded_and_must_prove_its_address(void **state)
{
	enum { FLOOD = 500, SHARE = 384 }; /* of the event ring, data/plane/event.h */
	uint8_t init[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = fake_last(WG_INIT, init, sizeof(init), NULL), before = fake_sent();
	for (unsigned i = 0; i < FLOOD; i++)
		fake_inject(STRANGER, B, 0, init, len);
	/* The control thread is busy elsewhere meanwhile. */
	while (host_drops(&b, DROP_QUEUE_FULL) < FLOOD - SHARE)
		;
	expect_drops(ab, 2, &b, DROP_HS_COOKIE, SHARE);
	assert_int_equal(host_drops(&b, DROP_QUEUE_FULL), FLOOD - SHARE);
	assert_int_equal(fake_sent(), before + SHARE);
	assert_int_equal(fake_last(WG_COOKIE_REPLY, init, sizeof(init), NULL), WG_COOKIE_REPLY_LEN);
	rig_warm(&a, &b);
}

static bool stun_came(void *arg)
{
	return ((struct host *)arg)->n_stun > 0;
}

static void whoever_floods_with_stun_pays_for_it_alone(void **state)
{
	enum { FLOOD = 4 * ASKERS_BURST };
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	uint8_t msg[STUN_MAX];
	size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	(void)state;

	rig_warm(&a, &b);
	b.n_stun = 0;
	for (unsigned i = 0; i < FLOOD; i++)
		fake_inject(STRANGER, B, 0, msg, n);
	/* More than one and less than all: time goes on meanwhile. */
	while (host_drops(&b, DROP_STUN_FLOOD) == 0)
		rig_warm(&a, &b);
	EXPECT_SOON(ab, stun_came, &b);
	b.n_stun = 0;
	for (int i = 0; i < 3; i++) /* it may share its slot */
		fake_inject(i == 0 ? A : i == 1 ? "198.51.100.7:7" : "203.0.113.7:7", B, 0, msg, n);
	EXPECT_SOON(ab, stun_came, &b);
	assert_int_equal(host_drops(&b, DROP_QUEUE_FULL), 0);
}

/* Those who know no key of ours, or answer what nobody asked, take no room from those who do. */
static void garbage_takes_no_room_from_handshakes_and_makes_no_load(void **state)
{
	enum { FLOOD = 900 }; /* more than the event ring has room for */
	static const struct {
		uint8_t type;
		size_t n;
	} rows[] = {{WG_INIT, WG_INIT_LEN}, {WG_RESPONSE, WG_RESPONSE_LEN},
		{WG_COOKIE_REPLY, WG_COOKIE_REPLY_LEN}};
	uint8_t p[FAKE_BYTES] = {0};
	(void)state;

	/* The control thread does nothing meanwhile. */
	for (unsigned i = 0; i < FLOOD; i++) {
		p[0] = rows[i % 3].type;
		put_be32(p + 8, i);
		fake_inject(STRANGER, B, 0, p, rows[i % 3].n);
	}
	while (host_drops(&b, DROP_HS_MAC1) + host_drops(&b, DROP_HS_UNEXPECTED) < FLOOD)
		;
	assert_int_equal(host_drops(&b, DROP_QUEUE_FULL), 0);
	rig_warm(&a, &b);
	assert_int_equal(host_drops(&b, DROP_HS_COOKIE), 0);
}

static void somebody_who_is_not_in_the_mesh_gets_no_session(void **state)
{
	uint8_t p[FAKE_BYTES];
	struct host *bc[] = {&b, &c};
	(void)state;

	host_start(&c, 3);
	host_peers(&c, &(struct peering){.with = &b}, 1);
	fake_tun_send("tm3", p, packet_make(4, 3, 2, 1, 20, p));
	expect_drops(bc, 2, &b, DROP_HS_UNKNOWN_PEER, 1);
	nothing_arrived("tm2");
}

static void source_addresses_belong_to_their_peer(void **state)
{
	uint8_t p[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	fake_tun_send("tm1", p, packet_make(4, 9, 2, 1, 20, p)); /* nobody's */
	fake_tun_send("tm1", p, packet_make(6, 2, 2, 1, 20, p)); /* b's own */
	expect_drops(ab, 2, &b, DROP_SPOOF, 2);

	/* Exact longest prefix: a part of a's network is given to another peer. */
	host_start(&c, 3);
	host_peers(&b,
		(struct peering[]){
			{.with = &a, .extra = "10.78.0.0/16"}, {.with = &c, .extra = "10.78.5.0/24"}},
		2);
	size_t n = packet_make(4, 1, 2, 2, 20, p);
	memcpy(p + 12, (uint8_t[]){10, 78, 5, 1}, 4);
	fake_tun_send("tm1", p, n);
	expect_drops(ab, 2, &b, DROP_SPOOF, 3);
	memcpy(p + 12, (uint8_t[]){10, 78, 6, 1}, 4);
	fake_tun_send("tm1", p, n);
	expect_packet(ab, 2, &b, p);
	assert_int_equal(host_drops(&b, DROP_SPOOF), 3);
}

static void removing_a_peer_cuts_its_session_at_once(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	struct plane_peer_stats st;
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed), before = fake_sent();
	host_peers(&b, NULL, 0);
	fake_inject(A, B, 0, sealed, len);
	expect_drops(ab, 2, &b, DROP_NO_SESSION, 1);
	nothing_arrived("tm2");
	assert_int_equal(plane_peer_stats(b.plane, a.pub, &st), TM_ENOENT);
	fake_tun_send("tm2", p, packet_make(4, 2, 1, 1, 20, p));
	expect_drops(ab, 2, &b, DROP_NO_ROUTE, 1);
	assert_int_equal(fake_sent(), before);
}

static void congestion_that_the_packet_cannot_carry_ends_it(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed);
	fake_inject(A, B, 3, sealed, len);
	expect_drops(ab, 2, &b, DROP_ECN, 1);
	nothing_arrived("tm2");
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

static void expired_sessions_carry_nothing_in_either_direction(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES], got[FAKE_BYTES];
	struct host *bc[] = {&b, &c};
	(void)state;

	c.limits = wg_limits_default;
	c.limits.reject_after_messages = 5;
	c.limits.rekey_timeout = 30 * MS;
	host_start(&c, 3);
	host_peers(&b, &(struct peering){.with = &c}, 1);
	host_peers(&c, &(struct peering){.with = &b}, 1);

	/* Sender: each sixth message waits for the next session. */
	for (uint16_t i = 0; i < 20; i++) {
		fake_tun_send("tm3", p, packet_make(4, 3, 2, i, 20, p));
		expect_packet(bc, 2, &b, got);
		assert_int_equal(packet_serial(got), i);
	}
	assert_true(c.n_up >= 4);

	/* Receiver: a counter beyond the limit is refused unopened. */
	size_t len = fake_last(WG_DATA, sealed, sizeof(sealed), NULL);
	memset(sealed + 8, 0xff, 8);
	fake_inject("192.0.2.3:51820", B, 0, sealed, len);
	expect_drops(bc, 2, &b, DROP_RECV_EXPIRED, 1);
}

static void our_own_and_impossible_keys_are_left_out_and_the_rest_works(void **state)
{
	const uint8_t *keys[] = {a.pub, (const uint8_t[32]){1}, b.pub};
	struct plane_peer peer = {.n_allowed = 1};
	struct plane_peer_stats st;
	struct prefix allowed;
	struct way_to way = {.kind = WAY_UDP};
	(void)state;

	assert_int_equal(prefix_parse("10.77.0.2/32", &allowed), TM_OK);
	peer.allowed = &allowed;
	plane_peers_begin(a.plane);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		memcpy(peer.key, keys[i], 32);
		assert_int_equal(plane_peer_put(a.plane, &peer), keys[i] == b.pub ? TM_OK : TM_EINVAL);
	}
	allowed.len = 33;
	assert_int_equal(plane_peer_put(a.plane, &peer), TM_EINVAL);
	assert_int_equal(plane_peers_commit(a.plane), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_int_equal(
			plane_peer_stats(a.plane, keys[i], &st), keys[i] == b.pub ? TM_OK : TM_ENOENT);
	assert_int_equal(endpoint_parse(B, &way.remote), TM_OK);
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
	rig_warm(&a, &b);
	assert_int_equal(plane_set_way(a.plane, (uint8_t[32]){1}, &way, NULL), TM_ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_datagram_is_accepted_once, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(a_changed_bit_anywhere_is_noticed, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(garbage_is_counted_and_never_answered, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(a_replayed_initiation_is_not_answered, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_flood_of_handshakes_is_bounded_and_must_prove_its_address, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			garbage_takes_no_room_from_handshakes_and_makes_no_load, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			whoever_floods_with_stun_pays_for_it_alone, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			somebody_who_is_not_in_the_mesh_gets_no_session, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(source_addresses_belong_to_their_peer, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			removing_a_peer_cuts_its_session_at_once, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			congestion_that_the_packet_cannot_carry_ends_it, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(an_address_of_nobody_is_unreachable, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			nobody_hears_that_groups_and_broadcasts_go_nowhere, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			the_last_host_answers_like_nobody_and_is_not_counted, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(what_is_no_ip_packet_goes_nowhere, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_packet_that_the_kernel_cannot_describe_costs_itself_alone, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			too_large_for_the_path_is_told_or_fragmented, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			the_outside_of_the_tunnel_is_never_inside_it, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(nobody_is_a_router_unasked, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			an_absent_peer_costs_little_and_ends_in_unreachable, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			expired_sessions_carry_nothing_in_either_direction, set_up, rig_teardown),
		cmocka_unit_test_setup_teardown(
			our_own_and_impossible_keys_are_left_out_and_the_rest_works, set_up, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
