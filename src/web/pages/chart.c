/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/pages/chart.h"

#include "base/format.h"

#include <string.h>

enum { WIDE = 600, HIGH = 72, BAND = 8, GAP = 4 };

/* What is drawn: a step from `at` until `end`, inside of the time that is looked at. */
struct step {
	int64_t at, end; /* seconds since its beginning */
	int64_t rtt_us; /* 0 = not known */
	enum part_way way;
	bool gone;
};

struct chart {
	const msg_object *pair;
	const char *key;
	int64_t from, span;
	bool in_use; /* the last sample is still so */
};

/* A sample holds until the next one. */
static bool next_step(const struct chart *c, size_t *at, struct step *ret_s)
{
	const msg_object *sample = msg_shown_member(c->pair, c->key, at);
	size_t behind = *at;

	if (!sample)
		return false;
	const msg_object *next = msg_shown_member(c->pair, c->key, &behind);
	const int64_t begin = msg_shown_int(sample, "at") - c->from;
	const int64_t end = next ? msg_shown_int(next, "at") - c->from : c->in_use ? c->span : begin;

	*ret_s = (struct step){.at = MAX(begin, (int64_t)0),
		.end = MIN(end, c->span),
		.rtt_us = msg_shown_int(sample, "rtt_us"),
		.way = pair_way(sample),
		.gone = strcmp(msg_shown_text(sample, "path"), "gone") == 0};
	return true;
}

struct summary {
	int64_t low, high; /* microseconds; 0: none */
	int64_t known, relayed; /* seconds */
};

static struct summary summary_of(const struct chart *c)
{
	struct summary sum = {0};
	struct step s;

	for (size_t at = 0; next_step(c, &at, &s);) {
		if (s.end <= s.at || s.gone)
			continue;
		sum.known += s.end - s.at;
		if (s.way == WAY_RELAYED)
			sum.relayed += s.end - s.at;
		if (s.rtt_us <= 0)
			continue;
		sum.low = sum.low ? MIN(sum.low, s.rtt_us) : s.rtt_us;
		sum.high = MAX(sum.high, s.rtt_us);
	}
	return sum;
}

static double x_of(const struct chart *c, int64_t at)
{
	return (double)at * WIDE / (double)c->span;
}

/* A little room above, so that a steady line is not at the edge. */
static double y_of(const struct summary *sum, int64_t rtt_us)
{
	return (HIGH - BAND - GAP) * (1 - 0.9 * (double)rtt_us / (double)sum->high);
}

static void put_line(struct strbuf *out, const struct chart *c, const struct summary *sum)
{
	int64_t last = -1;
	struct step s;

	if (!sum->high)
		return;
	html_put(out, "<path class=\"rtt\" d=\"");
	for (size_t at = 0; next_step(c, &at, &s);) {
		if (s.end <= s.at || s.rtt_us <= 0)
			continue;
		html_put(out, s.at == last ? "V%.1f" : "M%.1f ",
			s.at == last ? y_of(sum, s.rtt_us) : x_of(c, s.at));
		if (s.at != last)
			html_put(out, "%.1f", y_of(sum, s.rtt_us));
		html_put(out, "H%.1f", x_of(c, s.end));
		last = s.end;
	}
	html_put(out, "\"/>");
}

static void put_band(struct strbuf *out, const struct chart *c)
{
	static const char *const fills[] = {
		[WAY_NONE] = "fill-quiet", [WAY_DIRECT] = "fill-good", [WAY_RELAYED] = "fill-relay"};
	static const int highs[] = {[WAY_NONE] = BAND / 4, [WAY_DIRECT] = BAND / 2, [WAY_RELAYED] = BAND};
	struct step s;

	for (size_t at = 0; next_step(c, &at, &s);) {
		/* By its height, too, and not by colour alone. */
		const int high = highs[s.way];

		if (s.end > s.at && !s.gone)
			html_put(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
				fills[s.way], x_of(c, s.at), HIGH - high, x_of(c, s.end - s.at), high);
	}
}

static void put_words(struct strbuf *out, const struct summary *sum, const char *title)
{
	char low[FORMAT_LEN], high[FORMAT_LEN];

	html_put(out, "%s: ", title);
	if (!sum->known) {
		html_put(out, "nothing is known");
		return;
	}
	if (sum->high)
		html_put(out, "%s to %s", format_ms((double)sum->low / 1000, low),
			format_ms((double)sum->high / 1000, high));
	else
		html_put(out, "no round trip is known");
	if (sum->relayed == sum->known)
		html_put(out, ", relayed");
	else if (sum->relayed)
		html_put(out, ", relayed %d %% of the time",
			(int)MAX(100 * sum->relayed / sum->known, (int64_t)1));
	else
		html_put(out, ", never relayed");
}

void chart_put(struct strbuf *out, const msg_object *pair, const char *key, int64_t now, int64_t span,
	const char *title)
{
	const struct chart c = {.pair = pair,
		.key = key,
		.from = now - span,
		.span = span,
		.in_use = strcmp(msg_shown_text(pair, "path"), "gone") != 0};
	const struct summary sum = summary_of(&c);

	html_put(out,
		"<figure class=\"chart\"><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" "
		"aria-hidden=\"true\">",
		WIDE, HIGH);
	put_band(out, &c);
	put_line(out, &c, &sum);
	html_put(out, "</svg><figcaption>");
	put_words(out, &sum, title);
	html_put(out, "</figcaption></figure>\n");
}
