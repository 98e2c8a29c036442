/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/wait.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bell_init(struct bell *b)
{
	*b = (struct bell){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	return b->fd < 0 ? tm_err_from_errno(errno) : TM_OK;
}

void bell_deinit(struct bell *b)
{
	if (b->fd >= 0)
		close(b->fd);
	*b = BELL_NONE;
}

int bell_fd(const struct bell *b)
{
	return b->fd;
}

void bell_ring(const struct bell *b)
{
	uint64_t one = 1;

	/* Fails only when it rings already. */
	(void)!write(b->fd, &one, sizeof(one));
}

void bell_stop(const struct bell *b)
{
	uint64_t count;

	(void)!read(b->fd, &count, sizeof(count));
}
