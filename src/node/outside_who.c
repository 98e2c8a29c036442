/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who somebody is that comes from outside of the mesh, how he becomes somebody, and how often he may try. */
#include "base/secret.h"
#include "node/outside_private.h"

#include <stdio.h>
#include <string.h>

/* Cookies know no ports: other services of this machine have theirs. With that prefix a browser takes one
 * from us alone, and by TLS (RFC 6265bis 4.1.3.2). */
#define SESSION "tunnelmesh"
#define SESSION_TLS "__Host-" SESSION
enum { SESSION_NAMES = 2 };
#define BROWSER "tunnelmesh-browser"
#define BROWSER_LASTS_S (365 * 86400)

/* Guesses at a password that somebody has chosen: their time goes so much more slowly, since so few are
 * enough. */
#define GUESS_SLOWER 30

/*
 * Of strangers the handshakes of TLS and the guesses (HANDSHAKE), and of browsers that have logged in before,
 * and of this machine, the guesses (LOOK): those have a budget that no stranger spends. A handshake takes the
 * control thread 5 ms or more, where the certificate has a long key of RSA. What is guessed at once stands in
 * one line, in which who has the password must not wait for longer than a browser does.
 */
const struct admission_config outside_limits = {.budget = {[ADMISSION_TLS] = {128, 32, 20, 5, 8, 1},
							[ADMISSION_LOOK] = {32, 8, 10, 1, 4, 1},
							[ADMISSION_HANDSHAKE] = {32, 8, 10, 1, 3, 1}}};

/* Somebody's password, while its hash is made. */
struct guess {
	struct outside *o;
	struct web_caller caller; /* its cookie is gone */
	char password[LOGIN_PASSWORD_MAX + 1];
	uint8_t salt[LOGIN_SALT], hash[LOGIN_HASH];
	dashboard_login_fn *reply;
	void *reply_ctx;
};

/* --- who looks --- */

/* As it is set. */
static const char *session_name(const struct web_caller *c)
{
	return c->https ? SESSION_TLS : SESSION;
}

/*
 * As it may come. A web server in front takes TLS off, and what a browser does not post tells nothing of
 * that; nor does a browser that has been here by both ways say by which it has each.
 */
static const char *session_of(const struct web_caller *c, size_t i, size_t *ret_n)
{
	static const char *const names[SESSION_NAMES] = {SESSION_TLS, SESSION};

	return i == 0 || !c->tls ? web_cookie(c, names[i], ret_n) : NULL;
}

static bool has_session(const struct outside *o, const struct web_caller *c, uint8_t ret_id[static LOGIN_ID])
{
	const ns_t now = time_monotonic();
	bool has = false;

	for (size_t i = 0; i < SESSION_NAMES && !has; i++) {
		size_t n;
		const char *secret = session_of(c, i, &n);

		has = secret && login_has(&o->login, secret, n, now, ret_id);
	}
	return has;
}

static bool is_vouched(
	const struct outside *o, const struct web_caller *c, uint8_t ret_browser[static LOGIN_ID])
{
	size_t n;
	const char *text = web_cookie(c, BROWSER, &n);

	return text && login_vouched(&o->login, text, n, ret_browser);
}

void outside_who(void *ctx, const struct web_caller *c, struct web_viewer *ret_viewer)
{
	const struct outside *o = ctx;

	_Static_assert(sizeof(ret_viewer->id) == LOGIN_ID, "as sessions have it");
	if (!has_session(o, c, ret_viewer->id)) {
		(void)is_vouched(o, c, ret_viewer->id); /* then he asks on his own account */
		return;
	}
	ret_viewer->role = WEB_ADMIN;
	ret_viewer->session = true;
	snprintf(ret_viewer->name, sizeof(ret_viewer->name), "the dashboard's password");
}

bool outside_is_still(const struct outside *o, const struct web_viewer *by)
{
	return !by->session || login_lives(&o->login, by->id, time_monotonic());
}

/* --- saying the password --- */

/* At one that was made nobody guesses: what has come so far is that, most likely. */
static bool may_guess(struct outside *o, const struct web_caller *c)
{
	const ns_t now = time_monotonic() / GUESS_SLOWER;
	struct ip browser = {.family = IP_V6};

	_Static_assert(sizeof(browser.bytes) == LOGIN_ID, "a source like another");
	if (o->login.kept.made)
		return true;
	if (is_vouched(o, c, browser.bytes))
		return admission_charge(o->admission, ADMISSION_LOOK, &browser, now);
	if (!ip_is_loopback(&c->from.ip))
		return admission_charge(o->admission, ADMISSION_HANDSHAKE, &c->from.ip, now);
	/* By ssh, or through a web server in front, and then strangers, too: they have the share of one, as
	 * many addresses as this machine has. */
	const struct ip here = ip_v4_host(0x7f000001);
	return admission_charge(o->admission, ADMISSION_LOOK, &here, now);
}

