/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The dashboard outside of the mesh: where it is served and when, who is let in, and what guesses come to.
 * The server, the certificate and the slow hash are stand-ins, and the clock stands still. */
#include "unit/unit.h"

#include "crypto/init.h"
#include "net/tls_files.h"
#include "node/login.h"
#include "node/node_private.h"
#include "node/outside.h"
#include "web/http.h"

#include <event2/event.h>
#include <sys/stat.h>
#include <unistd.h>

struct rig {
	char dir[64];
	struct node n;
	struct outside *o;
	struct web_config web;
	unsigned n_servers;
	size_t n_listening;
	struct endpoint at[WEB_LISTEN_MAX];
	bool tls_fails, hash_fails;
	const char *right; /* the password */
	unsigned n_hashed;
	/* what came of the last password */
	unsigned n_told;
	enum dashboard_login how;
	struct dashboard_cookies cookies;
	struct strbuf log;
};

static struct rig *rig;
static char it; /* its address stands for what the stand-ins make */
static ns_t now = 1000 * SEC;
static char made_line[LOGIN_KEPT_MAX], own_line[LOGIN_KEPT_MAX], made[LOGIN_MADE_LEN + 1];
static const char own[] = "a rope of sand";

/* --- stand-ins --- */

int __wrap_web_server_new(
	struct event_base *base, const struct web_config *cfg, struct web_server **ret_server);
void __wrap_web_server_free(struct web_server *s);
void __wrap_web_server_listen(struct web_server *s, const struct endpoint *at, size_t n);
bool __wrap_web_server_listens(const struct web_server *s, size_t i, struct endpoint *ret_at);
int __wrap_tls_files_new(
	const struct tls_files_config *cfg, int64_t now_s, struct tls_files **ret_files, struct diag *d);
void __wrap_tls_files_free(struct tls_files *f);
struct ssl_ctx_st *__wrap_tls_files_context(struct tls_files *f, ns_t at, int64_t now_s, struct diag *d);
int __wrap_login_hash(
	const char *password, const uint8_t salt[static LOGIN_SALT], uint8_t ret_hash[static LOGIN_HASH]);
ns_t __wrap_time_monotonic(void);

int __wrap_web_server_new(
	struct event_base *base UNUSED, const struct web_config *cfg, struct web_server **ret_server)
{
	rig->web = *cfg;
	rig->n_servers++;
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
	return i < rig->n_listening;
}

int __wrap_tls_files_new(const struct tls_files_config *cfg, int64_t now_s UNUSED,
	struct tls_files **ret_files, struct diag *d)
{
	assert_string_equal(cfg->own, rig->n.paths.tls);
	if (rig->tls_fails)
		return diag_what(d, TM_EIO, "there is no room for a certificate");
	*ret_files = (struct tls_files *)(void *)&it;
	return TM_OK;
}

void __wrap_tls_files_free(struct tls_files *f UNUSED)
{
}

struct ssl_ctx_st *__wrap_tls_files_context(
	struct tls_files *f UNUSED, ns_t at UNUSED, int64_t now_s UNUSED, struct diag *d UNUSED)
{
	return (struct ssl_ctx_st *)(void *)&it;
}

/* On the helper's thread, while the test waits for what comes of it. */
int __wrap_login_hash(
	const char *password, const uint8_t salt[static LOGIN_SALT], uint8_t ret_hash[static LOGIN_HASH])
{
	const char *line = strcmp(rig->right, own) == 0 ? own_line : made_line;
	struct login_kept kept;

	rig->n_hashed++;
	assert_int_equal(login_kept_parse(line, strlen(line), &kept), TM_OK);
	memset(ret_hash, 0, LOGIN_HASH);
	if (strcmp(password, rig->right) == 0 && memcmp(salt, kept.salt, LOGIN_SALT) == 0)
		memcpy(ret_hash, kept.hash, LOGIN_HASH);
	return rig->hash_fails ? TM_ENOMEM : TM_OK;
}

ns_t __wrap_time_monotonic(void)
{
	return now;
}

static void keep_log(void *ctx, const char *line, size_t n)
{
	struct rig *r = ctx;

	strbuf_add(&r->log, line, n);
}

/* --- the rig --- */

static int setup_all(void **state UNUSED)
{
	assert_int_equal(crypto_init(NULL), TM_OK);
	login_make(made);
	assert_int_equal(login_keep(made, true, made_line), TM_OK);
	assert_int_equal(login_keep(own, false, own_line), TM_OK);
	return 0;
}

