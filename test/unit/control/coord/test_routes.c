/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "rig.h"
#include "unit/unit.h"

#include <string.h>

/* What the machine offers, and what it is answered. */
static const json_t *offer(struct machine *m, json_t *routes_take, json_t *exit_take)
{
	static int id = 100;
	json_t *msg = json_pack("{s:s, s:i, s:o}", "t", "route.offer", "id", ++id, "routes", routes_take);

	if (exit_take)
		json_object_set_new(msg, "exit", exit_take);
	machine_forget(m);
	machine_say(m, msg);
	return machine_await(m, "reply");
}

static json_t *net(const char *text, bool ha)
{
	return json_pack("{s:s, s:b}", "net", text, "ha", ha);
}

static json_t *decision(const char *cmd, const char *node, const char *what)
{
	return json_pack("{s:s, s:s, s:s}", "cmd", cmd, "node", node, "net", what);
}

static bool ok(const json_t *reply)
{
	return json_is_true(json_object_get(reply, "ok"));
}

struct wanted {
	struct machine *m;
	const char *name;
	unsigned approved, exit;
};

static bool is_told(void *ctx)
{
	const struct wanted *w = ctx;
	const struct mesh_node *n = w->m->map ? mesh_by_name(w->m->map, w->name) : NULL;
	unsigned approved = 0;

	for (size_t i = 0; n && i < n->n_routes; i++)
		approved += route_counts(&n->routes[i]);
	return n && approved == w->approved && n->exit == w->exit;
}

static void a_network_counts_for_all_when_it_is_offered_and_approved(void **state)
{
	struct rig *r = *state;
	struct machine *nas = rig_machine(r, 0), *laptop = rig_machine(r, 1);

	machine_join(nas, "nas");
	machine_join(laptop, "laptop");
	assert_true(
		ok(offer(nas, json_pack("[o]", net("10.1.0.0/16", false)), json_pack("{s:b}", "ip4", 1))));
	rig_until(r, is_told, &(struct wanted){laptop, "nas", 0, EXIT_IP4});

	assert_true(ok(rig_admin(r, decision("route.approve", "nas", "10.1.0.0/16"))));
	rig_until(r, is_told, &(struct wanted){laptop, "nas", 1, EXIT_IP4});
	assert_true(ok(rig_admin(r, decision("route.approve", "nas", "exit"))));
	rig_until(r, is_told, &(struct wanted){laptop, "nas", 1, EXIT_IP4 | EXIT_APPROVED});

	/* Withdrawn, and offered again: what was approved is. */
	assert_true(ok(offer(nas, json_array(), NULL)));
	rig_until(r, is_told, &(struct wanted){laptop, "nas", 0, EXIT_APPROVED});
	assert_true(ok(offer(nas, json_pack("[o]", net("10.1.0.0/16", false)), NULL)));
	rig_until(r, is_told, &(struct wanted){laptop, "nas", 1, EXIT_APPROVED});

	assert_true(ok(rig_admin(r, decision("route.reject", "nas", "10.1.0.0/16"))));
	rig_until(r, is_told, &(struct wanted){laptop, "nas", 0, EXIT_APPROVED});
}

static void what_is_approved_survives_a_restart(void **state)
{
	struct rig *r = *state;
	struct machine *nas = rig_machine(r, 0);

	machine_join(nas, "nas");
	assert_true(ok(offer(nas, json_pack("[o]", net("10.1.0.0/16", true)), NULL)));
	assert_true(ok(rig_admin(r, decision("route.approve", "nas", "10.1.0.0/16"))));
	rig_stop(r);
	rig_start(r);
	const json_t *list = json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "route.list")), "routes");
	assert_int_equal(json_array_size(list), 1);
	const json_t *row = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(row, "net")), "10.1.0.0/16");
	assert_string_equal(json_string_value(json_object_get(row, "node")), "nas");
	assert_true(json_is_true(json_object_get(row, "approved")));
	assert_true(json_is_true(json_object_get(row, "offered")));
	assert_true(json_is_true(json_object_get(row, "ha")));
}

