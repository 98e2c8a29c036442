/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/pages/qr.h"

#include "base/secret.h"
#include "web/pages/html.h"

#include <qrcodegen/qrcodegen.h>

enum { MARGIN = 4 }; /* ISO/IEC 18004 7.3.8: a quiet zone of four modules on all sides */

/* The dark modules of a row, those side by side as one. */
static void put_row(struct strbuf *out, const uint8_t *code, int side, int y)
{
	for (int x = 0, n; x < side; x += n) {
		const bool dark = qrcodegen_getModule(code, x, y);

		for (n = 1; x + n < side && qrcodegen_getModule(code, x + n, y) == dark;)
			n++;
		if (dark)
			html_put(out, "M%d %dh%dv1H%dz", x + MARGIN, y + MARGIN, n, x + MARGIN);
	}
}

bool qr_put(struct strbuf *out, const char *text, const char *what)
{
	uint8_t code[qrcodegen_BUFFER_LEN_MAX], scratch[qrcodegen_BUFFER_LEN_MAX];
	const bool fits = qrcodegen_encodeText(text, scratch, code, qrcodegen_Ecc_LOW, qrcodegen_VERSION_MIN,
		qrcodegen_VERSION_MAX, qrcodegen_Mask_AUTO, true);
	const int side = fits ? qrcodegen_getSize(code) : 0;

	if (fits) {
		html_put(out,
			"<svg class=\"qr\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"QR code of "
			"%s\"><path d=\"",
			side + 2 * MARGIN, side + 2 * MARGIN, what);
		for (int y = 0; y < side; y++)
			put_row(out, code, side, y);
		html_put(out, "\"/></svg>\n");
	}
	wipe(scratch, sizeof(scratch)); /* as secret as the text */
	wipe(code, sizeof(code));
	return fits;
}
