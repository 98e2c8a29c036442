/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What stands on the way to a control port: a box that lets some pass and not others, or an HTTP proxy. In
 * the test's event loop.
 */
#ifndef TM_TEST_CONTROL_GATE_H
#define TM_TEST_CONTROL_GATE_H

#include "world.h"

enum gate_kind {
	GATE_RESETS, /* hangs up on all that is not TLS */
	GATE_HOLDS, /* neither passes on nor answers what is not TLS */
	GATE_PLAIN, /* hangs up on TLS */
	GATE_PROXY, /* CONNECT, whatever the name: everything is at `to` */
};

struct gate {
	/* set by the test */
	enum gate_kind kind;
	const char *login; /* of the proxy, as base64; NULL: none is wanted */
	const char *answer; /* of the proxy, instead of connecting; "": none */
	/* state */
	struct event_base *base;
	struct endpoint to;
	struct evconnlistener *listener;
	unsigned accepted, passed;
	char asked[128]; /* "host:port" of the last CONNECT */
};

/* address: where it stands. to: what is behind it. */
void gate_open(
	struct gate *g, struct event_base *base, const char *to, char address[static ENDPOINT_STR_LEN]);
void gate_close(struct gate *g); /* connections through it go with the loop */

#endif
