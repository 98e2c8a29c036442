/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The control thread's half of the streams: in, out, and what became of them. */
#include "data/plane/stream.h"

#include "data/plane/mates.h"
#include "data/plane/plane_private.h"
#include "os/tcp.h"

#include <string.h>

/* What the kernel may hold that it has not sent: some trains of the slowest link for which 20 ms are
 * anything. */
enum { UNSENT_BYTES = 32 << 10 };

static struct streams *streams_of(const struct plane *p)
{
	return atomic_load_explicit(&p->streams, memory_order_relaxed);
}

void streams_free(struct streams *all)
{
	if (all)
		frame_pool_deinit(&all->pool);
	free(all);
}

/* The table, and what workers read into, at the first stream. */
static int prepare(struct plane *p)
{
	struct streams *s;

	if (streams_of(p))
		return TM_OK;
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct worker *w = &p->workers[i];

		if (!w->streams)
			w->streams = malloc(sizeof(*w->streams));
		if (!w->streams)
			return TM_ENOMEM;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return TM_ENOMEM;

	atomic_store_explicit(&p->streams, s, memory_order_release);
	return TM_OK;
}

static struct worker *emptiest(const struct plane *p)
{
	struct worker *best = &p->workers[0];

	for (unsigned i = 1; i < p->n_workers; i++)
		if (p->workers[i].n_streams < best->n_streams)
			best = &p->workers[i];
	return best;
}

static int give_number(struct streams *all, struct stream *s)
{
	for (uint32_t number = all->last + 1, i = 0; i < PLANE_STREAMS_MAX; i++, number++) {
		_Atomic(struct stream *) *slot = &all->slot[number % PLANE_STREAMS_MAX];

		if (number == 0 || atomic_load_explicit(slot, memory_order_relaxed))
			continue;
		s->number = all->last = number;
		atomic_store_explicit(slot, s, memory_order_release);
		return TM_OK;
	}
	return TM_EFULL;
}

static bool take_out(struct plane *p, struct stream *s)
{
	_Atomic(struct stream *) *slot = &streams_of(p)->slot[s->number % PLANE_STREAMS_MAX];

	if (atomic_load_explicit(slot, memory_order_relaxed) != s)
		return false;

	atomic_store_explicit(slot, NULL, memory_order_release);
	s->home->n_streams--;
	return true;
}

static int add(struct plane *p, struct stream *s, const struct plane_stream *is)
{
	int err = TM_OK;

	if (is->n_early) {
		s->early = malloc(is->n_early);
		if (!s->early)
			return TM_ENOMEM;
		memcpy(s->early, is->early, is->n_early);
	}
	err = prepare(p);
	s->home = emptiest(p);
	atomic_init(&s->owner, s->home);
	if (!err)
		err = give_number(streams_of(p), s);
	if (err)
		return err;

	s->home->n_streams++;
	/* That it may be written is news at once, by which the owner comes to what was read before. */
	s->blocked = is->n_early > 0;
	err = crowd_add(s->home->crowd, is->fd, s->blocked ? WAIT_READ | WAIT_WRITE : WAIT_READ, &s->guest);
	if (err)
		take_out(p, s);
	return err;
}

int plane_stream_add(struct plane *p, const struct plane_stream *s_take, uint32_t *ret_stream)
{
	struct stream *s = calloc(1, sizeof(*s));
	int err;

	ON_CONTROL(p);
	if (!s) {
		if (s_take->io)
			s_take->io->free(s_take->ctx);
		tcp_close(s_take->fd);
		return TM_ENOMEM;
	}
	s->guest.burst = stream_burst;
	s->is = *s_take;
	s->is.early = NULL;
	s->n_early = s_take->n_early;
	ws_decoder_init(&s->in, s_take->role, RELAY_FRAME_MAX);
	s->in.headroom = FRAME_HEADROOM;
	tcp_queue_little(s_take->fd, UNSENT_BYTES);
	err = add(p, s, s_take);
	if (err) {
		s->broken = true; /* nothing to say to the other end */
		stream_free(s);
		return err;
	}
	*ret_stream = s->number;
	return TM_OK;
}

