/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One page for one who looks: ask for one thing after the other, then show them. */
#include "base/jsonout.h"
#include "web/dashboard/dashboard_private.h"
#include "web/pages/html.h"

#include <string.h>

static const struct {
	const char *cmd, *list; /* list: key of what comes in pages */
	bool admin; /* is only told to administrators: others are not to be refused for it */
	bool private; /* of what was asked for in the query */
} wants[WANT_N] = {
	[WANT_NODES] = {"node.list", "nodes", false, false},
	[WANT_ROUTES] = {"route.list", "routes", false, false},
	[WANT_STATUS] = {"status", NULL, true, false},
	[WANT_POLICY] = {"policy.get", NULL, true, false},
	[WANT_HISTORY] = {"policy.history", NULL, true, false},
	[WANT_TOKENS] = {"token.list", NULL, true, false},
	[WANT_EXPLAINED] = {"policy.explain", NULL, true, true},
	[WANT_PROVED] = {"policy.prove", NULL, true, true},
};

static void showing_next(struct showing *s);

static void showing_free(struct showing *s)
{
	for (size_t l = 0; l < ARRAY_LEN(s->lists); l++)
		for (size_t i = 0; i < s->n[l]; i++)
			msg_object_free(s->lists[l][i]);
	for (size_t i = 0; i < WANT_N; i++)
		msg_object_free(s->answers[i]);
	msg_object_free(s->done);
	msg_object_free(s->refusal);
	free(s);
}

static void showing_gone(void *ctx)
{
	struct showing *s = ctx;

	s->r = NULL;
}

static const char *query(const struct showing *s, const char *name)
{
	const char *value = web_query(s->r, name);

	return value ? value : "";
}

/* Of a route and what its plus stands for. */
static void put_path(struct strbuf *out, const struct showing *s, const char *route)
{
	size_t n = strcspn(route, "+");

	strbuf_add(out, route, n);
	if (!route[n])
		return;
	html_put_url(out, web_param(s->r, 0));
	strbuf_puts(out, route + n + 1);
}

static bool is_refusal(const msg_object *answer)
{
	return !msg_shown_true(answer, "ok");
}

/* --- showing --- */

static void page_fill(const struct showing *s, struct page *ret_p)
{
	const struct web_viewer *by = web_viewer(s->r);

	*ret_p = (struct page){
		.mesh = s->d->cfg.mesh,
		.zone = s->d->cfg.zone,
		.viewer = by->name,
		.admin = by->role == WEB_ADMIN,
		.proof = web_token(s->r),
		.now = s->d->cfg.unix_now(),
		.error = s->refusal ? msg_shown_text(s->refusal, "error") : NULL,
		.hint = s->refusal ? msg_shown_text(s->refusal, "hint") : NULL,
		.nodes = {(const msg_object *const *)s->lists[0], s->n[0]},
		.routes = {(const msg_object *const *)s->lists[1], s->n[1]},
		.status = s->answers[WANT_STATUS],
		.tokens = s->answers[WANT_TOKENS],
		.policy = s->answers[WANT_POLICY],
		.history = s->answers[WANT_HISTORY],
		.explained = s->answers[WANT_EXPLAINED],
		.proved = s->answers[WANT_PROVED],
		.id = web_param(s->r, 0),
		.search = query(s, "q"),
		.from = query(s, "from"),
		.to = query(s, "to"),
		.service = query(s, "service"),
		.statement = query(s, "statement"),
		.text = web_form(s->r, "text"),
	};
	if (s->done && *msg_shown_text(s->done, "token"))
		ret_p->token = s->done;
	else
		ret_p->tested = s->done;
}

static void showing_put(struct showing *s)
{
	struct strbuf out = {0}, own = {0};
	struct page p;

	page_fill(s, &p);
	if (s->action) {
		put_path(&own, s, s->sight->path);
		p.at = own.s;
	}
	if (s->refused && !s->action)
		page_refusal(&out, &p);
	else
		s->sight->put(&out, &p);
	if (out.failed)
		web_refuse(s->r, 503, "the coordinator is out of memory");
	else
		web_answer(s->r, s->refused ? 409 : 200,
			&(struct web_body){.type = "text/html; charset=utf-8", .p = out.s, .n = out.len});
	strbuf_deinit(&out);
	strbuf_deinit(&own);
	showing_free(s);
}

/* --- asking --- */

static void refuse(struct showing *s, msg_object *answer_take)
{
	if (s->refusal)
		msg_object_free(answer_take);
	else
		s->refusal = answer_take;
}

