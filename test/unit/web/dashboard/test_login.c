/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A password is asked for, said, and what came of it shown; and the end of that. */
#include "unit/unit.h"

#include "unit/web/dashboard/fake_http.h"
#include "web/dashboard/dashboard.h"

static struct dashboard *dash;
static bool slow, still;
static enum dashboard_login outcome;
static char said[64];
static unsigned n_said, n_out;
static dashboard_login_fn *waiting;
static void *waiting_ctx;

static void tell(void)
{
	static const struct dashboard_cookies cookies = {{"tm=secret", "known=1"}}, none;

	waiting(waiting_ctx, outcome, outcome == DASHBOARD_LOGGED_IN ? &cookies : &none);
}

static void login(void *ctx UNUSED, const struct web_caller *c, const char *password,
	dashboard_login_fn *reply, void *reply_ctx)
{
	assert_string_equal(c->cookie, "known=1");
	snprintf(said, sizeof(said), "%s", password);
	n_said++;
	waiting = reply;
	waiting_ctx = reply_ctx;
	if (!slow)
		tell();
}

static void logout(void *ctx UNUSED, const struct web_caller *c, char ret_cookie[static DASHBOARD_COOKIE_MAX])
{
	assert_string_equal(c->cookie, "known=1");
	snprintf(ret_cookie, DASHBOARD_COOKIE_MAX, "tm=; Max-Age=0");
	n_out++;
}

static bool is_still(void *ctx UNUSED, const struct web_viewer *by)
{
	assert_string_equal(by->name, "jo");
	return still;
}

static int64_t unix_now(void)
{
	return 1000000;
}

static int setup(void **state UNUSED)
{
	static const struct dashboard_config cfg = {.mesh = "home",
		.zone = "mesh",
		.unix_now = unix_now,
		.login = login,
		.logout = logout,
		.is_still = is_still};

	slow = false;
	still = true;
	outcome = DASHBOARD_WRONG;
	n_said = n_out = 0;
	return dashboard_new(&cfg, &dash);
}

static int teardown(void **state UNUSED)
{
	dashboard_free(dash);
	return 0;
}

static struct web_request request_of(enum web_role role, const char *path)
{
	return (struct web_request){
		.path = path, .viewer = {.role = role, .name = "jo"}, .caller = {.cookie = "known=1"}};
}

static void expect_answer(struct web_request *r, unsigned status, const char *part)
{
	if (r->status != status || !strstr(r->body.s, part))
		fail_msg("%u: %s", r->status, r->body.s);
	strbuf_deinit(&r->body);
}

static void a_password_is_asked_for_on_a_page_that_shows_nothing_else(void **state UNUSED)
{
	struct web_request r = request_of(WEB_ANYONE, DASHBOARD_LOGIN);

	fake_get(dash, &r);
	assert_null(strstr(r.body.s, "<nav"));
	assert_null(strstr(r.body.s, "<script"));
	assert_null(strstr(r.body.s, "/logout"));
	assert_null(strstr(r.body.s, "home"));
	assert_non_null(strstr(r.body.s, "value=\"proven\""));
	expect_answer(&r, 200, "type=\"password\"");
	assert_int_equal(n_said, 0);
}

static void who_says_it_gets_cookies_and_nobody_else(void **state UNUSED)
{
	struct web_request right = request_of(WEB_ANYONE, DASHBOARD_LOGIN), wrong = right, none = right,
			   often = right;

	right.form[0][0] = wrong.form[0][0] = often.form[0][0] = "password";
	right.form[0][1] = wrong.form[0][1] = often.form[0][1] = "<sesame>";
	fake_post(dash, &wrong);
	assert_string_equal(said, "<sesame>");
	assert_string_equal(wrong.cookies[0], "");
	assert_null(strstr(wrong.body.s, "sesame"));
	expect_answer(&wrong, 403, "That is not the password.");
	fake_post(dash, &none);
	assert_string_equal(said, "");
	expect_answer(&none, 403, "That is not the password.");
	outcome = DASHBOARD_WAIT;
	fake_post(dash, &often);
	assert_string_equal(often.cookies[0], "");
	expect_answer(&often, 429, "wait a minute");
	outcome = DASHBOARD_LOGGED_IN;
	fake_post(dash, &right);
	assert_int_equal(right.status, 303);
	assert_string_equal(right.seen, "/");
	assert_string_equal(right.cookies[0], "tm=secret");
	assert_string_equal(right.cookies[1], "known=1");
}

static void it_may_take_its_time_and_who_has_gone_is_told_nothing(void **state UNUSED)
{
	struct web_request stays = request_of(WEB_ANYONE, DASHBOARD_LOGIN), goes = stays;

	slow = true;
	outcome = DASHBOARD_LOGGED_IN;
	fake_post(dash, &stays);
	assert_int_equal(stays.status, 0);
	tell();
	assert_int_equal(stays.status, 303);
	fake_post(dash, &goes);
	goes.gone(goes.gone_ctx);
	tell();
	assert_int_equal(goes.status, 0);
}

static void who_is_known_already_is_asked_for_no_password(void **state UNUSED)
{
	struct web_request looked = request_of(WEB_ADMIN, DASHBOARD_LOGIN), posted = looked;

	fake_get(dash, &looked);
	assert_string_equal(looked.seen, "/");
	fake_post(dash, &posted);
	assert_string_equal(posted.seen, "/");
	assert_int_equal(n_said, 0);
}

static void who_has_logged_in_can_log_out_and_members_are_not_offered_it(void **state UNUSED)
{
	struct web_request member = request_of(WEB_MEMBER, "/"), session = member,
			   out = request_of(WEB_ADMIN, "/logout");

	dashboard_refuse(dash, &member, 404, "There is nothing at this address.");
	assert_null(strstr(member.body.s, "/logout"));
	expect_answer(&member, 404, "nothing at this address");
	session.viewer.session = out.viewer.session = true;
	dashboard_refuse(dash, &session, 404, "There is nothing at this address.");
	assert_non_null(strstr(session.body.s, "value=\"proven\""));
	expect_answer(&session, 404, "action=\"/logout\"");
	fake_post(dash, &out);
	assert_int_equal(n_out, 1);
	assert_string_equal(out.seen, DASHBOARD_LOGIN);
	assert_string_equal(out.cookies[0], "tm=; Max-Age=0");
}

static void whose_session_is_over_watches_no_more(void **state UNUSED)
{
	struct web_request r = request_of(WEB_ADMIN, "/live");

	fake_get(dash, &r);
	dashboard_changed(dash);
	assert_int_equal(fake_stream.n_events, 1);
	assert_false(fake_stream.ended);
	still = false;
	dashboard_changed(dash);
	assert_true(fake_stream.ended);
	assert_int_equal(fake_stream.n_events, 1);
	dashboard_changed(dash); /* of nobody, now */
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_password_is_asked_for_on_a_page_that_shows_nothing_else),
		T(who_says_it_gets_cookies_and_nobody_else),
		T(it_may_take_its_time_and_who_has_gone_is_told_nothing),
		T(who_is_known_already_is_asked_for_no_password),
		T(who_has_logged_in_can_log_out_and_members_are_not_offered_it),
		T(whose_session_is_over_watches_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
