/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Commands from the control socket. docs/protocol.md, "Administration". */
#include "control/coord/coord_private.h"

#include <string.h>

static void token_list(struct coord *c, const struct asker *a, const json_t *req)
{
	(void)req;
	tokens_list(c, a);
}

static void node_list(struct coord *c, const struct asker *a, const json_t *req)
{
	(void)req;
	nodes_list(c, a, true);
}

static void node_remove(struct coord *c, const struct asker *a, const json_t *req)
{
	const char *name = field_text(req, "node", NODE_NAME_MAX);
	struct member *m = name ? registry_lookup(c->reg, name) : NULL;

	if (m)
		nodes_remove(c, a, m, "this node was removed from the mesh");
	else
		ask_refuse_text(c, a, "there is no such node", "`tunnelmesh node list` shows all");
}

static void client_add(struct coord *c, const struct asker *a, const json_t *req)
{
	clients_add(c, a, req, NULL);
}

static void client_list(struct coord *c, const struct asker *a, const json_t *req)
{
	(void)req;
	clients_list(c, a, NULL);
}

static void client_remove(struct coord *c, const struct asker *a, const json_t *req)
{
	clients_remove(c, a, req, NULL);
}

static const struct {
	const char *name;
	void (*run)(struct coord *c, const struct asker *a, const json_t *req);
} commands[] = {
	{"token.create", tokens_create},
	{"token.list", token_list},
	{"token.revoke", tokens_revoke},
	{"node.list", node_list},
	{"node.rename", nodes_rename},
	{"node.remove", node_remove},
	{"client.add", client_add},
	{"client.list", client_list},
	{"client.remove", client_remove},
};

void coord_admin(struct coord *c, const json_t *req, coord_reply_fn *reply, void *ctx)
{
	struct asker a = {.reply = reply, .ctx = ctx};
	const char *name = field_text(req, "cmd", 32);

	for (size_t i = 0; name && i < ARRAY_LEN(commands); i++)
		if (strcmp(name, commands[i].name) == 0) {
			commands[i].run(c, &a, req);
			return;
		}
	ask_refuse_text(c, &a, "the coordinator does not know this command",
		"is the daemon older than the command line?");
}
