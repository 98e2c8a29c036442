/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a network namespace of its own; skipped where that is not allowed. */
#include "host.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>

#include "os/tcp.h"
#include "os/wait.h"

/* A connection of this machine with itself over the address. */
struct pair {
	int listener, fd;
};

static void connect_over(struct pair *p, const char *address)
{
	struct endpoint ep = {0};

	assert_int_equal(ip_parse(address, &ep.ip), TM_OK);
	assert_int_equal(tcp_listen(&ep, 0, 1, &p->listener), TM_OK);
	assert_int_equal(tcp_connect(&ep, 0, &p->fd), TM_OK);
}

static void disconnect(struct pair *p)
{
	tcp_close(p->fd);
	tcp_close(p->listener);
}

static void a_connection_whose_own_address_is_taken_away_is_told(void **state UNUSED)
{
	struct pair four, six, stays;

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_ip("addr add 192.0.2.10/32 dev lo");
	host_ip("addr add 2001:db8::10/128 dev lo nodad");
	connect_over(&four, "192.0.2.10");
	connect_over(&six, "2001:db8::10");
	connect_over(&stays, "127.0.0.1");
	assert_false(tcp_source_gone(four.fd));
	assert_false(tcp_source_gone(six.fd));
	host_ip("addr del 192.0.2.10/32 dev lo");
	assert_true(tcp_source_gone(four.fd));
	assert_false(tcp_source_gone(six.fd));
	host_ip("addr del 2001:db8::10/128 dev lo");
	assert_true(tcp_source_gone(six.fd));
	assert_false(tcp_source_gone(stays.fd));
	disconnect(&four);
	disconnect(&six);
	disconnect(&stays);
}

static void what_came_is_acknowledged_without_delay_when_that_is_asked_for(void **state UNUSED)
{
	struct pair p;
	int quick = 0;
	socklen_t len = sizeof(quick);

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	connect_over(&p, "127.0.0.1");
	assert_int_equal(setsockopt(p.fd, IPPROTO_TCP, TCP_QUICKACK, &quick, sizeof(quick)), 0);
	tcp_ack_now(p.fd);
	assert_int_equal(getsockopt(p.fd, IPPROTO_TCP, TCP_QUICKACK, &quick, &len), 0);
	assert_int_equal(quick, 1);
	disconnect(&p);
}

static struct endpoint at(const char *address, uint16_t port)
{
	struct endpoint ep = {.port = port};

	assert_int_equal(ip_parse(address, &ep.ip), TM_OK);
	return ep;
}

static void wait_for(int fd, enum wait_what what)
{
	struct wait_set *waits;
	size_t place;

	assert_int_equal(wait_set_new(&waits), TM_OK);
	assert_int_equal(wait_add(waits, fd, what, &place), TM_OK);
	while (!wait_ready(waits, place))
		wait_until_ready(waits, NS_NEVER);
	wait_set_free(waits);
}

/* How connecting ends. */
static int try_to_connect(const struct endpoint *to)
{
	int fd, err = tcp_connect(to, 0, &fd);

	if (err)
		return err;
	wait_for(fd, WAIT_WRITE);
	err = tcp_connected(fd);
	tcp_close(fd);
	return err;
}

/* What this machine sends to itself has come by the interface that has the address. */
static void a_listener_of_one_interface_hears_nobody_who_comes_by_another(void **state UNUSED)
{
	const struct endpoint four = at("192.0.2.10", 7), six = at("2001:db8::10", 7);
	int fds[2];

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_veth("a0", "a1");
	host_ip("addr add 192.0.2.10/24 dev a0");
	host_ip("addr add 2001:db8::10/64 dev a0 nodad");
	assert_int_equal(tcp_listen_at("lo", &four, 1, &fds[0]), TM_OK);
	assert_int_equal(tcp_listen_at("lo", &six, 1, &fds[1]), TM_OK);
	assert_int_equal(try_to_connect(&four), TM_EUNREACH);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(try_to_connect(&six), TM_EUNREACH);
	tcp_close(fds[0]);
	tcp_close(fds[1]);

	assert_int_equal(tcp_listen_at("a0", &four, 1, &fds[0]), TM_OK);
	assert_int_equal(tcp_listen_at(NULL, &six, 1, &fds[1]), TM_OK);
	assert_int_equal(try_to_connect(&four), TM_OK);
	assert_int_equal(try_to_connect(&six), TM_OK);
	tcp_close(fds[0]);
	tcp_close(fds[1]);
	assert_int_equal(tcp_listen_at("a2", &four, 1, &fds[0]), TM_ENOENT);
}

static void an_address_that_is_missing_is_told_from_one_that_is_taken(void **state UNUSED)
{
	const struct endpoint here = at("127.0.0.1", 7), missing = at("192.0.2.10", 7);
	int first, second = -1;

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	assert_int_equal(tcp_listen_at(NULL, &here, 1, &first), TM_OK);
	assert_int_equal(tcp_listen_at(NULL, &here, 1, &second), TM_EBUSY);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(tcp_listen_at(NULL, &missing, 1, &second), TM_EUNSUPPORTED);
	assert_int_equal(errno, EADDRNOTAVAIL);
	assert_int_equal(second, -1);
	tcp_close(first);
}

static void who_closes_says_the_end_and_who_aborts_breaks_it_off(void **state UNUSED)
{
	static const struct {
		void (*end)(int fd);
		int e;
	} rows[] = {{tcp_close, 0}, {tcp_abort, ECONNRESET}};
	struct endpoint from;

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pair p;
		char byte[4];
		size_t n;
		int fd, err;

		connect_over(&p, "127.0.0.1");
		wait_for(p.listener, WAIT_READ);
		assert_int_equal(tcp_accept(p.listener, &fd, &from), TM_OK);
		errno = EDOM;
		rows[i].end(p.fd);
		assert_int_equal(errno, EDOM);
		wait_for(fd, WAIT_READ);
		err = tcp_recv(fd, byte, sizeof(byte), &n);
		assert_int_equal(err, TM_ECLOSED);
		assert_int_equal(errno, rows[i].e);
		tcp_close(fd);
		tcp_close(p.listener);
	}
}

static void pieces_wait_for_each_other_when_the_amount_counts(void **state UNUSED)
{
	struct pair p;
	int no_delay = -1;
	socklen_t len = sizeof(no_delay);

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	connect_over(&p, "127.0.0.1");
	assert_int_equal(getsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
	assert_int_not_equal(no_delay, 0);
	tcp_bulk(p.fd);
	assert_int_equal(getsockopt(p.fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &len), 0);
	assert_int_equal(no_delay, 0);
	disconnect(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_connection_whose_own_address_is_taken_away_is_told, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			what_came_is_acknowledged_without_delay_when_that_is_asked_for, host_setup,
			host_teardown),
		cmocka_unit_test_setup_teardown(a_listener_of_one_interface_hears_nobody_who_comes_by_another,
			host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			an_address_that_is_missing_is_told_from_one_that_is_taken, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			who_closes_says_the_end_and_who_aborts_breaks_it_off, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			pieces_wait_for_each_other_when_the_amount_counts, host_setup, host_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
