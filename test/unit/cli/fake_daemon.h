/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A daemon that says what it was told to, on a real control socket in a thread of its own. */
#ifndef TM_TEST_CLI_FAKE_DAEMON_H
#define TM_TEST_CLI_FAKE_DAEMON_H

#include <pthread.h>
#include <stdbool.h>

enum { FAKE_REQUESTS = 256, FAKE_REQUEST_LEN = 512, FAKE_REPLY_LEN = 4096 };

/* The answer to a command; of several the first to the first question, and so on, the last from then on.
 * reply NULL: hang up without one. The table ends with cmd NULL; unknown commands get {"ok":true}. */
struct fake_reply {
	const char *cmd, *reply;
};

struct fake_daemon {
	const struct fake_reply *replies;
	pthread_t thread;
	int listener, stop[2], lock_fd;
	bool running;
	char path[108];
	/* read them after fake_daemon_stop, or when the client has its answer */
	char requests[FAKE_REQUESTS][FAKE_REQUEST_LEN];
	unsigned n_requests;
};

/* lock_path: held until `down` was answered, as the real one does; NULL = none. */
void fake_daemon_start(
	struct fake_daemon *f, const char *path, const char *lock_path, const struct fake_reply *replies);
/* Fine when it never ran or was told `down`. Removes the socket. */
void fake_daemon_stop(struct fake_daemon *f);
/* How often a command was asked. */
unsigned fake_daemon_asked(const struct fake_daemon *f, const char *cmd);

#endif
