/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/frame.h"

#include "wire/stun.h"
#include "wire/wg.h"

#include <assert.h>
#include <string.h>

void *frame_pool_take(struct frame_pool *pool)
{
	for (size_t i = 0; i < FRAME_POOL_MAX; i++)
		if (atomic_load_explicit(&pool->slot[i], memory_order_relaxed)) {
			void *memory = atomic_exchange_explicit(&pool->slot[i], NULL, memory_order_acquire);

			if (memory)
				return memory;
		}
	return malloc(FRAME_HEADROOM + RELAY_FRAME_MAX);
}

void frame_pool_give(struct frame_pool *pool, void *memory_take)
{
	for (size_t i = 0; i < FRAME_POOL_MAX; i++) {
		void *none = NULL;

		if (!atomic_load_explicit(&pool->slot[i], memory_order_relaxed) &&
			atomic_compare_exchange_strong_explicit(&pool->slot[i], &none, memory_take,
				memory_order_release, memory_order_relaxed))
			return;
	}
	free(memory_take);
}

void frame_pool_deinit(struct frame_pool *pool)
{
	for (size_t i = 0; i < FRAME_POOL_MAX; i++)
		free(atomic_exchange_explicit(&pool->slot[i], NULL, memory_order_acquire));
}

/* pool: NULL for what is short for certain. */
static struct frame *frame_new(size_t n, struct frame_pool *pool)
{
	struct frame_pool *home = n >= FRAME_LONG_BYTES ? pool : NULL;
	struct frame *f = home ? frame_pool_take(home) : malloc(FRAME_HEADROOM + n);

	if (!f)
		return NULL;

	*f = (struct frame){.packets = 1, .at = WS_HEADER_MAX, .end = WS_HEADER_MAX + n, .home = home};
	return f;
}

/* n bytes of messages, the first of them `size` long. */
static bool is_urgent(const uint8_t *p, size_t n, size_t size)
{
	return n <= FRAME_URGENT_BYTES && wg_classify(p, size) != WG_DATA;
}

/* All that one queue holds is for the same end, so the other is what differs. */
static uint8_t flow_of(uint64_t pair)
{
	return (relay_lower(pair) ^ relay_higher(pair)) % FRAMES_FLOWS;
}

struct frame *frame_in(void *memory_take, size_t n, unsigned packets, struct frame_pool *home)
{
	struct frame *f = memory_take;
	const uint8_t *p = f->bytes + WS_HEADER_MAX;
	const size_t train = n - RELAY_FRAME_HEAD;

	*f = (struct frame){.packets = packets, .at = WS_HEADER_MAX, .end = WS_HEADER_MAX + n, .home = home};
	f->flow = flow_of(relay_get(p, n));
	f->urgent = is_urgent(p + RELAY_FRAME_HEAD, train, MIN((size_t)get_be16(p + RELAY_HEADER), train));
	return f;
}

struct frame *frame_of(const struct frame_source *src)
{
	const size_t count = (src->n + src->step - 1) / src->step, n = src->n - count * src->skip;
	const size_t size = MIN(src->step, src->n) - src->skip;
	struct frame *f =
		RELAY_FRAME_HEAD + n <= RELAY_FRAME_MAX ? frame_new(RELAY_FRAME_HEAD + n, src->pool) : NULL;
	uint8_t *to;

	if (!f)
		return NULL;

	to = f->bytes + f->at;
	relay_frame_head(to, src->pair, (uint16_t)size, src->tos);
	to += RELAY_FRAME_HEAD;
	for (size_t at = 0; at < src->n; at += src->step) {
		const size_t one = MIN(src->step, src->n - at) - src->skip;

		memcpy(to, src->p + at + src->skip, one);
		to += one;
	}
	f->packets = (unsigned)count;
	f->flow = flow_of(src->pair);
	f->urgent = is_urgent(src->p + src->skip, n, size);
	f->patient = f->urgent && count == 1 && stun_classify(src->p + src->skip, n);
	return f;
}

struct frame *frame_of_stun(const uint8_t *msg, size_t n)
{
	struct frame *f = n <= RELAY_FRAME_MAX ? frame_new(n, NULL) : NULL;

	if (!f)
		return NULL;

	memcpy(f->bytes + f->at, msg, n);
	f->urgent = f->patient = true;
	return f;
}

struct frame *frame_of_pong(const uint8_t *payload, size_t n, const uint8_t *mask)
{
	struct frame *f = frame_new(WS_CONTROL_FRAME_MAX, NULL);

	if (!f)
		return NULL;

	f->end = f->at + ws_encode(WS_PONG, payload, n, mask, f->bytes + f->at, WS_CONTROL_FRAME_MAX);
	f->urgent = f->wrapped = true;
	return f;
}

void frame_free(struct frame *f)
{
	if (f && f->home)
		frame_pool_give(f->home, f);
	else
		free(f);
}

