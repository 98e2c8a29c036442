/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/memory.h"

#include <stdlib.h>

void *memory_aligned(size_t align, size_t n)
{
	/* aligned_alloc wants whole multiples, and not every system overlooks it. */
	size_t whole = (n + align - 1) / align * align;

	return whole < n ? NULL : aligned_alloc(align, whole);
}

void memory_aligned_free(void *p)
{
	free(p);
}
