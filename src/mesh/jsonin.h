/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reading members of JSON objects that came from elsewhere: each function checks type, bounds and form, and
 * writes its result only when all is well. TM_EBADMSG when the member is absent or wrong, unless it says
 * otherwise. For the folders that hold formats in JSON; nobody else touches the tree.
 */
#ifndef TM_MESH_JSONIN_H
#define TM_MESH_JSONIN_H

#include "base/err.h"
#include "base/util.h"

#include <jansson.h>

/* The text of a string value without embedded zero bytes; NULL for anything else. Borrowed. */
const char *jsonin_string(const json_t *v);
/* Text of 1 to size - 1 bytes that is fit to be shown (base/plain.h). */
NODISCARD int jsonin_text(const json_t *j, const char *key, char *ret_text, size_t size);
/* The same with a rule; the rule alone decides. */
NODISCARD int jsonin_word(
	const json_t *j, const char *key, bool (*valid)(const char *), char *ret_text, size_t size);
NODISCARD int jsonin_int(const json_t *j, const char *key, int64_t low, int64_t high, int64_t *ret_v);
/* Absent: *v stays. */
NODISCARD int jsonin_int_if(const json_t *j, const char *key, int64_t low, int64_t high, int64_t *v);
NODISCARD int jsonin_u64(const json_t *j, const char *key, uint64_t *ret_v); /* up to INT64_MAX */
NODISCARD int jsonin_bool(const json_t *j, const char *key, bool *ret_v); /* absent = false */
NODISCARD int jsonin_base64(const json_t *j, const char *key, uint8_t *ret_bytes, size_t n); /* exactly n */
NODISCARD int jsonin_hex(const json_t *j, const char *key, uint8_t *ret_bytes, size_t n);
/* 32 bytes that are not all zero. */
NODISCARD int jsonin_key(const json_t *j, const char *key, uint8_t ret_key[static 32]);

#endif
