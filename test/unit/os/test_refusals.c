/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Kernels that say no: the sentence that the user reads, and what we do without. The system calls are
 * wrapped. */
#include "host.h"

#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os/os.h"
#include "os/tun.h"
#include "os/udp.h"
#include <netinet/in.h>

/* errno of each call while not 0 */
static struct {
	int open_tun, set_iff, bpf, steer, detach, socket_v6, send, trains, read;
	unsigned queues_max; /* 0 = no limit */
	unsigned polls, refused_trains, queues, detached;
} kernel;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
long __wrap_syscall(long number, ...);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *h, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *h, int flags);
ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __real_readv(int fd, const struct iovec *v, int n);
ssize_t __wrap_readv(int fd, const struct iovec *v, int n);
int __real_poll(struct pollfd *v, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *v, nfds_t n, int timeout);

static int refuse(int err)
{
	errno = err;
	return -1;
}

int __wrap_open(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/net/tun") != 0)
		return __real_open(path, flags, 0600);
	return kernel.open_tun ? refuse(kernel.open_tun) : __real_open("/dev/null", O_RDWR | O_CLOEXEC);
}

/* What open() is where addresses have 32 bits and files may have any size. */
int __wrap_open64(const char *path, int flags, ...)
{
	return __wrap_open(path, flags);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	(void)fd;
	if (request == TUNSETIFF && kernel.set_iff)
		return refuse(kernel.set_iff);
	if (request == TUNSETIFF && kernel.queues_max && kernel.queues++ == kernel.queues_max)
		return refuse(E2BIG);
	if (request == TUNSETSTEERINGEBPF && kernel.steer)
		return refuse(kernel.steer);
	if (request == TUNSETQUEUE && kernel.detach)
		return refuse(kernel.detach);
	kernel.detached += request == TUNSETQUEUE;
	return 0;
}

/* Only used to load the program; the others of os/ have a wrapper in libc. */
long __wrap_syscall(long number, ...)
{
	assert_int_equal(number, SYS_bpf);
	return kernel.bpf ? refuse(kernel.bpf) : __real_open("/dev/null", O_RDWR | O_CLOEXEC);
}

int __wrap_socket(int family, int type, int protocol)
{
	if (family == AF_INET6 && kernel.socket_v6)
		return refuse(kernel.socket_v6);
	return __real_socket(family, type, protocol);
}

int __wrap_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	bool train = CMSG_FIRSTHDR(&v->msg_hdr) && CMSG_FIRSTHDR(&v->msg_hdr)->cmsg_level == IPPROTO_UDP;

	if (train && kernel.trains) {
		kernel.refused_trains++;
		return refuse(kernel.trains);
	}
	return kernel.send ? refuse(kernel.send) : __real_sendmmsg(fd, v, n, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *h, int flags)
{
	return kernel.send ? refuse(kernel.send) : __real_sendmsg(fd, h, flags);
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	return kernel.read ? refuse(kernel.read) : __real_read(fd, buf, n);
}

ssize_t __wrap_readv(int fd, const struct iovec *v, int n)
{
	return kernel.read ? refuse(kernel.read) : __real_readv(fd, v, n);
}

int __wrap_poll(struct pollfd *v, nfds_t n, int timeout)
{
	kernel.polls++;
	return __real_poll(v, n, timeout);
}

static int set_up(void **state)
{
	(void)state;
	memset(&kernel, 0, sizeof(kernel));
	return 0;
}

