/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `client add`: what a stock WireGuard device needs to reach the mesh through this node. */
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "control/policy/policy.h"
#include "node/clients.h"
#include "node/commands_private.h"
#include "node/offers.h"
#include "node/routing.h"
#include "wire/msg/device.h"
#include "wire/msg/msg.h"
#include "wire/token.h"

struct client_add {
	struct node *node;
	client_added_fn *added;
	void *ctx;
	uint8_t key[32];
	char endpoint[ENDPOINT_STR_LEN + 192];
	bool exit; /* all that the device has for the internet comes here, too */
};

/* By which name or address people reach this coordinator, with our data port; false when nobody said. */
static bool configured_endpoint(const struct node *n, char *buf, size_t len)
{
	const char *first = n->config.n_addresses      ? n->config.addresses[0]
			    : n->enrolment.n_addresses ? n->enrolment.addresses[0]
						       : NULL;
	char text[TOKEN_ADDR_LEN];

	if (!n->coord || !first || token_address(first, n->config.api_port, text) != TM_OK)
		return false;
	snprintf(buf, len, "%.*s:%u", (int)(strrchr(text, ':') - text), text, plane_port(n->plane));
	return true;
}

/* Where a device out there reaches us best: what somebody said, else what STUN saw, else an address of this
 * host. */
static void client_endpoint(struct node *n, const json_t *req, char *buf, size_t len)
{
	const struct candidates *mine = core_mine(n->path_core);
	const struct candidate *best = NULL;
	const char *given = command_field(req, "endpoint");
	char text[ENDPOINT_STR_LEN] = "";

	for (size_t i = 0; i < mine->n; i++)
		if (!best || (mine->v[i].type == CAND_SRFLX && best->type != CAND_SRFLX))
			best = &mine->v[i];
	if (n->config.n_advertise)
		endpoint_format(&n->config.advertise[0], text);
	else if (best)
		endpoint_format(&best->ep, text);
	if (given[0])
		snprintf(buf, len, "%s", given);
	else if (n->config.n_advertise || !configured_endpoint(n, buf, len))
		snprintf(buf, len, "%s", text);
}

static void allow(json_t *list, const struct prefix *p)
{
	char text[PREFIX_STR_LEN];

	json_array_append_new(list, json_string(prefix_format(p, text)));
}

/* What the device sends here: for the mesh, and for the networks that are reached from here, by others or by
 * this machine. Those that are approved later it does not know of. */
static json_t *allowed(const struct node *n, bool exit)
{
	static const struct prefix all[] = {{{IP_V4, {0}}, 0}, {{IP_V6, {0}}, 0}};
	json_t *list = json_array();
	struct route_settings own;
	size_t count;
	const struct routed *v = routing_look(n, &count);

	/* Both families, so that there is none beside it where this node has one alone. */
	for (size_t i = 0; exit && i < ARRAY_LEN(all); i++)
		allow(list, &all[i]);
	if (exit)
		return list;
	allow(list, &n->mesh.net4);
	allow(list, &n->mesh.net6);
	for (size_t i = 0; i < count; i++)
		allow(list, &v[i].owned.prefix);
	offers_approved(n, &own);
	for (size_t i = 0; i < own.n; i++)
		allow(list, &own.nets[i].prefix);
	return list;
}

/* Whose way to the internet this node is, it resolves names for, too: those of the device's own network do
 * not. */
static json_t *resolvers(bool exit)
{
	static const enum ip_family families[] = {IP_V4, IP_V6};
	json_t *list = json_array();
	char text[IP_STR_LEN];

	for (size_t i = 0; exit && i < ARRAY_LEN(families); i++) {
		const struct ip at = os_exit_resolver(families[i]);

		json_array_append_new(list, json_string(ip_format(&at, text)));
	}
	return list;
}

