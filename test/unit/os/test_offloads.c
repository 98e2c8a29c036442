/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Trains of datagrams and super-packets against the kernel itself, in a network namespace of the test's own.
 */
#include "host.h"

#include "base/bytes.h"
#include "data/offload/coalesce.h"
#include "data/offload/segment.h"
#include "os/sockaddr.h"
#include "os/tun.h"
#include "os/udp.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

enum { WAIT_MS = 40000, OFFLOADS = UDP_OFFLOAD_GSO | UDP_OFFLOAD_GRO };

static bool readable(int fd)
{
	return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, WAIT_MS) == 1;
}

static int set_up(void **state)
{
	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	return 0;
}

static struct udp *open_udp(unsigned offloads)
{
	const struct udp_config cfg = {.offloads = offloads, .recv_bytes = 4u << 20, .send_bytes = 4u << 20};
	struct udp *u;

	assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
	return u;
}

/* --- datagrams --- */

/* What a datagram must contain: its number, and bytes that follow from it. */
static void fill(uint8_t *p, size_t n, unsigned number)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(number * 31 + i);
	if (n >= 2)
		put_be16(p, (uint16_t)number);
}

struct batch {
	uint8_t bytes[UDP_SEND_MAX][1500];
	struct datagram v[UDP_SEND_MAX];
	size_t n;
};

static void batch_add(struct batch *b, const struct udp *to, size_t n)
{
	struct datagram *dg = &b->v[b->n];

	fill(b->bytes[b->n], n, (unsigned)b->n);
	*dg = (struct datagram){.data = b->bytes[b->n],
		.n = n,
		.remote = {.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(to)}};
	b->n++;
}

/* Receives until `want` datagrams came; checks that they are those of the batch for this socket, in order. */
static size_t receive_all(const struct udp *u, const struct batch *b, size_t *ret_trains)
{
	static uint8_t slot[4][UDP_TRAIN_MAX];
	struct datagram in[4];
	size_t at = 0, got = 0;

	*ret_trains = 0;
	for (;;) {
		while (at < b->n && b->v[at].remote.port != udp_port(u))
			at++;
		if (at == b->n)
			return got;

		for (size_t i = 0; i < ARRAY_LEN(in); i++)
			in[i] = (struct datagram){.data = slot[i], .cap = sizeof(slot[i])};
		assert_true(readable(udp_fd(u)));
		size_t n = udp_recv(u, in, ARRAY_LEN(in));

		for (size_t i = 0; i < n; i++) {
			size_t step = in[i].segment ? in[i].segment : in[i].n;

			*ret_trains += in[i].segment != 0;
			for (size_t off = 0; off < in[i].n || (off == 0 && in[i].n == 0); off += step) {
				while (b->v[at].remote.port != udp_port(u))
					at++;
				assert_int_equal(MIN(step, in[i].n - off), b->v[at].n);
				assert_memory_equal(in[i].data + off, b->bytes[at], b->v[at].n);
				at++;
				got++;
				if (!step)
					break;
			}
		}
	}
}

static void datagrams_arrive_whole_and_in_order_with_and_without_trains(void **state)
{
	static const unsigned rows[] = {0, UDP_OFFLOAD_GSO, UDP_OFFLOAD_GRO, OFFLOADS};
	static struct batch b;
	(void)state;

	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		struct udp *from = open_udp(rows[row]), *to[2] = {open_udp(rows[row]), open_udp(rows[row])};
		size_t trains;

		assert_int_equal(udp_offloads(from), rows[row]);
		b.n = 0;
		/* Equal ones for two sockets in turn, a short one that ends a train, a longer one, empty
		 * ones. */
		for (unsigned i = 0; i < 60; i++)
			batch_add(&b, to[i % 2], 700);
		batch_add(&b, to[0], 699);
		batch_add(&b, to[0], 700);
		batch_add(&b, to[0], 1400);
		batch_add(&b, to[1], 0);
		batch_add(&b, to[1], 1);
		while (b.n < UDP_SEND_MAX)
			batch_add(&b, to[0], 333);
		assert_int_equal(udp_send(from, b.v, b.n), 0);
		assert_int_equal(receive_all(to[1], &b, &trains), 32);
		assert_int_equal(receive_all(to[0], &b, &trains), UDP_SEND_MAX - 32);
		/* On lo a train crosses whole, so a receiver that wants trains gets them. */
		assert_int_equal(trains > 0, rows[row] == OFFLOADS);
		assert_int_equal(udp_offloads(from), rows[row]);
		udp_close(from);
		udp_close(to[0]);
		udp_close(to[1]);
	}
}

