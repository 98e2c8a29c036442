/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/node/rules_rig.h"

#include "fake/quiet.h"

#include <event2/event.h>
#include <unistd.h>

static struct rig *rig;

unsigned __wrap_plane_workers(const struct plane *p);

unsigned __wrap_plane_workers(const struct plane *p UNUSED)
{
	return 1;
}

int __wrap_plane_set_rules(struct plane *p, struct rules *rules_take);

int __wrap_plane_set_rules(struct plane *p UNUSED, struct rules *rules_take)
{
	rig->n_set++;
	if (rig->err)
		return rig->err;
	rules_free(rig->rules);
	rig->rules = rules_take;
	return TM_OK;
}

void __wrap_agent_policy_held(struct agent *a, uint64_t version);

void __wrap_agent_policy_held(struct agent *a, uint64_t version)
{
	assert_non_null(a);
	rig->held = version;
}

int __real_filtering_rules(
	const struct filtering *f, const struct mesh *m, const char *self_id, struct rules **ret_rules);
int __wrap_filtering_rules(
	const struct filtering *f, const struct mesh *m, const char *self_id, struct rules **ret_rules);

int __wrap_filtering_rules(
	const struct filtering *f, const struct mesh *m, const char *self_id, struct rules **ret_rules)
{
	usleep(rig->takes_us);
	rig->n_made++;
	return rig->making ? rig->making : __real_filtering_rules(f, m, self_id, ret_rules);
}

int __real_filtering_set(struct filtering *f, const char *text, const char *nodes, struct diag *d);
int __wrap_filtering_set(struct filtering *f, const char *text, const char *nodes, struct diag *d);

int __wrap_filtering_set(struct filtering *f, const char *text, const char *nodes, struct diag *d)
{
	return rig->taking ? rig->taking : __real_filtering_set(f, text, nodes, d);
}

int __real_policy_kept_copy(const struct policy_kept *k, struct policy_kept *ret_copy);
int __wrap_policy_kept_copy(const struct policy_kept *k, struct policy_kept *ret_copy);

int __wrap_policy_kept_copy(const struct policy_kept *k, struct policy_kept *ret_copy)
{
	return rig->copying ? rig->copying : __real_policy_kept_copy(k, ret_copy);
}

int rules_setup(void **state)
{
	struct rig *r = rig = *state = calloc(1, sizeof(*r));
	static const uint8_t key[32];
	const struct mesh_info info = {.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd}}, 64}};

	assert_non_null(r);
	log_set_sink(quiet_log, NULL);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-rules-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->n.paths.netmap, sizeof(r->n.paths.netmap), "%s/netmap.db", r->dir);
	rig_id("self", r->n.enrolment.self.id);
	r->n.base = event_base_new();
	r->n.log.mesh = LOG_LIMIT_FEW;
	const struct peers_config cfg = {.path = r->n.paths.netmap,
		.mesh = &info,
		.self_id = r->n.enrolment.self.id,
		.coordinator_key = key,
		.save_delay = SEC};
	assert_int_equal(peers_new(r->n.base, &cfg, &r->n.peers), TM_OK);
	assert_int_equal(node_rules_init(&r->n), TM_OK);
	r->n.agent = (struct agent *)r; /* nobody looks into it */
	return 0;
}

int rules_teardown(void **state)
{
	struct rig *r = *state;

	node_rules_deinit(&r->n);
	peers_free(r->n.peers);
	event_base_free(r->n.base);
	rules_free(r->rules);
	unlink(r->n.paths.netmap);
	rmdir(r->dir);
	free(r);
	return 0;
}

void policy(struct rig *r, uint64_t version, const char *text)
{
	const struct policy_kept k = {
		.version = version, .text = (char *)(uintptr_t)text, .nodes = (char *)(uintptr_t) ""};

	r->told = node_rules_policy(&r->n, &k);
}

void put_member(
	struct rig *r, const char *id, const char *name, uint32_t host, const char *tag, uint64_t version)
{
	struct node_rec rec = {.host = host};
	struct netmap map = {.version = version, .base = version - 1, .nodes = &rec, .n_nodes = 1};
	struct mesh_diff d;

	snprintf(rec.name, sizeof(rec.name), "%s", name);
	rig_id(id, rec.id);
	memset(rec.key, (int)host, sizeof(rec.key));
	if (tag)
		snprintf(rec.tags[rec.n_tags++], sizeof(rec.tags[0]), "%s", tag);
	assert_int_equal(peers_update(r->n.peers, &map, &d), TM_OK);
	node_rules_mesh(&r->n, &d);
	mesh_diff_deinit(&d);
}

void member(struct rig *r, const char *name, uint32_t host, const char *tag, uint64_t version)
{
	put_member(r, name, name, host, tag, version);
}

void run(struct rig *r)
{
	event_base_loop(r->n.base, EVLOOP_ONCE);
}

/* What is saved meanwhile is an event, too. */
void run_until_set(struct rig *r, unsigned times)
{
	for (unsigned i = 0; i < 5 && r->n_set < times; i++)
		run(r);
	assert_int_equal(r->n_set, times);
}

enum verdict judge(const struct rig *r, uint32_t host, uint16_t port)
{
	const struct rules_at at = {.class = rules_class_of(r->rules, host), .proto = RULES_TCP};

	return rules_find(r->rules, &at, port).verdict;
}
