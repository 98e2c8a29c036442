/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/offload/script.h"

#include "data/offload/coalesce.h"
#include "data/offload/segment.h"
#include "unit/data/offload/craft.h"
#include "unit/data/offload/twin.h"

#include <assert.h>
#include <stdio.h>

_Static_assert((int)TWIN_MAX >= (int)COALESCE_MAX, "the twin takes a whole batch");

static char verdict[128];

static const char *wrong(const char *what, unsigned a, unsigned b)
{
	snprintf(verdict, sizeof(verdict), "%s (%u, %u)", what, a, b);
	return verdict;
}

/* Memory of exactly that size, so that a sanitizer sees every step beyond it. */
static uint8_t *exactly(size_t n)
{
	uint8_t *p = malloc(n ? n : 1);

	assert(p);
	return p;
}

static uint8_t *copy_of(const uint8_t *p, size_t n)
{
	uint8_t *copy = exactly(n);

	memcpy(copy, p, n);
	return copy;
}

/* What any receiver checks of a packet without options or extension headers. */
static bool receivable(const uint8_t *p, size_t n)
{
	size_t l4 = p[0] >> 4 == 6 ? 40 : 20;

	if (l4 == 20 && (get_be16(p + 2) != n || slow_sum(p, 20, 0) != 0xffff))
		return false;
	if (l4 == 40 && get_be16(p + 4) != n - 40)
		return false;
	if (craft_is_udp(p) && (get_be16(p + l4 + 4) != n - l4 || get_be16(p + l4 + 6) == 0))
		return false;
	return slow_sum(p + l4, n - l4, slow_pseudo(p, n - l4)) == 0xffff;
}

/* What comes out of segmentation, one by one, against the twin. */
static const char *check_segments(struct segmenter *s, const struct vnet *v, const uint8_t *p, size_t n)
{
	static uint8_t want[CRAFT_MAX];
	size_t room = segment_max(s), payload = 0;
	bool plain = s->gso && s->l4 == (s->v6 ? 40 : 20);
	_cleanup_(freep) uint8_t *out = exactly(room);
	const char *error = NULL;
	unsigned k = 0;

	for (size_t got; !error && (got = segment_next(s, out)) > 0; k++) {
		size_t expected = twin_segment(v, p, n, k, want);

		if (got > room)
			error = wrong("a segment exceeds the maximum", k, (unsigned)got);
		else if (got != expected || memcmp(out, want, got) != 0)
			error = wrong("a segment differs from the twin's", k, (unsigned)expected);
		else if (plain && !receivable(out, got))
			error = wrong("a segment has wrong sums or lengths", k, 0);
		else if (s->gso && memcmp(out + s->header, p + s->header + payload, got - s->header) != 0)
			error = wrong("payload is not copied in order", k, 0);
		payload += s->gso ? got - s->header : got;
	}
	if (!error && (k != s->count || k == 0 || twin_segment(v, p, n, k, want) != 0))
		error = wrong("segments are missing or too many", k, s->count);
	if (!error && payload != n - s->header)
		error = wrong("payload is missing or too much", (unsigned)payload, (unsigned)n);
	return error;
}

static struct vnet honest(const uint8_t *p, uint16_t gso_size)
{
	size_t l4 = craft_l4(p);
	bool v6 = p[0] >> 4 == 6, udp = craft_is_udp(p);
	uint8_t tcp = v6 ? VNET_GSO_TCP6 : VNET_GSO_TCP4;

	return (struct vnet){
		.needs_csum = true,
		.gso = udp ? VNET_GSO_UDP : tcp,
		.gso_size = gso_size,
		.csum_start = (uint16_t)l4,
		.csum_offset = udp ? 6 : 16,
	};
}

