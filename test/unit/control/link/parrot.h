/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is found at an address instead of a coordinator. */
#ifndef TM_TEST_CONTROL_PARROT_H
#define TM_TEST_CONTROL_PARROT_H

#include "unit/unit.h"

#include "base/addr.h"

struct event_base;
struct evconnlistener;

/* A server that says one thing to everybody, then hangs up or not. */
struct parrot {
	const char *text;
	bool hang_up;
	struct evconnlistener *listener;
	unsigned accepted;
};

/* address: where it is, also when `at` has port 0. */
void parrot_open(
	struct parrot *p, struct event_base *base, const char *at, char address[static ENDPOINT_STR_LEN]);
void parrot_close(struct parrot *p);

/* A listening socket whose queue is full drops further attempts, like a host that is down. All descriptors
 * are the caller's. */
int black_hole(char address[static ENDPOINT_STR_LEN], int fill[8]);

#endif
