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

/* Sockets that are cast about: u[2] is somebody's own, u[3] nobody's. `from` is cast, by an address that is
 * `host` or holds it. */
struct casting {
	struct udp *u[4], *from, *another;
	struct udp_source named;
	struct udp_cast cast[UDP_CAST_MAX], *it;
	struct udp_steering by;
	const char *host;
	bool whole; /* all ports of the address, or of IPv6 of the /64 */
};

static void steer_cast(struct casting *c)
{
	static const struct udp_head heads[] = {
		{0, UINT32_MAX, 0x04000000, false}, {0, 0xff000000, 0x54000000, true}};

	for (size_t k = 0; k < ARRAY_LEN(c->cast); k++) {
		c->cast[k] = (struct udp_cast){.from.port = k % 4 ? 0 : 7, .rarely = k % 3};
		assert_int_equal(
			ip_parse(k % 2 ? "198.51.100.1" : "2001:db8::1", &c->cast[k].from.ip), TM_OK);
		c->cast[k].from.ip.bytes[3] = (uint8_t)k;
	}
	c->it = &c->cast[50];
	c->it->rarely = false;
	assert_int_equal(ip_parse(c->host, &c->it->from.ip), TM_OK);
	c->it->from.port = c->whole ? 0 : udp_port(c->from);
	if (c->whole && c->it->from.ip.family == IP_V6)
		c->it->from.ip.bytes[15] = 77;
	c->named = (struct udp_source){.socket = 2, .from = {.ip = c->it->from.ip, .port = 9}};
	c->by = (struct udp_steering){.heads = heads,
		.n_heads = ARRAY_LEN(heads),
		.least = 4,
		.free_most = 40,
		.nobodys = 3,
		.first_byte = 4,
		.lane_at = 7,
		.lanes = 1,
		.sources = &c->named,
		.n_sources = 1,
		.cast = c->cast,
		.n_cast = ARRAY_LEN(c->cast),
		.others = true,
		.salt = 0x12345678};
	udp_steer(c->u[0], &c->by);
}

static void send_from(struct udp *from, const struct casting *c, uint8_t first, size_t n)
{
	send_some(from, c->host, udp_port(c->u[0]), first, n);
}

static void what_is_not_free_ends_there(struct casting *c, const char *other)
{
	const size_t before = udp_overflows(c->u[3]);

	send_from(c->from, c, 4, 100);
	assert_in_range(udp_overflows(c->u[3]) + drain(c->u[3], 4), before + 100, before + 100);
	send_from(c->from, c, 'T', 20);
	assert_int_equal(drain(c->u[0], 'T'), 20);
	send_from(c->another, c, 4, 20);
	assert_int_equal(drain(c->u[0], 4) + drain(c->u[3], 4), 20);
	send_some(c->from, other, udp_port(c->u[0]), 4, 5);
	assert_int_equal(drain(c->u[0], 4), 5);
}

/* Whatever it begins with: it may be a train. */
static void what_is_longer_is_not_free(struct casting *c)
{
	struct udp_steering shorter = c->by;

	shorter.free_most = 39;
	udp_steer(c->u[0], &shorter);
	send_from(c->from, c, 'T', 20);
	assert_int_equal(drain(c->u[0], 'T') + drain(c->u[2], 'T'), 0);
	(void)drain(c->u[3], 'T');
}

static void who_has_a_socket_of_his_own_has_it_for_what_is_free(struct casting *c)
{
	c->named.from.ip = c->it->from.ip;
	if (c->whole)
		assert_int_equal(ip_parse(c->host, &c->named.from.ip), TM_OK);
	c->named.from.port = udp_port(c->from);
	udp_steer(c->u[0], &c->by);
	send_from(c->from, c, 4, 5);
	assert_int_equal(drain(c->u[2], 4), 0);
	send_from(c->from, c, 'T', 5);
	assert_int_equal(drain(c->u[2], 'T'), 5);
	(void)drain(c->u[3], 4);
}

static void of_what_is_free_one_in_so_many_comes(struct casting *c, uint32_t heard_of)
{
	size_t came = 0;

	c->it->rarely = true;
	c->by.heard_of = heard_of;
	udp_steer(c->u[0], &c->by);
	for (unsigned k = 0; k < 20; k++) {
		send_from(c->from, c, 'T', 100);
		came += drain(c->u[2], 'T');
		(void)drain(c->u[3], 'T');
	}
	/* Of one in 16 of 2,000 half of that comes once in 10^9 times. */
	assert_in_range(came, 1000 / heard_of, 4000 / heard_of);
	send_from(c->another, c, 'T', c->whole ? 0 : 20);
	assert_int_equal(drain(c->u[0], 'T'), c->whole ? 0 : 20);
	send_from(c->from, c, 4, 5);
	assert_int_equal(drain(c->u[2], 4) + drain(c->u[0], 4), 0);
	(void)drain(c->u[3], 4);
}

/* A port, or an address with all of its ports, or of IPv6 a /64. */
static void who_is_cast_goes_to_nobodys_socket_but_for_what_is_free(void **state)
{
	static const struct {
		const char *host, *other;
	} ways[] = {{"127.0.0.1", "198.51.100.77"}, {"fd00::1", "fd00:0:0:1::1"}};
	struct casting c = {.from = open_udp(NULL), .another = open_udp(NULL)};
	(void)state;

	/* What is sent to one of them comes from there. */
	host_ip("addr add 198.51.100.77/32 dev lo");
	host_ip("addr add fd00::1/128 dev lo nodad");
	host_ip("addr add fd00:0:0:1::1/128 dev lo nodad");
	for (unsigned i = 0; i < ARRAY_LEN(c.u); i++)
		c.u[i] = open_udp(i ? c.u[0] : NULL);
	for (size_t i = 0; i < 2 * ARRAY_LEN(ways); i++) {
		c.host = ways[i / 2].host;
		c.whole = i % 2;
		steer_cast(&c);
		what_is_not_free_ends_there(&c, ways[i / 2].other);
		what_is_longer_is_not_free(&c);
		who_has_a_socket_of_his_own_has_it_for_what_is_free(&c);
		of_what_is_free_one_in_so_many_comes(&c, 4);
		of_what_is_free_one_in_so_many_comes(&c, 16);
		assert_int_equal(drain(c.u[1], 0), 0);
	}
	for (unsigned i = ARRAY_LEN(c.u); i-- > 0;)
		udp_close(c.u[i]);
	udp_close(c.from);
	udp_close(c.another);
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