const char *script_segment(const uint8_t *script, size_t n)
{
	static uint8_t whole[CRAFT_MAX + 1];
	struct segmenter s;
	struct ip_view view;
	struct vnet v;

	if (n < 1 + VNET_HEADER + 42)
		return NULL;
	unsigned mode = script[0];
	vnet_decode(script + 1, &v);
	script += 1 + VNET_HEADER;
	n -= 1 + VNET_HEADER;
	n = MIN(n, CRAFT_MAX);
	memcpy(whole, script, n);
	if (mode & SCRIPT_LONG) {
		/* Up to one more than fits; short segments of it would only take long. */
		size_t longer = (size_t)get_be16(script + 40) + 1;

		for (v.gso_size |= 256; n < longer; n++)
			whole[n] = (uint8_t)(whole[n - 40] + 1);
	}
	if (mode & SCRIPT_HONEST)
		v = honest(whole, v.gso_size);

	_cleanup_(freep) uint8_t *p = copy_of(whole, n);
	if (ip_view_of(p, n, &view) < 0 || segment_begin(&s, &v, &view) < 0)
		return NULL;
	return check_segments(&s, &v, p, view.total);
}

enum { FLOWS = 256 };

struct batch {
	struct coalescer *c;
	bool tcp, udp, exact;
	struct craft flow[FLOWS];
	unsigned n_in;
	struct part in[COALESCE_MAX]; /* what was given to the coalescer, which may write there */
	struct part copy[COALESCE_MAX];
	int previous[TWIN_MAX]; /* what the twin says */
	/* what came out */
	unsigned n_out;
	unsigned place[COALESCE_MAX]; /* of each packet */
	unsigned written[COALESCE_MAX]; /* packet of each place */
	const char *error;
};

static void flows_init(struct batch *b, bool big)
{
	for (unsigned i = 0; i < FLOWS; i++) {
		struct craft *c = &b->flow[i];

		*c = craft_data(i & 1, i & 2, UINT32_MAX - 3000 * (i % 8), 24 + 8 * (i % 8));
		c->flow = i;
		c->frag = i & 4 ? 0 : FRAG_DF;
		c->id = (uint16_t)(65500 + i);
		c->options = i % 3 ? 12 : 0;
	}
	/* Four that reach the length of a super-packet before its number of parts. */
	for (unsigned i = 0; big && i < 4; i++)
		b->flow[i].payload = 1300;
}

/* Bits of the header that a right checksum may cover, without making another flow. */
static void flip_bits(uint8_t *p, size_t n, unsigned which)
{
	size_t l4 = p[0] >> 4 == 6 ? 40 : 20;
	size_t at = which & 0x40 ? l4 + 4 + (which >> 3 & 7) * 2 : (which >> 3 & 7) + (l4 == 20 ? 4 : 0);

	p[at] ^= (uint8_t)(1u << (which & 7));
	if (which & 0x80 && craft_l4(p) + 20 <= n)
		craft_sums(p, n);
}

/* Makes the sum at this offset come out as zero, and writes its usual or its unusual form. */
static void zero_sum(uint8_t *p, size_t n, bool ip, bool unusual)
{
	uint8_t *at = p + (ip ? 10 : craft_l4(p) + (craft_is_udp(p) ? 6 : 16)),
		*dial = ip ? p + 4 : p + n - 2;

	put_be16(dial, slow_sum(dial, 2, get_be16(at)));
	craft_sums(p, n);
	if (unusual)
		put_be16(at, (uint16_t)~get_be16(at));
}

/* A packet of its own; the flow goes on as if it had been sent unbent. */
static size_t bend(const struct craft *flow, unsigned how, unsigned much, uint8_t *p)
{
	struct craft c = *flow;

	switch (how) {
	case 1:
		c.flags ^= (uint8_t)(1u << (much & 7));
		break;
	case 2:
		c.seq += (uint32_t)(int8_t)much;
		break;
	case 3:
		c.id = (uint16_t)(c.id + (int8_t)much);
		break;
	case 4:
		c.payload = 0;
		break;
	case 5:
		c.ip_options = c.v6 ? 8 : 4 * (1 + much % 10);
		break;
	case 6:
		c.frag ^= much & 1 ? FRAG_DF : much & 2 ? FRAG_MF : (uint16_t)(much >> 2);
		break;
	case 7:
		c.options = much % 11 * 4;
		break;
	case 8:
		c.flow += 1000;
		break;
	default:
		break;
	}
	size_t n = craft_packet(&c, p);

	switch (how) {
	case 9:
	case 10:
		flip_bits(p, n, much);
		break;
	case 11:
		p[much % n] ^= 0x20; /* anywhere, with the checksums as they were */
		break;
	case 12:
		zero_sum(p, n, much & 2 && !c.v6, much & 1);
		break;
	case 13:
		n = much % n; /* cut */
		break;
	case 14:
		p[c.v6 ? 6 : 9] = (uint8_t)much; /* another protocol */
		break;
	case 15:
		put_be16(p + craft_l4(p) + (c.udp ? 6 : 16), 0); /* no checksum */
		break;
	default:
		break;
	}
	return n;
}

