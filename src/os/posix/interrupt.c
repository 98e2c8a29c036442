/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/interrupt.h"

#include <poll.h>
#include <signal.h>

/* Written by the signal handler alone: there is no other way into one. */
static volatile sig_atomic_t came;

static void on_interrupt(int sig UNUSED)
{
	came = 1;
}

void interrupt_catch(void)
{
	struct sigaction sa = {.sa_handler = on_interrupt}; /* no SA_RESTART: poll returns */

	came = 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

bool interrupt_came(void)
{
	return came;
}

void interrupt_rest(ns_t span)
{
	const ns_t until = time_monotonic() + span;

	for (ns_t now; !came && (now = time_monotonic()) < until;)
		(void)poll(NULL, 0, time_poll_ms(now, until));
}
