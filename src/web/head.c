/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/head.h"

#include <string.h>

#include "base/text.h"
#include "web/form.h"

/* What is wrong with a head, while it is read: the first thing counts. */
struct verdict {
	unsigned status;
	const char *sentence;
};

static void wrong(struct verdict *v, unsigned status, const char *sentence)
{
	if (!v->status)
		*v = (struct verdict){status, sentence};
}

static enum web_method method_of(struct http_span v)
{
	/* Methods are told apart by case (RFC 9110 9.1). */
	static const char *const names[] = {[WEB_GET] = "GET", [WEB_HEAD] = "HEAD", [WEB_POST] = "POST"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (v.n == strlen(names[i]) && memcmp(v.s, names[i], v.n) == 0)
			return (enum web_method)i;
	return WEB_OTHER;
}

static bool starts(struct http_span v, const char *text)
{
	return v.n >= strlen(text) && same_but_case(v.s, text, strlen(text));
}

/* The absolute form is what proxies are asked with, and its host outdoes the Host field (RFC 9112 3.2.2). */
static struct http_span target_without_host(struct http_span target, struct http_span *ret_authority)
{
	const size_t scheme = starts(target, "http://") ? 7 : starts(target, "https://") ? 8 : 0;

	if (!scheme)
		return target;
	target.s += scheme;
	target.n -= scheme;
	const char *slash = memchr(target.s, '/', target.n);
	const size_t n = slash ? (size_t)(slash - target.s) : target.n;

	*ret_authority = (struct http_span){target.s, n};
	return slash ? (struct http_span){slash, target.n - n} : (struct http_span){"/", 1};
}

static void read_target(struct http_span target, struct web_head *h, struct verdict *v)
{
	struct http_span path = target;

	if (http_until(&target, '?', &path))
		h->query = target;
	if (path.n == 0 || path.s[0] != '/')
		wrong(v, 400, "What is asked for does not begin with a slash.");
	else if (path.n >= sizeof(h->path))
		wrong(v, 414, "What is asked for is too long.");
	/* An escaped slash would be another path to whoever compares before decoding. */
	else if (bytes_find(path.s, path.n, "%2f", 3) || bytes_find(path.s, path.n, "%2F", 3) ||
		 web_decode(path.s, path.n, false, false, h->path) != TM_OK)
		wrong(v, 400, "What is asked for cannot be read.");
}

static void read_line(struct http_span line, struct web_head *h, struct verdict *v)
{
	struct http_span method, target;

	if (!http_until(&line, ' ', &method) || !http_until(&line, ' ', &target) || !http_is_token(method)) {
		wrong(v, 400, "This is no HTTP request.");
		return;
	}
	switch (http_version(line)) {
	case TM_OK:
		break;
	case TM_EVERSION:
		wrong(v, 505, "Only HTTP/1.1 is spoken here.");
		break;
	default:
		wrong(v, 400, "This is no HTTP request.");
	}
	h->method = method_of(method);
	read_target(target_without_host(target, &h->authority), h, v);
}

static bool read_number(struct http_span v, uint64_t *ret_n)
{
	uint64_t n = 0;

	for (size_t i = 0; i < v.n; i++) {
		if (v.s[i] < '0' || v.s[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(v.s[i] - '0');
	}
	if (v.n == 0 || v.n >= 16)
		return false;
	*ret_n = n;
	return true;
}

/* Fields that may be there once: a second one is another reading. */
enum once { HOST, LENGTH, ORIGIN, SITE, TYPE, COOKIE, ONCE_N };

static void read_once(enum once which, struct http_span value, struct web_head *h, struct verdict *v)
{
	switch (which) {
	case HOST:
		if (!h->authority.s)
			h->authority = value;
		break;
	case LENGTH:
		if (!read_number(value, &h->body))
			wrong(v, 400, "Content-Length is no number.");
		break;
	case ORIGIN:
		h->origin = value;
		break;
	case SITE:
		h->site = value;
		break;
	case TYPE:
		h->type = value;
		break;
	case COOKIE:
		h->cookie = value;
		break;
	case ONCE_N:
		break;
	}
}

static void read_field(
	struct http_span name, struct http_span value, unsigned *seen, struct web_head *h, struct verdict *v)
{
	static const char *const once[] = {[HOST] = "Host",
		[LENGTH] = "Content-Length",
		[ORIGIN] = "Origin",
		[SITE] = "Sec-Fetch-Site",
		[TYPE] = "Content-Type",
		[COOKIE] = "Cookie"};

	for (unsigned i = 0; i < ONCE_N; i++) {
		if (!http_is(name, once[i]))
			continue;
		if (*seen & 1U << i)
			wrong(v, 400, "A field is there twice that may be there once.");
		*seen |= 1U << i;
		read_once((enum once)i, value, h, v);
		return;
	}
	if (http_is(name, "Transfer-Encoding"))
		wrong(v, 411, "What is sent here needs a Content-Length.");
	else if (http_is(name, "Connection"))
		h->closes |= http_has_token(value, "close");
	else if (http_is(name, "Expect"))
		h->waits |= http_is(value, "100-continue");
}

/* Nothing, or ":80"; RFC 3986 3.2.3 allows a port without digits. */
static bool is_port(struct http_span v)
{
	for (size_t i = 1; i < v.n; i++)
		if (v.s[i] < '0' || v.s[i] > '9')
			return false;
	return v.n == 0 || v.s[0] == ':';
}

/* "[2001:db8::1]:80", "this.mesh:80", "THIS.mesh." */
static struct http_span host_of(struct http_span authority, bool *ret_good)
{
	struct http_span host = authority, rest;

	*ret_good = true;
	if (host.n > 0 && host.s[0] == '[') {
		rest = (struct http_span){host.s + 1, host.n - 1};
		*ret_good = http_until(&rest, ']', &host);
	} else {
		const char *colon = host.n ? memchr(host.s, ':', host.n) : NULL;

		host.n = colon ? (size_t)(colon - host.s) : host.n;
		rest = (struct http_span){host.s + host.n, authority.n - host.n};
	}
	*ret_good = *ret_good && is_port(rest);
	if (host.n > 0 && host.s[host.n - 1] == '.')
		host.n--;
	return host;
}

static void read_host(struct web_head *h, struct verdict *v)
{
	bool good;
	const struct http_span a = host_of(h->authority, &good);

	if (!good || a.n == 0 || a.n >= sizeof(h->host)) {
		wrong(v, 400, "The request does not say by which name this host is meant.");
		return;
	}
	for (size_t i = 0; i < a.n; i++)
		h->host[i] = a.s[i] >= 'A' && a.s[i] <= 'Z' ? (char)(a.s[i] + ('a' - 'A')) : a.s[i];
	h->host[a.n] = '\0';
}

unsigned web_head_parse(const char *p, size_t n, struct web_head *ret_head, const char **ret_sentence)
{
	struct http_span rest = {p, n}, name, value;
	struct verdict v = {0};
	unsigned seen = 0;
	bool bad = false;

	*ret_head = (struct web_head){.method = WEB_OTHER};
	read_line(http_line(&rest), ret_head, &v);
	while (http_field(&rest, &name, &value, &bad))
		read_field(name, value, &seen, ret_head, &v);
	if (bad)
		wrong(&v, 400, "A line of the request's head is no field.");
	if (!(seen & 1U << HOST)) /* a must, whatever the target says (RFC 9112 3.2) */
		wrong(&v, 400, "The request does not say by which name this host is meant.");
	read_host(ret_head, &v);
	*ret_sentence = v.sentence;
	return v.status;
}
