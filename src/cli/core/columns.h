/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Aligned columns: as wide as their widest cell, which is never cut. Where the screen is too narrow for all,
 * whole columns are left out: from the left each that still fits is shown, so the most telling come first. An
 * allocation failure is sticky and reported by columns_print.
 */
#ifndef TM_CLI_CORE_COLUMNS_H
#define TM_CLI_CORE_COLUMNS_H

#include <stdio.h>

#include "base/err.h"
#include "base/util.h"

enum { COLUMNS_MAX = 16 };

/* What something is printed for. Zero: for no terminal. */
struct screen {
	bool colour;
	unsigned width; /* characters; 0 = however many there are */
};

/* What a cell is to the one who looks. */
enum tone { TONE_PLAIN, TONE_GOOD, TONE_DOUBT, TONE_BAD };

struct columns {
	const char *const *heads;
	size_t n_columns; /* COLUMNS_MAX at most */
	struct cell {
		char *text; /* owned */
		enum tone tone;
	} * cells; /* row after row; owned */
	size_t n, cap;
	bool failed;
};

void columns_init(struct columns *t, const char *const *heads, size_t n_columns);
void columns_deinit(struct columns *t);
/* The next cell; NULL or "" is shown as "-". Control characters are replaced. */
void columns_cell(struct columns *t, const char *text);
void columns_tone(struct columns *t, const char *text, enum tone tone);
void columns_cellf(struct columns *t, const char *fmt, ...) PRINTF(2, 3);
NODISCARD int columns_print(const struct columns *t, FILE *f, const struct screen *screen);

/* A fact: two blanks, a label, and a text that may take several lines (text_wrapped). */
enum { FACT_LABEL = 13, FACT_INDENT = 2 + FACT_LABEL };
/* How wide these are: as the screen; where that has no end, as most are. */
size_t fact_width(const struct screen *screen);

/* Columns on screen: UTF-8 characters, not bytes. */
size_t text_width(const char *s);

/* The words of a text in lines of at most `width` characters, the first from column `at`, the others behind
 * `indent` blanks; and a newline. */
void text_wrapped(FILE *f, const char *text, size_t at, size_t indent, size_t width);
/* The same, two columns in, as wide as the screen; one line where that has no end. */
void text_said(FILE *f, const char *text, const struct screen *screen);

#endif
