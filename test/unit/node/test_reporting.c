/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a node tells its coordinator of itself and of whom, and when. What is looked at is made of stand-ins.
 */
#include "unit/unit.h"

#include "control/policy/counts.h"
#include "crypto/init.h"
#include "data/filter/hits.h"
#include "node/metrics_serving.h"
#include "node/names.h"
#include "node/node_private.h"
#include "node/router.h"
#include "node/view.h"
#include "os/usage.h"

#include <event2/event.h>
#include <unistd.h>

enum { SELF, BEHIND_SELF, BEHIND_OTHER, FIRST, N = FIRST + REPORT_PEERS_MAX + 1 };

struct rig {
	char dir[64];
	struct node n;
	struct node_rec nodes[N];
	size_t n_used; /* peers from FIRST on are in use */
	struct peer_view view; /* of each of them */
	bool alarm[REPORT_ALARM_N], resolver_failing;
	struct os_usage usage;
	ns_t now, planned; /* when to look again, from now on */
	struct loop_timer *timer;
	/* what was told: */
	struct msg_report told[3];
	size_t n_told;
};

static struct rig *rig;

/* --- stand-ins --- */

const char *__wrap_keeper_failure(const struct keeper *k);
const char *__wrap_peers_failure(const struct peers *p);
const char *__wrap_router_trouble(const struct node *n);
bool __wrap_inbound_dropped(const struct inbound *in, size_t side);
bool __wrap_inbound_known(const struct inbound *in);
bool __wrap_names_failing(const struct node *n);
bool __wrap_names_resolver_failing(const struct node *n);
bool __wrap_os_program_is_replaced(void);
ns_t __wrap_time_monotonic(void);
uint16_t __wrap_metrics_serving_port(const struct node *n);
unsigned __wrap_plane_offload_losses(const struct plane *p);
unsigned __wrap_plane_offloads(const struct plane *p);
unsigned __wrap_plane_workers(const struct plane *p);
void __real_loop_timer_in(struct loop_timer *t, ns_t in);
void __wrap_agent_report(struct agent *a, const struct msg_report *m);
void __wrap_core_each_used(
	const struct core *c, void (*each)(void *ctx, const uint8_t key[static 32]), void *ctx);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);
void __wrap_node_rules_view(const struct node *n, struct rules_view *ret_view);
void __wrap_os_usage(struct os_usage *ret_usage);
void __wrap_peer_view_take(const struct node *n, const struct mesh_node *member,
	const struct presence *presence, struct peer_view *ret_view);
void __wrap_plane_drops(const struct plane *p, uint64_t ret_counts[static DROP_N]);
void __wrap_relaying_look(const struct node *n, struct relaying_view *ret_view);

static const char *sentence(enum report_alarm alarm)
{
	return rig->alarm[alarm] ? "it is so" : "";
}

const char *__wrap_keeper_failure(const struct keeper *k UNUSED)
{
	return sentence(REPORT_ALARM_CLOCK);
}

const char *__wrap_peers_failure(const struct peers *p UNUSED)
{
	return sentence(REPORT_ALARM_UNSAVED);
}

const char *__wrap_router_trouble(const struct node *n UNUSED)
{
	return sentence(REPORT_ALARM_ROUTER);
}

bool __wrap_inbound_known(const struct inbound *in UNUSED)
{
	return true;
}

bool __wrap_inbound_dropped(const struct inbound *in UNUSED, size_t side)
{
	return side == 1 && rig->alarm[REPORT_ALARM_FIREWALL];
}

bool __wrap_names_failing(const struct node *n UNUSED)
{
	return rig->alarm[REPORT_ALARM_DNS];
}

bool __wrap_names_resolver_failing(const struct node *n UNUSED)
{
	return rig->resolver_failing;
}

bool __wrap_os_program_is_replaced(void)
{
	return rig->alarm[REPORT_ALARM_PROGRAM];
}

ns_t __wrap_time_monotonic(void)
{
	return rig->now;
}

uint16_t __wrap_metrics_serving_port(const struct node *n UNUSED)
{
	return 5210;
}

unsigned __wrap_plane_offload_losses(const struct plane *p UNUSED)
{
	return rig->alarm[REPORT_ALARM_OFFLOADS];
}

unsigned __wrap_plane_offloads(const struct plane *p UNUSED)
{
	return 0;
}

unsigned __wrap_plane_workers(const struct plane *p UNUSED)
{
	return 2;
}

void __wrap_node_rules_view(const struct node *n UNUSED, struct rules_view *ret_view)
{
	*ret_view = (struct rules_view){.told = 1};
	snprintf(ret_view->trouble, sizeof(ret_view->trouble), "%s", sentence(REPORT_ALARM_POLICY));
}

