/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/rules.h"

#include "data/filter/hits.h"

#include <string.h>

/* The part of rules.last and rules.says that is one list. */
struct list {
	uint32_t at, n;
};

/* A host number, and what it is of. */
struct named {
	uint32_t host, of;
};

struct names {
	struct named *v;
	size_t n, cap;
};

struct behind {
	struct prefix prefix; /* masked */
	uint32_t via; /* 0: ourselves */
	uint32_t of; /* a class; of what is behind ourselves an end */
};

struct rules {
	uint32_t ends, classes;
	size_t n_lists, n_spans, n_prefixes;
	uint32_t *set; /* by end and class; 0: none */
	struct list *list; /* by set, direction, protocol; those of set 0 drop everything */
	/* The last port of each interval, and rule << 2 | verdict. Those of a list cover all ports. */
	uint16_t *last;
	uint32_t *says;
	struct by_host {
		uint16_t *of; /* + 1; 0: nothing */
		uint32_t n;
	} end, class;
	struct behind *prefix; /* by via, the longest first */
	struct hits *hits; /* NULL: nobody wants to know */
};

struct span {
	uint32_t says;
	uint16_t last;
};

struct put {
	struct rules_at at;
	struct list list;
};

/* A pair, and the one whose lists it has. */
struct shared {
	uint32_t end, class, of_end, of_class;
};

