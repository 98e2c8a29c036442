/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/web/dashboard/fake_http.h"

#include "unit/unit.h"
#include "web/dashboard/dashboard.h"

struct web_stream fake_stream;

static const char *find(const char *const pairs[FAKE_PAIRS_MAX][2], const char *name)
{
	for (size_t i = 0; i < FAKE_PAIRS_MAX && pairs[i][0]; i++)
		if (strcmp(pairs[i][0], name) == 0)
			return pairs[i][1];
	return NULL;
}

const char *web_path(const struct web_request *r)
{
	return r->path;
}

const char *web_param(const struct web_request *r, size_t i UNUSED)
{
	return r->param;
}

const char *web_query(const struct web_request *r, const char *name)
{
	return find(r->query, name);
}

const char *web_form(const struct web_request *r, const char *name)
{
	return find(r->form, name);
}

const struct web_viewer *web_viewer(const struct web_request *r)
{
	return &r->viewer;
}

const struct web_caller *web_caller(const struct web_request *r)
{
	return &r->caller;
}

const char *web_token(struct web_request *r UNUSED)
{
	return "proven";
}

void web_answer(struct web_request *r, unsigned status, const struct web_body *b)
{
	assert_int_equal(r->status, 0);
	r->status = status;
	if (b->location)
		snprintf(r->seen, sizeof(r->seen), "%s", b->location);
	for (size_t i = 0; i < WEB_COOKIES_MAX; i++)
		if (b->cookies[i])
			snprintf(r->cookies[i], sizeof(r->cookies[i]), "%s", b->cookies[i]);
	if (b->n)
		strbuf_add(&r->body, b->p, b->n);
}

void web_refuse(struct web_request *r, unsigned status, const char *sentence)
{
	web_answer(r, status, &(struct web_body){.p = sentence, .n = strlen(sentence)});
}

void web_see(struct web_request *r, const char *path)
{
	assert_int_equal(r->status, 0);
	r->status = 303;
	snprintf(r->seen, sizeof(r->seen), "%s", path);
}

void web_keep(struct web_request *r, void (*gone)(void *ctx), void *ctx)
{
	r->gone = gone;
	r->gone_ctx = ctx;
}

struct web_stream *web_stream_begin(struct web_request *r, void (*gone)(void *ctx), void *ctx)
{
	fake_stream = (struct web_stream){.clear = true, .viewer = r->viewer, .gone = gone, .gone_ctx = ctx};
	return &fake_stream;
}

void web_stream_send(struct web_stream *s, const char *event, const char *data UNUSED, size_t n UNUSED)
{
	assert_string_equal(event, "changed");
	s->n_events++;
}

const struct web_viewer *web_stream_viewer(struct web_stream *s)
{
	return &s->viewer;
}

void web_stream_end(struct web_stream *s)
{
	s->ended = true;
}

bool web_stream_is_clear(struct web_stream *s)
{
	return s->clear;
}

static const struct web_route *route_of(const char *path)
{
	for (size_t i = 0; i < dashboard_routes_login_n; i++)
		if (strcmp(dashboard_routes[i].path, path) == 0)
			return &dashboard_routes[i];
	fail_msg("no route %s", path);
	return NULL;
}

void fake_get(void *ctx, struct web_request *r)
{
	route_of(r->path)->get(ctx, r);
}

void fake_post(void *ctx, struct web_request *r)
{
	route_of(r->path)->post(ctx, r);
}
