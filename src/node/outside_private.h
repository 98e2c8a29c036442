/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Private to outside*.c. */
#ifndef TM_NODE_OUTSIDE_PRIVATE_H
#define TM_NODE_OUTSIDE_PRIVATE_H

#include "control/link/admission.h"
#include "loop/helper.h"
#include "net/tls_files.h"
#include "node/login.h"
#include "node/node_private.h"
#include "node/outside.h"

struct outside {
	/* set once */
	struct node *node;
	struct dashboard *pages;
	/* since it has been wanted; NULL: not yet */
	struct web_server *server;
	struct admission *admission;
	struct tls_files *tls;
	struct helper *helper; /* hashes */
	/* changes */
	struct login login;
	bool warned; /* that there is no password */
	struct log_limit log_guesses, log_tls;
};

/* outside_who.c, for the server */
void outside_who(void *ctx, const struct web_caller *c, struct web_viewer *ret_viewer);
extern const struct admission_config outside_limits;

#endif
