/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/text.h"

#include <string.h>

/*
 * Counts nesting and separators without building anything: a value costs jansson some fifty bytes, so that 16
 * MiB of "[[[[" or "0,0,0," would otherwise cost half a gigabyte. Only bounds are judged here, the grammar is
 * jansson's.
 */
static const char *shape_fault(const char *text, size_t n)
{
	size_t depth = 0, values = 1;
	bool quoted = false;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (quoted) {
			if (c == '\\')
				i++;
			else if (c == '"')
				quoted = false;
			continue;
		}
		switch (c) {
		case '"':
			quoted = true;
			break;
		case '{':
		case '[':
			if (++depth > TEXT_DEPTH_MAX)
				return "it is nested too deep";
			values++;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
			values++;
			break;
		default:
			break;
		}
		if (values > TEXT_VALUES_MAX)
			return "it has too many values";
	}
	return NULL;
}

int text_parse(const char *text, size_t n, json_t **ret_json, const char **ret_why)
{
	json_error_t e;

	*ret_why = shape_fault(text, n);
	if (*ret_why)
		return TM_EBADMSG;

	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
	if (!j) {
		bool twice = json_error_code(&e) == json_error_duplicate_key;

		*ret_why = twice ? "a key stands in it twice" : "it is not JSON";
		return TM_EBADMSG;
	}
	if (!json_is_object(j)) {
		json_decref(j);
		*ret_why = "it is not a JSON object";
		return TM_EBADMSG;
	}
	*ret_json = j;
	return TM_OK;
}
