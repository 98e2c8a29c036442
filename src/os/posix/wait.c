/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* os/wait.h by poll(2): a worker waits for a handful of sources, for which nothing is faster. */
#include "os/wait.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>

struct wait_set {
	struct pollfd *v; /* one per place; fd negative: nothing is asked */
	int *fd; /* the descriptor of each place, -1 = the place is free */
	size_t n, cap;
};

int wait_set_new(struct wait_set **ret_set)
{
	struct wait_set *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;

	*ret_set = s;
	return TM_OK;
}

void wait_set_free(struct wait_set *s)
{
	if (!s)
		return;

	free(s->v);
	free(s->fd);
	free(s);
}

static int grow(struct wait_set *s)
{
	size_t cap = s->cap ? 2 * s->cap : 8;
	struct pollfd *v = realloc(s->v, cap * sizeof(*v));
	int *fd;

	if (!v)
		return TM_ENOMEM;

	s->v = v;
	fd = realloc(s->fd, cap * sizeof(*fd));
	if (!fd)
		return TM_ENOMEM;

	s->fd = fd;
	s->cap = cap;
	return TM_OK;
}

int wait_add(struct wait_set *s, int fd, unsigned what, size_t *ret_place)
{
	size_t place = 0;

	while (place < s->n && s->fd[place] >= 0)
		place++;
	if (place == s->cap) {
		int err = grow(s);

		if (err)
			return err;
	}
	if (place == s->n)
		s->n++;
	s->fd[place] = fd;
	s->v[place] = (struct pollfd){.fd = -1};
	wait_change(s, place, what);
	*ret_place = place;
	return TM_OK;
}

void wait_change(struct wait_set *s, size_t place, unsigned what)
{
	struct pollfd *p = &s->v[place];

	assert(place < s->n && s->fd[place] >= 0);
	p->fd = what ? s->fd[place] : -1;
	p->events = (short)((what & WAIT_READ ? POLLIN : 0) | (what & WAIT_WRITE ? POLLOUT : 0));
	if (!what)
		p->revents = 0;
}

void wait_remove(struct wait_set *s, size_t place)
{
	wait_change(s, place, 0);
	s->fd[place] = -1;
}

void wait_until_ready(struct wait_set *s, ns_t timeout)
{
	if (poll(s->v, s->n, time_poll_ms(0, timeout)) >= 0)
		return;

	/* A signal: poll left in revents what it found the last time. */
	for (size_t i = 0; i < s->n; i++)
		s->v[i].revents = 0;
}

unsigned wait_ready(const struct wait_set *s, size_t place)
{
	short r = s->v[place].revents;

	return (r & POLLIN ? WAIT_READ : 0u) | (r & POLLOUT ? WAIT_WRITE : 0u) |
	       (r & (POLLERR | POLLHUP | POLLNVAL) ? WAIT_BROKEN : 0u);
}
