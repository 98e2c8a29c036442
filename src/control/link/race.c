/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/race.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "loop/timer.h"
#include "net/dial.h"

const struct race_tuning race_tuning_default = {
	.stagger_ms = 250, /* RFC 8305 8 */
	.patience_ms = 3000, /* a coordinator with a herd at its door is slow, and must not be asked twice */
	.names_ms = 4000,
	.link = &clink_tuning_default,
};

/* One of the addresses that were told. */
struct name {
	struct race *race;
	char *text; /* "host:port" */
	struct lookup *lookup; /* while it is looked up */
};

/* One attempt. */
struct attempt {
	struct race *race;
	const struct name *name; /* NULL: it has none */
	struct endpoint at;
	bool last; /* of the configuration's `last` */
	bool begun;
	struct clink *link; /* while it is under way */
};

struct race {
	/* set once */
	struct event_base *base;
	struct race_config cfg;
	struct race_events events;
	const struct race_tuning *tuning;
	ns_t end, names_until;
	/* state */
	struct loop_timer *timer; /* the next step is due */
	ns_t next; /* when the next address may be tried */
	struct name names[RACE_NAMES_MAX];
	struct attempt tries[RACE_TRIES_MAX];
	size_t n;
	unsigned open, lookups; /* under way */
	int err;
	unsigned retry_ms;
	char why[RACE_WHY_MAX];
};

/* --- what went wrong --- */

/* All failures are told, but for a coordinator with another key: that says more than the rest. */
static void note(struct race *r, int err, const char *fmt, ...)
{
	char why[RACE_WHY_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (!why[0]) /* it would be part of every text */
		snprintf(why, sizeof(why), "%s", tm_strerror(err));
	if (r->err == TM_EAUTH || strstr(r->why, why))
		return;
	if (err == TM_EAUTH)
		r->why[0] = '\0';
	if (err == TM_EAUTH || !r->err)
		r->err = err;

	size_t n = strlen(r->why);
	snprintf(r->why + n, sizeof(r->why) - n, "%s%s", n ? "; " : "", why);
}

static void lose(struct race *r)
{
	for (size_t i = 0; i < r->cfg.n; i++)
		if (r->names[i].lookup)
			note(r, TM_ENOENT,
				"the coordinator's name in %s cannot be resolved: the system's resolver "
				"does not answer",
				r->names[i].text);
	if (!r->err && r->n)
		note(r, TM_ETIMEOUT, "the coordinator does not answer: connecting timed out");
	if (!r->err)
		note(r, TM_EINVAL, "no address of the coordinator is known");
	r->events.lost(r->events.ctx, r->err, r->why, r->retry_ms);
}

static void step_in(struct race *r, ns_t wait)
{
	r->next = time_monotonic() + wait;
	loop_timer_in(r->timer, wait);
}

/* --- attempts --- */

static void on_connected(void *ctx, struct clink *l UNUSED)
{
	struct attempt *t = ctx;

	step_in(t->race, t->race->tuning->patience_ms * MS);
}

static void on_up(void *ctx, struct clink *l)
{
	struct attempt *t = ctx;
	struct race *r = t->race;

	t->link = NULL;
	r->events.won(r->events.ctx, l, t->name ? t->name->text : NULL);
}

static void on_closed(void *ctx, struct clink *l, int err, const char *why)
{
	struct attempt *t = ctx;
	struct race *r = t->race;

	t->link = NULL;
	r->open--;
	r->retry_ms = MAX(r->retry_ms, clink_retry_ms(l));
	note(r, err, "%s", why);
	/* Who is overloaded is not asked by its other addresses at once. */
	step_in(r, err == TM_EBUSY ? r->tuning->stagger_ms * MS : 0);
}

static void attempt_begin(struct race *r, struct attempt *t)
{
	const struct clink_events ev = {
		.ctx = t, .connected = on_connected, .up = on_up, .closed = on_closed};
	char text[ENDPOINT_STR_LEN];
	ns_t left = MAX(r->end - time_monotonic(), MS);
	const struct clink_config cfg = {
		.address = t->name ? t->name->text : endpoint_format(&t->at, text),
		.at = &t->at,
		.remote_key = r->cfg.remote_key,
		.identity = r->cfg.identity,
		/* A little before the end: it knows better than we do what it waits for. */
		.connect_timeout_ms = (int)(left / MS * 9 / 10) + 1,
		.mark = t->last ? 0 : r->cfg.mark,
	};
	int err = clink_connect_tuned(r->base, &cfg, &ev, r->tuning->link, &t->link);

	t->begun = true;
	if (err)
		note(r, err, "connecting to %s cannot begin: %s", cfg.address, tm_strerror(err));
	else
		r->open++;
}

/* May a name still lead to an address? */
static bool names_pending(const struct race *r, ns_t now)
{
	return r->lookups && now < r->names_until;
}

/* The next one, which is of `last` only when there is nothing else. */
static struct attempt *next_attempt(struct race *r, ns_t now)
{
	struct attempt *last = NULL;

	for (size_t i = 0; i < r->n; i++) {
		struct attempt *t = &r->tries[i];

		if (!t->begun && !t->last)
			return t;
		if (!t->begun && !last)
			last = t;
	}
	return names_pending(r, now) ? NULL : last;
}

static void on_timer(void *ctx)
{
	struct race *r = ctx;
	ns_t now = time_monotonic();
	struct attempt *t = next_attempt(r, now);

	if (now >= r->end) {
		lose(r);
		return;
	}
	if (t && now >= r->next) {
		attempt_begin(r, t);
		t = next_attempt(r, now);
		r->next = now + (r->open ? r->tuning->stagger_ms * MS : 0);
	}
	if (!t && !r->open && (!r->lookups || (now >= r->names_until && r->err))) {
		lose(r);
		return;
	}

	ns_t at = r->end;
	if (t)
		at = ns_min(at, r->next);
	else if (names_pending(r, now))
		at = ns_min(at, r->names_until);
	loop_timer_at(r->timer, at);
}

/* --- addresses --- */

static void attempt_add(struct race *r, const struct attempt *t)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!endpoint_eq(&r->tries[i].at, &t->at))
			continue;
		if (r->tries[i].last && !r->tries[i].begun)
			r->tries[i] = *t; /* somebody calls it by a name after all */
		return;
	}
	if (endpoint_is_set(&t->at) && r->n < RACE_TRIES_MAX)
		r->tries[r->n++] = *t;
}

