/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One question to the daemon over its control socket (node/ctl.h has the other end), or over the open one
 * beside it for a user who may not use the first: there the daemon answers what shows and changes nothing.
 * Blocking, with a deadline.
 */
#ifndef TM_CLI_CORE_CALL_H
#define TM_CLI_CORE_CALL_H

#include <jansson.h>

#include "base/diag.h"
#include "base/err.h"
#include "os/process.h"

enum { CALL_REPLY_MAX = 64 << 20 };

/*
 * Sends req and reads the reply. TM_OK: the daemon said "ok". Otherwise one sentence in d and
 * TM_ENOENT when no daemon answers at path, TM_EPERM when we may not ask, TM_ETIMEOUT, TM_EAGAIN when an
 * interrupt (os/interrupt.h) ended the wait, TM_EINVAL when it refused, TM_EPROTO for an answer
 * that makes no sense, TM_ECLOSED when it went away in the middle.
 */
NODISCARD int call_daemon(
	const char *path, const json_t *req, int timeout_ms, json_t **ret_reply, struct diag *d);

/*
 * The same for what goes on behind the answer: *ret_fd is where it does, the first byte not read yet
 * (os/local.h). Only by the control socket.
 */
NODISCARD int call_daemon_open(
	const char *path, const json_t *req, int timeout_ms, json_t **ret_reply, int *ret_fd, struct diag *d);

/* Does a daemon accept connections there? Its process id if so, else 0. */
os_pid call_daemon_pid(const char *path);

#endif
