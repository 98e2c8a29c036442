/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A tunnel through an HTTP proxy: CONNECT (RFC 9110 9.3.6), with Basic authentication (RFC 7617) where the
 * proxy has a login. Text in, text out. What went wrong is one sentence for a person, without the password.
 */
#ifndef TM_WIRE_CONNECT_H
#define TM_WIRE_CONNECT_H

#include "base/diag.h"
#include "base/err.h"
#include "wire/proxy.h"

enum { CONNECT_REQUEST_MAX = 3 * ADDRESS_HOST_FIELD + 2 * 4 * PROXY_USER };

/* to: "host:port". out: CONNECT_REQUEST_MAX bytes; it holds the password, wipe it. */
NODISCARD int connect_request_format(
	const struct proxy *via, const char *to, char out[static CONNECT_REQUEST_MAX], size_t *ret_n);

/*
 * TM_EAGAIN until the head is whole; TM_OK: what follows *ret_head_len bytes is the other end's. Else d says
 * what the proxy has against it: TM_EPERM it wants a login, or another one, or forbids it; TM_EUNREACH it
 * cannot get there; TM_EPROTO it is no proxy.
 */
NODISCARD int connect_response_parse(const char *p, size_t n, const struct proxy *via, const char *to,
	size_t *ret_head_len, struct diag *d);

#endif
