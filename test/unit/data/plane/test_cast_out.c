/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A flooded relay (host 9 of the mesh), which listens no longer to those who send nothing of use, and to all
 * others as before. */
#include "data/plane/plane_private.h"

#include "unit/data/plane/relay_rig.h"

#include "wire/stun.h"
#include "wire/wg.h"

#include <unistd.h>

#define STRANGER "198.51.100.66:7000"

static int set_up(void **state)
{
	(void)state;
	relay_rig_start(0, 1);
	register_at(3, C, NULL);
	register_at(4, D, NULL);
	fake_fill(100);
	fake_overflow(true);
	return 0;
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

/* One, until it was read. */
static void rush_and_serve(const char *from, uint32_t to, enum plane_drop why)
{
	const uint64_t want = host_drops(&r, why) + RUSH;

	rush(from, to);
	expect_drop(why, want);
	plane_service(r.plane, time_monotonic());
}

enum { RUSHES = 20 };

/* Until what he sends is read no longer; false: it is, however much. What had come before that is read. How
 * long others took keeps nobody. */
static bool is_cast_out(const char *from, uint32_t to, enum plane_drop why)
{
	for (unsigned i = 0; i < RUSHES && !fake_is_unread(from); i++) {
		r.plane->look_again = 0;
		rush_and_serve(from, to, why);
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

static bool has_siding(void *from)
{
	return fake_is_steered(from);
}

/* What begins like STUN or a handshake, and is none; what fits into no slot, where these are for single
 * datagrams. */
enum kind { DATA, LONG_INIT, INIT, STUN, TOO_LONG };

static size_t make(enum kind kind, size_t k, uint8_t *out)
{
	if (kind == DATA || kind == TOO_LONG)
		return message(3, 4, kind == TOO_LONG ? 4000 : k % 2 ? 300 : 200, out);
	memset(out, 'q', 300);
	if (kind == STUN) {
		put_be32(out, 0x00010000 + 280);
		put_be32(out + 4, STUN_MAGIC);
	} else {
		put_le32(out, WG_INIT);
	}
	return kind == INIT ? WG_INIT_LEN : 300;
}

struct flood {
	const char *ip;
	enum kind kind;
	unsigned other_of; /* of so many one is of the other kind; 0: none */
	enum kind other;
};

/* Of what came to the relay, whatever became of it. */
static uint64_t accounted(void)
{
	uint64_t sum = r.n_stun;

	/* What the fake says was lost was not sent by anybody. */
	for (unsigned d = 0; d < DROP_N; d++)
		sum += d == DROP_RELAY_SHARE || d == DROP_UDP_QUEUE_FULL ? 0 : host_drops(&r, d);
	return sum;
}

static bool is_accounted(void *n)
{
	return accounted() == *(uint64_t *)n;
}

/* At once, from many ports, none of which sends much; until all of it was read, or shut out. */
static void pour(const struct flood *f)
{
	static unsigned port;
	uint64_t in_the_end = accounted() + RUSH;
	uint8_t msg[FAKE_BYTES];
	char from[60];

	fake_hold(FAKE_UDP);
	for (size_t k = 0; k < RUSH; k++) {
		const enum kind kind = f->other_of && k % f->other_of == 0 ? f->other : f->kind;

		snprintf(from, sizeof(from), "%s:%u", f->ip, 1024 + port++ % 1000);
		fake_inject(from, R, 0, msg, make(kind, k, msg));
	}
	fake_hold(0);
	EXPECT_SOON(all, is_accounted, &in_the_end);
}

static const char *any_port(const char *ip)
{
	static char text[60];

	snprintf(text, sizeof(text), "%s:9", ip);
	return text;
}

static bool floods_and_is_unread(void *flood)
{
	const struct flood *f = flood;

	pour(f);
	return fake_is_unread(any_port(f->ip));
}

static bool floods_and_is_heard_rarely(void *flood)
{
	const struct flood *f = flood;

	pour(f);
	return fake_is_heard_rarely(any_port(f->ip));
}

static bool rushes_and_is_unread(void *from)
{
	return floods_and_is_unread(&(struct flood){.ip = from});
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

/* As on a busy machine, where much is lost before the flood is shut out. */
static void lose_much(ns_t from)
{
	fake_overflow(true);
	for (unsigned k = 1; k <= 3; k++) {
		for (unsigned i = 0; i < 100; i++)
			(void)host_drops(&r, DROP_UDP_QUEUE_FULL); /* each time it is more */
		plane_service(r.plane, from + k * 200 * MS);
	}
}

#define CALM (3 * WEIGH_CALM)

/* Who is heard rarely is heard as often as at first, whatever was lost before, and for some seconds that
 * stays so. */
static void lose_nothing(void)
{
	const ns_t now = time_monotonic();

	lose_much(now);
	fake_overflow(false);
	for (ns_t t = SEC; t <= CALM; t += 2 * WEIGH_EVERY)
		plane_service(r.plane, now + t);
}

static void who_floods_with_what_begins_like_a_question_is_found_and_heard_rarely(void **state)
{
	static const enum kind kinds[] = {LONG_INIT, INIT, STUN};
	static const char *const who[][2] = {{"198.51.100.66", "198.51.100.67"},
		{"198.51.100.68", "198.51.100.69"}, {"[2001:db8:1:2::66]", "[2001:db8:1:3::66]"}};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct flood f = {.ip = who[i][0], .kind = kinds[i]};

		EXPECT_SOON(all, floods_and_is_heard_rarely, &f);
		assert_true(fake_is_unread(any_port(f.ip)));
		assert_false(fake_is_unread(any_port(who[i][1])));
	}
	/* What is left of it. */
	lose_nothing();
	const uint64_t read = host_drops(&r, DROP_HS_MAC1);
	pour(&(struct flood){.ip = who[1][0], .kind = INIT});
	assert_in_range(host_drops(&r, DROP_HS_MAC1) - read, RUSH / 4, RUSH / 4 + 1);
}

static void while_others_lose_by_it_even_less_of_it_is_heard(void **state)
{
	struct flood f = {.ip = "198.51.100.68", .kind = INIT};
	(void)state;

	EXPECT_SOON(all, floods_and_is_heard_rarely, &f);
	lose_nothing();
	lose_much(time_monotonic() + CALM);
	const uint64_t read = host_drops(&r, DROP_HS_MAC1);
	pour(&f);
	assert_in_range(host_drops(&r, DROP_HS_MAC1) - read, RUSH / 16, RUSH / 16 + 1);
}

static void who_floods_with_data_is_heard_rarely_only_when_he_goes_on_with_questions(void **state)
{
	struct flood f = {.ip = "198.51.100.66"};
	(void)state;

	EXPECT_SOON(all, floods_and_is_unread, &f);
	assert_false(fake_is_heard_rarely(any_port(f.ip)));
	f.kind = INIT;
	EXPECT_SOON(all, floods_and_is_heard_rarely, &f);
	/* Of one port: it has a siding first. */
	assert_true(is_cast_out("203.0.113.5:7000", 4, DROP_RELAY_UNPROVEN));
	assert_false(fake_is_heard_rarely("203.0.113.5:7000"));
	assert_true(fake_is_unread("203.0.113.5:7000"));
}

static bool asks_much(void *from)
{
	uint64_t in_the_end = accounted() + RUSH;
	uint8_t msg[FAKE_BYTES];

	fake_hold(FAKE_UDP);
	for (size_t k = 0; k < RUSH; k++)
		fake_inject(from, R, 0, msg, make(k % 2 ? INIT : LONG_INIT, k, msg));
	fake_hold(0);
	EXPECT_SOON(all, is_accounted, &in_the_end);
	return fake_is_heard_rarely(from);
}

static void so_is_one_port_that_asks_too_much(void **state)
{
	(void)state;

	EXPECT_SOON(all, asks_much, (char[]){STRANGER});
	assert_false(fake_is_heard_rarely("198.51.100.66:7001"));
}

static void a_few_questions_or_giants_among_it_excuse_nothing(void **state)
{
	struct flood rows[] = {{.ip = "198.51.100.66", .other_of = 50, .other = STUN},
		{.ip = "198.51.100.67", .other_of = 50, .other = TOO_LONG}};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		EXPECT_SOON(all, floods_and_is_unread, &rows[i]);
	assert_true(host_drops(&r, DROP_TRUNCATED) > 0);
}

static void a_train_is_no_question_because_it_begins_like_one(void **state)
{
	struct flood f = {.ip = "198.51.100.66"};
	uint8_t msg[FAKE_BYTES];
	(void)state;

	EXPECT_SOON(all, floods_and_is_unread, &f);
	make(STUN, 0, msg);
	const uint64_t before = host_drops(&r, DROP_NO_USE);
	fake_inject(STRANGER, R, 0, msg, STUN_MAX);
	assert_int_equal(host_drops(&r, DROP_NO_USE), before);
	fake_inject(STRANGER, R, 0, msg, STUN_MAX + 1);
	assert_int_equal(host_drops(&r, DROP_NO_USE), before + 1);
}

/* Behind one address with somebody who floods us, as behind a carrier's: he asks as often as a leg does in a
 * round while somebody waits for it, and two of them are to come. */
static void who_shares_the_address_of_one_who_floods_with_questions_registers_all_the_same(void **state)
{
	static const struct stun_msg ask = {.class = STUN_REQUEST, .method = 1};
	struct flood f = {.ip = "198.51.100.66", .kind = INIT};
	uint8_t msg[STUN_MAX];
	const size_t n = stun_encode(&ask, NULL, msg, sizeof(msg));
	(void)state;

	EXPECT_SOON(all, floods_and_is_heard_rarely, &f);
	lose_nothing();
	const unsigned came = r.n_stun;
	uint64_t in_the_end = accounted() + 22;
	for (unsigned i = 0; i < 22; i++)
		fake_inject("198.51.100.66:40000", R, 0, msg, n);
	EXPECT_SOON(all, is_accounted, &in_the_end);
	assert_in_range(r.n_stun - came, 5, 6);
	/* From then on the address is one of ours. */
	register_at(5, "198.51.100.66:40000", NULL);
	assert_false(fake_is_unread(any_port(f.ip)));
	for (unsigned i = 0; i < 20; i++)
		assert_false(floods_and_is_unread(&f));
}

static void our_own_relays_are_heard_whatever_is_sent_in_their_name(void **state)
{
	const struct endpoint relay = at("198.51.100.66:51820");
	(void)state;

	assert_int_equal(plane_set_relays(r.plane, &relay, 1), TM_OK);
	assert_false(is_cast_out(STRANGER, 4, DROP_RELAY_UNPROVEN));
}

static void a_member_by_stream_is_heard_by_datagrams_too(void **state)
{
	const struct plane_leg leg = {
		.way = {.kind = WAY_RELAY_TCP, .remote = at("198.51.100.66:443"), .socket = 0}};
	struct plane_leg by_stream = leg;
	int fd[2];
	(void)state;

	make_pair(fd);
	by_stream.way.socket = add_stream(&r, fd[0], WS_SERVER, 5);
	assert_int_equal(plane_relay_put(r.plane, 5, &by_stream), TM_OK);
	assert_false(is_cast_out(STRANGER, 4, DROP_RELAY_UNPROVEN));
	close(fd[1]);
}

/* Of the test's thread: each question takes a second of it; 0: as it is. */
static _Thread_local ns_t has_run;

ns_t __real_time_of_thread(void);
ns_t __wrap_time_of_thread(void);

ns_t __wrap_time_of_thread(void)
{
	return has_run ? has_run += SEC : __real_time_of_thread();
}

/* To look whether somebody of ours is there takes its time: a twentieth of what there is, by the thread's own
 * clock, as a preemption is nobody's fault. */
static void who_is_to_be_cast_waits_while_others_were_just_now_and_is_not_forgotten(void **state)
{
	const ns_t later = time_monotonic() + 3600 * SEC;
	(void)state;

	r.plane->look_again = later;
	for (unsigned i = 0; i < RUSHES; i++)
		rush_and_serve(STRANGER, 4, DROP_RELAY_UNPROVEN);
	assert_false(fake_is_unread(STRANGER));
	assert_true(plane_service(r.plane, time_monotonic()) <= later);
	r.plane->look_again = 0;
	const ns_t before = time_monotonic();
	has_run = SEC;
	plane_service(r.plane, before);
	has_run = 0;
	assert_true(fake_is_unread(STRANGER));
	assert_in_range(r.plane->look_again, before + 20 * SEC, time_monotonic() + 20 * SEC);
}

static void who_gets_a_siding_does_not_answer_for_its_last_owner(void **state)
{
	struct worker *w = &r.plane->workers[0];
	(void)state;

	assert_true(is_cast_out(STRANGER, 4, DROP_RELAY_UNPROVEN)); /* and leaves his to the next */
	for (size_t i = 0; i < r.plane->n_sidings; i++)
		atomic_store(&r.plane->siding[i]->is_vain, VAIN_JUNK);
	r.plane->look_again = 0;
	w->wish.source.from = at("203.0.113.5:7000");
	atomic_store(&w->wish.is_set, true);
	plane_service(r.plane, time_monotonic());
	assert_true(fake_is_steered("203.0.113.5:7000"));
	assert_false(fake_is_unread("203.0.113.5:7000"));
}

static void who_registers_or_has_a_session_is_heard_again(void **state)
{
	(void)state;

	assert_true(is_cast_out(A, 4, DROP_RELAY_UNPROVEN));
	register_at(1, A, NULL);
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
		CASE(who_sends_from_ever_new_ports_is_found_by_his_address),
		CASE(who_floods_with_what_begins_like_a_question_is_found_and_heard_rarely),
		CASE(while_others_lose_by_it_even_less_of_it_is_heard),
		CASE(who_floods_with_data_is_heard_rarely_only_when_he_goes_on_with_questions),
		CASE(so_is_one_port_that_asks_too_much),
		CASE(a_few_questions_or_giants_among_it_excuse_nothing),
		CASE(a_train_is_no_question_because_it_begins_like_one),
		CASE(who_shares_the_address_of_one_who_floods_with_questions_registers_all_the_same),
		CASE(our_own_relays_are_heard_whatever_is_sent_in_their_name),
		CASE(a_member_by_stream_is_heard_by_datagrams_too),
		CASE(who_is_to_be_cast_waits_while_others_were_just_now_and_is_not_forgotten),
		CASE(who_gets_a_siding_does_not_answer_for_its_last_owner),
		CASE(who_registers_or_has_a_session_is_heard_again),
		CASE(who_has_a_session_is_heard_whatever_is_sent_in_its_name_or_from_beside_it),
		CASE(where_the_kernel_cannot_be_told_all_are_read),
		CASE(who_is_not_read_may_still_ask),
		CASE(what_is_no_message_is_not_read_once_somebody_floods),
	};

	return cmocka_run_group_tests_name("data/plane/cast out", tests, NULL, NULL);
}
