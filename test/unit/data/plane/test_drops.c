/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Drops that take a forger with keys of his own, or a kernel that refuses: each is counted under its name. */
#include "unit/data/plane/rig.h"

#include "base/bytes.h"
#include "data/peer/handshake.h"
#include "wire/relay.h"
#include "wire/wg.h"

#define A "192.0.2.1:51820"
#define B "192.0.2.2:51820"

static struct host a, b;
static struct host *ab[] = {&a, &b};

static int set_up(void **state)
{
	(void)state;
	a = b = (struct host){0};
	fake_reset();
	host_start(&a, 1);
	host_start(&b, 2);
	rig_connect(&a, &b);
	return 0;
}

/* Writes initiations to b with a's keys. */
struct forger {
	struct hs_self self;
	struct handshake h;
	struct aead *aead;
	uint32_t index;
};

static void forger_init(struct forger *f)
{
	static const uint8_t no_psk[32];

	*f = (struct forger){.index = 1};
	assert_int_equal(hs_self_init(&f->self, a.priv), TM_OK);
	handshake_init(&f->h, b.pub, no_psk);
	assert_int_equal(aead_new(&f->aead), TM_OK);
}

static void forger_deinit(struct forger *f)
{
	handshake_deinit(&f->h);
	hs_self_deinit(&f->self);
	aead_free(f->aead);
}

static void forge(struct forger *f, uint8_t msg[static WG_INIT_LEN])
{
	static const uint8_t e_priv[32] = {[0] = 8, [31] = 65};

	assert_int_equal(
		handshake_create_init(&f->h, &f->self, f->aead, f->index++, time_real(), e_priv, msg), TM_OK);
	handshake_sign(&f->h, msg, WG_INIT_LEN, time_monotonic());
}

static void initiations_too_close_together_are_a_flood(void **state)
{
	uint8_t msg[WG_INIT_LEN];
	struct forger f;
	ns_t now = time_monotonic();
	(void)state;

	forger_init(&f);
	for (unsigned i = 0; i < 3; i++) {
		forge(&f, msg);
		fake_inject(A, B, 0, msg, sizeof(msg));
	}
	/* At one and the same moment. */
	while (host_drops(&b, DROP_HS_FLOOD) < 2)
		plane_service(b.plane, now);
	assert_int_equal(host_drops(&b, DROP_HS_FLOOD), 2);
	assert_int_equal(fake_last(WG_RESPONSE, msg, sizeof(msg), NULL), WG_RESPONSE_LEN);
	assert_int_equal(fake_sent(), 1);
	forger_deinit(&f);
}

static void an_initiation_that_does_not_decrypt_is_counted_and_not_answered(void **state)
{
	/* One bit in: the ephemeral key, the static key, its tag, the time stamp, its tag. */
	static const size_t at[] = {8, 40, 87, 88, 115};
	uint8_t msg[WG_INIT_LEN];
	struct forger f;
	(void)state;

	forger_init(&f);
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		forge(&f, msg);
		msg[at[i]] ^= 1;
		handshake_sign(&f.h, msg, sizeof(msg), 0); /* mac1 is right: it proves nothing */
		fake_inject(A, B, 0, msg, sizeof(msg));
	}
	expect_drops(ab, 2, &b, DROP_HS_DECRYPT, ARRAY_LEN(at));
	assert_int_equal(fake_sent(), 0);
	rig_warm(&a, &b);
	forger_deinit(&f);
}

static void under_load_a_proven_address_gets_five_handshakes_at_once(void **state)
{
	enum { FLOOD = 500, SHARE = 384 }; /* of the event ring, data/plane/event.h */
	uint8_t msg[WG_INIT_LEN], reply[WG_COOKIE_REPLY_LEN];
	struct wg_cookie_reply m;
	struct forger f;
	ns_t now = time_monotonic();
	(void)state;

	forger_init(&f);
	forge(&f, msg);
	for (unsigned i = 0; i < FLOOD; i++)
		fake_inject(A, B, 0, msg, sizeof(msg));
	while (host_drops(&b, DROP_QUEUE_FULL) < FLOOD - SHARE)
		;
	while (host_drops(&b, DROP_HS_COOKIE) < SHARE)
		plane_service(b.plane, now);
	assert_int_equal(fake_last(WG_COOKIE_REPLY, reply, sizeof(reply), NULL), sizeof(reply));
	assert_int_equal(wg_cookie_reply_decode(reply, sizeof(reply), &m), TM_OK);
	assert_int_equal(handshake_take_cookie(&f.h, f.aead, &m, now), TM_OK);

	handshake_sign(&f.h, msg, sizeof(msg), now);
	for (unsigned i = 0; i < 12; i++)
		fake_inject(A, B, 0, msg, sizeof(msg));
	while (host_drops(&b, DROP_HS_RATE) < 12 - 5)
		plane_service(b.plane, now);
	assert_int_equal(host_drops(&b, DROP_HS_RATE), 12 - 5);
	assert_int_equal(host_drops(&b, DROP_HS_REPLAY), 5 - 1);
	assert_int_equal(host_drops(&b, DROP_HS_COOKIE), SHARE);
	forger_deinit(&f);
}

