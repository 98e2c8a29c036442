/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/util.h"

#include "os/low/descriptor.h"

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

bool same_but_case(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (size_t i = 0; i < n; i++)
		if (lower(p[i]) != lower(q[i]))
			return false;
	return true;
}

void closep(const int *fd)
{
	descriptor_close(*fd);
}
