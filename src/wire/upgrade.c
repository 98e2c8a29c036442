/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/upgrade.h"

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "wire/http.h"

#include <stdio.h>
#include <string.h>

#define UPGRADE_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */

enum { SHA1_LEN = 20, KEY_TEXT = BASE64_LEN(UPGRADE_KEY) };
_Static_assert(BASE64_LEN(SHA1_LEN) == UPGRADE_ACCEPT_LEN, "RFC 6455 4.2.2");

void upgrade_accept(const char *key_text, size_t key_text_len, char ret_accept[static UPGRADE_ACCEPT_LEN + 1])
{
	char joined[KEY_TEXT + sizeof(UPGRADE_GUID)] = {0};
	size_t n = MIN(key_text_len, (size_t)KEY_TEXT);
	uint8_t digest[SHA1_LEN];

	memcpy(joined, key_text, n);
	memcpy(joined + n, UPGRADE_GUID, sizeof(UPGRADE_GUID) - 1);
	sha1(joined, n + sizeof(UPGRADE_GUID) - 1, digest);
	base64_encode(digest, sizeof(digest), ret_accept);
}

/* Visible ASCII only: what may stand in a request line or a Host header without ending it. */
static bool is_visible(const char *s)
{
	const char *at = s;

	while (*at > ' ' && *at < 0x7f)
		at++;
	return *at == '\0' && at != s;
}

/* Whole lines, so that the head cannot end early. */
static bool extra_valid(const char *extra)
{
	size_t n = strlen(extra);

	if (n < 2 || strcmp(extra + n - 2, "\r\n") != 0)
		return n == 0;
	return extra[0] != '\r' && !strstr(extra, "\r\n\r\n");
}

int upgrade_request_format(const struct upgrade_offer *o, char *out, size_t out_len, size_t *ret_n)
{
	const char *extra = o->extra ? o->extra : "";
	char key[KEY_TEXT + 1];

	if (!is_visible(o->host) || !is_visible(o->path) || o->path[0] != '/' || !extra_valid(extra))
		return TM_EINVAL;

	base64_encode(o->key, UPGRADE_KEY, key);
	int n = snprintf(out, out_len,
		"GET %s HTTP/1.1\r\n"
		"Host: %s\r\n"
		"Upgrade: websocket\r\n"
		"Connection: Upgrade\r\n"
		"Sec-WebSocket-Key: %s\r\n"
		"Sec-WebSocket-Version: 13\r\n"
		"%s\r\n",
		o->path, o->host, key, extra);
	if (n < 0 || (size_t)n >= out_len)
		return TM_EFULL;

	*ret_n = (size_t)n;
	return TM_OK;
}

/* The header fields that matter to either side. Repeated ones of which there may be only one are an error. */
struct fields {
	struct http_span host, key, version, accept, retry_after;
	unsigned n_host, n_key, n_version, n_accept;
	bool upgrade_websocket, connection_upgrade;
	bool extensions, protocol, body;
};

static void single(struct http_span v, struct http_span *field, unsigned *count)
{
	*field = v;
	++*count;
}

static void field_set(struct fields *f, struct http_span name, struct http_span v)
{
	if (http_is(name, "Host"))
		single(v, &f->host, &f->n_host);
	else if (http_is(name, "Upgrade"))
		f->upgrade_websocket |= http_has_token(v, "websocket");
	else if (http_is(name, "Connection"))
		f->connection_upgrade |= http_has_token(v, "Upgrade");
	else if (http_is(name, "Sec-WebSocket-Key"))
		single(v, &f->key, &f->n_key);
	else if (http_is(name, "Sec-WebSocket-Version"))
		single(v, &f->version, &f->n_version);
	else if (http_is(name, "Sec-WebSocket-Accept"))
		single(v, &f->accept, &f->n_accept);
	else if (http_is(name, "Retry-After"))
		f->retry_after = v;
	else if (http_is(name, "Sec-WebSocket-Extensions"))
		f->extensions = true;
	else if (http_is(name, "Sec-WebSocket-Protocol"))
		f->protocol = true;
	else if (http_is(name, "Transfer-Encoding") || (http_is(name, "Content-Length") && !http_is(v, "0")))
		f->body = true;
}

