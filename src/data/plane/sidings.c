/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control thread's half of the sidings (data/plane/siding.h): who has one, and where the kernel leads
 * what comes. */
#include "data/plane/siding.h"

#include "data/plane/legs.h"
#include "data/plane/plane_private.h"
#include "wire/wg.h"

/* Who has sent nothing for so long may lose his to another. */
#define SIDING_IDLE (10 * SEC)
/* Who was heard since then has a session still (WireGuard: REJECT_AFTER_TIME). */
#define SESSION (180 * SEC)
/* Part of its time that the control thread has for that. */
enum { LOOKING_ONE_OF = 20 };

/* Also of port 0, from which some send. */
static bool has_owner(const struct siding *s)
{
	return s->source.ip.family != IP_NONE;
}

/*
 * A data message goes to the worker that its receiver index names; where queues are steered too, that is the
 * one who reads what goes to the peer's address (configure). Where the kernel cannot, it chooses by addresses
 * and ports, which serves too.
 */
bool plane_steer(struct plane *p)
{
	struct udp_source sources[SIDINGS_MAX];
	struct udp_steering by = {
		.first_byte = WG_DATA,
		.lane_at = WG_DATA_INDEX + 3,
		.lanes = p->n_sockets,
		.sources = sources,
		.others = p->steered,
		.salt = p->steer_salt,
	};

	for (unsigned i = 0; i < p->n_sidings; i++)
		if (has_owner(p->siding[i]))
			sources[by.n_sources++] = (struct udp_source){
				.from = p->siding[i]->source, .socket = p->siding[i]->number};
	pit_order(&p->pit, &by);
	return (p->n_sockets == 1 && !p->steered) || udp_steer(p->udp[0], &by);
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
	/* Each is opened behind all that there are. */
	s->number = p->n_sockets + p->n_behind++;
	p->siding[p->n_sidings++] = s;
	return s;
}

static ns_t last_of(const struct siding *s)
{
	return atomic_load_explicit(&s->last, memory_order_relaxed);
}

/* That worker's, which is nobody's, or whose owner has been silent the longest, and long enough. */
static struct siding *find_idle(const struct plane *p, const struct worker *reader)
{
	struct siding *best = NULL;

