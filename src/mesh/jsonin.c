/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/jsonin.h"

#include "base/encode.h"
#include "base/plain.h"
#include "base/secret.h"

#include <string.h>

enum { BYTES_MAX = 64 };

const char *jsonin_string(const json_t *v)
{
	const char *s = json_string_value(v);

	return s && strlen(s) == json_string_length(v) ? s : NULL;
}

static bool is_shown(const char *s)
{
	return s[0] && plain_is(s);
}

int jsonin_word(const json_t *j, const char *key, bool (*valid)(const char *), char *ret_text, size_t size)
{
	const char *s = jsonin_string(json_object_get(j, key));

	if (!s || strlen(s) >= size || !valid(s))
		return TM_EBADMSG;

	memcpy(ret_text, s, strlen(s) + 1);
	return TM_OK;
}

int jsonin_text(const json_t *j, const char *key, char *ret_text, size_t size)
{
	return jsonin_word(j, key, is_shown, ret_text, size);
}

int jsonin_int(const json_t *j, const char *key, int64_t low, int64_t high, int64_t *ret_v)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_integer(v) || json_integer_value(v) < low || json_integer_value(v) > high)
		return TM_EBADMSG;

	*ret_v = json_integer_value(v);
	return TM_OK;
}

int jsonin_int_if(const json_t *j, const char *key, int64_t low, int64_t high, int64_t *v)
{
	return json_object_get(j, key) ? jsonin_int(j, key, low, high, v) : TM_OK;
}

int jsonin_u64(const json_t *j, const char *key, uint64_t *ret_v)
{
	int64_t v;

	int err = jsonin_int(j, key, 0, INT64_MAX, &v);
	if (!err)
		*ret_v = (uint64_t)v;
	return err;
}

int jsonin_bool(const json_t *j, const char *key, bool *ret_v)
{
	const json_t *v = json_object_get(j, key);

	if (v && !json_is_boolean(v))
		return TM_EBADMSG;

	*ret_v = json_is_true(v);
	return TM_OK;
}

int jsonin_base64(const json_t *j, const char *key, uint8_t *ret_bytes, size_t n)
{
	const char *s = jsonin_string(json_object_get(j, key));
	uint8_t bytes[BYTES_MAX];
	size_t got;

	if (!s || n > sizeof(bytes) || base64_decode(s, strlen(s), bytes, n, &got) != TM_OK || got != n)
		return TM_EBADMSG;

	memcpy(ret_bytes, bytes, n);
	wipe(bytes, sizeof(bytes));
	return TM_OK;
}

int jsonin_hex(const json_t *j, const char *key, uint8_t *ret_bytes, size_t n)
{
	const char *s = jsonin_string(json_object_get(j, key));
	uint8_t bytes[BYTES_MAX];

	if (!s || n > sizeof(bytes) || hex_decode(s, strlen(s), bytes, n) != TM_OK)
		return TM_EBADMSG;

	memcpy(ret_bytes, bytes, n);
	wipe(bytes, sizeof(bytes));
	return TM_OK;
}

int jsonin_key(const json_t *j, const char *key, uint8_t ret_key[static 32])
{
	uint8_t bytes[32];

	int err = jsonin_base64(j, key, bytes, sizeof(bytes));
	if (!err && ct_is_zero(bytes, sizeof(bytes)))
		err = TM_EBADMSG;
	if (!err)
		memcpy(ret_key, bytes, sizeof(bytes));
	wipe(bytes, sizeof(bytes));
	return err;
}
