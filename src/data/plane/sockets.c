/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Sockets beside the one that every worker has. Each is a guest of one worker, in turn; all find it by its
 * number. Closing: out of the table and out of the crowd, then through the epoch, so that whoever found it
 * before is done with it when its descriptor closes.
 */
#include "data/plane/plane_private.h"

struct further_socket {
	struct guest guest; /* of: */
	struct worker *reader;
	struct numbered_socket numbered;
	struct epoch_retired retired;
};

static bool read_burst(struct worker *w, struct guest *g, unsigned what)
{
	const struct further_socket *s = CONTAINER_OF(g, struct further_socket, guest);

	(void)what; /* an error is read like a datagram, and then it is gone */
	return ingress_burst_from(w, s->numbered.udp, s->numbered.number);
}

static void free_socket(void *socket)
{
	struct further_socket *s = socket;

	udp_close(s->numbered.udp);
	free(s);
}

int plane_socket_open(struct plane *p, uint16_t port, uint32_t *ret_socket, uint16_t *ret_port)
{
	struct further_socket *s;
	struct diag d;
	int err;

	ON_CONTROL(p);
	s = calloc(1, sizeof(*s));
	if (!s)
		return TM_ENOMEM;

	p->further.port = port;
	s->guest.burst = read_burst;
	err = udp_open(&p->further, &s->numbered.udp, &d);
	if (!err)
		err = sockets_put(&p->sockets, &s->numbered);
	if (err) {
		free_socket(s);
		return err;
	}
	s->reader = &p->workers[s->numbered.number % p->n_workers];
	err = crowd_add(s->reader->crowd, udp_fd(s->numbered.udp), WAIT_READ, &s->guest);
	if (err) {
		plane_socket_close(p, s->numbered.number);
		return err;
	}
	*ret_socket = s->numbered.number;
	*ret_port = udp_port(s->numbered.udp);
	return TM_OK;
}

void plane_socket_close(struct plane *p, uint32_t socket)
{
	struct numbered_socket *numbered = sockets_take(&p->sockets, socket);
	struct further_socket *s;

	ON_CONTROL(p);
	if (!numbered)
		return;

	s = CONTAINER_OF(numbered, struct further_socket, numbered);
	crowd_remove(s->reader->crowd, udp_fd(numbered->udp));
	epoch_retire(&p->epoch, &s->retired, s, free_socket);
	event_wake(&p->events);
}

void plane_close_sockets(struct plane *p)
{
	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		const struct numbered_socket *s =
			atomic_load_explicit(&p->sockets.slot[i], memory_order_relaxed);

		if (s)
			plane_socket_close(p, s->number);
	}
}
