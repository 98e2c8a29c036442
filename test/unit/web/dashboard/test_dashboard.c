/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is asked for a page and for a form, as whom, and what is made of the answers. */
#include "unit/unit.h"

#include "unit/web/dashboard/fake_http.h"
#include "web/dashboard/dashboard.h"

#define NODE "{\"id\":\"00000000000000aa\",\"name\":\"nas\",\"kind\":\"node\",\"online\":true}"

static struct dashboard *dash;
static struct strbuf asked; /* a request a line */
static const char *const (
	*script)[2]; /* part of a request, its answer; all else is answered with {"ok":true} */
static bool forgetful; /* no memory for what is looked at behind an action */
static bool slow; /* the answer waits: */
static dashboard_reply_fn *waiting;
static void *waiting_ctx;

static msg_object *answer_to(const char *request)
{
	for (size_t i = 0; script && script[i][0]; i++)
		if (strstr(request, script[i][0]))
			return json_loads(script[i][1], 0, NULL);
	return json_loads("{\"ok\":true}", 0, NULL);
}

static void ask(void *ctx UNUSED, const struct web_viewer *by, const char *request, dashboard_reply_fn *reply,
	void *reply_ctx)
{
	strbuf_printf(&asked, "%s %s\n", by->name, request);
	waiting = reply;
	waiting_ctx = reply_ctx;
	if (!slow)
		reply(reply_ctx, forgetful && strstr(request, ".list") ? NULL : answer_to(request));
}

static int64_t unix_now(void)
{
	return 1000000;
}

static int open_dashboard(void **state UNUSED)
{
	static const struct dashboard_config cfg = {
		.mesh = "home", .zone = "mesh", .unix_now = unix_now, .ask = ask};

	slow = forgetful = false;
	script = NULL;
	return dashboard_new(&cfg, &dash);
}

static int close_dashboard(void **state UNUSED)
{
	dashboard_free(dash);
	strbuf_deinit(&asked);
	return 0;
}

static struct web_request request_of(enum web_role role, const char *path)
{
	return (struct web_request){
		.path = path, .param = "00000000000000aa", .viewer = {.role = role, .name = "jo"}};
}

static void expect_answer(struct web_request *r, unsigned status, const char *part)
{
	if (r->status != status || !strstr(r->body.s, part))
		fail_msg("%u: %s", r->status, r->body.s);
	strbuf_deinit(&r->body);
}

static void expect_asked(const char *all)
{
	assert_string_equal(asked.s ? asked.s : "", all);
	strbuf_deinit(&asked);
}

static void all_pages_of_a_list_are_asked_for_as_the_viewer(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"\"after\":7", "{\"ok\":true,\"nodes\":[" NODE "]}"},
		{"node.list", "{\"ok\":true,\"nodes\":[" NODE "],\"next\":7}"},
		{NULL},
	};
	struct web_request r = request_of(WEB_MEMBER, "/nodes");

	script = answers;
	fake_get(dash, &r);
	expect_asked("jo {\"cmd\":\"node.list\"}\njo {\"cmd\":\"node.list\",\"after\":7}\n"
		     "jo {\"cmd\":\"report.list\",\"watch\":true}\n");
	expect_answer(&r, 200, "2 shown");
}

/* A list without end is cut off; the next one begins at its beginning all the same. */
static void each_list_is_asked_for_from_its_beginning(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"node.list", "{\"ok\":true,\"nodes\":[],\"next\":7}"},
		{NULL},
	};
	struct web_request r = request_of(WEB_MEMBER, "/");

	script = answers;
	fake_get(dash, &r);
	assert_non_null(strstr(asked.s, "jo {\"cmd\":\"route.list\"}\n"));
	expect_answer(&r, 200, "Overview");
}

static void a_member_is_not_refused_a_page_for_what_only_administrators_are_told(void **state UNUSED)
{
	struct web_request r = request_of(WEB_MEMBER, "/"), admin = request_of(WEB_ADMIN, "/");

	fake_get(dash, &r);
	expect_asked("jo {\"cmd\":\"node.list\"}\njo {\"cmd\":\"route.list\"}\n"
		     "jo {\"cmd\":\"report.list\",\"watch\":true}\n");
	expect_answer(&r, 200, "Overview");
	fake_get(dash, &admin);
	assert_non_null(strstr(asked.s, "policy.get"));
	expect_answer(&admin, 200, "Policy</a>");
}