static void a_tun_that_cannot_be_had_says_what_is_missing(void **state)
{
	static const struct {
		int open_tun, set_iff, err;
		const char *what, *hint;
	} rows[] = {
		{ENOENT, 0, TM_ENOENT, "/dev/net/tun is missing", "modprobe tun"},
		{ENODEV, 0, TM_ENOENT, "/dev/net/tun is missing", "modprobe tun"},
		{EACCES, 0, TM_EPERM, "no permission to open /dev/net/tun", "root"},
		{EPERM, 0, TM_EPERM, "no permission to open /dev/net/tun", "root"},
		{0, EPERM, TM_EPERM, "no permission to create the TUN device tm0", "CAP_NET_ADMIN"},
		{0, EBUSY, TM_EBUSY, "tm0 already exists", "--tun"},
		{0, EINVAL, TM_EINVAL, "cannot create the TUN device tm0: Invalid argument", ""},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tun *t = NULL;
		struct diag d = {0};

		kernel.open_tun = rows[i].open_tun;
		kernel.set_iff = rows[i].set_iff;
		int err = tun_open("tm0", 2, 1420, 0, &t, &d);
		if (err != rows[i].err || t || !strstr(d.what, rows[i].what) || !strstr(d.hint, rows[i].hint))
			fail_msg("row %zu: %d, \"%s\" (%s)", i, err, d.what, d.hint);
	}
}

/* Either way no flow changes its queue: by its destination, or because nothing is written where it is read.
 */
static void a_kernel_that_does_not_steer_gets_queues_of_their_own_to_write_to(void **state)
{
	static const struct {
		int bpf, steer, detach;
		unsigned queues_max, queues;
		int err;
		bool steered;
		unsigned detached;
		const char *what;
	} rows[] = {
		{0, 0, 0, 0, 4, TM_OK, true, 0, ""},
		{EPERM, 0, 0, 0, 4, TM_OK, false, 4, ""}, /* no CAP_BPF */
		{ENOSYS, 0, 0, 0, 2, TM_OK, false, 2, ""},
		{0, EINVAL, 0, 0, 3, TM_OK, false, 3, ""}, /* before Linux 4.16 */
		{EPERM, 0, 0, 0, 1, TM_OK, true, 0, ""}, /* nothing to choose */
		{EPERM, 0, EINVAL, 0, 2, TM_EINVAL, false, 0, "cannot part a queue of the TUN device tm0"},
		{EPERM, 0, 0, 3, 3, TM_EIO, false, 0, "cannot create the TUN device tm0"},
		{EPERM, 0, 0, 4, 3, TM_EIO, false, 1, "cannot create the TUN device tm0"},
	};
	size_t fds = host_open_fds();
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tun *t = NULL;
		struct diag d = {0};

		memset(&kernel, 0, sizeof(kernel));
		kernel.bpf = rows[i].bpf;
		kernel.steer = rows[i].steer;
		kernel.detach = rows[i].detach;
		kernel.queues_max = rows[i].queues_max;
		int err = tun_open("tm0", rows[i].queues, 1420, 0, &t, &d);
		if (err != rows[i].err || (t && tun_steered(t) != rows[i].steered) ||
			kernel.detached != rows[i].detached || !strstr(d.what, rows[i].what))
			fail_msg("row %zu: %d, %u detached, \"%s\"", i, err, kernel.detached, d.what);
		assert_int_equal(err != TM_OK, t == NULL);
		tun_close(t);
		assert_int_equal(host_open_fds(), fds);
	}
}

static void the_check_beforehand_says_the_same(void **state)
{
	static const struct {
		int open_tun, err;
		const char *hint;
	} rows[] = {
		{ENOENT, TM_ENOENT, "modprobe tun"},
		{EACCES, TM_EPERM, "--device /dev/net/tun"},
		{EMFILE, TM_EFILES, ""},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};

		kernel.open_tun = rows[i].open_tun;
		int err = os_check_tun(&d);
		if (!strstr(d.what, "cannot open /dev/net/tun: ") || !strstr(d.hint, rows[i].hint) ||
			err >= 0)
			fail_msg("row %zu: %d, \"%s\" (%s)", i, err, d.what, d.hint);
		assert_int_equal(err, rows[i].err);
	}
	kernel.open_tun = 0;
	assert_int_equal(os_check_tun(NULL), TM_OK);
}

