/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/qr.h"

#include <qrcodegen/qrcodegen.h>
#include <string.h>

#include "base/secret.h"

enum { MARGIN = 4 }; /* ISO/IEC 18004 7.3.8: a quiet zone of four modules on all sides */

/* Of the colour cube of 256, which themes leave alone, as they do not the first sixteen: white on black. */
#define COLOURS "\033[38;5;231;48;5;16m"
#define NO_COLOURS "\033[0m"

/* As secret as the text that it holds. */
struct code {
	uint8_t modules[qrcodegen_BUFFER_LEN_MAX];
};

/* Rows and columns are counted from the margin's corner. What is outside of the code is light. */
static bool light(const struct code *code, int x, int y)
{
	return !qrcodegen_getModule(code->modules, x - MARGIN, y - MARGIN);
}

static void print_rows(const struct code *code, int side, FILE *f, bool colour)
{
	/* By what is light: above, below. */
	static const char *const blocks[2][2] = {{" ", "\u2584"}, {"\u2580", "\u2588"}};

	for (int y = 0; y < side; y += 2) {
		if (colour)
			fputs(COLOURS, f);
		for (int x = 0; x < side; x++)
			fputs(blocks[light(code, x, y)][light(code, x, y + 1)], f);
		fputs(colour ? NO_COLOURS "\n" : "\n", f);
	}
}

/* At the lowest level of correction, unless a higher one costs nothing: a screen is not torn, and fewer
 * modules are larger ones. */
static bool encode(const char *text, struct code *ret_code)
{
	uint8_t scratch[qrcodegen_BUFFER_LEN_MAX];
	bool fits = qrcodegen_encodeText(text, scratch, ret_code->modules, qrcodegen_Ecc_LOW,
		qrcodegen_VERSION_MIN, qrcodegen_VERSION_MAX, qrcodegen_Mask_AUTO, true);

	wipe(scratch, sizeof(scratch));
	return fits;
}

int qr_print(const char *text, FILE *f, const struct screen *screen, struct diag *d)
{
	struct code code;
	int err = TM_OK;

	if (!encode(text, &code))
		return diag_what(d, TM_ERANGE, "no QR code holds the %zu characters of it", strlen(text));

	const int side = qrcodegen_getSize(code.modules) + 2 * MARGIN;
	if (screen->width && screen->width < (unsigned)side)
		err = diag_what(d, TM_EFULL, "a QR code of it takes %d columns, and there are %u", side,
			screen->width);
	else
		print_rows(&code, side, f, screen->colour);
	wipe(&code, sizeof(code));
	return err;
}
