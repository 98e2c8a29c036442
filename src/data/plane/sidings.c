/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control thread's half of the sidings (data/plane/siding.h): who has one, and where the kernel leads
 * what comes. */
#include "data/plane/siding.h"

#include "data/plane/plane_private.h"
#include "wire/wg.h"

/* Who has sent nothing for so long may lose his to another. */
#define SIDING_IDLE (10 * SEC)

/*
 * A data message goes to the worker that its receiver index names; where queues are steered too, that is the
 * one who reads what goes to the peer's address (configure). Where the kernel cannot, it chooses by addresses
 * and ports, which serves too.
 */
void plane_steer(struct plane *p)
{
	struct udp_source sources[SIDINGS_MAX];
	const struct udp_steering by = {
		.first_byte = WG_DATA,
		.lane_at = WG_DATA_INDEX + 3,
		.lanes = p->n_sockets,
		.sources = sources,
		.n_sources = p->n_sidings,
		.others = p->steered,
		.salt = p->steer_salt,
	};

	/* Each was opened behind all that there were. */
	for (unsigned i = 0; i < p->n_sidings; i++)
		sources[i] = (struct udp_source){.from = p->siding[i]->source, .socket = p->n_sockets + i};
	if (p->n_sockets > 1 || p->steered)
		udp_steer(p->udp[0], &by);
}

/* While closed ones wait to be freed they have the numbers that new ones are told by. */
static struct siding *open_siding(struct plane *p, struct worker *reader)
{
	const bool may = p->n_sidings < SIDINGS_MAX && !p->sidings_closing;
	struct siding *s = may ? calloc(1, sizeof(*s)) : NULL;
	struct diag d;

	if (!s)
		return NULL;

	s->guest.burst = siding_burst;
	s->reader = reader;
	s->closing = &p->sidings_closing;
	if (udp_open(&p->beside, &s->udp, &d) != TM_OK) {
		free(s);
		return NULL;
	}
	if (crowd_add(reader->crowd, udp_fd(s->udp), WAIT_READ, &s->guest) != TM_OK) {
		udp_close(s->udp);
		free(s);
		return NULL;
	}
	p->siding[p->n_sidings++] = s;
	return s;
}

static ns_t last_of(const struct siding *s)
{
	return atomic_load_explicit(&s->last, memory_order_relaxed);
}

/* That worker's, whose owner has been silent the longest, and long enough. */
static struct siding *find_idle(const struct plane *p, const struct worker *reader)
{
	struct siding *best = NULL;

	for (size_t i = 0; i < p->n_sidings; i++) {
		struct siding *s = p->siding[i];

		if (s->reader == reader && last_of(s) + SIDING_IDLE < p->self.now &&
			(!best || last_of(s) < last_of(best)))
			best = s;
	}
	return best;
}

static bool has_siding(const struct plane *p, const struct endpoint *who)
{
	for (size_t i = 0; i < p->n_sidings; i++)
		if (endpoint_eq(&p->siding[i]->source, who))
			return true;
	return false;
}

/* Without room or memory nobody gets one: then all wait in one buffer, as they did before. */
static void give(struct plane *p, struct worker *reader, const struct endpoint *who)
{
	struct siding *s = find_idle(p, reader);

	if (!s)
		s = open_siding(p, reader);
	if (!s)
		return;

	s->source = *who;
	atomic_store_explicit(&s->last, p->self.now, memory_order_relaxed);
	p->steered = true;
	plane_steer(p);
}

void plane_give_sidings(struct plane *p)
{
	const bool is_relay = atomic_load_explicit(&p->legs, memory_order_relaxed);

	for (unsigned i = 0; i < p->n_workers; i++) {
		struct worker *w = &p->workers[i];

		if (!atomic_load_explicit(&w->wish.is_set, memory_order_acquire))
			continue;
		if (is_relay && !has_siding(p, &w->wish.source))
			give(p, w, &w->wish.source);
		atomic_store_explicit(&w->wish.is_set, false, memory_order_release);
	}
}

static void free_siding(void *siding)
{
	struct siding *s = siding;

	udp_close(s->udp);
	--*s->closing;
	free(s);
}

void plane_close_sidings(struct plane *p)
{
	const size_t n = p->n_sidings;

	if (!n)
		return;

	p->sidings_lost = plane_siding_overflows(p);
	p->sidings_closing += p->n_sidings;
	p->n_sidings = 0;
	plane_steer(p);
	for (size_t i = n; i-- > 0;) {
		struct siding *s = p->siding[i];

		crowd_remove(s->reader->crowd, udp_fd(s->udp));
		epoch_retire(&p->epoch, &s->retired, s, free_siding);
	}
	event_wake(&p->events);
}

uint64_t plane_siding_overflows(const struct plane *p)
{
	uint64_t sum = p->sidings_lost;

	for (size_t i = 0; i < p->n_sidings; i++)
		sum += udp_overflows(p->siding[i]->udp);
	return sum;
}
