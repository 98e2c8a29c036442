/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Aligned columns: as wide as their widest cell, never cut. An allocation failure is sticky and reported by
 * table_print. */
#ifndef TM_CLI_CORE_TABLE_H
#define TM_CLI_CORE_TABLE_H

#include <stdio.h>

#include "base/err.h"
#include "base/util.h"

struct table {
	const char *const *heads;
	size_t columns;
	char **cells; /* row after row; owned */
	size_t n, cap;
	bool failed;
};

void table_init(struct table *t, const char *const *heads, size_t columns);
void table_deinit(struct table *t);
/* The next cell; NULL or "" is shown as "-". Control characters are replaced. */
void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *fmt, ...) PRINTF(2, 3);
NODISCARD int table_print(const struct table *t, FILE *f, bool colour);

/* Columns on screen: UTF-8 characters, not bytes. */
size_t text_width(const char *s);

#endif