static void what_a_page_cannot_do_without_is_refused_with_the_sentence(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"token.list",
			"{\"ok\":false,\"code\":\"closed\",\"error\":\"it is stopping\",\"hint\":\"wait\"}"},
		{NULL},
	};
	struct web_request r = request_of(WEB_ADMIN, "/tokens");

	script = answers;
	fake_get(dash, &r);
	expect_answer(&r, 409, "it is stopping");
}

static void a_mesh_without_a_policy_is_no_failure(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"policy.get", "{\"ok\":false,\"code\":\"no_policy\",\"error\":\"none\"}"},
		{NULL},
	};
	struct web_request r = request_of(WEB_ADMIN, "/policy");

	script = answers;
	fake_get(dash, &r);
	expect_answer(&r, 200, "This mesh has no policy");
}

static void a_question_about_the_policy_that_is_wrong_keeps_the_page(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"policy.explain", "{\"ok\":false,\"error\":\"x is no member\"}"},
		{"policy.get", "{\"ok\":true,\"version\":3,\"rules\":[]}"},
		{NULL},
	};
	struct web_request r = request_of(WEB_ADMIN, "/policy");

	script = answers;
	r.query[0][0] = "from";
	r.query[0][1] = "x";
	fake_get(dash, &r);
	assert_non_null(
		strstr(asked.s, "{\"cmd\":\"policy.explain\",\"from\":\"x\",\"to\":\"\",\"service\":\"\"}"));
	assert_non_null(strstr(r.body.s, "x is no member"));
	expect_answer(&r, 200, "Version 3");
}

/* Whoever looks at a page looks on. */
static void a_page_of_a_node_asks_for_what_that_one_tells(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"node.list", "{\"ok\":true,\"nodes\":[" NODE "]}"},
		{"report.node", "{\"ok\":true,\"member\":{\"told\":true,\"uptime_s\":7200},\"pairs\":[]}"},
		{NULL},
	};
	struct web_request r = request_of(WEB_MEMBER, "/nodes/+");

	script = answers;
	r.query[0][0] = "with";
	r.query[0][1] = "00000000000000bb";
	fake_get(dash, &r);
	expect_asked(
		"jo {\"cmd\":\"node.list\",\"node\":\"00000000000000aa\"}\n"
		"jo {\"cmd\":\"report.node\",\"node\":\"00000000000000aa\",\"peer\":\"00000000000000bb\","
		"\"watch\":true}\n");
	expect_answer(&r, 200, "<dt>running for</dt><dd class=\"\">2 h</dd>");
}

/* What a page that is followed goes by: it is loaded anew, and says so. */
static void a_page_of_a_node_that_has_gone_is_not_found(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"node.list", "{\"ok\":true,\"nodes\":[]}"},
		{NULL},
	};
	static const char *const paths[] = {"/nodes/+", "/nodes/+/remove"};

	script = answers;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct web_request r = request_of(WEB_ADMIN, paths[i]);

		fake_get(dash, &r);
		expect_answer(&r, 404, "There is no such member.");
	}
}

