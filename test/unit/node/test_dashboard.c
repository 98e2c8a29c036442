/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who somebody at the dashboard is, what he may, by which names it is asked, and where it is served. The
 * server, the pages and the coordinator are stand-ins. */
#include "unit/unit.h"

#include "crypto/init.h"
#include "fake/quiet.h"
#include "node/clients.h"
#include "node/dashboard.h"
#include "node/node_private.h"
#include "web/dashboard/dashboard.h"
#include "wire/msg/shown.h"

#include <event2/event.h>
#include <unistd.h>

enum { HUB, N = 5 };

struct rig {
	char dir[64], path[96];
	struct node n;
	struct web_config web;
	struct dashboard_config pages;
	size_t n_listening, n_connections;
	struct endpoint at[WEB_LISTEN_MAX];
	bool busy; /* the first address */
	bool no_ip6;
	unsigned n_told;
	/* what the coordinator was asked */
	struct coord_who who;
	char cmd[MSG_TYPE_MAX + 1];
	unsigned n_asked;
	const char *reply; /* NULL: out of memory */
	size_t charged; /* bytes */
	uint8_t charged_to; /* the last byte of his id */
	/* what came of it */
	msg_object *answer;
	unsigned n_answers;
};

static struct rig *rig;
static char it; /* its address stands for what the stand-ins make */

/* --- stand-ins --- */

int __wrap_web_server_new(
	struct event_base *base, const struct web_config *cfg, struct web_server **ret_server);
void __wrap_web_server_free(struct web_server *s);
void __wrap_web_server_listen(struct web_server *s, const struct endpoint *at, size_t n);
bool __wrap_web_server_listens(const struct web_server *s, size_t i, struct endpoint *ret_at);
size_t __wrap_web_server_connections(const struct web_server *s);
void __wrap_web_charge(struct web_server *s, const struct web_viewer *by, size_t bytes);
int __wrap_dashboard_new(const struct dashboard_config *cfg, struct dashboard **ret_dashboard);
const char *__wrap_plane_tun_name(const struct plane *p);
bool __wrap_os_if_has_ip6(const char *ifname);
void __wrap_dashboard_free(struct dashboard *d);
void __wrap_dashboard_changed(struct dashboard *d);
void __wrap_coord_ask(struct coord *c, const struct coord_who *who, const msg_object *req,
	coord_reply_fn *reply, void *ctx);
void __wrap_client_add(struct node *n, const msg_object *req, const struct coord_who *who,
	client_added_fn *added, void *ctx);
void __real_loop_timer_in(struct loop_timer *t, ns_t in);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);

int __wrap_web_server_new(
	struct event_base *base UNUSED, const struct web_config *cfg, struct web_server **ret_server)
{
	rig->web = *cfg;
	*ret_server = (struct web_server *)(void *)&it;
	return TM_OK;
}

void __wrap_web_server_free(struct web_server *s UNUSED)
{
}

void __wrap_web_server_listen(struct web_server *s UNUSED, const struct endpoint *at, size_t n)
{
	rig->n_listening = n;
	memcpy(rig->at, at, n * sizeof(*at));
}

bool __wrap_web_server_listens(const struct web_server *s UNUSED, size_t i, struct endpoint *ret_at UNUSED)
{
	return i < rig->n_listening && !(rig->busy && i == 0);
}

size_t __wrap_web_server_connections(const struct web_server *s UNUSED)
{
	return rig->n_connections;
}

void __wrap_web_charge(struct web_server *s, const struct web_viewer *by, size_t bytes)
{
	assert_ptr_equal(s, &it);
	rig->charged += bytes;
	rig->charged_to = by->id[sizeof(by->id) - 1];
}

const char *__wrap_plane_tun_name(const struct plane *p UNUSED)
{
	return "tm7";
}

bool __wrap_os_if_has_ip6(const char *ifname UNUSED)
{
	return !rig->no_ip6;
}

int __wrap_dashboard_new(const struct dashboard_config *cfg, struct dashboard **ret_dashboard)
{
	rig->pages = *cfg;
	*ret_dashboard = (struct dashboard *)(void *)&it;
	return TM_OK;
}

