/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the coordinator says. It is authenticated, but an old, a new or a broken one must not bring a node
 * down. */
#include <string.h>

#include "base/secret.h"
#include "control/agent/agent_private.h"
#include "loop/timer.h"

/* Interface, routes and tunnels were made for these. */
static bool same_addresses(const struct agent *a, const struct msg_welcome *w)
{
	return prefix_eq(&a->mesh.net4, &w->mesh.net4) && prefix_eq(&a->mesh.net6, &w->mesh.net6) &&
	       a->self.host == w->node.host;
}

static void on_welcome(struct agent *a, const json_t *m)
{
	struct msg_welcome w;

	if (a->state != AGENT_GREET)
		return;
	if (msg_welcome_get(m, &w) != TM_OK || strcmp(w.node.id, a->self.id) != 0) {
		wipe(&w, sizeof(w));
		session_drop(a, "the coordinator's greeting cannot be read, or is for another node");
		return;
	}
	if (!same_addresses(a, &w)) {
		wipe(&w, sizeof(w));
		session_drop(a, "the coordinator says that this node has other addresses than it enrolled "
				"with: leave the mesh and join it again");
		return;
	}
	a->self = w.node;
	a->mesh = w.mesh;
	if (w.data_port)
		a->known.data_port = w.data_port;
	a->known.pace_ms = w.pace_ms;
	a->data = w.data;
	session_addresses_add(a, w.addresses.v, w.addresses.n);
	peers_set_coordinator(a->peers, &a->known);
	a->coordinator_time = w.time;
	wipe(&w, sizeof(w));

	loop_timer_stop(a->timer);
	a->state = AGENT_UP;
	a->removed = false;
	a->up_since = time_monotonic();
	a->last_error[0] = '\0';
	LOG_AT(a->told_up ? LOG_DEBUG : LOG_INFO, "agent: linked to the coordinator",
		KV("by", a->linked_by[0] ? a->linked_by : "-"), KV_EP("at", &a->linked_at),
		KV("tls", a->linked_tls ? "yes" : "no"), KV("proxy", agent_link_proxy(a)));
	a->told_up = true;
	want_again(a);
	a->policy_unsaid = a->policy_known;
	if (a->mine_unsent || a->policy_unsaid)
		loop_timer_in(a->soon, 0);
	if (a->events.link)
		a->events.link(a->events.ctx, true);
	relays_look(a);
	streaming_linked(a);
}

static void on_addresses(struct agent *a, const json_t *m)
{
	struct msg_addresses list;

	msg_addresses_get(m, &list);
	session_addresses_add(a, list.v, list.n);
	peers_set_coordinator(a->peers, &a->known);
}

static void tell_owner(struct agent *a, struct mesh_diff *d)
{
	if (d->n && a->events.mesh_changed)
		a->events.mesh_changed(a->events.ctx, d);
	mesh_diff_deinit(d);
	relays_look(a);
}

static void on_netmap(struct agent *a, const json_t *m)
{
	struct netmap update = {0};
	struct mesh_diff d;

	if (a->state != AGENT_UP)
		return;

	int err = msg_netmap_get(m, &a->mesh, &update);
	if (err) {
		session_drop(a, "the coordinator sent a netmap that cannot be read");
		return;
	}
	err = peers_update(a->peers, &update, &d);
	size_t n_bad = update.n_bad + (err ? 0 : d.n_bad);
	netmap_deinit(&update);
	if (n_bad)
		LOG_LIMITED(LOG_WARN, &a->log_records, LOG_WHO_ALL,
			"agent: records in the netmap are invalid, leaving them out",
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
	struct msg_candidates c;

	if (msg_candidates_get(m, &c) == TM_OK)
		want_told(a, c.node, &c.candidates, c.looks);
}

static void on_relays(struct agent *a, const json_t *m)
{
	struct msg_relays told;

	if (msg_relays_get(m, &told) == TM_OK)
		relays_told(a, &told);
}

/*
 * One that is not in force here, because a later version of the program wrote it, say, does not take the
 * place of one that is: the next start would have neither. Where none is, it is kept: not to have one is not
 * to know what is allowed.
 */
static void policy_set(struct agent *a, const struct policy_kept *told)
{
	const struct policy_kept *kept = peers_policy(a->peers);

	if (told->version == kept->version && strcmp(told->digest, kept->digest) == 0 && !a->policy_refused)
		return;
	const bool refused = a->events.policy && a->events.policy(a->events.ctx, told) != TM_OK;
	if (refused && kept->version && !a->policy_refused)
		return;
	if (peers_set_policy(a->peers, told) != TM_OK) {
		/* Asked for again with the next link. */
		log_warn("agent: no memory for the policy of the mesh, it is not kept for the next start");
		return;
	}
	a->policy_refused = refused;
}

static void on_policy(struct agent *a, const json_t *m)
{
	struct msg_policy told;

	if (msg_policy_get(m, &told) != TM_OK) {
		LOG_LIMITED(LOG_WARN, &a->log_records, LOG_WHO_ALL,
			"agent: the coordinator sent a policy that cannot be read, keeping the old one");
		return;
	}
	/* What is borrowed from the message is only looked at. */
	struct policy_kept k = {.version = told.version,
		.text = (char *)(uintptr_t)told.text,
		.nodes = (char *)(uintptr_t)told.nodes};
	memcpy(k.digest, told.digest, sizeof(k.digest));
	char digest[POLICY_DIGEST_LEN + 1] = "";
	if (told.version)
		policy_digest(told.text, told.nodes, digest);
	if (strcmp(digest, told.digest) != 0) {
		LOG_LIMITED(LOG_WARN, &a->log_records, LOG_WHO_ALL,
			"agent: the coordinator sent a policy that was changed on its way, keeping the old "
			"one");
		return;
	}
	policy_set(a, &k);
}

static void on_removed(struct agent *a, const json_t *m)
{
	struct mesh_diff d;

	msg_removed_get(m, &a->removed_as);
	a->removed_news = !a->removed;
	a->removed = true;
	loop_timer_in(a->soon, 0);

	/* What a removed node knows of the mesh does not survive a restart either; and a second machine with
	 * this identity must not go on taking the first one's sessions. */
	if (peers_clear(a->peers, &d) == TM_OK)
		tell_owner(a, &d);
	relays_set(a, &(struct relays){.n = 0});
	policy_set(a, &(struct policy_kept){.version = 0});
	session_drop(a, a->removed_as.why);
}

static const struct {
	const char *type;
	void (*handle)(struct agent *, const json_t *);
} handlers[] = {
	{"welcome", on_welcome},
	{"addresses", on_addresses},
	{"netmap", on_netmap},
	{"candidates", on_candidates},
	{"relays", on_relays},
	{"policy", on_policy},
	{"report", report_asked},
	{"removed", on_removed},
	{"reply", request_reply},
};

void message_handle(struct agent *a, const json_t *m)
{
	const struct msg_type type = msg_type(m);

	for (size_t i = 0; i < ARRAY_LEN(handlers); i++) {
		if (strcmp(type.text, handlers[i].type) == 0) {
			handlers[i].handle(a, m);
			return;
		}
	}
	/* A newer coordinator may say more than we understand. */
}
