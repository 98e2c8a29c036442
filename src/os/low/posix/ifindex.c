/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/ifindex.h"

#include <net/if.h>

unsigned ifindex_of(const char *name)
{
	return if_nametoindex(name);
}
