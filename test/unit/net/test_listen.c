/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Dialling and accepting over loopback: what a socket of ours is, and when newcomers wait. */
#include "wire.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dial.h"
#include "net/listen.h"
#include "os/tcp.h"

struct door {
	struct event_base *base;
	struct listener *listener;
	struct endpoint at;
	unsigned accepted, failed, dialled;
	bool one_by_one; /* pauses after each */
	int inside, outside, e; /* the last descriptors, errno */
};

static void on_accepted(void *ctx, int fd, const struct endpoint *from)
{
	struct door *d = ctx;

	assert_true(ip_is_loopback(&from->ip));
	if (d->inside >= 0)
		close(d->inside);
	d->inside = fd;
	d->accepted++;
	if (d->one_by_one)
		listener_pause(d->listener);
}

static void on_failed(void *ctx, int e)
{
	struct door *d = ctx;

	d->failed++;
	d->e = e;
}

static void on_dialled(void *ctx, int err, int fd, const char *why)
{
	struct door *d = ctx;

	if (err)
		fail_msg("%s", why);
	d->outside = fd;
	d->dialled++;
}

static void door_open(struct door *d, uint32_t mark)
{
	*d = (struct door){.base = event_base_new(), .inside = -1, .outside = -1};
	const struct listener_events ev = {.ctx = d, .accepted = on_accepted, .failed = on_failed};

	assert_int_equal(endpoint_parse("127.0.0.1:0", &d->at), TM_OK);
	assert_int_equal(listener_new(d->base, &d->at, mark, &ev, &d->listener), TM_OK);
	assert_true(d->at.port > 0);
}

static void door_close(struct door *d)
{
	listener_free(d->listener);
	if (d->inside >= 0)
		close(d->inside);
	if (d->outside >= 0)
		close(d->outside);
	event_base_free(d->base);
}

/* At boot a network may come up after us. */
static void an_address_that_this_host_has_not_got_yet_can_be_listened_on(void **state UNUSED)
{
	static const char *const addresses[] = {"192.0.2.77:0", "[2001:db8::77]:0"};

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct door d = {.base = event_base_new()};
		const struct listener_events ev = {.ctx = &d, .accepted = on_accepted, .failed = on_failed};

		assert_int_equal(endpoint_parse(addresses[i], &d.at), TM_OK);
		assert_int_equal(listener_new(d.base, &d.at, 0, &ev, &d.listener), TM_OK);
		listener_free(d.listener);
		event_base_free(d.base);
	}
}

static void run(struct door *d, const unsigned *counter, unsigned n)
{
	ns_t end = time_monotonic() + 40 * SEC;

	while (*counter < n && time_monotonic() < end)
		event_base_loop(d->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_true(*counter >= n);
}

static int option(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
	return v;
}

static void both_sockets_are_marked_and_never_wait(void **state UNUSED)
{
	uint32_t mark = geteuid() == 0 ? 51820 : 0;
	struct dial *dial;
	struct door d;

	door_open(&d, mark);
	assert_int_equal(dial_new(d.base, &d.at, mark, on_dialled, &d, &dial), TM_OK);
	run(&d, &d.dialled, 1);
	run(&d, &d.accepted, 1);
	dial_free(dial);
	for (unsigned i = 0; i < 2; i++) {
		int fd = i ? d.inside : d.outside;

		assert_int_equal(option(fd, SOL_SOCKET, SO_MARK), mark);
		assert_true(option(fd, IPPROTO_TCP, TCP_NODELAY));
		assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	door_close(&d);
}

static void newcomers_wait_while_the_listener_is_paused(void **state UNUSED)
{
	struct door d;
	int fd;

	door_open(&d, 0);
	listener_pause(d.listener);
	assert_int_equal(tcp_connect(&d.at, 0, &fd), TM_OK);
	for (unsigned i = 0; i < 20; i++) {
		event_base_loop(d.base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
	assert_int_equal(d.accepted, 0);
	listener_resume(d.listener);
	run(&d, &d.accepted, 1);
	close(fd);
	door_close(&d);
}

static void who_pauses_when_one_comes_gets_no_other_in_the_same_turn(void **state UNUSED)
{
	struct door d;
	int fd[3];

	door_open(&d, 0);
	d.one_by_one = true;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		assert_int_equal(tcp_connect(&d.at, 0, &fd[i]), TM_OK);
		struct pollfd connected = {.fd = fd[i], .events = POLLOUT};
		assert_int_equal(poll(&connected, 1, 40000), 1);
	}
	for (unsigned n = 1; n <= ARRAY_LEN(fd); n++) {
		run(&d, &d.accepted, n);
		assert_int_equal(d.accepted, n);
		assert_true(listener_is_paused(d.listener));
		listener_resume(d.listener);
	}
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
	door_close(&d);
}

static void without_descriptors_it_pauses_and_says_so(void **state UNUSED)
{
	struct rlimit was, none;
	struct door d;
	int fd;

	door_open(&d, 0);
	assert_int_equal(tcp_connect(&d.at, 0, &fd), TM_OK);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	run(&d, &d.failed, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(d.e, EMFILE);
	assert_true(listener_is_paused(d.listener));
	listener_resume(d.listener);
	run(&d, &d.accepted, 1);
	close(fd);
	door_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_that_this_host_has_not_got_yet_can_be_listened_on),
		cmocka_unit_test(both_sockets_are_marked_and_never_wait),
		cmocka_unit_test(newcomers_wait_while_the_listener_is_paused),
		cmocka_unit_test(who_pauses_when_one_comes_gets_no_other_in_the_same_turn),
		cmocka_unit_test(without_descriptors_it_pauses_and_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
