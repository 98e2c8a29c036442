/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Seeded pairs with a relay between them: what must hold, whatever happens to the direct path. */
#include "sim/pairs.h"
#include "sim/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PACE (20 * MS)
#define SLACK (50 * MS)
/* Traffic is looked at no more often than PATH_SAMPLE_GRID; here arrivals are, every 2 ms; and each of the
 * two timers that follow each other is late by up to a millisecond. */
#define STALL (400 * MS + PATH_SAMPLE_GRID + 4 * MS)
/* From the fourth on a pair's checks are a second apart; the one that passes is answered, and the other side
 * asks. */
#define RETURN (1 * SEC)
/* Where UDP is blocked that must be noticed first. */
#define STREAM_READY (5 * SEC)
#define STREAM_ROUND (40 * MS)
#define STREAM_AGAIN (500 * MS) /* until one that broke is dialled again */

static struct endpoint hub_at;

static bool only_the_hub(const struct datagram *dg)
{
	return endpoint_eq(&dg->to, &hub_at);
}

static bool streams(const struct host *h)
{
	return h->face[0].up.blocked;
}

/* The most that a packet takes to the other side through the relay, and back. */
static ns_t relay_rtt(const struct pair_run *r)
{
	const struct host *ends[2] = {r->a, r->b};
	ns_t rtt = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct link *up = &ends[i]->face[0].up;

		rtt += streams(ends[i]) ? STREAM_ROUND
					: up->delay + up->jitter + r->c->host->face[0].up.delay;
	}
	return rtt;
}

/* The same without it. */
static ns_t direct_rtt(const struct pair_run *r)
{
	const struct link *a = &r->a->face[0].up, *b = &r->b->face[0].up;

	return a->delay + a->jitter + b->delay + b->jitter;
}

struct talk {
	struct pair_run *r;
	uint64_t had[2];
	ns_t last[2], worst;
};

static struct friendship *towards(struct pair_run *r, unsigned k)
{
	return k ? sim_friend(r->b, r->a) : sim_friend(r->a, r->b);
}

static void listen(struct talk *t, ns_t how_long)
{
	for (const ns_t end = t->r->s->now + how_long; t->r->s->now < end;) {
		sim_run(t->r->s, 2 * MS);
		for (unsigned k = 0; k < 2; k++) {
			const struct friendship *f = towards(t->r, k);

			if (f->received == t->had[k])
				continue;
			t->worst = MAX(t->worst, t->r->s->now - t->last[k]);
			t->had[k] = f->received;
			t->last[k] = t->r->s->now;
		}
	}
	for (unsigned k = 0; k < 2; k++)
		t->worst = MAX(t->worst, t->r->s->now - t->last[k]);
}

/* Both speak; the longest time that one of them heard nothing. */
static ns_t chat(struct pair_run *r, ns_t how_long)
{
	struct talk t = {.r = r, .last = {r->s->now, r->s->now}};

	for (unsigned k = 0; k < 2; k++)
		t.had[k] = towards(r, k)->received;
	for (const ns_t end = r->s->now + how_long; r->s->now < end;) {
		host_send(r->a, r->b);
		host_send(r->b, r->a);
		listen(&t, PACE);
	}
	return t.worst;
}

static uint64_t missing(struct pair_run *r)
{
	sim_run(r->s, 2 * SEC); /* what is under way arrives */
	return towards(r, 0)->sent + towards(r, 1)->sent - towards(r, 0)->received - towards(r, 1)->received;
}

static void judge(struct pair_run *r, bool right, const char *wrong)
{
	if (!right && !r->wrong)
		r->wrong = wrong;
}

static void first_packet(struct pair_run *r, struct relayed_tally *t)
{
	const ns_t start = r->s->now, allowed = 2 * relay_rtt(r) + SLACK;
	struct friendship *ab = towards(r, 0), *ba = towards(r, 1);

	for (unsigned i = 0; !ba->received && i < 20 * SEC / MS; i++) {
		if (i == 0 || (r->lossy && i % 500 == 0))
			host_send(r->a, r->b);
		sim_run(r->s, MS);
	}
	for (unsigned i = 0; !ab->received && i < 20 * SEC / MS; i++) {
		if (i == 0 || (r->lossy && i % 500 == 0))
			host_send(r->b, r->a);
		sim_run(r->s, MS);
	}
	judge(r, ab->received && ba->received, "no data at all");
	if (r->lossy)
		return;
	judge(r, r->s->now - start <= allowed, "the first answer took too long");
	t->worst_answer = MAX(t->worst_answer, (r->s->now - start) * 1000 / allowed);
}

static bool is_direct(const struct host *a, const struct host *b)
{
	struct core_view v = host_path(a, b);

	return v.state == PATH_UP && v.way.kind == WAY_UDP;
}

/* Only chance says when, and whether at all. */
static void guessing(struct pair_run *r, struct relayed_tally *t)
{
	for (unsigned i = 0; i < 12 && !(is_direct(r->a, r->b) && is_direct(r->b, r->a)); i++)
		chat(r, SEC);
	t->guessable++;
	t->guessed += is_direct(r->a, r->b) && is_direct(r->b, r->a);
}

/* On good lines, of what was said so far. */
static void nothing_is_lost(struct pair_run *r, const char *wrong)
{
	if (!r->lossy)
		judge(r, !missing(r), wrong);
}

