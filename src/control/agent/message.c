/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the coordinator says. It is authenticated, but an old, a new or a broken one must not bring a node
 * down. */
#include <event2/event.h>
#include <string.h>

#include "control/agent/agent_private.h"

static void on_welcome(struct agent *a, const json_t *m)
{
	struct node_rec self;
	struct mesh_info mesh;
	json_int_t port = json_integer_value(json_object_get(m, "data_port"));

	if (a->state != AGENT_GREET)
		return;

	if (mesh_info_from_json(json_object_get(m, "mesh"), &mesh) == TM_OK)
		a->mesh = mesh;
	if (node_rec_from_json(json_object_get(m, "node"), &a->mesh, &self) == TM_OK &&
		strcmp(self.id, a->self.id) == 0)
		a->self = self;
	else
		log_warn("agent: the coordinator's record of this node is unusable, keeping the old one");
	if (port > 0 && port <= UINT16_MAX)
		a->data_port = (uint16_t)port;
	session_addresses_set(a, json_object_get(m, "addresses"));

	event_del(a->timer);
	a->state = AGENT_UP;
	a->removed = false;
	a->up_since = time_monotonic();
	a->last_error[0] = a->logged_error[0] = '\0';
	cache_dirty(a);
	log_info("agent: linked to the coordinator", KV_EP("at", &a->coordinator));
	memos_ask_later(a);
	if (a->mine_unsent)
		event_active(a->soon, EV_TIMEOUT, 0);
	if (a->events.link)
		a->events.link(a->events.ctx, true);
}

/* Peers that are gone take with them what we remember of them. */
static void forget_removed(struct agent *a, const struct netmap *change)
{
	if (change->base == 0)
		memos_prune(a);
	for (size_t i = 0; i < change->n_removed; i++)
		if (!netmap_find(&a->map, change->removed[i]))
			memo_forget(a, change->removed[i]);
}

static void on_netmap(struct agent *a, const json_t *m)
{
	struct netmap change = {0};
	int err;

	if (a->state != AGENT_UP)
		return;

	err = netmap_from_json(json_object_get(m, "map"), &a->mesh, &change);
	if (err) {
		session_drop(a, "the coordinator sent a netmap that cannot be read");
		return;
	}
	if (change.n_bad && log_allow(&a->bad_limit, time_monotonic()))
		log_warn("agent: records in the netmap are invalid, leaving them out",
			KV_INT("records", change.n_bad));

	err = netmap_apply(&a->map, &change);
	if (!err)
		forget_removed(a, &change);
	netmap_deinit(&change);
	if (err) {
		a->resync = true;
		session_drop(a, "the netmap must be fetched anew: a change of it does not fit");
		return;
	}
	a->resync = false;
	cache_dirty(a);
	if (a->events.netmap)
		a->events.netmap(a->events.ctx, &a->map);
}

static void on_candidates(struct agent *a, const json_t *m)
{
	const char *id = json_string_value(json_object_get(m, "node"));
	struct candidates c;

	if (!id || !node_id_valid(id) || candidates_from_json(json_object_get(m, "candidates"), &c) != TM_OK)
		return;

	struct memo *memo = memo_get(a, id, true);
	if (!memo)
		return; /* not a member, as far as we know */

	memo->known = c;
	memo->answer_due = false;
	cache_dirty(a);
	if (a->events.candidates)
		a->events.candidates(a->events.ctx, memo->id, &memo->known);
}

static void on_removed(struct agent *a, const json_t *m)
{
	const char *text = json_string_value(json_object_get(m, "why"));
	const size_t room = sizeof(a->removed_why) - 1;

	memcpy(a->removed_why, "removed from the mesh", sizeof("removed from the mesh"));
	if (text && text[0]) {
		size_t n = strnlen(text, room);

		/* It goes to logs and terminals: no control characters. */
		for (size_t i = 0; i < n; i++)
			a->removed_why[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
		a->removed_why[n] = '\0';
	}
	a->removed_news = !a->removed;
	a->removed = true;
	event_active(a->soon, EV_TIMEOUT, 0);

	/* What a removed node knows of the mesh does not survive a restart either. */
	netmap_deinit(&a->map);
	a->map = (struct netmap){0};
	memos_prune(a);
	cache_dirty(a);
	session_drop(a, a->removed_why);
}

static const struct {
	const char *type;
	void (*handle)(struct agent *, const json_t *);
} handlers[] = {
	{"welcome", on_welcome},
	{"netmap", on_netmap},
	{"candidates", on_candidates},
	{"removed", on_removed},
	{"reply", request_reply},
};

void message_handle(struct agent *a, const json_t *m)
{
	const char *type = json_string_value(json_object_get(m, "t"));

	for (size_t i = 0; type && i < ARRAY_LEN(handlers); i++) {
		if (strcmp(type, handlers[i].type) == 0) {
			handlers[i].handle(a, m);
			return;
		}
	}
	/* A newer coordinator may say more than we understand. */
}
