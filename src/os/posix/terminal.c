/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "os/interrupt.h"

static struct winsize size_of(int fd)
{
	struct winsize w;

	return ioctl(fd, TIOCGWINSZ, &w) == 0 ? w : (struct winsize){0};
}

bool terminal_is(int fd)
{
	return isatty(fd);
}

int terminal_read(int fd, void *p, size_t n, size_t *ret_n)
{
	ssize_t got = read(fd, p, n);

	if (got < 0)
		return errno == EINTR ? TM_EAGAIN : TM_EIO;
	if (got == 0)
		return TM_ECLOSED;

	*ret_n = (size_t)got;
	return TM_OK;
}

unsigned terminal_width(int fd)
{
	return size_of(fd).ws_col;
}

unsigned terminal_height(int fd)
{
	return size_of(fd).ws_row;
}

/* --- a page --- */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};

/* There is one terminal and one set of handlers, which reach nothing but what is static. */
static struct {
	bool begun;
	int in_fd, out_fd;
	int bell[2]; /* the handlers write what came */
	struct termios before;
	struct sigaction handlers[ARRAY_LEN(signals)]; /* before */
	unsigned char keys[32]; /* read and not told yet */
	size_t n_keys;
} page;

static void on_signal(int sig)
{
	const unsigned char byte = (unsigned char)sig;
	const int saved = errno;

	(void)!write(page.bell[1], &byte, 1); /* full: there is enough to wake up for */
	errno = saved;
}

/* What it cannot take is no matter: then it is gone. */
static void say(const char *text)
{
	(void)!write(page.out_fd, text, strlen(text));
}

/* Another screen, cursor hidden, long lines cut. */
static void enter(void)
{
	struct termios t = page.before;

	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	(void)tcsetattr(page.in_fd, TCSADRAIN, &t);
	say("\033[?1049h\033[?25l\033[?7l\033[H\033[2J");
}

static void leave(void)
{
	say("\033[?7h\033[?25h\033[?1049l");
	(void)tcsetattr(page.in_fd, TCSADRAIN, &page.before);
}

int terminal_begin(int in_fd, int out_fd)
{
	struct sigaction sa = {.sa_handler = on_signal};

	if (!isatty(out_fd) || tcgetattr(in_fd, &page.before) != 0)
		return TM_EUNSUPPORTED;
	if (pipe2(page.bell, O_CLOEXEC | O_NONBLOCK) < 0)
		return tm_err_from_errno(errno);

	page.in_fd = in_fd;
	page.out_fd = out_fd;
	page.n_keys = 0;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &sa, &page.handlers[i]);
	interrupt_listen(page.bell[0], page.in_fd);
	page.begun = true;
	enter();
	return TM_OK;
}

void terminal_end(void)
{
	if (!page.begun)
		return;
	leave();
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		sigaction(signals[i], &page.handlers[i], NULL);
	interrupt_listen(-1, -1);
	close(page.bell[0]);
	close(page.bell[1]);
	page.begun = false;
}

static enum terminal_event after(int sig)
{
	if (sig == SIGWINCH)
		return TERMINAL_RESIZED;
	if (sig != SIGTSTP)
		return TERMINAL_END;
	leave();
	raise(SIGSTOP);
	enter();
	return TERMINAL_RESUMED;
}

static void drop_keys(size_t n)
{
	page.n_keys -= n;
	memmove(page.keys, page.keys + n, page.n_keys);
}

/* How many bytes one key sent (ECMA-48 5.4: from "ESC [" to a byte from '@' to '~'). */
static size_t length_of_key(void)
{
	size_t n = 2;

	if (page.keys[0] != '\033' || page.n_keys < 3 || (page.keys[1] != '[' && page.keys[1] != 'O'))
		return 1;
	while (n < page.n_keys && (page.keys[n] < '@' || page.keys[n] > '~'))
		n++;
	return MIN(n + 1, page.n_keys);
}

/* 0: one that means nothing here. */
static int key_of(size_t n)
{
	static const struct {
		const char *bytes;
		int key;
	} rows[] = {
		{"\n", TERMINAL_ENTER},
		{"\r", TERMINAL_ENTER},
		{"\177", TERMINAL_BACKSPACE},
		{"\b", TERMINAL_BACKSPACE},
		{"\033", TERMINAL_ESCAPE},
		{"\033[A", TERMINAL_UP},
		{"\033OA", TERMINAL_UP},
		{"\033[B", TERMINAL_DOWN},
		{"\033OB", TERMINAL_DOWN},
		{"\033[5~", TERMINAL_PAGE_UP},
		{"\033[6~", TERMINAL_PAGE_DOWN},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strlen(rows[i].bytes) == n && memcmp(rows[i].bytes, page.keys, n) == 0)
			return rows[i].key;
	return n == 1 && page.keys[0] >= ' ' && page.keys[0] < 127 ? page.keys[0] : 0;
}

static bool take_key(int *ret_key)
{
	while (page.n_keys) {
		const size_t n = length_of_key();
		const int key = key_of(n);

		drop_keys(n);
		if (key) {
			*ret_key = key;
			return true;
		}
	}
	return false;
}

/* False: the terminal is gone. */
static bool read_keys(void)
{
	ssize_t n = read(page.in_fd, page.keys + page.n_keys, sizeof(page.keys) - page.n_keys);

	if (n > 0)
		page.n_keys += (size_t)n;
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

enum terminal_event terminal_wait(ns_t deadline, int *ret_key)
{
	for (;;) {
		struct pollfd pfd[] = {
			{.fd = page.bell[0], .events = POLLIN}, {.fd = page.in_fd, .events = POLLIN}};
		unsigned char sig;

		if (read(page.bell[0], &sig, 1) == 1)
			return after(sig);
		if (take_key(ret_key))
			return TERMINAL_KEY;

		const int n = poll(pfd, ARRAY_LEN(pfd), time_poll_ms(time_monotonic(), deadline));
		if (n == 0)
			return TERMINAL_TIME;
		if (n > 0 && pfd[1].revents && !read_keys())
			return TERMINAL_END;
	}
}
