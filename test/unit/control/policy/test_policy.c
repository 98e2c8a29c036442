/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "control/policy/policy.h"
#include "crypto/init.h"

enum { MEMBERS = 24, PREFIXES = 2 * MEMBERS };

static const struct mesh_info info = {
	.net4 = {{IP_V4, {100, 101}}, 16},
	.net6 = {{IP_V6, {0xfd}}, 64},
};

/* A plane that only remembers. */
struct peer {
	struct plane_peer p;
	struct prefix allowed[PREFIXES];
};
struct plane_like {
	struct peer v[2 * MEMBERS];
	size_t n;
	unsigned puts, removes;
};

static struct peer *peer_find(struct plane_like *pl, const uint8_t *key)
{
	for (size_t i = 0; i < pl->n; i++)
		if (memcmp(pl->v[i].p.key, key, 32) == 0)
			return &pl->v[i];
	return NULL;
}

static int on_put(void *ctx, const struct plane_peer *p)
{
	struct plane_like *pl = ctx;
	struct peer *at = peer_find(pl, p->key);

	if (!at)
		at = &pl->v[pl->n++];
	at->p = *p;
	assert_in_range(p->n_allowed, 2, PREFIXES);
	memcpy(at->allowed, p->allowed, p->n_allowed * sizeof(*p->allowed));
	pl->puts++;
	return TM_OK;
}

static int on_remove(void *ctx, const uint8_t key[32])
{
	struct plane_like *pl = ctx;
	struct peer *at = peer_find(pl, key);

	assert_non_null(at);
	*at = pl->v[--pl->n];
	pl->removes++;
	return TM_OK;
}

static bool owns(const struct peer *p, unsigned host)
{
	struct ip ip4 = ip_v4_host(0x64650000u + host);

	for (size_t i = 0; i < p->p.n_allowed; i++)
		if (prefix_contains(&p->allowed[i], &ip4))
			return true;
	return false;
}

/* --- a mesh of members 1, 2, 3, ...: number 1 is ourselves --- */

static struct node_rec node(unsigned i)
{
	struct node_rec r = {.host = i};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	memset(r.key, (int)i, sizeof(r.key));
	return r;
}

static struct node_rec client(unsigned i, unsigned via)
{
	struct node_rec r = node(i);

	r.kind = NODE_CLIENT;
	snprintf(r.via, sizeof(r.via), "%016x", via);
	return r;
}

struct rig {
	struct mesh *mesh;
	struct policy policy;
	struct plane_like plane;
	struct node_rec self;
	uint8_t secret[32];
};

static void rig_open(struct rig *r)
{
	*r = (struct rig){.self = node(1), .secret = {9}};
	r->policy = (struct policy){.secret = r->secret,
		.self_key = r->self.key,
		.self_id = r->self.id,
		.self_host = r->self.host};
	assert_int_equal(mesh_new(&info, &r->mesh), TM_OK);
}

static void tell(struct rig *r, struct netmap *update)
{
	const struct policy_ops ops = {.ctx = &r->plane, .put = on_put, .remove = on_remove};
	struct mesh_diff d;

	r->plane.puts = r->plane.removes = 0;
	update->version = mesh_version(r->mesh) + 1;
	assert_int_equal(mesh_apply(r->mesh, update, &d), TM_OK);
	assert_int_equal(policy_apply(&r->policy, r->mesh, &d, &ops), TM_OK);
	mesh_diff_deinit(&d);
}

static void tell_records(struct rig *r, struct node_rec *nodes, size_t n)
{
	struct netmap update = {.base = mesh_version(r->mesh), .nodes = nodes, .n_nodes = n};

	tell(r, &update);
}

static void tell_removed(struct rig *r, unsigned i)
{
	char removed[1][NODE_ID_LEN + 1];
	struct netmap update = {.base = mesh_version(r->mesh), .removed = removed, .n_removed = 1};

	snprintf(removed[0], sizeof(removed[0]), "%016x", i);
	tell(r, &update);
}

