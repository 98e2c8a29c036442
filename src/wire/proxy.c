/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/proxy.h"

#include <string.h>

#include "base/addr.h"
#include "base/secret.h"

enum { PORT_DEFAULT = 3128 }; /* squid's */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* False when it is too long, a % is not followed by two digits, or a byte is one that no login holds. */
static bool percent_decode(const char *s, size_t n, char out[static PROXY_USER])
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			int high = n - i > 2 ? hex_digit(s[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(s[i + 2]) : -1;

			if (low < 0)
				return false;
			c = high * 16 + low;
			i += 2;
		}
		if (c < ' ' || c == 0x7f || len + 1 >= PROXY_USER)
			return false;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return true;
}

/* "user:password"; RFC 7617 2: no colon in the user's name. */
static bool login_take(struct proxy *p, const char *s, size_t n)
{
	const char *colon = memchr(s, ':', n);
	size_t user_n = colon ? (size_t)(colon - s) : n;

	p->has_login = true;
	return percent_decode(s, user_n, p->user) && !strchr(p->user, ':') &&
	       (!colon || percent_decode(colon + 1, n - user_n - 1, p->password));
}

static int is_none(struct diag *d)
{
	diag_hint(d, "write http://user:password@host:port, with %%40 for an @ in the password");
	return diag_what(d, TM_EINVAL, "the address of the HTTP proxy cannot be read");
}

static int host_take(struct proxy *p, const char *s, size_t n, struct diag *d)
{
	char text[ADDRESS_HOST + 16] = "http://";
	size_t scheme = strlen(text);
	struct address a;

	while (n > 0 && s[n - 1] == '/')
		n--;
	if (n == 0 || memchr(s, '/', n) || scheme + n >= sizeof(text))
		return is_none(d);
	memcpy(text + scheme, s, n);
	text[scheme + n] = '\0';
	if (address_parse(text, &a) != TM_OK)
		return is_none(d);

	const char *end = strrchr(text + scheme, ']'), *colon = strrchr(end ? end : text + scheme, ':');
	memcpy(p->host, a.host, sizeof(p->host));
	p->port = colon ? a.port : PORT_DEFAULT;
	return TM_OK;
}

int proxy_parse(const char *text, struct proxy *ret_proxy, struct diag *d)
{
	const char *rest = strstr(text, "://");
	struct proxy p = {0};
	int err = TM_OK;

	if (rest && !((size_t)(rest - text) == 4 && same_but_case(text, "http", 4))) {
		diag_hint(d, "name one that starts with http://");
		return diag_what(
			d, TM_EUNSUPPORTED, "only HTTP proxies can be used, and this is of another kind");
	}
	rest = rest ? rest + 3 : text;
	const char *at = strrchr(rest, '@');
	if (at) {
		if (!login_take(&p, rest, (size_t)(at - rest)))
			err = is_none(d);
		rest = at + 1;
	}
	if (!err)
		err = host_take(&p, rest, strlen(rest), d);
	if (!err)
		*ret_proxy = p;
	proxy_wipe(&p);
	return err;
}

const char *proxy_format(const struct proxy *p, char buf[static ADDRESS_HOST_FIELD])
{
	struct address a = {.port = p->port};

	memcpy(a.host, p->host, sizeof(a.host));
	return address_authority(&a, buf);
}

void proxy_wipe(struct proxy *p)
{
	wipe(p, sizeof(*p));
}

bool proxy_eq(const struct proxy *a, const struct proxy *b)
{
	return strcmp(a->host, b->host) == 0 && a->port == b->port && a->has_login == b->has_login &&
	       strcmp(a->user, b->user) == 0 && strcmp(a->password, b->password) == 0;
}

/* --- the environment --- */

const char *proxy_of_environment(proxy_variable_fn *get, const char **ret_name)
{
	static const char *const names[] = {
		"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = get(names[i]);

		if (value && value[0]) {
			*ret_name = names[i];
			return value;
		}
	}
	return NULL;
}

const char *proxy_exceptions(proxy_variable_fn *get)
{
	const char *list = get("no_proxy");

	return list && list[0] ? list : get("NO_PROXY");
}

static bool entry_is_network(const char *s, size_t n, const struct ip *ip)
{
	char text[PREFIX_STR_LEN];
	struct prefix net;
	struct ip one;

	if (n > 1 && s[0] == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
	}
	if (n >= sizeof(text))
		return false;
	memcpy(text, s, n);
	text[n] = '\0';
	if (ip_parse(text, &one) == TM_OK)
		return ip_eq(&one, ip);
	return prefix_parse(text, &net) == TM_OK && prefix_contains(&net, ip);
}

static bool entry_is_domain(const char *s, size_t n, const char *host)
{
	size_t host_n = strlen(host);

	if (n > 0 && s[0] == '.') {
		s++;
		n--;
	}
	if (n > 0 && s[n - 1] == '.')
		n--;
	if (host_n > 0 && host[host_n - 1] == '.')
		host_n--;
	if (n == 0 || n > host_n || !same_but_case(host + host_n - n, s, n))
		return false;
	return n == host_n || host[host_n - n - 1] == '.';
}

bool proxy_excepts(const char *list, const char *host)
{
	struct ip ip;
	bool literal = ip_parse(host, &ip) == TM_OK;

	while (list && *list) {
		list += strspn(list, ", \t");
		size_t n = strcspn(list, ", \t");

		if (n == 1 && list[0] == '*')
			return true;
		if (n && (literal ? entry_is_network(list, n, &ip) : entry_is_domain(list, n, host)))
			return true;
		list += n;
	}
	return false;
}

int proxy_choose(const char *setting, proxy_variable_fn *get, struct proxy_choice *ret_choice,
	const char **ret_from, struct diag *d)
{
	const char *except = proxy_exceptions(get), *from = "proxy", *text = setting;

	*ret_choice = (struct proxy_choice){0};
	*ret_from = NULL;
	if (!text[0])
		text = proxy_of_environment(get, &from);
	if (!text || strcmp(text, "none") == 0)
		return TM_OK;
	if (except && strlen(except) >= sizeof(ret_choice->except)) {
		diag_where(d, "no_proxy");
		return diag_what(d, TM_ERANGE, "the list of exceptions is too long");
	}
	int err = proxy_parse(text, &ret_choice->proxy, d);
	if (err) {
		diag_where(d, "%s", from);
		return err;
	}
	if (except)
		memcpy(ret_choice->except, except, strlen(except) + 1);
	*ret_from = from;
	return TM_OK;
}
