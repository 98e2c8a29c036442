/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <string.h>

#include "base/secret.h"
#include "web/server.h"

static uint32_t body_max(const struct web_route *route)
{
	return route->body_max ? route->body_max : WEB_BODY_MAX;
}

/* A page of another site can make a browser ask this host by a name of its own (DNS rebinding): then the Host
 * field has that name. An address cannot be had that way. */
static bool host_is_ours(const struct web_request *r)
{
	const struct web_config *cfg = &r->visit->server->cfg;
	struct ip ip;

	return ip_parse(r->head.host, &ip) == TM_OK || (cfg->is_host && cfg->is_host(cfg->ctx, r->head.host));
}

static web_handler_fn *handler_of(const struct web_request *r)
{
	switch (r->head.method) {
	case WEB_GET:
	case WEB_HEAD:
		return r->route->get;
	case WEB_POST:
		return r->route->post;
	case WEB_OTHER:
		break;
	}
	return NULL;
}

/* Only of what names and addresses consist of: it goes back as a part of an address. */
static bool is_name(struct http_span authority)
{
	for (size_t i = 0; i < authority.n; i++) {
		const char c = authority.s[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			(!c || !strchr(".-_:[]", c)))
			return false;
	}
	return true;
}

static bool comes_as_it_must(const struct web_request *r)
{
	const struct web_config *cfg = &r->visit->server->cfg;

	return r->caller.tls || !cfg->may_be_plain || cfg->may_be_plain(cfg->ctx, &r->caller);
}

/* The same port speaks TLS. What was posted is not taken: it was to be read on its way. */
static void lead_to_tls(struct web_request *r)
{
	struct strbuf at = {0};

	strbuf_puts(&at, "https://");
	strbuf_add(&at, r->head.authority.s, r->head.authority.n);
	strbuf_puts(&at, "/");
	if (!at.failed)
		web_see(r, at.s);
	else
		web_refuse(r, 503, "There is no memory for this.");
	strbuf_deinit(&at);
}

/* As a string: behind it is the end of its line, at which nobody looks any more. */
static const char *cookie_of(struct web_request *r)
{
	const struct http_span v = r->head.cookie;

	if (v.n == 0)
		return NULL;
	char *text = r->text + (v.s - r->text);
	text[v.n] = '\0';
	return text;
}

static bool comes_by(struct http_span origin, const char *scheme)
{
	const size_t n = strlen(scheme);

	return origin.n > n && same_but_case(origin.s, scheme, n);
}

static unsigned judge(struct web_request *r, const char **ret_sentence)
{
	const struct web_config *cfg = &r->visit->server->cfg;

	if (!host_is_ours(r)) {
		*ret_sentence = "By that name this host is not to be asked: it is not one of its own.";
		return 421;
	}
	r->caller = r->visit->caller;
	r->caller.cookie = cookie_of(r);
	r->caller.https = r->caller.tls || comes_by(r->head.origin, "https://");
	if (cfg->who)
		cfg->who(cfg->ctx, &r->caller, &r->viewer);
	r->visit->known = r->viewer.role != WEB_ANYONE;
	if (!web_spend(&r->visit->server->spending, &r->viewer, &r->caller.from.ip, time_monotonic())) {
		r->head.closes = true;
		*ret_sentence = "This is too much at once: wait some seconds, then ask again.";
		return 429;
	}
	if (!comes_as_it_must(r)) {
		*ret_sentence = "Ask this host by https.";
		return is_name(r->head.authority) ? 303 : 400;
	}
	r->route = route_find(cfg->routes, cfg->n_routes, r->head.path, r->params, &r->n_params);
	if (!r->route) {
		*ret_sentence = "There is nothing at this address.";
		return 404;
	}
	if (!handler_of(r)) {
		*ret_sentence = "That cannot be done with this address.";
		return 405;
	}
	if (r->viewer.role < r->route->who) {
		*ret_sentence =
			r->route->who == WEB_ADMIN
				? "This is for those who look after the mesh: you are not one of them."
				: "This is for members of the mesh: you are not known as one.";
		return 403;
	}
	if (r->head.body > body_max(r->route)) {
		*ret_sentence = "What is sent is too long.";
		return 413;
	}
	return 0;
}

