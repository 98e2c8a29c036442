/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The deflated form of a message: a raw deflate stream (RFC 1951) whose dictionary both sides know beforehand
 * (control/link/dictionary.c), because most messages are short and all say the same words. Pure.
 */
#ifndef TM_CONTROL_LINK_PACK_H
#define TM_CONTROL_LINK_PACK_H

#include "base/err.h"
#include "base/util.h"

enum {
	PACK_VERSION = 1, /* "deflate" of the Noise payload: names the dictionary */
	/* No text of ours shrinks more: whatever claims to is a bomb. Deflate itself could do 1032. */
	PACK_RATIO_MAX = 64,
};

/* In allocated memory, the caller's. TM_ERANGE: it would not be shorter, or too short for PACK_RATIO_MAX. */
NODISCARD int pack(const char *text, size_t n, uint8_t **ret_packed, size_t *ret_n);
/* The text, NUL-terminated, at most max bytes; the caller wipes and frees it. TM_EFULL: longer than max;
 * TM_EBADMSG: no deflate stream, something behind it, or a bomb. */
NODISCARD int unpack(const uint8_t *packed, size_t n, size_t max, char **ret_text, size_t *ret_n);

/* The most frequent last, where it is found most cheaply. */
extern const char pack_dictionary[];
extern const size_t pack_dictionary_len;

#endif
