/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* os/crowd.h by epoll(7), level-triggered: who has more is named again. */
#include "os/crowd.h"

#include "os/wait.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

struct crowd {
	int fd;
};

int crowd_new(struct crowd **ret_crowd)
{
	struct crowd *c = malloc(sizeof(*c));

	if (!c)
		return TM_ENOMEM;

	c->fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->fd < 0) {
		int err = tm_err_from_errno(errno);

		free(c);
		return err;
	}
	*ret_crowd = c;
	return TM_OK;
}

void crowd_free(struct crowd *c)
{
	if (!c)
		return;
	close(c->fd);
	free(c);
}

int crowd_fd(const struct crowd *c)
{
	return c->fd;
}

static struct epoll_event event_of(unsigned what, void *who)
{
	return (struct epoll_event){
		.events = (what & WAIT_READ ? EPOLLIN : 0u) | (what & WAIT_WRITE ? EPOLLOUT : 0u),
		.data.ptr = who,
	};
}

int crowd_add(struct crowd *c, int fd, unsigned what, void *who)
{
	struct epoll_event e = event_of(what, who);

	return epoll_ctl(c->fd, EPOLL_CTL_ADD, fd, &e) ? tm_err_from_errno(errno) : TM_OK;
}

void crowd_change(struct crowd *c, int fd, unsigned what, void *who)
{
	struct epoll_event e = event_of(what, who);

	epoll_ctl(c->fd, EPOLL_CTL_MOD, fd, &e);
}

void crowd_remove(struct crowd *c, int fd)
{
	epoll_ctl(c->fd, EPOLL_CTL_DEL, fd, NULL);
}

size_t crowd_ready(struct crowd *c, struct crowd_ready *v, size_t n)
{
	struct epoll_event e[CROWD_READY_MAX];
	int got = epoll_wait(c->fd, e, (int)n, 0);

	for (int i = 0; i < got; i++)
		v[i] = (struct crowd_ready){
			.who = e[i].data.ptr,
			.what = (e[i].events & EPOLLIN ? WAIT_READ : 0u) |
				(e[i].events & EPOLLOUT ? WAIT_WRITE : 0u) |
				(e[i].events & (EPOLLERR | EPOLLHUP) ? WAIT_BROKEN : 0u),
		};
	return got > 0 ? (size_t)got : 0;
}
