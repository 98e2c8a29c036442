/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Sockets beside the one that everybody has, opened and closed while the workers run. */
#include "unit/data/plane/rig.h"

#include "wire/stun.h"

#define A "192.0.2.1"
#define B "192.0.2.2:51820"

static struct host a, b;
static struct host *ab[] = {&a, &b};

static int set_up(void **state)
{
	(void)state;
	a = b = (struct host){.workers = 2};
	fake_reset();
	host_start(&a, 1);
	host_start(&b, 2);
	fake_host(A); /* what is opened now is a's */
	rig_connect(&a, &b);
	return 0;
}

static void open_one(uint32_t *ret_socket, uint16_t *ret_port)
{
	assert_int_equal(plane_socket_open(a.plane, 0, ret_socket, ret_port), TM_OK);
	assert_int_not_equal(*ret_socket, 0);
	assert_int_not_equal(*ret_port, plane_port(a.plane));
}

static struct way_to to_b(uint32_t socket)
{
	struct way_to way = {.socket = socket};

	assert_int_equal(endpoint_parse(B, &way.remote), TM_OK);
	return way;
}

static size_t question(uint8_t *out)
{
	const struct stun_msg m = {.class = STUN_REQUEST, .method = 1};

	return stun_encode(&m, NULL, out, STUN_MAX);
}

static bool stun_came(void *arg)
{
	return ((struct host *)arg)->n_stun > 0;
}

static void what_comes_to_a_further_socket_is_told_with_its_number(void **state)
{
	uint8_t msg[STUN_MAX];
	char at[ENDPOINT_STR_LEN];
	size_t n = question(msg);
	uint32_t socket[4];
	uint16_t port[4];
	(void)state;

	/* More than workers, so that each reads some. */
	for (int i = 0; i < 4; i++)
		open_one(&socket[i], &port[i]);
	for (int i = 0; i < 4; i++) {
		a.n_stun = 0;
		snprintf(at, sizeof(at), A ":%u", port[i]);
		fake_inject(B, at, 0, msg, n);
		EXPECT_SOON(ab, stun_came, &a);
		assert_int_equal(a.stun_by.socket, socket[i]);
		assert_int_equal(a.stun_n, n);
	}
}

static void what_is_sent_by_a_further_socket_comes_from_its_port(void **state)
{
	uint8_t msg[STUN_MAX];
	size_t n = question(msg);
	uint32_t socket;
	uint16_t port;
	(void)state;

	open_one(&socket, &port);
	const struct way_to way = to_b(socket);
	assert_int_equal(plane_send(a.plane, &way, msg, n), TM_OK);
	EXPECT_SOON(ab, stun_came, &b);
	assert_int_equal(b.stun_by.remote.port, port);
}

static void a_peer_may_be_reached_by_a_further_socket_in_both_directions(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	uint32_t socket;
	uint16_t port;
	(void)state;

	rig_warm(&a, &b);
	open_one(&socket, &port);
	const struct way_to way = to_b(socket);
	struct way_to back = {.remote = {.port = port}};
	assert_int_equal(ip_parse(A, &back.remote.ip), TM_OK);
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
	assert_int_equal(plane_set_way(b.plane, a.pub, &back, NULL), TM_OK);
	for (uint16_t i = 0; i < 20; i++) {
		bool leaves = i % 2;

		fake_tun_send(
			leaves ? "tm1" : "tm2", p, packet_make(4, leaves ? 1 : 2, leaves ? 2 : 1, i, 50, p));
		expect_packet(ab, 2, leaves ? &b : &a, got);
		assert_int_equal(packet_serial(got), i);
	}

	struct plane_peer_stats st;
	assert_int_equal(plane_peer_stats(a.plane, b.pub, &st), TM_OK);
	assert_int_equal(st.way.socket, socket);
	assert_true(st.last_way_recv > 0);
	assert_int_equal(b.n_heard, 0);
}

