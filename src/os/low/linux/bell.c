/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/bell.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bell_init(struct bell *b)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	*b = (struct bell){.hear = fd, .ring = fd};
	return fd < 0 ? errno : 0;
}

void bell_deinit(struct bell *b)
{
	if (b->hear >= 0)
		close(b->hear);
	*b = BELL_NONE;
}

int bell_fd(const struct bell *b)
{
	return b->hear;
}

void bell_ring(const struct bell *b)
{
	uint64_t one = 1;

	/* Fails only when it rings already. */
	(void)!write(b->ring, &one, sizeof(one));
}

void bell_stop(const struct bell *b)
{
	uint64_t count;

	(void)!read(b->hear, &count, sizeof(count));
}
