/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/rules.h"

#include <string.h>

/* The part of rules.last and rules.says that is one list. */
struct list {
	uint32_t at, n;
};

/* A client, and what it is of. */
struct client {
	uint32_t host, of;
};

struct clients {
	struct client *v;
	size_t n, cap;
};

struct rules {
	uint32_t ends, classes;
	size_t n_lists, n_spans, n_by_end, n_by_class;
	struct list *list; /* by end, class, direction, protocol */
	/* The last port of each interval, and rule << 2 | verdict. Those of a list cover all ports. */
	uint16_t *last;
	uint32_t *says;
	struct client *by_end, *by_class; /* in the order of host numbers */
};

struct span {
	uint32_t says;
	uint16_t last;
};

struct put {
	struct rules_at at;
	struct list list;
};

struct rules_builder {
	struct put *list;
	struct span *span;
	size_t n_lists, lists_cap, n_spans, spans_cap;
	struct clients by_end, by_class;
};

int rules_builder_new(struct rules_builder **ret_b)
{
	struct rules_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return TM_ENOMEM;

	*ret_b = b;
	return TM_OK;
}

void rules_builder_free(struct rules_builder *b)
{
	if (!b)
		return;

	free(b->list);
	free(b->span);
	free(b->by_end.v);
	free(b->by_class.v);
	free(b);
}

/* v, or what took its place, with room for n things of `size`; NULL: there is no memory, and v is as it was.
 */
static void *with_room(void *v, size_t *cap, size_t n, size_t size)
{
	const size_t want = MAX(2 * *cap, MAX(n, (size_t)16));
	void *grown;

	if (n <= *cap)
		return v;

	grown = realloc(v, want * size);
	if (grown)
		*cap = want;
	return grown;
}

/* --- lists --- */

static bool at_is_sound(const struct rules_at *at)
{
	return at->end < RULES_ENDS_MAX && at->class < RULES_CLASSES_MAX && (unsigned)at->dir < RULES_DIRS &&
	       (unsigned)at->proto < RULES_PROTOS;
}

static bool is_verdict(unsigned v)
{
	return v == VERDICT_PASS || v == VERDICT_DROP || v == VERDICT_REJECT;
}

static bool spans_are_sound(const struct rules_span *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].first > v[i].last || !is_verdict(v[i].verdict) || v[i].rule > RULE_MAX)
			return false;
		if (i && v[i].first <= v[i - 1].last)
			return false;
	}
	return true;
}

/* Behind what is there; what says the same as the one before it in its list is one with it. */
static void add_span(struct rules_builder *b, struct list *l, uint32_t says, uint32_t last)
{
	if (l->n && b->span[b->n_spans - 1].says == says) {
		b->span[b->n_spans - 1].last = (uint16_t)last;
		return;
	}
	b->span[b->n_spans++] = (struct span){.says = says, .last = (uint16_t)last};
	l->n++;
}

static struct list add_spans(
	struct rules_builder *b, enum verdict fallback, const struct rules_span *v, size_t n)
{
	const uint32_t otherwise = RULE_NONE << 2 | (uint32_t)fallback;
	struct list l = {.at = (uint32_t)b->n_spans};
	uint32_t next = 0; /* the first port that nothing was said about yet */

	for (size_t i = 0; i < n; i++) {
		if (v[i].first > next)
			add_span(b, &l, otherwise, v[i].first - 1u);
		add_span(b, &l, v[i].rule << 2 | v[i].verdict, v[i].last);
		next = v[i].last + 1u;
	}
	if (next <= UINT16_MAX)
		add_span(b, &l, otherwise, UINT16_MAX);
	return l;
}

int rules_put(struct rules_builder *b, const struct rules_at *at, enum verdict fallback,
	const struct rules_span *v, size_t n)
{
	const size_t most = 2 * n + 1; /* with the gaps */
	struct put *list;
	struct span *span;

	if (!at_is_sound(at) || !is_verdict(fallback) || !spans_are_sound(v, n))
		return TM_EINVAL;
	if (b->n_lists == RULES_LISTS_MAX || b->n_spans + most > RULES_SPANS_MAX)
		return TM_EFULL;

	list = with_room(b->list, &b->lists_cap, b->n_lists + 1, sizeof(*list));
	if (!list)
		return TM_ENOMEM;
	b->list = list;
	span = with_room(b->span, &b->spans_cap, b->n_spans + most, sizeof(*span));
	if (!span)
		return TM_ENOMEM;
	b->span = span;

	b->list[b->n_lists].at = *at;
	b->list[b->n_lists].list = add_spans(b, fallback, v, n);
	b->n_lists++;
	return TM_OK;
}

/* --- clients --- */

static int put_client(struct clients *c, uint32_t host, uint32_t of)
{
	struct client *v = with_room(c->v, &c->cap, c->n + 1, sizeof(*v));

	if (!v)
		return TM_ENOMEM;

	c->v = v;
	c->v[c->n++] = (struct client){.host = host, .of = of};
	return TM_OK;
}

int rules_put_end(struct rules_builder *b, uint32_t host, uint32_t end)
{
	if (host == 0 || end >= RULES_ENDS_MAX)
		return TM_EINVAL;
	return put_client(&b->by_end, host, end);
}

