/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Aligned columns: as wide as their widest cell, never cut. An allocation failure is sticky and reported by
 * columns_print. */
#ifndef TM_CLI_CORE_COLUMNS_H
#define TM_CLI_CORE_COLUMNS_H

#include <stdio.h>

#include "base/err.h"
#include "base/util.h"

struct columns {
	const char *const *heads;
	size_t n_columns;
	char **cells; /* row after row; owned */
	size_t n, cap;
	bool failed;
};

void columns_init(struct columns *t, const char *const *heads, size_t n_columns);
void columns_deinit(struct columns *t);
/* The next cell; NULL or "" is shown as "-". Control characters are replaced. */
void columns_cell(struct columns *t, const char *text);
void columns_cellf(struct columns *t, const char *fmt, ...) PRINTF(2, 3);
NODISCARD int columns_print(const struct columns *t, FILE *f, bool colour);

/* Columns on screen: UTF-8 characters, not bytes. */
size_t text_width(const char *s);

#endif
