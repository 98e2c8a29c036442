/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/policy/policy.h"

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

static bool is_self(const struct policy *p, const struct mesh_node *n)
{
	return strcmp(n->id, p->self_id) == 0 || memcmp(n->key, p->self_key, 32) == 0 ||
	       n->host == p->self_host;
}

/* One that has a session with us: a node, or a client behind ourselves. NULL is none. */
static bool is_peer(const struct policy *p, const struct mesh_node *n)
{
	return n && !is_self(p, n) && (n->kind == NODE_MESH || strcmp(n->via, p->self_id) == 0);
}

/* The peer that a client's packets go to: the node in front of it, when that one is known. NULL is none. */
static const struct mesh_node *gateway_of(
	const struct policy *p, const struct mesh *m, const struct mesh_node *client)
{
	if (!client || client->kind != NODE_CLIENT || strcmp(client->via, p->self_id) == 0)
		return NULL;

	const struct mesh_node *gateway = mesh_by_id(m, client->via);
	return is_peer(p, gateway) && gateway->kind == NODE_MESH ? gateway : NULL;
}

/* --- which peers a diff concerns --- */

struct touched {
	const struct mesh_node **v; /* as they are now */
	size_t n;
};

static int by_host(const void *a, const void *b)
{
	uint32_t x = (*(const struct mesh_node *const *)a)->host,
		 y = (*(const struct mesh_node *const *)b)->host;

	return x < y ? -1 : x > y;
}

static void touch(struct touched *t, const struct mesh_node *n)
{
	if (n)
		t->v[t->n++] = n;
}

/* Each once: a gateway may have many clients that changed. */
static int collect(
	const struct policy *p, const struct mesh *m, const struct mesh_diff *d, struct touched *ret_t)
{
	const unsigned concerns =
		MESH_ADDED | MESH_REMOVED | MESH_KEY | MESH_ADDRESSES | MESH_VIA | MESH_KIND;
	struct touched t = {.v = calloc(3 * d->n + 1, sizeof(*t.v))};
	size_t n = 0;

	if (!t.v)
		return TM_ENOMEM;

	for (size_t i = 0; i < d->n; i++) {
		const struct mesh_change *c = &d->v[i];

		if (!(c->what & concerns))
			continue;
		if (is_peer(p, c->after))
			touch(&t, c->after);
		touch(&t, gateway_of(p, m, c->before));
		touch(&t, gateway_of(p, m, c->after));
	}
	if (t.n)
		qsort(t.v, t.n, sizeof(*t.v), by_host);
	for (size_t i = 0; i < t.n; i++)
		if (i == 0 || t.v[i] != t.v[i - 1])
			t.v[n++] = t.v[i];
	t.n = n;
	*ret_t = t;
	return TM_OK;
}

/* --- what a peer is --- */

static size_t add_addresses(const struct mesh *m, const struct mesh_node *n, struct prefix *out)
{
	struct ip ip4, ip6;

	mesh_node_addresses(m, n, &ip4, &ip6);
	out[0] = prefix_host(&ip4);
	out[1] = prefix_host(&ip6);
	return 2;
}

/* Behind its addresses, so that those come first (the plane's lanes). */
static size_t add_networks(const struct policy *p, const struct mesh_node *n, struct prefix *out)
{
	size_t all = 0, at = 0;
	const struct owned *v = p->owners ? owners_all(p->owners, &all) : NULL;

	for (size_t i = 0; i < all; i++) {
		if (v[i].host != n->host)
			continue;
		if (out)
			out[at] = v[i].prefix;
		at++;
	}
	return at;
}

static int put(
	const struct policy *p, const struct mesh *m, const struct mesh_node *n, const struct policy_ops *ops)
{
	const struct mesh_node *first = n->kind == NODE_MESH ? mesh_clients(m, n->id) : NULL;
	bool is_client = n->kind == NODE_CLIENT;
	struct plane_peer peer = {.id = n->host, .forwards = is_client, .follows = is_client};
	size_t room = 2;

	for (const struct mesh_node *c = first; c; c = c->next_client)
		room += 2;
	room += add_networks(p, n, NULL);
	_cleanup_(freep) struct prefix *allowed = calloc(room, sizeof(*allowed));
	if (!allowed)
		return TM_ENOMEM;

	size_t at = add_addresses(m, n, allowed);
	for (const struct mesh_node *c = first; c; c = c->next_client)
		if (!is_self(p, c))
			at += add_addresses(m, c, allowed + at);
	at += add_networks(p, n, allowed + at);
	peer.allowed = allowed;
	peer.n_allowed = at;
	memcpy(peer.key, n->key, sizeof(peer.key));
	int err = policy_pair_psk(p->secret, p->self_key, peer.key, peer.psk);
	if (!err)
		err = ops->put(ops->ctx, &peer);
	wipe(&peer, sizeof(peer));
	return err;
}

int policy_again(const struct policy *p, const struct mesh *m, const uint32_t *hosts, size_t n,
	const struct policy_ops *ops)
{
	int err = TM_OK;

	for (size_t i = 0; i < n && !err; i++) {
		const struct mesh_node *node = mesh_by_host(m, hosts[i]);

		if (is_peer(p, node) && node->kind == NODE_MESH)
			err = put(p, m, node, ops);
	}
	return err;
}

int policy_apply(
	const struct policy *p, const struct mesh *m, const struct mesh_diff *d, const struct policy_ops *ops)
{
	struct touched t;
	int err = collect(p, m, d, &t);

	if (err)
		return err;

	for (size_t i = 0; i < d->n && !err; i++) {
		const struct mesh_change *c = &d->v[i];

		if (is_peer(p, c->before) && (!is_peer(p, c->after) || c->what & MESH_KEY))
			err = ops->remove(ops->ctx, c->before->key);
	}
	for (size_t i = 0; i < t.n && !err; i++)
		err = put(p, m, t.v[i], ops);
	free(t.v);
	return err;
}