static void events_are_asked_for_from_the_newest_on(void **state UNUSED)
{
	static const struct {
		const char *before, *asked;
	} rows[] = {
		{NULL, "jo {\"cmd\":\"event.list\",\"newest\":true}\n"},
		{"17", "jo {\"cmd\":\"event.list\",\"newest\":true,\"before\":17}\n"},
		{"17x", "jo {\"cmd\":\"event.list\",\"newest\":true}\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct web_request r = request_of(WEB_MEMBER, "/events");

		r.query[0][0] = rows[i].before ? "before" : NULL;
		r.query[0][1] = rows[i].before;
		fake_get(dash, &r);
		expect_asked(rows[i].asked);
		expect_answer(&r, 200, "Events");
	}
}

static void each_form_is_one_request(void **state UNUSED)
{
	static const struct {
		const char *path, *form[FAKE_PAIRS_MAX][2], *request, *seen;
	} rows[] = {
		{"/nodes/+/rename", {{"name", "desk"}, {"keep", "yes"}},
			"{\"cmd\":\"node.rename\",\"node\":\"00000000000000aa\",\"name\":\"desk\",\"keep\":"
			"true}",
			"/nodes/00000000000000aa"},
		{"/nodes/+/tag", {{"add", " a, b\tc"}, {"remove", ""}},
			"{\"cmd\":\"node.tag\",\"node\":\"00000000000000aa\",\"add\":[\"a\",\"b\",\"c\"],"
			"\"remove\":[]}",
			"/nodes/00000000000000aa"},
		{"/nodes/+/alias", {{"add", "x"}},
			"{\"cmd\":\"node.alias\",\"node\":\"00000000000000aa\",\"add\":[\"x\"]}",
			"/nodes/00000000000000aa"},
		{"/nodes/+/remove", {{NULL}}, "{\"cmd\":\"node.remove\",\"node\":\"00000000000000aa\"}",
			"/nodes"},
		{"/routes/approve", {{"node", "n"}, {"net", "exit"}},
			"{\"cmd\":\"route.approve\",\"node\":\"n\",\"net\":\"exit\"}", "/routes"},
		{"/routes/reject", {{"node", "n"}, {"net", "10.0.0.0/8"}},
			"{\"cmd\":\"route.reject\",\"node\":\"n\",\"net\":\"10.0.0.0/8\"}", "/routes"},
		{"/tokens/revoke", {{"id", "a1"}}, "{\"cmd\":\"token.revoke\",\"id\":\"a1\"}", "/tokens"},
		{"/policy/set", {{"text", "a\r\nb\r\n"}, {"if_version", "3"}},
			"{\"cmd\":\"policy.set\",\"text\":\"a\\u000ab\\u000a\",\"if_version\":3,\"by\":"
			"\"jo\"}",
			"/policy"},
		{"/policy/rollback", {{"version", "2"}},
			"{\"cmd\":\"policy.rollback\",\"version\":2,\"by\":\"jo\"}", "/policy"},
	};
	char line[256];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct web_request r = request_of(WEB_ADMIN, rows[i].path);

		memcpy(r.form, rows[i].form, sizeof(r.form));
		fake_post(dash, &r);
		snprintf(line, sizeof(line), "jo %s\n", rows[i].request);
		expect_asked(line);
		assert_int_equal(r.status, 303);
		assert_string_equal(r.seen, rows[i].seen);
	}
}

static void what_is_refused_is_shown_where_it_was_asked(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"policy.set", "{\"ok\":false,\"error\":\"line 1: what is this?\"}"},
		{"node.remove", "{\"ok\":false,\"error\":\"there is no node\"}"},
		{"node.rename", "{\"ok\":false,\"error\":\"the name is taken\"}"},
		{"node.list", "{\"ok\":true,\"nodes\":[" NODE "]}"},
		{NULL},
	};
	struct web_request set = request_of(WEB_ADMIN, "/policy/set"),
			   gone = request_of(WEB_ADMIN, "/nodes/+/remove"),
			   taken = request_of(WEB_ADMIN, "/nodes/+/rename");

	script = answers;
	set.form[0][0] = "text";
	set.form[0][1] = "written";
	fake_post(dash, &set);
	assert_non_null(strstr(set.body.s, "line 1: what is this?"));
	expect_answer(&set, 409, "written</textarea>");
	fake_post(dash, &gone);
	expect_answer(&gone, 409, "there is no node");
	fake_post(dash, &taken);
	expect_answer(&taken, 409, "the name is taken");
}

/* What a form is sent to cannot be fetched again: the script has to know the page's own address. */
static void a_page_at_the_address_of_an_action_says_its_own(void **state UNUSED)
{
	static const struct {
		const char *path, *own;
	} rows[] = {
		{"/nodes/+/rename", "data-at=\"/nodes/00000000000000aa\""},
		{"/nodes/+/remove", "data-at=\"/nodes/00000000000000aa/remove\""},
		{"/routes/approve", "data-at=\"/routes\""},
		{"/tokens/create", "data-at=\"/tokens\""},
		{"/policy/rollback", "data-at=\"/policy\""},
		{"/policy/set", "data-at=\"/policy/edit\""},
	};
	static const char *const answers[][2] = {
		{".list", "{\"ok\":true,\"nodes\":[" NODE "]}"},
		{"policy.get", "{\"ok\":true,\"version\":3}"},
		{"\"cmd\"", "{\"ok\":false,\"error\":\"no\"}"},
		{NULL},
	};
	struct web_request looked = request_of(WEB_ADMIN, "/nodes/+");

	script = answers;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct web_request r = request_of(WEB_ADMIN, rows[i].path);

		fake_post(dash, &r);
		expect_answer(&r, 409, rows[i].own);
	}
	fake_get(dash, &looked);
	assert_null(strstr(looked.body.s, "data-at"));
	expect_answer(&looked, 200, "<main");
}

