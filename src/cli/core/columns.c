/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/columns.h"

#include <stdarg.h>
#include <string.h>

#include "base/plain.h"

void columns_init(struct columns *t, const char *const *heads, size_t n_columns)
{
	*t = (struct columns){.heads = heads, .n_columns = n_columns};
}

void columns_deinit(struct columns *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct columns){0};
}

static void cell_take(struct columns *t, char *text_take)
{
	if (t->n == t->cap && !t->failed) {
		size_t cap = t->cap ? t->cap * 2 : 64;
		char **cells = reallocarray(t->cells, cap, sizeof(*cells));

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
	t->cells[t->n++] = plain_make(text_take);
}

void columns_cell(struct columns *t, const char *text)
{
	cell_take(t, strdup(text && *text ? text : "-"));
}

void columns_cellf(struct columns *t, const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	va_end(ap);
	cell_take(t, s);
}

size_t text_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80; /* continuation bytes have no width */
	return n;
}

static void row_print(const struct columns *t, const char *const *row, const size_t *width, FILE *f)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		size_t pad = i + 1 < t->n_columns ? width[i] - text_width(row[i]) : 0;

		fprintf(f, "  %s%*s", row[i], (int)pad, "");
	}
}

int columns_print(const struct columns *t, FILE *f, bool colour)
{
	_cleanup_(freep) size_t *width = calloc(t->n_columns, sizeof(*width));

	if (!width || t->failed)
		return TM_ENOMEM;

	for (size_t i = 0; i < t->n_columns; i++)
		width[i] = text_width(t->heads[i]);
	for (size_t i = 0; i < t->n; i++)
		width[i % t->n_columns] = MAX(width[i % t->n_columns], text_width(t->cells[i]));

	fputs(colour ? "\033[2m" : "", f);
	row_print(t, t->heads, width, f);
	fputs(colour ? "\033[0m\n" : "\n", f);
	for (size_t i = 0; i + t->n_columns <= t->n; i += t->n_columns) {
		row_print(t, (const char *const *)t->cells + i, width, f);
		fputc('\n', f);
	}
	return TM_OK;
}
