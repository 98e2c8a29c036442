/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* os/tun.h on Linux: /dev/net/tun with IFF_MULTI_QUEUE (Documentation/networking/tuntap.rst). */
#include "os/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(TUN_NAME_MAX + 1 == IFNAMSIZ, "interface names are 15 bytes and a NUL");

struct tun {
	char name[IFNAMSIZ];
	unsigned queues;
	int fd[TUN_QUEUES_MAX];
};

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
		diag_hint(d, "choose another name with --tun, or stop the program that uses it");
		return diag_what(d, TM_EBUSY, "a network interface named %s already exists", name);
	}
	return diag_what(
		d, tm_err_from_errno(err), "cannot create the TUN device %s: %s", name, strerror(err));
}

static int open_queue(struct tun *t, bool first, struct diag *d)
{
	struct ifreq ifr = {0};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return explain_open(errno, d);

	/* Without IFF_TUN_EXCL we would silently become another queue of somebody's device of that name. */
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE;
	if (first)
		ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_TUN_EXCL);
	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		int err = errno;

		close(fd);
		return explain_create(err, t->name, d);
	}
	t->fd[t->queues++] = fd;
	return TM_OK;
}

static int set_mtu(const struct tun *t, uint16_t mtu, struct diag *d)
{
	_cleanup_(closep)
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = {0};

	memcpy(ifr.ifr_name, t->name, sizeof(t->name));
	ifr.ifr_mtu = mtu;
	if (fd < 0 || ioctl(fd, SIOCSIFMTU, &ifr) < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot set the MTU of %s to %u: %s", t->name,
			mtu, strerror(errno));
	return TM_OK;
}

int tun_open(const char *name, unsigned queues, uint16_t mtu, struct tun **ret_tun, struct diag *d)
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
	while (t->queues < queues) {
		err = open_queue(t, t->queues == 0, d);
		if (err)
			goto fail;
	}
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
	for (unsigned i = 0; i < t->queues; i++)
		close(t->fd[i]);
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

int tun_read(const struct tun *t, unsigned queue, uint8_t *buf, size_t cap, size_t *ret_n)
{
	ssize_t n = read(t->fd[queue], buf, cap);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? TM_EAGAIN : TM_ECLOSED;

	*ret_n = (size_t)n;
	return TM_OK;
}

int tun_write(const struct tun *t, unsigned queue, const uint8_t *p, size_t n)
{
	ssize_t done = write(t->fd[queue], p, n);

	if (done >= 0)
		return TM_OK;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ? TM_EAGAIN : TM_EIO;
}
