/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "plugs_rig.h"

#include "crypto/init.h"
#include "node/drive.h"
#include "node/exits.h"
#include "node/offers.h"
#include "node/relaying.h"
#include "node/router.h"
#include "node/routing.h"

#include <unistd.h>

void __wrap_offers_look(struct node *n);
void __wrap_offers_reload(struct node *n);
void __wrap_router_look(struct node *n);
void __wrap_fence_routes(struct node *n);
void __wrap_exits_look(struct node *n);
const char *__wrap_exits_in_force(const struct node *n);
const struct owners *__wrap_routing_follow(struct node *n, const struct mesh_diff *d, bool anew);
int __wrap_routing_apply(struct node *n, const struct policy *p, const struct policy_ops *ops);
void __wrap_routing_settle(struct node *n);
void __wrap_routing_session(struct node *n, const struct mesh_node *m, bool up);

static struct rig *rig;

/* --- stand-ins --- */

void __wrap_plane_peers_begin(struct plane *p);
int __wrap_plane_peers_commit(struct plane *p);
int __wrap_plane_peers_clear(struct plane *p);
int __wrap_plane_peer_put(struct plane *p, const struct plane_peer *peer);
int __wrap_plane_peer_remove(struct plane *p, const uint8_t key[static 32]);
void __wrap_plane_seed_stamp(
	struct plane *p, const uint8_t key[static 32], const uint8_t stamp[static PLANE_STAMP]);
bool __wrap_plane_peer_stamp(
	struct plane *p, const uint8_t key[static 32], uint8_t ret_stamp[static PLANE_STAMP]);
const char *__wrap_plane_tun_name(const struct plane *p);
int __wrap_plane_peer_stats(
	struct plane *p, const uint8_t key[static 32], struct plane_peer_stats *ret_stats);
int __wrap_plane_set_way(
	struct plane *p, const uint8_t key[static 32], const struct way_to *way, const struct way_to *also);
void __wrap_plane_nudge(struct plane *p, const uint8_t key[static 32]);
void __wrap_news_session(struct news *x, const struct mesh_node *m, const struct endpoint *at, bool up);
void __wrap_core_seed_stamp(struct core *c, const uint8_t key[static 32], uint64_t stamp);
uint64_t __wrap_core_stamp(const struct core *c, const uint8_t key[static 32]);
void __wrap_drive_input(struct node *n, const struct core_in *in);
size_t __wrap_agent_coordinator_data(const struct agent *a, struct endpoint *v, size_t max);
const struct mesh_info *__wrap_agent_mesh_info(const struct agent *a);
void __wrap_node_kick_plane(struct node *n);
void __wrap_news_mesh(struct news *x, const struct mesh_diff *d);
void __wrap_relaying_mesh(struct node *n, const struct mesh_diff *d);
void __wrap_node_rules_mesh(struct node *n, const struct mesh_diff *d);
bool __wrap_relaying_stun(struct node *n, const struct way_to *by, const uint8_t *msg, size_t len);
uint64_t __wrap_relaying_stamp(const struct node *n, const char *id);
bool __wrap_relaying_has(const struct node *n, uint32_t stream);

void __wrap_plane_peers_begin(struct plane *p UNUSED)
{
}

int __wrap_plane_peers_commit(struct plane *p UNUSED)
{
	rig->commits++;
	return rig->commit_err;
}

int __wrap_plane_peers_clear(struct plane *p UNUSED)
{
	rig->cleared++;
	return TM_OK;
}

int __wrap_plane_peer_put(struct plane *p UNUSED, const struct plane_peer *peer)
{
	if (rig->impossible && memcmp(peer->key, rig->impossible, 32) == 0)
		return TM_EINVAL;
	rig->put[rig->n_put++] = *peer;
	return TM_OK;
}

int __wrap_plane_peer_remove(struct plane *p UNUSED, const uint8_t key[static 32])
{
	memcpy(rig->removed[rig->n_removed++], key, 32);
	return TM_OK;
}

