/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* When the plane gets rules, and which. The plane is a stand-in. */
#include "unit/unit.h"

#include "data/filter/rules.h"
#include "fake/quiet.h"
#include "node/node_private.h"
#include "node/rules.h"
#include "unit/policy/rig.h"

#include <event2/event.h>
#include <unistd.h>

#define WEB "rules: [{allow: tcp/80, from: any, to: any}]"
#define OPEN "rules: [{allow: any, from: any, to: any}]"

struct rig {
	char dir[64];
	struct node n;
	struct rules *rules; /* the plane's */
	int told; /* what the node said of the policy that it was told last */
	unsigned n_set;
	int err, making,
		taking; /* what the plane's taking them, making them, and taking the policy fail with */
	unsigned takes_us, n_made; /* making them */
	uint64_t held; /* the version that the coordinator is told */
};

static struct rig *rig;

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

void __wrap_agent_policy_held(struct agent *a UNUSED, uint64_t version)
{
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

static int setup(void **state)
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
	return 0;
}

static int teardown(void **state)
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

static void policy(struct rig *r, uint64_t version, const char *text)
{
	const struct policy_kept k = {
		.version = version, .text = (char *)(uintptr_t)text, .nodes = (char *)(uintptr_t) ""};

	r->told = node_rules_policy(&r->n, &k);
}

static void put_member(
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

/* A member comes, or gets the tag. */
static void member(struct rig *r, const char *name, uint32_t host, const char *tag, uint64_t version)
{
	put_member(r, name, name, host, tag, version);
}

static void rename_member(struct rig *r, const char *name, uint32_t host, const char *to, uint64_t version)
{
	put_member(r, name, to, host, NULL, version);
}

static void run(struct rig *r)
{
	event_base_loop(r->n.base, EVLOOP_ONCE);
}

/* What is saved meanwhile is an event, too. */
static void run_until_set(struct rig *r, unsigned times)
{
	for (unsigned i = 0; i < 5 && r->n_set < times; i++)
		run(r);
	assert_int_equal(r->n_set, times);
}

static void a_policy_holds_at_once_and_members_follow(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(r->n_set, 0); /* without a policy nobody asks */
	policy(r, 1, WEB);
	assert_int_equal(r->n_set, 1);
	assert_int_not_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS);
	member(r, "b", 3, NULL, 3);
	assert_int_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS); /* and so may do nothing yet */
	run(r);
	assert_int_equal(r->n_set, 2);
	assert_int_not_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS);
	member(r, "b", 3, "x", 4);
	run(r);
	assert_int_equal(r->n_set, 3);
}

static void one_that_stops_nothing_costs_nothing(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, OPEN);
	assert_int_equal(r->n_set, 0);
	policy(r, 2, WEB);
	policy(r, 3, OPEN);
	assert_int_equal(r->n_set, 2);
	assert_null(r->rules);
	policy(r, 4, WEB);
	policy(r, 0, NULL); /* no member any more */
	assert_int_equal(r->n_set, 4);
	assert_null(r->rules);
}

/* What all who are there may do, the next one may not: nothing passes meanwhile that has not been judged. */
static void who_comes_is_filtered_where_all_before_may_do_everything(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	policy(r, 1, "");
	assert_non_null(r->rules); /* nobody is there, and who comes may do nothing */
	policy(r, 2, "rules: [{allow: any, from: any, to: any}, {deny: any, from: 'tag:guest', to: any}]");
	assert_non_null(r->rules);
	member(r, "a", 2, NULL, 2);
	member(r, "b", 3, "guest", 3);
	assert_int_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS);
	run(r);
	const struct rules_at at = {.class = rules_class_of(r->rules, 3), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
}

/* Until something comes behind one of them: at once, for it is reached in the same turn. */
static void one_about_members_costs_nothing_while_there_is_nothing_else(void **state)
{
	struct node_rec rec = {.host = 3, .name = "router", .routes = {.n = 1}};
	struct netmap map = {.version = 3, .base = 2, .nodes = &rec, .n_nodes = 1};
	const struct policy_kept k = {.version = 1,
		.text = (char *)(uintptr_t) "rules: [{allow: any, from: members, to: members}]",
		.nodes = (char *)(uintptr_t) "members *\n"};
	struct rig *r = *state;
	struct mesh_diff d;
	struct ip ip;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(node_rules_policy(&r->n, &k), TM_OK);
	assert_int_equal(r->n_set, 0);
	rig_id("router", rec.id);
	memset(rec.key, 3, sizeof(rec.key));
	rec.routes.v[0].approved = true;
	assert_int_equal(prefix_parse("10.1.0.0/16", &rec.routes.v[0].prefix), TM_OK);
	assert_int_equal(peers_update(r->n.peers, &map, &d), TM_OK);
	node_rules_mesh(&r->n, &d);
	mesh_diff_deinit(&d);
	assert_int_equal(r->n_set, 1);
	assert_int_equal(ip_parse("10.1.2.3", &ip), TM_OK);
	const struct rules_at router = {.class = rules_class_of(r->rules, 3), .dir = RULES_OUT},
			      behind = {.class = rules_class_behind(r->rules, 3, &ip), .dir = RULES_OUT};
	assert_int_equal(rules_find(r->rules, &router, 80).verdict, VERDICT_PASS);
	assert_int_equal(rules_find(r->rules, &behind, 80).verdict, VERDICT_DROP);
}

