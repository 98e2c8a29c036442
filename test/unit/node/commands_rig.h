/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A node of which only the commands and the directory of peers are real. The control socket, the plane, the
 * agent and the coordinator are stand-ins that the linker puts in. */
#ifndef TM_TEST_COMMANDS_RIG_H
#define TM_TEST_COMMANDS_RIG_H

#include "unit/unit.h"

#include "node/node_private.h"
#include "node/route_settings.h"

#include <jansson.h>

struct rig {
	char dir[64], path[96];
	struct node n;
	json_t *answer, *asked; /* of the control socket; of the coordinator, by whichever way */
	uint32_t uid; /* of who asks */
	struct coord_who who; /* as the coordinator was told */
	unsigned answers, asked_link, asked_here, nudges, stops, views;
	bool viewable; /* the whole node, with nothing in it */
	bool ends; /* the agent, while it is asked */
	const char *reply; /* of the coordinator */
	int reload_err;
	bool left; /* the client has */
	struct candidates mine;
	struct route_settings approved; /* of what it offers itself */
};

int rig_setup(void **state);
int rig_teardown(void **state);

typedef void command_fn(void *ctx, const json_t *req, struct ctl_call *call);
/* Says it and gives the answer, which comes exactly once. */
const json_t *say(struct rig *r, command_fn *how, json_t *req_take);
json_t *cmd(const char *name);
const char *text(const json_t *j, const char *key); /* "" when it is none */
bool ok(const json_t *j);

#endif
