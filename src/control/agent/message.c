/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the coordinator says. It is authenticated, but an old, a new or a broken one must not bring a node
 * down. */
#include <string.h>

#include "control/agent/agent_private.h"
#include "loop/timer.h"

enum { PACE_MAX_MS = 10 * 60 * 1000 };

static void take_addresses(struct agent *a, const json_t *list)
{
	char text[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN] = {0};
	size_t n = 0, i;
	json_t *v;

	json_array_foreach (list, i, v) {
		const char *s = json_string_value(v);

		if (s && strlen(s) < TOKEN_ADDR_LEN && n < TOKEN_ADDRS_MAX)
			memcpy(text[n++], s, strlen(s) + 1);
	}
	session_addresses_add(a, text, n);
}

static void on_welcome(struct agent *a, const json_t *m)
{
	struct node_rec self;
	struct mesh_info mesh;
	json_int_t port = json_integer_value(json_object_get(m, "data_port"));
	json_int_t pace = json_integer_value(json_object_get(m, "pace_ms"));

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
		a->known.data_port = (uint16_t)port;
	if (pace >= 0 && pace <= PACE_MAX_MS)
		a->known.pace_ms = (uint32_t)pace;
	take_addresses(a, json_object_get(m, "addresses"));
	peers_set_coordinator(a->peers, &a->known);

	loop_timer_stop(a->timer);
	a->state = AGENT_UP;
	a->removed = false;
	a->up_since = time_monotonic();
	a->last_error[0] = a->logged_error[0] = '\0';
	log_info("agent: linked to the coordinator", KV_EP("at", &a->known.at));
	want_again(a);
	if (a->mine_unsent)
		loop_timer_in(a->soon, 0);
	if (a->events.link)
		a->events.link(a->events.ctx, true);
}

static void tell_owner(struct agent *a, struct mesh_diff *d)
{
	if (d->n && a->events.mesh_changed)
		a->events.mesh_changed(a->events.ctx, d);
	mesh_diff_deinit(d);
}

static void on_netmap(struct agent *a, const json_t *m)
{
	struct netmap update = {0};
	struct mesh_diff d;

	if (a->state != AGENT_UP)
		return;

	int err = netmap_from_json(json_object_get(m, "map"), &a->mesh, &update);
	if (err) {
		session_drop(a, "the coordinator sent a netmap that cannot be read");
		return;
	}
	err = peers_update(a->peers, &update, &d);
	size_t n_bad = update.n_bad + (err ? 0 : d.n_bad);
	netmap_deinit(&update);
	if (n_bad && log_allow(&a->bad_limit, time_monotonic()))
		log_warn("agent: records in the netmap are invalid, leaving them out",
			KV_INT("records", n_bad));
	if (err) {
		peers_forget_version(a->peers);
		session_drop(a, "the netmap must be fetched anew: a change of it does not fit");
		return;
	}
	tell_owner(a, &d);
}

static void on_candidates(struct agent *a, const json_t *m)
{
	const char *id = json_string_value(json_object_get(m, "node"));
	struct candidates c;

	if (id && candidates_from_json(json_object_get(m, "candidates"), &c) == TM_OK)
		want_told(a, id, &c);
}

static void on_removed(struct agent *a, const json_t *m)
{
	const char *text = json_string_value(json_object_get(m, "why"));
	const size_t room = sizeof(a->removed_why) - 1;
	struct mesh_diff d;

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
	loop_timer_in(a->soon, 0);

	/* What a removed node knows of the mesh does not survive a restart either. */
	if (peers_clear(a->peers, &d) == TM_OK)
		tell_owner(a, &d);
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
