/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/keeper.h"

#include "base/hashset.h"
#include "base/log.h"
#include "control/peers/peers.h"
#include "loop/saver.h"
#include "loop/timer.h"
#include "os/os.h"

#include <string.h>

#define CHECK_EVERY (60 * SEC)
#define STAMPS_EVERY (10 * 60 * SEC)

struct heard {
	uint8_t key[32];
};

struct keeper {
	struct keeper_config cfg;
	struct saver *clock;
	struct loop_timer *timer;
	ns_t stamps_saved; /* monotonic; 0 = not since the start */
	struct hashset heard; /* struct heard, since then: their stamps may be newer than what is kept */
	char failure[sizeof(struct diag) + 16]; /* why the clock is not saved; "" = it is */
};

/* The clock's file, to be written by the saver. */
struct save {
	const char *path;
	char text[CLOCK_TEXT_MAX];
	ns_t reserved;
	struct diag d;
};

static int clock_take(void *ctx, void **ret_job)
{
	struct keeper *k = ctx;
	struct save *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;

	s->path = k->cfg.clock->path;
	s->reserved = node_clock_format(k->cfg.clock, s->text);
	*ret_job = s;
	return TM_OK;
}

static int clock_write(void *job)
{
	struct save *s = job;

	return os_write_file(s->path, s->text, strlen(s->text), 0600, &s->d);
}

static void clock_failed(struct keeper *k, int err, const struct diag *d)
{
	bool news = !k->failure[0];

	diag_format(d, err, k->failure, sizeof(k->failure));
	if (news)
		log_warn("node: the clock is not saved, trying again every minute", KV("why", k->failure));
}

static void clock_done(void *ctx, void *job, int result)
{
	struct keeper *k = ctx;
	struct save *s = job;
	const struct diag none = {0};

	if (!result) {
		node_clock_saved(k->cfg.clock, s->reserved);
		k->failure[0] = '\0';
	} else if (result != TM_ECLOSED) { /* else not tried: the end is near, and tries it */
		clock_failed(k, result, s ? &s->d : &none);
	}
	free(s);
}

/*
 * Before anything is stamped with it. Where that cannot be, the node goes on: what it risks is that its peers
 * refuse it for a while after another start, if somebody sets the clock back in between.
 */
static void reserve_clock(struct keeper *k)
{
	struct diag d = {0};
	int err = node_clock_save(k->cfg.clock, &d);

	if (!err)
		return;
	clock_failed(k, err, &d);
	saver_note(k->clock);
}

static bool stamps_add(struct stamps *kept, const struct stamps *now)
{
	struct stamps before = *kept;

	/* They never go back: a peer that was set up anew knows less than we do. TAI64N sorts as bytes. */
	kept->check = MAX(kept->check, now->check);
	if (memcmp(now->handshake, kept->handshake, sizeof(now->handshake)) > 0)
		memcpy(kept->handshake, now->handshake, sizeof(kept->handshake));
	return kept->check != before.check ||
	       memcmp(kept->handshake, before.handshake, sizeof(before.handshake)) != 0;
}

static void keep_stamps_of(struct keeper *k, const uint8_t key[static 32])
{
	const struct mesh_node *n = mesh_by_key(peers_mesh(k->cfg.peers), key);
	struct stamps now;

	if (!n || !k->cfg.stamps(k->cfg.ctx, key, &now))
		return;

	struct contact *c = peers_meet(k->cfg.peers, n->id);
	if (c && stamps_add(&c->stamps, &now))
		peers_keep(k->cfg.peers, c);
}

static void keep_stamps(struct keeper *k)
{
	struct heard *h;

	for (size_t i = 0; (h = hashset_next(&k->heard, &i));) {
		keep_stamps_of(k, h->key);
		free(h);
	}
	hashset_deinit(&k->heard); /* empty, for the next ones */
	k->stamps_saved = time_monotonic();
}

static void check(void *ctx)
{
	struct keeper *k = ctx;
	ns_t now = time_monotonic();

	loop_timer_in(k->timer, CHECK_EVERY);
	node_clock_read(k->cfg.clock, time_real(), now);
	if (node_clock_is_due(k->cfg.clock))
		saver_note(k->clock);
	if (k->heard.size && (!k->stamps_saved || now - k->stamps_saved >= STAMPS_EVERY))
		keep_stamps(k);
}

static const void *heard_key(const void *record, size_t *ret_len)
{
	const struct heard *h = record;

	*ret_len = sizeof(h->key);
	return h->key;
}

int keeper_new(struct event_base *base, const struct keeper_config *cfg, struct keeper **ret_keeper)
{
	struct keeper *k = calloc(1, sizeof(*k));
	const struct saver_config clock = {.thread = "tm-keeper",
		.again = CHECK_EVERY,
		.ctx = k,
		.take = clock_take,
		.write = clock_write,
		.done = clock_done};

	if (!k)
		return TM_ENOMEM;
	k->cfg = *cfg;
	int err = hashset_init(&k->heard, heard_key);
	if (!err)
		err = loop_timer_new(base, check, k, &k->timer);
	if (!err)
		err = saver_new(base, &clock, &k->clock);
	if (err) {
		keeper_free(k);
		return err;
	}
	reserve_clock(k);
	loop_timer_in(k->timer, CHECK_EVERY);
	*ret_keeper = k;
	return TM_OK;
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	saver_free(k->clock);
	keep_stamps(k);
	loop_timer_free(k->timer);
	free(k);
}

const char *keeper_failure(const struct keeper *k)
{
	return k->failure;
}

void keeper_heard(struct keeper *k, const uint8_t key[static 32])
{
	if (!k || hashset_get(&k->heard, key, sizeof(struct heard)))
		return;
	if (hashset_reserve(&k->heard, 1) != TM_OK)
		return;

	struct heard *h = malloc(sizeof(*h));
	if (!h)
		return; /* the next word from it, a few seconds later, is as good */
	memcpy(h->key, key, sizeof(h->key));
	hashset_put(&k->heard, h);
}
