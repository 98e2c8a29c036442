/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/upgrade.h"

#include "base/encode.h"
#include "base/secret.h"
#include "crypto/hash.h"

#include <stdio.h>
#include <string.h>

#define UPGRADE_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455 1.3 */

enum { SHA1_LEN = 20, KEY_TEXT = BASE64_LEN(UPGRADE_KEY) };
_Static_assert(BASE64_LEN(SHA1_LEN) == UPGRADE_ACCEPT_LEN, "RFC 6455 4.2.2");

/* A piece of the head, borrowed. */
struct span {
	const char *s;
	size_t n;
};

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

/*
 * Where the head ends. TM_EBADMSG for bytes that no HTTP head holds, at once and not only when the head is
 * whole: noise on the port is told early. A bare LF or CR is such a byte: lenient line ends are how requests
 * get smuggled (RFC 9112 2.2).
 */
static int find_head_end(const char *p, size_t n, size_t *ret_len)
{
	size_t limit = MIN(n, (size_t)UPGRADE_HEAD_MAX);

	for (size_t i = 0; i < limit; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '\r') {
			if (i + 1 < n && p[i + 1] != '\n')
				return TM_EBADMSG;
		} else if (c == '\n') {
			if (i == 0 || p[i - 1] != '\r')
				return TM_EBADMSG;
			if (i >= 3 && p[i - 2] == '\n') {
				*ret_len = i + 1;
				return TM_OK;
			}
		} else if ((c < ' ' && c != '\t') || c == 0x7f) {
			return TM_EBADMSG;
		}
	}
	return n >= UPGRADE_HEAD_MAX ? TM_EFULL : TM_EAGAIN;
}

static struct span take_line(struct span *rest)
{
	const char *end = memmem(rest->s, rest->n, "\r\n", 2);
	size_t n = end ? (size_t)(end - rest->s) : rest->n;
	size_t skip = end ? n + 2 : n;
	struct span line = {rest->s, n};

	rest->s += skip;
	rest->n -= skip;
	return line;
}

/* Up to the separator, which is dropped; false when there is none. */
static bool take_until(struct span *rest, char separator, struct span *ret_part)
{
	const char *end = memchr(rest->s, separator, rest->n);

	if (!end)
		return false;

	size_t n = (size_t)(end - rest->s);
	*ret_part = (struct span){rest->s, n};
	rest->s += n + 1;
	rest->n -= n + 1;
	return true;
}

static struct span trim(struct span v)
{
	while (v.n && (v.s[0] == ' ' || v.s[0] == '\t')) {
		v.s++;
		v.n--;
	}
	while (v.n && (v.s[v.n - 1] == ' ' || v.s[v.n - 1] == '\t'))
		v.n--;
	return v;
}

static bool span_is(struct span v, const char *text)
{
	return v.n == strlen(text) && same_but_case(v.s, text, v.n);
}

/* A comma-separated list holds the token, in any case (RFC 9110 5.6.1). */
static bool has_token(struct span list, const char *token)
{
	struct span part;

	while (take_until(&list, ',', &part))
		if (span_is(trim(part), token))
			return true;
	return span_is(trim(list), token);
}

/* tchar of RFC 9110 5.6.2 */
static bool is_tchar(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(struct span v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!is_tchar(v.s[i]))
			return false;
	return v.n > 0;
}

/* The header fields that matter to either side. Repeated ones of which there may be only one are an error. */
struct fields {
	struct span host, key, version, accept, retry_after;
	unsigned n_host, n_key, n_version, n_accept;
	bool upgrade_websocket, connection_upgrade;
	bool extensions, protocol, body;
};

static void single(struct span v, struct span *field, unsigned *count)
{
	*field = v;
	++*count;
}

static void field_set(struct fields *f, struct span name, struct span v)
{
	if (span_is(name, "Host"))
		single(v, &f->host, &f->n_host);
	else if (span_is(name, "Upgrade"))
		f->upgrade_websocket |= has_token(v, "websocket");
	else if (span_is(name, "Connection"))
		f->connection_upgrade |= has_token(v, "Upgrade");
	else if (span_is(name, "Sec-WebSocket-Key"))
		single(v, &f->key, &f->n_key);
	else if (span_is(name, "Sec-WebSocket-Version"))
		single(v, &f->version, &f->n_version);
	else if (span_is(name, "Sec-WebSocket-Accept"))
		single(v, &f->accept, &f->n_accept);
	else if (span_is(name, "Retry-After"))
		f->retry_after = v;
	else if (span_is(name, "Sec-WebSocket-Extensions"))
		f->extensions = true;
	else if (span_is(name, "Sec-WebSocket-Protocol"))
		f->protocol = true;
	else if (span_is(name, "Transfer-Encoding") || (span_is(name, "Content-Length") && !span_is(v, "0")))
		f->body = true;
}

