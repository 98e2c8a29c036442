/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The network: clock, flights, links, NAT, internet. */
#include "sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sim/host.h"

struct flight {
	ns_t at;
	uint64_t order;
	struct node *to;
	struct datagram *dg;
};

uint64_t sim_random(struct sim *s)
{
	/* splitmix64 (public domain algorithm by Steele, Lea, Flood): good enough for dice, seeded by any
	 * number */
	uint64_t z = s->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void sim_entropy(void *sim, void *out, size_t n)
{
	uint8_t *p = out;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)sim_random(sim);
}

static bool chance(struct sim *s, unsigned per_mille)
{
	return per_mille && sim_random(s) % 1000 < per_mille;
}

static bool sooner(const struct flight *a, const struct flight *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void take_off(struct sim *s, ns_t at, struct node *to, struct datagram *dg)
{
	struct flight f = {.at = at, .order = s->order++, .to = to, .dg = dg};
	size_t i;

	if (s->n_flights == s->cap_flights) {
		s->cap_flights = s->cap_flights ? 2 * s->cap_flights : 64;
		s->flights = realloc(s->flights, s->cap_flights * sizeof(f));
		assert_non_null(s->flights);
	}
	for (i = s->n_flights++; i && sooner(&f, &s->flights[(i - 1) / 2]); i = (i - 1) / 2)
		s->flights[i] = s->flights[(i - 1) / 2];
	s->flights[i] = f;
}

static struct flight land(struct sim *s)
{
	struct flight first = s->flights[0], last = s->flights[--s->n_flights];
	size_t i = 0;

	for (size_t c; (c = 2 * i + 1) < s->n_flights; i = c) {
		if (c + 1 < s->n_flights && sooner(&s->flights[c + 1], &s->flights[c]))
			c++;
		if (sooner(&last, &s->flights[c]))
			break;
		s->flights[i] = s->flights[c];
	}
	s->flights[i] = last;
	return first;
}

static struct datagram *copy(const struct datagram *dg)
{
	struct datagram *c = malloc(sizeof(*c));

	assert_non_null(c);
	*c = *dg;
	return c;
}

static void link_forward(struct node *n, struct datagram *dg)
{
	struct link *l = CONTAINER_OF(n, struct link, super);
	struct sim *s = l->sim;
	unsigned copies = chance(s, l->duplicate) ? 2 : 1;

	for (unsigned i = 0; i < copies; i++) {
		struct datagram *c;

		if (chance(s, l->loss))
			continue;
		c = copy(dg);
		if (chance(s, l->corrupt) && c->n)
			c->bytes[sim_random(s) % c->n] ^= (uint8_t)(1u << sim_random(s) % 8);
		take_off(s, s->now + l->delay + (l->jitter ? (ns_t)(sim_random(s) % (uint64_t)l->jitter) : 0),
			l->next, c);
	}
	free(dg);
}

static bool nat_lets_in(const struct nat *t, const struct datagram *dg)
{
	if (dg->to.port != t->port || t->sim->now - t->used > t->timeout)
		return false;
	for (size_t i = 0; i < t->n_written; i++) {
		if (endpoint_eq(&t->written[i], &dg->from))
			return true;
	}
	return false;
}

/* From inside towards the internet. */
static void nat_forward(struct node *n, struct datagram *dg)
{
	struct nat *t = CONTAINER_OF(n, struct nat, super);
	size_t i = 0;

	if (t->sim->now - t->used > t->timeout || !t->port) {
		t->port = (uint16_t)(1024 + sim_random(t->sim) % 60000);
		t->n_written = 0;
	}
	while (i < t->n_written && !endpoint_eq(&t->written[i], &dg->to))
		i++;
	if (i == t->n_written && t->n_written < ARRAY_LEN(t->written))
		t->written[t->n_written++] = dg->to;
	t->used = t->sim->now;
	dg->from.ip = t->outside;
	dg->from.port = t->port;
	t->next->forward(t->next, dg);
}

static void internet_forward(struct node *n, struct datagram *dg)
{
	struct sim *s = CONTAINER_OF(n, struct sim, internet);

	for (size_t i = 0; i < s->n_hosts; i++) {
		struct host *h = s->hosts[i];

		if (h->nat.inside && ip_eq(&h->nat.outside, &dg->to.ip) && nat_lets_in(&h->nat, dg)) {
			h->nat.used = s->now;
			dg->to = h->at;
			h->super.forward(&h->super, dg);
			return;
		}
		if (!h->nat.inside && endpoint_eq(&h->at, &dg->to)) {
			h->super.forward(&h->super, dg);
			return;
		}
	}
	free(dg);
}

void sim_inject(struct sim *s, const struct datagram *dg)
{
	s->wire_datagrams++;
	internet_forward(&s->internet, copy(dg));
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	print_message("sim: seed %llu\n", (unsigned long long)seed);
	s->seed = s->rng = seed;
	s->now = 1000 * SEC; /* a machine that has been up for a while: 0 means "never" in places */
	s->internet.forward = internet_forward;
	return s;
}

void sim_free(struct sim *s)
{
	for (size_t i = 0; i < s->n_hosts; i++)
		host_free(s->hosts[i]);
	for (size_t i = 0; i < s->n_flights; i++)
		free(s->flights[i].dg);
	free(s->flights);
	free(s);
}

void sim_run(struct sim *s, ns_t duration)
{
	const ns_t end = s->now + duration;

	for (;;) {
		ns_t next = s->n_flights ? s->flights[0].at : NS_NEVER;
		struct host *acting = NULL;

		for (size_t i = 0; i < s->n_hosts; i++) {
			if (s->hosts[i]->next < next) {
				acting = s->hosts[i];
				next = acting->next;
			}
		}
		if (next > end)
			break;

		s->now = MAX(s->now, next);
		if (acting) {
			host_settle(acting);
		} else {
			struct flight f = land(s);

			f.to->forward(f.to, f.dg);
		}
	}
	s->now = end;
}

void host_set_link(struct host *h, unsigned loss, unsigned duplicate, unsigned corrupt, ns_t jitter)
{
	h->up.loss = loss;
	h->up.duplicate = duplicate;
	h->up.corrupt = corrupt;
	h->up.jitter = jitter;
}

void host_attach(struct host *h)
{
	h->up = (struct link){
		.super.forward = link_forward, .next = &h->sim->internet, .sim = h->sim, .delay = 10 * MS};
}

void host_behind_nat(struct host *h, ns_t timeout)
{
	h->nat = (struct nat){
		.super.forward = nat_forward,
		.next = &h->sim->internet,
		.sim = h->sim,
		.inside = h,
		.outside = h->at.ip,
		.timeout = timeout,
	};
	h->nat.outside.bytes[1] = 99;
	h->up.next = &h->nat.super;
}
