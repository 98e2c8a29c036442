/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "control/policy/policy.h"
#include "crypto/init.h"

static struct node_rec node(const char *id, uint8_t n, enum node_kind kind, const char *via)
{
	struct node_rec r = {.kind = kind};
	uint8_t v6[16] = {0xfd, [15] = n};

	snprintf(r.id, sizeof(r.id), "%s", id);
	snprintf(r.via, sizeof(r.via), "%s", via);
	snprintf(r.name, sizeof(r.name), "n%u", n);
	r.ip4 = ip_v4_host(0x64650000u + n);
	r.ip6 = ip_v6(v6);
	memset(r.key, n, sizeof(r.key));
	return r;
}

static const char self_id[] = "00000000000000aa", hub_id[] = "00000000000000bb",
		  gone_id[] = "00000000000000ff";

static const struct plane_peer *peer_with_key(const struct policy_peers *p, uint8_t n)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].key[0] == n)
			return &p->v[i];
	return NULL;
}

static bool owns(const struct plane_peer *p, uint8_t n)
{
	struct ip ip4 = ip_v4_host(0x64650000u + n);

	for (size_t i = 0; i < p->n_allowed; i++)
		if (prefix_contains(&p->allowed[i], &ip4))
			return true;
	return false;
}

static void clients_are_reached_through_their_gateway(void **state)
{
	struct node_rec nodes[] = {
		node(self_id, 1, NODE_MESH, ""),
		node("00000000000000c1", 11, NODE_CLIENT, hub_id), /* before its gateway */
		node(hub_id, 2, NODE_MESH, ""),
		node("00000000000000c2", 12, NODE_CLIENT, self_id),
		node("00000000000000c3", 13, NODE_CLIENT, gone_id),
		node("00000000000000c4", 14, NODE_CLIENT, hub_id),
		node("00000000000000dd", 3, NODE_MESH, ""),
	};
	struct netmap map = {.nodes = nodes, .n_nodes = ARRAY_LEN(nodes)};
	struct mesh_info mesh = {.secret = {9}};
	struct policy_peers p;

	(void)state;
	assert_int_equal(policy_peers(&map, &mesh, self_id, nodes[0].key, &p), TM_OK);
	assert_int_equal(p.n, 3);
	assert_null(peer_with_key(&p, 1));
	assert_null(peer_with_key(&p, 13));

	const struct plane_peer *hub = peer_with_key(&p, 2), *local = peer_with_key(&p, 12),
				*other = peer_with_key(&p, 3);
	assert_true(hub && local && other);
	assert_int_equal(hub->n_allowed, 6);
	assert_true(owns(hub, 2) && owns(hub, 11) && owns(hub, 14) && !owns(hub, 12) && !owns(hub, 13));
	assert_false(hub->forwards);
	assert_int_equal(local->n_allowed, 2);
	assert_true(local->forwards && owns(local, 12));
	assert_int_equal(other->n_allowed, 2);
	policy_peers_deinit(&p);
	policy_peers_deinit(&p);
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

static void an_empty_map_gives_no_peers(void **state)
{
	struct netmap map = {0};
	struct mesh_info mesh = {0};
	uint8_t key[32] = {1};
	struct policy_peers p;

	(void)state;
	assert_int_equal(policy_peers(&map, &mesh, self_id, key, &p), TM_OK);
	assert_int_equal(p.n, 0);
	policy_peers_deinit(&p);
}

static int setup(void **state)
{
	(void)state;
	return crypto_init(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_are_reached_through_their_gateway),
		cmocka_unit_test(both_sides_derive_the_same_psk_and_others_do_not),
		cmocka_unit_test(an_empty_map_gives_no_peers),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