static void configure(struct rig *r, const char *first, const char *second)
{
	const char *const texts[] = {first, second};
	struct config *c = &r->n.config;

	c->n_dashboard_listen = 0;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i])
			snprintf(c->dashboard_listen[c->n_dashboard_listen++], sizeof(c->dashboard_listen[0]),
				"%s", texts[i]);
	outside_follow(r->o);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	rig = r;
	log_set_sink(keep_log, r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-outside-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	config_defaults(&r->n.config);
	node_paths_init(&r->n.paths, r->dir);
	r->n.base = event_base_new();
	r->right = "";
	assert_int_equal(outside_new(&r->n, NULL, &r->o), TM_OK);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	outside_free(r->o);
	event_base_free(r->n.base);
	(void)unlink(r->n.paths.password);
	assert_int_equal(rmdir(r->dir), 0);
	log_set_sink(NULL, NULL);
	/* Whatever was said and answered. */
	assert_null(strstr(r->log.s ? r->log.s : "", own));
	assert_null(strstr(r->log.s ? r->log.s : "", made));
	strbuf_deinit(&r->log);
	free(r);
	return 0;
}

static void serve(struct rig *r, const char *line)
{
	struct diag d = {0};

	r->right = line == own_line ? own : made;
	configure(r, "8080", NULL);
	if (outside_keep(r->o, line, &d) != TM_OK)
		fail_msg("%s", d.what);
	assert_int_equal(r->n_listening, 1);
}

static struct web_caller caller(const char *from, const char *cookie, bool tls)
{
	struct web_caller c = {.cookie = cookie, .tls = tls, .https = tls};

	assert_int_equal(ip_parse(from, &c.from.ip), TM_OK);
	return c;
}

static void on_told(void *ctx, enum dashboard_login how, const struct dashboard_cookies *cookies)
{
	struct rig *r = ctx;

	r->n_told++;
	r->how = how;
	r->cookies = *cookies;
}

static enum dashboard_login say(struct rig *r, const struct web_caller *c, const char *password)
{
	r->n_told = 0;
	outside_login(r->o, c, password, on_told, r);
	while (r->n_told == 0)
		event_base_loop(r->n.base, EVLOOP_ONCE);
	assert_int_equal(r->n_told, 1);
	return r->how;
}

static enum dashboard_login say_from(struct rig *r, const char *from, const char *password)
{
	const struct web_caller c = caller(from, NULL, true);

	return say(r, &c, password);
}

static struct web_viewer viewer(struct rig *r, const char *cookie, bool tls)
{
	const struct web_caller c = caller("192.0.2.9", cookie, tls);
	struct web_viewer v = {.role = WEB_ANYONE};

	r->web.who(r->web.ctx, &c, &v);
	return v;
}

/* Without its attributes: as it comes back. */
static const char *bare(char *cookie)
{
	cookie[strcspn(cookie, ";")] = '\0';
	return cookie;
}

/* --- tests --- */

