/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Sending half of os/udp.h on Linux: sendmmsg, and trains of datagrams that the kernel cuts apart
 * (UDP_SEGMENT, udp(7)): one walk through the stack for up to 64 datagrams.
 */
#include "os/linux/udp_private.h"
#include "os/sockaddr.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>

/* How long a batch waits for room in a full socket buffer before its packets are given up: back-pressure, but
 * bounded. */
#define SEND_WAIT_MS 5

/* A batch for many peers: how many open trains a datagram is compared with. */
enum { LOOK_BACK = 8 };

/* Datagrams that leave together: same way, same size, only the last may be shorter. Linked by sending.next.
 */
struct train {
	uint16_t first, last, n;
	bool closed;
	uint32_t bytes;
};

struct sending {
	struct udp *u;
	struct datagram *v;
	uint16_t next[UDP_SEND_MAX];
	struct train train[UDP_SEND_MAX];
	size_t n_trains, n_iov;
	struct mmsghdr mm[UDP_SEND_MAX];
	struct iovec iov[UDP_SEND_MAX];
	struct sockaddr_storage name[UDP_SEND_MAX];
	union control control[UDP_SEND_MAX];
	bool waited;
};

static void put_control(struct msghdr *h, int level, int type, const void *p, size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)h->msg_control + h->msg_controllen);

	memset(c, 0, CMSG_SPACE(n));
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), p, n);
	h->msg_controllen += CMSG_SPACE(n);
}

/* segment: size of a train's datagrams, 0 = just one. */
static void write_control(
	struct msghdr *h, const struct datagram *dg, uint16_t segment, union control *control)
{
	int tos = dg->tos;
	bool v4 = dg->remote.ip.family == IP_V4;

	h->msg_control = control;
	h->msg_controllen = 0;
	if (v4 && tos)
		put_control(h, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	else if (tos)
		put_control(h, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));

