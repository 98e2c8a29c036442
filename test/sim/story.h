/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the scenario files share: cmocka, and a world of two hosts that know each other. */
#ifndef TM_TEST_SIM_STORY_H
#define TM_TEST_SIM_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/init.h"
#include "sim/host.h"

struct world {
	struct sim *s;
	struct host *a, *b;
};

static inline int two_hosts(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w || crypto_init(NULL) < 0)
		return -1;
	w->s = sim_new(1);
	w->a = sim_host(w->s, "a");
	w->b = sim_host(w->s, "b");
	sim_befriend(w->a, w->b, NULL);
	*state = w;
	return 0;
}

static inline int end_of_world(void **state)
{
	struct world *w = *state;

	sim_free(w->s);
	free(w);
	return 0;
}

#define SCENARIO(name) cmocka_unit_test_setup_teardown(name, two_hosts, end_of_world)
#define WORLD(state)                                                                                         \
	struct world *w = *(state);                                                                          \
	struct sim *s = w->s;                                                                                \
	struct host *a = w->a, *b = w->b;                                                                    \
	(void)s, (void)a, (void)b

#endif