void __wrap_plane_seed_stamp(
	struct plane *p UNUSED, const uint8_t key[static 32], const uint8_t stamp[static PLANE_STAMP])
{
	rig->seeded_stamp[rig->n_seeded] = stamp[0];
	memcpy(rig->seeded[rig->n_seeded++], key, 32);
}

bool __wrap_plane_peer_stamp(struct plane *p UNUSED, const uint8_t key[static 32] UNUSED,
	uint8_t ret_stamp[static PLANE_STAMP] UNUSED)
{
	return false;
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm7";
}

int __wrap_plane_peer_stats(
	struct plane *p UNUSED, const uint8_t key[static 32] UNUSED, struct plane_peer_stats *ret_stats)
{
	*ret_stats = (struct plane_peer_stats){.way.remote = rig->at};
	return TM_OK;
}

int __wrap_plane_set_way(struct plane *p UNUSED, const uint8_t key[static 32], const struct way_to *way,
	const struct way_to *also UNUSED)
{
	assert_memory_equal(key, rig->nodes[CLIENT].key, 32);
	rig->way = *way;
	rig->ways++;
	return TM_OK;
}

void __wrap_plane_nudge(struct plane *p UNUSED, const uint8_t key[static 32])
{
	assert_memory_equal(key, rig->nodes[CLIENT].key, 32);
	rig->nudges++;
}

void __wrap_news_session(struct news *x UNUSED, const struct mesh_node *m UNUSED,
	const struct endpoint *at UNUSED, bool up UNUSED)
{
}

void __wrap_core_seed_stamp(struct core *c UNUSED, const uint8_t key[static 32], uint64_t stamp)
{
	assert_memory_equal(key, rig->seeded[rig->n_seeded - 1], 32);
	rig->seeded_check[rig->n_seeded - 1] = stamp;
}

uint64_t __wrap_core_stamp(const struct core *c UNUSED, const uint8_t key[static 32] UNUSED)
{
	return rig->stamp;
}

void __wrap_drive_input(struct node *n UNUSED, const struct core_in *in)
{
	rig->input[rig->n_input].kind = in->kind;
	rig->input[rig->n_input].link_up = in->kind == CORE_LINK && in->link_up;
	if (in->key)
		memcpy(rig->input[rig->n_input].key, in->key, 32);
	rig->n_input++;
}

size_t __wrap_agent_coordinator_data(const struct agent *a UNUSED, struct endpoint *v, size_t max UNUSED)
{
	v[0] = (struct endpoint){.port = 51820};
	return rig->has_server;
}

const struct mesh_info *__wrap_agent_mesh_info(const struct agent *a UNUSED)
{
	return &rig->n.enrolment.mesh;
}

void __wrap_node_kick_plane(struct node *n UNUSED)
{
	rig->kicks++;
}

void __wrap_news_mesh(struct news *x UNUSED, const struct mesh_diff *d)
{
	rig->n_news += d->n;
}

void __wrap_relaying_mesh(struct node *n UNUSED, const struct mesh_diff *d)
{
	rig->n_relaying += d->n;
}

void __wrap_node_rules_mesh(struct node *n UNUSED, const struct mesh_diff *d UNUSED)
{
}

bool __wrap_relaying_stun(
	struct node *n UNUSED, const struct way_to *by UNUSED, const uint8_t *msg, size_t len UNUSED)
{
	return msg[0] == 'R';
}

uint64_t __wrap_relaying_stamp(const struct node *n UNUSED, const char *id UNUSED)
{
	return rig->registered;
}

bool __wrap_relaying_has(const struct node *n UNUSED, uint32_t stream)
{
	return stream == 5;
}

/* --- the rig --- */

static void on_log(void *ctx, const char *line UNUSED, size_t n UNUSED)
{
	((struct rig *)ctx)->warnings++;
}

