/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One page for one who looks: ask for one thing after the other, then show them. */
#include "base/jsonout.h"
#include "base/secret.h"
#include "web/dashboard/dashboard_private.h"
#include "web/pages/html.h"

#include <string.h>

static const struct {
	const char *cmd;
	bool admin; /* is only told to administrators: others are not to be refused for it */
	bool private; /* of what was asked for in the query */
} wants[WANT_N] = {
	[WANT_NODES] = {"node.list", false, false},
	[WANT_ROUTES] = {"route.list", false, false},
	[WANT_REPORTS] = {"report.list", false, false},
	[WANT_CLIENTS] = {"client.list", false, false},
	[WANT_REPORT] = {"report.node", false, true},
	[WANT_EVENTS] = {"event.list", false, false},
	[WANT_POLICY] = {"policy.get", true, false},
	[WANT_HISTORY] = {"policy.history", true, false},
	[WANT_TOKENS] = {"token.list", true, false},
	[WANT_EXPLAINED] = {"policy.explain", true, true},
	[WANT_PROVED] = {"policy.prove", true, true},
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
	wipe(s->private_key, sizeof(s->private_key));
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

/* Has what was posted made something that is shown this once? */
static bool shows_once(const struct showing *s)
{
	return s->done && (s->private_key[0] || *msg_shown_text(s->done, "token"));
}

static void refuse_without_memory(struct showing *s)
{
	web_refuse(s->r, 503,
		shows_once(s) ? "It is made, but there is no memory to show it, and nobody has its secret: "
				"remove it, and make another."
		: s->action   ? "The coordinator is out of memory: look whether it was done."
			      : "The coordinator is out of memory.");
}

static bool is_refusal(const msg_object *answer)
{
	return !msg_shown_true(answer, "ok");
}

/* --- showing --- */

static struct page_list list(const struct showing *s, enum want w)
{
	return (struct page_list){(const msg_object *const *)s->lists[w], s->n[w]};
}

/* Of which node a page is, or around which one a picture. */
static const char *id_of(const struct showing *s)
{
	const char *param = web_param(s->r, 0);

	return param ? param : query(s, "node");
}

/* What was asked for, and what came of it. */
static void fill_query(const struct showing *s, struct page *p)
{
	p->id = id_of(s);
	p->peer = query(s, "with");
	p->search = query(s, "q");
	p->from = query(s, "from");
	p->to = query(s, "to");
	p->service = query(s, "service");
	p->statement = query(s, "statement");
	p->text = web_form(s->r, "text");
}

static void fill_answers(const struct showing *s, struct page *p)
{
	p->nodes = list(s, WANT_NODES);
	p->routes = list(s, WANT_ROUTES);
	p->reports = list(s, WANT_REPORTS);
	p->clients = list(s, WANT_CLIENTS);
	p->report = s->answers[WANT_REPORT];
	p->events = s->answers[WANT_EVENTS];
	p->tokens = s->answers[WANT_TOKENS];
	p->policy = s->answers[WANT_POLICY];
	p->history = s->answers[WANT_HISTORY];
	p->explained = s->answers[WANT_EXPLAINED];
	p->proved = s->answers[WANT_PROVED];
}

static void fill_action(const struct showing *s, struct page *p)
{
	if (s->refusal) {
		p->error = msg_shown_text(s->refusal, "error");
		p->hint = msg_shown_text(s->refusal, "hint");
	}
	if (s->done && *msg_shown_text(s->done, "token")) {
		p->token = s->done;
	} else if (s->done && s->private_key[0]) {
		p->device = s->done;
		p->device_key = s->private_key;
	} else {
		p->tested = s->done;
	}
}

/* Is it the page of one that is not there? */
static bool is_gone(const struct showing *s)
{
	const struct page_list nodes = list(s, WANT_NODES);

	return strchr(s->sight->path, '+') && !page_next(&nodes, "nodes", &(struct page_at){0});
}

static void showing_put(struct showing *s)
{
	struct strbuf out = {0}, own = {0};
	struct page p;

	page_for(s->d, s->r, &p);
	p.proof = web_token(s->r);
	fill_query(s, &p);
	fill_answers(s, &p);
	fill_action(s, &p);
	if (s->action) {
		put_path(&own, s, s->sight->path);
		p.at = own.s;
	}
	if (s->refused && !s->action)
		page_refusal(&out, &p);
	else
		s->sight->put(&out, &p);
	if (out.failed)
		refuse_without_memory(s);
	else
		web_answer(s->r,
			s->refused   ? 409
			: is_gone(s) ? 404
				     : 200,
			&(struct web_body){.type = "text/html; charset=utf-8", .p = out.s, .n = out.len});
	if (s->private_key[0] && out.s)
		wipe(out.s, out.len);
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

/* Where the next page of the list begins; 0: at its beginning, or there is none. */
static int64_t next_page(const struct showing *s)
{
	const size_t n = s->n[s->next];

	return n ? msg_shown_int(s->lists[s->next][n - 1], "next") : 0;
}

static void take_page(struct showing *s, msg_object *answer_take)
{
	const enum want w = s->next;

	s->lists[w][s->n[w]++] = answer_take;
	if (!next_page(s) || s->n[w] == PAGES_MAX)
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
	if (!answer_take && !shows_once(s)) {
		refuse_without_memory(s);
		showing_free(s);
		return;
	}
	if (!answer_take) {
		s->next = WANT_N; /* without the rest */
	} else if (is_refusal(answer_take)) {
		take_refusal(s, answer_take);
	} else if (s->next < WANT_LISTS) {
		take_page(s, answer_take);
	} else {
		s->answers[s->next++] = answer_take;
	}
	showing_next(s);
}

/* Events of before that number, if one was given. */
static void put_before(struct showing *s, struct jsonout *o)
{
	const char *before = query(s, "before");
	char *end;
	const long long n = strtoll(before, &end, 10);

	jsonout_bool(o, "newest", true);
	if (*before && !*end && n > 0)
		jsonout_int(o, "before", n);
}

/* Whoever looks at reports looks on: the script fetches the page again. */
static void put_node(struct showing *s, struct jsonout *o)
{
	jsonout_text(o, "node", id_of(s));
	if (*query(s, "with"))
		jsonout_text(o, "peer", query(s, "with"));
	jsonout_bool(o, "watch", true);
}

static void put_question(struct showing *s, struct jsonout *o)
{
	if (s->next < WANT_LISTS && next_page(s))
		jsonout_int(o, "after", next_page(s));
	if (s->next == WANT_NODES && strchr(s->sight->path, '+')) /* the page of one */
		jsonout_text(o, "node", web_param(s->r, 0));
	else if (s->next == WANT_REPORTS)
		jsonout_bool(o, "watch", true);
	else if (s->next == WANT_REPORT)
		put_node(s, o);
	else if (s->next == WANT_EVENTS)
		put_before(s, o);
	else if (s->next == WANT_PROVED)
		jsonout_text(o, "statement", query(s, "statement"));
	if (s->next != WANT_EXPLAINED)
		return;
	jsonout_text(o, "from", query(s, "from"));
	jsonout_text(o, "to", query(s, "to"));
	jsonout_text(o, "service", query(s, "service"));
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
		refuse_without_memory(s);
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
		web_refuse(r, 503, "The coordinator is out of memory.");
		return;
	}
	s->d = d;
	s->r = r;
	s->sight = sight;
	s->action = a;
	web_keep(r, showing_gone, s);
	if (a)
		ask(s, action_request(a, r, s->private_key), acted);
	else
		showing_next(s);
}