/* A mesh without a policy is no refusal: the page says so. */
static void take_refusal(struct showing *s, msg_object *answer_take)
{
	bool needed = s->sight->needs & 1u << s->next;

	if (needed && strcmp(msg_shown_text(answer_take, "code"), "no_policy") != 0)
		s->refused = true;
	if (s->refused || wants[s->next].private)
		refuse(s, answer_take);
	else
		msg_object_free(answer_take);
	s->next++;
}

static size_t list_of(const struct showing *s)
{
	return s->next == WANT_ROUTES;
}

/* Where the next page of the list begins; 0: at its beginning, or there is none. */
static int64_t next_page(const struct showing *s)
{
	size_t l = list_of(s);

	return s->n[l] ? msg_shown_int(s->lists[l][s->n[l] - 1], "next") : 0;
}

static void take_page(struct showing *s, msg_object *answer_take)
{
	size_t l = list_of(s);

	s->lists[l][s->n[l]++] = answer_take;
	if (!next_page(s) || s->n[l] == PAGES_MAX)
		s->next++;
}

static void answered(void *ctx, msg_object *answer_take)
{
	struct showing *s = ctx;

	if (!s->r) {
		msg_object_free(answer_take);
		showing_free(s);
		return;
	}
	if (!answer_take) {
		web_refuse(s->r, 503, "the coordinator is out of memory");
		showing_free(s);
		return;
	}
	if (is_refusal(answer_take)) {
		take_refusal(s, answer_take);
	} else if (wants[s->next].list) {
		take_page(s, answer_take);
	} else {
		s->answers[s->next++] = answer_take;
	}
	showing_next(s);
}

static void put_question(struct showing *s, struct jsonout *o)
{
	if (wants[s->next].list && next_page(s))
		jsonout_int(o, "after", next_page(s));
	if (s->next == WANT_EXPLAINED) {
		jsonout_text(o, "from", query(s, "from"));
		jsonout_text(o, "to", query(s, "to"));
		jsonout_text(o, "service", query(s, "service"));
	} else if (s->next == WANT_PROVED) {
		jsonout_text(o, "statement", query(s, "statement"));
	}
}

static void ask(struct showing *s, char *request_take, dashboard_reply_fn *reply)
{
	if (request_take)
		s->d->cfg.ask(s->d->cfg.ctx, web_viewer(s->r), request_take, reply, s);
	else
		reply(s, NULL);
	free(request_take);
}

static bool is_wanted(const struct showing *s)
{
	if (!(s->sight->wants & 1u << s->next))
		return false;
	if (wants[s->next].admin && web_viewer(s->r)->role != WEB_ADMIN)
		return false;
	if (s->next == WANT_EXPLAINED)
		return *query(s, "from");
	return s->next != WANT_PROVED || *query(s, "statement");
}

static void showing_next(struct showing *s)
{
	struct jsonout o = {0};

	while (s->next < WANT_N && !is_wanted(s))
		s->next++;
	if (s->next == WANT_N || (s->refused && !s->action)) {
		showing_put(s);
		return;
	}
	jsonout_object(&o, NULL);
	jsonout_text(&o, "cmd", wants[s->next].cmd);
	put_question(s, &o);
	jsonout_object_end(&o);
	ask(s, jsonout_take(&o, NULL), answered);
}

/* --- what was posted --- */

static void see(struct showing *s)
{
	struct strbuf path = {0};

	put_path(&path, s, s->action->back);
	if (path.failed)
		web_refuse(s->r, 503, "the coordinator is out of memory");
	else
		web_see(s->r, path.s);
	strbuf_deinit(&path);
	showing_free(s);
}

static void acted(void *ctx, msg_object *answer_take)
{
	struct showing *s = ctx;

	if (!s->r || !answer_take) {
		answered(s, answer_take);
		return;
	}
	if (is_refusal(answer_take)) {
		s->refused = true;
		refuse(s, answer_take);
	} else {
		s->done = answer_take;
		if (s->action->back) {
			see(s);
			return;
		}
	}
	showing_next(s);
}

void showing_begin(
	struct dashboard *d, struct web_request *r, const struct sight *sight, const struct action *a)
{
	struct showing *s = calloc(1, sizeof(*s));

	if (!s) {
		web_refuse(r, 503, "the coordinator is out of memory");
		return;
	}
	s->d = d;
	s->r = r;
	s->sight = sight;
	s->action = a;
	web_keep(r, showing_gone, s);
	if (a)
		ask(s, action_request(a, r), acted);
	else
		showing_next(s);
}
