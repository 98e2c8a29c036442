/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From the text of one value to its field, by the type in the table; or the sentence that says what was
 * expected. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "crypto/aead.h"
#include "data/plane/offloads.h"
#include "mesh/routes.h"
#include "node/config_rows.h"
#include "os/paths.h"
#include "wire/address.h"

enum { HOST_MAX = 253 }; /* RFC 1035 3.1, as text without the root's dot */

/* What is wrong with the value, as "KEY must be EXPECTED, not "TEXT"". The log repeats it: where a key may
 * stand in the place of its file, or a password in an address, the text is left out. */
static int refuse(
	struct diag *d, int err, const struct config_row *row, const char *text, const char *expected)
{
	char quoted[PLAIN_QUOTE_LEN];

	if (row->type == CONFIG_FILE || strchr(text, '@'))
		return diag_what(d, err, "%s must be %s", row->key, expected);
	return diag_what(d, err, "%s must be %s, not \"%s\"", row->key, expected, plain_quote(text, quoted));
}

static int refuse_number(struct diag *d, int err, const struct config_row *row, const char *text)
{
	char expected[80];

	snprintf(expected, sizeof(expected), "a number from %" PRIu64 " to %" PRIu64, row->min, row->max);
	return refuse(d, err, row, text, expected);
}

/* Decimal, or hexadecimal after 0x. No sign, no blanks, no leading zero (YAML 1.1 reads it as octal). */
static int number_parse(const char *s, uint64_t *ret_n)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	const char *digits = hex ? s + 2 : s;
	size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");

	if (n == 0 || digits[n] || (!hex && n > 1 && digits[0] == '0'))
		return TM_EINVAL;

	errno = 0;
	uint64_t v = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno)
		return TM_ERANGE;

	*ret_n = v;
	return TM_OK;
}

static int set_number(
	const struct config_row *row, const char *text, bool quoted, void *field, struct diag *d)
{
	uint64_t v = 0;
	int err = quoted ? TM_EINVAL : number_parse(text, &v);

	if (err)
		return refuse_number(d, err, row, text);
	if (v < row->min || v > row->max)
		return refuse_number(d, TM_ERANGE, row, text);

	if (row->type == CONFIG_MS)
		*(ns_t *)field = (ns_t)v * MS;
	else if (row->size == sizeof(uint16_t))
		*(uint16_t *)field = (uint16_t)v;
	else if (row->size == sizeof(uint32_t))
		*(uint32_t *)field = (uint32_t)v;
	else
		*(uint64_t *)field = v;
	return TM_OK;
}

/* As YAML 1.1 writes them, of which everybody knows another half. */
static int set_switch(const struct config_row *row, const char *text, bool *field, struct diag *d)
{
	static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}};

	for (size_t i = 0; i < 2 * ARRAY_LEN(words); i++) {
		const char *word = words[i / 2][i % 2];
		if (strlen(text) == strlen(word) && same_but_case(text, word, strlen(word))) {
			*field = i % 2;
			return TM_OK;
		}
	}
	return refuse(d, TM_EINVAL, row, text, "yes or no");
}

/* "off, use or offer" */
static const char *words_text(const struct config_row *row, char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; row->words[i] && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s",
			i == 0              ? ""
			: row->words[i + 1] ? ", "
					    : " or ",
			row->words[i]);
	return buf;
}

static int set_word(const struct config_row *row, const char *text, void *field, struct diag *d)
{
	char expected[80];

	for (unsigned i = 0; row->words[i]; i++) {
		if (strcmp(text, row->words[i]) == 0) {
			memcpy(field, &i, row->size);
			return TM_OK;
		}
	}
	return refuse(d, TM_EINVAL, row, text, words_text(row, expected, sizeof(expected)));
}

static bool is_ifname(const char *s, size_t size)
{
	size_t n = strlen(s);

	if (n == 0 || n >= size || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == '/' || *s == ':' ||
			*s == '%') /* % is a template to the kernel */
			return false;
	return true;
}

/* The portable characters, and the $ and . that useradd admits. */
static bool is_group(const char *s, size_t size)
{
	if (strlen(s) >= size || *s == '-')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("_-.$", *s))
			return false;
	return true;
}

static bool is_aead(const char *s)
{
	bool known = strcmp(s, "auto") == 0;
	const char *name;

	for (size_t i = 0; !known && (name = aead_provider_at(i)); i++)
		known = strcmp(s, name) == 0;
	return known;
}

/* "auto, ipsec-mb or libcrypto", as the CPU and the build have it. */
static const char *aead_names(char *buf, size_t size)
{
	const char *name;
	size_t n = (size_t)snprintf(buf, size, "auto");

	for (size_t i = 0; (name = aead_provider_at(i)) && n < size; i++)
		n += (size_t)snprintf(
			buf + n, size - n, "%s%s", aead_provider_at(i + 1) ? ", " : " or ", name);
	return buf;
}