static void one_that_cannot_be_read_leaves_the_old_one_and_without_one_denies(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, "rules: [{permit: all}]");
	assert_int_not_equal(r->told, TM_OK);
	assert_int_equal(r->n_set, 1);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
	policy(r, 2, WEB);
	assert_int_equal(r->told, TM_OK);
	policy(r, 3, "rules: [{permit: all}]");
	assert_int_not_equal(r->told, TM_OK);
	const struct rules_at now = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &now, 80).verdict, VERDICT_PASS);
	assert_int_equal(rules_find(r->rules, &now, 81).verdict, VERDICT_DROP);
}

static void one_that_is_lost_lets_nothing_pass_until_it_is_told(void **state)
{
	const struct policy_kept lost = {.lost = true};
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(node_rules_policy(&r->n, &lost), TM_OK);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
	policy(r, 1, OPEN);
	assert_null(r->rules);
}

static void what_fails_is_tried_again(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->err = TM_ENOMEM;
	policy(r, 1, WEB);
	assert_int_equal(r->n_set, 3); /* that nothing passes was not taken either */
	r->err = TM_OK;
	run_until_set(r, 4); /* a second later */
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_PASS);
	assert_string_equal(peers_policy(r->n.peers)->text, WEB);
}

/* Too large for the filter, say: what was not in force yet must not pass because of that. */
static void one_that_no_rules_can_be_made_of_leaves_the_old_ones_and_without_any_denies(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->making = TM_EFULL;
	policy(r, 1, WEB);
	assert_int_equal(r->told, TM_EFULL);
	assert_non_null(r->rules);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
	r->making = TM_OK;
	policy(r, 2, WEB);
	const struct rules_at now = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &now, 80).verdict, VERDICT_PASS);
	r->making = TM_EFULL;
	policy(r, 3, "");
	assert_int_equal(r->told, TM_EFULL);
	assert_int_equal(rules_find(r->rules, &now, 80).verdict, VERDICT_PASS);
}

/* At its full price, and in vain: as long as nobody comes or goes. */
static void one_that_is_too_large_is_tried_again_when_members_change(void **state)
{
	struct rig *r = *state;
	struct rules_view v;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, WEB);
	r->making = TM_EFULL;
	policy(r, 2, "rules: [{allow: tcp/81, from: any, to: any}]");
	const unsigned made = r->n_made;
	node_rules_view(&r->n, &v);
	assert_true(v.told == 2 && v.in_force == 1 && strstr(v.trouble, "than this node can hold"));
	event_base_loopexit(r->n.base, &(struct timeval){.tv_sec = 1, .tv_usec = 200000});
	event_base_dispatch(r->n.base);
	assert_int_equal(r->n_made, made);
	/* The old one goes on to follow the members, and the new one waits for its time. */
	r->making = TM_OK;
	member(r, "b", 3, NULL, 3);
	run_until_set(r, 2);
	const struct rules_at at = {.class = rules_class_of(r->rules, 3), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_PASS);
	assert_int_equal(rules_find(r->rules, &at, 81).verdict, VERDICT_DROP);
	r->n.rules.rest_until = 0;
	member(r, "c", 4, NULL, 4);
	run_until_set(r, 3);
	const struct rules_at now = {.class = rules_class_of(r->rules, 4), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &now, 81).verdict, VERDICT_PASS);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 2 && v.in_force == 2 && !v.trouble[0]);
	assert_int_equal(peers_policy(r->n.peers)->version, 2); /* from now on it is the one that is kept */
}

/* The mesh has grown: what holds is said, and it is no policy that waits. */
static void one_that_members_have_made_too_large_holds_as_it_was(void **state)
{
	struct policy_kept told = {.version = 1, .text = strdup(WEB), .nodes = strdup("")};
	struct rig *r = *state;
	struct rules_view v;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(peers_set_policy(r->n.peers, &told), TM_OK);
	assert_int_equal(node_rules_policy(&r->n, &told), TM_OK);
	r->making = TM_EFULL;
	member(r, "b", 3, NULL, 3);
	while (r->n_made < 2)
		run(r);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 1 && v.in_force == 1 && strstr(v.trouble, "before the last changes"));
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_PASS);
	assert_int_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS);
	assert_true(r->n.rules.not_before > time_monotonic() + SEC);
	policy_kept_deinit(&told);
}

