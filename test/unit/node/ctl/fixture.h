/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A control socket server (not the open one) on a real Unix socket and its clients, in one event loop. Its
 * handler echoes the command, or keeps the call for the test to answer. */
#ifndef TM_TEST_CTL_FIXTURE_H
#define TM_TEST_CTL_FIXTURE_H

#include <event2/event.h>

#include "node/ctl.h"

struct fixture {
	struct event_base *base;
	struct ctl *ctl;
	char dir[64], path[96];
	/* what the handler saw and does */
	unsigned requests;
	char last[64]; /* "cmd" of the last request */
	bool later; /* keep the call instead of answering */
	struct ctl_call *kept[128];
	size_t n_kept;
	size_t pad; /* bytes of padding in the reply */
};

int fixture_setup(void **state); /* *state = struct fixture; nothing listens yet */
int fixture_teardown(void **state);

/* group: as in struct ctl_config. fixture_listen sets ctl, or fails the test. */
void fixture_listen(struct fixture *f, const char *group);
int fixture_try_listen(
	struct fixture *f, const char *path, const char *group, struct ctl **ret_ctl, struct diag *d);

void fixture_pump(struct fixture *f); /* the event loop, until something has happened */
int fixture_client(const struct fixture *f); /* a connected socket, non-blocking */
/* Sends as the server takes it; stops when the server closes its end. */
void fixture_say(struct fixture *f, int fd, const char *p, size_t n);
/* One whose request has come in and is kept. */
int fixture_kept_client(struct fixture *f, const char *request);
/* Everything the server says until it hangs up, which it has to do within 20 s; frees fd. The caller frees
 * the string. */
char *fixture_hear(struct fixture *f, int fd);
char *fixture_ask(struct fixture *f, const char *line); /* a client that says the line; as fixture_hear */

#endif
