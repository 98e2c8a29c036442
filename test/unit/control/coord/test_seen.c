/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the coordinator itself knows of where a member is, and tells those who look for it. */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

/* The n-th address under which a has been told that it is seen; NULL: not so many. */
static const char *told_seen(const struct machine *a, size_t n)
{
	return json_string_value(json_array_get(json_object_get(machine_last(a, "candidates"), "seen"), n));
}

/* Of that a node says nothing itself: its link, while it has one, and what our relay has proved. */
static void where_a_node_is_seen_is_told_beside_what_it_says(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);
	struct ip leg, from = {.family = IP_NONE};

	machine_join(a, "a");
	machine_join(b, "b");
	from = b->conn->from.ip;
	assert_int_equal(ip_parse("203.0.113.77", &leg), TM_OK);
	for (unsigned round = 0; round < 4; round++) {
		char text[IP_STR_LEN];
		const char *link = ip_format(&from, text);

		if (round == 3)
			machine_unlink(b);
		coord_set_leg(r->c, b->id.id, round == 0 ? NULL : round == 2 ? &from : &leg);
		machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", b->id.id));
		assert_string_equal(told_seen(a, 0), round == 3 ? "203.0.113.77" : link);
		if (round == 1)
			assert_string_equal(told_seen(a, 1), "203.0.113.77");
		else
			assert_null(told_seen(a, 1));
	}
	coord_set_leg(r->c, b->id.id, NULL);
	machine_say(a, json_pack("{s:s, s:s}", "t", "want", "node", b->id.id));
	assert_null(told_seen(a, 0));
	coord_set_leg(r->c, "0123456789abcdef", &leg); /* of nobody */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			where_a_node_is_seen_is_told_beside_what_it_says, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
