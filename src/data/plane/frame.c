/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/frame.h"

#include "wire/wg.h"

#include <string.h>

static struct frame *frame_new(size_t n)
{
	struct frame *f = malloc(sizeof(*f) + WS_HEADER_MAX + n);

	if (!f)
		return NULL;

	*f = (struct frame){.packets = 1, .at = WS_HEADER_MAX, .end = WS_HEADER_MAX + n};
	return f;
}

struct frame *frame_of(const struct frame_source *src)
{
	const size_t count = (src->n + src->step - 1) / src->step, n = src->n - count * src->skip;
	const size_t size = MIN(src->step, src->n) - src->skip;
	struct frame *f = RELAY_FRAME_HEAD + n <= RELAY_FRAME_MAX ? frame_new(RELAY_FRAME_HEAD + n) : NULL;
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
	f->urgent = n <= FRAME_URGENT_BYTES && wg_classify(src->p + src->skip, size) != WG_DATA;
	return f;
}

struct frame *frame_of_stun(const uint8_t *msg, size_t n)
{
	struct frame *f = n <= RELAY_FRAME_MAX ? frame_new(n) : NULL;

	if (!f)
		return NULL;

	memcpy(f->bytes + f->at, msg, n);
	f->urgent = true;
	return f;
}

struct frame *frame_of_pong(const uint8_t *payload, size_t n, const uint8_t *mask)
{
	struct frame *f = frame_new(WS_CONTROL_FRAME_MAX);

	if (!f)
		return NULL;

	f->end = f->at + ws_encode(WS_PONG, payload, n, mask, f->bytes + f->at, WS_CONTROL_FRAME_MAX);
	f->urgent = f->wrapped = true;
	return f;
}

void frame_free(struct frame *f)
{
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
	free_list(q->first);
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

static struct frame *pop(struct frames *q)
{
	struct frame *f = q->first;

	q->first = f->next;
	q->bytes -= f->end - f->at;
	return f;
}

static unsigned drop_first(struct frames *q)
{
	struct frame *f = pop(q);
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

unsigned frames_put(struct frames *q, struct frame *f_take, ns_t now)
{
	unsigned dropped = 0;

	f_take->next = NULL;
	f_take->since = now;
	if (f_take->urgent) {
		append(&q->urgent, &q->last_urgent, f_take);
		if (++q->n_urgent <= FRAMES_URGENT_MAX)
			return 0;

		struct frame *oldest = pop_urgent(q);
		dropped = oldest->packets;
		frame_free(oldest);
		return dropped;
	}
	append(&q->first, &q->last, f_take);
	q->bytes += f_take->end - f_take->at;
	/* One may be as large as all together. */
	while (q->bytes > FRAMES_BYTES_MAX && q->first != f_take)
		dropped += drop_first(q);
	return dropped;
}

struct frame *frames_take(struct frames *q, ns_t now, unsigned *dropped)
{
	if (q->urgent && (!q->first || q->passed < FRAMES_PASS_BYTES)) {
		q->passed = q->first ? q->passed + (q->urgent->end - q->urgent->at) : 0;
		return pop_urgent(q);
	}
	q->passed = 0;
	/* What is newer is wanted more; the last goes however old it is. */
	while (q->first && q->first->next && now - q->first->since > FRAMES_WAIT_MAX)
		*dropped += drop_first(q);
	return q->first ? pop(q) : NULL;
}
