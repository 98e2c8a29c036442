/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The queues of a TUN device against the kernel itself, in a network namespace of the test's own. */
#include "host.h"

#include "base/bytes.h"
#include "base/strbuf.h"
#include "os/handover.h"
#include "os/linux/tun_steer.h"
#include "os/sockaddr.h"
#include "os/tun.h"
#include "packet/csum.h"
#include "packet/ip.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAIT_MS = 40000, QUEUES = 4, FLOWS = 64, PORT = 7000, PAYLOAD = 4, PACKET = 28 + PAYLOAD };

static const unsigned offloads[] = {0, TUN_OFFLOAD_TCP, TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP};
static bool may_steer;

int __real_tun_steer_by_destination(int fd);
int __wrap_tun_steer_by_destination(int fd);

int __wrap_tun_steer_by_destination(int fd)
{
	return may_steer ? __real_tun_steer_by_destination(fd) : TM_EPERM;
}

/* Any program at all, as distinct from ours. */
static bool may_load_programs(void)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)nothing;
	attr.insn_cnt = ARRAY_LEN(nothing);
	attr.license = (uintptr_t) "";
	_cleanup_(closep) int fd = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd >= 0;
}

static struct tun *open_device(unsigned queues, unsigned with_offloads)
{
	struct tun *t;

	assert_int_equal(tun_open("tun-queues", queues, 1500, with_offloads, &t, NULL), TM_OK);
	host_ip("addr add 10.9.5.1/24 dev tun-queues");
	host_ip("addr add fd09:5::1/64 dev tun-queues nodad");
	host_ip("link set tun-queues up");
	return t;
}

static int set_up(void **state)
{
	(void)state;
	may_steer = true;
	host_unshare(CLONE_NEWNET, "network");
	return 0;
}

/*
 * What is said to come from a queue that the device does not have never arrives here. The kernel only warns,
 * and only where receive packet steering is on.
 */
static void only_from_queues_that_exist(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_QUEUE)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, QUEUES, 1, 0), /* counted from 1; 0 = not recorded */
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)), 0);
}

/* A socket of ours with this port that talks with the same port over there. */
static int flow_open(uint16_t port, const char *to)
{
	struct endpoint here = {.port = port}, there = {.port = port};
	struct sockaddr_storage ss;

	assert_int_equal(ip_parse(to, &there.ip), TM_OK);
	bool v4 = there.ip.family == IP_V4;
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(ip_parse(v4 ? "10.9.5.1" : "fd09:5::1", &here.ip), TM_OK);
	only_from_queues_that_exist(fd);
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, endpoint_to_sockaddr(&here, &ss)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, endpoint_to_sockaddr(&there, &ss)), 0);
	return fd;
}

/* The rest is the kernel's own IPv6 chatter. */
static bool is_ours(const uint8_t *p)
{
	return (p[0] >> 4 == 4 ? p[9] : p[6]) == IPPROTO_UDP;
}

/* Sends one datagram; the queue from which it can be read. */
static unsigned queue_of(const struct tun *t, unsigned queues, int flow)
{
	struct pollfd pf[QUEUES];
	uint8_t packet[2048];
	struct vnet v;
	size_t n;

	assert_int_equal(send(flow, "ping", PAYLOAD, 0), PAYLOAD);
	for (unsigned q = 0; q < queues; q++)
		pf[q] = (struct pollfd){.fd = tun_fd(t, q), .events = POLLIN};
	for (;;) {
		assert_true(poll(pf, queues, WAIT_MS) > 0);
		for (unsigned q = 0; q < queues; q++) {
			if (!pf[q].revents)
				continue;
			assert_int_equal(tun_read(t, q, packet, sizeof(packet), &v, &n), TM_OK);
			if (is_ours(packet))
				return q;
		}
	}
}

