/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the system says of an errno value: "No such file or directory". Any thread. */
#ifndef TM_OS_LOW_ERRNO_TEXT_H
#define TM_OS_LOW_ERRNO_TEXT_H

#include <stddef.h>

/* In English whatever the locale, cut to n - 1 bytes; "-" for a value that the system does not know. */
void errno_text(int errno_value, char *text, size_t n);

#endif