/* There was memory for the text alone. */
static void one_that_there_was_no_memory_for_is_taken_again(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->taking = TM_ENOMEM;
	policy(r, 1, WEB);
	assert_int_equal(r->told, TM_ENOMEM);
	assert_int_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS); /* nothing passes */
	r->taking = TM_OK;
	run_until_set(r, 2);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_PASS);
	assert_int_equal(peers_policy(r->n.peers)->version, 1);
}

/* However long it takes to make them. */
static void who_loses_a_tag_keeps_its_rights_for_a_quarter_of_a_second_at_most(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, "x", 2);
	r->takes_us = 40000;
	policy(r, 1, WEB);
	assert_true(r->n.rules.not_before <= time_monotonic() + 250 * MS);
	assert_true(r->n.rules.not_before > time_monotonic() - 40 * SEC);
}

static void what_is_in_force_is_shown_and_told(void **state)
{
	struct policy_kept told = {.version = 7, .text = strdup(WEB), .nodes = strdup("")};
	struct rig *r = *state;
	struct rules_view v;

	member(r, "self", 1, NULL, 1);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 0 && v.in_force == 0 && !v.trouble[0]);
	assert_int_equal(r->held, v.in_force);
	r->making = TM_EFULL;
	policy(r, 7, WEB);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 7 && v.in_force == 0 && strstr(v.trouble, "nothing passes"));
	assert_int_equal(r->held, v.in_force);
	r->making = TM_OK;
	assert_int_equal(node_rules_policy(&r->n, &told), TM_OK);
	assert_int_equal(peers_set_policy(r->n.peers, &told), TM_OK);
	node_rules_view(&r->n, &v);
	assert_true(v.told == 7 && v.in_force == 7 && !v.trouble[0]);
	assert_int_equal(r->held, v.in_force);
	policy(r, 8, "rules: [{permit: all}]");
	node_rules_view(&r->n, &v);
	assert_true(v.told == 8 && v.in_force == 7 && strstr(v.trouble, "version 7 still holds"));
	assert_int_equal(r->held, v.in_force);
	policy_kept_deinit(&told);
}

static void rules_of_its_own_hold_for_their_time(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/80"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, WEB);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(node_rules_add(&r->n, &own, 20 * MS, &d), TM_OK);
	const struct rules_at at = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &at, 80).verdict, VERDICT_DROP);
	for (unsigned i = 0; i < 5 && r->n.rules.n_own > 1; i++)
		run(r); /* what wakes the loop just before counts as well */
	assert_int_equal(r->n.rules.n_own, 1);
	assert_string_equal(r->n.rules.own[0].rule.id, "local-1");
	assert_int_equal(node_rules_remove(&r->n, "local-2", &d), TM_ENOENT);
	assert_int_equal(node_rules_remove(&r->n, "local-1", &d), TM_OK);
	const struct rules_at now = {.class = rules_class_of(r->rules, 2), .proto = RULES_TCP};
	assert_int_equal(rules_find(r->rules, &now, 80).verdict, VERDICT_PASS);
	for (unsigned i = 0; i < OWN_RULES_MAX; i++)
		assert_int_equal(node_rules_add(&r->n, &own, SEC, &d), TM_OK);
	assert_int_equal(node_rules_add(&r->n, &own, SEC, &d), TM_EFULL);
}

static enum verdict judge(const struct rig *r, uint32_t host, uint16_t port)
{
	const struct rules_at at = {.class = rules_class_of(r->rules, host), .proto = RULES_TCP};

	return rules_find(r->rules, &at, port).verdict;
}

static void configure(struct rig *r, const char *who)
{
	struct policy_local *rule = &r->n.config.rules[0];

	*rule = (struct policy_local){
		.id = "local-config-1", .action = POLICY_REJECT, .services = "tcp/80", .line = 7};
	snprintf(rule->who, sizeof(rule->who), "%s", who);
	r->n.config.n_rules = who[0] != 0;
	node_rules_configured(&r->n);
}

static void rules_of_the_configuration_hold_until_it_has_none(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, OPEN);
	configure(r, "any");
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	assert_int_equal(judge(r, 2, 81), VERDICT_PASS);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	policy(r, 2, OPEN);
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
	assert_int_equal(node_rules_remove(&r->n, "local-config-1", &d), TM_EPERM);
	assert_string_equal(d.what, "local-config-1 stands in the configuration, line 7");
	configure(r, "");
	assert_int_equal(judge(r, 2, 80), VERDICT_PASS);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
	assert_int_equal(node_rules_remove(&r->n, "local-1", &d), TM_OK);
	assert_null(r->rules);
}