/* Datagrams to one place that cannot share a train, because they go there in different ways. */
static void the_order_to_one_place_is_kept_whatever_changes_on_the_way(void **state)
{
	static const uint8_t tos[] = {2, 0, 2, 3, 2, 0};
	static const uint8_t from_here[] = {0, 1, 0, 2, 1}; /* 127.0.0.x; 0 = the kernel chooses */
	static const struct {
		bool tos, from_here;
		unsigned offloads;
	} rows[] = {
		{true, false, OFFLOADS},
		{false, true, OFFLOADS},
		{true, true, OFFLOADS},
		{true, true, UDP_OFFLOAD_GSO},
		{true, true, 0},
	};
	static struct batch b;
	(void)state;

	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		struct udp *from = open_udp(rows[row].offloads);
		struct udp *to[2] = {open_udp(rows[row].offloads), open_udp(rows[row].offloads)};
		size_t trains;

		b.n = 0;
		for (size_t i = 0; i < 120; i++) {
			struct datagram *dg = &b.v[i];
			uint8_t local = from_here[i / 2 % ARRAY_LEN(from_here)];

			batch_add(&b, to[i % 2], 400);
			if (rows[row].tos)
				dg->tos = tos[i / 2 % ARRAY_LEN(tos)];
			if (rows[row].from_here && local)
				dg->local = ip_v4((uint8_t[]){127, 0, 0, local});
		}
		assert_int_equal(udp_send(from, b.v, b.n), 0);
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(receive_all(to[i], &b, &trains), 60);
		udp_close(from);
		udp_close(to[0]);
		udp_close(to[1]);
	}
}

/* The route leads into a device without checksum offload: before Linux 6.11 UDP_SEGMENT fails with EIO there.
 */
static void a_device_without_checksum_offload_costs_no_datagram(void **state)
{
	static struct batch b;
	struct udp *u = open_udp(UDP_OFFLOAD_GSO);
	struct tun *t;
	struct diag d = {0};
	unsigned seen = 0;
	(void)state;

	assert_int_equal(tun_open("tun-plain", 1, 1500, 0, &t, &d), TM_OK);
	host_ip("addr add 10.9.9.1/24 dev tun-plain");
	host_ip("link set tun-plain up");
	b.n = 0;
	for (unsigned i = 0; i < 20; i++) {
		batch_add(&b, u, 500);
		assert_int_equal(ip_parse("10.9.9.2", &b.v[i].remote.ip), TM_OK);
	}
	assert_int_equal(udp_send(u, b.v, b.n), 0);
	while (seen < 20) {
		static uint8_t packet[2048];
		struct vnet v;
		size_t n;

		assert_true(readable(tun_fd(t, 0)));
		assert_int_equal(tun_read(t, 0, packet, sizeof(packet), &v, &n), TM_OK);
		if (packet[0] != 0x45 || packet[9] != IPPROTO_UDP)
			continue; /* the kernel's own IPv6 chatter */
		assert_int_equal(n, 28 + 500);
		assert_memory_equal(packet + 28, b.bytes[seen], 500);
		seen++;
	}
	tun_close(t);
	udp_close(u);
}

/* A datagram larger than the path is refused alone; its companions of the batch go. */
static void a_datagram_too_large_for_the_path_does_not_take_others_with_it(void **state)
{
	static struct batch b;
	struct udp *u = open_udp(UDP_OFFLOAD_GSO);
	struct tun *t;
	(void)state;

	assert_int_equal(tun_open("tun-small", 1, 1280, TUN_OFFLOAD_TCP, &t, NULL), TM_OK);
	host_ip("addr add 10.9.8.1/24 dev tun-small");
	host_ip("link set tun-small up");
	b.n = 0;
	for (unsigned i = 0; i < 8; i++) {
		batch_add(&b, u, i < 4 ? 1400 : 1000);
		assert_int_equal(ip_parse("10.9.8.2", &b.v[i].remote.ip), TM_OK);
	}
	assert_int_equal(udp_send(u, b.v, b.n), 4);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(b.v[i].err, i < 4 ? TM_ERANGE : TM_OK);
	assert_int_equal(udp_offloads(u), UDP_OFFLOAD_GSO); /* trains are not at fault */
	tun_close(t);
	udp_close(u);
}

