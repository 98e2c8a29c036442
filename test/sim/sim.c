/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sim/sim.h"

#include "base/bytes.h"
#include "sim/segment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SPARE_MAX = 64 };

struct event {
	ns_t at;
	uint64_t order;
	void (*run)(void *who, void *what);
	void *who, *what;
	void (*drop)(struct sim *s, void *what);
};

/* --- dice --- */

uint64_t sim_random(struct sim *s)
{
	/* splitmix64 (public domain algorithm by Steele, Lea, Flood): good enough for dice, seeded by any
	 * number */
	uint64_t z = s->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t sim_between(struct sim *s, uint64_t low, uint64_t high)
{
	return low + sim_random(s) % (high - low + 1);
}

bool sim_chance(struct sim *s, unsigned per_mille)
{
	return per_mille && sim_random(s) % 1000 < per_mille;
}

void sim_entropy(void *sim, void *out, size_t n)
{
	uint8_t *p = out;

	for (uint64_t word = 0; n; n--, word >>= 8) {
		if (!word)
			word = sim_random(sim);
		*p++ = (uint8_t)word;
	}
}

/* --- events --- */

static bool sooner(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_at(struct sim *s, ns_t at, void (*run)(void *who, void *what), void *who, void *what,
	void (*drop)(struct sim *s, void *what))
{
	struct event e = {.at = at, .order = s->order++, .run = run, .who = who, .what = what, .drop = drop};
	size_t i;

	if (s->n_events == s->cap_events) {
		s->cap_events = s->cap_events ? 2 * s->cap_events : 64;
		s->events = realloc(s->events, s->cap_events * sizeof(e));
		assert_non_null(s->events);
	}
	for (i = s->n_events++; i && sooner(&e, &s->events[(i - 1) / 2]); i = (i - 1) / 2)
		s->events[i] = s->events[(i - 1) / 2];
	s->events[i] = e;
}

static struct event take_first(struct sim *s)
{
	struct event first = s->events[0], last = s->events[--s->n_events];
	size_t i = 0;

	for (size_t c; (c = 2 * i + 1) < s->n_events; i = c) {
		if (c + 1 < s->n_events && sooner(&s->events[c + 1], &s->events[c]))
			c++;
		if (sooner(&last, &s->events[c]))
			break;
		s->events[i] = s->events[c];
	}
	s->events[i] = last;
	return first;
}

ns_t sim_late(const struct sim *s, size_t machine, ns_t at)
{
	struct sim dice = {.rng = s->seed ^ at ^ (uint64_t)machine << 56};

	return at == NS_NEVER ? at : at + (ns_t)sim_between(&dice, 0, s->lateness);
}

void sim_wake(struct sim *s, struct waker *w, ns_t at)
{
	if (!w->due.pos && at != NS_NEVER)
		assert_int_equal(heap_reserve(&s->wakers, 1), TM_OK);
	heap_set(&s->wakers, &w->due, at);
}

void sim_run(struct sim *s, ns_t duration)
{
	const ns_t end = s->now + duration;

	for (;;) {
		ns_t arrival = s->n_events ? s->events[0].at : NS_NEVER, wake = heap_next(&s->wakers);

		if (ns_min(arrival, wake) > end)
			break;
		s->now = MAX(s->now, ns_min(arrival, wake));
		if (arrival <= wake) {
			struct event e = take_first(s);

			e.run(e.who, e.what);
		} else {
			struct waker *w = CONTAINER_OF(heap_top(&s->wakers), struct waker, due);

			heap_remove(&s->wakers, &w->due);
			w->wake(w);
		}
	}
	s->now = end;
}

/* --- datagrams --- */

static struct datagram *new_datagram(struct sim *s)
{
	struct datagram *dg = s->n_spare ? s->spare[--s->n_spare] : malloc(sizeof(*dg));

	assert_non_null(dg);
	return dg;
}

struct datagram *sim_datagram(
	struct sim *s, const struct endpoint *from, const struct endpoint *to, const uint8_t *bytes, size_t n)
{
	struct datagram *dg = new_datagram(s);

	assert_true(n <= sizeof(dg->bytes));
	dg->from = *from;
	dg->to = *to;
	dg->n = n;
	memcpy(dg->bytes, bytes, n);
	return dg;
}

struct datagram *sim_copy(struct sim *s, const struct datagram *dg)
{
	return sim_datagram(s, &dg->from, &dg->to, dg->bytes, dg->n);
}

void sim_drop(struct sim *s, void *dg)
{
	if (s->n_spare < SPARE_MAX)
		s->spare[s->n_spare++] = dg;
	else
		free(dg);
}

static void arrive(void *node, void *dg)
{
	struct node *n = node;

	n->forward(n, dg);
}

void sim_deliver(struct sim *s, ns_t at, struct node *to, struct datagram *dg)
{
	sim_at(s, at, arrive, to, dg, sim_drop);
}

static void mix(struct sim *s, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++) /* FNV-1a */
		s->wire_hash = (s->wire_hash ^ p[i]) * UINT64_C(0x100000001b3);
}

void sim_on_wire(struct sim *s, const struct datagram *dg)
{
	char from[ENDPOINT_STR_LEN], to[ENDPOINT_STR_LEN];

	s->wire_datagrams++;
	mix(s, &s->now, sizeof(s->now));
	mix(s, dg->from.ip.bytes, ip_len(&dg->from.ip));
	mix(s, &dg->from.port, sizeof(dg->from.port));
	mix(s, dg->to.ip.bytes, ip_len(&dg->to.ip));
	mix(s, &dg->to.port, sizeof(dg->to.port));
	mix(s, dg->bytes, dg->n);
	if (s->trace && dg->n >= 2)
		print_message("%9.3f ms %s -> %s %02x%02x, %zu bytes\n",
			(double)(s->now - 1000 * SEC) / (double)MS, endpoint_format(&dg->from, from),
			endpoint_format(&dg->to, to), dg->bytes[0], dg->bytes[1], dg->n);
}

void sim_inject(struct sim *s, const struct datagram *dg)
{
	struct node *internet = segment_node(s->internet);

	sim_on_wire(s, dg);
	internet->forward(internet, sim_copy(s, dg));
}

/* --- the world --- */

void sim_own(struct sim *s, struct owned *o, void (*free_fn)(struct owned *o))
{
	o->free = free_fn;
	list_push_front(&s->owned, &o->all);
}

struct sim *sim_new(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->spare = calloc(SPARE_MAX, sizeof(struct datagram *));
	assert_non_null(s->spare);
	s->seed = s->rng = seed;
	s->now = 1000 * SEC; /* a machine that has been up for a while: 0 means "never" in places */
	s->lateness = 1 * MS;
	s->trace = getenv("TM_SIM_TRACE") != NULL;
	list_init(&s->owned);
	s->internet = segment_new(s, "198.18.0.0/15", "2001:db8::/32"); /* RFC 2544, RFC 3849 */
	return s;
}

void sim_free(struct sim *s)
{
	LIST_FOREACH_SAFE (o, &s->owned, struct owned, all)
		o->free(o);
	for (size_t i = 0; i < s->n_events; i++) {
		if (s->events[i].drop)
			s->events[i].drop(s, s->events[i].what);
	}
	while (s->n_spare)
		free(s->spare[--s->n_spare]);
	free(s->spare);
	free(s->events);
	heap_deinit(&s->wakers);
	free(s);
}
