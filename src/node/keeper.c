/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/keeper.h"

#include "base/log.h"
#include "loop/helper.h"
#include "loop/timer.h"
#include "mesh/model.h"
#include "node/stamps.h"
#include "os/os.h"

#include <string.h>

enum { STAMPS_FILE_MAX = 16 << 20 };
#define CHECK_EVERY (60 * SEC)
#define STAMPS_EVERY (10 * 60 * SEC)

struct keeper {
	struct keeper_config cfg;
	struct helper *helper;
	struct loop_timer *timer;
	char *stamps; /* as loaded at start, for peers that appear later */
	size_t stamps_len;
	ns_t stamps_saved; /* monotonic; 0 = not since the start */
	unsigned writing; /* jobs under way */
	bool stamps_dirty, complained;
};

/* One file to be written by the helper thread: text and paths are its own or constant. */
struct save {
	struct keeper *keeper;
	const char *path;
	char *text;
	size_t n;
	ns_t reserved; /* the clock's, 0 = this is the stamps' file */
	struct diag d;
};

static int run_save(void *job)
{
	struct save *s = job;

	return os_write_file(s->path, s->text, s->n, 0600, &s->d);
}

static void save_done(void *job, int result)
{
	struct save *s = job;
	struct keeper *k = s->keeper;
	char text[1024];

	k->writing--;
	if (result && result != TM_ECLOSED && !k->complained)
		log_warn("node: state not saved, trying again every minute",
			KV("why", diag_format(&s->d, result, text, sizeof(text))));
	k->complained = result != TM_OK;
	if (!result && s->reserved)
		node_clock_saved(k->cfg.clock, s->reserved);
	if (result && !s->reserved)
		k->stamps_saved = 0; /* again at the next check */
	k->stamps_dirty = k->stamps_dirty || (result && !s->reserved);
	free(s->text);
	free(s);
}

static bool submit(struct keeper *k, const char *path, char *text_take, size_t n, ns_t reserved)
{
	struct save *s = calloc(1, sizeof(*s));

	if (!s || !text_take) {
		free(s);
		free(text_take);
		return false;
	}
	*s = (struct save){.keeper = k, .path = path, .text = text_take, .n = n, .reserved = reserved};
	if (helper_submit(k->helper, run_save, save_done, s) != TM_OK) {
		free(s->text);
		free(s);
		return false;
	}
	k->writing++;
	return true;
}

static char *stamps_text(const struct keeper *k, size_t *ret_n)
{
	const struct netmap *map = k->cfg.netmap(k->cfg.ctx);
	struct strbuf b = {0};
	struct stamps s;

	for (size_t i = 0; i < map->n_nodes; i++)
		if (k->cfg.stamps(k->cfg.ctx, map->nodes[i].key, &s))
			stamps_add(&b, map->nodes[i].key, &s);
	*ret_n = b.len;
	return strbuf_take(&b);
}

static void save_stamps(struct keeper *k)
{
	size_t n = 0;
	char *text = stamps_text(k, &n);

	if (!submit(k, k->cfg.stamps_path, text, n, 0))
		return;
	k->stamps_dirty = false;
	k->stamps_saved = time_monotonic();
}

/* At the end, when blocking is fine. */
static void save_stamps_now(struct keeper *k)
{
	_cleanup_(freep) char *text = NULL;
	struct diag d = {0};
	size_t n = 0;

	text = stamps_text(k, &n);
	int err = text ? os_write_file(k->cfg.stamps_path, text, n, 0600, &d) : TM_ENOMEM;
	if (err)
		log_warn("node: handshake stamps not saved", KV("why", d.what), KV_ERR(err));
}

static void save_clock(struct keeper *k)
{
	char text[CLOCK_TEXT_MAX];
	ns_t reserved = node_clock_format(k->cfg.clock, text);

	/* Not submitted: the next check finds it due again. */
	(void)submit(k, k->cfg.clock->path, strdup(text), strlen(text), reserved);
}

static void check(void *ctx)
{
	struct keeper *k = ctx;
	ns_t now = time_monotonic();

	loop_timer_in(k->timer, CHECK_EVERY);
	node_clock_read(k->cfg.clock, time_real(), now);
	if (k->writing)
		return;
	if (node_clock_is_due(k->cfg.clock))
		save_clock(k);
	if (k->stamps_dirty && (!k->stamps_saved || now - k->stamps_saved >= STAMPS_EVERY))
		save_stamps(k);
}

int keeper_new(
	struct event_base *base, const struct keeper_config *cfg, struct keeper **ret_keeper, struct diag *d)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (!k)
		return TM_ENOMEM;
	k->cfg = *cfg;
	/* A stamps file that cannot be read counts as none: see stamps.h for what that costs. */
	if (os_read_file(cfg->stamps_path, STAMPS_FILE_MAX, &k->stamps, &k->stamps_len, NULL) != TM_OK)
		k->stamps_len = 0;
	int err = loop_timer_new(base, check, k, &k->timer);
	if (!err)
		err = helper_new(base, "tm-keeper", &k->helper);
	/* The clock must be reserved before anything is stamped with it. */
	if (!err)
		err = node_clock_save(cfg->clock, d);
	if (err) {
		keeper_free(k);
		return err;
	}
	loop_timer_in(k->timer, CHECK_EVERY);
	*ret_keeper = k;
	return TM_OK;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	helper_free(k->helper);
	if (k->stamps_dirty)
		save_stamps_now(k);
	loop_timer_free(k->timer);
	free(k->stamps);
	free(k);
}

void keeper_seed(struct keeper *k)
{
	stamps_parse(k->stamps, k->stamps_len, k->cfg.seed, k->cfg.ctx);
}

void keeper_session(struct keeper *k)
{
	k->stamps_dirty = true;
}
