/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Few members: on a circle, with a line for each pair, whole when it is direct and broken when it is relayed.
 */
#include "web/pages/map.h"

#include "base/format.h"

#include <math.h>
#include <string.h>

enum {
	RADIUS_X = 340,
	RADIUS_Y = 270,
	LABELS_MAX = 12, /* members; with more of them round trips would lie on each other */
	BUSY = 125000, /* bytes a second: a thicker line */
};

struct circle {
	struct place v[MAP_CIRCLE_MAX];
	size_t n;
	bool centre; /* the first one is in the middle */
};

static void place_at(struct circle *c, size_t i, size_t of)
{
	const double turn = 2 * 3.14159265358979 * (double)i / (double)of - 3.14159265358979 / 2;
	struct place *at = &c->v[i + c->centre];

	at->x = MAP_WIDE / 2 + RADIUS_X * cos(turn);
	at->y = MAP_HIGH / 2 + RADIUS_Y * sin(turn);
}

static void place_all(struct circle *c)
{
	const size_t around = c->n - c->centre;

	c->v[0].x = MAP_WIDE / 2.0;
	c->v[0].y = MAP_HIGH / 2.0;
	for (size_t i = 0; i < around; i++)
		place_at(c, i, around);
}

static const struct place *place_of(const struct circle *c, const char *id)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(msg_shown_text(c->v[i].node, "id"), id) == 0)
			return &c->v[i];
	return NULL;
}

/* --- lines --- */

static const char *line_class(const msg_object *pair)
{
	static const char *const css[2][3] = {
		[false] = {[WAY_NONE] = "none", [WAY_DIRECT] = "direct", [WAY_RELAYED] = "relayed"},
		[true] = {[WAY_NONE] = "none", [WAY_DIRECT] = "direct busy", [WAY_RELAYED] = "relayed busy"}};

	return css[msg_shown_int(pair, "rate") > BUSY][pair_way(pair)];
}

static void put_line(struct strbuf *out, const struct place *a, const struct place *b, const msg_object *pair)
{
	char how[PAIR_TEXT], rtt[FORMAT_LEN], rate[FORMAT_LEN];

	html_put(out,
		"<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"><title>%s to %s: %s, %s, "
		"%s"
		"</title></line>",
		line_class(pair), a->x, a->y, b->x, b->y, msg_shown_text(a->node, "name"),
		msg_shown_text(b->node, "name"), pair_text(pair, how),
		format_ms(msg_shown_number(pair, "rtt_us") / 1000, rtt),
		format_rate((double)msg_shown_int(pair, "rate") * 8, rate));
}

/* Nearer to the second one: in the middle of a circle all lines meet. */
static void put_rtt(struct strbuf *out, const struct place *a, const struct place *b, const msg_object *pair)
{
	char rtt[FORMAT_LEN];

	if (msg_shown_int(pair, "rtt_us"))
		html_put(out, "<text class=\"rtt\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>",
			a->x + 0.65 * (b->x - a->x), a->y + 0.65 * (b->y - a->y) - 4,
			format_ms(msg_shown_number(pair, "rtt_us") / 1000, rtt));
}

static void put_pair(struct strbuf *out, const struct circle *c, const struct place *a, const struct place *b,
	const msg_object *pair)
{
	put_line(out, a, b, pair);
	if (c->n <= LABELS_MAX)
		put_rtt(out, a, b, pair);
}

static void put_pairs(struct strbuf *out, const struct page *p, const struct circle *c)
{
	const msg_object *pair;

	for (struct page_at at = {0}; (pair = page_next(&p->reports, "pairs", &at));) {
		const struct place *a = place_of(c, msg_shown_text(pair, "a"));
		const struct place *b = a ? place_of(c, msg_shown_text(pair, "b")) : NULL;

		if (b)
			put_pair(out, c, a, b, pair);
	}
}

static void put_spokes(struct strbuf *out, const struct circle *c)
{
	for (size_t i = 1; i < c->n; i++)
		put_pair(out, c, &c->v[0], &c->v[i], c->v[i].pair);
}

/* WireGuard devices come through their node. */
static void put_devices(struct strbuf *out, const struct circle *c)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct place *at = &c->v[i];
		const struct place *via =
			part_is_client(at->node) ? place_of(c, msg_shown_text(at->node, "via")) : NULL;

		if (via)
			html_put(out,
				"<line class=\"device\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
				"y2=\"%.1f\"><title>%s "
				"comes through %s</title></line>",
				at->x, at->y, via->x, via->y, msg_shown_text(at->node, "name"),
				msg_shown_text(via->node, "name"));
	}
}

/* --- dots --- */

static void put_dot(struct strbuf *out, const struct place *at, const char *address)
{
	const char *name = msg_shown_text(at->node, "name"), *state = map_state(at->node);
	const double dx = at->x - MAP_WIDE / 2, dy = at->y - MAP_HIGH / 2;
	const char *anchor = dx > 40 ? "start" : dx < -40 ? "end" : "middle";
	/* In the middle of the picture the name is below. */
	const double away = dx * dx + dy * dy < 1 ? 26 : dy / RADIUS_Y * 24 + 5;

	html_put(out, "<a href=\"%s%s\" aria-label=\"%s, %s\"><title>%s, %s</title>", address,
		msg_shown_text(at->node, "id"), name, state, name, state);
	map_dot(out, at, &(struct dot){.r = 9, .touch = 16});
	html_put(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text></a>",
		at->x + dx / RADIUS_X * 18, at->y + away, anchor, name);
}

static void put_circle(struct strbuf *out, const struct page *p, const struct circle *c)
{
	map_begin(out, "", MAP_HIGH);
	put_devices(out, c);
	if (c->centre)
		put_spokes(out, c);
	else
		put_pairs(out, p, c);
	for (size_t i = 0; i < c->n; i++)
		put_dot(out, &c->v[i], c->centre && i > 0 ? "/map?node=" : "/nodes/");
	map_end(out);
}

void map_circle(struct strbuf *out, const struct page *p)
{
	struct circle c = {0};
	const msg_object *node;

	for (struct page_at at = {0}; c.n < MAP_CIRCLE_MAX && (node = page_next(&p->nodes, "nodes", &at));)
		c.v[c.n++].node = node;
	place_all(&c);
	put_circle(out, p, &c);
}

/* Of its pairs those that are direct, or the others; how many there are, with place or without. */
static size_t add_peers(struct circle *c, const struct page *p, const struct page_index *nodes, bool direct)
{
	const char *id = msg_shown_text(c->v[0].node, "id");
	const msg_object *pair;
	size_t n = 0;

	for (struct page_at at = {0}; (pair = page_next(&p->reports, "pairs", &at));) {
		if (!pair_is_of(pair, id) || (pair_way(pair) == WAY_DIRECT) != direct)
			continue;
		const msg_object *node = page_index_find(nodes, pair_other(pair, id));

		if (!node)
			continue;
		n++;
		if (c->n < MAP_CIRCLE_MAX)
			c->v[c->n++] = (struct place){.node = node, .pair = pair};
	}
	return n;
}

void map_around(
	struct strbuf *out, const struct page *p, const struct page_index *nodes, const msg_object *node)
{
	struct circle c = {.v = {{.node = node}}, .n = 1, .centre = true};

	const size_t relayed = add_peers(&c, p, nodes, false), n = relayed + add_peers(&c, p, nodes, true);
	place_all(&c);
	put_circle(out, p, &c);
	if (n > c.n - 1)
		html_put(out,
			"<p class=\"count\">%zu of %zu are shown, first those that are not direct.</p>\n",
			c.n - 1, n);
}