static void on_looked_up(void *ctx, int err, const struct endpoint *found, size_t n, const char *why)
{
	struct name *name = ctx;
	struct race *r = name->race;

	name->lookup = NULL;
	r->lookups--;
	if (err)
		note(r, TM_ENOENT, "the coordinator's name in %s cannot be resolved: %s", name->text, why);
	for (size_t i = 0; i < n; i++)
		attempt_add(r, &(struct attempt){.race = r, .name = name, .at = found[i]});
	loop_timer_at(r->timer, r->next);
}

/* A literal is tried as it is, a name once it is known. */
static int name_add(struct race *r, struct name *name, const char *text)
{
	struct endpoint at;
	char host[255];
	uint16_t port;

	name->race = r;
	name->text = strdup(text);
	if (!name->text)
		return TM_ENOMEM;
	if (dial_address_parse(text, host, &port) != TM_OK) {
		note(r, TM_EINVAL, "\"%s\" is not an address of a coordinator", text);
		return TM_OK;
	}
	if (endpoint_parse(text, &at) == TM_OK) {
		attempt_add(r, &(struct attempt){.race = r, .name = name, .at = at});
		return TM_OK;
	}

	int err = lookup_new(r->cfg.resolver, host, port, on_looked_up, name, &name->lookup);
	r->lookups += !err;
	return err;
}

/* What the address that was found last time is called: a proxy there goes by the name that led to it. */
static const struct name *name_of(const struct race *r, const struct endpoint *at)
{
	struct endpoint literal;

	for (size_t i = 0; i < r->cfg.n; i++)
		if (endpoint_parse(r->names[i].text, &literal) == TM_OK && endpoint_eq(&literal, at))
			return &r->names[i];
	for (size_t i = 0; i < r->cfg.n; i++)
		if (r->names[i].lookup)
			return &r->names[i];
	return NULL;
}

static int line_up(struct race *r)
{
	int err = TM_OK;

	attempt_add(r, &(struct attempt){.race = r, .at = r->cfg.first});
	for (size_t i = 0; i < r->cfg.n && !err; i++)
		err = name_add(r, &r->names[i], r->cfg.addresses[i]);
	if (!err && endpoint_is_set(&r->cfg.first))
		r->tries[0].name = name_of(r, &r->cfg.first);
	for (size_t i = 0; i < ARRAY_LEN(r->cfg.last); i++)
		attempt_add(r, &(struct attempt){.race = r, .at = r->cfg.last[i], .last = true});
	return err;
}

/* --- life --- */

int race_new(struct event_base *base, const struct race_config *cfg, const struct race_events *ev,
	const struct race_tuning *t, struct race **ret_race)
{
	struct race *r = calloc(1, sizeof(*r));
	ns_t now = time_monotonic();

	if (!r)
		return TM_ENOMEM;
	r->base = base;
	r->cfg = *cfg;
	r->cfg.n = MIN(cfg->n, (size_t)RACE_NAMES_MAX);
	r->events = *ev;
	r->tuning = t;
	r->end = now + cfg->timeout_ms * MS;
	r->names_until = now + t->names_ms * MS;
	int err = loop_timer_new(base, on_timer, r, &r->timer);
	if (!err)
		err = line_up(r);
	if (err) {
		race_free(r);
		return err;
	}
	r->next = now;
	loop_timer_in(r->timer, 0);
	*ret_race = r;
	return TM_OK;
}

void race_free(struct race *r)
{
	if (!r)
		return;

	for (size_t i = 0; i < r->n; i++)
		clink_free(r->tries[i].link);
	for (size_t i = 0; i < RACE_NAMES_MAX; i++) {
		lookup_cancel(r->names[i].lookup);
		free(r->names[i].text);
	}
	loop_timer_free(r->timer);
	free(r);
}