/* One that goes from one owner to another is in the one's crowd, or in none. */
static void retire(struct plane *p, struct stream *s)
{
	crowd_remove(stream_owner(s)->crowd, s->is.fd);
	epoch_retire(&p->epoch, &s->retired, s, stream_free);
	event_wake(&p->events);
}

void plane_stream_remove(struct plane *p, uint32_t stream)
{
	struct stream *s = streams_find(streams_of(p), stream);

	ON_CONTROL(p);
	if (s && take_out(p, s))
		retire(p, s);
}

/*
 * Those that owners gave up. Called between choosing what is safe to be freed and freeing it (plane_service):
 * who was removed by us meanwhile is retired already, and not freed before it was seen here.
 */
void plane_bury_streams(struct plane *p)
{
	struct streams *all = streams_of(p);
	struct stream *s = all ? atomic_exchange_explicit(&all->broken, NULL, memory_order_acquire) : NULL;

	while (s) { /* last first: in p->ended it is the other way round */
		struct stream *next = s->next_broken;

		if (take_out(p, s)) {
			s->next_broken = p->ended;
			p->ended = s;
		}
		s = next;
	}
}

/* --- from one owner to another (mates.h) --- */

static void move(struct stream *s, struct worker *heir)
{
	if (!worker_post(s->home, &(struct parcel){.stream = s->number, .heir = heir}))
		return; /* they will ask again */

	s->moving = true;
	s->home->n_streams--;
	heir->n_streams++;
	s->home = heir;
}

/* To where fewer are, so that many pairs spread over all workers. */
static void join(struct plane *p, uint32_t one, uint32_t other)
{
	struct stream *s = streams_find(streams_of(p), one), *t = streams_find(streams_of(p), other);

	if (!s || !t || s->moving || t->moving || s->home == t->home || !mates_are(s, t))
		return;
	if (t->home->n_streams <= s->home->n_streams)
		move(s, t->home);
	else
		move(t, s->home);
}

void plane_join_mates(struct plane *p)
{
	for (unsigned i = 0; i < p->n_workers; i++) {
		struct worker *w = &p->workers[i];

		if (!atomic_load_explicit(&w->match.is_set, memory_order_acquire))
			continue;
		join(p, w->match.stream, w->match.other);
		atomic_store_explicit(&w->match.is_set, false, memory_order_release);
	}
}

/* Read by its heir from now on, who first writes what has come for it meanwhile. */
static void settle(struct plane *p, struct stream *s)
{
	s->moving = false;
	int err = crowd_add(s->home->crowd, s->is.fd, WAIT_READ | WAIT_WRITE, &s->guest);
	if (err && take_out(p, s)) {
		s->err = err;
		s->next_broken = p->ended;
		p->ended = s;
	}
}

/* Called where plane_bury_streams is, for the same reason. */
void plane_settle_streams(struct plane *p)
{
	struct streams *all = streams_of(p);
	struct stream *s = all ? atomic_exchange_explicit(&all->moved, NULL, memory_order_acquire) : NULL;

	for (struct stream *next; s; s = next) {
		next = s->next_moving;
		if (streams_find(all, s->number) == s)
			settle(p, s);
	}
}

/* Its own memory is the note: of an end that nobody hears of nobody hears again. */
bool plane_tell_ended(struct plane *p)
{
	const bool any = p->ended;

	while (p->ended) {
		struct stream *s = p->ended;

		p->ended = s->next_broken;
		if (p->ev.stream_lost)
			p->ev.stream_lost(p->ev.ctx, s->number, s->err);
		retire(p, s);
	}
	return any;
}

bool plane_has_stream(const struct plane *p, uint32_t stream)
{
	return streams_find(streams_of(p), stream);
}

void plane_close_streams(struct plane *p)
{
	struct streams *all = streams_of(p);

	for (size_t i = 0; all && i < PLANE_STREAMS_MAX; i++) {
		struct stream *s = atomic_load_explicit(&all->slot[i], memory_order_relaxed);

		if (s)
			plane_stream_remove(p, s->number);
	}
}
