/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The mesh in figures: who counts as what, and where metrics of nodes are had. */
#include "unit/unit.h"

#include "control/coord/figures.h"
#include "unit/control/coord/rig.h"

#define KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static struct coord_figures figures(struct rig *r)
{
	struct coord_figures f;

	coord_figures(r->c, &f);
	return f;
}

static struct machine *join(struct rig *r, size_t number, const char *name)
{
	struct machine *m = rig_machine(r, number);

	machine_join(m, name);
	machine_await(m, "report");
	return m;
}

static void nodes_count_by_their_links_and_clients_apart(void **state)
{
	struct rig *r = *state;
	struct coord_figures f = figures(r);

	/* The coordinator's own node has no link here. */
	assert_int_equal(f.linked, 0);
	assert_int_equal(f.away, 1);
	join(r, 0, "a");
	struct machine *b = join(r, 1, "b");
	rig_admin(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "client.add", "name", "phone", "key", KEY,
			     "via", "a"));
	machine_unlink(b);
	machine_link(rig_machine(r, 2)); /* and says nothing */
	rig_settle(r);
	f = figures(r);
	assert_int_equal(f.linked, 1);
	assert_int_equal(f.away, 2);
	assert_int_equal(f.clients, 1);
	assert_int_equal(f.jobs, 0);
	assert_int_equal(f.map_behind, 0);
	assert_int_equal(f.strangers, 1);
}

static void hello_as(struct machine *m, const char *version)
{
	machine_unlink(m);
	machine_link(m);
	machine_say(m, json_pack("{s:s, s:s, s:s, s:I, s:[]}", "t", "hello", "version", version, "os",
			       "linux", "netmap", (json_int_t)machine_version(m), "candidates"));
}

static size_t nodes_of(const struct coord_figures *f, const char *version)
{
	for (size_t i = 0; i < f->n_versions; i++)
		if (strcmp(f->versions[i].text, version) == 0)
			return f->versions[i].nodes;
	return 0;
}

/* Each is a series, and nodes say what they like. */
static void so_many_versions_are_told_apart_and_no_more(void **state)
{
	struct rig *r = *state;
	char version[16], name[16];

	for (size_t i = 0; i < COORD_VERSIONS + 3; i++) {
		snprintf(name, sizeof(name), "n%zu", i);
		struct machine *m = join(r, i, name);

		snprintf(version, sizeof(version), "9.%zu", i < 2 ? 0 : i);
		hello_as(m, version);
	}
	const struct coord_figures f = figures(r);
	assert_int_equal(f.n_versions, COORD_VERSIONS);
	assert_int_equal(nodes_of(&f, "9.0"), 2);
	assert_int_equal(nodes_of(&f, "9.2"), 1);
	/* One is the coordinator's own. */
	assert_int_equal(f.other_versions, 3);
}

static void who_goes_by_another_policy_is_behind(void **state)
{
	struct rig *r = *state;
	struct machine *a = join(r, 0, "a");

	assert_int_equal(figures(r).policy_behind, 0); /* there is none */
	join(r, 1, "b");
	const json_t *answer = rig_admin(
		r, json_pack("{s:s, s:s, s:s}", "cmd", "policy.set", "text", "rules: []\n", "by", "jo"));
	const json_int_t version = json_integer_value(json_object_get(answer, "version"));
	assert_true(version > 0);
	rig_settle(r);
	assert_int_equal(figures(r).policy_behind, 2);
	machine_say(a, json_pack("{s:s, s:I}", "t", "policy_held", "version", version));
	assert_int_equal(figures(r).policy_behind, 1);
}

/* False: there is none of that name. */
static bool find_node(struct rig *r, const char *name, struct coord_node *ret_n)
{
	_cleanup_(freep) struct coord_node *v = NULL;
	size_t n;
	bool found = false;

	assert_int_equal(coord_nodes(r->c, &v, &n), TM_OK);
	for (size_t i = 0; i < n; i++)
		if (strcmp(v[i].name, name) == 0) {
			*ret_n = v[i];
			found = true;
		}
	return found;
}

static void say_port(struct machine *m, int port)
{
	machine_say(m, json_pack("{s:s, s:{s:i}}", "t", "report", "self", "metrics_port", port));
}

static void where_metrics_are_had_is_known_also_of_who_has_gone_away(void **state)
{
	struct rig *r = *state;
	struct machine *a = join(r, 0, "a");
	struct coord_node n;

	join(r, 1, "b");
	assert_true(find_node(r, "a", &n));
	assert_int_equal(n.metrics_port, 0);
	assert_true(n.linked);
	assert_int_equal(n.seen, rig_unix_now);
	say_port(a, 5210);
	assert_true(find_node(r, "a", &n));
	assert_int_equal(n.metrics_port, 5210);
	assert_int_equal(n.ip4.family, IP_V4);
	assert_string_equal(n.id, a->id.id);
	assert_true(find_node(r, "b", &n));
	assert_int_equal(n.metrics_port, 0);
	machine_unlink(a);
	const int64_t left_at = rig_unix_now;
	rig_unix_now += 100;
	assert_true(find_node(r, "a", &n));
	assert_false(n.linked);
	assert_int_equal(n.metrics_port, 5210);
	assert_int_equal(n.seen, left_at);
	/* It is back, and serves them no more. */
	machine_hello(a, NULL);
	say_port(a, 0);
	assert_true(find_node(r, "a", &n));
	assert_int_equal(n.metrics_port, 0);
	/* A client serves none, and is not listed. */
	rig_admin(r, json_pack("{s:s, s:s, s:s, s:s}", "cmd", "client.add", "name", "phone", "key", KEY,
			     "via", "a"));
	assert_false(find_node(r, "phone", &n));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		CASE(nodes_count_by_their_links_and_clients_apart),
		CASE(so_many_versions_are_told_apart_and_no_more),
		CASE(who_goes_by_another_policy_is_behind),
		CASE(where_metrics_are_had_is_known_also_of_who_has_gone_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
