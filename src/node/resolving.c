/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/resolving.h"

#include <stdio.h>
#include <string.h>

#include "base/jsonout.h"
#include "base/loglimit.h"
#include "loop/helper.h"
#include "loop/timer.h"
#include "node/patience.h"
#include "os/watch.h"

#define SETTLE (300 * MS) /* a program that writes resolv.conf does so in several steps */
#define AGAIN (60 * SEC) /* after a failure, or when it was undone too often */

struct resolving {
	/* set once */
	struct hosting plan;
	struct helper *helper;
	struct os_watch *watch; /* NULL: changes are not seen */
	struct loop_timer *again;
	/* changes */
	struct job *job; /* under way; NULL: none */
	bool begun;
	bool more; /* something changed meanwhile */
	bool in_force;
	bool gave_in; /* another program insists: what it does is looked at, and now and then written over */
	unsigned way;
	const char *why, *doubt; /* static texts; NULL: none */
	char problem[sizeof(struct diag) + 16]; /* "" = none */
	struct patience patience;
	struct log_limit log;
};

/* One go of the helper thread. */
struct job {
	struct resolving *owner;
	struct hosting hosting;
	bool may_write;
};

static int run(void *ctx)
{
	struct job *j = ctx;

	return hosting_apply(&j->hosting, j->may_write);
}

static void done(void *ctx, int err);

static void submit(struct resolving *r, bool may_write)
{
	struct job *j = calloc(1, sizeof(*j));

	if (j)
		*j = (struct job){.owner = r, .hosting = r->plan, .may_write = may_write};
	if (!j || helper_submit(r->helper, run, done, j) != TM_OK) {
		free(j);
		loop_timer_in(r->again, AGAIN);
		return;
	}
	r->job = j;
}

/*
 * Something changed: looks whether all is as it should be. What was in force and is not any more somebody
 * else undid: whether it is put back is a question of patience, so it is only looked at first.
 */
static void look(void *ctx)
{
	struct resolving *r = ctx;

	r->more = r->job != NULL;
	if (r->begun && !r->job)
		submit(r, !r->in_force && !r->gave_in);
}

/* A minute without news. */
static void look_again(void *ctx)
{
	struct resolving *r = ctx;

	if (!r->begun || r->job)
		return; /* whose end sees to it */
	if (r->gave_in)
		patience_wrote(&r->patience, time_monotonic());
	submit(r, !r->in_force);
}

/* True: what happened to the files while they were looked at may not have been seen. */
static bool watch(struct resolving *r, const struct os_resolv *h)
{
	const char *paths[OS_RESOLV_WATCHED];

	return r->watch && os_watch_set(r->watch, paths, os_resolv_watched(h, paths));
}

static void tell(struct resolving *r, const struct os_resolv *h, int err)
{
	const bool in_force = !err && h->way != OS_RESOLV_NONE;
	char text[sizeof(r->problem)] = "";

	if (err)
		diag_format(&h->problem, err, text, sizeof(text));
	if (err && strcmp(text, r->problem) != 0)
		LOG_LIMITED(LOG_WARN, &r->log, LOG_WHO_ALL,
			"node: programs of this machine may not find names of the mesh, trying again each "
			"minute",
			KV("way", os_resolv_ways[h->way]), KV("why", text));
	if (!err && (r->way != h->way || r->why != h->why || r->in_force != in_force))
		log_info(in_force ? "node: programs of this machine find names of the mesh"
				  : "node: this machine's resolver is left as it is",
			KV("way", os_resolv_ways[h->way]), KV("why", h->why));
	snprintf(r->problem, sizeof(r->problem), "%s", text);
	r->way = h->way;
	r->why = h->why;
	r->doubt = h->doubt;
	r->in_force = in_force;
	r->gave_in = err == TM_EBUSY;
}

static void done(void *ctx, int err)
{
	struct job *j = ctx;
	struct resolving *r = j->owner;

	r->job = NULL;
	if (err == TM_ECLOSED && !j->hosting.host.why) { /* not tried: the end has come */
		free(j);
		return;
	}
	const bool unseen = watch(r, &j->hosting.host);
	if (err == TM_EBUSY && !j->may_write && patience_may_put_back(&r->patience, time_monotonic())) {
		LOG_LIMITED(LOG_INFO, &r->log, LOG_WHO_ALL,
			"node: another program changed this machine's resolver, names of the mesh are put "
			"back",
			KV("way", os_resolv_ways[j->hosting.host.way]));
		submit(r, true);
		free(j);
		return;
	}
	tell(r, &j->hosting.host, err);
	free(j);
	if (r->more || (unseen && !err))
		look(r);
	else if (err)
		loop_timer_in(r->again, AGAIN);
}

/* --- life --- */

static void undo(const char *journal)
{
	char text[sizeof(struct diag) + 16];
	struct diag d = {0};
	int err = hosting_undo(journal, &d);

	if (err && err != TM_ENOENT)
		log_warn("node: what was changed in this machine's resolver could not be undone",
			KV("why", diag_format(&d, err, text, sizeof(text))));
}

int resolving_new(
	struct event_base *base, const struct resolving_config *cfg, struct resolving **ret_resolving)
{
	struct resolving *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	r->log = LOG_LIMIT_FEW;
	r->way = OS_RESOLV_NONE;
	r->plan.host.wish = cfg->wish;
	r->plan.host.server = cfg->server;
	r->plan.host.zones = cfg->zones;
	r->plan.host.search = cfg->search;
	snprintf(r->plan.host.ifname, sizeof(r->plan.host.ifname), "%s", cfg->ifname);
	snprintf(r->plan.journal, sizeof(r->plan.journal), "%s", cfg->journal);
	int err = helper_new(base, "names-host", &r->helper);
	if (!err)
		err = loop_timer_new(base, look_again, r, &r->again);
	if (err) {
		resolving_free(r);
		return err;
	}
	(void)!os_watch_new(base, SETTLE, look, r, &r->watch); /* without it the timer is what there is */
	undo(cfg->journal); /* of a run that was killed */
	*ret_resolving = r;
	return TM_OK;
}

void resolving_begin(struct resolving *r)
{
	if (!r->begun) {
		r->begun = true;
		look(r);
	}
}

void resolving_free(struct resolving *r)
{
	if (!r)
		return;
	r->begun = r->more = false;
	helper_free(r->helper); /* whose jobs end with us */
	os_watch_free(r->watch);
	loop_timer_free(r->again);
	undo(r->plan.journal);
	free(r);
}

/* --- what is shown --- */

bool resolving_failing(const struct resolving *r)
{
	return r->problem[0] != '\0';
}

void resolving_put(const struct resolving *r, struct jsonout *out)
{
	jsonout_object(out, "resolver");
	jsonout_text(out, "way", os_resolv_ways[r->way]);
	jsonout_bool(out, "in_force", r->in_force);
	jsonout_text_or_null(out, "why", r->why ? r->why : "");
	jsonout_text_or_null(out, "doubt", r->doubt ? r->doubt : "");
	jsonout_text_or_null(out, "problem", r->problem);
	jsonout_object_end(out);
}