void __wrap_os_usage(struct os_usage *ret_usage)
{
	*ret_usage = rig->usage;
}

void __wrap_plane_drops(const struct plane *p UNUSED, uint64_t ret_counts[static DROP_N])
{
	for (unsigned i = 0; i < DROP_N; i++)
		ret_counts[i] = i < 2 ? 5 : 0;
}

void __wrap_relaying_look(const struct node *n UNUSED, struct relaying_view *ret_view)
{
	*ret_view = (struct relaying_view){.members = 3, .bytes = 700};
}

void __wrap_core_each_used(
	const struct core *c UNUSED, void (*each)(void *ctx, const uint8_t key[static 32]), void *ctx)
{
	for (size_t i = 0; i < rig->n_used; i++)
		each(ctx, rig->nodes[FIRST + i].key);
}

void __wrap_peer_view_take(const struct node *n UNUSED, const struct mesh_node *member,
	const struct presence *presence, struct peer_view *ret_view)
{
	assert_null(presence);
	*ret_view = rig->view;
	ret_view->member = member;
}

void __wrap_agent_report(struct agent *a UNUSED, const struct msg_report *m)
{
	assert_true(rig->n_told < ARRAY_LEN(rig->told));
	rig->told[rig->n_told++] = *m;
}

/* It is over when the test says so. */
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	rig->timer = t;
	rig->planned = in;
}

/* --- the rig --- */

static struct node_rec record(unsigned i)
{
	struct node_rec r = {.host = i + 1, .key = {1, (uint8_t)i, (uint8_t)(i >> 8)}};

	snprintf(r.id, sizeof(r.id), "%016x", i);
	snprintf(r.name, sizeof(r.name), "n%u", i);
	if (i == BEHIND_SELF || i == BEHIND_OTHER) {
		r.kind = NODE_CLIENT;
		snprintf(r.via, sizeof(r.via), "%016x", i == BEHIND_SELF ? SELF : FIRST);
	}
	return r;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct mesh_diff d;

	assert_non_null(r);
	rig = r;
	assert_int_equal(crypto_init(NULL), TM_OK);
	r->now = 1000 * SEC;
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-reporting-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->n.paths.netmap, sizeof(r->n.paths.netmap), "%s/netmap.db", r->dir);
	r->n.base = event_base_new();
	r->n.started = 900 * SEC;
	config_defaults(&r->n.config);
	assert_int_equal(prefix_parse("100.101.0.0/16", &r->n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &r->n.mesh.net6), TM_OK);
	for (unsigned i = 0; i < N; i++)
		r->nodes[i] = record(i);
	r->n.enrolment.self = r->nodes[SELF];
	const struct peers_config peers = {.path = r->n.paths.netmap,
		.mesh = &r->n.mesh,
		.self_id = r->n.enrolment.self.id,
		.coordinator_key = r->nodes[FIRST].key,
		.save_delay = SEC};
	const struct netmap all = {.version = 1, .nodes = r->nodes, .n_nodes = N};
	assert_int_equal(peers_new(r->n.base, &peers, &r->n.peers), TM_OK);
	assert_int_equal(peers_update(r->n.peers, &all, &d), TM_OK);
	mesh_diff_deinit(&d);
	assert_int_equal(counts_new(1, &r->n.rules.counts), TM_OK);
	assert_int_equal(reporting_new(&r->n, &r->n.reporting), TM_OK);
	r->view = (struct peer_view){.path = VIEW_DIRECT, .relay_name = "", .age_s = 7, .mtu = 1420};
	assert_int_equal(ip_parse("192.0.2.1", &r->view.remote.ip), TM_OK);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	struct rig *r = *state;
	char path[NODE_PATH_MAX + 8];

	reporting_free(r->n.reporting);
	counts_free(r->n.rules.counts);
	peers_free(r->n.peers);
	event_base_free(r->n.base);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		snprintf(path, sizeof(path), "%s%s", r->n.paths.netmap, ends[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(r->dir), 0);
	free(r);
	return 0;
}

/* Time passes until it looks, and it does. */
static void look(struct rig *r)
{
	assert_int_not_equal(r->planned, NS_NEVER);
	r->now += r->planned;
	r->planned = NS_NEVER;
	r->n_told = 0;
	__real_loop_timer_in(r->timer, 0);
	event_base_loop(r->n.base, EVLOOP_ONCE);
}

static void asked(struct rig *r, uint32_t every_ms, uint32_t for_ms, bool whole)
{
	reporting_asked(r->n.reporting,
		&(struct msg_report_ask){.every_ms = every_ms, .for_ms = for_ms, .whole = whole});
}

/* --- what --- */

