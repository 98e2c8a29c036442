/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When the core asks what stands between it and the world, and how it answers those who ask it. */
#include "rig.h"

#include "control/path/stun.h"
#include "crypto/dh.h"
#include "unit/unit.h"

static struct route *wan;

static int setup(void **state)
{
	int err = rig_setup(state);

	wan = rig_route(&rig, CAND_HOST, "192.0.2.1:51820", "198.51.100.1:51820", MS);
	rig_network(&rig, A, "192.0.2.1");
	return err;
}

static void ask_b(void)
{
	rig_input(&rig, A,
		(struct core_in){.kind = CORE_SERVER,
			.id = rig.side[B].self.id,
			.key = rig.side[B].self.key,
			.server = {.v = &wan->end[B], .n = 1}});
}

static const struct nat_report *report(void)
{
	return core_nat(rig.side[A].core);
}

static void a_report_is_made_when_something_changed_and_never_because_time_has_passed(void **state)
{
	(void)state;
	assert_int_equal(report()->began, 0);
	ask_b();
	rig_run(&rig, 10 * SEC);
	assert_true(report()->done);
	assert_int_equal(report()->family[0].udp, NAT_UDP_WORKS);
	assert_false(report()->family[0].translated);
	ns_t first = report()->began;
	rig_run(&rig, 3600 * SEC);
	assert_int_equal(report()->began, first);
	rig_network(&rig, A, "192.0.2.1");
	rig_network(&rig, A, "192.0.2.1");
	rig_run(&rig, 10 * SEC);
	ns_t second = report()->began;
	assert_true(second > first);
	/* A network that changes all the time is asked about seldom. */
	for (int i = 0; i < 50; i++) {
		rig_network(&rig, A, "192.0.2.1");
		rig_run(&rig, 100 * MS);
	}
	assert_int_equal(report()->began, second);
	rig_run(&rig, 20 * SEC);
	assert_true(report()->began > second);
}

static void who_wants_to_know_gets_a_report_at_once(void **state)
{
	(void)state;
	ask_b();
	rig_run(&rig, 10 * SEC);
	rig_input(&rig, A, (struct core_in){.kind = CORE_PROBE});
	assert_false(report()->done);
	unsigned told = rig.side[A].outs[CORE_PROBED];
	rig_run(&rig, 5 * SEC);
	assert_true(report()->done);
	assert_true(rig.side[A].outs[CORE_PROBED] > told + 1); /* as it grows, too */
}

static void with_nobody_to_ask_a_report_is_done_at_once(void **state)
{
	(void)state;
	rig_input(&rig, A, (struct core_in){.kind = CORE_PROBE});
	rig_run(&rig, MS);
	assert_true(report()->done);
	assert_int_equal(report()->family[0].udp, NAT_UDP_UNTRIED);
	assert_int_equal(report()->family[1].udp, NAT_UDP_ABSENT);
	assert_int_equal(rig.side[A].outs[CORE_SEND], 0);
	assert_int_equal(rig.side[A].outs[CORE_PROBED], 1);
}

static void relays_are_asked_beside_the_coordinator_and_the_coordinator_once(void **state)
{
	struct core_relay v[2] = {
		{.member = rig.side[B].self, .v = {wan->end[B]}, .n = 1},
		{.member = {.id = "0123456789abcdef"}, .n = 2},
	};

	(void)state;
	memcpy(v[1].member.key, rig.side[B].self.key, 32);
	assert_int_equal(endpoint_parse("100.101.0.9:51820", &v[1].v[0]), TM_OK); /* in the mesh: never */
	assert_int_equal(endpoint_parse("203.0.113.5:51820", &v[1].v[1]), TM_OK);
	ask_b();
	rig_input(&rig, A, (struct core_in){.kind = CORE_RELAYS, .relays = {v, 2}});
	rig_run(&rig, 10 * SEC);
	assert_int_equal(report()->n_servers, 2);
	assert_string_equal(report()->servers[0].id, rig.side[B].self.id);
	assert_true(report()->servers[0].rtt[0] > 0);
	assert_true(endpoint_eq(&report()->servers[1].at[0], &v[1].v[1]));
	assert_int_equal(report()->servers[1].rtt[0], 0);
	rig_input(&rig, A, (struct core_in){.kind = CORE_RELAYS});
	rig_run(&rig, 30 * SEC);
	assert_int_equal(report()->n_servers, 1);
}

/* --- answering --- */

static uint32_t dice(void *ctx UNUSED)
{
	return 7;
}

static struct core_out asked(const struct stun_msg *question, uint32_t socket, const char *local)
{
	const struct side *a = &rig.side[A], *b = &rig.side[B];
	struct stun_self self = {.random = NULL};
	struct dh_key *own;
	uint8_t key[STUN_KEY], msg[STUN_MAX];
	uint64_t stamp;
	struct core_in in = {
		.kind = CORE_STUN, .stun = {.by = {.remote = wan->end[A], .socket = socket}, .msg = msg}};
	struct core_out out = {.n = 0};
	static ns_t stamps;