static void two_nodes_lead_to_one_network_only_if_both_say_so(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);

	machine_join(a, "a");
	machine_join(b, "b");
	assert_true(ok(offer(a, json_pack("[o]", net("10.1.0.0/16", false)), NULL)));
	/* An offer takes nothing from others. */
	assert_true(ok(offer(b, json_pack("[o]", net("10.1.2.0/24", false)), NULL)));
	assert_true(ok(rig_admin(r, decision("route.approve", "a", "10.1.0.0/16"))));
	assert_string_equal(rig_refused(r, decision("route.approve", "b", "10.1.2.0/24")),
		"a leads to 10.1.0.0/16 already, which overlaps 10.1.2.0/24");

	assert_true(ok(offer(b, json_pack("[o]", net("10.1.0.0/16", true)), NULL)));
	assert_string_equal(rig_refused(r, decision("route.approve", "b", "10.1.0.0/16")),
		"a leads to 10.1.0.0/16 already");
	assert_true(ok(offer(a, json_pack("[o]", net("10.1.0.0/16", true)), NULL)));
	assert_true(ok(rig_admin(r, decision("route.approve", "b", "10.1.0.0/16"))));

	/* And neither can take its word back while the other leads there. */
	const json_t *refused = offer(a, json_pack("[o]", net("10.1.0.0/16", false)), NULL);
	assert_false(ok(refused));
	assert_string_equal(
		json_string_value(json_object_get(refused, "error")), "b leads to 10.1.0.0/16 already");
	rig_until(r, is_told, &(struct wanted){b, "a", 1, 0});
}

static void what_is_no_network_is_refused_with_a_sentence(void **state)
{
	static const char *const nets[] = {"0.0.0.0/0", "127.0.0.0/8", "100.64.0.0/10", "10.1.0.7/16", "lan"};
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);

	machine_join(a, "a");
	for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
		const json_t *reply = offer(a, json_pack("[o]", net(nets[i], false)), NULL);

		if (ok(reply) || !json_string_value(json_object_get(reply, "hint")))
			fail_msg("%s", nets[i]);
		(void)rig_refused(r, decision("route.approve", "a", nets[i]));
	}
	(void)rig_refused(r, decision("route.approve", "nobody", "10.1.0.0/16"));
	(void)rig_refused(r, decision("route.reject", "a", "10.1.0.0/16"));
	(void)rig_refused(r, json_pack("{s:s, s:s}", "cmd", "route.approve", "node", "a"));
	(void)rig_refused(r, json_pack("{s:s, s:s}", "cmd", "route.approve", "net", "10.1.0.0/16"));
}

static void nodes_may_offer_and_list_and_approve_nothing(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);

	machine_join(a, "a");
	machine_say(a, json_pack("{s:s, s:i, s:s, s:s}", "t", "route.approve", "id", 5, "node", "a", "net",
			       "10.1.0.0/16"));
	assert_false(ok(machine_await(a, "reply")));
	machine_forget(a);
	machine_say(a, json_pack("{s:s, s:i}", "t", "route.list", "id", 6));
	assert_true(ok(machine_await(a, "reply")));
	(void)rig_refused(r, json_pack("{s:s, s:[]}", "cmd", "route.offer", "routes"));
}

static void a_node_has_sixteen_networks_at_most(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);
	json_t *list = json_array();
	char text[32];

	machine_join(a, "a");
	for (int i = 0; i < NODE_ROUTES_MAX; i++) {
		snprintf(text, sizeof(text), "10.%d.0.0/16", i);
		json_array_append_new(list, net(text, false));
	}
	assert_true(ok(offer(a, json_deep_copy(list), NULL)));
	(void)rig_refused(r, decision("route.approve", "a", "10.77.0.0/16"));
	json_array_append_new(list, net("10.78.0.0/16", false));
	assert_false(ok(offer(a, list, NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
		T(a_network_counts_for_all_when_it_is_offered_and_approved),
		T(what_is_approved_survives_a_restart),
		T(two_nodes_lead_to_one_network_only_if_both_say_so),
		T(what_is_no_network_is_refused_with_a_sentence),
		T(nodes_may_offer_and_list_and_approve_nothing),
		T(a_node_has_sixteen_networks_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
