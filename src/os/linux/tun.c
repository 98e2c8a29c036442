/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * os/tun.h on Linux: /dev/net/tun with IFF_MULTI_QUEUE (Documentation/networking/tuntap.rst), IFF_VNET_HDR
 * and TUNSETOFFLOAD.
 */
#include "os/tun.h"

#include "os/handover.h"
#include "os/linux/tun_steer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Linux 6.2; the headers of Debian 12 are older. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

_Static_assert(TUN_NAME_MAX + 1 == IFNAMSIZ, "interface names are 15 bytes and a NUL");

enum { QUEUE_LENGTH = 1000 };

struct tun {
	char name[IFNAMSIZ];
	unsigned queues;
	unsigned offloads; /* enum tun_offload */
	bool vnet; /* each packet is preceded by a virtio-net header */
	bool steered; /* a packet's queue is tun_queue_for of its destination */
	int fd[TUN_QUEUES_MAX];
	int out[TUN_QUEUES_MAX]; /* where a queue's user writes; may be its fd */
};

/* Parts are handed to the kernel as they are. */
_Static_assert(sizeof(struct part) == sizeof(struct iovec) &&
		       offsetof(struct part, p) == offsetof(struct iovec, iov_base) &&
		       offsetof(struct part, n) == offsetof(struct iovec, iov_len),
	"a part is an iovec");

/*
 * What dev_valid_name() of the kernel accepts, and no '%': the kernel would take it for a numbering pattern.
 */
static bool name_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > TUN_NAME_MAX || strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == '/' || *s == ':' || *s == '%' || *s == 0x7f)
			return false;
	return true;
}

static int explain_open(int err, struct diag *d)
{
	if (err == ENOENT || err == ENODEV || err == ENXIO) {
		diag_hint(d, "load the driver with `modprobe tun`; in a container pass the device "
			     "/dev/net/tun in");
		return diag_what(d, TM_ENOENT, "/dev/net/tun is missing, so no TUN device can be created");
	}
	if (err == EACCES || err == EPERM) {
		diag_hint(d, "run as root or with CAP_NET_ADMIN");
		return diag_what(d, TM_EPERM, "no permission to open /dev/net/tun");
	}
	return diag_what(d, tm_err_from_errno(err), "cannot open /dev/net/tun: %s", strerror(err));
}

static int explain_create(int err, const char *name, struct diag *d)
{
	if (err == EPERM || err == EACCES) {
		diag_hint(d, "run as root or with CAP_NET_ADMIN");
		return diag_what(d, TM_EPERM, "no permission to create the TUN device %s", name);
	}
	if (err == EBUSY || err == EEXIST) {
		diag_hint(d, "stop the program that uses it, or choose another name: with --tun for `init` "
			     "and `join`, "
			     "later with tun in the configuration");
		return diag_what(d, TM_EBUSY, "a network interface named %s already exists", name);
	}
	return diag_what(
		d, tm_err_from_errno(err), "cannot create the TUN device %s: %s", name, strerror(err));
}

static short queue_flags(const struct tun *t)
{
	return (short)(IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE | (t->vnet ? IFF_VNET_HDR : 0));
}

static void close_queues(struct tun *t)
{
	while (t->queues) {
		const unsigned i = --t->queues;

		if (t->out[i] != t->fd[i])
			close(t->out[i]);
		close(t->fd[i]);
	}
}

static int open_queue(const struct tun *t, bool first, int *ret_fd, struct diag *d)
{
	struct ifreq ifr = {0};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return explain_open(errno, d);

	/* Without IFF_TUN_EXCL we would silently become another queue of somebody's device of that name. */
	ifr.ifr_flags = queue_flags(t);
	if (first)
		ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_TUN_EXCL);
	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int err = errno;

		close(fd);
		return explain_create(err, t->name, d);
	}
	*ret_fd = fd;
	return TM_OK;
}

/*
 * Without steering the kernel leads a flow to the queue on which its other direction was written last. Two
 * workers, who own one queue each, would then overtake each other with packets of one flow. A detached queue
 * is not read and teaches the kernel nothing, but it can be written: with one more of those for each worker a
 * flow's queue follows from its addresses and ports for good.
 *
 * The older of the two is detached: it keeps its number and the newer one takes that over, so that what is
 * written is recorded as received on a queue that exists (get_rps_cpu of the kernel warns otherwise).
 */