static void nothing_is_there_before_it_is_wanted_and_has_a_password(void **state)
{
	struct rig *r = *state;
	struct outside_view v;
	char text[ENDPOINT_STR_LEN];
	struct stat st;

	outside_view(r->o, &v);
	assert_int_equal(v.n, 0);
	assert_false(v.lacks_password);
	configure(r, "8080", "[2001:db8::7]:443");
	configure(r, "8080", "[2001:db8::7]:443");
	assert_int_equal(r->n_servers, 0);
	outside_view(r->o, &v);
	assert_int_equal(v.n, 2);
	assert_true(v.lacks_password && !v.doors[0].open);
	const char *said = strstr(r->log.s, "without a password");
	assert_non_null(said);
	assert_null(strstr(said + 1, "without a password")); /* once */
	assert_int_equal(outside_keep(r->o, made_line, NULL), TM_OK);
	assert_int_equal(r->n_listening, 2); /* at once */
	assert_string_equal(endpoint_format(&r->at[0], text), "127.0.0.1:8080");
	assert_string_equal(endpoint_format(&r->at[1], text), "[2001:db8::7]:443");
	outside_view(r->o, &v);
	assert_true(!v.lacks_password && v.doors[0].open && v.doors[1].open);
	assert_int_equal(stat(r->n.paths.password, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void the_password_outlives_the_program(void **state)
{
	struct rig *r = *state;

	serve(r, made_line);
	outside_free(TAKE(r->o));
	r->n_listening = 0;
	assert_int_equal(outside_new(&r->n, NULL, &r->o), TM_OK);
	configure(r, "8080", "127.0.0.1:8080"); /* the same */
	assert_int_equal(r->n_listening, 1);
	assert_int_equal(say_from(r, "192.0.2.9", made), DASHBOARD_LOGGED_IN);
	configure(r, NULL, NULL);
	assert_int_equal(r->n_listening, 0);
	configure(r, "8080", NULL);
	assert_int_equal(r->n_listening, 1);
	assert_int_equal(r->n_servers, 2); /* one each */
	r->n.config.dashboard = false;
	configure(r, "8080", NULL);
	assert_int_equal(r->n_listening, 0);
}

static void a_file_that_makes_no_sense_is_said_and_is_no_password(void **state)
{
	struct rig *r = *state;
	struct outside_view v;

	outside_free(TAKE(r->o));
	assert_int_equal(os_write_file(r->n.paths.password, "sesame\n", 7, 0600, NULL), TM_OK);
	assert_int_equal(outside_new(&r->n, NULL, &r->o), TM_OK);
	assert_non_null(strstr(r->log.s, "makes no sense"));
	assert_null(strstr(r->log.s, "sesame"));
	configure(r, "8080", NULL);
	outside_view(r->o, &v);
	assert_true(v.lacks_password);
}

static void what_cannot_be_kept_changes_nothing(void **state)
{
	struct rig *r = *state;
	struct diag d = {0};

	serve(r, made_line);
	assert_int_equal(outside_keep(r->o, "sesame", &d), TM_EBADMSG);
	assert_string_equal(d.what, "what is to be kept of the password makes no sense");
	snprintf(r->n.paths.password, sizeof(r->n.paths.password), "/nowhere/password");
	assert_int_not_equal(outside_keep(r->o, own_line, &d), TM_OK);
	assert_int_equal(say_from(r, "192.0.2.9", made), DASHBOARD_LOGGED_IN);
	node_paths_init(&r->n.paths, r->dir);
}

static void without_a_certificate_it_is_served_in_the_mesh_alone(void **state)
{
	struct rig *r = *state;

	r->tls_fails = true;
	configure(r, "8080", NULL);
	assert_int_equal(outside_keep(r->o, made_line, NULL), TM_OK);
	assert_int_equal(r->n_servers, 0);
	assert_non_null(strstr(r->log.s, "there is no room for a certificate"));
	r->tls_fails = false;
	configure(r, "8080", NULL);
	assert_int_equal(r->n_listening, 1);
}

static void the_password_is_an_administrator_until_he_logs_out(void **state)
{
	struct rig *r = *state;
	char out[DASHBOARD_COOKIE_MAX];

	serve(r, made_line);
	assert_int_equal(viewer(r, NULL, true).role, WEB_ANYONE);
	assert_int_equal(say_from(r, "192.0.2.9", made), DASHBOARD_LOGGED_IN);
	assert_non_null(
		strstr(r->cookies.text[0], "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure"));
	const char *cookie = bare(r->cookies.text[0]);
	const struct web_viewer v = viewer(r, cookie, true);
	assert_int_equal(v.role, WEB_ADMIN);
	assert_true(v.session && outside_is_still(r->o, &v));
	assert_string_equal(v.name, "the dashboard's password");
	const struct web_caller c = caller("192.0.2.9", cookie, true);
	outside_logout(r->o, &c, out);
	assert_non_null(strstr(out, "=; Path=/; Max-Age=0;"));
	assert_int_equal(viewer(r, cookie, true).role, WEB_ANYONE);
	assert_false(outside_is_still(r->o, &v));
}

static void another_password_logs_everybody_out(void **state)
{
	struct rig *r = *state;

	serve(r, made_line);
	assert_int_equal(say_from(r, "192.0.2.9", made), DASHBOARD_LOGGED_IN);
	const char *cookie = bare(r->cookies.text[0]);
	assert_int_equal(viewer(r, cookie, true).role, WEB_ADMIN);
	assert_int_equal(outside_keep(r->o, own_line, NULL), TM_OK);
	assert_int_equal(viewer(r, cookie, true).role, WEB_ANYONE);
	assert_int_equal(say_from(r, "192.0.2.9", made), DASHBOARD_WRONG);
	r->right = own;
	assert_int_equal(say_from(r, "192.0.2.9", own), DASHBOARD_LOGGED_IN);
}

/* Behind one address with somebody who tries for ever: neither the hash nor the honest one is kept busy. */
static void guesses_at_what_was_made_shut_nobody_out(void **state)
{
	struct rig *r = *state;

	serve(r, made_line);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(say_from(r, "192.0.2.9", "abcdefghijklmnopqrstuvwx"), DASHBOARD_WRONG);
	assert_int_equal(r->n_hashed, 0);
	assert_int_equal(say_from(r, "192.0.2.9", made), DASHBOARD_LOGGED_IN);
	assert_int_equal(r->n_hashed, 1);
}

/* Sources share slots of a table by chance: one of a few has its own. */
static bool others_may(struct rig *r, const char *password)
{
	static const char *const sources[] = {"192.0.2.10", "203.0.113.1", "2001:db8::1"};

	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		if (say_from(r, sources[i], password) == DASHBOARD_LOGGED_IN)
			return true;
	return false;
}

static unsigned guesses_until_wait(struct rig *r, const char *from)
{
	unsigned n = 0;

	while (n < 1000 && say_from(r, from, "open, please, somebody") == DASHBOARD_WRONG)
		n++;
	assert_int_equal(r->how, DASHBOARD_WAIT);
	return n;
}

static void guesses_at_what_was_chosen_are_limited_by_who_makes_them_and_in_all(void **state)
{
	struct rig *r = *state;
	char from[IP_STR_LEN];
	unsigned n = 0;

	serve(r, own_line);
	assert_int_equal(guesses_until_wait(r, "192.0.2.9"), 8);
	assert_int_equal(say_from(r, "192.0.2.9", own), DASHBOARD_WAIT); /* the right one, too */
	assert_true(others_may(r, own));
	now += 29 * SEC;
	assert_int_equal(say_from(r, "192.0.2.9", own), DASHBOARD_WAIT);
	now += 2 * SEC;
	assert_int_equal(say_from(r, "192.0.2.9", own), DASHBOARD_LOGGED_IN);
	/* From everywhere at once; as soon as that is much, each has a few. */
	for (unsigned source = 0; source < 250; source++) {
		snprintf(from, sizeof(from), "198.51.100.%u", source);
		n += guesses_until_wait(r, from);
	}
	assert_in_range(n, 12, 32);
	assert_false(others_may(r, own));
	assert_int_equal(say_from(r, "127.0.0.1", own), DASHBOARD_LOGGED_IN); /* by ssh */
	assert_int_equal(guesses_until_wait(r, "127.0.0.1"), 7);
	/* Everybody on this machine has as many addresses of it as he likes. */
	for (unsigned source = 2; source < 100; source++) {
		snprintf(from, sizeof(from), "127.0.0.%u", source);
		assert_int_equal(guesses_until_wait(r, from), 0);
	}
	assert_int_equal(guesses_until_wait(r, "::1"), 0);
}

static void a_browser_that_has_logged_in_before_is_kept_out_by_nobody_else(void **state)
{
	struct rig *r = *state;

	serve(r, own_line);
	assert_int_equal(say_from(r, "192.0.2.9", own), DASHBOARD_LOGGED_IN);
	assert_non_null(
		strstr(r->cookies.text[1], "; Path=/login; Max-Age=31536000; HttpOnly; SameSite=Strict; "
					   "Secure"));
	char cookie[DASHBOARD_COOKIE_MAX];
	snprintf(cookie, sizeof(cookie), "%s", bare(r->cookies.text[1]));
	struct web_caller c = caller("192.0.2.9", cookie, true);
	guesses_until_wait(r, "192.0.2.9");
	assert_int_equal(say(r, &c, own), DASHBOARD_LOGGED_IN);
	/* Nor does it wait for the requests of others: it is known from them, and still nobody. */
	const struct web_viewer v = viewer(r, cookie, true), stranger = viewer(r, NULL, true);
	assert_int_equal(v.role, WEB_ANYONE);
	assert_memory_not_equal(v.id, stranger.id, sizeof(v.id));
	/* It has a budget of its own, and no more. */
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(say(r, &c, "open, please, somebody"), DASHBOARD_WRONG);
	assert_int_equal(say(r, &c, own), DASHBOARD_WAIT);
	cookie[strlen(cookie) - 5] ^= 1; /* nobody has vouched for that one */
	now += 3600 * SEC;
	guesses_until_wait(r, "192.0.2.9");
	assert_int_equal(say(r, &c, own), DASHBOARD_WAIT);
}

static void in_clear_the_password_is_taken_from_this_machine_alone_unless_told_otherwise(void **state)
{
	struct rig *r = *state;
	const struct web_caller near = caller("127.0.0.1", NULL, false), near6 = caller("::1", NULL, false),
				far = caller("192.0.2.9", NULL, false);

	serve(r, made_line);
	assert_true(r->web.may_be_plain(r->web.ctx, &near));
	assert_true(r->web.may_be_plain(r->web.ctx, &near6));
	assert_false(r->web.may_be_plain(r->web.ctx, &far));
	r->n.config.dashboard_plain = true; /* at once */
	assert_true(r->web.may_be_plain(r->web.ctx, &far));
	assert_int_equal(say(r, &near, made), DASHBOARD_LOGGED_IN);
	assert_null(strstr(r->cookies.text[0], "Secure")); /* which the browser would not give back */
	assert_int_equal(viewer(r, bare(r->cookies.text[0]), false).role, WEB_ADMIN);
}

/* The browser says so by the origin of what it posts, and of nothing else. */
static void where_a_web_server_in_front_speaks_tls_the_session_is_for_https_alone(void **state)
{
	struct rig *r = *state;
	struct web_caller c = caller("127.0.0.1", NULL, false);
	char out[DASHBOARD_COOKIE_MAX], both[2 * DASHBOARD_COOKIE_MAX];

	serve(r, made_line);
	c.https = true;
	assert_int_equal(say(r, &c, made), DASHBOARD_LOGGED_IN);
	assert_memory_equal(r->cookies.text[0], "__Host-", 7);
	for (size_t i = 0; i < ARRAY_LEN(r->cookies.text); i++)
		assert_non_null(strstr(r->cookies.text[i], "; Secure"));
	assert_int_equal(viewer(r, bare(r->cookies.text[0]), false).role, WEB_ADMIN);
	/* One that is over stands beside one that is not, and is not in its way. */
	snprintf(both, sizeof(both), "%.200s", r->cookies.text[0]);
	const struct web_caller before = caller("127.0.0.1", both, false);
	outside_logout(r->o, &before, out);
	c.https = false;
	assert_int_equal(say(r, &c, made), DASHBOARD_LOGGED_IN);
	snprintf(both + strlen(both), sizeof(both) - strlen(both), "; %.200s", bare(r->cookies.text[0]));
	assert_int_equal(viewer(r, both, false).role, WEB_ADMIN);
	assert_int_equal(viewer(r, both, true).role, WEB_ANYONE); /* what was set in clear */
	const struct web_caller now_in = caller("127.0.0.1", both, false);
	outside_logout(r->o, &now_in, out);
	assert_int_equal(viewer(r, both, false).role, WEB_ANYONE);
}

static void handshakes_are_limited_by_who_asks_for_them(void **state)
{
	struct rig *r = *state;
	const struct web_caller one = caller("192.0.2.9", NULL, false),
				others[] = {caller("192.0.2.10", NULL, false),
					caller("2001:db8::1", NULL, false)};
	unsigned n = 0;

	serve(r, made_line);
	while (n < 1000 && r->web.tls(r->web.ctx, &one))
		n++;
	assert_int_equal(n, 32);
	assert_true(r->web.tls(r->web.ctx, &others[0]) || r->web.tls(r->web.ctx, &others[1]));
	now += SEC;
	assert_non_null(r->web.tls(r->web.ctx, &one));
}

static void who_waits_at_the_end_is_told_and_a_hash_that_fails_is_no_answer(void **state)
{
	struct rig *r = *state;
	const struct web_caller c = caller("192.0.2.9", NULL, true);

	serve(r, made_line);
	r->hash_fails = true;
	assert_int_equal(say(r, &c, made), DASHBOARD_FAILED);
	assert_string_equal(r->cookies.text[0], "");
	r->hash_fails = false;
	r->n_told = 0;
	outside_login(r->o, &c, made, on_told, r);
	outside_stop(r->o);
	assert_int_equal(r->n_told, 1);
	outside_login(r->o, &c, made, on_told, r);
	assert_int_equal(r->n_told, 2);
	assert_int_equal(r->how, DASHBOARD_FAILED);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_is_there_before_it_is_wanted_and_has_a_password),
		T(the_password_outlives_the_program),
		T(a_file_that_makes_no_sense_is_said_and_is_no_password),
		T(what_cannot_be_kept_changes_nothing),
		T(without_a_certificate_it_is_served_in_the_mesh_alone),
		T(the_password_is_an_administrator_until_he_logs_out),
		T(another_password_logs_everybody_out),
		T(guesses_at_what_was_made_shut_nobody_out),
		T(guesses_at_what_was_chosen_are_limited_by_who_makes_them_and_in_all),
		T(a_browser_that_has_logged_in_before_is_kept_out_by_nobody_else),
		T(in_clear_the_password_is_taken_from_this_machine_alone_unless_told_otherwise),
		T(where_a_web_server_in_front_speaks_tls_the_session_is_for_https_alone),
		T(handshakes_are_limited_by_who_asks_for_them),
		T(who_waits_at_the_end_is_told_and_a_hash_that_fails_is_no_answer),
	};

	return cmocka_run_group_tests(tests, setup_all, NULL);
}
