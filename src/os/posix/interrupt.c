/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/interrupt.h"

#include <poll.h>
#include <signal.h>

/* Written by the signal handler alone: there is no other way into one. */
static volatile sig_atomic_t came;
static int listened[INTERRUPT_FDS] = {-1, -1};
static bool holding;
static sigset_t before_hold;

static void on_interrupt(int sig UNUSED)
{
	came = 1;
}

static void catch_by(int flags)
{
	const struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = flags};

	came = 0;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

void interrupt_catch(void)
{
	catch_by(0);
}

/* poll returns all the same (signal(7)). */
void interrupt_catch_first(void)
{
	catch_by(SA_RESTART | (int)SA_RESETHAND);
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

void interrupt_hold(void)
{
	sigset_t held;

	if (holding)
		return;
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &held, &before_hold);
	holding = true;
}

void interrupt_release(void)
{
	if (holding)
		pthread_sigmask(SIG_SETMASK, &before_hold, NULL);
	holding = false;
}

void interrupt_listen(int fd, int other)
{
	listened[0] = fd;
	listened[1] = other;
}

int interrupt_fd(size_t i)
{
	return listened[i];
}