static void a_node_tells_of_itself_what_it_counts_anyway(void **state)
{
	struct rig *r = *state;

	r->usage = (struct os_usage){.cpu = 10 * SEC, .resident_bytes = 1 << 20};
	asked(r, 60000, 0, true);
	assert_int_equal(r->planned, 0);
	look(r);
	assert_int_equal(r->n_told, 1);
	const struct report_self *s = &r->told[0].self;
	assert_true(r->told[0].whole && r->told[0].has_self);
	assert_int_equal(r->told[0].over_ms, 0);
	assert_int_equal(s->uptime_s, 100);
	assert_int_equal(s->cpu_permille, 100); /* since the start */
	assert_int_equal(s->memory, 1 << 20);
	assert_int_equal(s->drops, 10);
	assert_int_equal(s->relayed, 700);
	assert_int_equal(s->relay_members, 3);
	assert_int_equal(s->mtu, 1420);
	assert_int_equal(s->workers, 2);
	assert_int_equal(s->metrics_port, 5210);
	assert_int_equal(s->alarms, 0);
	look(r);
	assert_int_equal(r->n_told, 1); /* it rests */
	assert_int_equal(r->told[0].self.cpu_permille, 0);
	look(r);
	assert_int_equal(r->n_told, 0); /* nothing is new */
}

static void each_alarm_has_its_cause(void **state)
{
	struct rig *r = *state;

	asked(r, 60000, 0, true);
	for (unsigned i = 0; i < REPORT_ALARM_N; i++) {
		r->alarm[i] = true;
		look(r);
		r->alarm[i] = false;
		assert_int_equal(r->n_told, 1);
		if (r->told[0].self.alarms != UINT32_C(1) << i)
			fail_msg("alarm %u: %x", i, r->told[0].self.alarms);
	}
	r->resolver_failing = true;
	look(r);
	assert_int_equal(r->told[0].self.alarms, UINT32_C(1) << REPORT_ALARM_DNS);
}

static void a_peer_is_told_as_it_is_shown(void **state)
{
	static const struct {
		enum view_path path;
		const char *remote, *relay, *relay_id;
		enum report_path told;
		unsigned family;
		enum path_not why;
	} rows[] = {
		{VIEW_CHECKING, NULL, "", "", REPORT_CHECKING, 0, PATH_NOT_SILENT},
		{VIEW_DIRECT, "192.0.2.1", "", "", REPORT_DIRECT, 4, PATH_NOT_NOTHING},
		{VIEW_RELAY, "2001:db8::1", "n4", "0000000000000004", REPORT_RELAY, 6, PATH_NOT_SILENT},
		{VIEW_TCP, "192.0.2.1", "gone", "", REPORT_TCP, 4, PATH_NOT_SILENT},
	};
	struct rig *r = *state;

	r->n_used = 1;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		r->view = (struct peer_view){.path = rows[i].path,
			.relay_name = rows[i].relay,
			.not_direct = PATH_NOT_SILENT,
			.age_s = rows[i].remote ? 7 : -1,
			.rtt = 20 * MS,
			.mtu = 1300,
			.rx_bytes = 100,
			.tx_bytes = 200};
		if (rows[i].remote)
			assert_int_equal(ip_parse(rows[i].remote, &r->view.remote.ip), TM_OK);
		asked(r, 60000, 0, true);
		look(r);
		assert_int_equal(r->n_told, 1);
		assert_int_equal(r->told[0].n_peers, 1);
		const struct report_peer *p = &r->told[0].peers[0];
		assert_string_equal(p->node, r->nodes[FIRST].id);
		if (p->path != rows[i].told || p->family != rows[i].family || p->not_direct != rows[i].why)
			fail_msg("row %zu: %u %u %u", i, p->path, p->family, p->not_direct);
		assert_string_equal(p->relay, rows[i].relay_id);
		assert_int_equal(p->rtt_us, 20000);
		assert_int_equal(p->mtu, 1300);
		assert_int_equal(p->age_s, rows[i].remote ? 7 : 0);
		assert_int_equal(p->rx, 100);
		assert_int_equal(p->tx, 200);
	}
	r->view.path = VIEW_IDLE;
	look(r);
	assert_int_equal(r->n_told, 1);
	assert_int_equal(r->told[0].peers[0].path, REPORT_GONE);
}

/* Who is reached through others is theirs to tell of. */
static void clients_behind_this_node_are_told_of_while_they_are_there(void **state)
{
	struct rig *r = *state;

	asked(r, 60000, 0, true);
	look(r);
	assert_int_equal(r->told[0].n_peers, 0);
	r->view.session = true;
	look(r);
	assert_int_equal(r->n_told, 1);
	assert_int_equal(r->told[0].n_peers, 1);
	assert_string_equal(r->told[0].peers[0].node, r->nodes[BEHIND_SELF].id);
}

