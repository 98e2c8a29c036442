/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/paths.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

char *os_path_absolute(const char *path)
{
	_cleanup_(freep) char *cwd = NULL;
	char *s;

	if (path[0] == '/')
		return strdup(path);

	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&s, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path) < 0)
		return NULL;

	return s;
}
