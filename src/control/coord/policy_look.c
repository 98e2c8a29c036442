/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whether the policy in force still fits the mesh: looked up when that has changed, on the helper thread. */
#include "control/coord/coord_private.h"
#include "policy/compile.h"

#include <string.h>

/* Of what was changed together one look is enough; and however large mesh and policy are, looks take a small
 * part of the helper thread's time (coord_tuning.policy_rests): others wait for it. */
#define LOOK_AFTER (1 * SEC)
#define LOOK_RETRY (60 * SEC)

struct looking {
	struct job job;
	uint64_t version;
	size_t at; /* the test that is next; the first again where another policy is in force by now */
	bool through; /* none is left */
	struct strbuf found, failed;
	ns_t took;
};

/* --- helper thread --- */

/* It was not too large when it was accepted; the mesh has grown. */
static int look_at_size(const struct policy_model *m, struct strbuf *found)
{
	struct diag d = {0};

	int err = policy_fits(m, &d);
	if (err != TM_EFULL)
		return err;
	strbuf_printf(found, "%s\n", d.what);
	return TM_OK;
}

static int look_at(const struct policy_scene *x, struct looking *l)
{
	_cleanup_(policy_model_freep) struct policy_model *m = NULL;

	if (l->version != x->before.version)
		l->at = 0;
	l->version = x->before.version;
	int err = policy_scene_warnings(x, x->doc, &l->found);
	if (!err)
		err = policy_model_new(x->doc, &x->world, &m);
	if (!err)
		err = look_at_size(m, &l->found);
	if (!err)
		err = policy_scene_tests(x, m, l->job.c->tuning.policy_slice, &l->at, &l->failed);
	l->through = l->at == x->tests.n;
	return err;
}

static int look_body(struct store *s, struct job *j)
{
	struct looking *l = CONTAINER_OF(j, struct looking, job);
	const ns_t begun = time_monotonic();
	struct policy_scene x;

	l->through = true;
	int err = policy_scene_load(s, j->now, &x);
	if (err)
		return err;
	if (x.unreadable.what[0]) {
		j->d = x.unreadable;
		err = TM_EBADMSG;
	}
	if (!err && x.doc)
		err = look_at(&x, l);
	policy_scene_deinit(&x);
	l->took = time_monotonic() - begun;
	return err;
}

/* --- control thread --- */

static bool was_said(const char *before, const char *line, size_t n)
{
	for (const char *at = before; at && *at; at = strchr(at, '\n') + 1)
		if (strncmp(at, line, n) == 0 && at[n] == '\n')
			return true;
	return false;
}

static void say(struct coord *c, const struct policy_looks *k, char *found)
{
	for (char *at = found; at && *at;) {
		size_t n = strcspn(at, "\n");

		at[n] = '\0';
		if (!was_said(k->warnings, at, n))
			LOG_LIMITED(LOG_WARN, &c->log.policy, LOG_WHO_ALL,
				"coord: the policy stays in force, but does not fit the mesh any more",
				KV("what", at));
		at[n] = '\n';
		at += n + 1;
	}
}

/* All its tests were asked: what it found is what holds until the next look is through. */
static void finish(struct coord *c, struct looking *l)
{
	struct policy_looks *k = &c->policy.look;

	free(k->tests);
	k->tests = strbuf_take(&k->failed);
	strbuf_puts(&l->found, k->tests ? k->tests : "");
	char *found = strbuf_take(&l->found);
	say(c, k, found);
	free(k->warnings);
	k->warnings = found;
	k->at = 0;
}

static void look_soon(struct policy_looks *k)
{
	if (!loop_timer_is_set(k->timer)) /* moved by each change it would, while they come, never be */
		loop_timer_at(k->timer, ns_max(time_monotonic() + LOOK_AFTER, k->not_before));
}

static void look_done(struct coord *c, struct job *j, int err)
{
	struct looking *l = CONTAINER_OF(j, struct looking, job);
	struct policy_looks *k = &c->policy.look;
	bool more = false;

	k->looking = false;
	k->not_before = time_monotonic() + c->tuning.policy_rests * l->took;
	if (c->stopping)
		return;
	if (err) {
		LOG_LIMITED(LOG_WARN, &c->log.policy, LOG_WHO_ALL,
			"coord: whether the policy still fits the mesh cannot be looked up",
			KV("why", j->d.what));
		/* A document that cannot be read stays so until another is in force; all else may pass. */
		more = err != TM_EBADMSG;
		k->not_before = ns_max(k->not_before, time_monotonic() + LOOK_RETRY);
	} else if (l->version == c->policy.version) {
		strbuf_puts(&k->failed, l->failed.s ? l->failed.s : "");
		k->at = l->at;
		if (l->through)
			finish(c, l);
		more = !l->through;
	}
	if (more || k->again)
		look_soon(k);
}

static void look_deinit(struct job *j)
{
	struct looking *l = CONTAINER_OF(j, struct looking, job);

	strbuf_deinit(&l->found);
	strbuf_deinit(&l->failed);
}

static const struct job_kind look_kind = {.size = sizeof(struct looking),
	.body = look_body,
	.done = look_done,
	.deinit = look_deinit,
	.alone = true};

static void look(void *ctx)
{
	struct coord *c = ctx;
	struct policy_looks *k = &c->policy.look;
	const struct asker nobody = {.reply = NULL};
	struct looking *l = job_start(c, &nobody, &look_kind);

	if (!l) {
		look_soon(k);
		return;
	}
	k->again = k->again && k->at; /* behind its beginning it does not see all that has changed */
	l->version = c->policy.version;
	l->at = k->at;
	k->looking = true;
	job_submit(&l->job);
}

void policy_mesh_changed(struct coord *c)
{
	if (!c->policy.version || c->stopping)
		return;
	c->policy.look.again = true;
	if (!c->policy.look.looking)
		look_soon(&c->policy.look);
}

void policy_look_anew(struct coord *c)
{
	struct policy_looks *k = &c->policy.look;

	k->at = 0;
	strbuf_deinit(&k->failed);
	free(TAKE(k->tests)); /* it was accepted: they hold */
	policy_mesh_changed(c);
}

/* --- from start to end --- */

int policy_look_init(struct coord *c)
{
	return loop_timer_new(c->base, look, c, &c->policy.look.timer);
}

void policy_look_deinit(struct coord *c)
{
	struct policy_looks *k = &c->policy.look;

	loop_timer_free(TAKE(k->timer));
	strbuf_deinit(&k->failed);
	free(TAKE(k->tests));
	free(TAKE(k->warnings));
}
