/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Which of the sockets behind a port receives what, asked of the kernel itself, in a network namespace of the
 * test's own. */
#include "host.h"

#include "os/udp.h"

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

static int set_up(void **state)
{
	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	return 0;
}

/* with: NULL, or whose port it shares. */
static struct udp *open_udp(const struct udp *with)
{
	const struct udp_config cfg = {.offloads = UDP_OFFLOAD_GSO | UDP_OFFLOAD_GRO,
		.send_bytes = 4u << 20,
		.recv_bytes = 4u << 20,
		.with = with};
	struct udp *u;

	assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
	return u;
}

static void a_datagram_goes_to_the_socket_that_its_lane_names(void **state)
{
	enum { LANES = 3, AT = 7 };
	const struct udp_steering by = {.first_byte = 4, .lane_at = AT, .lanes = LANES};
	struct udp *u[LANES], *from = open_udp(NULL);
	uint8_t bytes[100][40] = {0}, got[100][40];
	struct datagram v[100], in[64];
	size_t others = 0;
	(void)state;

	for (unsigned i = 0; i < LANES; i++)
		u[i] = open_udp(i ? u[0] : NULL);
	udp_steer(u[0], &by);
	for (unsigned i = 0; i < 100; i++) {
		bytes[i][0] = i < 60 ? 4 : 1;
		bytes[i][AT] = (uint8_t)i;
		v[i] = (struct datagram){.data = bytes[i],
			.n = i == 99 ? 3 : sizeof(bytes[i]),
			.remote = {.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(u[0])}};
		assert_int_equal(udp_send(from, &v[i], 1), 0);
	}
	for (unsigned lane = 0; lane < LANES; lane++) {
		size_t mine = 0, n;

		do {
			for (size_t i = 0; i < ARRAY_LEN(in); i++)
				in[i] = (struct datagram){.data = got[i], .cap = sizeof(got[i])};
			n = udp_recv(u[lane], in, ARRAY_LEN(in));
			for (size_t i = 0; i < n; i++) {
				mine += in[i].data[0] == 4;
				others += in[i].data[0] != 4;
				if (in[i].data[0] == 4)
					assert_int_equal(in[i].data[AT] % LANES, lane);
			}
		} while (n);
		assert_int_equal(mine, 20);
	}
	assert_int_equal(others, 40);
	for (unsigned i = LANES; i-- > 0;)
		udp_close(u[i]);
	udp_close(from);
}

/* How many wait there; all of them begin with this byte. */
static size_t drain(struct udp *u, uint8_t first)
{
	uint8_t got[64][40];
	struct datagram in[64];
	size_t n, sum = 0;

	do {
		for (size_t i = 0; i < ARRAY_LEN(in); i++)
			in[i] = (struct datagram){.data = got[i], .cap = sizeof(got[i])};
		n = udp_recv(u, in, ARRAY_LEN(in));
		for (size_t i = 0; i < n; i++)
			assert_int_equal(in[i].data[0], first);
		sum += n;
	} while (n);
	return sum;
}

static void send_some(struct udp *from, const char *to, uint16_t port, uint8_t first, size_t n)
{
	uint8_t bytes[40] = {first};
	struct datagram dg = {.data = bytes, .n = sizeof(bytes)};

	assert_int_equal(ip_parse(to, &dg.remote.ip), TM_OK);
	dg.remote.port = port;
	for (size_t i = 0; i < n; i++) {
		bytes[7] = (uint8_t)i;
		assert_int_equal(udp_send(from, &dg, 1), 0);
	}
}

