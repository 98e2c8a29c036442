/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Members that are reached through a stream, and those that hold one in reserve. */
#include "unit/control/relay/rig.h"

static const struct way_to stream = {.kind = WAY_RELAY_TCP,
	.socket = 5,
	.remote = {.ip = {.family = IP_V4, .bytes = {192, 0, 2, 1}}, .port = 55555}};

static bool opens(struct rig *g, struct asker *a, const struct way_to *way, uint32_t lifetime_s)
{
	asker_ask(g, a, lifetime_s, false);
	if (registrar_stream(g->r, &way->remote, a->sent, a->n_sent, g->now, &g->out) != TM_OK)
		return false;
	assert_true(g->out.n && g->out.n <= a->n_sent);
	assert_string_equal(g->out.member.id, a->m.id);
	assert_int_equal(g->out.wanted, lifetime_s != 0);
	registrar_stream_up(g->r, a->m.id, way, g->out.wanted, &g->out);
	return true;
}

static void a_member_without_udp_is_reached_through_its_stream(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	assert_true(opens(g, a, &stream, 0));
	assert_leg(g, LEG_PUT, "192.0.2.1:55555");
	assert_int_equal(g->out.way.kind, WAY_RELAY_TCP);
	assert_int_equal(g->out.way.socket, 5);
	assert_int_equal(registrar_size(g->r), 1);
	registrar_stream_down(g->r, a->m.id, &stream, &g->out);
	assert_int_equal(g->out.what, LEG_GONE);
	assert_int_equal(registrar_size(g->r), 0);
}

static void a_stream_in_reserve_is_used_when_udp_ends(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	asker_registers(g, a);
	assert_true(asker_registers(g, a));
	assert_true(opens(g, a, &stream, 0));
	assert_int_equal(g->out.what, LEG_SAME);
	rig_pass(g, 25 * SEC);
	assert_true(asker_registers(g, a));
	assert_int_equal(g->out.what, LEG_SAME);
	/* One registration is missed: not two minutes of silence with a stream at hand. */
	assert_true(registrar_next(g->r) == g->now + REGISTRAR_PATIENCE);
	rig_pass(g, REGISTRAR_PATIENCE);
	assert_true(registrar_due(g->r, g->now, &g->out));
	assert_leg(g, LEG_PUT, "192.0.2.1:55555");
	rig_pass(g, 3600 * SEC);
	assert_int_equal(rig_due(g), 0);
	if (!asker_registers(g, a)) /* its cookie may be of the hour before the last */
		assert_true(asker_registers(g, a));
	assert_leg(g, LEG_PUT, "192.0.2.1:4000");
	assert_int_equal(registrar_size(g->r), 1);
}

static void a_member_that_says_so_is_reached_through_its_stream_at_once(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	asker_registers(g, a);
	assert_true(asker_registers(g, a));
	assert_true(opens(g, a, &stream, 0));
	asker_ask(g, a, 120, false); /* through it */
	assert_true(rig_receive(g, a, &stream));
	assert_leg(g, LEG_PUT, "192.0.2.1:55555");
	rig_pass(g, 25 * SEC);
	assert_true(asker_registers(g, a)); /* UDP is back */
	assert_leg(g, LEG_PUT, "192.0.2.1:4000");
	/* Through a stream that is not its own nobody says anything. */
	struct way_to other = stream;
	other.socket = 6;
	asker_ask(g, a, 120, false);
	assert_false(rig_receive(g, a, &other));
	assert_int_equal(g->out.what, LEG_SAME);
}

static void the_newer_stream_counts_and_the_end_of_the_older_is_nothing(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];
	struct way_to newer = stream;

	newer.socket = 6;
	assert_true(opens(g, a, &stream, 120));
	assert_true(opens(g, a, &newer, 120));
	assert_int_equal(g->out.what, LEG_PUT);
	assert_int_equal(g->out.way.socket, 6);
	registrar_stream_down(g->r, a->m.id, &stream, &g->out);
	assert_int_equal(g->out.what, LEG_SAME);
	registrar_stream_down(g->r, a->m.id, &newer, &g->out);
	assert_int_equal(g->out.what, LEG_GONE);
}

static void strangers_and_replays_get_no_stream(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0], liar = g->v[1];
	uint64_t stamp;

	assert_true(opens(g, a, &stream, 120));
	assert_int_equal(
		registrar_stream(g->r, &stream.remote, a->sent, a->n_sent, g->now, &g->out), TM_EAUTH);
	memcpy(liar.self.id, a->m.id, sizeof(liar.self.id));
	rig_pass(g, 1 * SEC);
	assert_false(opens(g, &liar, &stream, 120));
	assert_int_equal(registrar_stream(g->r, &stream.remote, a->sent, 19, g->now, &g->out), TM_ESHORT);
	/* A check is no registration. */
	a->n_sent = stun_request(&a->self, "00000000000000ff", a->key, 7, a->sent, sizeof(a->sent), &stamp);
	assert_int_equal(
		registrar_stream(g->r, &stream.remote, a->sent, a->n_sent, g->now, &g->out), TM_EBADMSG);
}

static void a_member_that_opens_streams_without_end_gets_two_a_second(void **state)
{
	enum { SECONDS = 60, TRIES = 100 };
	struct rig *g = *state;
	struct asker *a = &g->v[0];
	struct way_to way = stream;
	unsigned opened = 0;

	for (unsigned i = 0; i < SECONDS * TRIES; i++) {
		way.socket = 100 + i;
		opened += opens(g, a, &way, 120);
		rig_pass(g, SEC / TRIES);
	}
	assert_in_range(opened, 1, REGISTRAR_BURST + SECONDS * REGISTRAR_RATE);
	assert_int_equal(registrar_size(g->r), 1);
	assert_true(opens(g, &g->v[1], &stream, 120));
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_member_without_udp_is_reached_through_its_stream),
		T(a_stream_in_reserve_is_used_when_udp_ends),
		T(a_member_that_says_so_is_reached_through_its_stream_at_once),
		T(the_newer_stream_counts_and_the_end_of_the_older_is_nothing),
		T(strangers_and_replays_get_no_stream),
		T(a_member_that_opens_streams_without_end_gets_two_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