/* What came as a train goes on as one, between others, or cut where the kernel takes none. */
static void a_train_that_somebody_else_made_arrives_datagram_by_datagram(void **state)
{
	static const unsigned rows[] = {OFFLOADS, UDP_OFFLOAD_GRO, UDP_OFFLOAD_GSO, 0};
	static const struct {
		size_t first, n;
	} sent[] = {{0, 1}, {1, 30}, {31, 11}, {42, 1}};
	static struct batch b;
	(void)state;

	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		struct udp *from = open_udp(rows[row]), *to = open_udp(rows[row]);
		struct datagram v[ARRAY_LEN(sent)];
		size_t trains;

		b.n = 0;
		for (size_t i = 0; i < 43; i++)
			batch_add(&b, to, i == 30 ? 700 : sizeof(b.bytes[0]));
		for (size_t i = 0; i < ARRAY_LEN(sent); i++) {
			const size_t last = sent[i].first + sent[i].n - 1;

			v[i] = b.v[sent[i].first];
			v[i].n = (sent[i].n - 1) * sizeof(b.bytes[0]) + b.v[last].n;
			v[i].segment = sent[i].n > 1 ? sizeof(b.bytes[0]) : 0;
			v[i].no_wait = i % 2;
		}
		assert_int_equal(udp_send(from, v, ARRAY_LEN(v)), 0);
		assert_int_equal(receive_all(to, &b, &trains), 43);
		assert_int_equal(udp_offloads(from), rows[row]);
		udp_close(from);
		udp_close(to);
	}
}

static void such_a_train_is_refused_whole_where_its_datagrams_are_too_large(void **state)
{
	static uint8_t bytes[10][1400];
	struct udp *u = open_udp(UDP_OFFLOAD_GSO);
	struct datagram dg = {
		.data = bytes[0], .n = sizeof(bytes), .segment = sizeof(bytes[0]), .remote.port = 9};
	struct tun *t;
	(void)state;

	assert_int_equal(tun_open("tun-less", 1, 1280, TUN_OFFLOAD_TCP, &t, NULL), TM_OK);
	host_ip("addr add 10.9.7.1/24 dev tun-less");
	host_ip("link set tun-less up");
	assert_int_equal(ip_parse("10.9.7.2", &dg.remote.ip), TM_OK);
	assert_int_equal(udp_send(u, &dg, 1), 1);
	assert_int_equal(dg.err, TM_ERANGE);
	assert_int_equal(udp_offloads(u), UDP_OFFLOAD_GSO);
	dg.segment = 1000;
	assert_int_equal(udp_send(u, &dg, 1), 0);
	assert_int_equal(dg.err, TM_OK);
	tun_close(t);
	udp_close(u);
}

/* --- super-packets --- */

enum { PIECES = 40, PIECE = 900 };

static int plain_socket(const char *bind_to, uint16_t port)
{
	struct sockaddr_storage ss;
	struct endpoint ep;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(endpoint_parse(bind_to, &ep), TM_OK);
	ep.port = port;
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, endpoint_to_sockaddr(&ep, &ss)), 0);
	return fd;
}

static void write_to_tun(
	void *ctx, const struct vnet *v, const struct part *parts, size_t n_parts, unsigned packets)
{
	assert_int_equal(packets, PIECES);
	assert_int_equal(tun_write(ctx, 0, v, parts, n_parts), TM_OK);
}

