/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <string.h>
#include <time.h>

#include "loop/timer.h"
#include "web/server.h"

/*
 * Of every answer. Nothing is loaded from elsewhere, run that is not a file of ours, framed, or guessed at.
 * Referrer-Policy is same-origin and not no-referrer, by which browsers leave the origin out of a post of
 * ours, too.
 */
static const char fixed_fields[] =
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"X-Frame-Options: DENY\r\n"
	"Referrer-Policy: same-origin\r\n"
	"Cross-Origin-Resource-Policy: same-origin\r\n";

static const char *reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *text;
	} reasons[] = {{200, "OK"}, {303, "See Other"}, {400, "Bad Request"}, {403, "Forbidden"},
		{404, "Not Found"}, {405, "Method Not Allowed"}, {409, "Conflict"}, {411, "Length Required"},
		{413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
		{421, "Misdirected Request"}, {429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
		{503, "Service Unavailable"}, {505, "HTTP Version Not Supported"}};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}

static void add_date(struct strbuf *b)
{
	const time_t now = (time_t)(time_real() / SEC);
	char text[64];
	struct tm tm;

	if (gmtime_r(&now, &tm) && strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm))
		strbuf_printf(b, "Date: %s\r\n", text);
}

/* What RFC 9110 15.5.6 asks for. */
static void add_allow(struct strbuf *b, const struct web_route *route)
{
	strbuf_printf(b, "Allow: %s%s%s\r\n", route->get ? "GET, HEAD" : "",
		route->get && route->post ? ", " : "", route->post ? "POST" : "");
}

void answer_head(struct strbuf *b, const struct web_request *r, unsigned status, const struct web_body *body)
{
	strbuf_printf(b, "HTTP/1.1 %u %s\r\n", status, reason(status));
	add_date(b);
	strbuf_puts(b, fixed_fields);
	strbuf_printf(b, "Cache-Control: %s\r\n",
		body->immutable ? "public, max-age=31536000, immutable" : "no-store");
	if (body->type)
		strbuf_printf(b, "Content-Type: %s\r\n", body->type);
	if (body->location)
		strbuf_printf(b, "Location: %s\r\n", body->location);
	for (size_t i = 0; i < WEB_COOKIES_MAX; i++)
		if (body->cookies[i])
			strbuf_printf(b, "Set-Cookie: %s\r\n", body->cookies[i]);
	if (status == 405 && r->route)
		add_allow(b, r->route);
	if (r->head.closes)
		strbuf_puts(b, "Connection: close\r\n");
}

bool answer_is_owed(const struct web_request *r)
{
	return r->state != REQUEST_ANSWERED && r->state != REQUEST_STREAMS && !r->visit->conn.over;
}

void web_answer(struct web_request *r, unsigned status, const struct web_body *body)
{
	struct web_server *s = r->visit->server;
	struct strbuf b = {0};

	if (!answer_is_owed(r))
		return;
	if (r->state == REQUEST_READ && r->head.body > 0)
		r->head.closes = true; /* its body is not read */
	answer_head(&b, r, status, body);
	strbuf_printf(&b, "Content-Length: %zu\r\n\r\n", body->n);
	if (r->head.method != WEB_HEAD)
		strbuf_add(&b, body->p, body->n);
	visit_send(r->visit, &b);
	strbuf_deinit(&b);
	if (r->state == REQUEST_KEPT)
		loop_timer_at(s->soon, 0);
	r->state = REQUEST_ANSWERED;
	s->counters.requests++;
	s->counters.refused += status >= 400;
	web_spend_answer(&s->spending, &r->viewer, &r->visit->caller.from.ip, body->n, time_monotonic());
}

void web_charge(struct web_server *s, const struct web_viewer *by, size_t bytes)
{
	const struct ip nowhere = {0}; /* it is known by itself */

	web_spend_answer(&s->spending, by, &nowhere, bytes, time_monotonic());
}

void answer_refuse_plainly(struct web_request *r, unsigned status, const char *sentence)
{
	struct strbuf b = {0};

	strbuf_printf(&b, "%s\n", sentence);
	web_answer(r, status,
		&(struct web_body){.type = "text/plain; charset=utf-8", .p = b.s, .n = b.failed ? 0 : b.len});
	strbuf_deinit(&b);
}

void web_refuse(struct web_request *r, unsigned status, const char *sentence)
{
	const struct web_config *cfg = &r->visit->server->cfg;

	if (cfg->refuse)
		cfg->refuse(cfg->ctx, r, status, sentence);
	answer_refuse_plainly(r, status, sentence); /* goes nowhere when it has been answered */
}

void web_see(struct web_request *r, const char *path)
{
	web_answer(r, 303, &(struct web_body){.location = path});
}
