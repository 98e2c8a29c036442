/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who relays, and how often nodes are told. */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

static int setup(void **state)
{
	int result = rig_setup(state);
	struct rig *r = *state;

	r->c->tuning.relays_gap = 1 * MS;
	r->c->tuning.relays_rate = 1000000;
	r->c->tuning.relay_settle = 1 * MS;
	return result;
}

static json_t *at(const char *addr)
{
	return json_pack("[{s:s, s:s}]", "type", "host", "addr", addr);
}

/* Says hello as one that would relay, reached there. */
static void offer(struct machine *m, const char *addr)
{
	if (!m->conn)
		machine_link(m);
	machine_say(m, json_pack("{s:s, s:I, s:b, s:o}", "t", "hello", "netmap",
			       (json_int_t)machine_version(m), "relay", 1, "candidates", at(addr)));
}

static void join_and_offer(struct machine *m, const char *name, const char *addr)
{
	machine_join(m, name);
	machine_unlink(m);
	offer(m, addr);
}

static void tag(struct rig *r, const char *name, const char *what)
{
	const json_t *a = rig_admin(
		r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", name, what, RELAY_TAG));

	assert_true(json_is_true(json_object_get(a, "ok")));
}

static struct msg_relays told(const struct machine *m)
{
	struct msg_relays got = {.partial = false};
	const json_t *last = machine_last(m, "relays");

	if (last)
		assert_int_equal(msg_relays_get(last, &got), TM_OK);
	return got;
}

struct expected {
	const struct machine *m;
	size_t n;
	const char *first; /* its first address; NULL: any */
};

static bool is_told(void *ctx)
{
	const struct expected *e = ctx;
	struct msg_relays got = told(e->m);
	char text[ENDPOINT_STR_LEN];

	if (!machine_last(e->m, "relays") || got.relays.n != e->n)
		return false;
	return !e->first || (got.relays.v[0].n_addrs &&
				    strcmp(endpoint_format(&got.relays.v[0].addrs[0], text), e->first) == 0);
}

static void await(struct rig *r, const struct machine *m, size_t n, const char *first)
{
	struct expected e = {m, n, first};

	rig_until(r, is_told, &e);
}

static void a_relays_and_b_is_told(struct rig *r, struct machine *a, struct machine *b)
{
	join_and_offer(a, "a", "192.0.2.7:51820");
	tag(r, "a", "add");
	machine_join(b, "b");
	await(r, b, 1, "192.0.2.7:51820");
}

static void a_node_relays_when_it_offers_and_the_administrator_lets_it(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);

	join_and_offer(a, "a", "192.0.2.7:51820");
	machine_join(b, "b");
	tag(r, "b", "add"); /* which offers nothing */
	rig_settle(r);
	assert_int_equal(told(b).relays.n, 0);
	tag(r, "a", "add");
	await(r, b, 1, "192.0.2.7:51820");
	assert_string_equal(told(b).relays.v[0].node, a->id.id);
	assert_int_equal(told(b).relays.v[0].n_tcp, 0);
	tag(r, "a", "remove");
	await(r, b, 0, NULL);
}

static void a_relay_takes_streams_at_its_ports_at_each_address(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);

	machine_join(a, "a");
	machine_join(b, "b");
	tag(r, "a", "add");
	machine_unlink(a);
	machine_link(a);
	machine_say(
		a, json_pack("{s:s, s:I, s:b, s:[i,i,i,s], s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]}", "t", "hello",
			   "netmap", (json_int_t)machine_version(a), "relay", 1, "relay_tcp", 8443, 443,
			   65536, "x", "candidates", "type", "host", "addr", "192.0.2.7:51820", "type",
			   "srflx", "addr", "192.0.2.7:4444", "type", "host", "addr", "[2001:db8::7]:51820"));
	await(r, b, 1, "192.0.2.7:51820");
	const struct msg_relays got = told(b);
	assert_int_equal(got.relays.v[0].n_tcp, 4);
	assert_string_equal(got.relays.v[0].tcp[0], "192.0.2.7:8443");
	assert_string_equal(got.relays.v[0].tcp[1], "192.0.2.7:443");
	assert_string_equal(got.relays.v[0].tcp[3], "[2001:db8::7]:443");
}

static void the_coordinator_needs_no_tag_and_takes_streams(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *late = rig_machine(r, 1);

	join_and_offer(a, "a", "192.0.2.7:51820");
	tag(r, "a", "add");
	offer(&r->hub, "192.0.2.1:51820");
	await(r, a, 2, "192.0.2.1:51820"); /* the first, whoever came first */
	assert_string_equal(told(a).relays.v[0].node, r->hub.id.id);
	assert_int_equal(told(a).relays.v[0].n_tcp, 2);
	assert_string_equal(told(a).relays.v[0].tcp[1], "hub.example:443");
	machine_join(late, "late"); /* told with the welcome, not at the next change */
	assert_int_equal(told(late).relays.n, 2);
	/* Nor does it relay when it does not offer. */
	machine_unlink(&r->hub);
	machine_hello(&r->hub, NULL);
	await(r, late, 1, "192.0.2.7:51820");
}

static void public_addresses_come_first_and_only_those_a_relay_listens_on(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);

	machine_join(a, "a");
	machine_unlink(a);
	tag(r, "a", "add");
	machine_link(a);
	machine_say(a, json_pack("{s:s, s:b, s:[{s:s,s:s},{s:s,s:s},{s:s,s:s},{s:s,s:s,s:s}]}", "t", "hello",
			       "relay", 1, "candidates", "type", "host", "addr", "10.0.0.7:51820", "type",
			       "prflx", "addr", "192.0.2.9:1", "type", "srflx", "addr", "192.0.2.7:4000",
			       "type", "relay", "addr", "192.0.2.1:51820", "relay", r->hub.id.id));
	await(r, a, 1, "192.0.2.7:4000");
	assert_int_equal(told(a).relays.v[0].n_addrs, 2);
}

