/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A machine that is in no mesh yet: the fake host, on which everything works, with a folder and a token for
 * it. For the tests of the commands that bring a machine into a mesh and out of it again. */
#ifndef TM_TEST_CLI_HOST_FIXTURE_H
#define TM_TEST_CLI_HOST_FIXTURE_H

#include "unit/cli/fake_host.h"
#include "unit/cli/run.h"
#include "wire/token.h"

struct host_fixture {
	char dir[64]; /* exists; the state directory is dir/a/state */
	char token[TOKEN_TEXT_MAX];
};

int host_fixture_setup(void **state); /* *state = struct host_fixture; after crypto_init */
int host_fixture_teardown(void **state);

bool host_has(const struct host_fixture *f, const char *name); /* a file or folder in dir */
void host_load_enrolment(const struct host_fixture *f, struct enrolment *e); /* of the state directory */
void host_write_config(const struct host_fixture *f, const char *text); /* to DIR/own.yaml */

/* run_cli of what has to end with 0. */
void host_run_ok(struct run *r, const struct host_fixture *f, const char *args);
/* `join` with the token, as laptop, into the state directory; more: further options. */
void host_join(struct run *r, const struct host_fixture *f, const char *more);

#endif