struct rules_builder {
	struct put *list;
	struct shared *shared;
	size_t n_shared, shared_cap;
	struct span *span;
	struct behind *prefix;
	size_t n_lists, lists_cap, n_spans, spans_cap, n_prefixes, prefixes_cap;
	struct names end, class;
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
	free(b->shared);
	free(b->span);
	free(b->prefix);
	free(b->end.v);
	free(b->class.v);
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

static bool is_pair(uint32_t end, uint32_t class)
{
	return end < RULES_ENDS_MAX && class < RULES_CLASSES_MAX;
}

static bool at_is_sound(const struct rules_at *at)
{
	return is_pair(at->end, at->class) && (unsigned)at->dir < RULES_DIRS &&
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
	if (b->n_lists == (size_t)RULES_SETS_MAX * RULES_DIRS * RULES_PROTOS ||
		b->n_spans + most > RULES_SPANS_MAX)
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

int rules_share(struct rules_builder *b, uint32_t end, uint32_t class, uint32_t of_end, uint32_t of_class)
{
	struct shared *v;

	if (!is_pair(end, class) || !is_pair(of_end, of_class))
		return TM_EINVAL;
	if (b->n_shared == RULES_PAIRS_MAX)
		return TM_EFULL;
	v = with_room(b->shared, &b->shared_cap, b->n_shared + 1, sizeof(*v));
	if (!v)
		return TM_ENOMEM;

	b->shared = v;
	b->shared[b->n_shared++] = (struct shared){end, class, of_end, of_class};
	return TM_OK;
}

/* --- who is what --- */

static int put_name(struct names *c, uint32_t host, uint32_t of)
{
	struct named *v = with_room(c->v, &c->cap, c->n + 1, sizeof(*v));

	if (!v)
		return TM_ENOMEM;

	c->v = v;
	c->v[c->n++] = (struct named){.host = host, .of = of};
	return TM_OK;
}

static bool is_host(uint32_t host)
{
	return host > 0 && host < RULES_HOSTS_MAX;
}

int rules_put_end(struct rules_builder *b, uint32_t host, uint32_t end)
{
	return is_host(host) && end < RULES_ENDS_MAX ? put_name(&b->end, host, end) : TM_EINVAL;
}

int rules_put_class(struct rules_builder *b, uint32_t host, uint32_t class)
{
	return is_host(host) && class < RULES_CLASSES_MAX ? put_name(&b->class, host, class) : TM_EINVAL;
}

static int put_behind(struct rules_builder *b, const struct prefix *prefix, uint32_t via, uint32_t of)
{
	struct behind *v;

	if (prefix->ip.family == IP_NONE || prefix->len > ip_bits(&prefix->ip))
		return TM_EINVAL;
	if (b->n_prefixes == RULES_PREFIXES_MAX)
		return TM_EFULL;
	v = with_room(b->prefix, &b->prefixes_cap, b->n_prefixes + 1, sizeof(*v));
	if (!v)
		return TM_ENOMEM;

	b->prefix = v;
	b->prefix[b->n_prefixes++] = (struct behind){.prefix = prefix_mask(prefix), .via = via, .of = of};
	return TM_OK;
}

int rules_put_prefix(struct rules_builder *b, const struct prefix *prefix, uint32_t via, uint32_t class)
{
	return is_host(via) && class < RULES_CLASSES_MAX ? put_behind(b, prefix, via, class) : TM_EINVAL;
}

int rules_put_prefix_end(struct rules_builder *b, const struct prefix *prefix, uint32_t end)
{
	return end < RULES_ENDS_MAX ? put_behind(b, prefix, 0, end) : TM_EINVAL;
}

static int make_by_host(const struct names *names, struct by_host *ret_by)
{
	uint32_t n = 0;

	for (size_t i = 0; i < names->n; i++)
		n = MAX(n, names->v[i].host + 1);
	if (!n)
		return TM_OK;

	ret_by->of = calloc(n, sizeof(*ret_by->of));
	if (!ret_by->of)
		return TM_ENOMEM;

	ret_by->n = n;
	for (size_t i = 0; i < names->n; i++) {
		uint16_t *of = &ret_by->of[names->v[i].host];

		if (*of)
			return TM_EEXIST;
		*of = (uint16_t)(names->v[i].of + 1);
	}
	return TM_OK;
}

static int by_via_longest_first(const void *a, const void *b)
{
	const struct behind *x = a, *y = b;

	if (x->via != y->via)
		return x->via < y->via ? -1 : 1;
	return (int)y->prefix.len - (int)x->prefix.len;
}

static int make_prefixes(struct rules *r, const struct rules_builder *b)
{
	if (!b->n_prefixes)
		return TM_OK;

	r->prefix = malloc(b->n_prefixes * sizeof(*r->prefix));
	if (!r->prefix)
		return TM_ENOMEM;

	memcpy(r->prefix, b->prefix, b->n_prefixes * sizeof(*r->prefix));
	r->n_prefixes = b->n_prefixes;
	qsort(r->prefix, r->n_prefixes, sizeof(*r->prefix), by_via_longest_first);
	return TM_OK;
}

/* --- building --- */

static uint32_t *set_at(const struct rules *r, uint32_t end, uint32_t class)
{
	return &r->set[(size_t)end * r->classes + class];
}

static struct list *list_at(const struct rules *r, uint32_t set, enum rules_dir dir, enum rules_proto proto)
{
	return &r->list[((size_t)set * RULES_DIRS + (size_t)dir) * RULES_PROTOS + (size_t)proto];
}

static int make_pairs(struct rules *r, const struct rules_builder *b)
{
	for (size_t i = 0; i < b->n_lists; i++) {
		r->ends = MAX(r->ends, b->list[i].at.end + 1);
		r->classes = MAX(r->classes, b->list[i].at.class + 1);
	}
	for (size_t i = 0; i < b->n_shared; i++) {
		r->ends = MAX(r->ends, b->shared[i].end + 1);
		r->classes = MAX(r->classes, b->shared[i].class + 1);
	}
	if ((uint64_t)r->ends * r->classes > RULES_PAIRS_MAX)
		return TM_EFULL;

	r->set = calloc((size_t)r->ends * r->classes + 1, sizeof(*r->set));
	return r->set ? TM_OK : TM_ENOMEM;
}

/* A set for each pair that lists were put for. */
static int make_sets(struct rules *r, const struct rules_builder *b)
{
	uint32_t sets = 1;

	for (size_t i = 0; i < b->n_lists; i++) {
		uint32_t *set = set_at(r, b->list[i].at.end, b->list[i].at.class);

		if (*set)
			continue;
		if (sets == RULES_SETS_MAX)
			return TM_EFULL;
		*set = sets++;
	}
	r->n_lists = (size_t)sets * RULES_DIRS * RULES_PROTOS;
	r->list = calloc(r->n_lists, sizeof(*r->list));
	return r->list ? TM_OK : TM_ENOMEM;
}

static int share_sets(struct rules *r, const struct rules_builder *b)
{
	for (size_t i = 0; i < b->n_shared; i++) {
		const struct shared *x = &b->shared[i];
		uint32_t *set = set_at(r, x->end, x->class);

		if (*set)
			return TM_EEXIST;
		if (x->of_end >= r->ends || x->of_class >= r->classes || !*set_at(r, x->of_end, x->of_class))
			return TM_ENOENT;
		*set = *set_at(r, x->of_end, x->of_class);
	}
	return TM_OK;
}

static int make_lists(struct rules *r, const struct rules_builder *b)
{
	int err = make_pairs(r, b);

	if (!err)
		err = make_sets(r, b);
	for (size_t i = 0; i < b->n_lists && !err; i++) {
		const struct rules_at *at = &b->list[i].at;
		struct list *l = list_at(r, *set_at(r, at->end, at->class), at->dir, at->proto);

		if (l->n)
			return TM_EEXIST;
		*l = b->list[i].list;
	}
	return err ? err : share_sets(r, b);
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
		err = make_by_host(&b->end, &r->end);
	if (!err)
		err = make_by_host(&b->class, &r->class);
	if (!err)
		err = make_prefixes(r, b);
	if (err)
		return err;

	*ret_rules = TAKE(r);
	return TM_OK;
}

void rules_count(struct rules *r, struct hits *h_take)
{
	hits_drop(r->hits);
	r->hits = h_take;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;

	free(r->set);
	free(r->list);
	free(r->last);
	free(r->says);
	free(r->end.of);
	free(r->class.of);
	free(r->prefix);
	hits_drop(r->hits);
	free(r);
}

/* --- asking --- */

struct rules_answer rules_find(const struct rules *r, const struct rules_at *at, uint16_t port)
{
	const struct rules_answer nothing = {.verdict = VERDICT_DROP, .rule = RULE_NONE};

	if (at->end >= r->ends || at->class >= r->classes)
		return nothing;

	const struct list l = *list_at(r, *set_at(r, at->end, at->class), at->dir, at->proto);
	uint32_t span = l.at;

	if (!l.n)
		return nothing;
	/* The first whose last port is not before `port`; there is one. By arithmetic, and not by a branch
	 * that would be guessed wrong every other time. */
	for (uint32_t n = l.n; n > 1;) {
		const uint32_t half = n / 2;

		span += half & -(uint32_t)(r->last[span + half - 1] < port);
		n -= half;
	}
	const uint32_t says = r->says[span];

	return (struct rules_answer){.verdict = (enum verdict)(says & 3), .rule = says >> 2};
}

static uint32_t find_host(const struct by_host *by, uint32_t host)
{
	/* 0 becomes UINT32_MAX: RULES_NO_END, RULES_NO_CLASS. */
	return host < by->n ? (uint32_t)by->of[host] - 1 : UINT32_MAX;
}

uint32_t rules_end_of(const struct rules *r, uint32_t host)
{
	return host == 0 ? (uint32_t)RULES_SELF : find_host(&r->end, host);
}

uint32_t rules_class_of(const struct rules *r, uint32_t host)
{
	return find_host(&r->class, host);
}

/* What is behind one of them is little, and looked at one after the other. UINT32_MAX: RULES_NO_END,
 * RULES_NO_CLASS. */
static uint32_t find_behind(const struct rules *r, uint32_t via, const struct ip *ip)
{
	size_t low = 0, high = r->n_prefixes;

	while (low < high) {
		const size_t mid = (low + high) / 2;

		if (r->prefix[mid].via < via)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < r->n_prefixes && r->prefix[low].via == via; low++)
		if (prefix_contains(&r->prefix[low].prefix, ip))
			return r->prefix[low].of;
	return UINT32_MAX;
}

uint32_t rules_class_behind(const struct rules *r, uint32_t via, const struct ip *ip)
{
	return via ? find_behind(r, via, ip) : (uint32_t)RULES_NO_CLASS;
}

uint32_t rules_end_behind(const struct rules *r, const struct ip *ip)
{
	return find_behind(r, 0, ip);
}

void rules_hit(const struct rules *r, unsigned part, uint32_t rule)
{
	if (r->hits)
		hits_add(r->hits, part, rule);
}

size_t rules_bytes(const struct rules *r)
{
	return sizeof(*r) + (size_t)r->ends * r->classes * sizeof(*r->set) + r->n_lists * sizeof(*r->list) +
	       r->n_spans * (sizeof(*r->last) + sizeof(*r->says)) +
	       (r->end.n + r->class.n) * sizeof(*r->class.of) + r->n_prefixes * sizeof(*r->prefix);
}