static int part_writer(struct tun *t, unsigned i, struct diag *d)
{
	struct ifreq ifr = {.ifr_flags = IFF_DETACH_QUEUE};
	int fd, err = open_queue(t, false, &fd, d);

	if (err)
		return err;

	if (ioctl(t->fd[i], TUNSETQUEUE, &ifr) < 0) {
		err = errno;
		close(fd);
		return diag_what(d, tm_err_from_errno(err),
			"cannot part a queue of the TUN device %s for writing: %s", t->name, strerror(err));
	}
	t->fd[i] = fd;
	return TM_OK;
}

/* --- from one program to the next --- */

static void keep_name(char ret_name[static HANDOVER_NAME_MAX + 1], const char *which, unsigned i)
{
	snprintf(ret_name, HANDOVER_NAME_MAX + 1, "%s%u", which, i);
}

int tun_keep(const struct tun *t)
{
	char name[HANDOVER_NAME_MAX + 1];
	int err = TM_OK;

	for (unsigned i = 0; i < t->queues && !err; i++) {
		keep_name(name, "tun", i);
		err = handover_give(name, t->fd[i]);
		keep_name(name, "out", i);
		if (!err && t->out[i] != t->fd[i])
			err = handover_give(name, t->out[i]);
	}
	return err;
}

static bool is_alike(const struct tun *t, int fd)
{
	const short wanted = (short)(queue_flags(t) | IFF_VNET_HDR);
	struct ifreq ifr = {0};

	return ioctl(fd, TUNGETIFF, &ifr) == 0 && strcmp(ifr.ifr_name, t->name) == 0 &&
	       (ifr.ifr_flags & wanted) == queue_flags(t);
}

/*
 * The queues of the program that was this process before, if they are what we would open. The device is gone
 * with the last of them else: halves of two would not be one.
 */
static bool take_queues(struct tun *t, unsigned queues)
{
	char name[HANDOVER_NAME_MAX + 1];
	bool alike = true;

	for (t->queues = 0; t->queues < TUN_QUEUES_MAX; t->queues++) {
		const unsigned i = t->queues;

		keep_name(name, "tun", i);
		t->fd[i] = handover_take(name);
		if (t->fd[i] < 0)
			break;
		keep_name(name, "out", i);
		t->out[i] = handover_take(name);
		if (t->out[i] < 0)
			t->out[i] = t->fd[i];
		alike = alike && is_alike(t, t->fd[i]);
	}
	if (alike && t->queues == queues)
		return true;
	close_queues(t);
	return false;
}

static int open_queues(struct tun *t, unsigned queues, struct diag *d)
{
	(void)take_queues(t, queues);
	for (; t->queues < queues; t->queues++) {
		int err = open_queue(t, t->queues == 0, &t->fd[t->queues], d);

		if (err)
			return err;
		t->out[t->queues] = t->fd[t->queues];
	}
	/* A single queue leaves nothing to choose. */
	t->steered = queues == 1 || tun_steer_by_destination(t->fd[0]) == TM_OK;
	for (unsigned i = 0; !t->steered && i < queues; i++) {
		int err = t->out[i] != t->fd[i] ? TM_OK : part_writer(t, i, d);

		if (err)
			return err;
	}
	return TM_OK;
}

/* The kernel knows all or nothing of what one call asks for, so ask for less and less. It holds for all
 * queues. */
static void set_offloads(struct tun *t, unsigned wanted)
{
	const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (wanted & TUN_OFFLOAD_UDP && ioctl(t->fd[0], TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0)
		t->offloads = TUN_OFFLOAD_TCP | TUN_OFFLOAD_UDP;
	else if (wanted && ioctl(t->fd[0], TUNSETOFFLOAD, tcp) == 0)
		t->offloads = TUN_OFFLOAD_TCP;
}

static int set_mtu(const struct tun *t, uint16_t mtu, struct diag *d)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	ifr.ifr_mtu = mtu;
	if (fd < 0 || ioctl(fd, SIOCSIFMTU, &ifr) < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot set the MTU of %s to %u: %s", t->name,
			mtu, strerror(errno));
	return TM_OK;
}

/*
 * Packets that may wait for us. The default, 500, is less than one socket may have in flight in small
 * datagrams; WireGuard in the kernel has 1000 too. A kernel that refuses leaves the default.
 */
static void set_queue_length(const struct tun *t)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	ifr.ifr_qlen = QUEUE_LENGTH;
	(void)!ioctl(fd, SIOCSIFTXQLEN, &ifr);
}