static void a_new_token_is_shown_once_with_the_others(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"token.create", "{\"ok\":true,\"token\":\"tm1-secret\",\"id\":\"a1\"}"},
		{NULL},
	};
	struct web_request r = request_of(WEB_ADMIN, "/tokens/create");

	script = answers;
	r.form[0][0] = "uses";
	r.form[0][1] = "many";
	fake_post(dash, &r);
	expect_asked("jo {\"cmd\":\"token.create\",\"uses\":\"many\"}\njo {\"cmd\":\"token.list\"}\n");
	expect_answer(&r, 200, "tunnelmesh join tm1-secret");
}

/* Nobody but the page has the private half of the key. */
static void a_new_device_gets_a_key_of_its_own_that_is_shown_once(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"client.add",
			"{\"ok\":true,\"client\":{\"name\":\"pad\",\"ip4\":\"100.100.0.9\",\"ip6\":\"fd5c::"
			"9\"},"
			"\"psk\":\"PSK=\",\"server_key\":\"SRV=\",\"endpoint\":\"192.0.2.1:1\",\"allowed\":"
			"[\"100.100.0.0/16\"]}"},
		{NULL},
	};
	char public[2][45], private[2][45];

	script = answers;
	for (size_t i = 0; i < 2; i++) {
		struct web_request r = request_of(WEB_ADMIN, "/devices/add");

		r.form[0][0] = "name";
		r.form[0][1] = "pad";
		fake_post(dash, &r);
		assert_int_equal(
			sscanf(asked.s, "jo {\"cmd\":\"client.add\",\"name\":\"pad\",\"key\":\"%44[^\"]\"}",
				public[i]),
			1);
		const char *line = strstr(r.body.s, "PrivateKey = ");
		assert_non_null(line);
		assert_int_equal(sscanf(line, "PrivateKey = %44s", private[i]), 1);
		assert_int_equal(strlen(private[i]), 44);
		assert_null(strstr(asked.s, private[i]));
		strbuf_deinit(&asked);
		expect_answer(&r, 200, "data-at=\"/devices\"");
	}
	assert_string_not_equal(private[0], private[1]);
	assert_string_not_equal(public[0], public[1]);
}

/* Nothing else has its secret. */
static void what_is_shown_once_is_shown_whatever_else_fails(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"client.add",
			"{\"ok\":true,\"client\":{\"name\":\"pad\",\"ip4\":\"100.100.0.9\",\"ip6\":\"fd5c::"
			"9\"},\"psk\":\"PSK=\",\"server_key\":\"SRV=\",\"allowed\":[\"100.100.0.0/16\"]}"},
		{"token.create", "{\"ok\":true,\"token\":\"tm1-secret\",\"id\":\"a1\"}"},
		{NULL},
	};
	struct web_request device = request_of(WEB_ADMIN, "/devices/add"),
			   token = request_of(WEB_ADMIN, "/tokens/create"),
			   tested = request_of(WEB_ADMIN, "/policy/test");

	script = answers;
	forgetful = true;
	fake_post(dash, &device);
	expect_answer(&device, 200, "PrivateKey = ");
	fake_post(dash, &token);
	expect_answer(&token, 200, "tunnelmesh join tm1-secret");
	slow = true;
	fake_post(dash, &tested);
	waiting(waiting_ctx, NULL);
	expect_answer(&tested, 503, "look whether it was done");
}

static void devices_are_asked_for_alone(void **state UNUSED)
{
	static const char *const answers[][2] = {
		{"client.list", "{\"ok\":true,\"clients\":[" NODE "]}"},
		{NULL},
	};
	struct web_request r = request_of(WEB_MEMBER, "/devices");

	script = answers;
	fake_get(dash, &r);
	expect_asked("jo {\"cmd\":\"client.list\"}\n");
	expect_answer(&r, 200, "<tr id=\"d-00000000000000aa\">");
}