int rules_put_class(struct rules_builder *b, uint32_t host, uint32_t class)
{
	if (host == 0 || class >= RULES_CLASSES_MAX)
		return TM_EINVAL;
	return put_client(&b->by_class, host, class);
}

static int by_host(const void *a, const void *b)
{
	const struct client *x = a, *y = b;

	return (x->host > y->host) - (x->host < y->host);
}

static int copy_clients(const struct clients *c, struct client **ret_v, size_t *ret_n)
{
	struct client *v;

	if (!c->n)
		return TM_OK;

	v = malloc(c->n * sizeof(*v));
	if (!v)
		return TM_ENOMEM;

	memcpy(v, c->v, c->n * sizeof(*v));
	qsort(v, c->n, sizeof(*v), by_host);
	*ret_v = v;
	*ret_n = c->n;
	for (size_t i = 1; i < c->n; i++)
		if (v[i].host == v[i - 1].host)
			return TM_EEXIST;
	return TM_OK;
}

static const struct client *find_client(const struct client *v, size_t n, uint32_t host)
{
	const struct client key = {.host = host};

	return n ? bsearch(&key, v, n, sizeof(*v), by_host) : NULL;
}

/* --- building --- */

static size_t index_of(const struct rules *r, const struct rules_at *at)
{
	const size_t row = (size_t)at->end * r->classes + at->class;

	return (row * RULES_DIRS + (size_t)at->dir) * RULES_PROTOS + (size_t)at->proto;
}

static int make_lists(struct rules *r, const struct rules_builder *b)
{
	for (size_t i = 0; i < b->n_lists; i++) {
		r->ends = MAX(r->ends, b->list[i].at.end + 1);
		r->classes = MAX(r->classes, b->list[i].at.class + 1);
	}
	r->n_lists = (size_t)r->ends * r->classes * RULES_DIRS * RULES_PROTOS;
	if (r->n_lists > RULES_LISTS_MAX)
		return TM_EFULL;

	r->list = calloc(MAX(r->n_lists, (size_t)1), sizeof(*r->list));
	if (!r->list)
		return TM_ENOMEM;
	for (size_t i = 0; i < b->n_lists; i++) {
		struct list *l = &r->list[index_of(r, &b->list[i].at)];

		if (l->n)
			return TM_EEXIST;
		*l = b->list[i].list;
	}
	return TM_OK;
}

static int make_spans(struct rules *r, const struct rules_builder *b)
{
	r->n_spans = b->n_spans;
	r->last = malloc(MAX(r->n_spans, (size_t)1) * sizeof(*r->last));
	r->says = malloc(MAX(r->n_spans, (size_t)1) * sizeof(*r->says));
	if (!r->last || !r->says)
		return TM_ENOMEM;

	for (size_t i = 0; i < b->n_spans; i++) {
		r->last[i] = b->span[i].last;
		r->says[i] = b->span[i].says;
	}
	return TM_OK;
}

int rules_build(const struct rules_builder *b, struct rules **ret_rules)
{
	_cleanup_(rules_freep) struct rules *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return TM_ENOMEM;

	err = make_lists(r, b);
	if (!err)
		err = make_spans(r, b);
	if (!err)
		err = copy_clients(&b->by_end, &r->by_end, &r->n_by_end);
	if (!err)
		err = copy_clients(&b->by_class, &r->by_class, &r->n_by_class);
	if (err)
		return err;

	*ret_rules = TAKE(r);
	return TM_OK;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;

	free(r->list);
	free(r->last);
	free(r->says);
	free(r->by_end);
	free(r->by_class);
	free(r);
}

/* --- asking --- */

struct rules_answer rules_find(const struct rules *r, const struct rules_at *at, uint16_t port)
{
	const struct rules_answer nothing = {.verdict = VERDICT_DROP, .rule = RULE_NONE};

	if (at->end >= r->ends || at->class >= r->classes)
		return nothing;

	const struct list l = r->list[index_of(r, at)];
	const uint16_t *first = r->last + l.at;

	if (!l.n)
		return nothing;
	/* The first whose last port is not before `port`; there is one. No branch that could be guessed
	 * wrong: the compiler makes a conditional move of it. */
	for (uint32_t n = l.n; n > 1;) {
		const uint32_t half = n / 2;

		first = first[half - 1] < port ? first + half : first;
		n -= half;
	}
	const uint32_t says = r->says[first - r->last];

	return (struct rules_answer){.verdict = (enum verdict)(says & 3), .rule = says >> 2};
}

uint32_t rules_end_of(const struct rules *r, uint32_t host)
{
	const struct client *c;

	if (host == 0)
		return RULES_SELF;
	c = find_client(r->by_end, r->n_by_end, host);
	return c ? c->of : RULES_NO_END;
}

uint32_t rules_class_of(const struct rules *r, uint32_t host, uint32_t peer_class)
{
	const struct client *c = find_client(r->by_class, r->n_by_class, host);

	return c ? c->of : peer_class;
}

size_t rules_bytes(const struct rules *r)
{
	return sizeof(*r) + r->n_lists * sizeof(*r->list) +
	       r->n_spans * (sizeof(*r->last) + sizeof(*r->says)) +
	       (r->n_by_end + r->n_by_class) * sizeof(*r->by_end);
}
