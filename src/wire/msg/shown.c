/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/msg/shown.h"

#include "mesh/jsonin.h"

static const char *text_or_nothing(const json_t *j)
{
	const char *s = jsonin_string(j);

	return s ? s : "";
}

const char *msg_shown_text(const msg_object *o, const char *key)
{
	return text_or_nothing(json_object_get(o, key));
}

int64_t msg_shown_int(const msg_object *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

double msg_shown_number(const msg_object *o, const char *key)
{
	const json_t *j = json_object_get(o, key);

	return json_is_number(j) ? json_number_value(j) : -1;
}

bool msg_shown_true(const msg_object *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

bool msg_shown_false(const msg_object *o, const char *key)
{
	return json_is_false(json_object_get(o, key));
}

const msg_object *msg_shown_object(const msg_object *o, const char *key)
{
	const json_t *j = json_object_get(o, key);

	return json_is_object(j) ? j : NULL;
}

const msg_object *msg_shown_member(const msg_object *o, const char *key, size_t *at)
{
	const json_t *list = json_object_get(o, key);

	while (*at < json_array_size(list)) {
		const json_t *j = json_array_get(list, (*at)++);

		if (json_is_object(j))
			return j;
	}
	return NULL;
}

const char *msg_shown_word(const msg_object *o, const char *key, size_t *at)
{
	const json_t *list = json_object_get(o, key);

	while (*at < json_array_size(list)) {
		const char *s = jsonin_string(json_array_get(list, (*at)++));

		if (s)
			return s;
	}
	return NULL;
}

size_t msg_shown_count(const msg_object *o, const char *key)
{
	return json_array_size(json_object_get(o, key));
}
