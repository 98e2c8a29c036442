/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A piece of something that is written as one: struct iovec without its header. */
#ifndef TM_BASE_PART_H
#define TM_BASE_PART_H

#include "base/util.h"

struct part {
	uint8_t *p; /* borrowed */
	size_t n;
};

#endif
