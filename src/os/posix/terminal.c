/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/terminal.h"

#include <sys/ioctl.h>

unsigned terminal_width(int fd)
{
	struct winsize w;

	return ioctl(fd, TIOCGWINSZ, &w) == 0 ? w.ws_col : 0;
}
