/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Where a coordinator's TCP port is, as tokens, messages and files say it:
 *
 *   host:port                          its own port: plain or TLS, whichever gets through
 *   https://host[:port][/prefix]       TLS only: what answers there may be a web server in front of it
 *   http://host[:port][/prefix]        plain only
 *
 * host is a name, an IPv4 address, or an IPv6 address in brackets. Pure.
 */
#ifndef TM_WIRE_ADDRESS_H
#define TM_WIRE_ADDRESS_H

#include "base/err.h"
#include "base/util.h"

enum { ADDRESS_HOST = 255, ADDRESS_PREFIX = 128 };

enum address_kind { ADDRESS_OWN, ADDRESS_HTTP, ADDRESS_HTTPS };

struct address {
	enum address_kind kind;
	char host[ADDRESS_HOST]; /* without brackets */
	uint16_t port;
	char prefix[ADDRESS_PREFIX]; /* "/vpn", without a slash at its end; or "" */
};

NODISCARD int address_parse(const char *text, struct address *ret_address);
/* As an HTTP Host field has it: the port of the scheme is left out. Also "host:port" of a CONNECT. */
enum { ADDRESS_HOST_FIELD = ADDRESS_HOST + 9 };
const char *address_host_field(const struct address *a, bool tls, char buf[static ADDRESS_HOST_FIELD]);
const char *address_authority(const struct address *a, char buf[static ADDRESS_HOST_FIELD]);

#endif
