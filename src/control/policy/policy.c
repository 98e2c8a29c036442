/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/policy/policy.h"

#include "base/map.h"
#include "base/secret.h"
#include "crypto/kdf.h"

#include <string.h>

int policy_pair_psk(const uint8_t secret[static 32], const uint8_t key_a[static 32],
	const uint8_t key_b[static 32], uint8_t ret_psk[static 32])
{
	uint8_t salt[64];
	bool a_first = memcmp(key_a, key_b, 32) < 0; /* public keys: order is no secret */

	memcpy(salt, a_first ? key_a : key_b, 32);
	memcpy(salt + 32, a_first ? key_b : key_a, 32);
	return hkdf_sha256(secret, 32, salt, sizeof(salt), "tunnelmesh psk 1", ret_psk, 32);
}

/* A peer while its prefixes are being counted and collected. */
struct owner {
	const struct node_rec *rec;
	size_t n_clients, at; /* `at`: next free prefix */
	bool local_client;
};

static size_t own_prefixes(const struct node_rec *r)
{
	return (size_t)(r->ip4.family != IP_NONE) + (size_t)(r->ip6.family != IP_NONE);
}

static void add_prefixes(struct prefix *prefixes, struct owner *o, const struct node_rec *r)
{
	if (r->ip4.family != IP_NONE)
		prefixes[o->at++] = prefix_host(&r->ip4);
	if (r->ip6.family != IP_NONE)
		prefixes[o->at++] = prefix_host(&r->ip6);
}

/* One owner per future peer, and a map from node id to owner for finding gateways. */
static int collect_owners(const struct netmap *map, const char *self_id, const uint8_t *self_key,
	struct owner *owners, size_t *ret_n, struct map *by_id)
{
	size_t n = 0;

	for (size_t i = 0; i < map->n_nodes; i++) {
		const struct node_rec *r = &map->nodes[i];
		bool local_client = r->kind == NODE_CLIENT && strcmp(r->via, self_id) == 0;

		if (strcmp(r->id, self_id) == 0 || memcmp(r->key, self_key, 32) == 0)
			continue;
		if (r->kind == NODE_CLIENT && !local_client)
			continue;
		owners[n] = (struct owner){.rec = r, .local_client = local_client};
		int err = map_put(by_id, r->id, &owners[n]);
		if (err)
			return err;
		n++;
	}
	*ret_n = n;
	return TM_OK;
}

static struct owner *gateway_of(const struct map *by_id, const struct node_rec *r, const char *self_id)
{
	if (r->kind != NODE_CLIENT || strcmp(r->via, self_id) == 0)
		return NULL;

	struct owner *gateway = map_get(by_id, r->via);
	return gateway && gateway->rec->kind == NODE_MESH ? gateway : NULL;
}

static int fill(const struct netmap *map, const struct mesh_info *mesh, const char *self_id,
	const uint8_t *self_key, struct owner *owners, size_t n, const struct map *by_id,
	struct policy_peers *out)
{
	size_t total = 0;

	for (size_t i = 0; i < map->n_nodes; i++) {
		struct owner *gateway = gateway_of(by_id, &map->nodes[i], self_id);
		if (gateway)
			gateway->n_clients += own_prefixes(&map->nodes[i]);
	}
	for (size_t i = 0; i < n; i++) {
		owners[i].at = total;
		total += own_prefixes(owners[i].rec) + owners[i].n_clients;
	}
	out->v = calloc(n ? n : 1, sizeof(*out->v));
	out->prefixes = calloc(total ? total : 1, sizeof(*out->prefixes));
	if (!out->v || !out->prefixes)
		return TM_ENOMEM;

	for (size_t i = 0; i < n; i++) {
		struct plane_peer *p = &out->v[i];
		struct owner *o = &owners[i];

		p->allowed = out->prefixes + o->at;
		p->n_allowed = own_prefixes(o->rec) + o->n_clients;
		p->forwards = p->follows = o->local_client;
		p->id = o->rec->host;
		memcpy(p->key, o->rec->key, 32);
		out->n = i + 1;
		int err = policy_pair_psk(mesh->secret, self_key, p->key, p->psk);
		if (err)
			return err;
		add_prefixes(out->prefixes, o, o->rec);
	}
	for (size_t i = 0; i < map->n_nodes; i++) {
		struct owner *gateway = gateway_of(by_id, &map->nodes[i], self_id);
		if (gateway)
			add_prefixes(out->prefixes, gateway, &map->nodes[i]);
	}
	return TM_OK;
}

int policy_peers(const struct netmap *map, const struct mesh_info *mesh, const char *self_id,
	const uint8_t self_key[static 32], struct policy_peers *ret_peers)
{
	_cleanup_(freep) struct owner *owners = calloc(map->n_nodes ? map->n_nodes : 1, sizeof(*owners));
	_cleanup_(map_freep) struct map *by_id = NULL;
	struct policy_peers out = {0};
	size_t n = 0;

	if (!owners)
		return TM_ENOMEM;

	int err = map_new(NODE_ID_LEN, &by_id);
	if (!err)
		err = collect_owners(map, self_id, self_key, owners, &n, by_id);
	if (!err)
		err = fill(map, mesh, self_id, self_key, owners, n, by_id, &out);
	if (err) {
		policy_peers_deinit(&out);
		return err;
	}
	*ret_peers = out;
	return TM_OK;
}

void policy_peers_deinit(struct policy_peers *p)
{
	if (p->v)
		wipe(p->v, p->n * sizeof(*p->v));
	free(p->v);
	free(p->prefixes);
	*p = (struct policy_peers){0};
}
