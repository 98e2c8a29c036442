/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Saying a password where it is asked for: in the mesh the address has said who somebody is. */
#include "web/dashboard/dashboard_private.h"

/* Somebody waits for what comes of the password that he has said. */
struct attempt {
	const struct dashboard *d;
	struct web_request *r; /* NULL: has gone */
};

static void put_page(const struct dashboard *d, struct web_request *r, unsigned status, const char *error)
{
	struct strbuf out = {0};
	struct page p;

	page_for(d, r, &p);
	p.error = error;
	p.proof = web_token(r);
	page_login(&out, &p);
	if (out.failed)
		web_refuse(r, 503, "The coordinator is out of memory.");
	else
		web_answer(r, status,
			&(struct web_body){.type = "text/html; charset=utf-8", .p = out.s, .n = out.len});
	strbuf_deinit(&out);
}

/* Whoever is known has nothing to say here. */
static bool is_known(struct web_request *r)
{
	if (web_viewer(r)->role == WEB_ANYONE)
		return false;
	web_see(r, "/");
	return true;
}

void login_show(void *ctx, struct web_request *r)
{
	if (!is_known(r))
		put_page(ctx, r, 200, NULL);
}

static void attempt_gone(void *ctx)
{
	struct attempt *a = ctx;

	a->r = NULL;
}

static void attempt_over(void *ctx, enum dashboard_login how, const struct dashboard_cookies *cookies)
{
	struct attempt *a = ctx;

	if (a->r && how == DASHBOARD_LOGGED_IN) {
		struct web_body body = {.location = "/"};

		for (size_t i = 0; i < WEB_COOKIES_MAX; i++)
			body.cookies[i] = cookies->text[i][0] ? cookies->text[i] : NULL;
		web_answer(a->r, 303, &body);
	} else if (a->r && how == DASHBOARD_WRONG) {
		put_page(a->d, a->r, 403, "That is not the password.");
	} else if (a->r && how == DASHBOARD_FAILED) {
		put_page(a->d, a->r, 503, "The coordinator could not look at the password: try it again.");
	} else if (a->r) {
		put_page(a->d, a->r, 429,
			"Too many passwords were tried: wait a minute, or use a browser in which you have "
			"logged in before.");
	}
	free(a);
}

void login_do(void *ctx, struct web_request *r)
{
	const struct dashboard *d = ctx;
	const char *password = web_form(r, "password");
	struct attempt *a;

	if (is_known(r))
		return;
	a = calloc(1, sizeof(*a));
	if (!a) {
		web_refuse(r, 503, "The coordinator is out of memory.");
		return;
	}
	*a = (struct attempt){.d = d, .r = r};
	web_keep(r, attempt_gone, a);
	d->cfg.login(d->cfg.ctx, web_caller(r), password ? password : "", attempt_over, a);
}

void login_out(void *ctx, struct web_request *r)
{
	const struct dashboard *d = ctx;
	char cookie[DASHBOARD_COOKIE_MAX];

	d->cfg.logout(d->cfg.ctx, web_caller(r), cookie);
	web_answer(r, 303, &(struct web_body){.location = DASHBOARD_LOGIN, .cookies = {cookie}});
}
