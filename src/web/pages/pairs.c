/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/pages/pairs.h"

#include "base/format.h"

#include <stdlib.h>
#include <string.h>

enum part_way pair_way(const msg_object *pair)
{
	const char *path = msg_shown_text(pair, "path");

	if (strcmp(path, "direct") == 0)
		return WAY_DIRECT;
	return strcmp(path, "relay") == 0 || strcmp(path, "tcp") == 0 ? WAY_RELAYED : WAY_NONE;
}

static const char *word_of(const msg_object *pair)
{
	const char *path = msg_shown_text(pair, "path");

	if (strcmp(path, "relay") == 0)
		return "relayed";
	if (strcmp(path, "tcp") == 0)
		return "relayed by TCP";
	return strcmp(path, "gone") == 0 ? "at rest" : path;
}

void pair_state(struct strbuf *out, const msg_object *pair)
{
	static const enum part_tone tones[] = {
		[WAY_NONE] = TONE_QUIET, [WAY_DIRECT] = TONE_GOOD, [WAY_RELAYED] = TONE_RELAY};

	part_state(out, tones[pair_way(pair)], word_of(pair));
}

const char *pair_text(const msg_object *pair, char buf[static PAIR_TEXT])
{
	const char *relay = msg_shown_text(pair, "relay"), *why = msg_shown_text(pair, "not_direct");

	if (pair_way(pair) == WAY_DIRECT)
		snprintf(buf, PAIR_TEXT, "direct");
	else
		snprintf(buf, PAIR_TEXT, "%s%s%s%s%s", word_of(pair), *relay ? " through " : "", relay,
			*why ? ": " : "", why);
	return buf;
}

const char *pair_other(const msg_object *pair, const char *id)
{
	const char *a = msg_shown_text(pair, "a");

	return strcmp(a, id) == 0 ? msg_shown_text(pair, "b") : a;
}

bool pair_is_of(const msg_object *pair, const char *id)
{
	return strcmp(msg_shown_text(pair, "a"), id) == 0 || strcmp(msg_shown_text(pair, "b"), id) == 0;
}

static uint64_t rate_of(const msg_object *pair)
{
	const int64_t rate = msg_shown_int(pair, "rate");

	return rate > 0 ? (uint64_t)rate : 0;
}

/* --- together --- */

static void sum_add(struct pair_sum *s, const msg_object *pair)
{
	const enum part_way way = pair_way(pair);

	s->direct += way == WAY_DIRECT;
	s->relayed += way == WAY_RELAYED;
	s->none += way == WAY_NONE;
	s->rate += rate_of(pair);
	if (way == WAY_RELAYED)
		s->relayed_rate += rate_of(pair);
}