void __wrap_dashboard_free(struct dashboard *d UNUSED)
{
}

void __wrap_dashboard_changed(struct dashboard *d)
{
	assert_ptr_equal(d, &it);
	rig->n_told++;
}

void __wrap_coord_ask(
	struct coord *c, const struct coord_who *who, const msg_object *req, coord_reply_fn *reply, void *ctx)
{
	assert_ptr_equal(c, rig);
	rig->who = *who;
	rig->n_asked++;
	snprintf(rig->cmd, sizeof(rig->cmd), "%s", msg_command(req).text);
	reply(ctx, rig->reply ? strdup(rig->reply) : NULL);
}

void __wrap_client_add(
	struct node *n, const msg_object *req, const struct coord_who *who, client_added_fn *added, void *ctx)
{
	assert_ptr_equal(n, &rig->n);
	assert_string_equal(msg_shown_text(req, "name"), "pad");
	rig->who = *who;
	added(ctx, msg_object_read("{\"ok\":true,\"psk\":\"x\"}"));
}

/* A second is over at once. */
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	__real_loop_timer_in(t, in == SEC ? 0 : in);
}

/* --- the rig --- */

static void configure(struct rig *r, bool on, const char *admin, const char *other)
{
	const char *const admins[] = {admin, other};

	r->n.config.dashboard = on;
	r->n.config.n_dashboard_admins = 0;
	for (size_t i = 0; i < ARRAY_LEN(admins); i++)
		if (admins[i])
			snprintf(r->n.config.dashboard_admins[r->n.config.n_dashboard_admins++],
				sizeof(r->n.config.dashboard_admins[0]), "%s", admins[i]);
	node_dashboard_follow(&r->n);
}