static void sources_that_are_named_have_sockets_of_their_own(void **state)
{
	static const struct {
		const char *host;
		uint8_t options; /* of IPv4, bytes */
	} ways[] = {{"127.0.0.1", 0}, {"127.0.0.1", 4}, {"127.0.0.1", 40}, {"::1", 0}};
	static const uint8_t nothing[40] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct udp *u[5], *from = open_udp(NULL), *other = open_udp(NULL);
	(void)state;

	for (unsigned i = 0; i < ARRAY_LEN(u); i++)
		u[i] = open_udp(i ? u[0] : NULL);
	for (unsigned lanes = 1; lanes <= 2; lanes++)
		for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
			const char *host = ways[i].host;
			struct udp_source named[] = {{.socket = 3}, {.socket = 4}};
			struct udp_steering by = {.first_byte = 4,
				.lane_at = 7,
				.lanes = lanes,
				.sources = named,
				.n_sources = 2,
				.others = true,
				.salt = 0x12345678};

			assert_int_equal(
				setsockopt(udp_fd(from), IPPROTO_IP, IP_OPTIONS, nothing, ways[i].options),
				0);
			assert_int_equal(ip_parse(host, &named[0].from.ip), TM_OK);
			named[1] = named[0];
			named[0].from.port = udp_port(from);
			named[1].from.port = (uint16_t)(udp_port(from) + 1);
			named[1].socket = 4;
			udp_steer(u[0], &by);
			/* Whatever it is, and nothing of anybody else's. */
			send_some(from, host, udp_port(u[0]), 4, 20);
			send_some(other, host, udp_port(u[0]), 4, 10);
			assert_int_equal(drain(u[3], 4), 20);
			assert_int_equal(drain(u[0], 4) + drain(u[1], 4), 10);
			send_some(from, host, udp_port(u[0]), 'T', 20);
			send_some(other, host, udp_port(u[0]), 'T', 10);
			assert_int_equal(drain(u[3], 'T'), 20);
			assert_int_equal(drain(u[0], 'T') + drain(u[1], 'T'), 10);
			assert_int_equal(drain(u[4], 0) + drain(u[2], 0), 0);
			/* Another place, then none: but not where somebody else once was. */
			named[0].socket = 4;
			named[1].socket = 3;
			udp_steer(u[0], &by);
			send_some(from, host, udp_port(u[0]), 'T', 5);
			assert_int_equal(drain(u[4], 'T'), 5);
			by.n_sources = 0;
			udp_steer(u[0], &by);
			send_some(from, host, udp_port(u[0]), 'T', 5);
			assert_int_equal(drain(u[0], 'T') + drain(u[1], 'T'), 5);
		}
	for (unsigned i = ARRAY_LEN(u); i-- > 0;)
		udp_close(u[i]);
	udp_close(from);
	udp_close(other);
}

