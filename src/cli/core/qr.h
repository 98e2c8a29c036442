/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A text as a QR code of characters, for a camera that is held before a terminal. */
#ifndef TM_CLI_CORE_QR_H
#define TM_CLI_CORE_QR_H

#include <stdio.h>

#include "base/diag.h"
#include "base/err.h"
#include "cli/core/columns.h"

/*
 * Two modules to a character, one above the other, and the margin that readers want. In colours of its own
 * where there are any: else the ground must be dark. With a sentence: TM_ERANGE, too much for any code;
 * TM_EFULL, the screen is too narrow.
 */
NODISCARD int qr_print(const char *text, FILE *f, const struct screen *screen, struct diag *d);

#endif
