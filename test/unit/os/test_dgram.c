/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a network namespace of its own; skipped where that is not allowed. */
#include "host.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include "os/dgram.h"
#include "os/wait.h"

static struct ip address(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), TM_OK);
	return ip;
}

/* Both networks have a route for ff00::/8, and the first one would get what is sent to groups. */
static void what_is_sent_to_groups_leaves_where_the_address_is(void **state UNUSED)
{
	static const char *const addresses[] = {"2001:db8:a::1", "2001:db8:b::1"}, *const links[] = {
											   "a0", "b0"};

	host_unshare(CLONE_NEWNET, "network");
	host_veth("a0", "a1");
	host_veth("b0", "b1");
	host_ip("addr add 2001:db8:a::1/64 dev a0 nodad");
	host_ip("addr add 2001:db8:b::1/64 dev b0 nodad");
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		const struct ip own = address(addresses[i]);
		unsigned index = 0;
		socklen_t len = sizeof(index);
		int fd = -1;

		assert_int_equal(dgram_open(&own, 0, &fd), TM_OK);
		assert_int_equal(getsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, &len), 0);
		assert_int_equal(index, if_nametoindex(links[i]));
		dgram_close(fd);
	}
}

static void an_address_that_is_not_ours_opens_nothing(void **state UNUSED)
{
	const struct ip own = address("2001:db8:77::1");
	int fd = -1;

	assert_int_not_equal(dgram_open(&own, 0, &fd), TM_OK);
	assert_int_equal(fd, -1);
}

static void many_come_and_go_at_once_and_one_that_cannot_be_sent_stops_no_other(void **state UNUSED)
{
	const struct endpoint at = {.ip = address("127.0.0.7"), .port = 5353};
	struct dgram_item in[3], out[3];
	uint8_t bytes[3][4];
	int server = -1, client = -1;

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	assert_int_equal(dgram_serve(&at, &server), TM_OK);
	assert_int_equal(dgram_open(&at.ip, 0, &client), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		in[i] = (struct dgram_item){.data = bytes[i], .cap = sizeof(bytes[i])};
	assert_int_equal(dgram_recv_many(server, in, ARRAY_LEN(in)), 0);
	assert_int_equal(dgram_send(client, &at, "ab", 2), TM_OK);
	assert_int_equal(dgram_send(client, &at, "cdefg", 5), TM_OK);
	assert_int_equal(dgram_recv_many(server, in, ARRAY_LEN(in)), 2);
	assert_int_equal(in[0].n, 2);
	assert_memory_equal(bytes[1], "cdef", 4);
	assert_true(ip_eq(&in[0].peer.ip, &at.ip));

	out[0] = (struct dgram_item){
		.data = bytes[0], .n = 2, .peer = {.ip = address("192.0.2.1"), .port = 1}};
	out[1] = (struct dgram_item){.data = bytes[0], .n = 0, .peer = in[0].peer};
	out[2] = (struct dgram_item){.data = bytes[0], .n = 2, .peer = in[0].peer};
	dgram_send_many(server, out, ARRAY_LEN(out));
	assert_int_equal(dgram_recv_many(client, in, ARRAY_LEN(in)), 1);
	assert_true(endpoint_eq(&in[0].peer, &at));
	dgram_close(server);
	dgram_close(client);
}

/* The next datagram, waited for. */
static size_t hear(int fd, uint8_t *p, size_t room, struct endpoint *ret_from)
{
	struct wait_set *waits;
	size_t place, n = 0;

	assert_int_equal(wait_set_new(&waits), TM_OK);
	assert_int_equal(wait_add(waits, fd, WAIT_READ, &place), TM_OK);
	while (!wait_ready(waits, place))
		wait_until_ready(waits, NS_NEVER);
	wait_set_free(waits);
	assert_int_equal(dgram_recv(fd, p, room, &n, ret_from), TM_OK);
	return n;
}

static void who_is_connected_hears_the_other_end_and_nobody_else(void **state UNUSED)
{
	static const char *const addresses[] = {"127.0.0.1", "::1"};

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		const struct endpoint server_at = {.ip = address(addresses[i]), .port = 7},
				      stranger_at = {.ip = server_at.ip, .port = 8};
		struct endpoint client_at, from;
		int server = -1, stranger = -1, client = -1;
		uint8_t p[8];
		size_t n;

		assert_int_equal(dgram_serve_at(NULL, &server_at, &server), TM_OK);
		assert_int_equal(dgram_serve_at("lo", &stranger_at, &stranger), TM_OK);
		assert_int_equal(dgram_connect(&server_at, &client), TM_OK);
		assert_int_equal(dgram_recv(client, p, sizeof(p), &n, &from), TM_EAGAIN);
		assert_int_equal(dgram_send(client, NULL, "ask", 3), TM_OK);
		assert_int_equal(hear(server, p, sizeof(p), &client_at), 3);
		assert_int_equal(dgram_send(stranger, &client_at, "lie", 3), TM_OK);
		assert_int_equal(dgram_send(server, &client_at, "answer", 6), TM_OK);
		assert_int_equal(hear(client, p, sizeof(p), &from), 6);
		assert_memory_equal(p, "answer", 6);
		assert_true(endpoint_eq(&from, &server_at));
		dgram_close(server);
		dgram_close(stranger);
		dgram_close(client);
	}
}

