/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/errno_text.h"

#include <stdio.h>
#include <string.h>

void errno_text(int errno_value, char *text, size_t n)
{
	const char *known = strerrordesc_np(errno_value);

	snprintf(text, n, "%s", known ? known : "-");
}