/* What the flow does differently from here on. */
static void turn(struct craft *c, unsigned how, unsigned much)
{
	if (how == 16)
		c->window = (uint16_t)(c->window + much);
	else if (how == 17)
		c->ack += much;
	else if (how == 18)
		c->tos = (uint8_t)much;
	else if (how == 19)
		c->ttl = (uint8_t)much;
	else if (how == 20)
		c->label = much;
	else if (how == 21)
		c->frag ^= FRAG_DF;
	else if (how == 22)
		c->flags ^= ECE;
}

static void one_packet(struct batch *b, const uint8_t step[4])
{
	static uint8_t p[CRAFT_MAX];
	struct craft *flow = &b->flow[b->exact ? step[0] & 7 : step[0]];
	unsigned how = step[1] < 32 ? step[1] : 0;
	size_t usual = flow->payload;
	struct ip_view v;

	turn(flow, how, step[2]);
	if (step[3] & 0x80)
		flow->payload = (size_t)MAX(2, (int)usual + (step[3] & 0x3f) - 48);
	flow->flags |= (step[3] & 0xc0) == 0x40 && step[3] & 1 ? PSH : 0;
	size_t n = MAX(1, bend(flow, how, step[2], p));
	flow->seq += (uint32_t)flow->payload;
	flow->id++;
	flow->payload = usual;
	flow->flags &= (uint8_t)~PSH;

	/* Bent so far that it is none, or a shorter one. */
	if (ip_view_of(p, n, &v) != TM_OK)
		return;
	n = v.total;
	b->in[b->n_in] = (struct part){copy_of(p, n), n};
	b->copy[b->n_in] = (struct part){copy_of(p, n), n};
	v.p = b->in[b->n_in].p;
	if (coalesce_add(b->c, b->in[b->n_in].p, &v) != TM_OK)
		b->error = wrong("a packet is refused", b->n_in, 0);
	b->n_in++;
}

static int number_of(const struct batch *b, const struct part *piece)
{
	for (unsigned i = 0; i < b->n_in; i++)
		if (piece->p >= b->in[i].p && piece->p + piece->n == b->in[i].p + b->in[i].n)
			return (int)i;
	return -1;
}

/* The pieces as the kernel would read them, and in packets the numbers they come from. */
static size_t gather(
	struct batch *b, const struct part *parts, size_t n_parts, unsigned *packets, uint8_t *out)
{
	size_t n = 0;

