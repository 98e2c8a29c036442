/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/http.h"

#include <string.h>

#include "base/text.h"

/*
 * Where the head ends. TM_EBADMSG for bytes that no HTTP head holds, at once and not only when the head is
 * whole: noise on the port is told early. A bare LF or CR is such a byte: lenient line ends are how requests
 * get smuggled (RFC 9112 2.2).
 */
int http_head_end(const char *p, size_t n, size_t *ret_len)
{
	size_t limit = MIN(n, (size_t)HTTP_HEAD_MAX);

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
	return n >= HTTP_HEAD_MAX ? TM_EFULL : TM_EAGAIN;
}

struct http_span http_line(struct http_span *rest)
{
	const char *end = bytes_find(rest->s, rest->n, "\r\n", 2);
	size_t n = end ? (size_t)(end - rest->s) : rest->n;
	size_t skip = end ? n + 2 : n;
	struct http_span line = {rest->s, n};

	rest->s += skip;
	rest->n -= skip;
	return line;
}

/* Up to the separator, which is dropped; false when there is none. */
bool http_until(struct http_span *rest, char separator, struct http_span *ret_part)
{
	const char *end = rest->n ? memchr(rest->s, separator, rest->n) : NULL;

	if (!end)
		return false;

	size_t n = (size_t)(end - rest->s);
	*ret_part = (struct http_span){rest->s, n};
	rest->s += n + 1;
	rest->n -= n + 1;
	return true;
}

struct http_span http_trim(struct http_span v)
{
	while (v.n && (v.s[0] == ' ' || v.s[0] == '\t')) {
		v.s++;
		v.n--;
	}
	while (v.n && (v.s[v.n - 1] == ' ' || v.s[v.n - 1] == '\t'))
		v.n--;
	return v;
}

bool http_is(struct http_span v, const char *text)
{
	return v.n == strlen(text) && same_but_case(v.s, text, v.n);
}

/* A comma-separated list holds the token, in any case (RFC 9110 5.6.1). */
bool http_has_token(struct http_span list, const char *token)
{
	struct http_span part;

	while (http_until(&list, ',', &part))
		if (http_is(http_trim(part), token))
			return true;
	return http_is(http_trim(list), token);
}

/* tchar of RFC 9110 5.6.2 */
bool http_is_tchar(char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool http_is_token(struct http_span v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!http_is_tchar(v.s[i]))
			return false;
	return v.n > 0;
}

/* "HTTP/1.x": 1 and above can be upgraded. TM_EBADMSG when it is not HTTP at all, TM_EVERSION for other
 * versions. */
int http_version(struct http_span v)
{
	if (v.n != 8 || memcmp(v.s, "HTTP/", 5) != 0 || v.s[6] != '.')
		return TM_EBADMSG;
	if (v.s[5] < '0' || v.s[5] > '9' || v.s[7] < '0' || v.s[7] > '9')
		return TM_EBADMSG;
	return v.s[5] == '1' && v.s[7] >= '1' ? TM_OK : TM_EVERSION;
}

/* "HTTP/1.1 101 text" -> 101 */
int http_status(struct http_span line, int *ret_status)
{
	struct http_span version;
	int status = 0;

	if (!http_until(&line, ' ', &version) || http_version(version) == TM_EBADMSG)
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

/* RFC 9112 5.1, 5.2 */
bool http_field(struct http_span *rest, struct http_span *ret_name, struct http_span *ret_value, bool *bad)
{
	if (rest->n == 0)
		return false;

	struct http_span line = http_line(rest), name;
	if (line.n == 0)
		return false;
	if (!http_until(&line, ':', &name) || !http_is_token(name)) {
		*bad = true;
		return false;
	}
	*ret_name = name;
	*ret_value = http_trim(line);
	return true;
}