static bool is_hostname(const char *s, size_t n)
{
	bool letter = false; /* in the last label: otherwise it is a mistyped IPv4 address */
	size_t label = 0;

	if (n == 0 || n > HOST_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		bool alnum = isalnum((unsigned char)s[i]);
		bool end = i + 1 == n || s[i + 1] == '.';
		if (s[i] == '.') {
			if (label == 0)
				return false;
			label = 0;
			letter = false;
			continue;
		}
		if (!alnum && (s[i] != '-' || label == 0 || end))
			return false;
		if (++label > 63) /* RFC 1035 2.3.4 */
			return false;
		letter = letter || isalpha((unsigned char)s[i]);
	}
	return letter;
}

/* Of one machine, and the same on every network: fe80::1 is another one on each. */
static bool is_lasting(const struct ip *ip)
{
	return !ip_is_unspecified(ip) && !ip_is_multicast(ip) &&
	       !(ip->family == IP_V6 && ip_is_link_local(ip));
}

/* As the coordinator is called where a web server stands in front of it. */
static bool is_url(const char *s)
{
	struct address a;
	struct ip ip;

	if (address_parse(s, &a) != TM_OK)
		return false;
	return ip_parse(a.host, &ip) == TM_OK ? is_lasting(&ip) : is_hostname(a.host, strlen(a.host));
}

static bool is_host(const char *s)
{
	struct ip ip;
	struct endpoint ep;
	const char *colon = strrchr(s, ':');
	uint64_t port = 0;

	if (strstr(s, "://"))
		return is_url(s);
	if (ip_parse(s, &ip) == TM_OK)
		return is_lasting(&ip);
	if (endpoint_parse(s, &ep) == TM_OK)
		return ep.port != 0 && is_lasting(&ep.ip);
	if (!colon)
		return is_hostname(s, strlen(s));
	return is_hostname(s, (size_t)(colon - s)) && number_parse(colon + 1, &port) == TM_OK &&
	       isdigit((unsigned char)colon[1]) && port >= 1 && port <= 65535;
}

static bool is_endpoint(const char *s, struct endpoint *ret_ep)
{
	struct endpoint ep;

	if (endpoint_parse(s, &ep) != TM_OK || ep.port == 0 || ip_is_unspecified(&ep.ip) ||
		ip_is_multicast(&ep.ip))
		return false;
	*ret_ep = ep;
	return true;
}

int config_listen_parse(const char *text, const struct ip *where, struct endpoint *ret_ep)
{
	struct endpoint ep = {.ip = *where};
	uint64_t port;

	if (number_parse(text, &port) == TM_OK && port >= 1 && port <= UINT16_MAX)
		ep.port = (uint16_t)port;
	else if (endpoint_parse(text, &ep) != TM_OK || ep.port == 0 || ip_is_multicast(&ep.ip))
		return TM_EINVAL;
	*ret_ep = ep;
	return TM_OK;
}

static int set_net(const struct config_row *row, const char *text, struct prefix *ret_net, struct diag *d)
{
	const struct prefix none = {.len = 0};
	struct diag why = {0};
	char quoted[PLAIN_QUOTE_LEN];

	if (route_parse(plain_quote(text, quoted), &none, &none, ret_net, &why) == TM_OK)
		return TM_OK;
	diag_hint(d, "%s", why.hint);
	return diag_what(d, TM_EINVAL, "%s: %s", row->key, why.what);
}

static int set_listen(const struct config_row *row, const char *text, char *slot, size_t size, struct diag *d)
{
	const struct ip here = ip_v4_host(0x7f000001);
	struct endpoint ep;

	if (strlen(text) >= size || config_listen_parse(text, &here, &ep) != TM_OK)
		return refuse(d, TM_EINVAL, row, text,
			"a list of ports, or addresses with ports such as 203.0.113.7:443");
	/* By all addresses at once neither could be told by which one is asked, nor whether by this machine.
	 */
	if (row->type == CONFIG_LISTEN_OWN && ip_is_unspecified(&ep.ip))
		return refuse(d, TM_EINVAL, row, text,
			"a list of addresses of this machine, each by itself, such as 127.0.0.54:53");
	memcpy(slot, text, strlen(text) + 1);
	return TM_OK;
}

/* The text is kept: where the mesh addresses are, its user knows. */
static bool is_mesh_listen(const char *s)
{
	const struct ip none = {.family = IP_NONE};
	struct endpoint ep;

	return strcmp(s, "mesh") == 0 || strcmp(s, "off") == 0 || config_listen_parse(s, &none, &ep) == TM_OK;
}

/* No names: one that is free tomorrow is taken by whoever has a token, or a client behind a gateway. */
static bool is_members(const char *s)
{
	return strncmp(s, "tag:", 4) == 0 ? node_tag_valid(s + 4) : node_id_valid(s);
}

