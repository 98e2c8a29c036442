/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where output is looked at by a person, and who types. */
#ifndef TM_OS_TERMINAL_H
#define TM_OS_TERMINAL_H

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

/* What a process begins with. */
enum { TERMINAL_STDIN = 0, TERMINAL_STDOUT = 1, TERMINAL_STDERR = 2 };
bool terminal_is(int fd);
/* What was typed, or comes by a pipe: at least one byte. TM_ECLOSED: that was all. TM_EAGAIN: a signal came
 * first. TM_EIO: none can be had. Blocks. */
NODISCARD int terminal_read(int fd, void *p, size_t n, size_t *ret_n);

/* In characters; 0: no terminal, or one that cannot say. */
unsigned terminal_width(int fd);
unsigned terminal_height(int fd);

/*
 * A page in the place of lines: keys come at once and are not shown, and what was on the screen before is
 * there again afterwards. One at a time, for the whole process: SIGINT, SIGTERM, SIGHUP and SIGQUIT end the
 * wait, and with SIGTSTP the terminal is as before for as long as the process is stopped. Whatever would end
 * the wait ends others (os/interrupt.h), too.
 */
enum terminal_event {
	TERMINAL_TIME, /* it is over, and nothing happened */
	TERMINAL_KEY,
	TERMINAL_RESIZED,
	TERMINAL_RESUMED, /* after a stop: the page is empty */
	TERMINAL_END, /* somebody wants us to end, or the terminal is gone */
};

/* What is no character; those are themselves, printable ASCII alone. */
enum terminal_key {
	TERMINAL_ENTER = 256,
	TERMINAL_BACKSPACE,
	TERMINAL_ESCAPE,
	TERMINAL_UP,
	TERMINAL_DOWN,
	TERMINAL_PAGE_UP,
	TERMINAL_PAGE_DOWN,
};

/* TM_EUNSUPPORTED: one of the two is no terminal. */
NODISCARD int terminal_begin(int in_fd, int out_fd);
void terminal_end(void); /* fine when none was begun */
/* Until the deadline (monotonic). ret_key is set with TERMINAL_KEY alone. */
enum terminal_event terminal_wait(ns_t deadline, int *ret_key);

#endif
