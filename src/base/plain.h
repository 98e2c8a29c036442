/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Text from elsewhere, made fit to be shown. What steers a terminal, turns the line round, hides, or is no
 * UTF-8 at all is not: C0 and C1 controls (a tab and a line's end too), marks of direction, separators of
 * lines, invisible formatting, raw bytes. Pure.
 */
#ifndef TM_BASE_PLAIN_H
#define TM_BASE_PLAIN_H

#include "base/util.h"

/* Length of the UTF-8 sequence at s and what it means (RFC 3629: shortest form, no surrogates, to U+10FFFF);
 * 0 = none.
 */
size_t utf8_decode(const char *s, uint32_t *ret_c);
/* How many bytes the character has with which s begins; 0: its first byte must not be shown. Not at the end.
 */
size_t plain_char(const char *s);
bool plain_is(const char *s); /* all of it */
char *plain_make(char *s); /* in place: every byte that must not be shown becomes '?'. Returns s. */

/* What somebody typed made fit for a sentence (and for JSON): printable ASCII, not too long. Returns buf. */
enum { PLAIN_QUOTE_LEN = 64 };
const char *plain_quote(const char *s, char buf[static PLAIN_QUOTE_LEN]);

#endif
