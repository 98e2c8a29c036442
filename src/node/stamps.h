/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node remembers of every peer against replays, as text for a file: one line "base64 key, handshake
 * stamp in hex, check stamp in hex" per peer. What cannot be read is left out: the worst that a lost line
 * allows is one answer to one recording.
 */
#ifndef TM_NODE_STAMPS_H
#define TM_NODE_STAMPS_H

#include "base/err.h"
#include "base/strbuf.h"
#include "data/plane/plane.h"

struct stamps {
	uint8_t handshake[PLANE_STAMP]; /* TAI64N, all zero = none */
	uint64_t check; /* of STUN checks, see wire/stun.h; 0 = none */
};

void stamps_add(struct strbuf *b, const uint8_t key[static 32], const struct stamps *s);
/* Calls found() for each well-formed line. */
void stamps_parse(const char *text, size_t n,
	void (*found)(void *ctx, const uint8_t key[static 32], const struct stamps *s), void *ctx);

#endif
