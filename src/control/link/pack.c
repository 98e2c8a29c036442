/* SPDX-License-Identifier: AGPL-3.0-or-later */
#define ZLIB_CONST /* its input is const, as it should be */

#include "control/link/pack.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <zlib.h>

#include "base/secret.h"

enum {
	SHORT = 2048, /* a text that is no longer needs little memory to be deflated */
	LONG = 64 << 10, /* one that is longer needs much time */
	FIRST_ROOM = 1024,
};

/* --- memory for zlib, whose windows hold the text: it is wiped --- */

struct room {
	size_t n;
	max_align_t bytes[];
};

static voidpf room_alloc(voidpf ctx UNUSED, uInt items, uInt size)
{
	size_t n = (size_t)items * size;
	struct room *r = malloc(sizeof(*r) + n);

	if (!r)
		return Z_NULL;
	r->n = n;
	return r->bytes;
}

static void room_free(voidpf ctx UNUSED, voidpf p)
{
	struct room *r = CONTAINER_OF(p, struct room, bytes);

	wipe(r, sizeof(*r) + r->n);
	free(r);
}

static void text_free(void *text, size_t n)
{
	if (text)
		wipe(text, n);
	free(text);
}

/* --- both ways --- */

/* Raw deflate, for a text of n bytes. The memory is what costs most with short ones: 32 kB instead of 256. */
static int deflater_init(z_stream *z, size_t n)
{
	int level = n > LONG ? 1 : 6, window = n > SHORT ? 15 : 12, memory = n > SHORT ? 8 : 5;

	*z = (z_stream){.zalloc = room_alloc, .zfree = room_free};
	if (deflateInit2(z, level, Z_DEFLATED, -window, memory, Z_DEFAULT_STRATEGY) != Z_OK)
		return TM_ENOMEM;
	if (deflateSetDictionary(z, (const Bytef *)pack_dictionary, (uInt)pack_dictionary_len) == Z_OK)
		return TM_OK;

	(void)deflateEnd(z);
	return TM_ECRYPTO;
}

/* out has room for n bytes. */
static int deflate_whole(const char *text, size_t n, uint8_t *out, size_t *ret_n)
{
	z_stream z;
	int err = deflater_init(&z, n);

	if (err)
		return err;

	z.next_in = (const Bytef *)text;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)n;
	bool whole = deflate(&z, Z_FINISH) == Z_STREAM_END;
	size_t len = n - z.avail_out;

	(void)deflateEnd(&z);
	*ret_n = len;
	return !whole || len == n || n > len * PACK_RATIO_MAX ? TM_ERANGE : TM_OK;
}

int pack(const char *text, size_t n, uint8_t **ret_packed, size_t *ret_n)
{
	if (n == 0 || n > INT_MAX)
		return TM_ERANGE;

	uint8_t *out = malloc(n);
	if (!out)
		return TM_ENOMEM;

	size_t len = 0;
	int err = deflate_whole(text, n, out, &len);
	uint8_t *fitting = err ? NULL : malloc(len);
	if (fitting) {
		memcpy(fitting, out, len);
		*ret_packed = fitting;
		*ret_n = len;
	} else if (!err) {
		err = TM_ENOMEM;
	}
	text_free(out, n);
	return err;
}

/* Room of twice the size, wiping the old. */
static int text_grow(char **text, size_t *cap, size_t len, size_t limit)
{
	size_t bigger = MIN(*cap ? *cap * 2 : (size_t)FIRST_ROOM, limit);
	char *grown = malloc(bigger + 1);

	if (!grown)
		return TM_ENOMEM;
	if (*text)
		memcpy(grown, *text, len);
	text_free(*text, len);
	*text = grown;
	*cap = bigger;
	return TM_OK;
}

/* Inflates all of z's input into *text, which grows up to `limit` bytes. TM_EFULL: there would be more. */
static int inflate_whole(z_stream *z, size_t limit, char **text, size_t *len)
{
	size_t cap = 0;

	for (;;) {
		int err = *len == cap ? text_grow(text, &cap, *len, limit) : TM_OK;
		if (err)
			return err;

		z->next_out = (Bytef *)*text + *len;
		z->avail_out = (uInt)(cap - *len);
		int status = inflate(z, Z_NO_FLUSH);
		*len = cap - z->avail_out;
		if (status == Z_STREAM_END)
			return z->avail_in == 0 ? TM_OK : TM_EBADMSG;
		if (status != Z_OK && !(status == Z_BUF_ERROR && z->avail_out == 0))
			return TM_EBADMSG;
		if (z->avail_in == 0 && z->avail_out > 0)
			return TM_EBADMSG; /* it ends in the middle */
		if (*len == limit)
			return TM_EFULL;
	}
}

int unpack(const uint8_t *packed, size_t n, size_t max, char **ret_text, size_t *ret_n)
{
	size_t limit = MIN(max, n * PACK_RATIO_MAX), len = 0;
	z_stream z = {.zalloc = room_alloc, .zfree = room_free};
	char *text = NULL;

	if (n == 0 || n > INT_MAX)
		return TM_EBADMSG;

	z.next_in = packed;
	z.avail_in = (uInt)n;
	if (inflateInit2(&z, -15) != Z_OK)
		return TM_ENOMEM;

	int err = inflateSetDictionary(&z, (const Bytef *)pack_dictionary, (uInt)pack_dictionary_len) == Z_OK
			  ? inflate_whole(&z, limit, &text, &len)
			  : TM_ENOMEM;
	(void)inflateEnd(&z);
	if (err) {
		text_free(text, len);
		return err == TM_EFULL && limit < max ? TM_EBADMSG : err;
	}
	text[len] = '\0';
	*ret_text = text;
	*ret_n = len;
	return TM_OK;
}