static struct peer *peer_of(struct rig *r, unsigned i)
{
	struct node_rec n = node(i);

	return peer_find(&r->plane, n.key);
}

static void clients_are_reached_through_their_gateway(void **state)
{
	struct node_rec nodes[] = {node(1), client(11, 2) /* before its gateway */, node(2), client(12, 1),
		client(13, 99), client(14, 2), node(3)};
	struct rig r;

	(void)state;
	rig_open(&r);
	tell_records(&r, nodes, ARRAY_LEN(nodes));
	assert_int_equal(r.plane.n, 3);
	assert_int_equal(r.plane.puts, 3); /* a gateway of several clients once */
	assert_null(peer_of(&r, 1));
	assert_null(peer_of(&r, 13));

	const struct peer *hub = peer_of(&r, 2), *local = peer_of(&r, 12), *other = peer_of(&r, 3);
	assert_true(hub && local && other);
	assert_int_equal(hub->p.n_allowed, 6);
	assert_true(owns(hub, 2) && owns(hub, 11) && owns(hub, 14) && !owns(hub, 12) && !owns(hub, 13));
	assert_false(hub->p.forwards || hub->p.follows);
	assert_int_equal(local->p.n_allowed, 2);
	assert_true(local->p.forwards && local->p.follows && owns(local, 12));
	assert_int_equal(other->p.n_allowed, 2);
	mesh_free(r.mesh);
}

static void only_those_that_a_change_concerns_are_touched(void **state)
{
	struct node_rec nodes[] = {node(1), node(2), node(3), client(11, 2)}, changed;
	struct rig r;

	(void)state;
	rig_open(&r);
	tell_records(&r, nodes, ARRAY_LEN(nodes));

	changed = node(2); /* a rename, tags, the role: none */
	snprintf(changed.name, sizeof(changed.name), "other");
	changed.n_tags = 1;
	memcpy(changed.tags[0], "a", 2);
	changed.coordinator = true;
	tell_records(&r, &changed, 1);
	assert_int_equal(r.plane.puts + r.plane.removes, 0);

	changed = client(11, 3); /* a client moves: the old gateway and the new one */
	tell_records(&r, &changed, 1);
	assert_int_equal(r.plane.puts, 2);
	assert_int_equal(r.plane.removes, 0);
	assert_true(owns(peer_of(&r, 3), 11) && !owns(peer_of(&r, 2), 11));

	changed = client(11, 1); /* to ourselves: a peer of its own */
	tell_records(&r, &changed, 1);
	assert_true(!owns(peer_of(&r, 3), 11) && owns(peer_of(&r, 11), 11));

	changed = node(3);
	changed.key[0] = 77;
	tell_records(&r, &changed, 1);
	assert_int_equal(r.plane.removes, 1);
	assert_null(peer_of(&r, 3));
	assert_non_null(peer_find(&r.plane, changed.key));

	tell_removed(&r, 2);
	assert_int_equal(r.plane.removes, 1);
	assert_int_equal(r.plane.puts, 0);
	mesh_free(r.mesh);
}

static void a_gateway_may_go_and_come_back(void **state)
{
	struct node_rec nodes[] = {node(1), node(2), client(11, 2), client(12, 2)}, again = node(2);
	struct rig r;

	(void)state;
	rig_open(&r);
	tell_records(&r, nodes, ARRAY_LEN(nodes));
	tell_removed(&r, 2);
	assert_int_equal(r.plane.n, 0);
	tell_records(&r, &again, 1);
	assert_true(owns(peer_of(&r, 2), 11) && owns(peer_of(&r, 2), 12));
	tell_removed(&r, 12);
	assert_true(owns(peer_of(&r, 2), 11) && !owns(peer_of(&r, 2), 12));
	mesh_free(r.mesh);
}

