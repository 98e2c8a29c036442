/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/exits.h"

#include <stdio.h>
#include <string.h>

#include "node/exit_journal.h"
#include "node/node_private.h"
#include "node/offers.h"
#include "node/router.h"
#include "node/routing.h"

#define LOOK_AGAIN (10 * SEC) /* after the kernel refused something */

struct exits {
	struct os_exit *os;
	struct loop_timer *resume, *again; /* the end of a pause; another try */
	ns_t paused_until;
	char former[16]; /* an interface by which an earlier run did so, until what it left is gone; "" = none
			  */
	bool noted; /* in the journal */
	bool set; /* on the host */
	bool kill; /* what is set holds when we end */
	bool over; /* whoever ends us wants nothing held */
	bool unknown; /* what was told before cannot be read: what is on the host stays as it is */
	int err; /* of the last look */
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

static int note(struct node *n, struct diag *d)
{
	struct exits *x = n->exits;
	int err = x->noted ? TM_OK
			   : exit_journal_note(n->paths.undo_exit, plane_tun_name(n->plane), x->former, d);

	x->noted = !err;
	return err;
}

static int clear(struct node *n, struct diag *d)
{
	struct exits *x = n->exits;
	int err = os_exit_clear(x->os, d);

	if (err)
		return err;
	exit_journal_end(n->paths.undo_exit);
	x->noted = false;
	x->former[0] = '\0';
	return TM_OK;
}

static int set(struct node *n, struct diag *d)
{
	const struct route_settings *told = offers_told(n);
	struct exits *x = n->exits;
	struct diag unguarded = {0};
	int err = note(n, d);

	if (err)
		return err;
	err = os_exit_set(x->os, told->exit_lan, told->exit_kill, &unguarded, d);
	if (!err && x->former[0]) {
		x->former[0] = '\0';
		(void)!exit_journal_note(n->paths.undo_exit, plane_tun_name(n->plane), "", NULL);
	}
	x->kill = told->exit_kill;
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

	x->unknown = x->unknown && !wanted;
	if (wanted)
		err = set(n, &d);
	else if (x->set && !x->unknown)
		err = clear(n, &d);
	if (wanted) /* a part of it may be, and holds */
		x->set = true;
	else if (!err && !x->unknown)
		x->set = false;
	x->err = err;
	if (err)
		diag_format(&d, err, trouble, sizeof(trouble));
	else if (wanted)
		why_useless(n, trouble, sizeof(trouble));
	if (!trouble[0] && wanted)
		snprintf(trouble, sizeof(trouble), "%s", x->unguarded);
	say(x, trouble);
	if (err)
		loop_timer_in(x->again, LOOK_AGAIN);
}

static void on_again(void *ctx)
{
	exits_look(ctx);
}

static void on_resume(void *ctx)
{
	exits_pause(ctx, 0);
}

void exits_pause(struct node *n, ns_t pause)
{
	struct exits *x = n->exits;

	x->paused_until = pause ? time_monotonic() + pause : 0;
	if (pause)
		loop_timer_at(x->resume, x->paused_until);
	else
		loop_timer_stop(x->resume);
	routing_again(n);
	exits_look(n);
	router_look(n);
}

int exits_apply(struct node *n, struct diag *d)
{
	struct exits *x = n->exits;

	x->unknown = false;
	exits_pause(n, 0);
	return x->err ? diag_what(d, x->err, "%s", x->trouble) : TM_OK;
}

void exits_end(struct node *n)
{
	if (n->exits)
		n->exits->over = true;
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

/* What a run that crashed has left; with an exit it is what this one sets anyway. */
static void look_back(struct node *n)
{
	struct route_settings s;
	struct exits *x = n->exits;
	struct diag d = {0};

	if (offers_told(n)->exit_use[0])
		return;
	if (route_settings_load(n->paths.routes, &s, NULL) != TM_OK) {
		x->unknown = x->set = true;
		log_error("node: whether an exit node is used cannot be read, and what an earlier run holds "
			  "back stays "
			  "so until `tunnelmesh exit-node off` or `use`",
			KV("file", n->paths.routes));
	} else if (clear(n, &d) != TM_OK) {
		log_warn("node: rules that the last run left cannot be removed", KV("why", d.what));
	}
}

int exits_open(struct node *n)
{
	struct exits *x = calloc(1, sizeof(*x));

	if (!x)
		return TM_ENOMEM;
	n->exits = x;
	int err = os_exit_new(plane_tun_name(n->plane), n->config.fwmark, &x->os);
	if (!err)
		err = loop_timer_new(n->base, on_resume, n, &x->resume);
	if (!err)
		err = loop_timer_new(n->base, on_again, n, &x->again);
	if (err)
		return err;
	exit_journal_former(n->paths.undo_exit, plane_tun_name(n->plane), x->former);
	os_exit_former(x->os, x->former);
	look_back(n);
	return TM_OK;
}

void exits_close(struct node *n)
{
	struct exits *x = n->exits;
	struct diag d = {0};

	if (!x)
		return;
	const bool held = (x->kill || x->unknown || n->replacing) && !x->over;
	if (x->set && !held && clear(n, &d) != TM_OK)
		log_warn("node: the rules of the exit node cannot be removed", KV("why", d.what));
	if (x->set && held && !n->replacing)
		log_info("node: nothing leaves this machine without the exit node until the next start, or "
			 "`tunnelmesh exit-node off`");
	n->exits = NULL;
	os_exit_free(x->os);
	loop_timer_free(x->resume);
	loop_timer_free(x->again);
	free(x);
}
