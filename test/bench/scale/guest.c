/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/scale/herd.h"

#include "control/link/clink.h"
#include "loop/timer.h"

#include <stdio.h>
#include <string.h>

enum {
	FIRST_MAX = 8 << 10, /* the longest first message that a coordinator takes */
	CONNECT_MS = 10000,
	BATCH = 50, /* messages of one turn, of guests that talk without end */
};
#define TALK_EVERY (10 * MS)
#define COME_AGAIN (2 * MS)

struct guest {
	struct guests *all;
	struct identity id;
	struct clink *link; /* NULL: not yet, or no more */
	bool up, welcomed;
};

struct guests {
	struct herd *herd;
	struct guest_plan plan;
	struct loop_timer *talk, *come;
	ns_t begun;
	size_t started, running, ups, refused, welcomes, said, heard;
	bool reported;
	struct guest each[]; /* plan.parallel */
};

/* --- the last byte that does not come --- */

static bool withheld;

int __real_tcp_send(int fd, const void *p, size_t n, size_t *ret_n);
int __wrap_tcp_send(int fd, const void *p, size_t n, size_t *ret_n);

int __wrap_tcp_send(int fd, const void *p, size_t n, size_t *ret_n)
{
	size_t less = withheld && n > FIRST_MAX / 2;
	int err = __real_tcp_send(fd, p, n - less, ret_n);

	*ret_n += err ? 0 : less;
	return err;
}

/* --- what they say --- */

/* An object of so many bytes as text, nearly all of which are values. */
static json_t *intricate(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < (FIRST_MAX - 24) / 2; i++)
		json_array_append_new(list, json_integer(0));
	return json_pack("{s:s, s:o}", "t", "want", "x", list);
}

static json_t *wandering(const struct guests *all)
{
	char at[32];

	snprintf(at, sizeof(at), "192.0.2.1:%zu", 1024 + all->said % 60000);
	return json_pack(
		"{s:s, s:[{s:s, s:s}]}", "t", "candidates", "candidates", "type", "host", "addr", at);
}

static json_t *wanting(const struct guests *all)
{
	char id[NODE_ID_STR_LEN];

	identity_node_id(all->plan.target->id.ed_pub, id);
	return json_pack("{s:s, s:s}", "t", "want", "node", id);
}

static json_t *first_words(const struct guests *all)
{
	switch (all->plan.manner) {
	case GUEST_SILENT:
		return NULL;
	case GUEST_SMALL:
		return json_pack("{s:s}", "t", "want");
	case GUEST_LARGE:
	case GUEST_ALMOST:
		return intricate();
	case GUEST_VISIT:
	case GUEST_WANDER:
	case GUEST_WANT:
		break;
	}
	return member_hello(all->plan.as ? all->plan.as->index : 0, all->herd->newest);
}

static void say(struct guest *g, json_t *words_take)
{
	withheld = g->all->plan.manner == GUEST_ALMOST;
	if (words_take && clink_send(g->link, words_take) == TM_OK)
		g->all->said++;
	withheld = false;
	json_decref(words_take);
}

static void talk(void *arg)
{
	struct guests *all = arg;

	for (size_t i = 0; i < all->plan.parallel; i++)
		for (unsigned k = 0; k < BATCH && all->each[i].welcomed; k++)
			say(&all->each[i], all->plan.manner == GUEST_WANDER ? wandering(all) : wanting(all));
	loop_timer_in(all->talk, TALK_EVERY);
}

/* --- coming and going --- */

static void left(struct guest *g)
{
	g->link = NULL;
	g->up = g->welcomed = false;
	g->all->running--;
	if (!loop_timer_is_set(g->all->come))
		loop_timer_in(g->all->come, COME_AGAIN);
}

static void on_up(void *ctx, struct clink *l UNUSED)
{
	struct guest *g = ctx;

	g->up = true;
	g->all->ups++;
	say(g, first_words(g->all));
}

static void on_message(void *ctx, struct clink *l UNUSED, const json_t *m)
{
	struct guest *g = ctx;
	const char *type = json_string_value(json_object_get(m, "t"));

	if (type && strcmp(type, "candidates") == 0)
		g->all->heard++;
	if (!type || strcmp(type, "welcome") != 0)
		return;
	g->all->welcomes++;
	g->welcomed = g->all->plan.manner != GUEST_VISIT;
	if (!g->welcomed) {
		clink_free(g->link);
		left(g);
	}
}

static void on_closed(void *ctx, struct clink *l UNUSED, int err UNUSED, const char *why UNUSED)
{
	struct guest *g = ctx;

	g->all->refused += !g->up;
	left(g);
}

static int come(struct guest *g)
{
	const struct herd *h = g->all->herd;
	const struct clink_events ev = {.ctx = g, .up = on_up, .message = on_message, .closed = on_closed};
	const struct clink_config cfg = {
		.address = h->address[0] ? h->address : h->token.addrs[0],
		.remote_key = h->token.coordinator_key,
		.identity = &g->id,
		.connect_timeout_ms = CONNECT_MS,
	};

	if (g->all->plan.as)
		g->id = g->all->plan.as->id;
	else if (identity_generate(&g->id) != TM_OK)
		return TM_ENOMEM;
	return clink_connect(h->base, &cfg, &ev, &g->link);
}

static void on_come(void *arg)
{
	struct guests *all = arg;

	for (size_t i = 0; i < all->plan.parallel && all->started < all->plan.n; i++) {
		if (all->each[i].link)
			continue;
		if (come(&all->each[i]) != TM_OK) {
			loop_timer_in(all->come, COME_AGAIN);
			return;
		}
		all->started++;
		all->running++;
	}
	if (all->started == all->plan.n && all->running == 0 && !all->reported) {
		all->reported = true;
		guests_report(all->herd, "guests");
	}
}

/* --- life --- */

int guests_start(struct herd *h, const struct guest_plan *plan)
{
	guests_end(h);
	struct guests *all = calloc(1, sizeof(*all) + plan->parallel * sizeof(struct guest));
	if (!all)
		return TM_ENOMEM;

	all->herd = h;
	all->plan = *plan;
	all->begun = time_monotonic();
	h->guests = all;
	for (size_t i = 0; i < plan->parallel; i++)
		all->each[i].all = all;
	int err = loop_timer_new(h->base, on_come, all, &all->come);
	if (!err)
		err = loop_timer_new(h->base, talk, all, &all->talk);
	if (err) {
		guests_end(h);
		return err;
	}
	if (plan->manner == GUEST_WANDER || (plan->manner == GUEST_WANT && plan->target))
		loop_timer_in(all->talk, TALK_EVERY);
	loop_timer_in(all->come, 0);
	return TM_OK;
}

void guests_report(struct herd *h, const char *event)
{
	static const struct guests none;
	const struct guests *all = h->guests ? h->guests : &none;

	printf("{\"ev\":\"%s\",\"wall_s\":%.3f,\"came\":%zu,\"here\":%zu,\"up\":%zu,\"refused\":%zu,"
	       "\"welcomed\":%zu,\"said\":%zu,\"heard\":%zu}\n",
		event, (double)(time_monotonic() - all->begun) / (double)SEC, all->started, all->running,
		all->ups, all->refused, all->welcomes, all->said, all->heard);
	fflush(stdout);
}

void guests_end(struct herd *h)
{
	struct guests *all = TAKE(h->guests);

	if (!all)
		return;

	for (size_t i = 0; i < all->plan.parallel; i++) {
		clink_free(all->each[i].link);
		identity_wipe(&all->each[i].id);
	}
	loop_timer_free(all->come);
	loop_timer_free(all->talk);
	free(all);
}
