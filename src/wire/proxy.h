/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * HTTP proxies as people and environments name them. Pure, but for what holds a password: wipe it.
 *
 *   [http://][user:password@]host[:port][/]      port 3128 where none is said; user and password are
 *                                                percent-encoded (RFC 3986 2.1)
 */
#ifndef TM_WIRE_PROXY_H
#define TM_WIRE_PROXY_H

#include "base/diag.h"
#include "base/err.h"
#include "wire/address.h"

enum { PROXY_USER = 128, PROXY_TEXT = 512 };

struct proxy {
	char host[ADDRESS_HOST]; /* "" = none */
	uint16_t port;
	bool has_login;
	char user[PROXY_USER], password[PROXY_USER];
};

/* d never repeats the text: it may hold a password. TM_EUNSUPPORTED: of another kind, SOCKS for example. */
NODISCARD int proxy_parse(const char *text, struct proxy *ret_proxy, struct diag *d);
/* "host:port", for people. */
const char *proxy_format(const struct proxy *p, char buf[static ADDRESS_HOST_FIELD]);
void proxy_wipe(struct proxy *p);
bool proxy_eq(const struct proxy *a, const struct proxy *b);

/*
 * What the environment says, as curl reads it: https_proxy, HTTPS_PROXY, all_proxy, ALL_PROXY, http_proxy, in
 * this order (all our connections are tunnels, as those to https are). Never HTTP_PROXY: a web server sets
 * it from a request's header for the programs that it runs. *ret_name: which one it was. NULL: none.
 */
typedef const char *proxy_variable_fn(const char *name);
const char *proxy_of_environment(proxy_variable_fn *get, const char **ret_name);
/* Likewise no_proxy, NO_PROXY. */
const char *proxy_exceptions(proxy_variable_fn *get);
/*
 * Is the host one of those that are reached without? list: names (and all below them, with or without a dot
 * in front), addresses, CIDR prefixes, "*" = all; commas or blanks between. NULL: none.
 */
bool proxy_excepts(const char *list, const char *host);

/* Which proxy is used, and for whom not. */
struct proxy_choice {
	struct proxy proxy; /* host "": none */
	char except[1024]; /* as proxy_excepts */
};
/*
 * setting: "" = as the environment says, "none", or a proxy, which counts before the environment; no_proxy
 * holds for both. *ret_from: "proxy", the name of the variable, or NULL when there is none. After an error d
 * says what is wrong with which, and there is none.
 */
NODISCARD int proxy_choose(const char *setting, proxy_variable_fn *get, struct proxy_choice *ret_choice,
	const char **ret_from, struct diag *d);

#endif
