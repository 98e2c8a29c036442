/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "host.h"

#include "fake/proc.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

size_t host_open_fds(void)
{
	return proc_count("/proc/self/fd");
}

int host_setup(void **state)
{
	struct host *h = calloc(1, sizeof(*h));
	const char *tmp = getenv("TMPDIR");

	if (!h)
		return -1;
	snprintf(h->dir, sizeof(h->dir), "%.200s/tm-os-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
	if (!mkdtemp(h->dir)) {
		free(h);
		return -1;
	}
	h->fds = host_open_fds();
	*state = h;
	return 0;
}

static void remove_tree(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[2 * HOST_PATH + 64];
		struct stat st;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
			remove_tree(path);
		else
			unlink(path);
	}
	if (d)
		closedir(d);
	(void)umount2(dir, MNT_DETACH);
	rmdir(dir);
}

int host_teardown(void **state)
{
	struct host *h = *state;
	size_t fds = host_open_fds();
	int leaked = fds != h->fds;

	if (leaked)
		print_error("%zu descriptors were open before the test, %zu after it\n", h->fds, fds);
	remove_tree(h->dir);
	free(h);
	return leaked;
}

const char *host_path(struct host *h, const char *name)
{
	snprintf(h->path, sizeof(h->path), "%s/%s", h->dir, name);
	return h->path;
}

void host_unshare(int flags, const char *name)
{
	if (unshare(flags) == 0)
		return;
	print_message("skipped: no private %s namespace here (%s)\n", name, strerror(errno));
	skip();
}

void host_ip(const char *args)
{
	char line[512];

	snprintf(line, sizeof(line), "ip %s", args);
	if (system(line) != 0)
		fail_msg("`%s` failed", line);
}

void host_veth(const char *name, const char *peer)
{
	char line[128];

	snprintf(line, sizeof(line), "link add %s type veth peer name %s", name, peer);
	host_ip(line);
	snprintf(line, sizeof(line), "link set %s up", peer);
	host_ip(line);
	snprintf(line, sizeof(line), "link set %s up", name);
	host_ip(line);
}
