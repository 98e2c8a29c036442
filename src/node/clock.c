/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/clock.h"

#include "base/err.h"
#include "os/os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOCK_FILE_MAX = 128 };

static bool clock_load(const char *path, ns_t *ret_written, ns_t *ret_reserved)
{
	_cleanup_(freep) char *text = NULL;
	size_t n;

	if (os_read_file(path, CLOCK_FILE_MAX, &text, &n, NULL) != TM_OK)
		return false;
	return sscanf(text, "%" SCNd64 " %" SCNd64, ret_written, ret_reserved) == 2 && *ret_written > 0 &&
	       *ret_reserved >= *ret_written;
}

ns_t node_clock_init(struct node_clock *c, const char *path, ns_t real, ns_t mono)
{
	ns_t written = 0, reserved = 0;

	*c = (struct node_clock){.path = path, .last = real, .last_mono = mono};
	if (!clock_load(path, &written, &reserved) || real >= written)
		return 0;

	c->last = reserved;
	return written - real;
}

ns_t node_clock_read(struct node_clock *c, ns_t real, ns_t mono)
{
	ns_t expected = c->last + (mono - c->last_mono);

	/* Forward steps of the system clock are followed; backward ones are not. */
	c->last = real > expected ? real : expected;
	c->last_mono = mono;
	return c->last;
}

ns_t node_clock_ahead(const struct node_clock *c, ns_t real, ns_t mono)
{
	return MAX(c->last + (mono - c->last_mono) - real, 0);
}

bool node_clock_is_due(const struct node_clock *c)
{
	return c->last >= c->reserved - CLOCK_RESERVE / 2;
}

ns_t node_clock_format(const struct node_clock *c, char ret_text[static CLOCK_TEXT_MAX])
{
	ns_t reserved = c->last + CLOCK_RESERVE;

	snprintf(ret_text, CLOCK_TEXT_MAX, "%" PRId64 " %" PRId64 "\n", c->last, reserved);
	return reserved;
}

void node_clock_saved(struct node_clock *c, ns_t reserved)
{
	c->reserved = reserved;
}

int node_clock_save(struct node_clock *c, struct diag *d)
{
	char text[CLOCK_TEXT_MAX];
	ns_t reserved = node_clock_format(c, text);
	int err = os_write_file(c->path, text, strlen(text), 0600, d);

	if (!err)
		node_clock_saved(c, reserved);
	return err;
}
