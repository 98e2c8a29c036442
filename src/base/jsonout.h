/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * JSON text written straight into a string, without a tree: commas and quotes are put where they belong. A
 * key is a literal of ours; NULL inside a list and for the outermost value. Failures are sticky: write
 * freely, test jsonout_take's NULL once. One value at a time, properly nested.
 */
#ifndef TM_BASE_JSONOUT_H
#define TM_BASE_JSONOUT_H

#include "base/strbuf.h"

struct jsonout {
	struct strbuf b;
	bool comma; /* the next member needs one before it */
};

void jsonout_deinit(struct jsonout *o);

void jsonout_object(struct jsonout *o, const char *key); /* until jsonout_object_end */
void jsonout_object_end(struct jsonout *o);
void jsonout_list(struct jsonout *o, const char *key); /* until jsonout_list_end */
void jsonout_list_end(struct jsonout *o);

/* Any bytes: what is not UTF-8 becomes '?'. */
void jsonout_text(struct jsonout *o, const char *key, const char *s);
void jsonout_int(struct jsonout *o, const char *key, int64_t v);
void jsonout_null(struct jsonout *o, const char *key);
/* null for "" and 0, where they mean that there is none. */
void jsonout_text_or_null(struct jsonout *o, const char *key, const char *s);
void jsonout_int_or_null(struct jsonout *o, const char *key, int64_t v);
void jsonout_bool(struct jsonout *o, const char *key, bool v);
void jsonout_base64(struct jsonout *o, const char *key, const void *p, size_t n);
void jsonout_hex(struct jsonout *o, const char *key, const void *p, size_t n);
/* The members of an object that is JSON already, n bytes with its braces, into the one that is open. */
void jsonout_members(struct jsonout *o, const char *object, size_t n);
/* n bytes that are a JSON value already. */
void jsonout_raw(struct jsonout *o, const char *key, const char *json, size_t n);

/* The text; NULL when out of memory. *ret_n may be NULL. */
NODISCARD char *jsonout_take(struct jsonout *o, size_t *ret_n);

#endif