static int setup(void **state)
{
	struct node_rec nodes[N] = {
		{.id = "00000000000000aa",
			.name = "hub",
			.host = 1,
			.key = {1},
			.coordinator = true,
			.aliases = {"home"},
			.tags = {"admin"},
			.n_tags = 1},
		{.id = "00000000000000bb",
			.name = "laptop",
			.host = 2,
			.key = {2},
			.tags = {"x", "admin"},
			.n_tags = 2},
		{.id = "00000000000000cc",
			.name = "desk",
			.host = 3,
			.key = {3},
			.tags = {"administrator"},
			.n_tags = 1},
		{.id = "00000000000000dd",
			.name = "phone",
			.host = 4,
			.key = {4},
			.kind = NODE_CLIENT,
			.via = "00000000000000cc"},
		{.id = "00000000000000ee",
			.name = "pad",
			.host = 5,
			.key = {5},
			.kind = NODE_CLIENT,
			.via = "00000000000000cc",
			.tags = {"admin"},
			.n_tags = 1},
	};
	struct netmap update = {.version = 1, .nodes = nodes, .n_nodes = N};
	struct rig *r = calloc(1, sizeof(*r));
	struct mesh_diff d;

	assert_non_null(r);
	rig = r;
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(quiet_log, NULL);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-dashboard-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/netmap.db", r->dir);
	node_paths_init(&r->n.paths, r->dir);
	r->reply = "{\"ok\":true}";
	r->n.base = event_base_new();
	r->n.coord = (struct coord *)r; /* only its stand-in looks at it */
	r->n.enrolment.self = nodes[HUB];
	assert_int_equal(prefix_parse("100.101.0.0/16", &r->n.mesh.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c::/64", &r->n.mesh.net6), TM_OK);
	mesh_addresses(&r->n.mesh, 1, &r->n.enrolment.self.ip4, &r->n.enrolment.self.ip6);
	const struct peers_config peers = {.path = r->path,
		.mesh = &r->n.mesh,
		.self_id = nodes[HUB].id,
		.coordinator_key = nodes[HUB].key,
		.save_delay = SEC};
	assert_int_equal(peers_new(r->n.base, &peers, &r->n.peers), TM_OK);
	assert_int_equal(peers_update(r->n.peers, &update, &d), TM_OK);
	mesh_diff_deinit(&d);
	assert_int_equal(node_dashboard_open(&r->n), TM_OK);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	node_dashboard_close(&r->n);
	peers_free(r->n.peers);
	event_base_free(r->n.base);
	msg_object_free(r->answer);
	(void)unlink(r->path);
	assert_int_equal(rmdir(r->dir), 0);
	log_set_sink(NULL, NULL);
	free(r);
	return 0;
}

static struct web_viewer viewer_from(struct rig *r, const char *address)
{
	struct web_caller c = {.at = r->n.dashboard ? r->at[0] : (struct endpoint){.port = 0}};
	struct web_viewer v = {.role = WEB_ANYONE};

	assert_int_equal(ip_parse(address, &c.from.ip), TM_OK);
	r->web.who(r->web.ctx, &c, &v);
	return v;
}

static void on_answer(void *ctx, msg_object *answer_take)
{
	struct rig *r = ctx;

	msg_object_free(r->answer);
	r->answer = answer_take;
	r->n_answers++;
}

static const msg_object *ask(struct rig *r, const char *address, const char *request)
{
	const struct web_viewer by = viewer_from(r, address);

	r->n_answers = r->n_asked = 0;
	r->pages.ask(r->pages.ctx, &by, request, on_answer, r);
	event_base_loop(r->n.base, EVLOOP_NONBLOCK);
	assert_int_equal(r->n_answers, 1);
	return r->answer;
}

/* --- tests --- */

static void a_viewer_is_the_member_whose_address_it_is(void **state)
{
	static const struct {
		const char *from, *name;
		enum web_role role;
	} rows[] = {
		{"100.101.0.2", "laptop", WEB_ADMIN}, /* by its tag */
		{"fd5c::2", "laptop", WEB_ADMIN},
		{"100.101.0.3", "desk", WEB_MEMBER}, /* another tag that begins so */
		{"100.101.0.4", "phone", WEB_MEMBER},
		{"100.101.0.5", "pad", WEB_ADMIN}, /* a client, by its tag */
		{"100.101.0.1", "hub", WEB_MEMBER}, /* whoever is on this machine, whatever its tags */
		{"100.101.0.9", "", WEB_ANYONE}, /* nobody's */
		{"192.168.1.5", "", WEB_ANYONE}, /* of a network behind a member */
		{"203.0.113.9", "", WEB_ANYONE}, /* by an exit */
		{"2001:db8::2", "", WEB_ANYONE},
	};
	struct rig *r = *state;

	configure(r, true, "tag:admin", NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct web_viewer v = viewer_from(r, rows[i].from);

		if (v.role != rows[i].role || strcmp(v.name, rows[i].name) != 0)
			fail_msg("%s: %s, role %d", rows[i].from, v.name, v.role);
	}
	assert_memory_equal(viewer_from(r, "fd5c::2").id, "00000000000000bb", 16);
}

static void an_id_makes_a_node_an_administrator_and_neither_a_client_nor_this_machine(void **state)
{
	struct rig *r = *state;

	configure(r, true, "00000000000000cc", "00000000000000dd");
	assert_int_equal(viewer_from(r, "100.101.0.3").role, WEB_ADMIN);
	assert_int_equal(viewer_from(r, "100.101.0.4").role, WEB_MEMBER);
	configure(r, true, "00000000000000aa", NULL);
	assert_int_equal(viewer_from(r, "100.101.0.1").role, WEB_MEMBER);
	assert_int_equal(viewer_from(r, "100.101.0.3").role, WEB_MEMBER); /* at once */
	configure(r, true, NULL, NULL);
	assert_int_equal(viewer_from(r, "100.101.0.2").role, WEB_MEMBER);
}

static void it_is_asked_by_the_names_that_lead_to_this_machine(void **state)
{
	static const struct {
		const char *host;
		bool ours;
	} rows[] = {
		{"this.mesh", true},
		{"this", true},
		{"hub.mesh", true},
		{"hub", true},
		{"home.mesh", true}, /* an alias */
		{"00000000000000aa.mesh", true},
		{"laptop.mesh", false},
		{"this.example.org", false},
		{"this.mesh.example.org", false},
		{"mesh", false},
		{"example.org", false},
		{"", false},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (r->web.is_host(r->web.ctx, rows[i].host) != rows[i].ours)
			fail_msg("%s", rows[i].host);
}

static void the_coordinator_is_told_who_asks_by_which_door_and_in_which_role(void **state)
{
	struct rig *r = *state;

	configure(r, true, "tag:admin", NULL);
	assert_true(msg_shown_true(ask(r, "100.101.0.2", "{\"cmd\":\"node.list\"}"), "ok"));
	assert_string_equal(r->cmd, "node.list");
	assert_int_equal(r->who.door, EVENT_DASHBOARD);
	assert_int_equal(r->who.role, COORD_ADMIN);
	assert_string_equal(r->who.by, "laptop");
	assert_string_equal(r->who.id, "00000000000000bb");
	ask(r, "100.101.0.4", "{\"cmd\":\"node.list\"}");
	assert_int_equal(r->who.role, COORD_MEMBER);
	assert_string_equal(r->who.id, "00000000000000dd");
	r->reply = NULL;
	assert_null(ask(r, "100.101.0.4", "{\"cmd\":\"node.list\"}"));
}

/* Who has said the password is an administrator, and no member. */
static void of_who_has_logged_in_the_coordinator_is_told_no_id(void **state)
{
	struct rig *r = *state;
	const struct web_viewer by = {
		.role = WEB_ADMIN, .session = true, .id = {0, 1, 2}, .name = "the dashboard's password"};

	r->pages.ask(r->pages.ctx, &by, "{\"cmd\":\"token.list\"}", on_answer, r);
	event_base_loop(r->n.base, EVLOOP_NONBLOCK);
	assert_int_equal(r->n_answers, 1);
	assert_int_equal(r->who.role, COORD_ADMIN);
	assert_int_equal(r->who.door, EVENT_DASHBOARD);
	assert_string_equal(r->who.by, "the dashboard's password");
	assert_memory_equal(r->who.id, ((char[NODE_ID_LEN + 1]){0}), NODE_ID_LEN + 1);
	assert_false(r->pages.is_still(r->pages.ctx, &by)); /* not here */
	assert_true(r->pages.is_still(r->pages.ctx, &(struct web_viewer){.role = WEB_MEMBER}));
}

/* A page of a large mesh asks for one thing after the other, and others are waiting, too. */
static void answers_are_handed_over_one_a_turn_and_at_the_end_all(void **state)
{
	struct rig *r = *state;
	const struct web_viewer by = viewer_from(r, "100.101.0.4");

	for (unsigned i = 0; i < 4; i++)
		r->pages.ask(r->pages.ctx, &by, "{\"cmd\":\"node.list\"}", on_answer, r);
	assert_int_equal(r->n_asked, 4);
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_int_equal(r->n_answers, turn);
		event_base_loop(r->n.base, EVLOOP_ONCE);
	}
	node_dashboard_close(&r->n);
	assert_int_equal(r->n_answers, 4);
	assert_true(msg_shown_true(r->answer, "ok"));
}

static void what_a_member_is_answered_is_charged_to_it_and_nothing_to_an_administrator(void **state)
{
	struct rig *r = *state;

	configure(r, true, "tag:admin", NULL);
	ask(r, "100.101.0.3", "{\"cmd\":\"node.list\"}");
	assert_int_equal(r->charged, strlen(r->reply));
	assert_int_equal(r->charged_to, 'c');
	ask(r, "100.101.0.2", "{\"cmd\":\"node.list\"}");
	assert_int_equal(r->charged, strlen(r->reply));
}

static void a_device_is_added_behind_this_node_by_whoever_asks(void **state)
{
	struct rig *r = *state;

	configure(r, true, "tag:admin", NULL);
	const msg_object *a = ask(r, "100.101.0.2", "{\"cmd\":\"client.add\",\"name\":\"pad\"}");
	assert_string_equal(msg_shown_text(a, "psk"), "x");
	assert_int_equal(r->n_asked, 0);
	assert_int_equal(r->who.role, COORD_ADMIN);
	assert_string_equal(r->who.by, "laptop");
	ask(r, "100.101.0.3", "{\"cmd\":\"client.add\",\"name\":\"pad\"}");
	assert_int_equal(r->who.role, COORD_MEMBER); /* whom the coordinator refuses */
}

static void what_is_asked_at_the_end_is_refused(void **state)
{
	struct rig *r = *state;

	r->n.coord = NULL;
	const msg_object *a = ask(r, "100.101.0.2", "{\"cmd\":\"node.list\"}");
	assert_true(msg_shown_false(a, "ok"));
	assert_string_equal(msg_shown_text(a, "error"), "the coordinator is stopping");
	assert_int_equal(r->n_asked, 0);
}

static void it_is_served_at_port_80_of_both_addresses_unless_it_is_switched_off(void **state)
{
	struct rig *r = *state;
	struct dashboard_view v;
	char text[ENDPOINT_STR_LEN];

	configure(r, true, NULL, NULL);
	assert_int_equal(r->n_listening, 2);
	assert_string_equal(endpoint_format(&r->at[0], text), "100.101.0.1:80");
	assert_string_equal(endpoint_format(&r->at[1], text), "[fd5c::1]:80");
	r->busy = true;
	node_dashboard_view(&r->n, &v);
	assert_int_equal(v.mesh.n, 2);
	assert_false(v.mesh.doors[0].open);
	assert_true(v.mesh.doors[1].open);
	r->no_ip6 = true;
	configure(r, true, NULL, NULL);
	assert_int_equal(r->n_listening, 1);
	assert_string_equal(endpoint_format(&r->at[0], text), "100.101.0.1:80");
	configure(r, false, NULL, NULL);
	assert_int_equal(r->n_listening, 0);
	node_dashboard_view(&r->n, &v);
	assert_int_equal(v.mesh.n, 0);
}

static void who_is_no_coordinator_serves_nothing(void **state)
{
	struct rig *r = *state;
	struct dashboard_view v;

	node_dashboard_close(&r->n);
	r->n.coord = NULL;
	assert_int_equal(node_dashboard_open(&r->n), TM_OK);
	assert_null(r->n.dashboard);
	configure(r, true, NULL, NULL);
	node_dashboard_changed(&r->n);
	node_dashboard_view(&r->n, &v);
	assert_int_equal(v.mesh.n, 0);
	assert_int_equal(r->n_listening, 0);
}

static void many_changes_are_told_as_one_and_only_when_somebody_may_watch(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 9; i++)
		node_dashboard_changed(&r->n);
	event_base_loop(r->n.base, EVLOOP_NONBLOCK);
	assert_int_equal(r->n_told, 0);
	r->n_connections = 1;
	for (unsigned i = 0; i < 9; i++)
		node_dashboard_changed(&r->n);
	assert_int_equal(r->n_told, 0);
	event_base_loop(r->n.base, EVLOOP_ONCE);
	assert_int_equal(r->n_told, 1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_viewer_is_the_member_whose_address_it_is),
		T(an_id_makes_a_node_an_administrator_and_neither_a_client_nor_this_machine),
		T(it_is_asked_by_the_names_that_lead_to_this_machine),
		T(the_coordinator_is_told_who_asks_by_which_door_and_in_which_role),
		T(of_who_has_logged_in_the_coordinator_is_told_no_id),
		T(answers_are_handed_over_one_a_turn_and_at_the_end_all),
		T(what_a_member_is_answered_is_charged_to_it_and_nothing_to_an_administrator),
		T(a_device_is_added_behind_this_node_by_whoever_asks),
		T(what_is_asked_at_the_end_is_refused),
		T(it_is_served_at_port_80_of_both_addresses_unless_it_is_switched_off),
		T(who_is_no_coordinator_serves_nothing),
		T(many_changes_are_told_as_one_and_only_when_somebody_may_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
