/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* For log_set_sink: what is logged is nobody's business in this test. */
#ifndef TM_TEST_QUIET_H
#define TM_TEST_QUIET_H

#include "base/util.h"

static inline void quiet_log(void *ctx UNUSED, const char *line UNUSED, size_t n UNUSED)
{
}

#endif