bool request_may(struct web_request *r)
{
	const char *sentence;
	const unsigned status = judge(r, &sentence);

	if (status == 303)
		lead_to_tls(r);
	else if (status)
		web_refuse(r, status, sentence);
	return !status;
}

/* A browser says which site a post comes from. Over http it leaves Sec-Fetch-Site out, but Origin is always
 * there; other programs send neither, and need the token all the same. */
static bool is_same_site(const struct web_head *h)
{
	struct http_span origin = h->origin;

	if (h->site.s && !http_is(h->site, "same-origin"))
		return false;
	if (!origin.s)
		return true;
	for (size_t i = 0; i < 2; i++) {
		const char *scheme = i ? "https://" : "http://";
		const size_t n = strlen(scheme);

		if (comes_by(origin, scheme))
			return origin.n - n == h->authority.n &&
			       same_but_case(origin.s + n, h->authority.s, h->authority.n);
	}
	return false;
}

static bool is_form(struct http_span type)
{
	struct http_span kind;

	if (!http_until(&type, ';', &kind))
		kind = type;
	return http_is(http_trim(kind), "application/x-www-form-urlencoded");
}

static unsigned read_body(struct web_request *r, const char *body, size_t n, const char **ret_sentence)
{
	int err;

	if (!is_form(r->head.type)) {
		*ret_sentence = "Only what a form sends is taken here.";
		return 415;
	}
	err = web_form_parse(body, n, &r->form);
	if (err) {
		*ret_sentence =
			err == TM_ENOMEM ? "There is no memory for this." : "The form cannot be read.";
		return err == TM_ENOMEM ? 503 : 400;
	}
	if (!is_same_site(&r->head) || !token_fits(r, web_form(r, "token"))) {
		*ret_sentence = "This did not come from a page of this server, or the page is too old: load "
				"it again.";
		return 403;
	}
	return 0;
}

void request_handle(struct web_request *r, const char *body, size_t n)
{
	const struct web_config *cfg = &r->visit->server->cfg;
	const char *sentence = "The query cannot be read.";
	unsigned status = web_form_parse(r->head.query.s, r->head.query.n, &r->query) ? 400 : 0;

	if (!status && r->head.method == WEB_POST)
		status = read_body(r, body, n, &sentence);
	if (status) {
		web_refuse(r, status, sentence);
		return;
	}
	r->state = REQUEST_HANDLED;
	handler_of(r)(cfg->routes_ctx ? cfg->routes_ctx : cfg->ctx, r);
	if (r->state == REQUEST_HANDLED)
		web_refuse(r, 500, "This was not answered.");
}

void request_free(struct web_request *r)
{
	if (!r)
		return;
	web_form_deinit(&r->query);
	web_form_deinit(&r->form);
	wipe(r->text, r->head_len); /* cookies */
	free(r);
}

/* --- what a handler reads --- */

const char *web_path(const struct web_request *r)
{
	return r->head.path;
}

const char *web_param(const struct web_request *r, size_t i)
{
	return i < r->n_params ? r->params[i] : NULL;
}

const char *web_query(const struct web_request *r, const char *name)
{
	return web_form_get(&r->query, name);
}

const char *web_form(const struct web_request *r, const char *name)
{
	return web_form_get(&r->form, name);
}

const struct web_viewer *web_viewer(const struct web_request *r)
{
	return &r->viewer;
}

const struct web_caller *web_caller(const struct web_request *r)
{
	return &r->caller;
}

void web_keep(struct web_request *r, void (*gone)(void *ctx), void *ctx)
{
	r->state = REQUEST_KEPT;
	r->gone = gone;
	r->gone_ctx = ctx;
}