	for (size_t i = 0; i < n_parts; i++) {
		int number = number_of(b, &parts[i]);

		if (number < 0 || b->n_out == b->n_in || n + parts[i].n > CRAFT_MAX) {
			b->error =
				wrong("a part is not of this batch, or there are too many", (unsigned)i, 0);
			return 0;
		}
		packets[i] = (unsigned)number;
		b->place[number] = b->n_out;
		b->written[b->n_out++] = packets[i];
		memcpy(out + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	return n;
}

/* The identification of a packet with DF may have changed. */
static bool same_packet(const struct part *was, uint8_t *is, size_t n)
{
	if (n == was->n && n >= 20 && is[0] == 0x45 && is[6] & 0x40) {
		put_be16(is + 4, get_be16(was->p + 4));
		craft_sums(is, n);
	}
	return n == was->n && memcmp(is, was->p, n) == 0;
}

/* Cuts a super-packet again, by segment.c and by the twin. */
static const char *check_super(struct batch *b, const struct vnet *v, const uint8_t *p, size_t n,
	const unsigned *packets, unsigned count)
{
	static uint8_t out[CRAFT_MAX], twin[CRAFT_MAX];
	struct segmenter s;
	struct ip_view view;

	if (ip_view_of(p, n, &view) != TM_OK || segment_begin(&s, v, &view) != TM_OK || s.count != count ||
		v->hdr_len != s.header)
		return wrong("a super-packet cannot be cut again", packets[0], count);
	for (unsigned k = 0; k < count; k++) {
		size_t got = segment_next(&s, out), twin_got = twin_segment(v, p, n, k, twin);

		if (!same_packet(&b->copy[packets[k]], out, got) ||
			!same_packet(&b->copy[packets[k]], twin, twin_got))
			return wrong("cutting gives another packet", packets[0], packets[k]);
	}
	return NULL;
}

static void on_write(
	void *ctx, const struct vnet *v, const struct part *parts, size_t n_parts, unsigned count)
{
	static const struct vnet none;
	static uint8_t whole[CRAFT_MAX];
	struct batch *b = ctx;
	unsigned packets[COALESCE_PARTS_MAX];

	if (!b->error && (n_parts != count || count < 1 || count > COALESCE_PARTS_MAX))
		b->error = wrong("too many parts, or not one for each packet", (unsigned)n_parts, count);
	if (b->error)
		return;
	size_t n = gather(b, parts, n_parts, packets, whole);
	if (b->error)
		return;
	const struct part *first = &b->copy[packets[0]];
	if (count > 1)
		b->error = check_super(b, v, whole, n, packets, count);
	else if (n != first->n || memcmp(whole, first->p, n) != 0 || memcmp(v, &none, sizeof(none)) != 0)
		b->error = wrong("a packet alone was changed", packets[0], 0);
	for (unsigned k = 0; k < count && !b->error && b->exact; k++) {
		int expected = k ? (int)packets[k - 1] : -1;

		if (b->previous[packets[k]] != expected)
			b->error = wrong("the twin merges otherwise (packet, its predecessor + 1)",
				packets[k], (unsigned)(b->previous[packets[k]] + 1));
	}
}

static const char *check_order(const struct batch *b)
{
	if (b->n_out != b->n_in)
		return wrong("packets are missing", b->n_out, b->n_in);
	for (unsigned i = 0; i < b->n_in; i++) {
		if (b->written[b->place[i]] != i)
			return wrong("a packet is written twice", i, b->place[i]);
		for (unsigned k = 0; k < i; k++)
			if (b->place[k] > b->place[i] && twin_ordered(&b->copy[k], &b->copy[i]))
				return wrong("a packet was overtaken", k, i);
	}
	return NULL;
}

static void batch_end(struct batch *b)
{
	b->n_out = 0;
	twin_coalesce(b->copy, b->n_in, b->tcp, b->udp, b->previous);
	coalesce_flush(b->c, on_write, b);
	if (!b->error)
		b->error = check_order(b);
	for (unsigned i = 0; i < b->n_in; i++) {
		free(b->in[i].p);
		free(b->copy[i].p);
	}
	b->n_in = 0;
}

const char *script_coalesce(const uint8_t *script, size_t n)
{
	static struct batch b;

	if (n < 1)
		return NULL;
	b = (struct batch){
		.tcp = !(script[0] & SCRIPT_NO_TCP),
		.udp = !(script[0] & SCRIPT_NO_UDP),
		.exact = !(script[0] & SCRIPT_MANY),
	};
	if (coalescer_new(&b.c) < 0)
		return NULL;
	coalesce_allow(b.c, b.tcp, b.udp);
	flows_init(&b, script[0] & SCRIPT_BIG);
	for (script++, n--; n >= 4 && !b.error; script += 4, n -= 4) {
		one_packet(&b, script);
		if (b.n_in == COALESCE_MAX)
			batch_end(&b);
	}
	batch_end(&b);
	coalescer_free(b.c);
	return b.error;
}
