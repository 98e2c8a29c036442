/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Rules come in the order in which they win, and each takes the ports that nobody has taken yet: painting
 * over what is painted is skipped by a list of the free cells (a disjoint-set forest), so that a thousand
 * rules about a pair cost little more than sorting their ends.
 */
#include "policy/sweep.h"

#include <string.h>

#include "base/text.h"

struct policy_piece {
	uint32_t first, end; /* end: behind the last */
	uint32_t rank;
};

enum { FREE = UINT32_MAX };

void policy_sweep_deinit(struct policy_sweep *s)
{
	free(s->v);
	free(s->pieces);
	free(s->cuts);
	free(s->owner);
	free(s->next);
	free(s->set);
	*s = (struct policy_sweep){0};
}

static int reserve_pieces(struct policy_sweep *s, size_t n)
{
	if (n <= s->room_pieces)
		return TM_OK;

	size_t room = MAX(2 * s->room_pieces, MAX(n, (size_t)64));
	struct policy_piece *v = array_resize(s->pieces, room, sizeof(*v));
	if (!v)
		return TM_ENOMEM;
	s->pieces = v;
	s->room_pieces = room;
	return TM_OK;
}

static int reserve_array(uint32_t **array, size_t n)
{
	uint32_t *v = array_resize(*array, n, sizeof(*v));

	if (!v)
		return TM_ENOMEM;
	*array = v;
	return TM_OK;
}

/* Two cuts a piece, and both ends of all ports. */
static int reserve_cuts(struct policy_sweep *s, size_t n_pieces)
{
	size_t n = 2 * n_pieces + 2;

	if (n <= s->room_cuts)
		return TM_OK;
	int err = reserve_array(&s->cuts, n);
	if (!err)
		err = reserve_array(&s->owner, n);
	if (!err)
		err = reserve_array(&s->next, n);
	struct policy_span *v = err ? NULL : array_resize(s->v, n, sizeof(*v));
	if (!v)
		return TM_ENOMEM;
	s->v = v;
	s->room_cuts = n;
	return TM_OK;
}

static int reserve_set(struct policy_sweep *s, size_t words)
{
	if (words <= s->words)
		return TM_OK;

	uint64_t *set = array_resize(s->set, words, sizeof(*set));
	if (!set)
		return TM_ENOMEM;
	s->set = set;
	s->words = words;
	return TM_OK;
}

/* --- which rules, and where --- */

static int collect(
	struct policy_sweep *s, const struct policy_model *m, enum policy_proto proto, size_t *ret_n)
{
	size_t n = 0;

	for (size_t w = 0; w < m->words; w++)
		for (uint64_t bits = s->set[w]; bits; bits &= bits - 1) {
			size_t rank = w * 64 + (size_t)__builtin_ctzll(bits);
			const struct policy_rule *r = &m->doc->rules[m->by_rank[rank]];

			int err = reserve_pieces(s, n + r->n_services);
			if (err)
				return err;
			for (size_t i = 0; i < r->n_services; i++)
				if (r->services[i].proto == proto)
					s->pieces[n++] = (struct policy_piece){r->services[i].first,
						(uint32_t)r->services[i].last + 1, (uint32_t)rank};
		}
	*ret_n = n;
	return TM_OK;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* A few are the rule. */
static void sort(uint32_t *v, size_t n)
{
	if (n > 32) {
		qsort(v, n, sizeof(*v), ascending);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		uint32_t x = v[i];
		size_t k = i;

		for (; k && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

/* Cell i goes from cuts[i] to before cuts[i + 1]. Returns the number of cells. */
static size_t cut(struct policy_sweep *s, size_t n_pieces, uint32_t end)
{
	size_t n = 0, kept = 0;

	s->cuts[n++] = 0;
	s->cuts[n++] = end;
	for (size_t i = 0; i < n_pieces; i++) {
		s->cuts[n++] = s->pieces[i].first;
		s->cuts[n++] = s->pieces[i].end;
	}
	sort(s->cuts, n);
	for (size_t i = 0; i < n; i++)
		if (!kept || s->cuts[i] != s->cuts[kept - 1])
			s->cuts[kept++] = s->cuts[i];
	for (size_t i = 0; i < kept; i++) {
		s->owner[i] = FREE;
		s->next[i] = (uint32_t)i;
	}
	return kept - 1;
}

static size_t cell_of(const struct policy_sweep *s, size_t n_cells, uint32_t at)
{
	size_t low = 0, high = n_cells;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (s->cuts[mid] < at)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The first free cell from here on. */
static uint32_t next_free(struct policy_sweep *s, uint32_t at)
{
	while (s->next[at] != at) {
		s->next[at] = s->next[s->next[at]];
		at = s->next[at];
	}
	return at;
}

static void paint(struct policy_sweep *s, size_t n_pieces, size_t n_cells)
{
	for (size_t i = 0; i < n_pieces; i++) {
		const struct policy_piece *p = &s->pieces[i];
		uint32_t at = next_free(s, (uint32_t)cell_of(s, n_cells, p->first));

		for (; s->cuts[at] < p->end; at = next_free(s, at)) {
			s->owner[at] = p->rank;
			s->next[at] = at + 1;
		}
	}
}

static struct policy_span span_of(const struct policy_model *m, uint32_t owner, bool local)
{
	if (owner == FREE)
		return (struct policy_span){
			.action = POLICY_DENY, .rule = local ? POLICY_RULE_LOCAL : POLICY_RULE_NONE};
	return (struct policy_span){
		.action = (uint8_t)m->doc->rules[m->by_rank[owner]].action,
		.rule = (int32_t)m->by_rank[owner],
	};
}

int policy_sweep_pair(struct policy_sweep *s, const struct policy_model *m, uint32_t from, uint32_t to,
	enum policy_proto proto)
{
	const struct policy_kind *a = &m->kinds[from], *b = &m->kinds[to];
	const uint32_t end = (uint32_t)policy_proto_whole(proto).last + 1;
	size_t n_pieces;

	int err = reserve_set(s, m->words);
	if (err)
		return err;
	for (size_t w = 0; w < m->words; w++)
		s->set[w] = a->from[w] & b->to[w];
	err = collect(s, m, proto, &n_pieces);
	if (!err)
		err = reserve_cuts(s, n_pieces);
	if (err)
		return err;

	size_t n_cells = cut(s, n_pieces, end);
	paint(s, n_pieces, n_cells);
	s->n = 0;
	for (size_t i = 0; i < n_cells; i++) {
		struct policy_span x = span_of(m, s->owner[i], b->local);

		x.first = (uint16_t)s->cuts[i];
		x.last = (uint16_t)(s->cuts[i + 1] - 1);
		if (s->n && s->v[s->n - 1].rule == x.rule)
			s->v[s->n - 1].last = x.last;
		else
			s->v[s->n++] = x;
	}
	return TM_OK;
}

struct policy_span policy_sweep_at(const struct policy_sweep *s, uint16_t port)
{
	size_t i = 0;

	while (s->v[i].last < port)
		i++;
	return s->v[i];
}
