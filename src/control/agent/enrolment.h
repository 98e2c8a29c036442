/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node keeps after `init` or `join`: STATE_DIR/node.json (mode 0600, written atomically): mesh with
 * its secret, our own record, the coordinators, and the settings given on the command line. And the act of
 * enrolling itself.
 */
#ifndef TM_CONTROL_AGENT_ENROLMENT_H
#define TM_CONTROL_AGENT_ENROLMENT_H

#include "base/diag.h"
#include "base/err.h"
#include "crypto/identity.h"
#include "mesh/model.h"
#include "wire/proxy.h"
#include "wire/token.h"

struct enrolment {
	struct mesh_info mesh;
	struct node_rec self;
	bool coordinator; /* we have the coordinator role: STATE_DIR/mesh.db is ours */
	uint8_t coordinator_key[32];
	size_t n_addresses;
	char addresses[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN]; /* coordinator control ports */
	/* Settings from init/join, 0 or "" = not given (the configuration or the default counts) */
	uint16_t listen_port, api_port;
	char tun[16];
	char proxy[PROXY_TEXT]; /* the environment's at `join`, which a daemon does not see */
	bool proxied; /* by enrol(), not saved: it was the proxy that led there */
	char proxy_failed[256]; /* by enrol(), not saved: it was not, though there is one, and why; or "" */
	bool existed; /* by enrol(), not saved: this machine was a member before, with all that hangs on it */
};

/* TM_ENOENT when not enrolled. */
NODISCARD int enrolment_load(const char *path, struct enrolment *ret_e, struct diag *d);
NODISCARD int enrolment_save(const char *path, const struct enrolment *e, struct diag *d);
void enrolment_wipe(struct enrolment *e);
/* One more address at the end of a list with room for TOKEN_ADDRS_MAX, unless it is there, too long or "". */
void addresses_add(char (*list)[TOKEN_ADDR_LEN], size_t *n, const char *address);

/*
 * Enrols with a token: tries each address, blocking, within timeout_ms (CLI only; runs its own event loop).
 * Fills everything but the settings. d has one sentence: unreachable, wrong coordinator, token unknown, used,
 * expired, revoked, name taken ... Repeating it with the same identity and token after a lost answer gives
 * the same record. TM_EPERM: the coordinator refuses. TM_EAGAIN: it was asked, but no answer came; it may
 * have enrolled this identity.
 */
NODISCARD int enrol(const struct token *t, const struct identity *id, const char *name, const char *version,
	const struct proxy_choice *proxy, int timeout_ms, struct enrolment *ret_e, struct diag *d);
/* Tells the coordinator that we leave for good. Blocking, CLI or shutdown. */
NODISCARD int enrol_leave(const struct enrolment *e, const struct identity *id,
	const struct proxy_choice *proxy, int timeout_ms, struct diag *d);
/* The same for an enrolment that came to nothing a moment ago: the token may be used again. A coordinator
 * that let this machine in otherwise, or longer ago, says yes and keeps it. */
NODISCARD int enrol_undo(const struct enrolment *e, const struct identity *id,
	const struct proxy_choice *proxy, int timeout_ms, struct diag *d);

#endif
