/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/low/entropy.h"

#include <stdint.h>
#include <sys/random.h>
#include <unistd.h>

enum { CHUNK = 256 }; /* getentropy gives no more per call */

bool entropy_read(void *p, size_t n)
{
	uint8_t *at = p;

	while (n > 0) {
		size_t chunk = n < CHUNK ? n : CHUNK;

		if (getentropy(at, chunk) != 0)
			return false;
		at += chunk;
		n -= chunk;
	}
	return true;
}
