/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where output is looked at by a person. */
#ifndef TM_OS_TERMINAL_H
#define TM_OS_TERMINAL_H

#include "base/util.h"

/* In characters; 0: no terminal, or one that cannot say. */
unsigned terminal_width(int fd);

#endif
