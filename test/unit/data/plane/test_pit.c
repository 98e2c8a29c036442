/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A flooded relay (host 9 of the mesh), which listens no longer to those who send nothing of use, and to all
 * others as before. */
#include "unit/data/plane/relay_rig.h"

#include "data/plane/pit.h"
#include "wire/stun.h"
#include "wire/wg.h"

/* Members of whom there is nothing but a leg. */
#define C "192.0.2.3:51820"
#define D "192.0.2.4:51820"
#define STRANGER "198.51.100.66:7000"

static void register_at(uint32_t host, const char *where)
{
	const struct plane_leg leg = {.way = {.remote = at(where)}};

	assert_int_equal(plane_relay_put(r.plane, host, &leg), TM_OK);
}

static int set_up(void **state)
{
	(void)state;
	relay_rig_start(0, 1);
	register_at(3, C);
	register_at(4, D);
	fake_fill(100);
	fake_overflow(true);
	return 0;
}

/* A data message for this pair, with its header. */
static size_t message(uint32_t from, uint32_t to, size_t n, uint8_t *out)
{
	memset(out, 'd', RELAY_HEADER + n);
	relay_put(out, relay_pair(from, to));
	put_le32(out + RELAY_HEADER, WG_DATA);
	return RELAY_HEADER + n;
}

enum { RUSH = 900 };

/* At once; no two make a train. */
static void rush(const char *from, uint32_t to)
{
	uint8_t msg[FAKE_BYTES];

	fake_hold(FAKE_UDP);
	for (size_t k = 0; k < RUSH; k++)
		fake_inject(from, R, 0, msg, message(3, to, k % 2 ? 300 : 200, msg));
	fake_hold(0);
}

static void expect_drop(enum plane_drop why, uint64_t want)
{
	expect_drops(all, 3, &r, why, want);
}

/* Until what he sends is read no longer; false: it is, however much. What had come before that is read. */
static bool is_cast_out(const char *from, uint32_t to, enum plane_drop why)
{
	for (unsigned i = 0; i < 20 && !fake_is_unread(from); i++) {
		const uint64_t want = host_drops(&r, why) + RUSH;

		rush(from, to);
		expect_drop(why, want);
		plane_service(r.plane, time_monotonic());
	}
	return fake_is_unread(from);
}

static void who_sends_nothing_of_use_is_read_no_longer_and_again_after_a_while(void **state)
{
	uint8_t msg[FAKE_BYTES];
	(void)state;

	assert_true(is_cast_out(STRANGER, 4, DROP_RELAY_UNPROVEN));
	const uint64_t ended = host_drops(&r, DROP_NO_USE), read = host_drops(&r, DROP_RELAY_UNPROVEN);
	rush(STRANGER, 4);
	assert_int_equal(host_drops(&r, DROP_NO_USE), ended + RUSH);
	/* Others are heard, also from there. */
	fake_inject("198.51.100.66:7001", R, 0, msg, message(3, 4, 300, msg));
	expect_drop(DROP_RELAY_UNPROVEN, read + 1);
	plane_service(r.plane, time_monotonic() + 10 * SEC);
	assert_true(fake_is_unread(STRANGER));
	plane_service(r.plane, time_monotonic() + 21 * SEC);
	assert_false(fake_is_unread(STRANGER));
	rush(STRANGER, 4);
	expect_drop(DROP_RELAY_UNPROVEN, read + 1 + RUSH);
}

static void the_owner_of_the_loop_is_told_when_somebody_is_to_be_heard_again(void **state)
{
	(void)state;

	assert_true(is_cast_out(STRANGER, 4, DROP_RELAY_UNPROVEN));
	const ns_t now = time_monotonic();
	assert_true(plane_service(r.plane, now) <= now + 20 * SEC);
}

static void a_member_is_heard_whatever_is_sent_in_its_name_or_from_beside_it(void **state)
{
	(void)state;

	assert_false(is_cast_out(C, 5, DROP_RELAY_UNBOUND));
	assert_false(is_cast_out("192.0.2.3:7000", 4, DROP_RELAY_UNPROVEN));
}

static void who_is_of_use_now_and_then_is_heard(void **state)
{
	(void)state;

	rig_connect(&a, &r);
	rig_warm(&a, &r);
	for (unsigned i = 1; i <= 20; i++) {
		rush(A, 4);
		expect_drop(DROP_RELAY_UNPROVEN, i * (uint64_t)RUSH);
		rig_warm(&a, &r);
	}
	assert_false(fake_is_unread(A));
}

/* One that is open, whatever its socket. */
static struct pit opened(void)
{
	static char socket;

	return (struct pit){.udp = (struct udp *)(void *)&socket};
}