static void what_the_socket_refuses_is_counted(void **state)
{
	static const int refusals[] = {TM_EAGAIN, TM_EUNREACH, TM_EIO};
	uint8_t p[FAKE_BYTES];
	size_t n;
	(void)state;

	rig_warm(&a, &b);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		n = packet_make(4, 1, 2, 1, 20, p);
		fake_broken(refusals[i]);
		fake_tun_send("tm1", p, n);
		expect_drops(ab, 2, &a, DROP_SEND_FAILED, i + 1);
		fake_broken(TM_OK);
	}
	fake_tun_send("tm1", p, n);
	assert_int_equal(expect_packet(ab, 2, &b, p), n);
}

static void what_the_tun_refuses_is_counted(void **state)
{
	uint8_t p[FAKE_BYTES], sealed[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	size_t len = rig_intercept(&a, p, packet_make(4, 1, 2, 1, 20, p), sealed);
	fake_broken(TM_EAGAIN);
	fake_inject(A, B, 0, sealed, len);
	expect_drops(ab, 2, &b, DROP_TUN_FULL, 1);
	fake_broken(TM_OK);
	rig_warm(&a, &b);
}

static void more_staged_packets_than_a_session_may_carry_are_counted(void **state)
{
	struct host c = {.limits = wg_limits_default};
	struct host *bc[] = {&b, &c};
	uint8_t p[FAKE_BYTES];
	(void)state;

	c.limits.reject_after_messages = 5;
	host_start(&c, 3);
	host_peers(&b, &(struct peering){.with = &c}, 1);
	host_peers(&c, &(struct peering){.with = &b, .no_endpoint = true}, 1);
	for (uint16_t i = 0; i < 20; i++)
		fake_tun_send("tm3", p, packet_make(4, 3, 2, i, 20, p));
	/* All of them wait, because there is nowhere to send to: once this one behind them is counted. */
	fake_tun_send("tm3", (const uint8_t *)"no IP", 5);
	struct plane_peer_stats st;
	struct way_to way = {.kind = WAY_UDP};
	assert_int_equal(endpoint_parse(B, &way.remote), TM_OK);
	while (!c.n_want || host_drops(&c, DROP_NOT_IP) == 0)
		plane_service(c.plane, time_monotonic());
	plane_service(c.plane, time_monotonic());
	assert_int_equal(plane_set_way(c.plane, b.pub, &way, NULL), TM_OK);
	expect_drops(bc, 2, &c, DROP_SEND_EXPIRED, 20 - 5);
	assert_int_equal(plane_peer_stats(b.plane, c.pub, &st), TM_OK);
	host_stop(&c);
}

/* There is no such stream. */
static void what_would_need_a_stream_is_refused_by_name_until_another_way_is_chosen(void **state)
{
	struct way_to way = {.kind = WAY_RELAY_TCP, .relay = relay_pair(1, 2)};
	uint8_t p[FAKE_BYTES];
	(void)state;

	rig_warm(&a, &b);
	assert_int_equal(endpoint_parse(B, &way.remote), TM_OK);
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
	assert_int_equal(plane_send(a.plane, &way, p, 20), TM_EUNSUPPORTED);
	size_t before = fake_sent();
	for (uint16_t i = 0; i < 3; i++)
		fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 20, p));
	expect_drops(ab, 2, &a, DROP_NO_SENDER, 3);
	assert_int_equal(fake_sent(), before);

	way.kind = WAY_UDP;
	way.relay = 0;
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 4, 20, p));
	expect_packet(ab, 2, &b, p);
	assert_int_equal(packet_serial(p), 4);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(initiations_too_close_together_are_a_flood),
		CASE(an_initiation_that_does_not_decrypt_is_counted_and_not_answered),
		CASE(under_load_a_proven_address_gets_five_handshakes_at_once),
		CASE(what_the_socket_refuses_is_counted),
		CASE(what_the_tun_refuses_is_counted),
		CASE(what_would_need_a_stream_is_refused_by_name_until_another_way_is_chosen),
		CASE(more_staged_packets_than_a_session_may_carry_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
