/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A folder for a fake daemon, which the test starts there or does not. */
#ifndef TM_TEST_CLI_FIXTURE_H
#define TM_TEST_CLI_FIXTURE_H

#include "unit/cli/fake_daemon.h"
#include "unit/cli/run.h"

struct fixture {
	struct fake_daemon daemon;
	char dir[64], socket[96], lock[96];
};

int fixture_setup(void **state); /* *state = struct fixture */
int fixture_teardown(void **state);

/* A file in the folder, which has to be empty at the end. */
void fixture_write(const struct fixture *f, const char *name, unsigned mode, const char *text);
void fixture_remove(const struct fixture *f, const char *name);

/* run_cli of what the daemon is asked, with the folder as its state directory; it has to end with 0. */
void fixture_ask(const struct fixture *f, struct run *r, const char *args);

#endif
