/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/paths.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool os_path_is_absolute(const char *path)
{
	return path[0] == '/';
}

/* What comes between the two. */
static const char *between(const char *folder)
{
	const size_t n = strlen(folder);

	return n && folder[n - 1] == '/' ? "" : "/";
}

char *os_path_join(const char *folder, const char *name)
{
	char *s;

	return asprintf(&s, "%s%s%s", folder, between(folder), name) < 0 ? NULL : s;
}

char *os_path_absolute(const char *path)
{
	_cleanup_(freep) char *cwd = NULL;

	if (os_path_is_absolute(path))
		return strdup(path);

	cwd = getcwd(NULL, 0);
	return cwd ? os_path_join(cwd, path) : NULL;
}

void os_path_in(char *buf, size_t n, const char *folder, const char *name)
{
	snprintf(buf, n, "%s%s%s", folder, between(folder), name);
}

void os_path_trim(char *path)
{
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
}

bool os_path_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || (slash == path && !path[1]))
		return false;

	slash[slash == path] = '\0'; /* the root keeps its own */
	os_path_trim(path);
	return true;
}