/* What this machine sends to itself has come by the interface that has the address. */
static void a_server_of_one_interface_hears_nobody_who_comes_by_another(void **state UNUSED)
{
	const struct endpoint other = {.ip = address("192.0.2.10"), .port = 7},
			      mine = {.ip = address("192.0.2.10"), .port = 8};
	struct endpoint from;
	int deaf = -1, hears = -1, client = -1;
	uint8_t p[8];
	size_t n;

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_veth("a0", "a1");
	host_ip("addr add 192.0.2.10/24 dev a0");
	assert_int_equal(dgram_serve_at("lo", &other, &deaf), TM_OK);
	assert_int_equal(dgram_serve_at("a0", &mine, &hears), TM_OK);
	assert_int_equal(dgram_open(&mine.ip, 0, &client), TM_OK);
	assert_int_equal(dgram_send(client, &other, "x", 1), TM_OK);
	assert_int_equal(dgram_send(client, &mine, "y", 1), TM_OK);
	assert_int_equal(hear(hears, p, sizeof(p), &from), 1);
	assert_int_equal(dgram_recv(deaf, p, sizeof(p), &n, &from), TM_EAGAIN);
	dgram_close(deaf);
	dgram_close(hears);
	dgram_close(client);
}

static void an_address_that_is_missing_is_told_from_one_that_is_taken(void **state UNUSED)
{
	const struct endpoint here = {.ip = address("127.0.0.1"), .port = 7},
			      missing = {.ip = address("192.0.2.10"), .port = 7};
	int first = -1, second = -1;

	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	assert_int_equal(dgram_serve_at(NULL, &here, &first), TM_OK);
	assert_int_equal(dgram_serve_at(NULL, &here, &second), TM_EBUSY);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(dgram_serve_at(NULL, &missing, &second), TM_EUNSUPPORTED);
	assert_int_equal(errno, EADDRNOTAVAIL);
	assert_int_equal(dgram_serve_at("a2", &here, &second), TM_ENOENT);
	assert_int_equal(second, -1);
	dgram_close(first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_sent_to_groups_leaves_where_the_address_is, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			an_address_that_is_not_ours_opens_nothing, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			many_come_and_go_at_once_and_one_that_cannot_be_sent_stops_no_other, host_setup,
			host_teardown),
		cmocka_unit_test_setup_teardown(
			who_is_connected_hears_the_other_end_and_nobody_else, host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(a_server_of_one_interface_hears_nobody_who_comes_by_another,
			host_setup, host_teardown),
		cmocka_unit_test_setup_teardown(
			an_address_that_is_missing_is_told_from_one_that_is_taken, host_setup, host_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