static void a_record_under_our_own_key_is_left_out(void **state)
{
	struct node_rec twin = node(5);
	struct rig r;

	(void)state;
	rig_open(&r);
	memcpy(twin.key, r.self.key, 32);
	tell_records(&r, &twin, 1);
	assert_int_equal(r.plane.n, 0);
	mesh_free(r.mesh);
}

static void a_record_with_our_own_addresses_is_left_out(void **state)
{
	struct node_rec v[] = {node(5), node(2), client(6, 2)};
	struct rig r;

	(void)state;
	rig_open(&r);
	v[0].host = r.self.host;
	tell_records(&r, v, 1);
	assert_int_equal(r.plane.n, 0);
	mesh_free(r.mesh);

	rig_open(&r);
	v[2].host = r.self.host;
	tell_records(&r, v + 1, 2);
	assert_int_equal(r.plane.n, 1);
	assert_true(owns(peer_of(&r, 2), 2) && !owns(peer_of(&r, 2), r.self.host));
	mesh_free(r.mesh);
}

/* The obvious: all peers made of the whole mesh. */
static size_t naive_peers(
	const struct rig *r, const struct node_rec *twin, const bool *there, struct peer *out)
{
	size_t n = 0;

	for (unsigned i = 2; i < MEMBERS; i++) {
		bool local = twin[i].kind == NODE_CLIENT && strcmp(twin[i].via, r->self.id) == 0;
		struct peer *p = &out[n];

		if (!there[i] || (twin[i].kind == NODE_CLIENT && !local))
			continue;
		*p = (struct peer){.p = {.forwards = local, .follows = local}};
		memcpy(p->p.key, twin[i].key, 32);
		assert_int_equal(policy_pair_psk(r->secret, r->self.key, twin[i].key, p->p.psk), TM_OK);
		for (unsigned k = 1; k < MEMBERS; k++) {
			struct ip ip4, ip6;
			bool behind = there[k] && !local && twin[k].kind == NODE_CLIENT &&
				      strcmp(twin[k].via, twin[i].id) == 0;

			if (k != i && !behind)
				continue;
			mesh_addresses(&info, twin[k].host, &ip4, &ip6);
			p->allowed[p->p.n_allowed++] = prefix_host(&ip4);
			p->allowed[p->p.n_allowed++] = prefix_host(&ip6);
		}
		n++;
	}
	return n;
}

static bool has_prefix(const struct peer *p, const struct prefix *x)
{
	for (size_t i = 0; i < p->p.n_allowed; i++)
		if (prefix_eq(&p->allowed[i], x))
			return true;
	return false;
}

static void random_changes_lead_where_the_whole_mesh_leads(void **state)
{
	static struct peer expected[MEMBERS];
	static struct node_rec twin[MEMBERS];
	static bool there[MEMBERS];
	uint32_t seed = 3;
	struct rig r;

	(void)state;
	rig_open(&r);
	for (unsigned round = 0; round < 2000; round++) {
		struct node_rec nodes[MEMBERS];
		char removed[MEMBERS][NODE_ID_LEN + 1];
		struct netmap update = {.base = round, .nodes = nodes, .removed = removed};

		for (unsigned i = 1; i < MEMBERS; i++) {
			seed = seed * 1664525u + 1013904223u;
			unsigned dice = seed >> 24;

			if (dice < 12 && i > 1) {
				there[i] = false;
				memcpy(removed[update.n_removed++], node(i).id, NODE_ID_LEN + 1);
			} else if (dice < 36 || round == 0) {
				twin[i] = dice % 3 == 0 && i > 1 ? client(i, 1 + (seed >> 12) % 6) : node(i);
				twin[i].key[1] = i > 1 ? (uint8_t)(dice % 2) : twin[i].key[1];
				there[i] = true;
				nodes[update.n_nodes++] = twin[i];
			}
		}
		tell(&r, &update);
		size_t n = naive_peers(&r, twin, there, expected);
		assert_int_equal(r.plane.n, n);
		for (size_t i = 0; i < n; i++) {
			const struct peer *e = &expected[i], *p = peer_find(&r.plane, e->p.key);

			assert_non_null(p);
			assert_memory_equal(p->p.psk, e->p.psk, 32);
			assert_true(p->p.forwards == e->p.forwards && p->p.n_allowed == e->p.n_allowed);
			for (size_t k = 0; k < e->p.n_allowed; k++)
				assert_true(has_prefix(p, &e->allowed[k]));
		}
	}
	mesh_free(r.mesh);
}

