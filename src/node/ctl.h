/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Control socket: the daemon's end of the command line. A Unix stream socket; each connection carries one
 * JSON object terminated by a newline, and gets one JSON object and a newline back. Access is the file's
 * mode: root alone (0600), root and a group (0660), or, for the open one beside it, everybody (0666).
 * Control thread.
 */
#ifndef TM_NODE_CTL_H
#define TM_NODE_CTL_H

#include "base/diag.h"
#include "base/err.h"
#include "base/time.h"

#include <jansson.h>

enum {
	CTL_REQUEST_MAX = 1 << 20, /* bytes, newline included */
	CTL_OPEN_REQUEST_MAX = 4096, /* the same on the open socket */
	CTL_CONNS_MAX = 64, /* more wait in the kernel's backlog */
};
#define CTL_PATIENCE (10 * SEC) /* to send a request, and again to take the reply */
#define CTL_LOOK_EVERY (2 * SEC)
/* The open socket's path is the control socket's and this. */
#define CTL_OPEN_SUFFIX ".read"

struct ctl;
struct event_base;

/* One request that waits for its answer: lives from the handler's call until ctl_reply, even if ctl_free
 * comes first. */
struct ctl_call;
/* req is borrowed: json_incref what you keep. Answer now or later with ctl_reply, exactly once. */
typedef void ctl_handler_fn(void *ctx, const json_t *req, struct ctl_call *call);

struct ctl_config {
	const char *path;
	const char *group; /* NULL or "": root alone */
	bool open; /* for every user of this machine, each within its limits (ctl_users.h); no group */
	ctl_handler_fn *handler;
	void *ctx;
};

/*
 * Listens; the path's directory is made when missing. A dead daemon's socket is replaced; TM_EBUSY when a
 * live one answers, TM_EEXIST when path is something else than a socket. Where there is no room for a socket,
 * or no leave to make one, it is made as soon as there is.
 */
NODISCARD int ctl_new(
	struct event_base *base, const struct ctl_config *cfg, struct ctl **ret_ctl, struct diag *d);
/* Hands out what is already answered as far as the sockets take it, closes everything, unlinks the socket if
 * it is still ours. */
void ctl_free(struct ctl *c);

/* Sends the reply and ends the connection; dropped quietly when the client has gone. NULL reply: an error
 * reply. */
void ctl_reply(struct ctl_call *call, json_t *reply_take);
/* The same for an answer that is text already: a JSON object on one line, made by malloc. NULL likewise. */
void ctl_reply_text(struct ctl_call *call, char *text_take);

/*
 * The connection is the caller's from now on, and nothing has been said on it: for who has more to tell than
 * one answer. The call is over. TM_ECLOSED: the client has gone.
 */
NODISCARD int ctl_release(struct ctl_call *call, int *ret_fd);

/* Is the client still there, as far as can be seen now? Who has closed its sending half counts as gone. */
bool ctl_waits(const struct ctl_call *call);

/* The number of the user at the other end; TM_ECLOSED when it has gone. */
NODISCARD int ctl_user(const struct ctl_call *call, uint32_t *ret_uid);

/* One request line without its newline. TM_EBADMSG with a sentence unless it is a JSON object. Pure. */
NODISCARD int ctl_request_parse(const char *line, size_t n, json_t **ret_req, struct diag *d);

/* Is the socket where it belongs? It is made again if somebody took it away (a cleaned /run). Happens by
 * itself every CTL_LOOK_EVERY. */
void ctl_look(struct ctl *c);

/* Tests: instead of CTL_PATIENCE. */
void ctl_set_patience(struct ctl *c, ns_t patience);

#endif