static bool fields_parse(struct http_span rest, struct fields *ret_f)
{
	struct fields f = {0};
	struct http_span name, value;
	bool bad = false;

	while (http_field(&rest, &name, &value, &bad))
		field_set(&f, name, value);
	if (!bad)
		*ret_f = f;
	return !bad;
}

/* 16 bytes in base64: 24 characters are no less, and there is no room for more. */
static bool key_valid(struct http_span v)
{
	uint8_t key[UPGRADE_KEY];
	size_t n;

	return v.n == KEY_TEXT && base64_decode(v.s, v.n, key, sizeof(key), &n) == TM_OK;
}

/* Does the target end in the path, perhaps with a query? */
static bool path_matches(struct http_span target, const char *path)
{
	const char *query = memchr(target.s, '?', target.n);
	size_t n = strlen(path), target_n = query ? (size_t)(query - target.s) : target.n;

	return target_n >= n && target.s[0] == '/' && memcmp(target.s + target_n - n, path, n) == 0;
}

static bool paths_match(struct http_span target, const char *const *paths, size_t *ret_path)
{
	for (size_t i = 0; paths[i]; i++) {
		if (path_matches(target, paths[i])) {
			*ret_path = i;
			return true;
		}
	}
	return false;
}

/* The status that answers a well-formed request: RFC 6455 4.2.1 and 4.2.2. */
static int judge(struct http_span method, struct http_span target, const char *const *paths,
	const struct fields *f, size_t *ret_path)
{
	if (f->n_host != 1 || f->host.n == 0 || f->body) /* RFC 9112 3.2 */
		return 400;
	if (!paths_match(target, paths, ret_path))
		return 404;
	if (method.n != 3 || memcmp(method.s, "GET", 3) != 0)
		return 405;
	if (!f->upgrade_websocket || !f->connection_upgrade)
		return 426;
	if (f->n_version != 1 || !http_is(f->version, "13"))
		return 426;
	if (f->n_key != 1 || !key_valid(f->key))
		return 400;
	return 101;
}

int upgrade_request_parse(const char *p, size_t n, const char *const *paths, struct upgrade_request *ret_req)
{
	struct upgrade_request req = {.status = 400};
	struct http_span method, target;
	struct fields f;

	/* A method starts the head: TLS, binary noise or an empty line are told by their first byte. */
	if (n > 0 && !http_is_tchar(p[0]))
		return TM_EBADMSG;

	int err = http_head_end(p, n, &req.head_len);
	if (err == TM_EFULL) {
		req.status = 431;
		req.head_len = UPGRADE_HEAD_MAX;
		*ret_req = req;
		return TM_OK;
	}
	if (err)
		return err;

	struct http_span rest = {p, req.head_len};
	struct http_span line = http_line(&rest);
	if (!http_until(&line, ' ', &method) || !http_until(&line, ' ', &target))
		return TM_EBADMSG;
	err = http_version(line);
	if (err == TM_EBADMSG || !http_is_token(method) || target.n == 0)
		return TM_EBADMSG;

	if (err == TM_EVERSION)
		req.status = 505;
	else if (fields_parse(rest, &f))
		req.status = judge(method, target, paths, &f, &req.path);
	if (req.status == 101) {
		upgrade_accept(f.key.s, f.key.n, req.accept);
		if (f.host.n <= UPGRADE_HOST_MAX)
			memcpy(req.host, f.host.s, f.host.n);
	}
	*ret_req = req;
	return TM_OK;
}

static const char *reason(int status)
{
	switch (status) {
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 426:
		return "Upgrade Required";
	case 431:
		return "Request Header Fields Too Large";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Bad Request";
	}
}

/* Header lines that a status must carry (RFC 9110 15.5.6, 15.5.22; RFC 6455 4.2.2). */
static const char *status_lines(int status)
{
	switch (status) {
	case 405:
		return "Allow: GET\r\n";
	case 426:
		return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
	default:
		return "";
	}
}