/* Nobody has the name at first: who comes with it may do nothing before that is known. */
static void names_in_the_configuration_mean_who_has_them(void **state)
{
	struct rig *r = *state;

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	configure(r, "b,a"); /* where the mesh has no policy, too */
	assert_string_equal(r->n.rules.configured[0].absent, "b");
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	member(r, "b", 3, NULL, 3);
	assert_int_equal(rules_class_of(r->rules, 3), RULES_NO_CLASS);
	run(r);
	assert_int_equal(judge(r, 3, 80), VERDICT_REJECT);
	assert_int_equal(judge(r, 3, 81), VERDICT_PASS);
	assert_string_equal(r->n.rules.configured[0].absent, "");
	rename_member(r, "b", 3, "c", 4);
	run(r);
	assert_int_equal(judge(r, 3, 80), VERDICT_PASS);
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	/* Whatever else they are found by. */
	node_rules_mesh(&r->n, &(struct mesh_diff){.v = &(struct mesh_change){.what = 1u << 31}, .n = 1});
	run_until_set(r, r->n_set + 1);
}

/* What is made anew for a name must be made of the new rules. */
static void a_rule_that_comes_with_a_rename_is_not_lost(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	policy(r, 1, OPEN);
	configure(r, "b");
	rename_member(r, "a", 2, "b", 3);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(judge(r, 2, 80), VERDICT_REJECT);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
}

#define GRANT "{local_allow: ['tag:lab'], rules: [{allow: tcp/80, from: any, to: any}]}"

static void what_it_allows_by_a_grant_goes_with_the_grant(void **state)
{
	struct policy_local own = {.action = POLICY_ALLOW, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, "lab", 1);
	member(r, "a", 2, NULL, 2);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_EPERM);
	assert_string_equal(d.what, "the mesh has no policy: everything is allowed already");
	policy(r, 1, WEB);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_EPERM);
	assert_non_null(strstr(d.what, "does not let this node allow anything"));
	policy(r, 2, GRANT);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(judge(r, 2, 81), VERDICT_PASS);
	assert_int_equal(judge(r, 2, 82), VERDICT_DROP);
	assert_true(node_rules_in_force(&r->n, &own));
	policy(r, 3, WEB); /* at once */
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
	assert_int_equal(judge(r, 2, 80), VERDICT_PASS);
	assert_true(!node_rules_in_force(&r->n, &own) && r->n.rules.in_vain);
	policy(r, 4, GRANT);
	assert_int_equal(judge(r, 2, 81), VERDICT_PASS);
	assert_false(r->n.rules.in_vain);
	member(r, "self", 1, NULL, 3); /* its tag is gone */
	run(r);
	assert_int_equal(judge(r, 2, 81), VERDICT_DROP);
}

/* Rules that can be made are no reason to let all pass that an unknown policy may deny. */
static void one_that_there_was_no_memory_for_is_not_got_round_by_rules_of_its_own(void **state)
{
	struct policy_local own = {.action = POLICY_DENY, .who = "any", .services = "tcp/81"};
	struct rig *r = *state;
	struct diag d = {0};

	member(r, "self", 1, NULL, 1);
	member(r, "a", 2, NULL, 2);
	r->taking = TM_ENOMEM;
	policy(r, 1, WEB);
	assert_int_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS);
	assert_int_equal(node_rules_add(&r->n, &own, 3600 * SEC, &d), TM_OK);
	assert_int_equal(rules_class_of(r->rules, 2), RULES_NO_CLASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_policy_holds_at_once_and_members_follow, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_stops_nothing_costs_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_about_members_costs_nothing_while_there_is_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_cannot_be_read_leaves_the_old_one_and_without_one_denies, setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_comes_is_filtered_where_all_before_may_do_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_is_lost_lets_nothing_pass_until_it_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(what_fails_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_no_rules_can_be_made_of_leaves_the_old_ones_and_without_any_denies, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			one_that_is_too_large_is_tried_again_when_members_change, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_members_have_made_too_large_holds_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_there_was_no_memory_for_is_taken_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
			who_loses_a_tag_keeps_its_rights_for_a_quarter_of_a_second_at_most, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_in_force_is_shown_and_told, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_of_its_own_hold_for_their_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
			rules_of_the_configuration_hold_until_it_has_none, setup, teardown),
		cmocka_unit_test_setup_teardown(
			names_in_the_configuration_mean_who_has_them, setup, teardown),
		cmocka_unit_test_setup_teardown(a_rule_that_comes_with_a_rename_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_it_allows_by_a_grant_goes_with_the_grant, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_there_was_no_memory_for_is_not_got_round_by_rules_of_its_own, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
