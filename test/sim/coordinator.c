/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sim/coordinator.h"

#include "sim/host.h"
#include "sim/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LINK_DELAY (20 * MS)
#define WATCH_FOR (300 * SEC)

enum message_kind {
	HELLO, /* both ways: the member's with its candidates, the answer says where to ask for addresses */
	TELL,
	ASK,
	CANDIDATES, /* to the member */
};

struct message {
	enum message_kind kind;
	struct control_link *link;
	unsigned number; /* of the connection that it travels on */
	struct host *about; /* ASK, CANDIDATES */
	struct candidates candidates;
	bool looks; /* CANDIDATES: that one looks for the member */
};

static void drop_message(struct sim *s, void *m)
{
	(void)s;
	free(m);
}

/* Sends a copy of *m. */
static void post(
	struct control_link *l, ns_t *last, void (*arrive)(void *link, void *m), const struct message *m)
{
	struct sim *s = l->host->sim;
	struct message *copy = malloc(sizeof(*copy));

	assert_non_null(copy);
	*copy = *m;
	copy->link = l;
	copy->number = l->number;
	*last = MAX(*last, s->now + l->delay);
	sim_at(s, *last, arrive, l, copy, drop_message);
}

/* --- at the member --- */

static void at_member(void *link, void *message)
{
	struct control_link *l = link;
	struct message *m = message;

	if (l->up && m->number == l->number) {
		if (m->kind == HELLO)
			host_server(l->host);
		else
			host_candidates(l->host, m->about, &m->candidates, m->looks);
	}
	free(m);
}

/* Under which address the internet sees the host. */
static struct ip seen_at(const struct host *h)
{
	struct endpoint at = h->at;

	const struct segment *g = h->face[0].segment; /* NULL: it is plugged in nowhere now */

	for (struct nat *t = g ? nat_of(g) : NULL; t; t = nat_of(t->outside)) {
		const struct nat_mapping *m = nat_mapping_of(t, &at);

		at = m ? m->outside : (struct endpoint){.ip = t->pool[0], .port = at.port};
	}
	return at.ip;
}

static void introduce(struct control_link *to, const struct control_link *about, bool looks)
{
	struct message m = {
		.kind = CANDIDATES, .about = about->host, .candidates = about->told, .looks = looks};

	m.candidates.seen[m.candidates.n_seen++] = seen_at(about->host);
	if (to->up)
		post(to, &to->last_to_member, at_member, &m);
}

/* --- at the coordinator --- */

static void watch(struct coordinator *c, struct control_link *asker, struct control_link *target)
{
	size_t i = 0;

	while (i < c->n_watches && (c->watches[i].asker != asker || c->watches[i].target != target))
		i++;
	if (i == c->cap_watches) {
		c->cap_watches = i ? 2 * i : 16;
		c->watches = realloc(c->watches, c->cap_watches * sizeof(*c->watches));
		assert_non_null(c->watches);
	}
	if (i == c->n_watches)
		c->n_watches++;
	c->watches[i] = (struct watch){asker, target, c->sim->now + WATCH_FOR};
}

static void told(struct coordinator *c, struct control_link *l, const struct candidates *mine)
{
	if (candidates_eq(&l->told, mine))
		return;
	l->told = *mine;
	for (size_t i = 0; i < c->n_watches; i++) {
		if (c->watches[i].target == l && c->watches[i].until > c->sim->now)
			introduce(c->watches[i].asker, l, false);
	}
}

static void at_coordinator(void *link, void *message)
{
	struct control_link *l = link, *other;
	struct message *m = message;
	struct coordinator *c = l->coordinator;

	if (l->up && m->number == l->number) {
		switch (m->kind) {
		case HELLO:
			post(l, &l->last_to_member, at_member, &(struct message){.kind = HELLO});
			told(c, l, &m->candidates);
			break;
		case TELL:
			told(c, l, &m->candidates);
			break;
		case ASK:
			other = c->links[m->about->number];
			if (!other)
				break;
			watch(c, l, other);
			introduce(l, other, false);
			introduce(other, l, true);
			break;
		case CANDIDATES:
			break;
		}
	}
	free(m);
}

/* --- the link --- */

static void connect_now(void *link, void *unused)
{
	struct control_link *l = link;
	struct message m = {.kind = HELLO};

	(void)unused;
	if (l->up || !l->wanted || !l->coordinator->running)
		return;
	l->up = true;
	l->number++;
	m.candidates = *host_mine(l->host);
	post(l, &l->last_to_coordinator, at_coordinator, &m);
}

void control_link_cut(struct control_link *l, ns_t after)
{
	struct sim *s = l->host->sim;

	l->up = false;
	l->wanted = after != NS_NEVER;
	if (l->wanted)
		sim_at(s, s->now + after + 3 * l->delay, connect_now, l, NULL, NULL);
}

void control_link_tell(struct control_link *l, const struct candidates *mine)
{
	if (l->up)
		post(l, &l->last_to_coordinator, at_coordinator,
			&(struct message){.kind = TELL, .candidates = *mine});
}

void control_link_ask(struct control_link *l, const char *id)
{
	struct host *about = host_by_id(l->host->sim, id);

	l->asked++;
	if (l->up && about)
		post(l, &l->last_to_coordinator, at_coordinator,
			&(struct message){.kind = ASK, .about = about});
}

struct control_link *control_link_new(struct coordinator *c, struct host *h)
{
	struct control_link *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	*l = (struct control_link){.coordinator = c, .host = h, .delay = LINK_DELAY};
	c->links[h->number] = l;
	control_link_cut(l, 0);
	return l;
}

/* --- the coordinator --- */

void coordinator_stop(struct coordinator *c)
{
	c->running = false;
	host_line(c->host)->blocked = true;
	if (c->host->relay)
		relay_stop(c->host->relay);
	for (size_t i = 0; i < c->sim->n_hosts; i++) {
		if (!c->links[i])
			continue;
		if (c->links[i]->up)
			host_input(c->links[i]->host, &(struct core_in){.kind = CORE_LINK});
		c->links[i]->up = false;
	}
}

void coordinator_start(struct coordinator *c)
{
	c->running = true;
	host_line(c->host)->blocked = false;
	if (c->host->relay)
		relay_start(c->host->relay);
	for (size_t i = 0; i < c->sim->n_hosts; i++) {
		if (c->links[i] && c->links[i]->wanted)
			control_link_cut(c->links[i], (ns_t)sim_between(c->sim, 0, (uint64_t)SEC));
	}
}

static void coordinator_free(struct owned *o)
{
	struct coordinator *c = CONTAINER_OF(o, struct coordinator, owned);

	for (size_t i = 0; i < SIM_HOSTS; i++)
		free(c->links[i]);
	free(c->watches);
	free(c);
}

struct coordinator *coordinator_new(struct sim *s, const char *name)
{
	struct coordinator *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->sim = s;
	c->running = true;
	c->host = sim_host(s, name);
	sim_own(s, &c->owned, coordinator_free);
	host_start_paths(c->host);
	return c;
}