static void without_ipv6_a_socket_carries_ipv4_alone(void **state)
{
	struct udp_config cfg = {0};
	struct datagram out = {.data = (uint8_t[]){1, 2, 3}, .n = 3}, in = {.cap = 16};
	uint8_t buf[16];
	struct udp *u;
	(void)state;

	kernel.socket_v6 = EAFNOSUPPORT;
	assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
	assert_false(udp_has_v6(u));
	out.remote = (struct endpoint){.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(u)};
	out.tos = 2;
	assert_int_equal(udp_send(u, &out, 1), 0);
	in.data = buf;
	assert_int_equal(__real_poll(&(struct pollfd){.fd = udp_fd(u), .events = POLLIN}, 1, 40000), 1);
	assert_int_equal(udp_recv(u, &in, 1), 1);
	assert_int_equal(in.n, 3);
	assert_true(endpoint_eq(&in.remote, &out.remote));
	assert_true(ip_eq(&in.local, &out.remote.ip));
	assert_int_equal(in.tos, 2);

	assert_int_equal(endpoint_parse("[2001:db8::1]:9", &out.remote), TM_OK);
	assert_int_equal(udp_send(u, &out, 1), 1);
	assert_int_equal(out.err, TM_EUNREACH);
	udp_close(u);
}

static void a_full_socket_holds_a_batch_up_once(void **state)
{
	struct datagram v[UDP_RECV_MAX];
	struct udp_config cfg = {0};
	uint8_t byte = 0;
	struct udp *u;
	(void)state;

	assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
	for (size_t i = 0; i < UDP_RECV_MAX; i++)
		v[i] = (struct datagram){.data = &byte,
			.n = 1,
			.remote = {.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(u)}};
	kernel.send = EAGAIN;
	kernel.polls = 0;
	assert_int_equal(udp_send(u, v, UDP_RECV_MAX), UDP_RECV_MAX);
	assert_int_equal(kernel.polls, 1);
	for (size_t i = 0; i < UDP_RECV_MAX; i++)
		assert_int_equal(v[i].err, TM_EAGAIN);
	udp_close(u);
}

static void each_refusal_to_send_has_its_name(void **state)
{
	static const struct {
		int errno_value, err;
	} rows[] = {
		{ENOBUFS, TM_EAGAIN},
		{ENOMEM, TM_EAGAIN},
		{EMSGSIZE, TM_ERANGE},
		{ENETUNREACH, TM_EUNREACH},
		{EHOSTUNREACH, TM_EUNREACH},
		{EADDRNOTAVAIL, TM_EUNREACH},
		{EAFNOSUPPORT, TM_EUNREACH},
		{ENETDOWN, TM_EUNREACH},
		{EPERM, TM_EIO},
	};
	struct udp_config cfg = {0};
	uint8_t byte = 0;
	struct udp *u;
	(void)state;

	assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct datagram dg = {.data = &byte,
			.n = 1,
			.remote = {.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(u)}};

		kernel.send = rows[i].errno_value;
		assert_int_equal(udp_send(u, &dg, 1), 1);
		if (dg.err != rows[i].err)
			fail_msg("%s: %d", strerror(rows[i].errno_value), dg.err);
	}
	assert_int_equal(kernel.polls, 0); /* only a full socket is worth waiting for */
	udp_close(u);
}

/* It is tried without; the caller is told, and keeps it no longer. */
static void a_source_address_that_is_gone_is_given_up(void **state)
{
	static const int refusals[] = {EINVAL, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL};
	struct udp_config cfg = {0};
	uint8_t byte = 0;
	struct udp *u;
	(void)state;

	assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
	for (size_t i = 0; i <= ARRAY_LEN(refusals); i++) {
		struct datagram dg = {.data = &byte,
			.n = 1,
			.local = ip_v4_host(0x7f000001),
			.remote = {.ip = ip_v4_host(0x7f000001), .port = udp_port(u)}};
		const bool gone = i < ARRAY_LEN(refusals);

		kernel.send = gone ? refusals[i] : EPERM;
		assert_int_equal(udp_send(u, &dg, 1), 1);
		if (dg.local_refused != gone || (dg.local.family == IP_NONE) != gone)
			fail_msg("%s", strerror(kernel.send));
	}
	udp_close(u);
}

