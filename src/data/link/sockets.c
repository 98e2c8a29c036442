/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/link/sockets.h"

int sockets_put(struct sockets *s, struct numbered_socket *who)
{
	/* One lap, past 0, which is everybody's own. */
	for (uint32_t number = s->last + 1, i = 0; i < SOCKETS_MAX; i++, number++) {
		_Atomic(struct numbered_socket *) *slot = &s->slot[number % SOCKETS_MAX];

		if (number == 0 || atomic_load_explicit(slot, memory_order_relaxed))
			continue;
		who->number = s->last = number;
		atomic_store_explicit(slot, who, memory_order_release);
		return TM_OK;
	}
	return TM_EFULL;
}

struct numbered_socket *sockets_take(struct sockets *s, uint32_t number)
{
	struct numbered_socket *who =
		atomic_load_explicit(&s->slot[number % SOCKETS_MAX], memory_order_relaxed);

	if (!who || who->number != number)
		return NULL;

	atomic_store_explicit(&s->slot[number % SOCKETS_MAX], NULL, memory_order_release);
	return who;
}