int tun_open(const char *name, unsigned queues, uint16_t mtu, unsigned offloads, struct tun **ret_tun,
	struct diag *d)
{
	int err;

	if (!name_valid(name)) {
		diag_hint(d, "use 1 to 15 letters, digits, '-', '_' or '.'");
		return diag_what(d, TM_EINVAL, "\"%s\" is not a valid interface name", name);
	}
	if (queues == 0 || queues > TUN_QUEUES_MAX)
		return diag_what(d, TM_EINVAL, "%u TUN queues asked for, 1 to %d are possible", queues,
			TUN_QUEUES_MAX);

	struct tun *t = calloc(1, sizeof(*t));
	if (!t)
		return diag_what(d, TM_ENOMEM, "out of memory");

	memcpy(t->name, name, strlen(name));
	t->vnet = offloads != 0;
	err = open_queues(t, queues, d);
	if (err)
		goto fail;
	set_offloads(t, offloads);
	set_queue_length(t);
	err = set_mtu(t, mtu, d);
	if (err)
		goto fail;

	*ret_tun = t;
	return TM_OK;
fail:
	tun_close(t);
	return err;
}

void tun_close(struct tun *t)
{
	if (!t)
		return;
	close_queues(t);
	free(t);
}

const char *tun_name(const struct tun *t)
{
	return t->name;
}

int tun_fd(const struct tun *t, unsigned queue)
{
	return t->fd[queue];
}

bool tun_steered(const struct tun *t)
{
	return t->steered;
}

unsigned tun_offloads(const struct tun *t)
{
	return t->offloads;
}

/*
 * "tm0: rx_bytes packets errs drop fifo frame compressed multicast  tx_bytes packets errs drop ..."
 * (proc(5)): the twelfth number. What the kernel sends is what we read.
 */
uint64_t tun_overflows(const struct tun *t)
{
	unsigned long long dropped = 0;
	char line[512], name[IFNAMSIZ];
	bool found = false;

	FILE *f = fopen("/proc/net/dev", "re");
	if (!f)
		return 0;

	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, " %15[^:]: %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu", name,
				&dropped) == 2 &&
			strcmp(name, t->name) == 0;
	fclose(f);
	return found ? dropped : 0;
}

/* EINVAL: a packet that was forwarded to us and that the header cannot describe; it is gone, the next may be
 * fine. */
static int read_error(int err)
{
	switch (err) {
	case EAGAIN:
	case EINTR:
		return TM_EAGAIN;
	case EINVAL:
		return TM_EBADMSG;
	default:
		return TM_ECLOSED;
	}
}

int tun_read(const struct tun *t, unsigned queue, uint8_t *buf, size_t cap, struct vnet *ret_v, size_t *ret_n)
{
	uint8_t header[VNET_HEADER] = {0};
	struct iovec iov[2] = {
		{.iov_base = header, .iov_len = sizeof(header)}, {.iov_base = buf, .iov_len = cap}};
	ssize_t skip = t->vnet ? VNET_HEADER : 0, n;

	n = t->vnet ? readv(t->fd[queue], iov, 2) : read(t->fd[queue], buf, cap);
	if (n < 0)
		return read_error(errno);

	vnet_decode(header, ret_v);
	*ret_n = n > skip ? (size_t)(n - skip) : 0;
	return TM_OK;
}

static int write_error(int err)
{
	switch (err) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
		return TM_EAGAIN;
	case EINVAL:
		return TM_EINVAL;
	default:
		return TM_EIO;
	}
}

int tun_write(
	const struct tun *t, unsigned queue, const struct vnet *v, const struct part *parts, size_t n_parts)
{
	struct iovec iov[1 + TUN_PARTS_MAX];
	uint8_t header[VNET_HEADER];
	size_t first = t->vnet ? 0 : 1;

	if (n_parts > TUN_PARTS_MAX || (!t->vnet && (v->gso || v->needs_csum)))
		return TM_EINVAL;

	if (t->vnet)
		vnet_encode(header, v);
	iov[0] = (struct iovec){.iov_base = header, .iov_len = sizeof(header)};
	memcpy(iov + 1, parts, n_parts * sizeof(*parts));
	if (writev(t->out[queue], iov + first, (int)(n_parts + 1 - first)) >= 0)
		return TM_OK;
	return write_error(errno);
}
