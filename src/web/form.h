/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * application/x-www-form-urlencoded (URL standard, 5): queries and posted forms. What is no UTF-8 once it is
 * decoded, holds a NUL, or has an escape that is none, is refused. Pure; private to web/.
 */
#ifndef TM_WEB_FORM_H
#define TM_WEB_FORM_H

#include "base/err.h"
#include "base/util.h"

enum { WEB_FORM_FIELDS = 64 };

struct web_form {
	char *text; /* one allocation for all names and values */
	size_t text_bytes;
	size_t n;
	struct {
		const char *name, *value;
	} fields[WEB_FORM_FIELDS];
};

/* TM_EBADMSG, TM_EFULL: more fields than that. */
NODISCARD int web_form_parse(const char *p, size_t n, struct web_form *ret_form);
void web_form_deinit(struct web_form *f); /* wipes: passwords come by forms */
const char *web_form_get(const struct web_form *f, const char *name); /* the first of the name, or NULL */

/* Decodes into out, which holds n + 1 bytes; plus: '+' is a space. Control characters only where `lines`
 * allows ends of lines and tabs. */
NODISCARD int web_decode(const char *p, size_t n, bool plus, bool lines, char *out);

#endif
