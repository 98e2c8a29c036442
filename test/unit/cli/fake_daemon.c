/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/cli/fake_daemon.h"

#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/os.h"

static const char *reply_to(const struct fake_daemon *f, const char *cmd)
{
	const char *reply = "{\"ok\":true}";
	unsigned left = fake_daemon_asked(f, cmd);

	for (const struct fake_reply *r = f->replies; r && r->cmd && left; r++)
		if (strcmp(r->cmd, cmd) == 0) {
			reply = r->reply;
			left--;
		}
	return reply;
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

/* Returns true after `down`. A connection without a request is someone looking whether we are there. */
static bool serve(struct fake_daemon *f, int fd)
{
	char line[FAKE_REQUEST_LEN] = "", cmd[64];
	size_t at = 0;
	ssize_t n;

	while (at < sizeof(line) - 1 && !memchr(line, '\n', at) &&
		(n = read(fd, line + at, sizeof(line) - 1 - at)) > 0)
		at += (size_t)n;
	if (at == 0 || line[at - 1] != '\n')
		return false;

	line[at - 1] = '\0';
	json_t *req = json_loads(line, 0, NULL);
	const char *name = json_string_value(json_object_get(req, "cmd"));
	snprintf(cmd, sizeof(cmd), "%s", name ? name : "");
	json_decref(req);
	if (f->n_requests < FAKE_REQUESTS)
		memcpy(f->requests[f->n_requests++], line, sizeof(line));

	const char *reply = reply_to(f, cmd);
	if (reply) {
		send_all(fd, reply, strlen(reply));
		send_all(fd, "\n", 1);
	}
	return strcmp(cmd, "down") == 0 && reply && strstr(reply, "\"ok\":true");
}

static void *fake_main(void *arg)
{
	struct fake_daemon *f = arg;
	struct pollfd p[2] = {{.fd = f->listener, .events = POLLIN}, {.fd = f->stop[0], .events = POLLIN}};
	bool down = false;

	while (!down && poll(p, 2, -1) >= 0 && !p[1].revents) {
		int fd = accept(f->listener, NULL, NULL);

		if (fd < 0)
			continue;
		down = serve(f, fd);
		close(fd);
	}
	close(f->listener);
	unlink(f->path);
	if (f->lock_fd >= 0)
		close(f->lock_fd);
	return NULL;
}

void fake_daemon_start(
	struct fake_daemon *f, const char *path, const char *lock_path, const struct fake_reply *replies)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	memset(f, 0, sizeof(*f));
	f->replies = replies;
	f->lock_fd = -1;
	if (lock_path && os_lock_file(lock_path, &f->lock_fd, NULL) != 0)
		fail_msg("cannot lock %s", lock_path);
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(f->listener, 64) < 0)
		fail_msg("cannot listen on %s: %s", path, strerror(errno));
	assert_int_equal(pipe2(f->stop, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_main, f), 0);
	f->running = true;
}

void fake_daemon_stop(struct fake_daemon *f)
{
	if (!f->running)
		return;

	close(f->stop[1]);
	pthread_join(f->thread, NULL);
	close(f->stop[0]);
	f->running = false;
}

unsigned fake_daemon_asked(const struct fake_daemon *f, const char *cmd)
{
	char needle[80];
	unsigned n = 0;

	snprintf(needle, sizeof(needle), "\"cmd\":\"%s\"", cmd);
	for (unsigned i = 0; i < f->n_requests; i++)
		n += strstr(f->requests[i], needle) != NULL;
	return n;
}
