/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/columns.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "base/plain.h"
#include "base/text.h"

enum {
	GAP = 2, /* blanks before each column */
	FACT_WIDTH = 80, /* where the screen has no end */
};

void columns_init(struct columns *t, const char *const *heads, size_t n_columns)
{
	assert(n_columns <= COLUMNS_MAX);
	*t = (struct columns){.heads = heads, .n_columns = n_columns};
}

void columns_deinit(struct columns *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct columns){0};
}

static void cell_take(struct columns *t, char *text_take, enum tone tone)
{
	if (t->n == t->cap && !t->failed) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		struct cell *cells = array_resize(t->cells, cap, sizeof(*cells));

		if (cells) {
			t->cells = cells;
			t->cap = cap;
		} else {
			t->failed = true;
		}
	}
	if (!text_take || t->failed) {
		t->failed = true;
		free(text_take);
		return;
	}
	t->cells[t->n++] = (struct cell){plain_make(text_take), tone};
}

void columns_tone(struct columns *t, const char *text, enum tone tone)
{
	cell_take(t, strdup(text && *text ? text : "-"), tone);
}

void columns_cell(struct columns *t, const char *text)
{
	columns_tone(t, text, TONE_PLAIN);
}

void columns_cellf(struct columns *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *s = text_vprintf(fmt, ap);
	va_end(ap);
	cell_take(t, s, TONE_PLAIN);
}

size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80; /* continuation bytes have no width */
	return n;
}

/* --- printing --- */

struct layout {
	size_t width[COLUMNS_MAX];
	bool shown[COLUMNS_MAX];
	size_t last; /* of the shown ones: nothing is behind it */
	size_t n_left_out;
};

static struct layout layout_of(const struct columns *t, unsigned screen_width)
{
	struct layout l = {0};
	size_t used = 0;

	for (size_t i = 0; i < t->n_columns; i++)
		l.width[i] = text_width(t->heads[i]);
	for (size_t i = 0; i < t->n; i++)
		l.width[i % t->n_columns] = MAX(l.width[i % t->n_columns], text_width(t->cells[i].text));
	for (size_t i = 0; i < t->n_columns; i++) {
		l.shown[i] = i == 0 || !screen_width || used + GAP + l.width[i] <= screen_width;
		if (l.shown[i]) {
			used += GAP + l.width[i];
			l.last = i;
		} else {
			l.n_left_out++;
		}
	}
	return l;
}

static void cell_print(const struct layout *l, size_t column, const struct cell *cell, bool colour, FILE *f)
{
	static const char *const codes[] = {[TONE_PLAIN] = "",
		[TONE_GOOD] = "\033[32m",
		[TONE_DOUBT] = "\033[33m",
		[TONE_BAD] = "\033[31m"};
	bool toned = colour && cell->tone != TONE_PLAIN;
	size_t pad = column < l->last ? l->width[column] - text_width(cell->text) : 0;

	fprintf(f, "%*s%s%s%s%*s", GAP, "", toned ? codes[cell->tone] : "", cell->text,
		toned ? "\033[0m" : "", (int)pad, "");
}

static void heads_print(const struct columns *t, const struct layout *l, bool colour, FILE *f)
{
	fputs(colour ? "\033[2m" : "", f);
	for (size_t i = 0; i < t->n_columns; i++)
		if (l->shown[i])
			fprintf(f, "%*s%-*s", GAP, "", (int)(i < l->last ? l->width[i] : 0), t->heads[i]);
	fputs(colour ? "\033[0m\n" : "\n", f);
}

/* Says so, and where it is. */
static void left_out_print(const struct columns *t, const struct layout *l, bool colour, FILE *f)
{
	const char *comma = "";

	if (!l->n_left_out)
		return;
	fprintf(f, "%s%*snot shown: ", colour ? "\033[2m" : "", GAP, "");
	for (size_t i = 0; i < t->n_columns; i++)
		if (!l->shown[i]) {
			fprintf(f, "%s%s", comma, t->heads[i]);
			comma = ", ";
		}
	fprintf(f, " (wider terminal, or --json)%s\n", colour ? "\033[0m" : "");
}

int columns_print(const struct columns *t, FILE *f, const struct screen *screen)
{
	if (t->failed)
		return TM_ENOMEM;

	const struct layout l = layout_of(t, screen->width);
	heads_print(t, &l, screen->colour, f);
	for (size_t i = 0; i + t->n_columns <= t->n; i += t->n_columns) {
		for (size_t k = 0; k < t->n_columns; k++)
			if (l.shown[k])
				cell_print(&l, k, &t->cells[i + k], screen->colour, f);
		fputc('\n', f);
	}
	left_out_print(t, &l, screen->colour, f);
	return TM_OK;
}

/* --- sentences --- */

void text_wrapped(FILE *f, const char *text, size_t at, size_t indent, size_t width)
{
	const char *gap = "";

	for (;;) {
		text += strspn(text, " \n");
		size_t len = strcspn(text, " \n");
		char word[256];

		if (!len)
			break;
		snprintf(word, sizeof(word), "%.*s", (int)MIN(len, sizeof(word) - 1), text);
		if (*gap && at + 1 + text_width(word) > width) {
			fprintf(f, "\n%*s", (int)indent, "");
			at = indent;
			gap = "";
		}
		fprintf(f, "%s%s", gap, word);
		at += strlen(gap) + text_width(word);
		gap = " ";
		text += len;
	}
	fputc('\n', f);
}

void text_said(FILE *f, const char *text, const struct screen *screen)
{
	fputs("  ", f);
	text_wrapped(f, text, 2, 2, screen->width ? screen->width : SIZE_MAX);
}

size_t fact_width(const struct screen *screen)
{
	return screen->width ? screen->width : FACT_WIDTH;
}