static void of_an_address_with_many_ports_all_are_read_no_longer(void **state)
{
	static const struct {
		const char *one, *other, *beyond;
	} rows[] = {
		{"198.51.100.66:7000", "198.51.100.66:9999", "198.51.100.67:7000"},
		{"[2001:db8:1:2::1]:7000", "[2001:db8:1:2::99]:1", "[2001:db8:1:3::99]:1"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct endpoint other = at(rows[i].other), beyond = at(rows[i].beyond);
		struct pit p = opened();

		for (unsigned k = 1; k <= 5; k++) {
			struct endpoint from = at(rows[i].one);

			assert_false(pit_has(&p, &other));
			from.port = (uint16_t)(from.port + k);
			from.ip.bytes[15] = (uint8_t)k; /* of IPv6 */
			assert_true(pit_cast(&p, NULL, &from, k));
			assert_true(pit_cast(&p, NULL, &from, k)); /* the same is no other */
			assert_true(pit_has(&p, &from));
		}
		assert_true(pit_has(&p, &other));
		assert_false(pit_has(&p, &beyond));
		assert_int_equal(p.n, 1);
	}
}

static unsigned looks;

static bool is_that(const void *ctx, const struct ip *ip)
{
	looks++;
	return ip_eq(ctx, ip);
}

static void where_somebody_of_ours_is_is_asked_now_and_then_and_others_have_no_use_of_it(void **state)
{
	const struct endpoint member = at("192.0.2.1:7000"), stranger = at("198.51.100.66:7000");
	const struct pit_ours somebody = {.is_there = is_that, .ctx = &member.ip};
	struct pit p = opened();
	(void)state;

	looks = 0;
	for (ns_t now = SEC; now < SEC + 100 * MS; now += MS)
		assert_false(pit_cast(&p, &somebody, &member, now));
	assert_int_equal(looks, 1);
	assert_true(pit_cast(&p, &somebody, &stranger, SEC));
	assert_false(pit_cast(&p, &somebody, &member, SEC + 100 * MS));
	assert_int_equal(looks, 3);
}

static void when_too_many_are_there_the_first_is_heard_again(void **state)
{
	struct pit p = opened();
	struct endpoint from[33];
	(void)state;

	for (unsigned i = 0; i < ARRAY_LEN(from); i++) {
		from[i] = at("198.51.100.1:7000");
		from[i].ip.bytes[3] = (uint8_t)i;
		assert_true(pit_cast(&p, NULL, &from[i], i));
	}
	assert_false(pit_has(&p, &from[0]));
	assert_true(pit_has(&p, &from[1]));
	assert_true(pit_has(&p, &from[32]));
	assert_int_equal(pit_next(&p), 1 + CAST_TIME);
	assert_false(pit_release(&p, CAST_TIME));
	assert_true(pit_release(&p, 2 + CAST_TIME));
	assert_false(pit_has(&p, &from[2]));
	assert_true(pit_has(&p, &from[3]));
}

static bool rushes_and_is_unread(void *from)
{
	static unsigned port;
	char text[40];

	/* From many ports, none of which sends much. */
	fake_hold(FAKE_UDP);
	for (size_t k = 0; k < RUSH; k++) {
		uint8_t msg[FAKE_BYTES];

		snprintf(text, sizeof(text), "%s:%u", (char *)from, 1024 + port++ % 1000);
		fake_inject(text, R, 0, msg, message(3, 4, k % 2 ? 300 : 200, msg));
	}
	fake_hold(0);
	snprintf(text, sizeof(text), "%s:%u", (char *)from, 9);
	return fake_is_unread(text);
}

static void who_sends_from_ever_new_ports_is_found_by_his_address(void **state)
{
	(void)state;

	EXPECT_SOON(all, rushes_and_is_unread, (char[]){"198.51.100.66"});
	assert_false(fake_is_unread("198.51.100.67:1024"));
	/* What had sidings of that has none any more. */
	assert_false(fake_is_steered("198.51.100.66:1024"));
	EXPECT_SOON(all, rushes_and_is_unread, (char[]){"[2001:db8:1:2::66]"});
	assert_true(fake_is_unread("[2001:db8:1:2::1]:1"));
}

static void who_registers_or_has_a_session_is_heard_again(void **state)
{
	(void)state;

	assert_true(is_cast_out(A, 4, DROP_RELAY_UNPROVEN));
	register_at(1, A);
	assert_false(fake_is_unread(A));
	plane_relay_remove(r.plane, 1);
	assert_true(is_cast_out(A, 4, DROP_RELAY_UNPROVEN));
	rig_connect(&a, &r);
	rig_warm(&a, &r); /* a handshake is heard from there */
	assert_false(fake_is_unread(A));
}

/* Stock clients, and members who are registered with other relays. */
static void who_has_a_session_is_heard_whatever_is_sent_in_its_name_or_from_beside_it(void **state)
{
	(void)state;

	rig_connect(&a, &r);
	rig_warm(&a, &r);
	assert_false(is_cast_out(A, 4, DROP_RELAY_UNPROVEN));
	const uint64_t before = host_drops(&r, DROP_RELAY_UNPROVEN);
	for (unsigned i = 1; i <= 20; i++) {
		assert_false(rushes_and_is_unread((char[]){"192.0.2.1"}));
		expect_drop(DROP_RELAY_UNPROVEN, before + i * (uint64_t)RUSH);
		plane_service(r.plane, time_monotonic());
	}
	assert_false(fake_is_unread(A));
}

static bool rushes_and_has_a_siding(void *before)
{
	rush(C, 4);
	rush(STRANGER, 4);
	return fake_sockets(false) > *(unsigned *)before;
}

static void where_the_kernel_cannot_be_told_all_are_read(void **state)
{
	unsigned before = fake_sockets(false);
	(void)state;

	fake_no_steering();
	EXPECT_SOON(all, rushes_and_has_a_siding, &before);
	assert_int_equal(fake_sockets(true), 0);
}

static void who_is_not_read_may_still_ask(void **state)
{
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};
	uint8_t msg[STUN_MAX];
	const size_t n = stun_encode(&m, NULL, msg, sizeof(msg));
	(void)state;

	assert_true(is_cast_out(STRANGER, 4, DROP_RELAY_UNPROVEN));
	fake_inject(STRANGER, R, 0, msg, n);
	EXPECT_SOON(all, stun_came, &r);
}