static void a_relay_without_a_link_stays_one_for_a_while(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);

	a_relays_and_b_is_told(r, a, b);
	machine_unlink(a);
	machine_forget(b);
	rig_settle(r);
	assert_int_equal(machine_count(b, "relays"), 0);
	r->c->tuning.relay_keep = 1 * MS;
	await(r, b, 0, NULL);
}

static void a_removed_relay_is_none_at_once(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);

	a_relays_and_b_is_told(r, a, b);
	rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "a"));
	await(r, b, 0, NULL);
}

static void a_relay_that_moves_all_the_time_costs_a_message_now_and_then(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1), *c = rig_machine(r, 2);
	char addr[32];

	r->c->tuning.relay_settle = 3600 * SEC; /* after the first change */
	r->c->tuning.relay_settle_max = 7200 * SEC;
	a_relays_and_b_is_told(r, a, b);
	for (unsigned i = 1; i < 100; i++) {
		snprintf(addr, sizeof(addr), "192.0.2.7:%u", i);
		machine_say(a, json_pack("{s:s, s:o}", "t", "candidates", "candidates", at(addr)));
		if (i == 1)
			await(r, b, 1, "192.0.2.7:1");
		machine_forget(b);
		rig_settle(r);
	}
	assert_int_equal(machine_count(b, "relays"), 0);
	/* Others do not wait for it. */
	join_and_offer(c, "c", "192.0.2.8:51820");
	tag(r, "c", "add");
	await(r, b, 2, "192.0.2.7:1");
}

static void each_change_of_a_relay_waits_twice_as_long_as_the_one_before(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);
	char addr[32];

	r->c->tuning.relay_settle = 10 * MS;
	a_relays_and_b_is_told(r, a, b);
	ns_t begun = time_monotonic();
	for (unsigned i = 1; i <= 5; i++) {
		snprintf(addr, sizeof(addr), "192.0.2.7:%u", i);
		machine_say(a, json_pack("{s:s, s:o}", "t", "candidates", "candidates", at(addr)));
		await(r, b, 1, addr);
	}
	assert_true(time_monotonic() - begun >= (10 + 20 + 40 + 80) * MS);
}

static void a_link_that_ends_is_not_told_what_it_was_to_be_told(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);

	machine_join(a, "a");
	rig_settle(r);
	list_push_back(&r->c->relays.behind, &a->conn->in_relays);
	machine_unlink(a);
	assert_true(list_empty(&r->c->relays.behind));
}

static void a_change_that_had_to_wait_brings_no_other_before_its_time(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);

	a_relays_and_b_is_told(r, a, b);
	rig_settle(r);
	machine_forget(b);
	r->c->relays.again = 0; /* some relay's addresses may be told, but all links were told just now */
	r->c->relays.not_before = time_monotonic() + 3600 * SEC;
	machine_say(a, json_pack("{s:s, s:o}", "t", "candidates", "candidates", at("192.0.2.7:1")));
	rig_settle(r);
	assert_int_equal(machine_count(b, "relays"), 0);
	r->c->relays.not_before = 0;
	relays_changed(r->c, NULL);
	await(r, b, 1, "192.0.2.7:1");
}

static void after_a_start_the_list_may_be_incomplete_and_says_so(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);

	machine_join(a, "a");
	assert_true(told(a).partial);
	machine_forget(a);
	r->c->relays.complete_at = 0;
	relays_changed(r->c, NULL);
	await(r, a, 0, NULL);
	assert_false(told(a).partial);
}

static void more_relays_than_nodes_are_told_of_leave_the_last_ones_out(void **state)
{
	struct rig *r = *state;
	struct machine *watcher = rig_machine(r, 0);
	char name[16], addr[32];

	machine_join(watcher, "w");
	for (unsigned i = 1; i <= RELAYS_MAX + 2; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		snprintf(addr, sizeof(addr), "192.0.2.%u:51820", i);
		join_and_offer(rig_machine(r, i), name, addr);
		tag(r, name, "add");
	}
	await(r, watcher, RELAYS_MAX, "192.0.2.1:51820");
	offer(&r->hub, "192.0.2.100:51820");
	await(r, watcher, RELAYS_MAX, "192.0.2.100:51820");
	assert_string_equal(
		told(watcher).relays.v[RELAYS_MAX - 1].node, rig_machine(r, RELAYS_MAX - 1)->id.id);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_node_relays_when_it_offers_and_the_administrator_lets_it),
		T(a_relay_takes_streams_at_its_ports_at_each_address),
		T(the_coordinator_needs_no_tag_and_takes_streams),
		T(public_addresses_come_first_and_only_those_a_relay_listens_on),
		T(a_relay_without_a_link_stays_one_for_a_while),
		T(a_removed_relay_is_none_at_once),
		T(a_relay_that_moves_all_the_time_costs_a_message_now_and_then),
		T(each_change_of_a_relay_waits_twice_as_long_as_the_one_before),
		T(a_link_that_ends_is_not_told_what_it_was_to_be_told),
		T(a_change_that_had_to_wait_brings_no_other_before_its_time),
		T(after_a_start_the_list_may_be_incomplete_and_says_so),
		T(more_relays_than_nodes_are_told_of_leave_the_last_ones_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
