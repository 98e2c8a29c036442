/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/policy/owners.h"

#include "mesh/diff.h"
#include "unit/unit.h"

static const struct mesh_info info = {
	.net4 = {{IP_V4, {100, 101}}, 16},
	.net6 = {{IP_V6, {0xfd}}, 64},
};

static const struct prefix lan = {{IP_V4, {10, 1}}, 16}, part = {{IP_V4, {10, 1, 2}}, 24},
			   public = {{IP_V4, {8, 8, 8}}, 24};

/* Members 1 (ourselves) to 4. */
struct rig {
	struct mesh *mesh;
	struct owners *owners;
	struct node_rec nodes[4];
	struct owners_rule rule;
	ns_t now;
	uint32_t changed[8];
	size_t n_changed;
};

static void give(struct rig *r, unsigned host, const struct prefix *p)
{
	struct node_route *at = node_routes_add(&r->nodes[host - 1].routes, p);

	at->offered = at->approved = at->ha = true;
}

static void follow(struct rig *r)
{
	uint32_t *hosts;

	assert_int_equal(owners_follow(r->owners, r->mesh, &r->rule, r->now, &hosts, &r->n_changed), TM_OK);
	assert_in_range(r->n_changed, 0, ARRAY_LEN(r->changed));
	memcpy(r->changed, hosts, r->n_changed * sizeof(*hosts));
	free(hosts);
}