static int append(const struct config_row *row, const char *text, struct config *c, struct diag *d)
{
	size_t *n = (size_t *)(void *)((char *)c + row->count_at);
	size_t item = row->size / CONFIG_LIST_MAX;
	char *slot = (char *)c + row->at + *n * item;

	if (*n == CONFIG_LIST_MAX)
		return diag_what(d, TM_EFULL, "%s has more than %d entries", row->key, CONFIG_LIST_MAX);
	if (row->type == CONFIG_ENDPOINTS) {
		if (!is_endpoint(text, (struct endpoint *)(void *)slot))
			return refuse(d, TM_EINVAL, row, text,
				"a list of addresses with ports such as 203.0.113.7:51820");
	} else if (row->type == CONFIG_NETS) {
		int err = set_net(row, text, (struct prefix *)(void *)slot, d);

		if (err)
			return err;
	} else if (row->type == CONFIG_LISTEN || row->type == CONFIG_LISTEN_OWN) {
		int err = set_listen(row, text, slot, item, d);

		if (err)
			return err;
	} else if (row->type == CONFIG_MEMBERS) {
		if (!is_members(text))
			return refuse(d, TM_EINVAL, row, text,
				"a list of tags such as tag:admin, or of ids of nodes, which `tunnelmesh "
				"whois "
				"NAME` tells (a name may be another node's tomorrow)");
		memcpy(slot, text, strlen(text) + 1);
	} else {
		if (!is_host(text) || strlen(text) >= item)
			return refuse(d, TM_EINVAL, row, text,
				"a list of names or addresses such as vpn.example.org:8443, or "
				"https://vpn.example.org/path");
		memcpy(slot, text, strlen(text) + 1);
	}
	++*n;
	return TM_OK;
}

static int set_text(const struct config_row *row, const char *text, bool ok, const char *expected,
	char *field, struct diag *d)
{
	if (!ok)
		return refuse(d, TM_EINVAL, row, text, expected);
	/* Zero to the end: config_restart_needed may compare, and nothing old remains. */
	memset(field, 0, row->size);
	memcpy(field, text, strlen(text));
	return TM_OK;
}

/* The text is not repeated: it may hold a password. */
static int set_proxy(const struct config_row *row, const char *text, char *field, struct diag *d)
{
	struct proxy p;
	int err = TM_OK;

	if (text[0] && strcmp(text, "none") != 0)
		err = strlen(text) < row->size ? proxy_parse(text, &p, d)
					       : diag_what(d, TM_ERANGE, "proxy is too long");
	if (err)
		return err;
	proxy_wipe(&p);
	return set_text(row, text, true, "", field, d);
}

int config_set(const struct config_row *row, const char *text, bool quoted, struct config *c, struct diag *d)
{
	void *field = (char *)c + row->at;
	char names[160];
	struct ip ip;

	switch (row->type) {
	case CONFIG_UINT:
	case CONFIG_MS:
		return set_number(row, text, quoted, field, d);
	case CONFIG_PORT:
		if (strcmp(text, "auto") == 0) {
			*(uint32_t *)field = CONFIG_PORT_AUTO;
			return TM_OK;
		}
		if (set_number(row, text, quoted, field, d) != TM_OK)
			return refuse(d, TM_EINVAL, row, text, "auto, or a number from 0 to 65535");
		return TM_OK;
	case CONFIG_SWITCH:
		return set_switch(row, text, field, d);
	case CONFIG_LEVEL:
		if (log_level_parse(text, field) != TM_OK)
			return refuse(d, TM_EINVAL, row, text, "error, warn, info or debug");
		return TM_OK;
	case CONFIG_WORD:
		return set_word(row, text, field, d);
	case CONFIG_AEAD:
		return set_text(row, text, is_aead(text), aead_names(names, sizeof(names)), field, d);
	case CONFIG_OFFLOADS:
		if (plane_offloads_parse(text, field) != TM_OK)
			return refuse(d, TM_EINVAL, row, text,
				"all, none, or some of tun,uso,udp-gso,udp-gro with commas between, uso only "
				"with tun");
		return TM_OK;
	case CONFIG_IP:
		return set_text(row, text, ip_parse(text, &ip) == TM_OK && strlen(text) < row->size,
			"an IP address", field, d);
	case CONFIG_IFNAME:
		return set_text(row, text, is_ifname(text, row->size),
			"an interface name of 1 to 15 characters without blanks, '/', ':' and '%'", field, d);
	case CONFIG_GROUP:
		return set_text(row, text, is_group(text, row->size), "the name of a group", field, d);
	case CONFIG_LISTEN_MESH:
		return set_text(row, text, strlen(text) < row->size && is_mesh_listen(text),
			"mesh, off, a port, or an address with a port such as 127.0.0.1:5210", field, d);
	case CONFIG_PROXY:
		return set_proxy(row, text, field, d);
	case CONFIG_FILE:
		return set_text(row, text,
			!text[0] || (os_path_is_absolute(text) && strlen(text) < row->size),
			"the whole path of a file", field, d);
	case CONFIG_ENDPOINTS:
	case CONFIG_HOSTS:
	case CONFIG_LISTEN:
	case CONFIG_LISTEN_OWN:
	case CONFIG_MEMBERS:
	case CONFIG_NETS:
		return append(row, text, c, d);
	case CONFIG_RULES: /* not one value after the other */
		break;
	}
	assert(!"a row without a type");
	return TM_EINVAL;
}
