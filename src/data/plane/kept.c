/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/kept.h"

#include <string.h>

int kept_new(struct kept **ret_kept)
{
	/* Not cleared: pages that nothing was written to cost nothing. */
	struct kept *k = malloc(sizeof(*k));

	if (!k)
		return TM_ENOMEM;
	k->first = k->n = 0;
	k->end = 0;
	*ret_kept = k;
	return TM_OK;
}

static void forget_oldest(struct kept *k)
{
	k->first = (k->first + 1) % KEPT_MESSAGES;
	k->n--;
}

/* Forgets all that lie in these bytes. Messages lie in the order in which they came, so those are the oldest.
 */
static void clear(struct kept *k, size_t from, size_t to)
{
	while (k->n) {
		const struct kept_message *oldest = &k->v[k->first];

		if (oldest->place >= to || oldest->place + KEPT_HEADROOM + oldest->n <= from)
			return;
		forget_oldest(k);
	}
}

void kept_put(
	struct kept *k, const struct peer *peer, const uint8_t *message, size_t n, uint8_t tos, ns_t now)
{
	const size_t need = KEPT_HEADROOM + n;

	if (n > UINT16_MAX)
		return;
	if (k->end + need > KEPT_BYTES) {
		clear(k, k->end, KEPT_BYTES);
		k->end = 0;
	}
	clear(k, k->end, k->end + need);
	if (k->n == KEPT_MESSAGES)
		forget_oldest(k);

	struct kept_message *m = &k->v[(k->first + k->n++) % KEPT_MESSAGES];
	*m = (struct kept_message){
		.peer = peer, .at = now, .place = (uint32_t)k->end, .n = (uint16_t)n, .tos = tos};
	memcpy(kept_bytes(k, m), message, n);
	k->end += need;
}

const struct kept_message *kept_next(const struct kept *k, const struct peer *peer, ns_t since, unsigned *i)
{
	while (*i < k->n) {
		const struct kept_message *m = &k->v[(k->first + (*i)++) % KEPT_MESSAGES];

		if (m->peer == peer && m->at >= since)
			return m;
	}
	return NULL;
}