static void put_cookies(const struct guess *g, const char *secret, struct dashboard_cookies *ret_cookies)
{
	const struct outside *o = g->o;
	const char *secure = g->caller.https ? "; Secure" : "";
	char browser[LOGIN_SECRET_LEN + 1];

	snprintf(ret_cookies->text[0], DASHBOARD_COOKIE_MAX,
		"%s=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s", session_name(&g->caller), secret,
		(int)(LOGIN_LASTS / SEC), secure);
	login_vouch(&o->login, browser);
	snprintf(ret_cookies->text[1], DASHBOARD_COOKIE_MAX,
		BROWSER "=%s; Path=" DASHBOARD_LOGIN "; Max-Age=%d; HttpOnly; SameSite=Strict%s", browser,
		BROWSER_LASTS_S, secure);
}

static void say_wrong(struct outside *o, const struct web_caller *c)
{
	LOG_LIMITED(LOG_INFO, &o->log_guesses, log_who_ip(&c->from.ip),
		"node: a wrong password was said at the dashboard", KV_EP("from", &c->from));
}

static int run_hash(void *job)
{
	struct guess *g = job;

	return login_hash(g->password, g->salt, g->hash);
}

static void on_hashed(void *job, int result)
{
	struct guess *g = job;
	struct outside *o = g->o;
	struct dashboard_cookies cookies = {{""}};
	enum dashboard_login how = DASHBOARD_FAILED;
	char secret[LOGIN_SECRET_LEN + 1] = "";

	if (result == TM_OK)
		how = login_begin(&o->login, g->hash, time_monotonic(), secret) ? DASHBOARD_LOGGED_IN
										: DASHBOARD_WRONG;
	if (how == DASHBOARD_LOGGED_IN) {
		put_cookies(g, secret, &cookies);
		log_info("node: somebody has logged in at the dashboard", KV_EP("from", &g->caller.from));
	} else if (how == DASHBOARD_WRONG) {
		say_wrong(o, &g->caller);
	}
	g->reply(g->reply_ctx, how, &cookies);
	wipe(secret, sizeof(secret));
	wipe(&cookies, sizeof(cookies));
	wipe(g, sizeof(*g));
	free(g);
}

static int begin_guess(struct outside *o, const struct web_caller *c, const char *password,
	dashboard_login_fn *reply, void *reply_ctx)
{
	struct guess *g = calloc(1, sizeof(*g));

	if (!g)
		return TM_ENOMEM;
	*g = (struct guess){.o = o, .caller = *c, .reply = reply, .reply_ctx = reply_ctx};
	g->caller.cookie = NULL;
	snprintf(g->password, sizeof(g->password), "%s", password);
	memcpy(g->salt, o->login.kept.salt, sizeof(g->salt));
	int err = helper_submit(o->helper, run_hash, on_hashed, g);
	if (err) {
		wipe(g, sizeof(*g));
		free(g);
	}
	return err;
}

void outside_login(struct outside *o, const struct web_caller *c, const char *password,
	dashboard_login_fn *reply, void *reply_ctx)
{
	const struct dashboard_cookies none = {{""}};

	if (login_rules_out(&o->login, password)) {
		say_wrong(o, c);
		reply(reply_ctx, DASHBOARD_WRONG, &none);
	} else if (!may_guess(o, c)) {
		LOG_LIMITED(LOG_WARN, &o->log_guesses, log_who_ip(&c->from.ip),
			"node: too many passwords are said at the dashboard, not looking at more for a while",
			KV_EP("from", &c->from));
		reply(reply_ctx, DASHBOARD_WAIT, &none);
	} else if (!o->helper || begin_guess(o, c, password, reply, reply_ctx) != TM_OK) {
		reply(reply_ctx, DASHBOARD_FAILED, &none);
	}
}

void outside_logout(
	struct outside *o, const struct web_caller *c, char ret_cookie[static DASHBOARD_COOKIE_MAX])
{
	for (size_t i = 0; i < SESSION_NAMES; i++) {
		size_t n;
		const char *secret = session_of(c, i, &n);

		if (secret)
			login_end(&o->login, secret, n);
	}
	snprintf(ret_cookie, DASHBOARD_COOKIE_MAX, "%s=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict%s",
		session_name(c), c->https ? "; Secure" : "");
}
