/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What this process may do, and what others may learn from it. CLI and start-up. */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/handover.h"
#include "os/posix/daemon.h"

#define TUN_DEVICE "/dev/net/tun"

static bool has_capability(unsigned cap)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	if (syscall(SYS_capget, &h, data) < 0)
		return geteuid() == 0;
	return data[CAP_TO_INDEX(cap)].effective & CAP_TO_MASK(cap);
}

bool os_is_root(void)
{
	return geteuid() == 0;
}

int os_check_privileges(struct diag *d)
{
	if (has_capability(CAP_NET_ADMIN))
		return TM_OK;
	if (geteuid() == 0) {
		diag_hint(d, "a container needs --cap-add NET_ADMIN and --device " TUN_DEVICE);
		return diag_what(d, TM_EPERM,
			"this process is root without CAP_NET_ADMIN, so it may not administer the network");
	}
	diag_hint(d, "run it with sudo");
	return diag_what(d, TM_EPERM, "this needs root, or the capability CAP_NET_ADMIN");
}

int os_check_tun(struct diag *d)
{
	_cleanup_(closep) int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return TM_OK;

	int err = errno;
	if (err == ENOENT || err == ENODEV || err == ENXIO)
		diag_hint(d, "load the module with `modprobe tun`; a container needs --device " TUN_DEVICE);
	else if (err == EPERM || err == EACCES)
		diag_hint(d, "a container needs --device " TUN_DEVICE);
	return diag_what(d, tm_err_from_errno(err), "cannot open " TUN_DEVICE ": %s", strerror(err));
}

void os_harden(void)
{
	struct rlimit none = {0};

	daemon_adopt();
	handover_adopt();
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	umask(077);
}

void os_raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

void os_return_memory(void)
{
#ifdef __GLIBC__
	(void)malloc_trim(0);
#endif
}

unsigned os_cores(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : (unsigned)cores;
}

size_t os_descriptors(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (size_t)limit.rlim_cur : 256; /* POSIX promises 20 */
}