/* --- what begins like none of our messages --- */

static bool has_siding(void *from)
{
	return fake_is_steered(from);
}

static void what_is_no_message_is_not_read_once_somebody_floods(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t n;
		bool read;
	} rows[] = {
		{{0xff, 0xff, 0xff, 0xff}, 300, false},
		{{0}, 0, false},
		{{4}, 7, false},
		{{4}, 19, false},
		{{4, 0, 0, 1}, 300, false},
		{{0}, 300, false},
		{{5}, 300, false},
		{{'T', 2}, 300, false},
		{{0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1}, 300, false}, /* an answer of a name server */
		{{4}, 300, true},
		{{1}, 148, true},
		{{2}, 92, true},
		{{3}, 64, true},
		{{'T', 1}, 300, true},
		{{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, true},
	};
	uint8_t msg[FAKE_BYTES];
	(void)state;

	fake_inject(STRANGER, R, 0, rows[0].bytes, 8);
	expect_drop(DROP_MALFORMED, 1); /* nobody floods it */
	rush(C, 4);
	EXPECT_SOON(all, has_siding, (char[]){C});
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const uint64_t before = host_drops(&r, DROP_NO_USE);

		memset(msg, 0, sizeof(msg));
		memcpy(msg, rows[i].bytes, sizeof(rows[i].bytes));
		fake_inject(STRANGER, R, 0, msg, rows[i].n);
		if (host_drops(&r, DROP_NO_USE) - before != !rows[i].read)
			fail_msg("row %zu", i);
	}
	const uint64_t all_of_it = host_drops(&r, DROP_NO_USE);
	assert_int_equal(plane_relay_offer(r.plane, false), TM_OK);
	assert_int_equal(host_drops(&r, DROP_NO_USE), all_of_it);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(who_sends_nothing_of_use_is_read_no_longer_and_again_after_a_while),
		CASE(the_owner_of_the_loop_is_told_when_somebody_is_to_be_heard_again),
		CASE(a_member_is_heard_whatever_is_sent_in_its_name_or_from_beside_it),
		CASE(who_is_of_use_now_and_then_is_heard),
		CASE(of_an_address_with_many_ports_all_are_read_no_longer),
		CASE(where_somebody_of_ours_is_is_asked_now_and_then_and_others_have_no_use_of_it),
		CASE(when_too_many_are_there_the_first_is_heard_again),
		CASE(who_sends_from_ever_new_ports_is_found_by_his_address),
		CASE(who_registers_or_has_a_session_is_heard_again),
		CASE(who_has_a_session_is_heard_whatever_is_sent_in_its_name_or_from_beside_it),
		CASE(where_the_kernel_cannot_be_told_all_are_read),
		CASE(who_is_not_read_may_still_ask),
		CASE(what_is_no_message_is_not_read_once_somebody_floods),
	};

	return cmocka_run_group_tests_name("data/plane/pit", tests, NULL, NULL);
}