/* A port, or an address with all of its ports, or of IPv6 a /64. */
static void who_is_cast_goes_to_nobodys_socket_but_for_what_is_free(void **state)
{
	static const struct udp_head heads[] = {
		{0, UINT32_MAX, 0x04000000, false}, {0, 0xff000000, 0x54000000, true}};
	static const struct {
		const char *host, *other;
	} ways[] = {{"127.0.0.1", "198.51.100.77"}, {"fd00::1", "fd00:0:0:1::1"}};
	struct udp *u[4], *from = open_udp(NULL), *another = open_udp(NULL), *nobodys = NULL;
	size_t free_came = 0;
	struct udp_cast cast[UDP_CAST_MAX];
	(void)state;

	/* What is sent to one of them comes from there. */
	host_ip("addr add 198.51.100.77/32 dev lo");
	host_ip("addr add fd00::1/128 dev lo nodad");
	host_ip("addr add fd00:0:0:1::1/128 dev lo nodad");
	for (unsigned i = 0; i < ARRAY_LEN(u); i++)
		u[i] = open_udp(i ? u[0] : NULL);
	nobodys = u[3];
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		for (int whole = 0; whole < 2; whole++) {
			struct udp_source named = {.socket = 2};
			const struct udp_steering by = {.heads = heads,
				.n_heads = ARRAY_LEN(heads),
				.least = 4,
				.free_most = 40,
				.nobodys = 3,
				.first_byte = 4,
				.lane_at = 7,
				.lanes = 1,
				.sources = &named,
				.n_sources = 1,
				.cast = cast,
				.n_cast = ARRAY_LEN(cast),
				.others = true,
				.salt = 0x12345678};

			for (size_t k = 0; k < ARRAY_LEN(cast); k++) {
				cast[k] = (struct udp_cast){.from.port = k % 4 ? 0 : 7, .rarely = k % 3};
				assert_int_equal(
					ip_parse(k % 2 ? "198.51.100.1" : "2001:db8::1", &cast[k].from.ip),
					TM_OK);
				cast[k].from.ip.bytes[3] = (uint8_t)k;
			}
			struct udp_cast *it = &cast[50];
			it->rarely = false;
			assert_int_equal(ip_parse(ways[i].host, &it->from.ip), TM_OK);
			it->from.port = whole ? 0 : udp_port(from);
			if (whole && it->from.ip.family == IP_V6)
				it->from.ip.bytes[15] = 77;
			named.from = (struct endpoint){.ip = it->from.ip, .port = 9};
			udp_steer(u[0], &by);
			const size_t before = udp_overflows(nobodys);
			send_some(from, ways[i].host, udp_port(u[0]), 4, 100);
			assert_in_range(
				udp_overflows(nobodys) + drain(nobodys, 4), before + 100, before + 100);
			send_some(from, ways[i].host, udp_port(u[0]), 'T', 20);
			assert_int_equal(drain(u[0], 'T'), 20);
			send_some(another, ways[i].host, udp_port(u[0]), 4, 20);
			assert_int_equal(drain(u[0], 4) + drain(nobodys, 4), 20);
			send_some(from, ways[i].other, udp_port(u[0]), 4, 5);
			assert_int_equal(drain(u[0], 4), 5);
			/* Nor is that what is longer, whatever it begins with: it may be a train. */
			struct udp_steering shorter = by;
			shorter.free_most = 39;
			udp_steer(u[0], &shorter);
			send_some(from, ways[i].host, udp_port(u[0]), 'T', 20);
			assert_int_equal(drain(u[0], 'T') + drain(u[2], 'T'), 0);
			/* Who has a socket of his own has it for what is free. */
			(void)drain(nobodys, 'T');
			named.from.ip = it->from.ip;
			if (whole)
				assert_int_equal(ip_parse(ways[i].host, &named.from.ip), TM_OK);
			named.from.port = udp_port(from);
			udp_steer(u[0], &by);
			send_some(from, ways[i].host, udp_port(u[0]), 4, 5);
			assert_int_equal(drain(u[2], 4), 0);
			send_some(from, ways[i].host, udp_port(u[0]), 'T', 5);
			assert_int_equal(drain(u[2], 'T'), 5);
			(void)drain(nobodys, 4);
			/* Of one in four of 2,000 half of that or twice as much comes once in 10^100 times.
			 */
			it->rarely = true;
			udp_steer(u[0], &by);
			for (unsigned k = 0; k < 20; k++) {
				send_some(from, ways[i].host, udp_port(u[0]), 'T', 100);
				free_came += drain(u[2], 'T');
				(void)drain(nobodys, 'T');
			}
			assert_in_range(free_came, 250, 1000);
			free_came = 0;
			send_some(another, ways[i].host, udp_port(u[0]), 'T', whole ? 0 : 20);
			assert_int_equal(drain(u[0], 'T'), whole ? 0 : 20);
			send_some(from, ways[i].host, udp_port(u[0]), 4, 5);
			assert_int_equal(drain(u[2], 4) + drain(u[0], 4), 0);
			(void)drain(nobodys, 4);
			assert_int_equal(drain(u[1], 0), 0);
		}
	for (unsigned i = ARRAY_LEN(u); i-- > 0;)
		udp_close(u[i]);
	udp_close(from);
	udp_close(another);
}

