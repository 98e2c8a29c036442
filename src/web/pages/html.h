/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * HTML, by one door: the format is ours, and what it is filled with is escaped, for text between tags and for
 * values of attributes in double quotes. What must not be shown (base/plain.h) becomes '?', so that no name
 * turns a line round. Failures are sticky, as in base/strbuf.h. Pure.
 */
#ifndef TM_WEB_PAGES_HTML_H
#define TM_WEB_PAGES_HTML_H

#include "base/strbuf.h"

/* As printf, with %s, %d, %u, %zu, %lld, %llu, %.1f and %% alone; another one is a programmer's mistake. */
void html_put(struct strbuf *out, const char *fmt, ...) PRINTF(2, 3);
/* Text of many lines: ends of lines, which become LF, and tabs stay. */
void html_put_lines(struct strbuf *out, const char *text);
/* A part of a URL's path or query: all but letters, digits, '-', '_' and '.' in percent. */
void html_put_url(struct strbuf *out, const char *text);

#endif
