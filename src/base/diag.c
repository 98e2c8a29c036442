/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/diag.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int diag_what(struct diag *d, int err, const char *fmt, ...)
{
	va_list ap;

	if (!d)
		return err;

	va_start(ap, fmt);
	vsnprintf(d->what, sizeof(d->what), fmt, ap);
	va_end(ap);
	return err;
}

void diag_where(struct diag *d, const char *fmt, ...)
{
	va_list ap;

	if (!d)
		return;

	va_start(ap, fmt);
	vsnprintf(d->where, sizeof(d->where), fmt, ap);
	va_end(ap);
}

void diag_hint(struct diag *d, const char *fmt, ...)
{
	va_list ap;

	if (!d)
		return;

	va_start(ap, fmt);
	vsnprintf(d->hint, sizeof(d->hint), fmt, ap);
	va_end(ap);
}

void diag_code(struct diag *d, const char *code)
{
	if (d && !d->code[0])
		snprintf(d->code, sizeof(d->code), "%s", code);
}

const char *diag_format(const struct diag *d, int err, char *buf, size_t buf_len)
{
	snprintf(buf, buf_len, "%s%s%s%s%s%s", d->where, d->where[0] ? ": " : "",
		d->what[0] ? d->what : tm_strerror(err), d->hint[0] ? " (" : "", d->hint,
		d->hint[0] ? ")" : "");
	return buf;
}
