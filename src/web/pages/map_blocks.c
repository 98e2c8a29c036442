/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Many members: in blocks by their first tag, a dot each. */
#include "web/pages/map.h"

#include <string.h>

/* A finger wants 24 px where the picture is as small as it gets (.map in style.css). */
enum { CELL = 28, COLUMNS = (MAP_WIDE - 60) / CELL, GROUPS_MAX = 64 };

struct group {
	const char *tag;
	size_t n;
};

static const char *tag_of(const msg_object *node)
{
	size_t i = 0;
	const char *tag = msg_shown_word(node, "tags", &i);

	return part_is_client(node) ? "WireGuard devices" : tag ? tag : "without a tag";
}

/* The last of GROUPS_MAX takes all that is left over. */
static size_t group_of(struct group *v, size_t *n, const char *tag)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(v[i].tag, tag) == 0)
			return i;
	if (*n == GROUPS_MAX - 1)
		tag = "others";
	if (*n == GROUPS_MAX)
		return GROUPS_MAX - 1;
	v[*n] = (struct group){.tag = tag};
	return (*n)++;
}

/* It leads to the picture of its own pairs, and says what they are. */
static void put_cell(struct strbuf *out, const struct page_index *pairs, const struct place *at)
{
	const struct pair_sum s = pair_sum_of(pairs, msg_shown_text(at->node, "id"));
	const char *name = msg_shown_text(at->node, "name"), *state = map_state(at->node);
	char words[64] = "";

	if (s.direct || s.relayed)
		snprintf(words, sizeof(words), ", %u direct, %u relayed", s.direct, s.relayed);
	html_put(out, "<a href=\"/map?node=%s\" aria-label=\"%s, %s%s\"><title>%s, %s%s</title>",
		msg_shown_text(at->node, "id"), name, state, words, name, state, words);
	map_dot(out, at, &(struct dot){.r = 8, .touch = CELL / 2.0, .through = s.relayed});
	html_put(out, "</a>");
}

static size_t rows_of(size_t n)
{
	return (n + COLUMNS - 1) / COLUMNS;
}

static void put_heads(struct strbuf *out, const struct group *v, size_t n, size_t *tops)
{
	size_t y = 20;

	for (size_t i = 0; i < n; i++) {
		tops[i] = y + 40;
		y += 50 + rows_of(v[i].n) * CELL;
	}
	map_begin(out, "blocks", y);
	for (size_t i = 0; i < n; i++)
		html_put(out, "<text class=\"group\" x=\"30\" y=\"%zu\">%s \xc2\xb7 %zu</text>", tops[i] - 22,
			v[i].tag, v[i].n);
}

void map_blocks(struct strbuf *out, const struct page *p)
{
	struct page_index pairs = page_index_pairs(p);
	struct group v[GROUPS_MAX];
	size_t tops[GROUPS_MAX], put[GROUPS_MAX] = {0}, n = 0;
	const msg_object *node;

	for (struct page_at at = {0}; (node = page_next(&p->nodes, "nodes", &at));)
		v[group_of(v, &n, tag_of(node))].n++;
	put_heads(out, v, n, tops);
	for (struct page_at at = {0}; (node = page_next(&p->nodes, "nodes", &at));) {
		size_t g = group_of(v, &n, tag_of(node)), i = put[g]++;
		struct place at_cell = {.node = node,
			.x = 40 + (double)(i % COLUMNS * CELL),
			.y = (double)(tops[g] + i / COLUMNS * CELL)};

		put_cell(out, &pairs, &at_cell);
	}
	map_end(out);
	page_index_deinit(&pairs);
}
