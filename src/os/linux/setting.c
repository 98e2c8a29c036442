/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The kernel's settings, as files below /proc/sys. */
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SETTING_PATH_MAX = 128 };

static int open_setting(const char *name, int flags)
{
	char path[SETTING_PATH_MAX + 16];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	return open(path, flags | O_CLOEXEC);
}

int os_setting_get(const char *name, char *buf, size_t n)
{
	_cleanup_(closep) int fd = open_setting(name, O_RDONLY);

	if (fd < 0)
		return tm_err_from_errno(errno);
	ssize_t got = read(fd, buf, n - 1);
	if (got < 0)
		return tm_err_from_errno(errno);
	buf[got] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return TM_OK;
}

int os_setting_set(const char *name, const char *value)
{
	_cleanup_(closep) int fd = open_setting(name, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return tm_err_from_errno(errno);
	return TM_OK;
}