/* A datagram from 10.9.5.2, written on a queue, must come out of the socket. */
static void answer(const struct tun *t, unsigned queue, int flow, uint16_t port)
{
	uint8_t p[PACKET] = {0x45, [8] = 64, [9] = IPPROTO_UDP}, got[PACKET];
	const struct part part = {.p = p, .n = sizeof(p)};

	put_be16(p + 2, PACKET);
	memcpy(p + 12, (uint8_t[]){10, 9, 5, 2, 10, 9, 5, 1}, 8);
	put_be16(p + 10, csum_finish(csum_add(p, 20, 0)));
	put_be16(p + 20, port);
	put_be16(p + 22, port);
	put_be16(p + 24, 8 + PAYLOAD); /* without a checksum: IPv4 allows it */
	memcpy(p + 28, "pong", PAYLOAD);
	assert_int_equal(tun_write(t, queue, &(struct vnet){0}, &part, 1), TM_OK);
	assert_int_equal(poll(&(struct pollfd){.fd = flow, .events = POLLIN}, 1, WAIT_MS), 1);
	assert_int_equal(recv(flow, got, sizeof(got), 0), PAYLOAD);
	assert_memory_equal(got, "pong", PAYLOAD);
}

/* Each queue has a reader of its own, so a flow that changed it would pass from one thread to another. */
static void expect_kept(const struct tun *t, int flow, uint16_t port, unsigned q)
{
	for (unsigned written = 0; written < QUEUES; written++) {
		answer(t, written, flow, port);
		if (queue_of(t, QUEUES, flow) != q)
			fail_msg("port %u left queue %u when queue %u was written", port, q, written);
	}
}

static void a_packets_queue_follows_from_its_destination(void **state)
{
	static const char *const to[] = {"10.9.5.2", "10.9.5.3", "10.9.5.4", "10.9.5.5", "fd09:5::2",
		"fd09:5::3", "fd09:5::4", "fd09:5::1:5"};
	(void)state;

	if (!may_load_programs()) {
		print_message("skipped: this kernel lets us load no BPF program\n");
		skip();
	}
	for (size_t row = 0; row < ARRAY_LEN(offloads); row++) {
		struct tun *t = open_device(QUEUES, offloads[row]);

		assert_true(tun_steered(t));
		for (size_t i = 0; i < ARRAY_LEN(to); i++) {
			struct ip dst;

			assert_int_equal(ip_parse(to[i], &dst), TM_OK);
			for (uint16_t port = PORT; port < PORT + 8; port++) {
				_cleanup_(closep) int fd = flow_open(port, to[i]);
				unsigned q = queue_of(t, QUEUES, fd);

				if (q != tun_queue_for(&dst, QUEUES))
					fail_msg("port %u to %s came to queue %u", port, to[i], q);
				if (i == 0)
					expect_kept(t, fd, port, q);
			}
		}
		tun_close(t);
	}
}

static void without_steering_a_flow_keeps_the_queue_of_its_hash(void **state)
{
	(void)state;

	may_steer = false;
	for (size_t row = 0; row < ARRAY_LEN(offloads); row++) {
		struct tun *t = open_device(QUEUES, offloads[row]);
		unsigned flows[QUEUES] = {0};

		assert_false(tun_steered(t));
		for (uint16_t port = PORT; port < PORT + FLOWS; port++) {
			_cleanup_(closep) int fd = flow_open(port, "10.9.5.2");
			unsigned q = queue_of(t, QUEUES, fd);

			flows[q]++;
			expect_kept(t, fd, port, q);
		}
		for (unsigned q = 0; q < QUEUES; q++)
			if (!flows[q])
				fail_msg("row %zu: none of %d flows came to queue %u", row, FLOWS, q);
		tun_close(t);
	}
}

static void a_device_of_one_queue_carries_both_directions(void **state)
{
	struct tun *t = open_device(1, 0);
	_cleanup_(closep) int fd = flow_open(PORT, "10.9.5.2");
	(void)state;

	assert_int_equal(queue_of(t, 1, fd), 0);
	answer(t, 0, fd, PORT);
	assert_int_equal(queue_of(t, 1, fd), 0);
	tun_close(t);
}

/* All that a device takes is given back: the next of that name can be had at once. */
static void a_closed_device_is_gone(void **state)
{
	size_t before = host_open_fds();
	(void)state;

	for (unsigned i = 0; i < 4; i++) {
		may_steer = i % 2;
		tun_close(open_device(QUEUES, 0));
	}
	assert_int_equal(host_open_fds(), before);
}