static void tell(struct rig *r)
{
	struct netmap update = {.version = mesh_version(r->mesh) + 1, .nodes = r->nodes, .n_nodes = 4};
	struct mesh_diff d;

	assert_int_equal(mesh_apply(r->mesh, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
	follow(r);
}

static void rig_open(struct rig *r)
{
	*r = (struct rig){.now = 1000 * SEC, .rule.self_host = 1};
	for (unsigned i = 0; i < 4; i++) {
		struct node_rec *n = &r->nodes[i];

		n->host = i + 1;
		n->key[0] = (uint8_t)(i + 1);
		snprintf(n->id, sizeof(n->id), "%016x", i + 1);
		snprintf(n->name, sizeof(n->name), "n%u", i + 1);
	}
	assert_int_equal(mesh_new(&info, &r->mesh), TM_OK);
	assert_int_equal(owners_new(&r->owners), TM_OK);
}

static void rig_close(struct rig *r)
{
	owners_free(r->owners);
	mesh_free(r->mesh);
}

/* 0 = nobody */
static uint32_t owner(const struct rig *r, const struct prefix *p)
{
	size_t n;
	const struct owned *v = owners_all(r->owners, &n);

	for (size_t i = 0; i < n; i++)
		if (prefix_eq(&v[i].prefix, p))
			return v[i].host;
	return 0;
}

static bool changed(const struct rig *r, uint32_t host)
{
	for (size_t i = 0; i < r->n_changed; i++)
		if (r->changed[i] == host)
			return true;
	return false;
}

static void only_what_is_offered_and_approved_counts(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	give(&r, 2, &lan);
	r.nodes[1].routes.v[0].approved = false;
	tell(&r);
	assert_int_equal(owner(&r, &lan), 0);
	r.nodes[1].routes.v[0].approved = true;
	tell(&r);
	assert_int_equal(owner(&r, &lan), 2);
	assert_true(changed(&r, 2));
	r.nodes[1].routes.v[0].offered = false;
	tell(&r);
	assert_int_equal(owner(&r, &lan), 0);
	assert_true(changed(&r, 2));
	rig_close(&r);
}

static void public_addresses_are_taken_only_where_that_was_said(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	give(&r, 2, &public);
	give(&r, 2, &lan);
	tell(&r);
	assert_int_equal(owner(&r, &public), 0);
	assert_int_equal(owner(&r, &lan), 2);
	r.rule.all = true;
	follow(&r);
	assert_int_equal(owner(&r, &public), 2);
	r.rule.all = false;
	r.rule.none = true;
	follow(&r);
	assert_int_equal(owner(&r, &public), 0);
	assert_int_equal(owner(&r, &lan), 0);
	rig_close(&r);
}

static void of_two_routers_the_one_that_is_lost_gives_way_and_gets_nothing_back(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	give(&r, 3, &lan);
	give(&r, 2, &lan);
	give(&r, 4, &part); /* inside of it, and another's business */
	tell(&r);
	assert_int_equal(owner(&r, &lan), 2);
	assert_true(owners_may_leave(r.owners, 2));
	assert_false(owners_may_leave(r.owners, 3));
	assert_false(owners_may_leave(r.owners, 4));

	owners_lost(r.owners, 2, r.now);
	follow(&r);
	assert_int_equal(owner(&r, &lan), 3);
	assert_true(changed(&r, 2) && changed(&r, 3) && !changed(&r, 4));
	assert_int_equal(owner(&r, &part), 4);

	owners_found(r.owners, 2);
	follow(&r);
	assert_int_equal(owner(&r, &lan), 3);
	assert_int_equal(r.n_changed, 0);

	owners_lost(r.owners, 3, r.now);
	follow(&r);
	assert_int_equal(owner(&r, &lan), 2);
	rig_close(&r);
}

static void where_all_are_lost_the_last_one_stays_until_another_is_worth_a_try(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	give(&r, 2, &lan);
	give(&r, 3, &lan);
	tell(&r);
	owners_lost(r.owners, 2, r.now);
	follow(&r);
	owners_lost(r.owners, 3, r.now + SEC);
	r.now += 2 * SEC;
	follow(&r);
	assert_int_equal(owner(&r, &lan), 3);
	r.now += OWNERS_LOST_FOR - 2 * SEC; /* what is known of 2 is old, what is known of 3 is not */
	follow(&r);
	assert_int_equal(owner(&r, &lan), 2);
	rig_close(&r);
}

static void a_router_that_goes_is_succeeded_at_once(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	give(&r, 2, &lan);
	give(&r, 3, &lan);
	tell(&r);
	r.nodes[1].routes = (struct node_routes){.n = 0};
	tell(&r);
	assert_int_equal(owner(&r, &lan), 3);
	assert_false(owners_may_leave(r.owners, 3));
	rig_close(&r);
}

static void addresses_of_the_mesh_are_no_network_behind_a_node_whatever_the_map_says(void **state)
{
	static const struct prefix members = {{IP_V4, {100, 101, 0, 3}}, 32},
				   around = {{IP_V4, {100, 96}}, 11};
	struct rig r;

	(void)state;
	rig_open(&r);
	r.rule.net4 = info.net4;
	r.rule.net6 = info.net6;
	r.rule.all = true;
	give(&r, 2, &members);
	give(&r, 2, &around);
	give(&r, 2, &lan);
	tell(&r);
	assert_int_equal(owner(&r, &members), 0);
	assert_int_equal(owner(&r, &around), 0);
	assert_int_equal(owner(&r, &lan), 2);
	rig_close(&r);
}

static void a_network_of_our_own_is_nobody_elses(void **state)
{
	struct rig r;

	(void)state;
	rig_open(&r);
	give(&r, 1, &lan);
	give(&r, 2, &lan);
	give(&r, 3, &part);
	tell(&r);
	assert_int_equal(owner(&r, &lan), 0);
	assert_int_equal(owner(&r, &part), 3);
	rig_close(&r);
}

static void the_internet_is_taken_from_the_chosen_exit_alone_and_by_its_families(void **state)
{
	static const struct prefix all4 = {{IP_V4, {0}}, 0}, all6 = {{IP_V6, {0}}, 0};
	struct rig r;

	(void)state;
	rig_open(&r);
	r.nodes[1].routes.exit = EXIT_FAMILIES | EXIT_APPROVED;
	r.nodes[2].routes.exit = EXIT_IP4 | EXIT_APPROVED;
	r.nodes[3].routes.exit = EXIT_FAMILIES;
	tell(&r);
	assert_int_equal(owner(&r, &all4), 0);
	memcpy(r.rule.exit, r.nodes[2].id, sizeof(r.rule.exit));
	follow(&r);
	assert_int_equal(owner(&r, &all4), 3);
	assert_int_equal(owner(&r, &all6), 0);
	memcpy(r.rule.exit, r.nodes[1].id, sizeof(r.rule.exit));
	r.rule.none = true; /* which is about networks */
	follow(&r);
	assert_int_equal(owner(&r, &all4), 2);
	assert_int_equal(owner(&r, &all6), 2);
	memcpy(r.rule.exit, r.nodes[3].id, sizeof(r.rule.exit));
	follow(&r);
	assert_int_equal(owner(&r, &all4), 0);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_offered_and_approved_counts),
		cmocka_unit_test(public_addresses_are_taken_only_where_that_was_said),
		cmocka_unit_test(of_two_routers_the_one_that_is_lost_gives_way_and_gets_nothing_back),
		cmocka_unit_test(where_all_are_lost_the_last_one_stays_until_another_is_worth_a_try),
		cmocka_unit_test(a_router_that_goes_is_succeeded_at_once),
		cmocka_unit_test(addresses_of_the_mesh_are_no_network_behind_a_node_whatever_the_map_says),
		cmocka_unit_test(a_network_of_our_own_is_nobody_elses),
		cmocka_unit_test(the_internet_is_taken_from_the_chosen_exit_alone_and_by_its_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