static void promotion(struct pair_run *r, struct relayed_tally *t)
{
	unsigned moves;

	chat(r, r->lossy ? 20 * SEC : 3 * SEC);
	if (r->predicted == DIRECT_NEVER && r->guess == DIRECT_ALWAYS)
		guessing(r, t);
	nothing_is_lost(r, "packets were lost while a better path was found");
	if (r->predicted == DIRECT_ALWAYS && !r->lossy)
		judge(r, is_direct(r->a, r->b) && is_direct(r->b, r->a),
			"a direct path had to appear, and did not");
	if (r->predicted == DIRECT_NEVER && r->guess == DIRECT_NEVER)
		judge(r, !is_direct(r->a, r->b) || !is_direct(r->b, r->a),
			"a direct path appeared where none is possible");
	moves = r->a->moves + r->b->moves;
	chat(r, 5 * SEC);
	moves = r->a->moves + r->b->moves - moves;
	if (!r->lossy) {
		judge(r, !moves, "the way changed while nothing happened");
		t->changes += moves;
	}
}

/* Nothing stands in its way any more. */
static void comes_back(struct pair_run *r, struct relayed_tally *t)
{
	const ns_t start = r->s->now, allowed = RETURN + 2 * relay_rtt(r);

	if (r->predicted != DIRECT_ALWAYS || r->lossy)
		return;
	while (!(is_direct(r->a, r->b) && is_direct(r->b, r->a)) && r->s->now - start < allowed)
		chat(r, PACE);
	judge(r, is_direct(r->a, r->b) && is_direct(r->b, r->a),
		"a direct path had to come back, and did not");
	t->worst_return = MAX(t->worst_return, (r->s->now - start) * 1000 / allowed);
}

/*
 * In both directions: 400 ms and a round trip of the relay. In one: the side that hears nothing tells the
 * other through the relay, when an answer is overdue, which is later where round trips are longer than 160
 * ms.
 */
static ns_t stall_allowed(const struct pair_run *r, bool both)
{
	const ns_t told = PATH_SILENCE + PATH_OVERDUE(direct_rtt(r)) + STALL - 400 * MS;

	return relay_rtt(r) + (both ? STALL : MAX(STALL, told));
}

/* No direct path any more, in one direction or in both, and then again. */
static void death(struct pair_run *r, struct relayed_tally *t)
{
	const bool both = sim_chance(r->s, 500);
	const ns_t allowed = stall_allowed(r, both);
	ns_t stall;

	chat(r, SEC);
	hub_at = r->c->host->at;
	host_line(r->a)->passes = only_the_hub;
	if (both)
		host_line(r->b)->passes = only_the_hub;
	stall = chat(r, 4 * SEC);
	if (!r->lossy) {
		judge(r, stall <= allowed, "stood still for too long on a dead path");
		t->worst_stall = MAX(t->worst_stall, stall * 1000 / allowed);
	}
	t->deaths++;
	host_line(r->a)->passes = host_line(r->b)->passes = NULL;
	comes_back(r, t);
	chat(r, 2 * SEC);
	nothing_is_lost(r, "packets were lost with a direct path");
}

/* Nobody waits for longer than a relay is asked and answers. */
static void restart(struct pair_run *r, struct relayed_tally *t)
{
	const bool stream = streams(r->a) || streams(r->b);
	ns_t stall;

	chat(r, SEC);
	relay_restart(r->c->host->relay);
	stall = chat(r, 4 * SEC);
	if (!r->lossy)
		judge(r, stall <= SLACK + relay_rtt(r) + (stream ? STREAM_AGAIN : 0),
			"a relay's restart cost too much");
	t->restarts++;
	comes_back(r, t);
	nothing_is_lost(r, "packets were lost with the relay");
}

static void silence(struct pair_run *r)
{
	uint64_t checks;

	/* A keepalive comes 10 s after the last packet, up to 30 s after that a better way is looked for, and
	 * addresses that were found while that goes on have twelve checks, too, ten of them a second in the
	 * end. */
	sim_run(r->s, 150 * SEC);
	checks = r->a->checks + r->b->checks;
	sim_run(r->s, 300 * SEC);
	judge(r, r->a->checks + r->b->checks == checks, "idle peers are not silent");
	chat(r, 3 * SEC);
	if (!r->lossy)
		judge(r, chat(r, 2 * SEC) <= STALL, "not connected after a silence");
}

void pair_run_relayed(uint64_t seed, struct pair_run *ret, struct relayed_tally *t)
{
	struct pair_run r;

	pair_build(seed, true, &r);
	const ns_t start = r.s->now;
	sim_run(r.s, STREAM_READY);
	first_packet(&r, t);
	promotion(&r, t);
	for (unsigned i = 0; i < 2; i++) {
		if (is_direct(r.a, r.b) && is_direct(r.b, r.a))
			death(&r, t);
		restart(&r, t);
	}
	if (seed % 4 == 0)
		silence(&r);
	chat(&r, 2 * SEC);
	nothing_is_lost(&r, "packets were lost in the end");
	t->lost += r.lossy ? 0 : missing(&r);
	for (unsigned k = 0; k < 2; k++)
		judge(&r, !towards(&r, k)->twice && !towards(&r, k)->garbage,
			"a packet arrived twice, or changed");
	judge(&r, host_path(r.a, r.b).state == PATH_UP && host_path(r.b, r.a).state == PATH_UP,
		"not connected");
	t->runs++;
	t->direct += is_direct(r.a, r.b);
	t->streamed += host_path(r.a, r.b).way.kind == WAY_RELAY_TCP;
	t->relayed += host_path(r.a, r.b).way.kind == WAY_RELAY_UDP;
	r.simulated = r.s->now - start;
	r.wire_hash = r.s->wire_hash;
	sim_free(r.s);
	r.s = NULL;
	r.a = r.b = NULL;
	*ret = r;
}