/* --- from one program to the next --- */

/* What the environment says of the queues that a program before this one had, as os/handover.h has it. */
static void be_given(const struct tun *t, unsigned queues)
{
	struct strbuf b = {0};

	strbuf_printf(&b, "%d", (int)getpid());
	for (unsigned q = 0; q < queues; q++)
		strbuf_printf(&b, " tun%u:%d", q, fcntl(tun_fd(t, q), F_DUPFD, 10));
	_cleanup_(freep) char *text = strbuf_take(&b);
	setenv("TUNNELMESH_KEPT", text, 1);
	handover_adopt();
}

static void a_device_that_was_handed_over_is_the_same_with_its_addresses_and_what_waits(void **state)
{
	uint8_t packet[2048];
	struct tun *next;
	struct vnet v;
	size_t n;

	(void)state;
	for (size_t row = 0; row < ARRAY_LEN(offloads); row++) {
		struct tun *t = open_device(QUEUES, offloads[row]);
		const unsigned index = if_nametoindex("tun-queues");
		_cleanup_(closep) int fd = flow_open(PORT, "10.9.5.2");
		const unsigned q = queue_of(t, QUEUES, fd);

		be_given(t, QUEUES);
		tun_close(t);
		assert_int_equal(send(fd, "wait", PAYLOAD, 0), PAYLOAD);
		assert_int_equal(tun_open("tun-queues", QUEUES, 1400, offloads[row], &next, NULL), TM_OK);
		assert_int_equal(if_nametoindex("tun-queues"), index);
		do
			assert_int_equal(tun_read(next, q, packet, sizeof(packet), &v, &n), TM_OK);
		while (!is_ours(packet));
		assert_memory_equal(packet + n - PAYLOAD, "wait", PAYLOAD);
		assert_int_equal(queue_of(next, QUEUES, fd), q);
		answer(next, q, fd, PORT);
		tun_close(next);
		assert_int_equal(if_nametoindex("tun-queues"), 0);
	}
}

static void a_device_unlike_the_one_that_is_wanted_goes_before_that_is_made(void **state)
{
	static const struct {
		unsigned queues, offloads, given, next_queues, next_offloads;
		const char *next_name;
	} rows[] = {
		{QUEUES, 0, QUEUES, QUEUES - 1, 0, "tun-queues"},
		{QUEUES, 0, QUEUES, QUEUES + 1, 0, "tun-queues"},
		{QUEUES, 0, QUEUES, QUEUES, TUN_OFFLOAD_TCP, "tun-queues"},
		{QUEUES, TUN_OFFLOAD_TCP, QUEUES, QUEUES, 0, "tun-queues"},
		{QUEUES, 0, QUEUES, QUEUES, 0, "tun-other"},
		{QUEUES, 0, QUEUES - 1, QUEUES, 0, "tun-queues"},
	};
	const size_t before = host_open_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tun *t = open_device(rows[i].queues, rows[i].offloads), *next;
		const unsigned index = if_nametoindex("tun-queues");
		struct diag d = {0};

		be_given(t, rows[i].given);
		tun_close(t);
		assert_int_equal(if_nametoindex("tun-queues"), index);
		if (tun_open(rows[i].next_name, rows[i].next_queues, 1500, rows[i].next_offloads, &next,
			    &d) != TM_OK)
			fail_msg("row %zu: %s", i, d.what);
		if (if_nametoindex("tun-queues") == index)
			fail_msg("row %zu: the device is there still", i);
		tun_close(next);
	}
	assert_int_equal(host_open_fds(), before);
}

#define CASE(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_packets_queue_follows_from_its_destination),
		CASE(without_steering_a_flow_keeps_the_queue_of_its_hash),
		CASE(a_device_of_one_queue_carries_both_directions),
		CASE(a_closed_device_is_gone),
		CASE(a_device_that_was_handed_over_is_the_same_with_its_addresses_and_what_waits),
		CASE(a_device_unlike_the_one_that_is_wanted_goes_before_that_is_made),
	};

	return cmocka_run_group_tests_name("os/queues", tests, NULL, NULL);
}
