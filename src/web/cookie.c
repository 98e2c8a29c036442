/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <string.h>

#include "web/http.h"

const char *web_cookie(const struct web_caller *c, const char *name, size_t *ret_n)
{
	const size_t n_name = strlen(name);

	for (const char *at = c->cookie; at && *at;) {
		at += strspn(at, " \t;");
		const size_t n = strcspn(at, ";");

		if (n > n_name && memcmp(at, name, n_name) == 0 && at[n_name] == '=') {
			*ret_n = n - n_name - 1;
			return at + n_name + 1;
		}
		at += n;
	}
	return NULL;
}