static void a_way_by_a_socket_that_is_closed_leads_nowhere_also_when_others_are_opened(void **state)
{
	uint8_t p[FAKE_BYTES], msg[STUN_MAX];
	char at[ENDPOINT_STR_LEN];
	uint32_t socket, other;
	uint16_t port, other_port;
	(void)state;

	rig_warm(&a, &b);
	open_one(&socket, &port);
	const struct way_to way = to_b(socket);
	assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
	plane_socket_close(a.plane, socket);
	plane_socket_close(a.plane, socket);
	open_one(&other, &other_port);
	assert_int_not_equal(other, socket);

	size_t before = fake_sent();
	fake_tun_send("tm1", p, packet_make(4, 1, 2, 1, 50, p));
	expect_drops(ab, 2, &a, DROP_NO_SENDER, 1);
	assert_int_equal(plane_send(a.plane, &way, p, question(p)), TM_EUNSUPPORTED);
	assert_int_equal(fake_sent(), before);

	/* Nobody listens there, and the rest works. */
	snprintf(at, sizeof(at), A ":%u", port);
	fake_inject(B, at, 0, msg, question(msg));
	snprintf(at, sizeof(at), A ":%u", other_port);
	fake_inject(B, at, 0, msg, question(msg));
	EXPECT_SOON(ab, stun_came, &a);
	assert_int_equal(a.n_stun, 1);
	assert_int_equal(a.stun_by.socket, other);
}

static void hundreds_of_sockets_may_be_open_for_a_while(void **state)
{
	enum { MANY = 256 };
	uint8_t msg[STUN_MAX];
	char at[ENDPOINT_STR_LEN];
	size_t n = question(msg);
	uint32_t socket[MANY];
	uint16_t port[MANY];
	(void)state;

	for (int i = 0; i < MANY; i++)
		open_one(&socket[i], &port[i]);
	for (int i = MANY - 1; i >= 0; i -= 51) {
		a.n_stun = 0;
		snprintf(at, sizeof(at), A ":%u", port[i]);
		fake_inject(B, at, 0, msg, n);
		EXPECT_SOON(ab, stun_came, &a);
		assert_int_equal(a.stun_by.socket, socket[i]);
	}
	/* The one that won stays. */
	for (int i = 1; i < MANY; i++)
		plane_socket_close(a.plane, socket[i]);
	rig_warm(&a, &b);
	a.n_stun = 0;
	snprintf(at, sizeof(at), A ":%u", port[0]);
	fake_inject(B, at, 0, msg, n);
	EXPECT_SOON(ab, stun_came, &a);
}

static void sockets_that_are_opened_and_closed_under_traffic_disturb_nothing(void **state)
{
	uint8_t p[FAKE_BYTES], got[FAKE_BYTES];
	uint32_t socket;
	uint16_t port;
	(void)state;

	rig_warm(&a, &b);
	for (uint16_t i = 0; i < 200; i++) {
		open_one(&socket, &port);
		const struct way_to way = to_b(socket);

		assert_int_equal(plane_set_way(a.plane, b.pub, &way, NULL), TM_OK);
		fake_tun_send("tm1", p, packet_make(4, 1, 2, i, 50, p));
		expect_packet(ab, 2, &b, got);
		assert_int_equal(packet_serial(got), i);
		plane_socket_close(a.plane, socket);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_comes_to_a_further_socket_is_told_with_its_number),
		CASE(what_is_sent_by_a_further_socket_comes_from_its_port),
		CASE(a_peer_may_be_reached_by_a_further_socket_in_both_directions),
		CASE(a_way_by_a_socket_that_is_closed_leads_nowhere_also_when_others_are_opened),
		CASE(hundreds_of_sockets_may_be_open_for_a_while),
		CASE(sockets_that_are_opened_and_closed_under_traffic_disturb_nothing),
	};

	return cmocka_run_group_tests_name("data/plane/sockets", tests, NULL, NULL);
}
