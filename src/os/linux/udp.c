/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * os/udp.h on Linux: one AF_INET6 socket for both families (RFC 3493 3.7, IPv4 as v4-mapped), recvmmsg and
 * sendmmsg, PKTINFO and TOS/TCLASS as control messages (RFC 3542 4, ip(7)). An AF_INET socket where the
 * kernel has no IPv6.
 */
#include "os/linux/udp_private.h"
#include "os/sockaddr.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <unistd.h>

/* Privileged first: beyond net.core.[rw]mem_max. */
static void set_buffer(int fd, int force, int option, size_t bytes)
{
	if (bytes && !set_int(fd, SOL_SOCKET, force, (int)bytes))
		set_int(fd, SOL_SOCKET, option, (int)bytes);
}

bool udp_set_fragmenting(const struct udp *u, bool on)
{
	bool ok = set_int(u->fd, IPPROTO_IP, IP_MTU_DISCOVER, on ? IP_PMTUDISC_DONT : IP_PMTUDISC_DO);

	if (u->v6)
		ok &= set_int(
			u->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, on ? IPV6_PMTUDISC_DONT : IPV6_PMTUDISC_DO);
	return ok;
}

static void set_options(const struct udp *u, const struct udp_config *cfg)
{
	set_int(u->fd, IPPROTO_IP, IP_PKTINFO, 1);
	set_int(u->fd, IPPROTO_IP, IP_RECVTOS, 1);
	if (u->v6) {
		set_int(u->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		set_int(u->fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	}
	udp_set_fragmenting(u, false);
	set_buffer(u->fd, SO_RCVBUFFORCE, SO_RCVBUF, cfg->recv_bytes);
	set_buffer(u->fd, SO_SNDBUFFORCE, SO_SNDBUF, cfg->send_bytes);
}

/* UDP_SEGMENT of 0 changes nothing and tells whether the kernel knows it. */
static unsigned probe_offloads(int fd, unsigned wanted)
{
	unsigned got = 0;

	if (wanted & UDP_OFFLOAD_GSO && set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 0))
		got |= UDP_OFFLOAD_GSO;
	if (wanted & UDP_OFFLOAD_GRO && set_int(fd, IPPROTO_UDP, UDP_GRO, 1))
		got |= UDP_OFFLOAD_GRO;
	return got;
}

static int bind_any(struct udp *u, uint16_t port)
{
	struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in sa4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int err;

	if (u->v6)
		err = bind(u->fd, (struct sockaddr *)&sa6, sizeof(sa6));
	else
		err = bind(u->fd, (struct sockaddr *)&sa4, sizeof(sa4));
	return err < 0 ? errno : 0;
}

/* errno, 0 when done. */
static int open_family(struct udp *u, bool v6, const struct udp_config *cfg, uint16_t port)
{
	int err;

	u->v6 = v6;
	u->fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
	if (u->fd < 0)
		return errno;

	if (v6 && !set_int(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, 0))
		err = errno;
	else if (cfg->with && !set_int(u->fd, SOL_SOCKET, SO_REUSEPORT, 1))
		err = errno;
	else
		err = bind_any(u, port);
	if (err) {
		close(u->fd);
		u->fd = -1;
	}
	return err;
}

static int explain(int err, uint16_t port, struct diag *d)
{
	if (err == EADDRINUSE) {
		diag_hint(d,
			"stop the other program (`ss -ulpn` shows it) or choose another port: with "
			"--listen-port for `init` and `join`, later with listen_port in the configuration");
		return diag_what(d, TM_EBUSY, "UDP port %u is already in use on this machine", port);
	}
	if (err == EACCES || err == EPERM) {
		diag_hint(d,
			"run as root, or choose a port above 1023: with --listen-port for `init` and `join`, "
			"later with listen_port in the configuration");
		return diag_what(d, TM_EPERM, "no permission to listen on UDP port %u", port);
	}
	return diag_what(d, tm_err_from_errno(err), "cannot listen on UDP port %u: %s", port, strerror(err));
}

static int learn_port(struct udp *u)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct endpoint ep;
	int err;

	if (getsockname(u->fd, (struct sockaddr *)&ss, &len) < 0)
		return tm_err_from_errno(errno);

	err = endpoint_from_sockaddr((struct sockaddr *)&ss, &ep);
	if (err)
		return err;

	u->port = ep.port;
	return TM_OK;
}