static void both_sides_derive_the_same_psk_and_others_do_not(void **state)
{
	uint8_t a[32] = {1}, b[32] = {2}, c[32] = {3}, secret[32] = {9}, other_secret[32] = {8};
	uint8_t ab[32], ba[32], ac[32], foreign[32];

	(void)state;
	assert_int_equal(policy_pair_psk(secret, a, b, ab), TM_OK);
	assert_int_equal(policy_pair_psk(secret, b, a, ba), TM_OK);
	assert_int_equal(policy_pair_psk(secret, a, c, ac), TM_OK);
	assert_int_equal(policy_pair_psk(other_secret, a, b, foreign), TM_OK);
	assert_memory_equal(ab, ba, 32);
	assert_memory_not_equal(ab, ac, 32);
	assert_memory_not_equal(ab, foreign, 32);
}

static int setup(void **state)
{
	(void)state;
	return crypto_init(NULL);
}

static bool has(const struct peer *p, const struct prefix *net)
{
	for (size_t i = 0; i < p->p.n_allowed; i++)
		if (prefix_eq(&p->allowed[i], net))
			return i >= 2; /* behind its addresses */
	return false;
}

static void a_network_belongs_to_the_peer_that_owns_it_and_moves_with_it(void **state)
{
	static const struct prefix lan = {{IP_V4, {10, 1}}, 16};
	struct node_rec nodes[] = {node(1), node(2), node(3)};
	struct owners_rule rule = {.self_host = 1};
	struct rig r;
	uint32_t *hosts;
	size_t n;

	(void)state;
	rig_open(&r);
	const struct policy_ops ops = {.ctx = &r.plane, .put = on_put, .remove = on_remove};
	struct owners *owners;
	assert_int_equal(owners_new(&owners), TM_OK);
	r.policy.owners = owners;
	for (unsigned i = 1; i < 3; i++) {
		struct node_route *at = node_routes_add(&nodes[i].routes, &lan);

		at->offered = at->approved = at->ha = true;
	}
	tell_records(&r, nodes, ARRAY_LEN(nodes));
	assert_int_equal(owners_follow(owners, r.mesh, &rule, 0, &hosts, &n), TM_OK);
	assert_int_equal(policy_again(&r.policy, r.mesh, hosts, n, &ops), TM_OK);
	free(hosts);
	assert_true(has(peer_of(&r, 2), &lan) && !has(peer_of(&r, 3), &lan));

	owners_lost(owners, 2, 1);
	r.plane.puts = 0;
	assert_int_equal(owners_follow(owners, r.mesh, &rule, 1, &hosts, &n), TM_OK);
	assert_int_equal(policy_again(&r.policy, r.mesh, hosts, n, &ops), TM_OK);
	free(hosts);
	assert_int_equal(r.plane.puts, 2);
	assert_true(!has(peer_of(&r, 2), &lan) && has(peer_of(&r, 3), &lan));
	owners_free(owners);
	mesh_free(r.mesh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_network_belongs_to_the_peer_that_owns_it_and_moves_with_it),
		cmocka_unit_test(clients_are_reached_through_their_gateway),
		cmocka_unit_test(only_those_that_a_change_concerns_are_touched),
		cmocka_unit_test(a_gateway_may_go_and_come_back),
		cmocka_unit_test(a_record_under_our_own_key_is_left_out),
		cmocka_unit_test(a_record_with_our_own_addresses_is_left_out),
		cmocka_unit_test(random_changes_lead_where_the_whole_mesh_leads),
		cmocka_unit_test(both_sides_derive_the_same_psk_and_others_do_not),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
