/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/logsite.h"

#include "base/spin.h"

#include <stdint.h>

enum { SITES = 256 };

struct site {
	ns_t until; /* of this window */
	uint32_t n; /* lines in it */
	uint64_t missed;
};

/* Beside the level the only state that the whole process shares, as the log is one. */
static struct spin lock;
static struct site sites[2][SITES]; /* the second: of debug */

/* Literals lie at any address, one after the other. */
static struct site *site_of(const char *text, bool debug)
{
	const uint64_t h = (uint64_t)(uintptr_t)text * 0x9e3779b97f4a7c15;

	return &sites[debug][h >> 56];
}

bool log_site_allow(const char *text, bool debug, ns_t now, uint64_t *ret_missed)
{
	struct site *s = site_of(text, debug);

	spin_lock(&lock);
	if (now >= s->until) {
		s->until = now + LOG_SITE_WINDOW;
		s->n = 0;
	}
	const bool allowed = s->n < (debug ? LOG_SITE_LINES_DEBUG : LOG_SITE_LINES);
	*ret_missed = allowed ? s->missed : 0;
	s->missed = allowed ? 0 : s->missed + 1;
	s->n += allowed;
	spin_unlock(&lock);
	return allowed;
}
