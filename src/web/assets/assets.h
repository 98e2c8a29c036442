/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What pages load besides themselves: files of this folder, inside the binary. Constant. */
#ifndef TM_WEB_ASSETS_ASSETS_H
#define TM_WEB_ASSETS_ASSETS_H

#include "base/util.h"

struct web_asset {
	const char *name; /* "style.css" */
	const char *url; /* where pages look for it: has a part that changes with its content */
	const char *type;
	const unsigned char *bytes;
	const size_t *n;
};

const struct web_asset *web_asset_find(const char *name); /* NULL: there is none */
const char *web_asset_url(const char *name); /* of one that there is */

#endif
