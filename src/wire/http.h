/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Heads of HTTP/1.1 messages (RFC 9112), as far as an upgrade and a proxy's tunnel need them: where a head
 * ends, its first line, its fields. Texts are borrowed. Pure.
 */
#ifndef TM_WIRE_HTTP_H
#define TM_WIRE_HTTP_H

#include "base/err.h"
#include "base/util.h"

enum { HTTP_HEAD_MAX = 8192 };

/* A piece of the head, borrowed. */
struct http_span {
	const char *s;
	size_t n;
};

/*
 * How long the head is, with the empty line. TM_EAGAIN: it has not come whole; TM_EFULL: it is longer than
 * HTTP_HEAD_MAX; TM_EBADMSG: this is no head.
 */
NODISCARD int http_head_end(const char *p, size_t n, size_t *ret_len);
/* Takes a line off, without its end. */
struct http_span http_line(struct http_span *rest);
/* Up to the separator, which is dropped; false when there is none. */
bool http_until(struct http_span *rest, char separator, struct http_span *ret_part);
struct http_span http_trim(struct http_span v);
bool http_is(struct http_span v, const char *text); /* in any case */
bool http_has_token(struct http_span list, const char *token);
bool http_is_tchar(char c);
bool http_is_token(struct http_span v);
/* The next field of a head's lines; false at their end, or with *bad for a line without colon, with white
 * space before it, or folded. */
bool http_field(struct http_span *rest, struct http_span *ret_name, struct http_span *ret_value, bool *bad);
/* "HTTP/1.x": 1 and above can be upgraded. TM_EBADMSG: it is not HTTP at all, TM_EVERSION: another version.
 */
NODISCARD int http_version(struct http_span v);
/* "HTTP/1.1 101 text" -> 101 */
NODISCARD int http_status(struct http_span line, int *ret_status);

#endif
