/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One page for one who looks: ask for one thing after the other, then show them. */
#include "base/jsonout.h"
#include "web/dashboard/dashboard_private.h"

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

static void visit_next(struct visit *v);

static void visit_free(struct visit *v)
{
	for (size_t l = 0; l < ARRAY_LEN(v->lists); l++)
		for (size_t i = 0; i < v->n[l]; i++)
			msg_object_free(v->lists[l][i]);
	for (size_t i = 0; i < WANT_N; i++)
		msg_object_free(v->answers[i]);
	msg_object_free(v->done);
	msg_object_free(v->refusal);
	free(v);
}

static void visit_gone(void *ctx)
{
	struct visit *v = ctx;

	v->r = NULL;
}

static const char *query(const struct visit *v, const char *name)
{
	const char *s = web_query(v->r, name);

	return s ? s : "";
}

static bool is_refusal(const msg_object *answer)
{
	return !msg_shown_true(answer, "ok");
}

/* --- showing --- */

static void page_fill(const struct visit *v, struct page *ret_p)
{
	const struct web_viewer *by = web_viewer(v->r);

	*ret_p = (struct page){
		.mesh = v->d->cfg.mesh,
		.zone = v->d->cfg.zone,
		.viewer = by->name,
		.admin = by->role == WEB_ADMIN,
		.proof = web_token(v->r),
		.now = v->d->cfg.unix_now(),
		.error = v->refusal ? msg_shown_text(v->refusal, "error") : NULL,
		.hint = v->refusal ? msg_shown_text(v->refusal, "hint") : NULL,
		.nodes = {(const msg_object *const *)v->lists[0], v->n[0]},
		.routes = {(const msg_object *const *)v->lists[1], v->n[1]},
		.status = v->answers[WANT_STATUS],
		.tokens = v->answers[WANT_TOKENS],
		.policy = v->answers[WANT_POLICY],
		.history = v->answers[WANT_HISTORY],
		.explained = v->answers[WANT_EXPLAINED],
		.proved = v->answers[WANT_PROVED],
		.id = web_param(v->r, 0),
		.search = query(v, "q"),
		.from = query(v, "from"),
		.to = query(v, "to"),
		.service = query(v, "service"),
		.statement = query(v, "statement"),
		.text = web_form(v->r, "text"),
	};
	if (v->done && *msg_shown_text(v->done, "token"))
		ret_p->token = v->done;
	else
		ret_p->tested = v->done;
}

static void visit_show(struct visit *v)
{
	struct strbuf out = {0};
	struct page p;

	page_fill(v, &p);
	if (v->refused && !v->action)
		page_refusal(&out, &p);
	else
		v->view->put(&out, &p);
	if (out.failed)
		web_refuse(v->r, 503, "the coordinator is out of memory");
	else
		web_answer(v->r, v->refused ? 409 : 200,
			&(struct web_body){.type = "text/html; charset=utf-8", .p = out.s, .n = out.len});
	strbuf_deinit(&out);
	visit_free(v);
}

/* --- asking --- */

static void refuse(struct visit *v, msg_object *answer_take)
{
	if (v->refusal)
		msg_object_free(answer_take);
	else
		v->refusal = answer_take;
}

/* A mesh without a policy is no refusal: the page says so. */
static void take_refusal(struct visit *v, msg_object *answer_take)
{
	bool needed = v->view->needs & 1u << v->next;

	if (needed && strcmp(msg_shown_text(answer_take, "code"), "no_policy") != 0)
		v->refused = true;
	if (v->refused || wants[v->next].private)
		refuse(v, answer_take);
	else
		msg_object_free(answer_take);
	v->next++;
}

static void take_page(struct visit *v, msg_object *answer_take)
{
	size_t l = v->next == WANT_ROUTES;

	v->lists[l][v->n[l]++] = answer_take;
	v->after = msg_shown_int(answer_take, "next");
	if (!v->after || v->n[l] == PAGES_MAX)
		v->next++;
}

static void answered(void *ctx, msg_object *answer_take)
{
	struct visit *v = ctx;

	if (!v->r) {
		msg_object_free(answer_take);
		visit_free(v);
		return;
	}
	if (!answer_take) {
		web_refuse(v->r, 503, "the coordinator is out of memory");
		visit_free(v);
		return;
	}
	if (is_refusal(answer_take)) {
		take_refusal(v, answer_take);
	} else if (wants[v->next].list) {
		take_page(v, answer_take);
	} else {
		v->answers[v->next++] = answer_take;
	}
	visit_next(v);
}

static void put_question(struct visit *v, struct jsonout *o)
{
	if (wants[v->next].list && v->after)
		jsonout_int(o, "after", v->after);
	if (v->next == WANT_EXPLAINED) {
		jsonout_text(o, "from", query(v, "from"));
		jsonout_text(o, "to", query(v, "to"));
		jsonout_text(o, "service", query(v, "service"));
	} else if (v->next == WANT_PROVED) {
		jsonout_text(o, "statement", query(v, "statement"));
	}
}

static void ask(struct visit *v, char *request_take, dashboard_reply_fn *reply)
{
	if (request_take)
		v->d->cfg.ask(v->d->cfg.ctx, web_viewer(v->r), request_take, reply, v);
	else
		reply(v, NULL);
	free(request_take);
}

static bool is_wanted(const struct visit *v)
{
	if (!(v->view->wants & 1u << v->next))
		return false;
	if (wants[v->next].admin && web_viewer(v->r)->role != WEB_ADMIN)
		return false;
	if (v->next == WANT_EXPLAINED)
		return *query(v, "from");
	return v->next != WANT_PROVED || *query(v, "statement");
}

static void visit_next(struct visit *v)
{
	struct jsonout o = {0};

	while (v->next < WANT_N && !is_wanted(v))
		v->next++;
	if (v->next == WANT_N || (v->refused && !v->action)) {
		visit_show(v);
		return;
	}
	jsonout_object(&o, NULL);
	jsonout_text(&o, "cmd", wants[v->next].cmd);
	put_question(v, &o);
	jsonout_object_end(&o);
	ask(v, jsonout_take(&o, NULL), answered);
}

/* --- what was posted --- */

static void see(struct visit *v)
{
	char path[WEB_PATH_MAX];

	snprintf(path, sizeof(path), "%s%.64s", v->action->back,
		strcmp(v->action->back, "/nodes/") == 0 ? web_param(v->r, 0) : "");
	web_see(v->r, path);
	visit_free(v);
}

static void acted(void *ctx, msg_object *answer_take)
{
	struct visit *v = ctx;

	if (!v->r || !answer_take) {
		answered(v, answer_take);
		return;
	}
	if (is_refusal(answer_take)) {
		v->refused = true;
		refuse(v, answer_take);
	} else {
		v->done = answer_take;
		if (v->action->back) {
			see(v);
			return;
		}
	}
	visit_next(v);
}

void visit_begin(struct dashboard *d, struct web_request *r, const struct view *view, const struct action *a)
{
	struct visit *v = calloc(1, sizeof(*v));

	if (!v) {
		web_refuse(r, 503, "the coordinator is out of memory");
		return;
	}
	v->d = d;
	v->r = r;
	v->view = view;
	v->action = a;
	web_keep(r, visit_gone, v);
	if (a)
		ask(v, action_request(a, r), acted);
	else
		visit_next(v);
}