/* The kernel's super-packet, cut by us; then turned round, merged by us and cut by the kernel. */
static void the_kernel_and_we_agree_on_udp_super_packets(void **state)
{
	static uint8_t super[TUN_PACKET_MAX], piece[PIECES][1500], data[PIECES * PIECE];
	struct sockaddr_storage ss;
	struct coalescer *c;
	struct segmenter s;
	struct endpoint to;
	struct tun *t;
	struct ip_view view;
	struct vnet v;
	size_t n;
	int segment = PIECE;
	(void)state;

	assert_int_equal(tun_open("tun-uso", 1, 1500, TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP, &t, NULL), TM_OK);
	if (!(tun_offloads(t) & TUN_OFFLOAD_UDP)) {
		print_message("skipped: this kernel has no UDP segmentation on TUN (Linux 6.2)\n");
		tun_close(t);
		skip();
	}
	host_ip("addr add 10.9.7.1/24 dev tun-uso");
	host_ip("link set tun-uso up");

	_cleanup_(closep) int fd = plain_socket("10.9.7.1:0", 7000);
	assert_int_equal(endpoint_parse("10.9.7.2:7000", &to), TM_OK);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	assert_int_equal(
		sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&ss, endpoint_to_sockaddr(&to, &ss)),
		sizeof(data));
	do {
		assert_true(readable(tun_fd(t, 0)));
		assert_int_equal(tun_read(t, 0, super, sizeof(super), &v, &n), TM_OK);
	} while (super[0] != 0x45);
	assert_int_equal(v.gso, VNET_GSO_UDP);
	assert_int_equal(n, 28 + sizeof(data));

	assert_int_equal(ip_view_of(super, n, &view), TM_OK);
	assert_int_equal(segment_begin(&s, &v, &view), TM_OK);
	assert_int_equal(s.count, PIECES);
	assert_int_equal(coalescer_new(&c), TM_OK);
	coalesce_allow(c, true, true);
	for (unsigned i = 0; i < PIECES; i++) {
		uint8_t swap[4];
		size_t len = segment_next(&s, piece[i]);

		assert_int_equal(len, 28 + PIECE);
		assert_memory_equal(piece[i] + 28, data + i * PIECE, PIECE);
		memcpy(swap, piece[i] + 12, 4); /* checksums are sums: the exchange leaves them right */
		memcpy(piece[i] + 12, piece[i] + 16, 4);
		memcpy(piece[i] + 16, swap, 4);
		assert_int_equal(ip_view_of(piece[i], len, &view), TM_OK);
		assert_int_equal(coalesce_add(c, piece[i], &view), TM_OK);
	}
	segment = 0;
	setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	coalesce_flush(c, write_to_tun, t);
	for (unsigned i = 0; i < PIECES; i++) {
		uint8_t got[1500];

		assert_true(readable(fd));
		assert_int_equal(recv(fd, got, sizeof(got), 0), PIECE);
		assert_memory_equal(got, data + i * PIECE, PIECE);
	}
	coalescer_free(c);
	tun_close(t);
}

/* --- what we were too slow for --- */

static void what_the_kernel_drops_for_us_is_counted(void **state)
{
	const struct udp_config cfg = {.recv_bytes = 4096};
	static uint8_t data[1000];
	struct sockaddr_storage ss;
	struct endpoint to;
	struct udp *u, *from = open_udp(0);
	struct tun *t;
	(void)state;

	assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
	struct datagram dg = {.data = data,
		.n = sizeof(data),
		.remote = {.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(u)}};
	assert_int_equal(udp_overflows(u), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(udp_send(from, &dg, 1), 0);
	assert_true(udp_overflows(u) > 0 && udp_overflows(u) < 100);
	assert_int_equal(udp_overflows(from), 0);

	assert_int_equal(tun_open("tun-slow", 1, 1500, 0, &t, NULL), TM_OK);
	host_ip("addr add 10.9.6.1/24 dev tun-slow");
	host_ip("link set tun-slow txqueuelen 4");
	host_ip("link set tun-slow up");
	assert_int_equal(tun_overflows(t), 0);
	_cleanup_(closep) int fd = plain_socket("10.9.6.1:0", 7000);
	assert_int_equal(endpoint_parse("10.9.6.2:7000", &to), TM_OK);
	for (unsigned i = 0; i < 100; i++)
		(void)!sendto(
			fd, data, sizeof(data), 0, (struct sockaddr *)&ss, endpoint_to_sockaddr(&to, &ss));
	assert_true(tun_overflows(t) > 0);
	tun_close(t);
	udp_close(u);
	udp_close(from);
}

#define CASE(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(datagrams_arrive_whole_and_in_order_with_and_without_trains),
		CASE(the_order_to_one_place_is_kept_whatever_changes_on_the_way),
		CASE(a_device_without_checksum_offload_costs_no_datagram),
		CASE(a_datagram_too_large_for_the_path_does_not_take_others_with_it),
		CASE(a_train_that_somebody_else_made_arrives_datagram_by_datagram),
		CASE(such_a_train_is_refused_whole_where_its_datagrams_are_too_large),
		CASE(the_kernel_and_we_agree_on_udp_super_packets),
		CASE(what_the_kernel_drops_for_us_is_counted),
	};

	return cmocka_run_group_tests_name("os/offloads", tests, NULL, NULL);
}
