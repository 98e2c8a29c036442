/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What some C libraries have for texts, bytes and arrays, and others do not: searching, splitting, printing
 * into memory, resizing. Pure; any thread. */
#ifndef TM_BASE_TEXT_H
#define TM_BASE_TEXT_H

#include <stdarg.h>

#include "base/util.h"

/* The first place where these bytes are, NULL when they are nowhere. No bytes are at the start. */
const void *bytes_find(const void *p, size_t n, const void *what, size_t what_len);
/* The last byte of that value; NULL. */
const void *bytes_find_last(const void *p, int byte, size_t n);
/* Is it in that text, but for the case of ASCII letters? */
bool text_has(const char *text, const char *part);
/*
 * The next word of *rest, cut off in place at the first of these characters, and *rest goes behind that. NULL
 * when nothing is left: the last word makes *rest NULL, so between two separators is a word, "", too.
 */
char *text_split(char **rest, const char *separators);
/* To be freed; NULL when there is no memory. */
char *text_printf(const char *fmt, ...) PRINTF(1, 2);
char *text_vprintf(const char *fmt, va_list ap) PRINTF(1, 0);
/* realloc() for n things of that size: NULL, and p stays, also where the product is beyond all memory. */
NODISCARD void *array_resize(void *p, size_t n, size_t size);

#endif