	for (size_t i = 0; i < p->n_sidings; i++) {
		struct siding *s = p->siding[i];

		if (s->reader != reader)
			continue;
		if (!has_owner(s))
			return s;
		if (last_of(s) + SIDING_IDLE < p->self.now && (!best || last_of(s) < last_of(best)))
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
	atomic_store_explicit(&s->is_new, true, memory_order_release);
	p->steered = true;
	/* Not before the kernel is told what goes where, and can be, or it would lead others there. */
	if (!plane_steer(p) || p->pit.udp)
		return;

	pit_open(&p->pit, &p->beside, p->n_sockets + p->n_behind);
	p->n_behind += p->pit.udp != NULL;
	(void)plane_steer(p);
}

static bool has_leg_at(const struct legs *l, const struct ip *at)
{
	for (size_t i = 0; l && i <= l->most; i++) {
		const struct leg *leg = atomic_load_explicit(&l->leg[i], memory_order_relaxed);

		if (leg && pit_is_neighbour(&leg->way.to.remote.ip, at))
			return true;
	}
	return false;
}

static bool has_session_at(const struct plane *p, const struct ip *at)
{
	DEVICE_FOREACH_PEER(peer, p->device)
	{
		const struct way *way = atomic_load_explicit(&peer->way, memory_order_relaxed);
		const ns_t heard = atomic_load_explicit(&peer->last_auth_recv, memory_order_relaxed);

		if (way && heard && p->self.now - heard < SESSION && pit_is_neighbour(&way->to.remote.ip, at))
			return true;
	}
	return false;
}

/* Members who register here; peers: stock clients, and members whose relays are others; our own relays. */
static bool is_there(const void *ctx, const struct ip *at)
{
	const struct plane *p = ctx;

	return has_leg_at(atomic_load_explicit(&p->legs, memory_order_relaxed), at) ||
	       has_session_at(p, at) || plane_has_relay_at(p, at);
}

/* What waits in his siding is read all the same. */
static void cast_out(struct plane *p, const struct udp_cast *who)
{
	const struct pit_ours ours = {.is_there = is_there, .ctx = p};

	if (!pit_cast(&p->pit, &ours, who, p->self.now))
		return;
	for (size_t i = 0; i < p->n_sidings; i++)
		if (pit_has(&p->pit, &p->siding[i]->source))
			p->siding[i]->source = (struct endpoint){0};
	(void)plane_steer(p);
}

/* That is a look at all members, and a program for the kernel: who sends from many places is not to keep us
 * busy with it. What other programs have of the CPU meanwhile is no part of that. False: later. */
static bool cast_out_now_and_then(struct plane *p, const struct udp_cast *who)
{
	if (who->from.ip.family == IP_NONE)
		return true;
	if (time_monotonic() < p->look_again) {
		p->letters_wait = true;
		return false;
	}
	const ns_t begin = time_of_thread();
	cast_out(p, who);
	const ns_t took = time_of_thread() - begin;
	p->look_again = time_monotonic() + LOOKING_ONE_OF * took;
	return true;
}

/* Written by whoever reads it, about whoever has it now: who was told of a new owner has torn the old one's
 * up before he said so. True: there was one, and something was done about it. */
static bool take_letter(struct plane *p, struct siding *s)
{
	struct udp_cast who = {.from = s->source};
	unsigned vain;

	if (atomic_load_explicit(&s->is_new, memory_order_acquire))
		return false;
	vain = atomic_load_explicit(&s->is_vain, memory_order_acquire);
	who.rarely = vain == VAIN_ASKING;
	if (vain == VAIN_NOT || !cast_out_now_and_then(p, &who))
		return false;

	atomic_store_explicit(&s->is_vain, VAIN_NOT, memory_order_relaxed);
	return true;
}

static bool take_blame(struct plane *p, struct worker *w)
{
	if (!atomic_load_explicit(&w->blame.is_set, memory_order_acquire) ||
		!cast_out_now_and_then(p, &w->blame.source))
		return false;

	atomic_store_explicit(&w->blame.is_set, false, memory_order_release);
	return true;
}

/* In turn: of some there are ever new ones that lead to nothing, because somebody of ours is there. */
static void take_letters(struct plane *p)
{
	const size_t n = p->n_workers + p->n_sidings, first = p->letter;

	p->letters_wait = false;
	for (size_t i = 0; i < n; i++) {
		const size_t k = (first + i) % n;
		const bool taken = k < p->n_workers ? take_blame(p, &p->workers[k])
						    : take_letter(p, p->siding[k - p->n_workers]);

		if (taken)
			p->letter = k + 1;
	}
}

/* True: the kernel is to be told. */
static bool look_into_pit(struct plane *p)
{
	const ns_t now = p->self.now;

	if (now < pit_next(&p->pit))
		return false;
	const bool is_released = pit_release(&p->pit, now);
	return pit_weigh(&p->pit, plane_udp_overflows(p), now) || is_released;
}

void plane_forgive(struct plane *p, const struct ip *at)
{
	if (pit_forgive(&p->pit, at))
		(void)plane_steer(p);
}

void plane_give_sidings(struct plane *p)
{
	const bool is_relay = atomic_load_explicit(&p->legs, memory_order_relaxed);

	for (unsigned i = 0; i < p->n_workers; i++) {
		struct worker *w = &p->workers[i];

		if (atomic_load_explicit(&w->wish.is_set, memory_order_acquire)) {
			if (is_relay && !has_siding(p, &w->wish.source.from))
				give(p, w, &w->wish.source.from);
			atomic_store_explicit(&w->wish.is_set, false, memory_order_release);
		}
	}
	take_letters(p);
	if (look_into_pit(p))
		(void)plane_steer(p);
}

ns_t plane_sidings_next(const struct plane *p)
{
	return ns_min(pit_next(&p->pit), p->letters_wait ? p->look_again : NS_NEVER);
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
	p->n_sidings = p->n_behind = 0;
	pit_close(&p->pit);
	(void)plane_steer(p);
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