size_t upgrade_response_format(const struct upgrade_request *req, char *out, size_t out_len)
{
	int n;

	if (req->status == 101)
		n = snprintf(out, out_len,
			"HTTP/1.1 101 Switching Protocols\r\n"
			"Upgrade: websocket\r\n"
			"Connection: Upgrade\r\n"
			"Sec-WebSocket-Accept: %s\r\n"
			"\r\n",
			req->accept);
	else
		n = snprintf(out, out_len,
			"HTTP/1.1 %d %s\r\n"
			"%s"
			"Connection: %s\r\n"
			"Content-Length: 0\r\n"
			"\r\n",
			req->status, reason(req->status), status_lines(req->status),
			req->status == 426 ? "Upgrade, close" : "close");
	return n < 0 || (size_t)n >= out_len ? 0 : (size_t)n;
}

/* Seconds (RFC 9110 10.2.3). The other form, a date, needs a clock that both agree on: as if nothing was
 * said. */
static unsigned retry_after_parse(struct http_span v)
{
	unsigned s = 0;

	for (size_t i = 0; i < v.n; i++) {
		if (v.s[i] < '0' || v.s[i] > '9')
			return 0;
		s = MIN(s * 10 + (unsigned)(v.s[i] - '0'), (unsigned)UPGRADE_RETRY_MAX_S);
	}
	return s;
}

/* An answer with another status than 101. */
static int refusal(int status, struct http_span rest, struct upgrade_answer *ret_answer, struct diag *d)
{
	struct fields f;

	/* 426 is the coordinator's to who does not ask for an upgrade: a proxy left that out. */
	if (status == 426 || status == 505)
		return diag_what(d, TM_EPROTO,
			"HTTP status %d: a proxy there must speak HTTP/1.1 and pass the header Upgrade on",
			status);
	if (status != 503)
		return diag_what(d, TM_EPROTO,
			"the server answered with HTTP status %d instead of opening a WebSocket", status);

	*ret_answer = (struct upgrade_answer){
		.retry_after_s = fields_parse(rest, &f) ? retry_after_parse(f.retry_after) : 0};
	return diag_what(d, TM_EBUSY, "the server is overloaded");
}

int upgrade_response_parse(const char *p, size_t n, const uint8_t key[static UPGRADE_KEY],
	struct upgrade_answer *ret_answer, struct diag *d)
{
	char key_text[KEY_TEXT + 1], accept[UPGRADE_ACCEPT_LEN + 1];
	size_t head_len;
	struct fields f;
	int status;

	if (n > 0 && p[0] != 'H')
		return diag_what(d, TM_EBADMSG, "the answer is not HTTP");

	int err = http_head_end(p, n, &head_len);
	if (err == TM_EAGAIN)
		return err;
	if (err)
		return diag_what(
			d, err, err == TM_EFULL ? "the HTTP answer is too long" : "the answer is not HTTP");

	struct http_span rest = {p, head_len};
	if (http_status(http_line(&rest), &status))
		return diag_what(d, TM_EBADMSG, "the answer is not HTTP");
	if (status != 101)
		return refusal(status, rest, ret_answer, d);
	if (!fields_parse(rest, &f) || !f.upgrade_websocket || !f.connection_upgrade)
		return diag_what(d, TM_EPROTO, "the server's WebSocket answer is malformed");
	/* We offered neither: the client MUST fail the connection (RFC 6455 4.1). */
	if (f.extensions || f.protocol)
		return diag_what(d, TM_EPROTO, "the server chose a WebSocket extension that was not offered");

	base64_encode(key, UPGRADE_KEY, key_text);
	upgrade_accept(key_text, KEY_TEXT, accept);
	if (f.n_accept != 1 || f.accept.n != UPGRADE_ACCEPT_LEN ||
		!ct_eq(f.accept.s, accept, UPGRADE_ACCEPT_LEN))
		return diag_what(
			d, TM_EPROTO, "the server's Sec-WebSocket-Accept does not belong to this connection");

	*ret_answer = (struct upgrade_answer){.head_len = head_len};
	return TM_OK;
}