static struct node_rec record(unsigned i)
{
	struct node_rec r = {.host = i + 1, .key = {1, (uint8_t)i}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	return r;
}

int rig_setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	rig = r;
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(on_log, r);
	log_set_level(LOG_WARN);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-plugs-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->clock_path, sizeof(r->clock_path), "%s/clock", r->dir);
	snprintf(r->n.paths.netmap, sizeof(r->n.paths.netmap), "%s/netmap.db", r->dir);
	r->n.log.network = r->n.log.mesh = LOG_LIMIT_FEW;
	r->n.base = event_base_new();
	assert_int_equal(prefix_parse("100.101.0.0/16", &r->n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &r->n.mesh.net6), TM_OK);
	r->n.enrolment.mesh = r->n.mesh;
	r->n.enrolment.self = record(0);
	memcpy(r->n.identity.x_pub, r->n.enrolment.self.key, 32);
	memcpy(r->n.enrolment.coordinator_key, record(1).key, 32);
	for (unsigned i = 0; i < ARRAY_LEN(r->nodes); i++)
		r->nodes[i] = record(i);
	node_clock_init(&r->n.clock, r->clock_path, time_real(), time_monotonic());
	const struct peers_config peers = {.path = r->n.paths.netmap,
		.mesh = &r->n.mesh,
		.self_id = r->n.enrolment.self.id,
		.coordinator_key = r->n.enrolment.coordinator_key,
		.save_delay = SEC};
	assert_int_equal(peers_new(r->n.base, &peers, &r->n.peers), TM_OK);
	const struct keeper_config keeper = plugs_keeper(&r->n);
	assert_int_equal(keeper_new(r->n.base, &keeper, &r->n.keeper), TM_OK);
	*state = r;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *r = *state;

	keeper_free(r->n.keeper);
	peers_free(r->n.peers);
	event_base_free(r->n.base);
	(void)unlink(r->clock_path);
	(void)unlink(r->n.paths.netmap);
	assert_int_equal(rmdir(r->dir), 0);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

void tell(struct rig *r, unsigned from, unsigned n, const char *gone)
{
	char removed[1][NODE_ID_LEN + 1];
	struct netmap update = {.version = r->version + 1,
		.base = r->version,
		.nodes = &r->nodes[from],
		.n_nodes = n,
		.removed = removed,
		.n_removed = gone != NULL};
	struct mesh_diff d;

	if (gone)
		memcpy(removed[0], gone, sizeof(removed[0]));
	assert_int_equal(peers_update(r->n.peers, &update, &d), TM_OK);
	r->version++;
	const struct agent_events ev = plugs_agent(&r->n);
	ev.mesh_changed(ev.ctx, &d);
	mesh_diff_deinit(&d);
}

void forget(struct rig *r)
{
	r->n_put = r->n_removed = r->n_seeded = r->n_input = 0;
	r->cleared = r->commits = r->kicks = r->warnings = 0;
}

bool was_put(const struct rig *r, unsigned i)
{
	for (size_t k = 0; k < r->n_put; k++)
		if (memcmp(r->put[k].key, r->nodes[i].key, 32) == 0)
			return true;
	return false;
}

void all_that_there_are(struct rig *r)
{
	const struct agent_events ev = plugs_agent(&r->n);
	struct mesh_diff all;

	assert_int_equal(mesh_diff_all(peers_mesh(r->n.peers), &all), TM_OK);
	ev.mesh_changed(ev.ctx, &all);
	mesh_diff_deinit(&all);
}

/* --- networks behind members: none --- */

void __wrap_offers_look(struct node *n UNUSED)
{
}

void __wrap_offers_reload(struct node *n UNUSED)
{
}

void __wrap_fence_routes(struct node *n UNUSED)
{
}

void __wrap_router_look(struct node *n UNUSED)
{
}

void __wrap_exits_look(struct node *n UNUSED)
{
}

const char *__wrap_exits_in_force(const struct node *n UNUSED)
{
	return rig->exit;
}

const struct owners *__wrap_routing_follow(
	struct node *n UNUSED, const struct mesh_diff *d UNUSED, bool anew UNUSED)
{
	return NULL;
}

int __wrap_routing_apply(
	struct node *n UNUSED, const struct policy *p UNUSED, const struct policy_ops *ops UNUSED)
{
	return TM_OK;
}

void __wrap_routing_settle(struct node *n UNUSED)
{
}

void __wrap_routing_session(struct node *n UNUSED, const struct mesh_node *m UNUSED, bool up UNUSED)
{
}
