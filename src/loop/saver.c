/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "loop/saver.h"

#include "loop/helper.h"
#include "loop/timer.h"

struct saver {
	/* set once */
	struct saver_config cfg;
	/* control thread */
	struct helper *helper; /* NULL at the end */
	struct loop_timer *timer;
	bool due;
	bool soon; /* the timer stands for a change, not for another attempt */
	bool writing;
	void *job; /* while writing: the helper's to read */
};

static void plan(struct saver *s, bool soon)
{
	if (!s->helper || s->writing || s->soon || (!soon && loop_timer_is_set(s->timer)))
		return;

	s->soon = soon;
	loop_timer_in(s->timer, soon ? s->cfg.delay : s->cfg.again);
}

void saver_note(struct saver *s)
{
	s->due = true;
	plan(s, true);
}

static void finish(struct saver *s, int result)
{
	bool changed = s->due; /* since the copy was taken */

	s->writing = false;
	s->due = changed || result != TM_OK;
	s->cfg.done(s->cfg.ctx, TAKE(s->job), result);
	if (s->due)
		plan(s, changed);
}

static int take(struct saver *s)
{
	int err = s->cfg.take(s->cfg.ctx, &s->job);

	s->due = false;
	return err;
}

static int run(void *saver)
{
	struct saver *s = saver;

	return s->cfg.write(s->job);
}

static void ran(void *saver, int result)
{
	finish(saver, result);
}

static void on_timer(void *saver)
{
	struct saver *s = saver;

	s->soon = false;
	int err = take(s);
	if (!err) {
		s->writing = true;
		err = helper_submit(s->helper, run, ran, s);
	}
	if (err)
		finish(s, err);
}

int saver_new(struct event_base *base, const struct saver_config *cfg, struct saver **ret_saver)
{
	struct saver *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;

	s->cfg = *cfg;
	int err = loop_timer_new(base, on_timer, s, &s->timer);
	if (!err)
		err = helper_new(base, cfg->thread, &s->helper);
	if (err) {
		saver_free(s);
		return err;
	}
	*ret_saver = s;
	return TM_OK;
}

bool saver_is_idle(const struct saver *s)
{
	return !s->due && !s->writing;
}

void saver_free(struct saver *s)
{
	if (!s)
		return;

	helper_free(TAKE(s->helper));
	/* A second time for what the first one made due: a file made anew wants everything. */
	for (unsigned attempt = 0; attempt < 2 && s->due; attempt++) {
		int err = take(s);

		finish(s, err ? err : run(s));
	}
	loop_timer_free(s->timer);
	free(s);
}
