/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the tests of os/ share: scratch directories, private namespaces, a count of open descriptors. */
#ifndef TM_TEST_OS_HOST_H
#define TM_TEST_OS_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"

enum { HOST_PATH = 256 };

/* A fresh directory as the test's state, removed with all in it; both fail when the test left descriptors
 * open. */
struct host {
	char dir[HOST_PATH];
	char path[HOST_PATH + 64];
	size_t fds;
};
int host_setup(void **state);
int host_teardown(void **state);
const char *host_path(struct host *h, const char *name); /* valid until the next call */

size_t host_open_fds(void);

/* The calling process in namespaces of its own; skips the test with a reason where that is not allowed. */
void host_unshare(int flags, const char *name);

/* `ip ARGS` must succeed. */
void host_ip(const char *args);
/* A pair of virtual network cards, both up. */
void host_veth(const char *name, const char *peer);

#endif
