/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a network namespace of its own; skipped where that is not allowed. */
#include "host.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>

#include "os/tcp.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_connection_whose_own_address_is_taken_away_is_told, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			what_came_is_acknowledged_without_delay_when_that_is_asked_for, host_setup,
			host_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
