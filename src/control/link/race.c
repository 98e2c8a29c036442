/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/race.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "loop/timer.h"
#include "wire/address.h"
#include "wire/proxy.h"

const struct race_tuning race_tuning_default = {
	.stagger_ms = 250, /* RFC 8305 8 */
	.patience_ms = 3000, /* a coordinator with a herd at its door is slow, and must not be asked twice */
	.proxy_ms = 1500, /* a tunnel and a handshake through a proxy of a large network */
	.names_ms = 4000,
	.link = &clink_tuning_default,
};

enum { PORT_TLS = 443 };

/* One of the addresses that were told, or the proxy. */
struct name {
	struct race *race;
	char *text; /* as it was told */
	struct address address;
	bool valid; /* the address was understood */
	struct lookup *lookup; /* while it is looked up */
};

/* One attempt: a way to one address. */
struct attempt {
	struct race *race;
	const struct name *name; /* NULL: it has none */
	struct endpoint at; /* of the address, or of the proxy */
	bool tls;
	bool proxied;
	bool last; /* of the configuration's `last` */
	/* Tried only where this one has been let in by somebody: the same without TLS, or with. -1: none. */
	int after;
	bool begun, connected;
	bool settled; /* it has failed in a manner that TLS or no TLS has nothing to do with */
	struct clink *link; /* while it is under way */
};

