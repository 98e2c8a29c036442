/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What one member told of itself and of its pairs (report.node), for its page. Private to pages/. Pure. */
#ifndef TM_WEB_PAGES_TOLD_H
#define TM_WEB_PAGES_TOLD_H

#include "web/pages/parts.h"

void told_put(struct strbuf *out, const struct page *p, const char *name);

#endif
