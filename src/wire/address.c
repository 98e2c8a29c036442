/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

enum { PORT_HTTP = 80, PORT_HTTPS = 443 };

static int port_parse(const char *text, size_t n, uint16_t *ret_port)
{
	if (n == 0 || n > 5 || strspn(text, "0123456789") < n)
		return TM_EINVAL;

	unsigned long port = strtoul(text, NULL, 10);
	if (port == 0 || port > UINT16_MAX)
		return TM_EINVAL;
	*ret_port = (uint16_t)port;
	return TM_OK;
}

static int host_take(struct address *a, const char *text, size_t n)
{
	struct ip ip;

	if (n > 0 && text[0] == '[') {
		if (n < 3 || text[n - 1] != ']')
			return TM_EINVAL;
		text++;
		n -= 2;
		if (n >= sizeof(a->host))
			return TM_EINVAL;
		memcpy(a->host, text, n);
		a->host[n] = '\0';
		char *scope = strchr(a->host, '%'); /* of an address that holds on one link */
		if (scope)
			*scope = '\0';
		bool ok = ip_parse(a->host, &ip) == TM_OK && ip.family == IP_V6;
		if (scope)
			*scope = '%';
		return ok ? TM_OK : TM_EINVAL;
	}
	/* What could end a line, a header or a word in a log is in no name; IPv6 needs brackets. */
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f || strchr(":/@[]?#\\\"<>", text[i]))
			return TM_EINVAL;
	if (n == 0 || n >= sizeof(a->host))
		return TM_EINVAL;
	memcpy(a->host, text, n);
	a->host[n] = '\0';
	return TM_OK;
}

/* unreserved of RFC 3986 2.3, and slashes: nothing that anybody on the way reads differently. */
static int prefix_take(struct address *a, const char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '/')
		n--;
	if (n >= sizeof(a->prefix) ||
		strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/") !=
			strlen(text))
		return TM_EINVAL;
	memcpy(a->prefix, text, n);
	a->prefix[n] = '\0';
	return TM_OK;
}

static const char *skip_scheme(const char *text, struct address *a)
{
	static const struct {
		const char *scheme;
		enum address_kind kind;
		uint16_t port;
	} rows[] = {{"https://", ADDRESS_HTTPS, PORT_HTTPS}, {"http://", ADDRESS_HTTP, PORT_HTTP}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].scheme);

		if (strncmp(text, rows[i].scheme, n) == 0) {
			a->kind = rows[i].kind;
			a->port = rows[i].port;
			return text + n;
		}
	}
	return text;
}

int address_parse(const char *text, struct address *ret_address)
{
	struct address a = {.kind = ADDRESS_OWN};
	const char *host = skip_scheme(text, &a);
	size_t n = strcspn(host, "/");
	const char *prefix = host + n;
	const char *bracket = host[0] == '[' ? memchr(host, ']', n) : NULL;
	const char *colon =
		memchr(bracket ? bracket : host, ':', n - (bracket ? (size_t)(bracket - host) : 0));
	size_t host_n = colon ? (size_t)(colon - host) : n;
	int err = host_take(&a, host, host_n);

	if (!err && colon)
		err = port_parse(colon + 1, n - host_n - 1, &a.port);
	if (!err && a.kind == ADDRESS_OWN && (a.port == 0 || *prefix))
		err = TM_EINVAL;
	if (!err)
		err = prefix_take(&a, prefix);
	if (err)
		return err;
	*ret_address = a;
	return TM_OK;
}

const char *address_authority(const struct address *a, char buf[static ADDRESS_HOST_FIELD])
{
	bool v6 = strchr(a->host, ':') != NULL;

	snprintf(buf, ADDRESS_HOST_FIELD, "%s%s%s:%u", v6 ? "[" : "", a->host, v6 ? "]" : "", a->port);
	return buf;
}

const char *address_host_field(const struct address *a, bool tls, char buf[static ADDRESS_HOST_FIELD])
{
	address_authority(a, buf);
	if (a->port == (tls ? PORT_HTTPS : PORT_HTTP)) /* RFC 9110 4.2.1, 7.2 */
		*strrchr(buf, ':') = '\0';
	return buf;
}