struct race {
	/* set once */
	struct event_base *base;
	struct race_config cfg;
	struct race_events events;
	const struct race_tuning *tuning;
	ns_t end, names_until;
	ns_t alone_until; /* the proxy is tried alone, while it has a chance */
	/* state */
	struct loop_timer *timer; /* the next step is due */
	ns_t next; /* when the next address may be tried */
	struct name names[RACE_NAMES_MAX], proxy;
	struct attempt tries[RACE_TRIES_MAX];
	size_t n;
	unsigned open, lookups; /* under way */
	int err;
	unsigned retry_ms;
	char why[RACE_WHY_MAX];
	char proxy_why[RACE_WHY_MAX]; /* the same, of the proxy alone */
	bool excepted; /* what has won needs no proxy */
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

static void note_unresolved(struct race *r, const struct name *name, const char *why)
{
	if (name == &r->proxy) {
		note(r, TM_ENOENT, "the proxy's name %s cannot be resolved: %s", name->text, why);
		snprintf(r->proxy_why, sizeof(r->proxy_why), "its name cannot be resolved: %s", why);
	} else {
		note(r, TM_ENOENT, "the coordinator's name in %s cannot be resolved: %s", name->text, why);
	}
}

static void lose(struct race *r)
{
	for (size_t i = 0; i <= r->cfg.n; i++) {
		const struct name *name = i < r->cfg.n ? &r->names[i] : &r->proxy;

		if (name->lookup)
			note_unresolved(r, name, "the system's resolver does not answer");
	}
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

	t->connected = true;
	step_in(t->race, t->race->tuning->patience_ms * MS);
}

static void on_up(void *ctx, struct clink *l)
{
	struct attempt *t = ctx;
	struct race *r = t->race;

	t->link = NULL;
	r->excepted = r->cfg.proxy && t->name && proxy_excepts(r->cfg.proxy->except, t->name->address.host);
	r->events.won(r->events.ctx, l, t->name ? t->name->text : NULL);
}

static void on_closed(void *ctx, struct clink *l, int err, const char *why)
{
	struct attempt *t = ctx;
	struct race *r = t->race;

	t->link = NULL;
	if (t->proxied)
		snprintf(r->proxy_why, sizeof(r->proxy_why), "%s", why);
	/* A coordinator that speaks would say the same again. (A proxy that says no has not connected us.) */
	t->settled = err == TM_EAUTH || err == TM_EBUSY;
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
		.tls = t->tls,
		.via = t->proxied ? &r->cfg.proxy->proxy : NULL,
		.stream = r->cfg.stream,
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

/* Can it be tried at all, now or later? */
static bool is_waiting(const struct race *r, const struct attempt *t)
{
	const struct attempt *before = t->after >= 0 ? &r->tries[t->after] : NULL;

	return !t->begun && (!before || (before->connected && !before->settled));
}

/* Has the proxy a chance to be quicker? */
static bool proxy_alone(const struct race *r, ns_t now)
{
	if (now >= r->alone_until)
		return false;
	for (size_t i = 0; i < r->n; i++)
		if (r->tries[i].proxied && (r->tries[i].link || is_waiting(r, &r->tries[i])))
			return true;
	return r->proxy.lookup != NULL;
}

static bool may_begin(const struct race *r, const struct attempt *t, ns_t now)
{
	if (!is_waiting(r, t))
		return false;
	if (t->proxied || !proxy_alone(r, now))
		return true;
	/* What is reached without the proxy need not wait for it. */
	return t->name && proxy_excepts(r->cfg.proxy->except, t->name->address.host);
}

/* In which order: what is known by itself, what another attempt has led to, the last resort. */
static unsigned rank(const struct attempt *t)
{
	return t->last ? 2 : t->after >= 0;
}

/* The next one; of `last` only when there is nothing else. */
static struct attempt *next_attempt(struct race *r, ns_t now)
{
	struct attempt *best = NULL;

	for (size_t i = 0; i < r->n; i++)
		if (may_begin(r, &r->tries[i], now) && (!best || rank(&r->tries[i]) < rank(best)))
			best = &r->tries[i];
	return best && best->last && names_pending(r, now) ? NULL : best;
}

static void on_timer(void *ctx)
{
	struct race *r = ctx;
	ns_t now = time_monotonic();
	struct attempt *t = next_attempt(r, now);
	bool alone = proxy_alone(r, now);

	if (now >= r->end) {
		lose(r);
		return;
	}
	if (t && now >= r->next) {
		attempt_begin(r, t);
		t = next_attempt(r, now);
		r->next = now + (r->open ? r->tuning->stagger_ms * MS : 0);
	}
	if (!t && !alone && !r->open && (!r->lookups || (now >= r->names_until && r->err))) {
		lose(r);
		return;
	}

	ns_t at = r->end;
	if (t)
		at = ns_min(at, r->next);
	else if (alone)
		at = ns_min(at, r->alone_until);
	else if (names_pending(r, now))
		at = ns_min(at, r->names_until);
	loop_timer_at(r->timer, at);
}

/* --- addresses --- */

static bool same_way(const struct attempt *a, const struct attempt *b)
{
	if (!endpoint_eq(&a->at, &b->at) || a->tls != b->tls || a->proxied != b->proxied)
		return false;
	/* Behind a proxy, or a web server, the name tells who is meant. */
	bool named = a->proxied || (a->name && a->name->address.kind != ADDRESS_OWN) ||
		     (b->name && b->name->address.kind != ADDRESS_OWN);
	return !named || a->name == b->name;
}

/* Its place in the list; -1: there is no room. */
static int attempt_add(struct race *r, const struct attempt *t)
{
	for (size_t i = 0; i < r->n; i++) {
		if (!same_way(&r->tries[i], t))
			continue;
		if (r->tries[i].last && !r->tries[i].begun)
			r->tries[i] = *t; /* somebody calls it by a name after all */
		return (int)i;
	}
	if (!endpoint_is_set(&t->at) || r->n == RACE_TRIES_MAX)
		return -1;
	r->tries[r->n] = *t;
	return (int)r->n++;
}

/* That way, and with TLS instead of without, or without, where the address leaves that open. */
static void ways_add(struct race *r, const struct attempt *first)
{
	struct attempt t = *first;
	enum address_kind kind = t.name ? t.name->address.kind : ADDRESS_OWN;

	t.race = r;
	t.after = -1;
	if (kind != ADDRESS_OWN)
		t.tls = kind == ADDRESS_HTTPS;
	t.after = attempt_add(r, &t);
	t.tls = !t.tls;
	if (kind == ADDRESS_OWN && t.after >= 0)
		(void)attempt_add(r, &t);
}

static void name_ways_add(struct race *r, const struct name *name, const struct endpoint *at, bool proxied)
{
	ways_add(r,
		&(struct attempt){
			.name = name, .at = *at, .tls = name->address.port == PORT_TLS, .proxied = proxied});
}

/* The proxy is at one of these: it is asked for all that is not reached without it. */
static void proxy_found(struct race *r, const struct endpoint *found, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < r->cfg.n; k++)
			if (r->names[k].valid &&
				!proxy_excepts(r->cfg.proxy->except, r->names[k].address.host))
				name_ways_add(r, &r->names[k], &found[i], true);
}

static void on_looked_up(void *ctx, int err, const struct endpoint *found, size_t n, const char *why)
{
	struct name *name = ctx;
	struct race *r = name->race;

	name->lookup = NULL;
	r->lookups--;
	if (err)
		note_unresolved(r, name, why);
	if (name == &r->proxy)
		proxy_found(r, found, n);
	for (size_t i = 0; name != &r->proxy && i < n; i++)
		name_ways_add(r, name, &found[i], false);
	loop_timer_at(r->timer, r->next);
}

static int name_parse(struct race *r, struct name *name, const char *text)
{
	name->race = r;
	name->text = strdup(text);
	if (!name->text)
		return TM_ENOMEM;
	name->valid = address_parse(text, &name->address) == TM_OK;
	if (!name->valid)
		note(r, TM_EINVAL, "\"%s\" is not an address of a coordinator", text);
	return TM_OK;
}

static bool name_is_literal(const struct name *name, struct endpoint *ret_ep)
{
	char text[ADDRESS_HOST_FIELD];

	return endpoint_parse(address_authority(&name->address, text), ret_ep) == TM_OK;
}

/* A literal is tried as it is, a name once it is known. */
static int name_add(struct race *r, struct name *name)
{
	struct endpoint at;

	if (!name->valid)
		return TM_OK;
	if (name_is_literal(name, &at)) {
		name_ways_add(r, name, &at, false);
		return TM_OK;
	}
	int err = lookup_new(
		r->cfg.resolver, name->address.host, name->address.port, on_looked_up, name, &name->lookup);
	r->lookups += !err;
	return err;
}

static int proxy_add(struct race *r)
{
	struct name *name = &r->proxy;
	struct endpoint at;

	name->race = r;
	name->valid = true;
	memcpy(name->address.host, r->cfg.proxy->proxy.host, sizeof(name->address.host));
	name->address.port = r->cfg.proxy->proxy.port;
	name->text = strdup(name->address.host);
	if (!name->text)
		return TM_ENOMEM;
	if (name_is_literal(name, &at)) {
		proxy_found(r, &at, 1);
		return TM_OK;
	}
	int err = lookup_new(
		r->cfg.resolver, name->address.host, name->address.port, on_looked_up, name, &name->lookup);
	r->lookups += !err;
	return err;
}

/* What the address that was found last time is called: a proxy there goes by the name that led to it. */
static const struct name *name_of(const struct race *r, const struct endpoint *at)
{
	const struct name *likely = NULL;

	for (size_t i = 0; i < r->cfg.n; i++) {
		const struct name *name = &r->names[i];
		struct endpoint literal;

		if (!name->valid)
			continue;
		if (!name_is_literal(name, &literal)) {
			if (!likely || (likely->address.port != at->port && name->address.port == at->port))
				likely = name;
		} else if (endpoint_eq(&literal, at)) {
			return name;
		}
	}
	return likely;
}

static int line_up(struct race *r, const struct race_config *cfg)
{
	int err = TM_OK;

	for (size_t i = 0; i < r->cfg.n && !err; i++)
		err = name_parse(r, &r->names[i], cfg->addresses[i]);
	if (!err && r->cfg.proxy && r->cfg.proxy->proxy.host[0])
		err = proxy_add(r);
	if (!err && endpoint_is_set(&r->cfg.first))
		ways_add(r, &(struct attempt){.name = name_of(r, &r->cfg.first),
				    .at = r->cfg.first,
				    .tls = r->cfg.first_tls});
	for (size_t i = 0; i < r->cfg.n && !err; i++)
		err = name_add(r, &r->names[i]);
	for (size_t i = 0; i < ARRAY_LEN(r->cfg.last); i++)
		ways_add(r, &(struct attempt){.at = r->cfg.last[i], .last = true, .tls = r->cfg.first_tls});
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
	r->alone_until = now + t->proxy_ms * MS;
	r->next = now;
	int err = loop_timer_new(base, on_timer, r, &r->timer);
	if (!err)
		err = line_up(r, cfg);
	if (err) {
		race_free(r);
		return err;
	}
	loop_timer_in(r->timer, 0);
	*ret_race = r;
	return TM_OK;
}

const char *race_proxy_failed(const struct race *r)
{
	for (size_t i = 0; i < r->n && !r->excepted; i++)
		if (r->tries[i].proxied && r->tries[i].link)
			return "it has not answered";
	return r->excepted ? "" : r->proxy_why;
}

void race_free(struct race *r)
{
	if (!r)
		return;

	for (size_t i = 0; i < r->n; i++)
		clink_free(r->tries[i].link);
	for (size_t i = 0; i <= RACE_NAMES_MAX; i++) {
		struct name *name = i < RACE_NAMES_MAX ? &r->names[i] : &r->proxy;

		lookup_cancel(name->lookup);
		free(name->text);
	}
	loop_timer_free(r->timer);
	free(r);
}
