/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* cmocka with the headers it wants, in the order it wants them. */
#ifndef TM_TEST_UNIT_H
#define TM_TEST_UNIT_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
