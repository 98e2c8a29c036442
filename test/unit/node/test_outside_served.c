/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The dashboard outside of the mesh as a browser meets it: server, pages and session are real. The
 * coordinator is a stand-in, and the slow hash is, for which nobody waits here. */
#include "unit/unit.h"

#include "crypto/init.h"
#include "fake/quiet.h"
#include "node/login.h"
#include "node/node_private.h"
#include "node/outside.h"
#include "unit/web/rig.h"

#include <event2/event.h>
#include <unistd.h>

static struct {
	char dir[64];
	struct node n;
	struct dashboard *pages;
	struct outside *o;
	struct rig browser;
	char password[LOGIN_MADE_LEN + 1];
	struct login_kept kept;
	char asked[4096]; /* of the coordinator: a request a line, with who asks */
	char cookie[256], token[WEB_TOKEN_LEN + 1];
} all;

int __wrap_login_hash(
	const char *password, const uint8_t salt[static LOGIN_SALT], uint8_t ret_hash[static LOGIN_HASH]);

/* On the helper's thread, while the browser waits. */
int __wrap_login_hash(
	const char *password, const uint8_t salt[static LOGIN_SALT], uint8_t ret_hash[static LOGIN_HASH])
{
	memset(ret_hash, 0, LOGIN_HASH);
	if (strcmp(password, all.password) == 0 && memcmp(salt, all.kept.salt, LOGIN_SALT) == 0)
		memcpy(ret_hash, all.kept.hash, LOGIN_HASH);
	return TM_OK;
}

void __real_web_server_listen(struct web_server *s, const struct endpoint *at, size_t n);
void __wrap_web_server_listen(struct web_server *s, const struct endpoint *at, size_t n);

/* A port that is free takes the place of the configured one. */
void __wrap_web_server_listen(struct web_server *s, const struct endpoint *at, size_t n)
{
	struct endpoint here = {.ip = at->ip};

	assert_int_equal(n, 1);
	__real_web_server_listen(s, &here, 1);
	assert_true(web_server_listens(s, 0, &all.browser.at));
}

static void ask(void *ctx UNUSED, const struct web_viewer *by, const char *request, dashboard_reply_fn *reply,
	void *reply_ctx)
{
	const size_t n = strlen(all.asked);

	snprintf(all.asked + n, sizeof(all.asked) - n, "%s %s\n", by->name, request);
	reply(reply_ctx, msg_object_read("{\"ok\":true}"));
}

static void login(void *ctx UNUSED, const struct web_caller *c, const char *password,
	dashboard_login_fn *reply, void *reply_ctx)
{
	outside_login(all.o, c, password, reply, reply_ctx);
}

static void logout(void *ctx UNUSED, const struct web_caller *c, char ret_cookie[static DASHBOARD_COOKIE_MAX])
{
	outside_logout(all.o, c, ret_cookie);
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
		.ask = ask,
		.login = login,
		.logout = logout};
	char line[LOGIN_KEPT_MAX];
	struct diag d = {0};

	memset(&all, 0, sizeof(all));
	assert_int_equal(crypto_init(NULL), TM_OK);
	log_set_sink(quiet_log, NULL);
	snprintf(all.dir, sizeof(all.dir), "/tmp/test-outside-served-XXXXXX");
	assert_non_null(mkdtemp(all.dir));
	node_paths_init(&all.n.paths, all.dir);
	config_defaults(&all.n.config);
	all.n.config.fwmark = 0; /* is for root */
	all.n.config.n_dashboard_listen = 1;
	snprintf(all.n.config.dashboard_listen[0], sizeof(all.n.config.dashboard_listen[0]), "8080");
	all.n.base = all.browser.base = event_base_new();
	assert_int_equal(dashboard_new(&cfg, &all.pages), TM_OK);
	assert_int_equal(outside_new(&all.n, all.pages, &all.o), TM_OK);
	login_make(all.password);
	assert_int_equal(login_keep(all.password, true, line), TM_OK);
	assert_int_equal(login_kept_parse(line, strlen(line), &all.kept), TM_OK);
	if (outside_keep(all.o, line, &d) != TM_OK)
		fail_msg("%s", d.what);
	return 0;
}

static int teardown(void **state UNUSED)
{
	outside_free(all.o);
	dashboard_free(all.pages);
	event_base_free(all.n.base);
	assert_int_equal(unlink(all.n.paths.password), 0);
	assert_int_equal(unlink(all.n.paths.tls), 0);
	assert_int_equal(rmdir(all.dir), 0);
	log_set_sink(NULL, NULL);
	return 0;
}

/* --- the browser: keeps a cookie, and the token of the last page that had one --- */