int udp_open(const struct udp_config *cfg, struct udp **ret_udp, struct diag *d)
{
	uint16_t port = cfg->with ? cfg->with->port : cfg->port;
	int err;

	struct udp *u = calloc(1, sizeof(*u));
	if (!u)
		return diag_what(d, TM_ENOMEM, "out of memory");

	u->fd = -1;
	u->mark = cfg->mark;
	err = open_family(u, cfg->with ? cfg->with->v6 : true, cfg, port);
	if (err && !cfg->with && err != EADDRINUSE && err != EACCES && err != EPERM)
		err = open_family(u, false, cfg, port); /* no IPv6 in this kernel */
	if (err) {
		err = explain(err, port, d);
		goto fail;
	}

	/* After the exclusive bind: from here on sockets that name us in `with` may join. */
	if (!cfg->with)
		set_int(u->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set_options(u, cfg);
	atomic_init(&u->offloads, probe_offloads(u->fd, cfg->offloads));
	if (u->mark && !set_int(u->fd, SOL_SOCKET, SO_MARK, (int)u->mark)) {
		err = diag_what(d, TM_EPERM, "no permission to set the firewall mark %u", u->mark);
		diag_hint(d, "run as root or with CAP_NET_ADMIN");
		goto fail;
	}
	err = learn_port(u);
	if (err) {
		diag_what(d, err, "cannot learn the UDP port");
		goto fail;
	}

	*ret_udp = u;
	return TM_OK;
fail:
	udp_close(u);
	return err;
}

void udp_close(struct udp *u)
{
	if (!u)
		return;
	if (u->fd >= 0)
		close(u->fd);
	free(u);
}

int udp_fd(const struct udp *u)
{
	return u->fd;
}

uint16_t udp_port(const struct udp *u)
{
	return u->port;
}

bool udp_has_v6(const struct udp *u)
{
	return u->v6;
}

static bool read_memory(const struct udp *u, uint32_t info[static SK_MEMINFO_VARS])
{
	socklen_t len = SK_MEMINFO_VARS * sizeof(info[0]);

	memset(info, 0, len);
	return getsockopt(u->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0;
}

uint64_t udp_overflows(const struct udp *u)
{
	uint32_t info[SK_MEMINFO_VARS];

	return read_memory(u, info) ? info[SK_MEMINFO_DROPS] : 0;
}

unsigned udp_filled(const struct udp *u)
{
	uint32_t info[SK_MEMINFO_VARS];

	if (!read_memory(u, info) || !info[SK_MEMINFO_RCVBUF])
		return 0;
	return (unsigned)(UINT64_C(100) * info[SK_MEMINFO_RMEM_ALLOC] / info[SK_MEMINFO_RCVBUF]);
}

unsigned udp_offloads(const struct udp *u)
{
	return atomic_load_explicit(&u->offloads, memory_order_relaxed);
}

/* --- receiving --- */

static void read_control(struct msghdr *h, struct datagram *dg)
{
	bool v4 = dg->remote.ip.family == IP_V4;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (v4 && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			dg->local = ip_v4(&pi.ipi_spec_dst);
			dg->local_ifindex = (uint32_t)pi.ipi_ifindex;
		} else if (v4 && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			dg->tos = *CMSG_DATA(c);
		} else if (!v4 && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			dg->local = ip_v6(&pi.ipi6_addr);
			dg->local_ifindex = pi.ipi6_ifindex;
		} else if (!v4 && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
			int tclass;

			memcpy(&tclass, CMSG_DATA(c), sizeof(tclass));
			dg->tos = (uint8_t)tclass;
		} else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			int segment;

			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
			dg->segment = segment > 0 && (size_t)segment < dg->n ? (uint16_t)segment : 0;
		}
	}
}

size_t udp_recv(const struct udp *u, struct datagram *v, size_t n)
{
	UNINITIALIZED struct mmsghdr mm[UDP_RECV_MAX];
	UNINITIALIZED struct iovec iov[UDP_RECV_MAX];
	UNINITIALIZED struct sockaddr_in6 name[UDP_RECV_MAX];
	UNINITIALIZED union control control[UDP_RECV_MAX];

	for (size_t i = 0; i < n; i++) {
		iov[i] = (struct iovec){.iov_base = v[i].data, .iov_len = v[i].cap};
		mm[i].msg_hdr = (struct msghdr){
			.msg_name = &name[i],
			.msg_namelen = sizeof(name[i]),
			.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_control = &control[i],
			.msg_controllen = sizeof(control[i]),
		};
	}

	int got = recvmmsg(u->fd, mm, (unsigned)n, MSG_DONTWAIT, NULL);
	if (got <= 0)
		return 0;

	for (int i = 0; i < got; i++) {
		struct datagram *dg = &v[i];

		dg->n = mm[i].msg_len;
		dg->truncated = mm[i].msg_hdr.msg_flags & MSG_TRUNC;
		dg->local = (struct ip){0};
		dg->local_ifindex = 0;
		dg->tos = 0;
		dg->segment = 0;
		if (endpoint_from_sockaddr((struct sockaddr *)&name[i], &dg->remote) != TM_OK)
			dg->remote = (struct endpoint){0};
		read_control(&mm[i].msg_hdr, dg);
	}
	return (size_t)got;
}

size_t udp_path_payload(const struct udp *u, const struct endpoint *ep)
{
	struct sockaddr_storage ss;
	socklen_t sa_len = endpoint_to_sockaddr(ep, &ss), len = sizeof(int);
	bool v4 = ep->ip.family == IP_V4;
	int mtu = 0;

	if (!sa_len)
		return 0;

	_cleanup_(closep) int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
	if (fd < 0)
		return 0;

	if (u->mark)
		set_int(fd, SOL_SOCKET, SO_MARK, (int)u->mark);
	if (connect(fd, (struct sockaddr *)&ss, sa_len) < 0 ||
		getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &len) < 0)
		return 0;

	int headers = (v4 ? 20 : 40) + 8;
	return mtu > headers ? (size_t)(mtu - headers) : 0;
}