static int by_number(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Of many it is the middle one of the first of them. */
static uint32_t middle_rtt(const struct page_entry *e, size_t n)
{
	uint32_t v[256];
	size_t known = 0;

	for (size_t i = 0; i < n && known < ARRAY_LEN(v); i++) {
		const int64_t rtt = msg_shown_int(e[i].of, "rtt_us");

		if (rtt > 0)
			v[known++] = (uint32_t)MIN(rtt, (int64_t)UINT32_MAX);
	}
	if (!known)
		return 0;
	qsort(v, known, sizeof(*v), by_number);
	return v[known / 2];
}

struct pair_sum pair_sum_of(const struct page_index *pairs, const char *id)
{
	struct pair_sum s = {0};
	size_t n;
	const struct page_entry *e = page_index_all(pairs, id, &n);

	for (size_t i = 0; i < n; i++)
		sum_add(&s, e[i].of);
	s.rtt_us = middle_rtt(e, n);
	return s;
}

struct pair_sum pair_sum_all(const struct page *p)
{
	struct pair_sum s = {0};
	const msg_object *pair;

	for (struct page_at at = {0}; (pair = page_next(&p->reports, "pairs", &at));)
		sum_add(&s, pair);
	return s;
}

void pair_sum_state(struct strbuf *out, const struct pair_sum *s)
{
	char words[64];

	if (s->direct && s->relayed)
		snprintf(words, sizeof(words), "%u direct, %u relayed", s->direct, s->relayed);
	else if (s->relayed)
		snprintf(words, sizeof(words), "%u relayed", s->relayed);
	else
		snprintf(words, sizeof(words), "%u direct", s->direct);
	if (s->direct || s->relayed)
		part_state(out, s->relayed ? TONE_RELAY : TONE_GOOD, words);
	else if (s->none)
		part_state(out, TONE_QUIET, "looked for");
}

/* --- as a table --- */

/* Not direct before direct, then what carries most. */
static int by_attention(const void *a, const void *b)
{
	const msg_object *x = *(const msg_object *const *)a, *y = *(const msg_object *const *)b;
	const bool x_direct = pair_way(x) == WAY_DIRECT, y_direct = pair_way(y) == WAY_DIRECT;
	const uint64_t x_rate = rate_of(x), y_rate = rate_of(y);

	if (x_direct != y_direct)
		return x_direct ? 1 : -1;
	if (x_rate != y_rate)
		return x_rate < y_rate ? 1 : -1;
	int first = strcmp(msg_shown_text(x, "a"), msg_shown_text(y, "a"));
	return first ? first : strcmp(msg_shown_text(x, "b"), msg_shown_text(y, "b"));
}

static void put_end(struct strbuf *out, const struct page_index *nodes, const char *id)
{
	const msg_object *node = page_index_find(nodes, id);

	if (node)
		part_node_link(out, node);
	else
		html_put(out, "<span class=\"mono\">%s</span>", id);
}

static void put_row(struct strbuf *out, const struct page_index *nodes, const msg_object *pair)
{
	const char *a = msg_shown_text(pair, "a"), *b = msg_shown_text(pair, "b");
	char text[FORMAT_LEN];

	html_put(out, "<tr id=\"p-%s-%s\"><th scope=\"row\">", a, b);
	put_end(out, nodes, a);
	html_put(out, " \xe2\x86\x94 ");
	put_end(out, nodes, b);
	html_put(out, "</th><td>");
	pair_state(out, pair);
	html_put(out, "</td><td>%s</td><td>%s</td>", msg_shown_text(pair, "relay"),
		msg_shown_text(pair, "not_direct"));
	html_put(out, "<td class=\"number\">%s</td>",
		msg_shown_int(pair, "rtt_us") ? format_ms(msg_shown_number(pair, "rtt_us") / 1000, text)
					      : "");
	html_put(out, "<td class=\"number\">%s</td></tr>\n", format_rate((double)rate_of(pair) * 8, text));
}

static size_t count(const struct page *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->reports.n; i++)
		n += msg_shown_count(p->reports.v[i], "pairs");
	return n;
}

void pair_table(
	struct strbuf *out, const struct page *p, const struct page_index *nodes, const char *of, size_t max)
{
	static const char *const heads[] = {
		"Pair", "Path", "Through", "Not directly, because", "Round trip", "Traffic", NULL};
	const msg_object **v = calloc(count(p) + 1, sizeof(*v)), *pair;
	size_t n = 0;

	for (struct page_at at = {0}; v && (pair = page_next(&p->reports, "pairs", &at));)
		if (!of || pair_is_of(pair, of))
			v[n++] = pair;
	if (!n) {
		part_nothing(
			out, "No pair of members is known to talk. What nodes tell arrives within a minute.");
	} else {
		qsort(v, n, sizeof(*v), by_attention);
		part_table(out, "Pairs of members that talk, those first that are not direct", heads);
		for (size_t i = 0; i < MIN(n, max); i++)
			put_row(out, nodes, v[i]);
		part_table_end(out);
	}
	if (n > max)
		html_put(out, "<p class=\"count\">and %zu more</p>\n", n - max);
	free(v);
}