static const char *hear(const char *request)
{
	const char *a = rig_ask(&all.browser, request);
	const char *set = strstr(a, "\r\nSet-Cookie: "), *token = strstr(a, "name=\"token\" value=\"");

	if (set)
		(void)sscanf(set, "\r\nSet-Cookie: %255[^;]", all.cookie);
	if (token)
		(void)sscanf(token, "name=\"token\" value=\"%43[^\"]", all.token);
	return a;
}

static const char *get(const char *path)
{
	char request[1024];

	snprintf(request, sizeof(request),
		"GET %s HTTP/1.1\r\nHost: hub.example:8080\r\nCookie: a=b; %s\r\n\r\n", path, all.cookie);
	return hear(request);
}

static const char *post(const char *path, const char *form)
{
	char request[2048];

	snprintf(request, sizeof(request),
		"POST %s HTTP/1.1\r\nHost: hub.example:8080\r\nOrigin: http://hub.example:8080\r\nCookie: "
		"a=b; "
		"%s\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
		path, all.cookie, strlen(form), form);
	return hear(request);
}

static const char *log_in(const char *token, const char *password)
{
	char form[256];

	snprintf(form, sizeof(form), "token=%s&password=%s", token, password);
	return post("/login", form);
}

static void expect(const char *answer, const char *start, const char *part)
{
	if (strncmp(answer, start, strlen(start)) != 0 || !strstr(answer, part))
		fail_msg("neither %s nor %s: %s", start, part, answer);
}

/* --- tests --- */

static void strangers_are_shown_nothing_but_where_to_say_the_password(void **state UNUSED)
{
	static const char *const paths[] = {"/", "/nodes", "/tokens", "/live", "/policy/edit"};

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		expect(get(paths[i]), "HTTP/1.1 303 ", "\r\nLocation: /login\r\n");
	expect(post("/tokens/create", "uses=1"), "HTTP/1.1 303 ", "\r\nLocation: /login\r\n");
	expect(get("/login"), "HTTP/1.1 200 ", "type=\"password\"");
	assert_string_equal(all.asked, "");
	assert_string_equal(all.cookie, "");
}

static void who_says_the_password_administers_until_he_logs_out(void **state UNUSED)
{
	char before[WEB_TOKEN_LEN + 1], session[256], form[256];

	get("/login");
	expect(log_in(all.token, "abcdefghijklmnopqrstuvwx"), "HTTP/1.1 403 ", "That is not the password.");
	expect(log_in("x", all.password), "HTTP/1.1 303 ", "\r\nLocation: /login\r\n"); /* no page of ours */
	assert_string_equal(all.cookie, "");
	memcpy(before, all.token, sizeof(before));
	expect(log_in(all.token, all.password), "HTTP/1.1 303 ", "\r\nLocation: /\r\n");
	memcpy(session, all.cookie, sizeof(session));
	expect(get("/tokens"), "HTTP/1.1 200 ", "the dashboard&#39;s password");
	assert_string_equal(all.asked, "the dashboard's password {\"cmd\":\"token.list\"}\n");
	all.asked[0] = '\0';
	/* The token is the session's own. */
	assert_string_not_equal(before, all.token);
	snprintf(form, sizeof(form), "token=%s&uses=1", before);
	expect(post("/tokens/create", form), "HTTP/1.1 403 ", "did not come from a page of this server");
	assert_string_equal(all.asked, "");
	snprintf(form, sizeof(form), "token=%s&uses=1", all.token);
	expect(post("/tokens/create", form), "HTTP/1.1 200 ", "Log out");
	assert_non_null(strstr(all.asked, "{\"cmd\":\"token.create\",\"uses\":1}"));
	snprintf(form, sizeof(form), "token=%s", all.token);
	expect(post("/logout", form), "HTTP/1.1 303 ", "\r\nLocation: /login\r\n");
	assert_string_equal(all.cookie, "tunnelmesh="); /* the browser forgets it */
	memcpy(all.cookie, session, sizeof(session));
	expect(get("/tokens"), "HTTP/1.1 303 ", "\r\nLocation: /login\r\n"); /* and so do we */
}

static void a_page_of_another_site_logs_nobody_in(void **state UNUSED)
{
	char request[1024], form[256];

	get("/login");
	snprintf(form, sizeof(form), "token=%s&password=%s", all.token, all.password);
	snprintf(request, sizeof(request),
		"POST /login HTTP/1.1\r\nHost: hub.example\r\nOrigin: http://elsewhere.example\r\n"
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n\r\n%s",
		strlen(form), form);
	expect(hear(request), "HTTP/1.1 303 ", "\r\nLocation: /login\r\n");
	assert_string_equal(all.cookie, "");
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(strangers_are_shown_nothing_but_where_to_say_the_password),
		T(who_says_the_password_administers_until_he_logs_out),
		T(a_page_of_another_site_logs_nobody_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
