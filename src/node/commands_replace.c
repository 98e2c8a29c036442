/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * `replace`: another program is to go on in the place of this one. Whether it can is asked of itself, in a
 * process of its own and while packets go on, because only it knows what it makes of the configuration and
 * the database, and because one that does not even start says so as well.
 */
#include "loop/helper.h"
#include "node/commands_private.h"
#include "os/handover.h"
#include "os/run.h"
#include "wire/msg/request.h"

#include <limits.h>

enum { LOOK_MS = 12000 }; /* shorter than anybody waits for an answer, or for our end */

/* One that is asked. */
struct look {
	struct node *n;
	struct ctl_call *call;
	char program[PATH_MAX];
	struct diag why;
};

static void refuse(struct ctl_call *call, const struct diag *d, int err)
{
	char what[sizeof(*d) + 16];

	ctl_reply(call, msg_refusal("not_replaced", diag_format(d, err, what, sizeof(what)),
				"the one that runs goes on"));
}

static void promise(const struct node *n, struct ctl_call *call)
{
	struct jsonout o = {0};

	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	jsonout_int(&o, "run", n->started);
	jsonout_object_end(&o);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}

static int run(void *job)
{
	struct look *l = job;
	const struct node_options *o = l->n->options; /* set once */
	const char *const argv[] = {l->program, "restart", "--check", "--state-dir", o->state_dir,
		o->config_explicit ? "--config" : NULL, o->config_path, NULL};

	return os_run(
		&(const struct os_run){.argv = argv, .shown = l->program, .timeout_ms = LOOK_MS}, &l->why);
}

static void done(void *job, int err)
{
	struct look *l = job;
	struct node *n = l->n;

	if (!err && n->ending)
		err = diag_what(&l->why, TM_ECLOSED, "tunnelmesh is stopping");
	if (err) {
		log_warn("node: the program that is installed now could not go on", KV("why", l->why.what));
		refuse(l->call, &l->why, err);
	} else {
		log_info("node: stopping for another program to go on in this one's place");
		promise(n, l->call);
		n->replacing = true;
		node_stop_soon(n);
	}
	free(l);
}

void command_replace(struct node *n, const msg_object *req UNUSED, struct ctl_call *call)
{
	struct look *l = calloc(1, sizeof(*l));
	struct diag d = {0};
	int err = l ? handover_program(l->program, sizeof(l->program), &d) : TM_ENOMEM;

	if (!err && !n->replacer)
		err = helper_new(n->base, "tm-replace", &n->replacer);
	if (!err) {
		l->n = n;
		l->call = call;
		err = helper_submit(n->replacer, run, done, l);
	}
	if (!err)
		return;
	free(l);
	refuse(call, &d, err);
}
