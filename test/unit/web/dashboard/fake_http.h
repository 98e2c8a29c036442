/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Stands in for web/http.h: one request, as it was parsed, and what it was answered. */
#ifndef TEST_WEB_DASHBOARD_FAKE_HTTP_H
#define TEST_WEB_DASHBOARD_FAKE_HTTP_H

#include "base/strbuf.h"
#include "web/http.h"

enum { FAKE_PAIRS_MAX = 6 };

struct web_request {
	const char *path, *param;
	struct web_viewer viewer;
	struct web_caller caller;
	const char *query[FAKE_PAIRS_MAX][2], *form[FAKE_PAIRS_MAX][2];
	/* what came of it */
	unsigned status; /* 0: not answered yet */
	struct strbuf body;
	char seen[WEB_PATH_MAX], cookies[WEB_COOKIES_MAX][64];
	void (*gone)(void *ctx);
	void *gone_ctx;
};

struct web_stream {
	unsigned n_events;
	bool clear, ended;
	struct web_viewer viewer;
	void (*gone)(void *ctx);
	void *gone_ctx;
};
extern struct web_stream fake_stream; /* the one that there is */

/* By the table of the dashboard; fails without a route. */
void fake_get(void *ctx, struct web_request *r);
void fake_post(void *ctx, struct web_request *r);

#endif
