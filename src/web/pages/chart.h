/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a pair was over a time: a line for its round trip, and below it a band for its path. The caption says
 * the same in words. Private to pages/. Pure.
 */
#ifndef TM_WEB_PAGES_CHART_H
#define TM_WEB_PAGES_CHART_H

#include "web/pages/pairs.h"

/* Of pair's list `key` (recent, day), the last `span` seconds before now; title: "the last day". */
void chart_put(struct strbuf *out, const msg_object *pair, const char *key, int64_t now, int64_t span,
	const char *title);

#endif
