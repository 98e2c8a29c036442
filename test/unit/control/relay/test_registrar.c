/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Members who register as they should. */
#include "unit/control/relay/rig.h"

static void a_member_is_registered_once_it_has_shown_that_it_receives(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	assert_false(asker_registers(g, a)); /* answered, with a cookie */
	assert_true(g->ours && g->out.n && g->answer.has_lifetime && g->answer.has_cookie);
	assert_int_equal(g->out.what, LEG_SAME);
	assert_int_equal(registrar_size(g->r), 0);
	assert_true(asker_registers(g, a));
	assert_int_equal(g->answer.lifetime_s, 120);
	assert_leg(g, LEG_PUT, "192.0.2.1:4000");
	assert_int_equal(g->out.member.host, a->m.host);
	assert_memory_equal(g->out.member.key, a->m.key, 32);
	assert_int_equal(registrar_size(g->r), 1);
	/* Again and again, without a word to the plane. */
	for (unsigned i = 0; i < 10; i++) {
		rig_pass(g, 25 * SEC);
		assert_int_equal(rig_due(g), 0);
		assert_true(asker_registers(g, a));
		assert_int_equal(g->out.what, LEG_SAME);
	}
	assert_int_equal(registrar_refused(g->r), 0);
}

static void a_leg_ends_with_its_lifetime(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	asker_registers(g, a);
	assert_true(asker_registers(g, a));
	assert_true(registrar_next(g->r) == g->now + 120 * SEC);
	rig_pass(g, 120 * SEC - 1);
	assert_int_equal(rig_due(g), 0);
	rig_pass(g, 1);
	assert_int_equal(rig_due(g), 1);
	assert_string_equal(g->out.member.id, "");
	assert_int_equal(registrar_size(g->r), 0);
	assert_true(registrar_next(g->r) == NS_NEVER);
	assert_true(asker_registers(g, a)); /* its cookie is still good */
	assert_int_equal(g->out.what, LEG_PUT);
}

static void the_address_that_registered_last_is_the_leg(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	asker_registers(g, a);
	assert_true(asker_registers(g, a));
	a->way = rig_way("[2001:db8::1]:4000");
	assert_false(asker_registers(g, a)); /* the cookie was for the other address */
	assert_int_equal(g->out.what, LEG_SAME);
	assert_true(asker_registers(g, a));
	assert_leg(g, LEG_PUT, "[2001:db8::1]:4000");
	assert_int_equal(registrar_size(g->r), 1);
}

static void a_member_can_end_its_registration(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	asker_registers(g, a);
	assert_true(asker_registers(g, a));
	asker_ask(g, a, 0, true);
	assert_true(rig_receive(g, a, &a->way));
	assert_int_equal(g->answer.lifetime_s, 0);
	assert_int_equal(g->out.what, LEG_GONE);
	assert_int_equal(registrar_size(g->r), 0);
}

static void a_removed_member_loses_its_leg_at_once_and_gets_none(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	asker_registers(g, a);
	assert_true(asker_registers(g, a));
	a->gone = true;
	registrar_forget(g->r, a->m.id, &g->out);
	assert_int_equal(g->out.what, LEG_GONE);
	assert_int_equal(g->out.member.host, a->m.host);
	assert_int_equal(registrar_size(g->r), 0);
	rig_pass(g, 1 * SEC);
	assert_false(asker_registers(g, a));
	assert_int_equal(g->out.n, 0);
	registrar_forget(g->r, a->m.id, &g->out); /* whom nobody knows */
	assert_int_equal(g->out.what, LEG_SAME);
}

static void a_restart_of_the_relay_costs_one_round_trip(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];

	asker_registers(g, a);
	assert_true(asker_registers(g, a));
	rig_restart(g);
	rig_pass(g, 1 * SEC);
	assert_true(asker_registers(g, a));
	assert_leg(g, LEG_PUT, "192.0.2.1:4000");
}