	/*
	 * The source address only: naming the interface too would overrule the routing table after a change.
	 */
	if (v4 && dg->local.family == IP_V4) {
		struct in_pktinfo pi = {0};

		memcpy(&pi.ipi_spec_dst, dg->local.bytes, 4);
		put_control(h, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	} else if (!v4 && dg->local.family == IP_V6) {
		struct in6_pktinfo pi = {0};

		memcpy(&pi.ipi6_addr, dg->local.bytes, 16);
		if (ip_is_link_local(&dg->local))
			pi.ipi6_ifindex = dg->local_ifindex;
		put_control(h, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	}
	if (segment)
		put_control(h, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	if (h->msg_controllen == 0)
		h->msg_control = NULL;
}

/* The destination; msg_namelen 0 when this socket cannot reach the family. */
static void address(
	const struct udp *u, const struct datagram *dg, struct msghdr *h, struct sockaddr_storage *name)
{
	h->msg_name = name;
	h->msg_namelen = 0;
	if (u->v6 && endpoint_is_set(&dg->remote)) {
		endpoint_to_sockaddr6(&dg->remote, (struct sockaddr_in6 *)name);
		h->msg_namelen = sizeof(struct sockaddr_in6);
	} else if (dg->remote.ip.family == IP_V4) {
		h->msg_namelen = endpoint_to_sockaddr(&dg->remote, name);
	}
}

static int send_error(int err)
{
	switch (err) {
	case EMSGSIZE:
		return TM_ERANGE;
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return TM_EAGAIN;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
	case ENETDOWN:
		return TM_EUNREACH;
	default:
		return TM_EIO;
	}
}

static bool wait_writable(struct sending *s)
{
	struct pollfd pf = {.fd = s->u->fd, .events = POLLOUT};

	if (s->waited)
		return false;
	s->waited = true;
	return poll(&pf, 1, SEND_WAIT_MS) > 0;
}

/* One datagram that sendmmsg stopped at: find out why, and try once more where that can help. */
static int send_single(struct sending *s, struct datagram *dg)
{
	struct iovec iov = {.iov_base = dg->data, .iov_len = dg->n};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	struct sockaddr_storage name;
	union control control;

	address(s->u, dg, &h, &name);
	if (!h.msg_namelen)
		return TM_EUNREACH;

	write_control(&h, dg, 0, &control);
	for (;;) {
		if (sendmsg(s->u->fd, &h, MSG_DONTWAIT) >= 0)
			return TM_OK;

		int err = errno;
		if (err == EINTR || (err == EAGAIN && !dg->no_wait && wait_writable(s)))
			continue;

		/* The sticky source address is gone from this host, or no route leads out from it. */
		bool local_gone =
			err == EINVAL || err == ENETUNREACH || err == EHOSTUNREACH || err == EADDRNOTAVAIL;
		if (local_gone && dg->local.family != IP_NONE && !dg->local_refused) {
			dg->local_refused = true;
			dg->local = (struct ip){0};
			write_control(&h, dg, 0, &control);
			continue;
		}
		return send_error(err);
	}
}

/* --- trains --- */

static bool same_way(const struct datagram *a, const struct datagram *b)
{
	return a->tos == b->tos && ip_eq(&a->local, &b->local) && a->local_ifindex == b->local_ifindex;
}

/* The newest train to the same place, if it goes the same way and has room: an older one would change the
 * order. */
static struct train *find_train(struct sending *s, const struct datagram *dg)
{
	size_t oldest = s->n_trains > LOOK_BACK ? s->n_trains - LOOK_BACK : 0;

	for (size_t i = s->n_trains; i-- > oldest;) {
		struct train *t = &s->train[i];

		const struct datagram *first = &s->v[t->first];
		bool room = !t->closed && !dg->segment && dg->n <= first->n &&
			    t->n < UDP_SEND_TRAIN_DATAGRAMS && t->bytes + dg->n <= UDP_SEND_TRAIN_BYTES;

		if (endpoint_eq(&first->remote, &dg->remote))
			return room && same_way(first, dg) ? t : NULL;
	}
	return NULL;
}

static void form_trains(struct sending *s, size_t n)
{
	bool gso = udp_offloads(s->u) & UDP_OFFLOAD_GSO;

	for (size_t i = 0; i < n; i++) {
		struct datagram *dg = &s->v[i];
		struct train *t = gso && dg->n ? find_train(s, dg) : NULL;

		dg->err = TM_OK;
		dg->local_refused = false;
		if (!t) {
			t = &s->train[s->n_trains++];
			*t = (struct train){.first = (uint16_t)i, .closed = dg->segment || dg->no_wait};
		} else {
			s->next[t->last] = (uint16_t)i;
			t->closed = dg->n < s->v[t->first].n;
		}
		t->last = (uint16_t)i;
		t->n++;
		t->bytes += (uint32_t)dg->n;
	}
}

/* The message of one train; neighbours in memory share an iovec. */
static void prepare(struct sending *s, size_t at)
{
	const struct train *t = &s->train[at];
	const struct datagram *first = &s->v[t->first];
	struct msghdr *h = &s->mm[at].msg_hdr;
	struct iovec *iov = NULL;

	*h = (struct msghdr){.msg_iov = &s->iov[s->n_iov]};
	for (uint16_t i = t->first, k = 0; k < t->n; i = s->next[i], k++) {
		uint8_t *data = s->v[i].data;

		if (iov && (uint8_t *)iov->iov_base + iov->iov_len == data) {
			iov->iov_len += s->v[i].n;
			continue;
		}
		iov = &s->iov[s->n_iov++];
		*iov = (struct iovec){.iov_base = data, .iov_len = s->v[i].n};
		h->msg_iovlen++;
	}
	address(s->u, first, h, &s->name[at]);
	write_control(h, first, t->n > 1 ? (uint16_t)first->n : first->segment, &s->control[at]);
}

static void refused_trains(struct sending *s, int err)
{
	if (err == EIO || err == EINVAL)
		atomic_fetch_and_explicit(&s->u->offloads, ~(unsigned)UDP_OFFLOAD_GSO, memory_order_relaxed);
}

/* A train that came as one, datagram by datagram; err: why it did not leave as one, 0 = it was not tried. */
static size_t cut(struct sending *s, struct datagram *dg, int err)
{
	struct datagram one = *dg;

	dg->err = TM_OK;
	for (size_t at = 0; at < dg->n; at += one.n) {
		one.data = dg->data + at;
		one.n = MIN((size_t)dg->segment, dg->n - at);
		one.err = send_single(s, &one);
		if (one.err)
			dg->err = one.err;
	}
	dg->local_refused = one.local_refused;
	if (!dg->err && !one.local_refused)
		refused_trains(s, err);
	return dg->err != TM_OK;
}

/*
 * The kernel refused a whole train. One by one each datagram has its own answer (larger than the path, source
 * address gone). If all of them pass, and the refusal was none that passes by itself, it is trains that this
 * kernel or device does not take (EIO: no checksum offload behind the route, before Linux 6.11; EINVAL), and
 * there will be no more.
 */
static size_t send_apart(struct sending *s, const struct train *t, int err)
{
	size_t failed = 0;
	bool excused = false;

	if (s->v[t->first].segment)
		return cut(s, &s->v[t->first], err);
	for (uint16_t i = t->first, k = 0; k < t->n; i = s->next[i], k++) {
		s->v[i].err = send_single(s, &s->v[i]);
		failed += s->v[i].err != TM_OK;
		excused |= s->v[i].local_refused;
	}
	if (t->n > 1 && !failed && !excused)
		refused_trains(s, err);
	return failed;
}

static size_t give_up(struct sending *s, const struct train *t, int err)
{
	for (uint16_t i = t->first, k = 0; k < t->n; i = s->next[i], k++)
		s->v[i].err = err;
	return t->n;
}

/* Trains first..ret: the kernel takes them at once. Where it takes no trains, those that came as such end it.
 */
static size_t batch_end(const struct sending *s, size_t first)
{
	size_t end = first;

	if (LIKELY(udp_offloads(s->u) & UDP_OFFLOAD_GSO))
		return s->n_trains;
	while (end < s->n_trains && !s->v[s->train[end].first].segment)
		end++;
	return end;
}

size_t udp_send(struct udp *u, struct datagram *v, size_t n)
{
	UNINITIALIZED struct sending s; /* 80 KiB, of which a batch uses as much as it needs */
	size_t failed = 0;

	s.u = u;
	s.v = v;
	s.n_trains = s.n_iov = 0;
	s.waited = false;
	form_trains(&s, n);
	for (size_t i = 0; i < s.n_trains; i++)
		prepare(&s, i);
	for (size_t at = 0; at < s.n_trains;) {
		struct datagram *first = &v[s.train[at].first];
		size_t end = batch_end(&s, at);

		if (end == at) {
			failed += cut(&s, first, 0);
			at++;
			continue;
		}
		int done = sendmmsg(u->fd, s.mm + at, (unsigned)(end - at), MSG_DONTWAIT);

		if (done > 0) {
			at += (size_t)done;
			continue;
		}
		int err = errno;
		if (err == EINTR || (err == EAGAIN && !first->no_wait && wait_writable(&s)))
			continue;
		if (err == EAGAIN)
			failed += give_up(&s, &s.train[at], TM_EAGAIN);
		else
			failed += send_apart(&s, &s.train[at], err);
		at++;
	}
	return failed;
}

int udp_send_fragmented(struct udp *u, struct datagram *dg)
{
	if (!udp_set_fragmenting(u, true))
		return TM_ERANGE;

	udp_send(u, dg, 1);
	udp_set_fragmenting(u, false);
	return dg->err;
}
