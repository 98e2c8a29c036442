/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <string.h>

#include "web/server.h"

/* "/nodes/+" against "/nodes/alpha". */
static bool fits(
	const char *route, const char *path, char params[static WEB_PARAMS_MAX][WEB_PATH_MAX], size_t *ret_n)
{
	size_t n = 0;

	while (*route) {
		if (*route != '+') {
			if (*route++ != *path++)
				return false;
			continue;
		}
		const size_t len = strcspn(path, "/");

		if (len == 0 || len >= WEB_PATH_MAX || n == WEB_PARAMS_MAX)
			return false;
		memcpy(params[n], path, len);
		params[n++][len] = '\0';
		path += len;
		route++;
	}
	*ret_n = n;
	return *path == '\0';
}

const struct web_route *route_find(const struct web_route *routes, size_t n, const char *path,
	char params[static WEB_PARAMS_MAX][WEB_PATH_MAX], size_t *ret_n)
{
	for (size_t i = 0; i < n; i++)
		if (fits(routes[i].path, path, params, ret_n))
			return &routes[i];
	return NULL;
}
