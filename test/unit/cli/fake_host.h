/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The machine and the coordinator as the linker's --wrap puts them in the place of the real ones: each step
 * can be made to fail. */
#ifndef TM_TEST_CLI_FAKE_HOST_H
#define TM_TEST_CLI_FAKE_HOST_H

#include "base/addr.h"
#include "control/agent/enrolment.h"
#include "unit/cli/fake_daemon.h"

struct fake_host {
	/* errors to return, 0 = works */
	int privileges, tun, port, interface, spawn, create, enrol, enrol_leave;
	bool spawn_once; /* fails once only */
	bool told; /* every process was told --foreground */
	bool interrupt; /* a signal arrives while the daemon starts */
	struct prefix in_use; /* family IP_NONE = nothing is */
	struct enrolment enrolment; /* what enrol() gives, ... */
	const char *enrol_as; /* ... under this name; NULL = as wanted */
	const struct fake_reply *replies;
	/* what happened */
	struct fake_daemon daemon;
	char spawned[1024]; /* arguments, space-separated */
	char failed[256]; /* os_daemon_failed */
	char enrol_name[64];
	uint8_t enrol_key[32];
	unsigned created, enrolled, left, undone, exits_cleared;
};

extern struct fake_host host;

#endif
