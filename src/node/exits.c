/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/exits.h"

#include <stdio.h>
#include <string.h>

#include "node/node_private.h"
#include "node/offers.h"
#include "node/router.h"
#include "node/routing.h"

#define LOOK_AGAIN (10 * SEC) /* after the kernel refused something */

struct exits {
	struct os_exit *os;
	struct loop_timer *timer; /* the end of a pause, or another try */
	ns_t paused_until;
	bool set; /* on the host */
	char unguarded[320]; /* the kernel lacks what would hold back whatever else; "" = it does */
	char trouble[512];
};

static bool is_paused(const struct exits *x)
{
	return x->paused_until > time_monotonic();
}

const char *exits_in_force(const struct node *n)
{
	const struct exits *x = n->exits;

	return x && !is_paused(x) ? offers_told(n)->exit_use : "";
}

static void say(struct exits *x, const char *trouble)
{
	if (trouble[0] && strcmp(trouble, x->trouble) != 0)
		log_warn("node: the exit node", KV("why", trouble));
	snprintf(x->trouble, sizeof(x->trouble), "%s", trouble);
}

static void why_useless(const struct node *n, char *buf, size_t len)
{
	const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), exits_in_force(n));

	buf[0] = '\0';
	if (!m)
		snprintf(buf, len,
			"the exit node has left the mesh, nothing reaches the internet: `tunnelmesh "
			"exit-node off` ends "
			"its use");
	else if (!exit_families(m->exit))
		snprintf(buf, len,
			"%s %s, nothing reaches the internet: `tunnelmesh exit-node off` ends its use",
			m->name,
			m->exit & EXIT_FAMILIES ? "is not approved as an exit node any more"
						: "offers no way to the internet any more");
}

static int set(struct node *n, struct diag *d)
{
	const struct route_settings *told = offers_told(n);
	struct exits *x = n->exits;
	struct diag unguarded = {0};
	int err = os_exit_set(x->os, told->exit_lan, told->exit_kill, &unguarded, d);

	x->unguarded[0] = '\0';
	if (!err && unguarded.what[0])
		snprintf(x->unguarded, sizeof(x->unguarded),
			"programs that name an interface go past the exit node, and who calls this machine "
			"from elsewhere may get no answer: %.160s",
			unguarded.what);
	return err;
}

void exits_look(struct node *n)
{
	struct exits *x = n->exits;
	const bool wanted = exits_in_force(n)[0];
	char trouble[sizeof(x->trouble)] = "";
	struct diag d = {0};
	int err = TM_OK;

	if (wanted)
		err = set(n, &d);
	else if (x->set)
		err = os_exit_clear(x->os, &d);
	if (!err)
		x->set = wanted;
	if (err)
		diag_format(&d, err, trouble, sizeof(trouble));
	else if (wanted)
		why_useless(n, trouble, sizeof(trouble));
	if (!trouble[0] && wanted)
		snprintf(trouble, sizeof(trouble), "%s", x->unguarded);
	say(x, trouble);
	if (err)
		loop_timer_in(x->timer, LOOK_AGAIN);
}

static void on_timer(void *ctx)
{
	struct node *n = ctx;

	if (is_paused(n->exits)) {
		loop_timer_at(n->exits->timer, n->exits->paused_until);
		return;
	}
	n->exits->paused_until = 0;
	routing_again(n);
	exits_look(n);
	router_look(n);
}

void exits_pause(struct node *n, ns_t pause)
{
	struct exits *x = n->exits;

	x->paused_until = pause ? time_monotonic() + pause : 0;
	if (pause)
		loop_timer_at(x->timer, x->paused_until);
	routing_again(n);
	exits_look(n);
	router_look(n);
}

void exits_view(const struct node *n, struct exit_view *ret_view)
{
	const struct route_settings *told = offers_told(n);
	const struct mesh_node *m = mesh_by_id(peers_mesh(n->peers), told->exit_use);
	const struct exits *x = n->exits;

	*ret_view = (struct exit_view){
		.id = told->exit_use,
		.name = m ? m->name : "",
		.families = m ? exit_families(m->exit) : 0,
		.lan = told->exit_lan,
		.kill = told->exit_kill,
		.paused_s = is_paused(x) ? (x->paused_until - time_monotonic() + SEC - 1) / SEC : 0,
		.trouble = x->trouble,
	};
}

int exits_open(struct node *n)
{
	struct exits *x = calloc(1, sizeof(*x));
	struct diag d = {0};

	if (!x)
		return TM_ENOMEM;
	n->exits = x;
	int err = os_exit_new(plane_tun_name(n->plane), n->config.fwmark, &x->os);
	if (!err)
		err = loop_timer_new(n->base, on_timer, n, &x->timer);
	if (err)
		return err;
	/* What a run that crashed has left; with an exit it is what this one sets anyway. */
	if (!offers_told(n)->exit_use[0] && os_exit_clear(NULL, &d) != TM_OK)
		log_warn("node: rules that the last run left cannot be removed", KV("why", d.what));
	return TM_OK;
}

void exits_close(struct node *n)
{
	struct exits *x = n->exits;
	struct diag d = {0};

	if (!x)
		return;
	if (x->set && os_exit_clear(x->os, &d) != TM_OK)
		log_warn("node: the rules of the exit node cannot be removed", KV("why", d.what));
	n->exits = NULL;
	os_exit_free(x->os);
	loop_timer_free(x->timer);
	free(x);
}
