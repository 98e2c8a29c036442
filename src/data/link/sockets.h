/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The UDP sockets beside the one that each thread has of its own (number 0), shared by all. The control
 * thread puts them in and takes them out; any thread finds one by its number, without a lock, and may use it
 * until its next quiescent point (base/epoch.h), by which its owner closes it.
 */
#ifndef TM_DATA_LINK_SOCKETS_H
#define TM_DATA_LINK_SOCKETS_H

#include "os/udp.h"

#include <stdatomic.h>

enum { SOCKETS_MAX = 512 };

/* Embedded in what its owner knows of the socket. */
struct numbered_socket {
	uint32_t number;
	struct udp *udp;
};

struct sockets {
	uint32_t last; /* control thread: number that was given last */
	_Atomic(struct numbered_socket *) slot[SOCKETS_MAX]; /* by number modulo SOCKETS_MAX */
};

/* Gives it a number that nobody had for as long as possible. TM_EFULL. */
NODISCARD int sockets_put(struct sockets *s, struct numbered_socket *who);
/* Nobody finds it any more; NULL: there is none of this number. */
struct numbered_socket *sockets_take(struct sockets *s, uint32_t number);

/* NULL: there is none. */
static inline struct udp *sockets_find(const struct sockets *s, uint32_t number)
{
	const struct numbered_socket *who =
		atomic_load_explicit(&s->slot[number % SOCKETS_MAX], memory_order_acquire);

	return who && who->number == number ? who->udp : NULL;
}

#endif
