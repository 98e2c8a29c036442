/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A text as a QR code, drawn. Private to pages/. Pure. */
#ifndef TM_WEB_PAGES_QR_H
#define TM_WEB_PAGES_QR_H

#include "base/strbuf.h"

/* what: of which it is, for who does not see it. False, and nothing is put: no code holds so much. */
bool qr_put(struct strbuf *out, const char *text, const char *what);

#endif
