/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/descriptor.h"

#include <unistd.h>

void descriptor_close(int fd)
{
	if (fd >= 0)
		close(fd);
}
