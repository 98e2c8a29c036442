/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The dashboard outside of the mesh: where the configuration says (dashboard.listen), for who has its
 * password (node/login.h). There an address proves nothing. The server is another one than the mesh's, so
 * that strangers take no places of members. TLS is spoken by who begins it, with the certificate of the
 * coordinator's port; in plain HTTP a password is taken from this machine alone, unless the configuration
 * says otherwise.
 *
 * Nothing of it is there before it is wanted and has a password. Control thread. Private to node/.
 */
#ifndef TM_NODE_OUTSIDE_H
#define TM_NODE_OUTSIDE_H

#include "base/addr.h"
#include "base/diag.h"
#include "node/config.h"
#include "web/dashboard/dashboard.h"

struct node;
struct outside;

NODISCARD int outside_new(struct node *n, struct dashboard *pages, struct outside **ret_outside);
/* Nobody is let in any more, and who waits for that is told so. Then the server is freed, before the pages.
 */
void outside_stop(struct outside *o);
void outside_free(struct outside *o); /* NULL is fine, for both */
void outside_follow(struct outside *o); /* the configuration, or the password, has changed */

/* A line of login_keep: that is the password from now on, and who was logged in is not any more. After an
 * error, with a sentence, all is as it was. */
NODISCARD int outside_keep(struct outside *o, const char *line, struct diag *d);

/* For the pages (web/dashboard/dashboard.h). */
void outside_login(struct outside *o, const struct web_caller *c, const char *password,
	dashboard_login_fn *reply, void *reply_ctx);
void outside_logout(
	struct outside *o, const struct web_caller *c, char ret_cookie[static DASHBOARD_COOKIE_MAX]);
bool outside_is_still(const struct outside *o, const struct web_viewer *by);

size_t outside_connections(const struct outside *o); /* NULL is fine */

struct outside_view {
	struct {
		struct endpoint at;
		bool open;
	} doors[CONFIG_LIST_MAX];
	size_t n; /* as configured */
	bool lacks_password;
};
void outside_view(const struct outside *o, struct outside_view *ret_view);

#endif
