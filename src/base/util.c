/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/util.h"

#include <unistd.h>

void closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