static void who_leaves_before_the_answer_costs_nothing_more(void **state UNUSED)
{
	struct web_request r = request_of(WEB_ADMIN, "/");

	slow = true;
	fake_get(dash, &r);
	r.gone(r.gone_ctx);
	waiting(waiting_ctx, json_loads("{\"ok\":true,\"nodes\":[]}", 0, NULL));
	assert_int_equal(r.status, 0);
	expect_asked("jo {\"cmd\":\"node.list\"}\n");
}

static void no_memory_is_a_sentence(void **state UNUSED)
{
	struct web_request r = request_of(WEB_ADMIN, "/");

	slow = true;
	fake_get(dash, &r);
	waiting(waiting_ctx, NULL);
	expect_answer(&r, 503, "out of memory");
}

static void who_watches_is_told_of_changes_as_far_as_he_reads(void **state UNUSED)
{
	struct web_request r = request_of(WEB_MEMBER, "/live");

	dashboard_changed(dash);
	fake_get(dash, &r);
	dashboard_changed(dash);
	assert_int_equal(fake_stream.n_events, 1);
	fake_stream.clear = false;
	dashboard_changed(dash);
	assert_int_equal(fake_stream.n_events, 1);
	fake_stream.gone(fake_stream.gone_ctx);
	fake_stream.clear = true;
	dashboard_changed(dash);
	assert_int_equal(fake_stream.n_events, 1);
}

static void what_changes_something_is_for_administrators_alone(void **state UNUSED)
{
	for (size_t i = 0; i < dashboard_routes_n; i++)
		if (dashboard_routes[i].post && dashboard_routes[i].who != WEB_ADMIN)
			fail_msg("%s is for members, too", dashboard_routes[i].path);
}

static void a_refusal_is_a_page_and_says_nothing_to_nobody_but_why(void **state UNUSED)
{
	struct web_request nobody = request_of(WEB_ANYONE, "/"), member = request_of(WEB_MEMBER, "/tokens");

	dashboard_refuse(dash, &nobody, 403, "You are not known.");
	assert_null(strstr(nobody.body.s, "<nav"));
	assert_null(strstr(nobody.body.s, "<script"));
	assert_null(strstr(nobody.body.s, "home"));
	expect_answer(&nobody, 403, "You are not known.");
	dashboard_refuse(dash, &member, 403, "Not for you.");
	assert_non_null(strstr(member.body.s, "<nav"));
	assert_null(strstr(member.body.s, "proven"));
	expect_answer(&member, 403, "Not for you.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			all_pages_of_a_list_are_asked_for_as_the_viewer, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			each_list_is_asked_for_from_its_beginning, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			a_member_is_not_refused_a_page_for_what_only_administrators_are_told, open_dashboard,
			close_dashboard),
		cmocka_unit_test_setup_teardown(what_a_page_cannot_do_without_is_refused_with_the_sentence,
			open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			a_mesh_without_a_policy_is_no_failure, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(a_question_about_the_policy_that_is_wrong_keeps_the_page,
			open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			a_page_of_a_node_asks_for_what_that_one_tells, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			a_page_of_a_node_that_has_gone_is_not_found, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			events_are_asked_for_from_the_newest_on, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(each_form_is_one_request, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			what_is_refused_is_shown_where_it_was_asked, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			a_page_at_the_address_of_an_action_says_its_own, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			a_new_token_is_shown_once_with_the_others, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(a_new_device_gets_a_key_of_its_own_that_is_shown_once,
			open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			what_is_shown_once_is_shown_whatever_else_fails, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(devices_are_asked_for_alone, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			who_leaves_before_the_answer_costs_nothing_more, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(a_refusal_is_a_page_and_says_nothing_to_nobody_but_why,
			open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(no_memory_is_a_sentence, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			who_watches_is_told_of_changes_as_far_as_he_reads, open_dashboard, close_dashboard),
		cmocka_unit_test_setup_teardown(
			what_changes_something_is_for_administrators_alone, open_dashboard, close_dashboard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
