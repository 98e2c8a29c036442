/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/client_hello.h"

#include <string.h>

enum { RECORD_HEAD = 5, RECORD_MAX = (16 << 10) + 256, TYPE_CLIENT_HELLO = 1 };

static size_t record_length(const struct client_hello *g)
{
	return (size_t)g->head[3] << 8 | g->head[4];
}

/* How much of a head is to be read: that of a handshake message too, where the record is one. */
static size_t head_length(const struct client_hello *g)
{
	return g->n >= 1 && g->head[0] == CLIENT_HELLO_TLS ? CLIENT_HELLO_HEADS : RECORD_HEAD;
}

static int judge(struct client_hello *g)
{
	size_t length = record_length(g);

	if (g->head[1] != 3 || length == 0 || length > RECORD_MAX) /* the major version of all TLS */
		return TM_EBADMSG;
	if (g->head[0] != CLIENT_HELLO_TLS) {
		if (g->hellos == 0)
			return TM_EBADMSG;
		g->left = length;
		return TM_OK;
	}
	/* The head of a message may be spread over records, and no client does that. */
	if (length < CLIENT_HELLO_HEADS - RECORD_HEAD || g->head[5] != TYPE_CLIENT_HELLO)
		return TM_EBADMSG;
	if (((size_t)g->head[6] << 16 | (size_t)g->head[7] << 8 | g->head[8]) > CLIENT_HELLO_MAX)
		return TM_ERANGE;
	g->hellos++;
	g->left = length - (CLIENT_HELLO_HEADS - RECORD_HEAD);
	return TM_OK;
}

int client_hello_read(struct client_hello *g, const uint8_t *p, size_t n)
{
	while (n > 0) {
		if (g->left) {
			size_t skip = MIN(n, g->left);

			g->left -= skip;
			p += skip;
			n -= skip;
			continue;
		}
		g->head[g->n++] = *p++;
		n--;
		if (g->n < head_length(g))
			continue;

		int err = judge(g);
		if (err)
			return err;
		g->n = 0;
	}
	return TM_OK;
}
