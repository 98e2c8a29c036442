/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A growing string. An allocation failure is sticky: append freely, test `failed` (or strbuf_take's NULL)
 * once. What it holds may be secret: memory that it gives back is wiped. */
#ifndef TM_BASE_STRBUF_H
#define TM_BASE_STRBUF_H

#include "base/util.h"

struct strbuf {
	char *s; /* NUL-terminated; NULL while empty */
	size_t len, cap;
	bool failed;
};

void strbuf_deinit(struct strbuf *b);
void strbuf_add(struct strbuf *b, const char *s, size_t n);
void strbuf_puts(struct strbuf *b, const char *s);
void strbuf_printf(struct strbuf *b, const char *fmt, ...) PRINTF(2, 3);
/* The string, owned by the caller (free(), after wiping a secret); never NULL unless an allocation failed. b
 * is empty afterwards. */
NODISCARD char *strbuf_take(struct strbuf *b);

#endif