static void what_is_no_registration_is_left_to_others(void **state)
{
	struct rig *g = *state;
	struct asker *a = &g->v[0];
	uint64_t stamp;

	a->n_sent = stun_request(&a->self, "00000000000000ff", a->key, 7, a->sent, sizeof(a->sent), &stamp);
	assert_false(rig_receive(g, a, &a->way));
	assert_false(g->ours);
	/* Nor is a registration with another relay. */
	const struct stun_msg ask = {.has_lifetime = true};
	a->n_sent = stun_ask(&a->self, "00000000000000fe", a->key, &ask, a->sent, sizeof(a->sent), &stamp);
	assert_false(rig_receive(g, a, &a->way));
	assert_false(g->ours);
	assert_int_equal(registrar_refused(g->r), 0);
}

static void beyond_its_limit_a_relay_takes_nobody_new_and_keeps_those_it_has(void **state)
{
	struct rig *g = *state;

	g->cfg.members_max = 2;
	rig_restart(g);
	for (unsigned i = 0; i < 3; i++) {
		asker_registers(g, &g->v[i]);
		assert_int_equal(asker_registers(g, &g->v[i]), i < 2);
	}
	/* The third is told so, and learns its address at least. */
	assert_true(g->out.n > 0);
	assert_int_equal(registrar_size(g->r), 2);
	rig_pass(g, 25 * SEC);
	assert_true(asker_registers(g, &g->v[0]) && asker_registers(g, &g->v[1]));
	asker_ask(g, &g->v[0], 0, true);
	assert_true(rig_receive(g, &g->v[0], &g->v[0].way));
	assert_true(asker_registers(g, &g->v[2]));
}

/* All with one key, which none of them minds. */
static bool find_anyone(void *ctx, const char *id, struct registrar_member *ret_member)
{
	const struct rig *g = ctx;

	*ret_member = g->v[0].m;
	memcpy(ret_member->id, id, NODE_ID_LEN + 1);
	ret_member->host = (uint32_t)strtoul(id, NULL, 16) + 1;
	return true;
}

static void ten_thousand_members_register_and_go_one_by_one(void **state)
{
	enum { N = 10000 };
	struct rig *g = *state;
	struct asker *a = &g->v[0];
	static uint8_t cookies[N][STUN_COOKIE];
	static bool gone[N + 2];
	unsigned n_gone = 0;

	g->cfg.find = find_anyone;
	g->cfg.members_max = N;
	rig_restart(g);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < N; i++) {
			rig_pass(g, 2 * MS); /* 500 a second */
			snprintf(a->m.id, sizeof(a->m.id), "%016x", i + 1);
			memcpy(a->self.id, a->m.id, sizeof(a->self.id));
			memcpy(a->cookie, cookies[i], STUN_COOKIE);
			assert_int_equal(asker_registers(g, a), round == 1);
			memcpy(cookies[i], a->cookie, STUN_COOKIE);
		}
	}
	assert_int_equal(registrar_size(g->r), N);
	for (unsigned i = 0; i < N; i++) {
		g->now = registrar_next(g->r);
		assert_true(registrar_due(g->r, g->now, &g->out));
		assert_int_equal(g->out.what, LEG_GONE);
		assert_int_equal(g->out.member.host, i + 2); /* those that registered first */
		n_gone += !gone[i];
		gone[i] = true;
	}
	assert_int_equal(n_gone, N);
	assert_int_equal(registrar_size(g->r), 0);
	assert_false(registrar_due(g->r, NS_NEVER - 1, &g->out));
}

#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_member_is_registered_once_it_has_shown_that_it_receives),
		T(a_leg_ends_with_its_lifetime),
		T(the_address_that_registered_last_is_the_leg),
		T(a_member_can_end_its_registration),
		T(a_removed_member_loses_its_leg_at_once_and_gets_none),
		T(a_restart_of_the_relay_costs_one_round_trip),
		T(what_is_no_registration_is_left_to_others),
		T(beyond_its_limit_a_relay_takes_nobody_new_and_keeps_those_it_has),
		T(ten_thousand_members_register_and_go_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