/*
 * EIO (no checksum offload behind the route) and EINVAL (no such option there) are about trains. What else a
 * train is refused with passes, or is about a datagram.
 */
static void trains_end_only_when_it_is_trains_that_the_kernel_refuses(void **state)
{
	static const struct {
		int errno_value;
		bool end;
	} rows[] = {
		{EIO, true},
		{EINVAL, true},
		{ENOBUFS, false},
		{ENOMEM, false},
		{EPERM, false},
		{EMSGSIZE, false},
		{ENETUNREACH, false},
	};
	const struct udp_config cfg = {.offloads = UDP_OFFLOAD_GSO};
	struct datagram v[10], in[10];
	uint8_t bytes[10], got[10][4];
	(void)state;

	for (size_t row = 0; row < ARRAY_LEN(rows); row++) {
		struct udp *u;

		kernel.trains = rows[row].errno_value;
		kernel.refused_trains = 0;
		assert_int_equal(udp_open(&cfg, &u, NULL), TM_OK);
		for (size_t i = 0; i < ARRAY_LEN(v); i++) {
			bytes[i] = (uint8_t)i;
			v[i] = (struct datagram){.data = &bytes[i],
				.n = 1,
				.remote = {.ip = ip_v4((uint8_t[]){127, 0, 0, 1}), .port = udp_port(u)}};
			in[i] = (struct datagram){.data = got[i], .cap = sizeof(got[i])};
		}
		for (unsigned again = 0; again < 2; again++) {
			/* Whatever it was, no datagram is lost, and the order is kept. */
			assert_int_equal(udp_send(u, v, ARRAY_LEN(v)), 0);
			assert_int_equal(udp_recv(u, in, ARRAY_LEN(in)), ARRAY_LEN(v));
			for (size_t i = 0; i < ARRAY_LEN(v); i++)
				assert_int_equal(got[i][0], i);
			if (udp_offloads(u) != (rows[row].end ? 0 : UDP_OFFLOAD_GSO))
				fail_msg("%s: %s", strerror(rows[row].errno_value),
					rows[row].end ? "goes on" : "has ended");
			if (!rows[row].end)
				kernel.trains = 0; /* it has passed */
		}
		assert_int_equal(kernel.refused_trains, 1);
		udp_close(u);
	}
}

static void only_a_deleted_device_is_closed(void **state)
{
	static const struct {
		int errno_value, err;
	} rows[] = {
		{EAGAIN, TM_EAGAIN},
		{EINTR, TM_EAGAIN},
		{EINVAL, TM_EBADMSG}, /* a packet that a header cannot describe */
		{EBADFD, TM_ECLOSED},
	};
	static const unsigned offloads[] = {0, TUN_OFFLOAD_TCP};
	uint8_t p[64];
	struct vnet v;
	size_t n;
	(void)state;

	for (size_t k = 0; k < ARRAY_LEN(offloads); k++) {
		struct tun *t;

		assert_int_equal(tun_open("tm0", 1, 1420, offloads[k], &t, NULL), TM_OK);
		for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
			kernel.read = rows[i].errno_value;
			int err = tun_read(t, 0, p, sizeof(p), &v, &n);
			if (err != rows[i].err)
				fail_msg("%s: %d", strerror(rows[i].errno_value), err);
			kernel.read = 0;
			assert_int_equal(tun_read(t, 0, p, sizeof(p), &v, &n), TM_OK);
		}
		tun_close(t);
	}
}

#define CASE(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_tun_that_cannot_be_had_says_what_is_missing),
		CASE(a_kernel_that_does_not_steer_gets_queues_of_their_own_to_write_to),
		CASE(the_check_beforehand_says_the_same),
		CASE(without_ipv6_a_socket_carries_ipv4_alone),
		CASE(a_full_socket_holds_a_batch_up_once),
		CASE(each_refusal_to_send_has_its_name),
		CASE(a_source_address_that_is_gone_is_given_up),
		CASE(trains_end_only_when_it_is_trains_that_the_kernel_refuses),
		CASE(only_a_deleted_device_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