/* False for a line without colon, with white space before it, or folded (RFC 9112 5.1, 5.2). */
static bool fields_parse(struct span rest, struct fields *ret_f)
{
	struct fields f = {0};

	while (rest.n) {
		struct span line = take_line(&rest), name;

		if (line.n == 0)
			break;
		if (!take_until(&line, ':', &name) || !is_token(name))
			return false;
		field_set(&f, name, trim(line));
	}
	*ret_f = f;
	return true;
}

/* "HTTP/1.x": 1 and above can be upgraded. TM_EBADMSG when it is not HTTP at all, TM_EVERSION for other
 * versions. */
static int version_parse(struct span v)
{
	if (v.n != 8 || memcmp(v.s, "HTTP/", 5) != 0 || v.s[6] != '.')
		return TM_EBADMSG;
	if (v.s[5] < '0' || v.s[5] > '9' || v.s[7] < '0' || v.s[7] > '9')
		return TM_EBADMSG;
	return v.s[5] == '1' && v.s[7] >= '1' ? TM_OK : TM_EVERSION;
}

/* 16 bytes in base64: 24 characters are no less, and there is no room for more. */
static bool key_valid(struct span v)
{
	uint8_t key[UPGRADE_KEY];
	size_t n;

	return v.n == KEY_TEXT && base64_decode(v.s, v.n, key, sizeof(key), &n) == TM_OK;
}

/* Is the target the path, perhaps with a query? */
static bool path_matches(struct span target, const char *path)
{
	size_t n = strlen(path);

	return target.n >= n && memcmp(target.s, path, n) == 0 && (target.n == n || target.s[n] == '?');
}

/* The status that answers a well-formed request: RFC 6455 4.2.1 and 4.2.2. */
static int judge(struct span method, struct span target, const char *path, const struct fields *f)
{
	if (f->n_host != 1 || f->host.n == 0 || f->body) /* RFC 9112 3.2 */
		return 400;
	if (!path_matches(target, path))
		return 404;
	if (method.n != 3 || memcmp(method.s, "GET", 3) != 0)
		return 405;
	if (!f->upgrade_websocket || !f->connection_upgrade)
		return 426;
	if (f->n_version != 1 || !span_is(f->version, "13"))
		return 426;
	if (f->n_key != 1 || !key_valid(f->key))
		return 400;
	return 101;
}

int upgrade_request_parse(const char *p, size_t n, const char *path, struct upgrade_request *ret_req)
{
	struct upgrade_request req = {.status = 400};
	struct span method, target;
	struct fields f;

	/* A method starts the head: TLS, binary noise or an empty line are told by their first byte. */
	if (n > 0 && !is_tchar(p[0]))
		return TM_EBADMSG;

	int err = find_head_end(p, n, &req.head_len);
	if (err == TM_EFULL) {
		req.status = 431;
		req.head_len = UPGRADE_HEAD_MAX;
		*ret_req = req;
		return TM_OK;
	}
	if (err)
		return err;

	struct span rest = {p, req.head_len};
	struct span line = take_line(&rest);
	if (!take_until(&line, ' ', &method) || !take_until(&line, ' ', &target))
		return TM_EBADMSG;
	err = version_parse(line);
	if (err == TM_EBADMSG || !is_token(method) || target.n == 0)
		return TM_EBADMSG;

	if (err == TM_EVERSION)
		req.status = 505;
	else if (fields_parse(rest, &f))
		req.status = judge(method, target, path, &f);
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

/* "HTTP/1.1 101 text" -> 101 */
static int status_parse(struct span line, int *ret_status)
{
	struct span version;
	int status = 0;

	if (!take_until(&line, ' ', &version) || version_parse(version) == TM_EBADMSG)
		return TM_EBADMSG;
	if (line.n < 3 || (line.n > 3 && line.s[3] != ' '))
		return TM_EBADMSG;

	for (size_t i = 0; i < 3; i++) {
		if (line.s[i] < '0' || line.s[i] > '9')
			return TM_EBADMSG;
		status = status * 10 + (line.s[i] - '0');
	}
	*ret_status = status;
	return TM_OK;
}

/* Seconds (RFC 9110 10.2.3). The other form, a date, needs a clock that both agree on: as if nothing was
 * said. */
static unsigned retry_after_parse(struct span v)
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
static int refusal(int status, struct span rest, struct upgrade_answer *ret_answer, struct diag *d)
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

	int err = find_head_end(p, n, &head_len);
	if (err == TM_EAGAIN)
		return err;
	if (err)
		return diag_what(
			d, err, err == TM_EFULL ? "the HTTP answer is too long" : "the answer is not HTTP");

	struct span rest = {p, head_len};
	if (status_parse(take_line(&rest), &status))
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
