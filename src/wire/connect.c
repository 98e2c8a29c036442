/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/connect.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "wire/http.h"

enum { LOGIN_MAX = 2 * PROXY_USER };

static void login_format(const struct proxy *via, char out[static BASE64_LEN(LOGIN_MAX) + 1])
{
	char login[LOGIN_MAX];
	int n = snprintf(login, sizeof(login), "%s:%s", via->user, via->password);

	base64_encode((const uint8_t *)login, (size_t)n, out);
	wipe(login, sizeof(login));
}

int connect_request_format(
	const struct proxy *via, const char *to, char out[static CONNECT_REQUEST_MAX], size_t *ret_n)
{
	char login[BASE64_LEN(LOGIN_MAX) + 1] = "";

	if (via->has_login)
		login_format(via, login);
	int n = snprintf(out, CONNECT_REQUEST_MAX,
		"CONNECT %s HTTP/1.1\r\n"
		"Host: %s\r\n"
		"%s%s%s"
		"\r\n",
		to, to, via->has_login ? "Proxy-Authorization: Basic " : "", login,
		via->has_login ? "\r\n" : "");
	wipe(login, sizeof(login));
	if (n < 0 || n >= CONNECT_REQUEST_MAX)
		return TM_EFULL;
	*ret_n = (size_t)n;
	return TM_OK;
}

/* Does the proxy take a login that is sent as it is? A head that names no method leaves that open. */
static bool takes_basic(struct http_span fields)
{
	struct http_span name, value, scheme;
	bool bad = false, named = false;

	while (http_field(&fields, &name, &value, &bad)) {
		if (!http_is(name, "Proxy-Authenticate"))
			continue;
		named = true;
		if (!http_until(&value, ' ', &scheme))
			scheme = value;
		if (http_is(scheme, "Basic"))
			return true;
	}
	return !named;
}

static int wants_login(const struct proxy *via, int status, struct http_span fields, struct diag *d)
{
	if (!takes_basic(fields))
		return diag_what(d, TM_EPERM,
			"the proxy at %s:%u wants a login of a kind that is not supported, only Basic is "
			"(HTTP "
			"status %d)",
			via->host, via->port, status);
	if (via->has_login)
		return diag_what(d, TM_EPERM,
			"the proxy at %s:%u does not accept its user name and password (HTTP status %d)",
			via->host, via->port, status);
	return diag_what(d, TM_EPERM,
		"the proxy at %s:%u wants a user name and a password (HTTP status %d): write them into its "
		"address",
		via->host, via->port, status);
}

static int refusal(
	const struct proxy *via, const char *to, int status, struct http_span fields, struct diag *d)
{
	if (status == 407 || status == 401) /* 401 is wrong here, and what tinyproxy says */
		return wants_login(via, status, fields, d);
	if (status >= 500)
		return diag_what(d, TM_EUNREACH, "the proxy at %s:%u cannot reach %s (HTTP status %d)",
			via->host, via->port, to, status);
	if (status == 403 || status == 405)
		return diag_what(d, TM_EPERM,
			"the proxy at %s:%u does not allow connections to %s (HTTP status %d)", via->host,
			via->port, to, status);
	return diag_what(d, TM_EPROTO, "the proxy at %s:%u makes no connection to %s (HTTP status %d)",
		via->host, via->port, to, status);
}

int connect_response_parse(const char *p, size_t n, const struct proxy *via, const char *to,
	size_t *ret_head_len, struct diag *d)
{
	size_t head_len;
	int status;
	int err = n > 0 && p[0] != 'H' ? TM_EBADMSG : http_head_end(p, n, &head_len);

	if (err == TM_EAGAIN)
		return err;
	struct http_span rest = {p, err ? 0 : head_len};
	if (err || http_status(http_line(&rest), &status) != TM_OK)
		return diag_what(
			d, TM_EPROTO, "what answers at %s:%u is not an HTTP proxy", via->host, via->port);
	if (status < 200 || status > 299)
		return refusal(via, to, status, rest, d);

	*ret_head_len = head_len;
	return TM_OK;
}
