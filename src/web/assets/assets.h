/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What pages load besides themselves: files of this folder, inside the binary. Constant. */
#ifndef TM_WEB_ASSETS_ASSETS_H
#define TM_WEB_ASSETS_ASSETS_H

#include "base/util.h"

struct web_asset {
	const char *path; /* where pages look for it: "/style.css" */
	const char *type;
	const unsigned char *bytes;
	const size_t *n;
};

const struct web_asset *web_asset_find(const char *path); /* NULL: there is none */

#endif
