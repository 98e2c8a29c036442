/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Received text to JSON object, with every bound checked before memory is spent on it. Pure. */
#ifndef TM_CONTROL_LINK_TEXT_H
#define TM_CONTROL_LINK_TEXT_H

#include "base/err.h"
#include "base/util.h"

#include <jansson.h>

enum {
	TEXT_DEPTH_MAX = 16, /* a netmap is 4 deep */
	TEXT_VALUES_MAX = 3 << 20, /* 65,536 records with all their fields and tags */
};

/* A JSON object: no duplicate keys, not too deep, not too many values. On TM_EBADMSG *ret_why names the
 * reason. */
NODISCARD int text_parse(const char *text, size_t n, json_t **ret_json, const char **ret_why);

#endif