	memcpy(self.id, a->self.id, sizeof(self.id));
	self.real = b->real + ++stamps;
	self.random = dice;
	assert_int_equal(dh_key_new(a->private_key, &own), TM_OK);
	assert_int_equal(stun_pair_key(own, b->self.key, key), TM_OK);
	dh_key_free(own);
	assert_int_equal(ip_parse(local, &in.stun.by.local), TM_OK);
	in.stun.n = stun_ask(&self, b->self.id, key, question, msg, sizeof(msg), &stamp);
	core_input(b->core, &in, rig.now);
	while (core_output(b->core, rig.now, b->real, &out) && out.kind != CORE_SEND)
		;
	assert_int_equal(out.kind, CORE_SEND);
	assert_true(out.n <= in.stun.n);
	return out;
}

static void a_change_request_is_answered_from_the_socket_that_nobody_writes_to(void **state)
{
	static const struct ip local[] = {
		{IP_V4, {198, 51, 100, 1}}, {IP_V4, {10, 0, 0, 1}}, {IP_V4, {198, 51, 100, 2}}};
	static const struct {
		bool change_port, change_ip;
		const char *local;
		uint32_t socket;
		const char *from, *other, *origin;
	} rows[] = {
		{false, false, "198.51.100.1", 0, "198.51.100.1", "198.51.100.2:51821", "198.51.100.1:51820"},
		{true, false, "198.51.100.1", 2, "198.51.100.1", "198.51.100.2:51821", "198.51.100.1:40404"},
		{true, true, "198.51.100.1", 2, "198.51.100.2", "198.51.100.2:51821", "198.51.100.2:40404"},
		/* Behind a translator of its own it does not know its addresses. */
		{true, false, "10.0.0.1", 2, "10.0.0.1", "0.0.0.0:51821", "10.0.0.1:40404"},
		{true, true, "10.0.0.1", 2, "10.0.0.1", "0.0.0.0:51821", "10.0.0.1:40404"},
		{false, true, "10.0.0.1", 0, "10.0.0.1", "0.0.0.0:51821", "10.0.0.1:51820"},
	};

	(void)state;
	rig_input(&rig, B, (struct core_in){.kind = CORE_NETWORK, .network = {local, ARRAY_LEN(local)}});
	rig_input(&rig, B,
		(struct core_in){.kind = CORE_DOORS,
			.doors = {.second = 1, .silent = 2, .second_port = 51821, .silent_port = 40404}});
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct stun_msg q = {.change_port = rows[i].change_port,
			.change_ip = rows[i].change_ip,
			.pad_to = NAT_SHORT};
		struct core_out out = asked(&q, 0, rows[i].local);
		char from[IP_STR_LEN], other[ENDPOINT_STR_LEN], origin[ENDPOINT_STR_LEN];
		struct stun_msg m;

		assert_int_equal(stun_decode(out.msg, out.n, &m), TM_OK);
		if (out.way.socket != rows[i].socket ||
			strcmp(ip_format(&out.way.local, from), rows[i].from) != 0 ||
			strcmp(endpoint_format(&m.other, other), rows[i].other) != 0 ||
			strcmp(endpoint_format(&m.origin, origin), rows[i].origin) != 0)
			fail_msg("row %zu: socket %u, from %s, other %s, origin %s", i, out.way.socket, from,
				other, origin);
	}
}

static void whoever_has_one_port_answers_from_it_and_says_so(void **state)
{
	const struct stun_msg q = {.change_port = true, .pad_to = NAT_SHORT};
	struct core_out out;
	struct stun_msg m;

	(void)state;
	out = asked(&q, 0, "198.51.100.1");
	assert_int_equal(stun_decode(out.msg, out.n, &m), TM_OK);
	assert_int_equal(out.way.socket, 0);
	assert_int_equal(m.other.ip.family, IP_NONE);
}

static void a_question_to_the_second_port_is_answered_from_there(void **state)
{
	const struct stun_msg q = {.pad_to = NAT_SHORT};
	struct stun_msg m;

	(void)state;
	rig_input(&rig, B,
		(struct core_in){.kind = CORE_DOORS,
			.doors = {.second = 1, .silent = 2, .second_port = 51821, .silent_port = 40404}});
	struct core_out out = asked(&q, 1, "198.51.100.1");
	assert_int_equal(stun_decode(out.msg, out.n, &m), TM_OK);
	assert_int_equal(out.way.socket, 1);
	assert_int_equal(m.origin.port, 51821);
}

static void a_long_question_has_a_long_answer_and_a_check_has_a_short_one(void **state)
{
	(void)state;
	assert_int_equal(asked(&(struct stun_msg){.pad_to = NAT_LONG}, 0, "198.51.100.1").n, NAT_LONG);
	assert_true(asked(&(struct stun_msg){.pad_to = NAT_LONG, .priority = 1}, 0, "198.51.100.1").n <=
		    STUN_ANSWER);
	assert_true(asked(&(struct stun_msg){.pad_to = 0}, 0, "198.51.100.1").n <= STUN_ANSWER);
}

#define NAT_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NAT_TEST(a_report_is_made_when_something_changed_and_never_because_time_has_passed),
		NAT_TEST(who_wants_to_know_gets_a_report_at_once),
		NAT_TEST(with_nobody_to_ask_a_report_is_done_at_once),
		NAT_TEST(relays_are_asked_beside_the_coordinator_and_the_coordinator_once),
		NAT_TEST(a_change_request_is_answered_from_the_socket_that_nobody_writes_to),
		NAT_TEST(whoever_has_one_port_answers_from_it_and_says_so),
		NAT_TEST(a_question_to_the_second_port_is_answered_from_there),
		NAT_TEST(a_long_question_has_a_long_answer_and_a_check_has_a_short_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
