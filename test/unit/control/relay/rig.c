/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/control/relay/rig.h"

#include "crypto/dh.h"
#include "crypto/init.h"

#define RELAY_ID "00000000000000ff"

static bool find(void *ctx, const char *id, struct registrar_member *ret_member)
{
	struct rig *g = ctx;

	for (size_t i = 0; i < RIG_MEMBERS; i++) {
		if (g->v[i].gone || strcmp(g->v[i].m.id, id) != 0)
			continue;
		*ret_member = g->v[i].m;
		return true;
	}
	return false;
}

static uint32_t dice(void *ctx UNUSED)
{
	return 7;
}

struct way_to rig_way(const char *remote)
{
	struct way_to way = {.kind = WAY_UDP};

	assert_int_equal(endpoint_parse(remote, &way.remote), TM_OK);
	return way;
}

static void asker_init(struct rig *g, struct asker *a, unsigned i)
{
	struct dh_key *key;
	char remote[32];

	snprintf(a->m.id, sizeof(a->m.id), "%016x", i + 1);
	memcpy(a->self.id, a->m.id, sizeof(a->self.id));
	a->self.random = dice;
	a->m.host = i + 2;
	memset(a->private_key, (int)i + 1, sizeof(a->private_key));
	dh_clamp(a->private_key);
	assert_int_equal(dh_public(a->private_key, a->m.key), TM_OK);
	assert_int_equal(dh_key_new(a->private_key, &key), TM_OK);
	assert_int_equal(stun_pair_key(key, g->public_key, a->key), TM_OK);
	dh_key_free(key);
	snprintf(remote, sizeof(remote), "192.0.2.%u:4000", i + 1);
	a->way = rig_way(remote);
}

void rig_restart(struct rig *g)
{
	registrar_free(TAKE(g->r));
	g->cfg.private_key = g->private_key;
	assert_int_equal(registrar_new(&g->cfg, &g->r), TM_OK);
}

int rig_setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	assert_int_equal(crypto_init(NULL), TM_OK);
	g->now = 10 * SEC;
	g->real = 1000000 * SEC;
	memset(g->private_key, 0x77, sizeof(g->private_key));
	dh_clamp(g->private_key);
	assert_int_equal(dh_public(g->private_key, g->public_key), TM_OK);
	g->cfg = (struct registrar_config){.self_id = RELAY_ID, .members_max = 100, .ctx = g, .find = find};
	assert_int_equal(prefix_parse("100.101.0.0/16", &g->cfg.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &g->cfg.net6), TM_OK);
	rig_restart(g);
	for (unsigned i = 0; i < RIG_MEMBERS; i++)
		asker_init(g, &g->v[i], i);
	*state = g;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *g = *state;

	registrar_free(g->r);
	free(g);
	return 0;
}

void rig_pass(struct rig *g, ns_t time)
{
	g->now += time;
	g->real += time;
}

void asker_ask(struct rig *g, struct asker *a, uint32_t lifetime_s, bool cookie)
{
	struct stun_msg ask = {.has_lifetime = true, .lifetime_s = lifetime_s, .has_cookie = true};
	uint64_t stamp;

	if (cookie)
		memcpy(ask.cookie, a->cookie, sizeof(ask.cookie));
	a->self.real = g->real;
	a->n_sent = stun_ask(&a->self, RELAY_ID, a->key, &ask, a->sent, sizeof(a->sent), &stamp);
	assert_true(a->n_sent > 0);
}

bool rig_receive(struct rig *g, struct asker *a, const struct way_to *by)
{
	char sender[NODE_ID_LEN + 1];

	g->ours = registrar_stun(g->r, by, a->sent, a->n_sent, g->now, g->real, &g->out);
	if (!g->out.n)
		return false;
	assert_true(g->out.n <= a->n_sent);
	assert_int_equal(stun_open(&a->self, g->out.answer, g->out.n, &g->answer, sender), TM_OK);
	assert_string_equal(sender, RELAY_ID);
	assert_int_equal(stun_verify(g->out.answer, g->out.n, &g->answer, a->key), TM_OK);
	assert_true(endpoint_eq(&g->answer.mapped, &by->remote));
	return true;
}

bool asker_registers(struct rig *g, struct asker *a)
{
	asker_ask(g, a, 120, true);
	if (!rig_receive(g, a, &a->way))
		return false;
	memcpy(a->cookie, g->answer.cookie, sizeof(a->cookie));
	return g->answer.lifetime_s != 0;
}

unsigned rig_due(struct rig *g)
{
	unsigned n = 0;

	while (registrar_due(g->r, g->now, &g->out))
		n += g->out.what == LEG_GONE;
	return n;
}
