/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The dashboard behind its addresses: what a page needs is asked of the coordinator as the one who looks, by
 * the same requests as from the command line, and shown when all is there; what is posted is a request, too.
 * Rights are the coordinator's to check. Streams of who watches are told that something changed, and fetch
 * anew. Control thread.
 */
#ifndef TM_WEB_DASHBOARD_DASHBOARD_H
#define TM_WEB_DASHBOARD_DASHBOARD_H

#include "web/http.h"
#include "wire/msg/msg.h"

struct dashboard;

enum { DASHBOARD_COOKIE_MAX = 160 };
#define DASHBOARD_LOGIN "/login" /* where a password is asked for */

/* To be set in the browser, with their attributes; "": none. */
struct dashboard_cookies {
	char text[WEB_COOKIES_MAX][DASHBOARD_COOKIE_MAX];
};
enum dashboard_login {
	DASHBOARD_LOGGED_IN,
	DASHBOARD_WRONG,
	DASHBOARD_WAIT, /* too many were tried */
	DASHBOARD_FAILED, /* nobody knows */
};
typedef void dashboard_login_fn(void *ctx, enum dashboard_login how, const struct dashboard_cookies *cookies);

/* NULL: out of memory. */
typedef void dashboard_reply_fn(void *ctx, msg_object *answer_take);

struct dashboard_config {
	const char *mesh, *zone; /* its name, and that of its names in the DNS; borrowed */
	int64_t (*unix_now)(void);
	/*
	 * {"cmd":...}, asked by that viewer, with its rights; client.add is that of the own node. One reply
	 * each, now or later.
	 */
	void (*ask)(void *ctx, const struct web_viewer *by, const char *request, dashboard_reply_fn *reply,
		void *reply_ctx);
	/*
	 * Of the routes of a listener that asks for a password: somebody says one, and is told what came of
	 * it, once, now or later; somebody who is logged in will not be any more; and is one still who
	 * watches? NULL: he is.
	 */
	void (*login)(void *ctx, const struct web_caller *c, const char *password, dashboard_login_fn *reply,
		void *reply_ctx);
	void (*logout)(void *ctx, const struct web_caller *c, char ret_cookie[static DASHBOARD_COOKIE_MAX]);
	bool (*is_still)(void *ctx, const struct web_viewer *by);
	void *ctx;
};
NODISCARD int dashboard_new(const struct dashboard_config *cfg, struct dashboard **ret_dashboard);
/* First all that was asked is answered (or told NULL), then the server is freed, then this. NULL is fine. */
void dashboard_free(struct dashboard *d);

/* For the server, with the dashboard as the handlers' ctx. Those behind the first _n are of a listener that
 * asks for a password. */
extern const struct web_route dashboard_routes[];
extern const size_t dashboard_routes_n, dashboard_routes_login_n;

/* A refusal as a page, to whom the server has found out to be who he is. */
void dashboard_refuse(
	const struct dashboard *d, struct web_request *r, unsigned status, const char *sentence);

void dashboard_changed(struct dashboard *d); /* what pages show, or some of it */

#endif