void frame_wrap(struct frame *f, const uint8_t *mask)
{
	uint8_t head[WS_HEADER_MAX];

	if (f->wrapped)
		return;

	f->wrapped = true;
	const size_t n = ws_header(WS_BINARY, f->end - f->at, mask, head);

	if (mask)
		ws_mask(f->bytes + f->at, f->end - f->at, mask, 0);
	f->at -= n;
	memcpy(f->bytes + f->at, head, n);
}

int frame_append(struct frame **f, const struct frame *second)
{
	const size_t n = second->end - second->at;
	struct frame *grown;

	assert((*f)->wrapped && second->wrapped && !(*f)->home);
	grown = realloc(*f, sizeof(**f) + (*f)->end + n);
	if (!grown)
		return TM_ENOMEM;

	memcpy(grown->bytes + grown->end, second->bytes + second->at, n);
	grown->end += n;
	grown->packets += second->packets;
	*f = grown;
	return TM_OK;
}

static void free_list(struct frame *f)
{
	while (f) {
		struct frame *next = f->next;

		frame_free(f);
		f = next;
	}
}

void frames_deinit(struct frames *q)
{
	for (size_t i = 0; i < FRAMES_FLOWS; i++)
		free_list(q->flow[i].first);
	free_list(q->urgent);
	*q = (struct frames){0};
}

static void append(struct frame **first, struct frame **last, struct frame *f)
{
	if (*first)
		(*last)->next = f;
	else
		*first = f;
	*last = f;
}

static struct frame *pop(struct frames *q, struct frames_flow *from)
{
	struct frame *f = from->first;

	from->first = f->next;
	from->bytes -= f->end - f->at;
	q->bytes -= f->end - f->at;
	return f;
}

static unsigned drop_first(struct frames *q, struct frames_flow *from)
{
	struct frame *f = pop(q, from);
	const unsigned packets = f->packets;

	frame_free(f);
	return packets;
}

static struct frame *pop_urgent(struct frames *q)
{
	struct frame *f = q->urgent;

	q->urgent = f->next;
	q->n_urgent--;
	return f;
}

/* Who has most there besides what has just come; NULL: nobody. */
static struct frames_flow *longest(struct frames *q, const struct frame *newest)
{
	struct frames_flow *most = NULL;

	for (size_t i = 0; i < FRAMES_FLOWS; i++) {
		struct frames_flow *flow = &q->flow[i];

		if (flow->first && flow->first != newest && (!most || flow->bytes > most->bytes))
			most = flow;
	}
	return most;
}

static unsigned put_urgent(struct frames *q, struct frame *f)
{
	unsigned dropped;

	append(&q->urgent, &q->last_urgent, f);
	if (++q->n_urgent <= FRAMES_URGENT_MAX)
		return 0;

	struct frame *oldest = pop_urgent(q);
	dropped = oldest->packets;
	frame_free(oldest);
	return dropped;
}

unsigned frames_put(struct frames *q, struct frame *f_take, ns_t now)
{
	struct frames_flow *flow = &q->flow[f_take->flow];
	const size_t n = f_take->end - f_take->at;
	unsigned dropped = 0;

	f_take->next = NULL;
	f_take->since = now;
	if (f_take->urgent)
		return put_urgent(q, f_take);

	/* Who did not wait has saved nothing up. */
	if (!flow->first)
		flow->turn = MAX(flow->turn, q->turn);
	append(&flow->first, &flow->last, f_take);
	flow->bytes += n;
	q->bytes += n;
	while (q->bytes > FRAMES_BYTES_MAX) {
		struct frames_flow *most = longest(q, f_take);

		/* One may be as large as all together, and another's does not wait for that in vain. */
		if (!most || (!most->first->next && q->bytes <= FRAMES_LONE_BYTES_MAX))
			break;
		dropped += drop_first(q, most);
	}
	return dropped;
}

/* The flow that had least so far; NULL: nothing waits. */
static struct frames_flow *next_flow(struct frames *q)
{
	struct frames_flow *next = NULL;

	for (size_t i = 0; i < FRAMES_FLOWS; i++)
		if (q->flow[i].first && (!next || q->flow[i].turn < next->turn))
			next = &q->flow[i];
	return next;
}

static size_t size_of(const struct frame *f)
{
	return f->end - f->at;
}

struct frame *frames_take(struct frames *q, ns_t now, size_t most, unsigned *dropped)
{
	struct frames_flow *flow = next_flow(q);
	struct frame *f;

	if (q->urgent && (!flow || q->passed < FRAMES_PASS_BYTES)) {
		if (size_of(q->urgent) > most)
			return NULL;
		q->passed = flow ? q->passed + size_of(q->urgent) : 0;
		return pop_urgent(q);
	}
	if (!flow) {
		q->passed = 0;
		return NULL;
	}

	/* What is newer is wanted more; the last goes however old it is. */
	while (flow->first->next && now - flow->first->since > FRAMES_WAIT_MAX)
		*dropped += drop_first(q, flow);
	if (size_of(flow->first) > most)
		return NULL;
	q->passed = 0;
	q->turn = flow->turn;
	flow->turn += size_of(flow->first);
	f = pop(q, flow);
	if (now - f->since > FRAMES_MARK_AFTER)
		relay_frame_mark(f->bytes + f->at);
	return f;
}