static void more_peers_than_a_message_holds_are_told_in_several(void **state)
{
	struct rig *r = *state;

	r->n_used = REPORT_PEERS_MAX + 1;
	asked(r, 60000, 0, true);
	look(r);
	assert_int_equal(r->n_told, 2);
	assert_true(r->told[0].whole && r->told[0].has_self);
	assert_int_equal(r->told[0].n_peers, REPORT_PEERS_MAX);
	assert_false(r->told[1].whole || r->told[1].has_self); /* or what the first one told is over */
	assert_int_equal(r->told[1].n_peers, 1);
	assert_string_equal(r->told[1].peers[0].node, r->nodes[FIRST + REPORT_PEERS_MAX].id);
}

/* Once, also where nothing else is new. */
static void rules_that_decided_something_are_told(void **state)
{
	static const char text[] = "rules: [{id: no, reject: tcp, from: any, to: any}]";
	struct rig *r = *state;
	struct policy_doc *doc = NULL;
	struct hits *h = NULL;

	assert_int_equal(policy_doc_parse("policy", text, strlen(text), &doc, NULL), TM_OK);
	assert_int_equal(counts_begin(r->n.rules.counts, doc, &h), TM_OK);
	policy_doc_free(doc);
	r->n_used = REPORT_PEERS_MAX + 1;
	asked(r, 60000, 0, true);
	hits_add(h, 0, 0);
	hits_add(h, 0, 1);
	hits_add(h, 0, 1);
	look(r);
	assert_int_equal(r->n_told, 2);
	assert_int_equal(r->told[0].n_rules, 2);
	assert_int_equal(r->told[1].n_rules, 0);
	assert_string_equal(r->told[0].rules[0].id, "");
	assert_int_equal(r->told[0].rules[0].action, REPORT_DENY);
	assert_int_equal(r->told[0].rules[0].hits, 1);
	assert_string_equal(r->told[0].rules[1].id, "no");
	assert_int_equal(r->told[0].rules[1].action, REPORT_REJECT);
	assert_int_equal(r->told[0].rules[1].hits, 2);
	look(r);
	look(r);
	assert_int_equal(r->n_told, 0);
	hits_add(h, 0, 1);
	look(r);
	assert_int_equal(r->n_told, 1);
	assert_int_equal(r->told[0].n_rules, 1);
	assert_int_equal(r->told[0].rules[0].hits, 1);
	assert_false(r->told[0].whole || r->told[0].has_self || r->told[0].n_peers);
	hits_drop(h);
}

/* --- when --- */

static void it_is_told_often_for_a_while_and_then_as_always(void **state)
{
	struct rig *r = *state;

	asked(r, 60000, 0, true);
	look(r);
	assert_in_range(r->planned, 60 * SEC, 68 * SEC); /* not all nodes of a mesh at once */
	asked(r, 2000, 5000, false);
	assert_int_equal(r->planned, 0);
	look(r);
	assert_int_equal(r->planned, 2 * SEC);
	asked(r, 2000, 5000, false); /* again, and it is not put off */
	assert_int_equal(r->planned, 2 * SEC);
	look(r);
	look(r);
	assert_int_equal(r->planned, 2 * SEC);
	look(r);
	assert_in_range(r->planned, 60 * SEC, 68 * SEC);
}

static void by_a_new_link_everything_is_told_again(void **state)
{
	struct rig *r = *state;

	r->n_used = 1;
	r->usage.cpu = 10 * SEC;
	asked(r, 60000, 0, true);
	look(r);
	r->view.rx_bytes = 1 << 20;
	look(r);
	assert_in_range(r->told[0].over_ms, 60000, 68000);
	assert_false(r->told[0].whole);
	reporting_stop(r->n.reporting);
	r->planned = NS_NEVER;
	asked(r, 60000, 0, false);
	assert_int_equal(r->planned, 0);
	look(r);
	assert_int_equal(r->n_told, 1);
	assert_true(r->told[0].whole && r->told[0].has_self);
	assert_int_equal(r->told[0].over_ms, 0);
	assert_int_equal(r->told[0].n_peers, 1);
	assert_int_equal(r->told[0].self.cpu_permille, 10 * SEC * 1000 / (r->now - r->n.started));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_node_tells_of_itself_what_it_counts_anyway),
		CASE(each_alarm_has_its_cause),
		CASE(a_peer_is_told_as_it_is_shown),
		CASE(clients_behind_this_node_are_told_of_while_they_are_there),
		CASE(more_peers_than_a_message_holds_are_told_in_several),
		CASE(rules_that_decided_something_are_told),
		CASE(it_is_told_often_for_a_while_and_then_as_always),
		CASE(by_a_new_link_everything_is_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