static void what_begins_with_no_head_goes_to_nobodys_socket(void **state)
{
	static const struct udp_head heads[] = {
		{0, UINT32_MAX, 0x04000000, false}, {4, 0xff0000ff, 0x21000042, false}};
	static const struct {
		uint8_t bytes[8];
		size_t n;
		bool passes;
	} rows[] = {
		{{4, 0, 0, 0}, 8, true},
		{{4, 0, 0, 1}, 8, false},
		{{9, 9, 9, 9, 0x21, 7, 7, 0x42}, 8, true},
		{{9, 9, 9, 9, 0x22, 7, 7, 0x42}, 8, false},
		{{4, 0, 0, 0}, 7, false},
		{{0}, 0, false},
	};
	const struct udp_steering by = {.heads = heads,
		.n_heads = ARRAY_LEN(heads),
		.least = 8,
		.nobodys = 1,
		.first_byte = 4,
		.lane_at = 7,
		.lanes = 1,
		.others = true,
		.salt = 99};
	struct udp *u = open_udp(NULL), *nobodys, *from = open_udp(NULL);
	const struct udp_config tiny = {.recv_bytes = 1, .with = u};
	uint8_t got[40];
	(void)state;

	assert_int_equal(udp_open(&tiny, &nobodys, NULL), TM_OK);
	udp_steer(u, &by);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct datagram dg = {.data = (uint8_t *)(uintptr_t)rows[i].bytes, .n = rows[i].n};
		struct datagram in = {.data = got, .cap = sizeof(got)};

		assert_int_equal(ip_parse(i % 2 ? "::1" : "127.0.0.1", &dg.remote.ip), TM_OK);
		dg.remote.port = udp_port(u);
		assert_int_equal(udp_send(from, &dg, 1), 0);
		if (udp_recv(u, &in, 1) != rows[i].passes)
			fail_msg("row %zu", i);
	}
	/* Unread, it is full at once, and counts what does not fit. */
	send_some(from, "127.0.0.1", udp_port(u), 'x', 1000);
	assert_in_range(udp_overflows(nobodys), 900, 1004);
	assert_int_equal(udp_overflows(u), 0);
	udp_close(nobodys);
	udp_close(u);
	udp_close(from);
}

/* Of those that were opened for somebody nobody may read any more. */
static void nobody_is_led_beyond_the_lanes_when_no_source_is_named_any_more(void **state)
{
	enum { SOURCES = 64 };
	const struct udp_steering by = {.first_byte = 4, .lane_at = 7, .lanes = 2, .others = true};
	struct udp *u[4];
	size_t at[ARRAY_LEN(u)];
	(void)state;

	for (unsigned i = 0; i < ARRAY_LEN(u); i++)
		u[i] = open_udp(i ? u[0] : NULL);
	udp_steer(u[0], &by);
	for (unsigned i = 0; i < SOURCES; i++) {
		struct udp *from = open_udp(NULL);

		send_some(from, i % 2 ? "127.0.0.1" : "::1", udp_port(u[0]), 'T', 1);
		udp_close(from);
	}
	for (unsigned i = ARRAY_LEN(u); i-- > 0;) {
		at[i] = drain(u[i], 'T');
		udp_close(u[i]);
	}
	assert_int_equal(at[0] + at[1], SOURCES);
	assert_in_range(at[0], 1, SOURCES - 1);
}

static void a_socket_says_how_full_it_is(void **state)
{
	const struct udp_config cfg = {.recv_bytes = 64 << 10};
	struct udp *u, *from = open_udp(NULL);
	unsigned before;
	(void)state;

	assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
	assert_int_equal(udp_filled(u), 0);
	send_some(from, "127.0.0.1", udp_port(u), 4, 10);
	before = udp_filled(u);
	assert_in_range(before, 1, 30);
	assert_int_equal(udp_overflows(u), 0);
	send_some(from, "127.0.0.1", udp_port(u), 4, 1000);
	assert_in_range(udp_filled(u), 90, 110);
	assert_true(udp_overflows(u) > 0);
	udp_close(u);
	udp_close(from);
}

#define CASE(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_datagram_goes_to_the_socket_that_its_lane_names),
		CASE(sources_that_are_named_have_sockets_of_their_own),
		CASE(who_is_cast_goes_to_nobodys_socket_but_for_what_is_free),
		CASE(what_begins_with_no_head_goes_to_nobodys_socket),
		CASE(nobody_is_led_beyond_the_lanes_when_no_source_is_named_any_more),
		CASE(a_socket_says_how_full_it_is),
	};

	return cmocka_run_group_tests_name("os/steering", tests, NULL, NULL);
}