static json_t *client_reply(struct client_add *c, json_t *reply)
{
	struct node *n = c->node;
	uint8_t psk[32];
	char psk_text[BASE64_LEN(32) + 1], key_text[BASE64_LEN(32) + 1];

	if (!json_is_true(json_object_get(reply, "ok")))
		return reply;
	/* What was under way when the daemon was told to stop ends last. */
	if (!n->routing || !n->offers) {
		json_decref(reply);
		return msg_refusal("closed",
			"this node is stopping: the device was added, and has no configuration",
			"remove it and add it again when the node is up");
	}
	if (policy_pair_psk(n->mesh.secret, n->identity.x_pub, c->key, psk) != TM_OK) {
		json_decref(reply);
		return msg_refusal("crypto", "the pre-shared key could not be derived", "");
	}
	base64_encode(psk, sizeof(psk), psk_text);
	base64_encode(n->identity.x_pub, 32, key_text);
	json_object_set_new(reply, "psk", json_string(psk_text));
	json_object_set_new(reply, "server_key", json_string(key_text));
	json_object_set_new(reply, "endpoint", json_string(c->endpoint));
	json_object_set_new(reply, "allowed", allowed(n, c->exit));
	json_object_set_new(reply, "dns", resolvers(c->exit));
	wipe(psk, sizeof(psk));
	wipe(psk_text, sizeof(psk_text));
	return reply;
}

static void client_added(void *ctx, json_t *reply_take)
{
	struct client_add *c = ctx;

	c->added(c->ctx, client_reply(c, reply_take));
	free(c);
}

static void client_added_here(void *ctx, char *reply_take)
{
	json_t *reply = reply_take ? json_loads(reply_take, 0, NULL) : NULL;

	free(reply_take);
	client_added(ctx, reply);
}

static bool is_exit(const struct node *n)
{
	struct route_settings own;

	offers_approved(n, &own);
	return own.exit_offer;
}

/* NULL: it has been answered why not. */
static struct client_add *client_add_new(struct node *n, const json_t *req, client_added_fn *added, void *ctx)
{
	const char *key = command_field(req, "key");
	struct client_add *c = calloc(1, sizeof(*c));
	size_t len = 0;

	if (!c || base64_decode(key, strlen(key), c->key, sizeof(c->key), &len) != TM_OK || len != 32) {
		free(c);
		added(ctx, msg_refusal("invalid", "the client's public key is not 32 bytes in base64", ""));
		return NULL;
	}
	c->node = n;
	c->added = added;
	c->ctx = ctx;
	c->exit = json_is_true(json_object_get(req, "exit"));
	if (c->exit && !is_exit(n)) {
		free(c);
		added(ctx,
			msg_refusal("refused", "this node is no approved exit node",
				"`tunnelmesh exit-node offer` here, then `tunnelmesh route approve` on the "
				"coordinator"));
		return NULL;
	}
	client_endpoint(n, req, c->endpoint, sizeof(c->endpoint));
	if (!msg_device_endpoint_valid(c->endpoint)) {
		const bool given = command_field(req, "endpoint")[0];

		free(c);
		added(ctx, msg_refusal("invalid",
				   given ? "the endpoint wants to be HOST:PORT"
					 : "this node knows no address of its own for clients",
				   "say it with --endpoint HOST:PORT"));
		return NULL;
	}
	return c;
}

void client_add(
	struct node *n, const json_t *req, const struct coord_who *who, client_added_fn *added, void *ctx)
{
	struct client_add *c = client_add_new(n, req, added, ctx);

	if (!c)
		return;
	json_t *with_via = json_copy((json_t *)(uintptr_t)req);
	json_object_set_new(with_via, "via", json_string(n->enrolment.self.id));
	if (n->coord)
		coord_ask(n->coord, who, with_via, client_added_here, c);
	else
		command_ask_through_link(n, with_via, client_added, c);
	json_decref(with_via);
}

static void answer_call(void *ctx, json_t *reply_take)
{
	ctl_reply(ctx, reply_take);
}

void command_client_add(struct node *n, const json_t *req, struct ctl_call *call)
{
	const struct coord_who who = command_who(call);

	client_add(n, req, &who, answer_call, call);
}
