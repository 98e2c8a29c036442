/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The packet filter's place in the data path. A snapshot carries one compiled filter; a NULL filter passes
 * everything (the policy compiler arrives with the filter capability, the hook is already where it must be:
 * after the source check on ingress, before routing on egress).
 */
#ifndef TM_DATA_FILTER_FILTER_H
#define TM_DATA_FILTER_FILTER_H

#include "base/util.h"

struct filter;
struct peer;

enum filter_dir { FILTER_EGRESS, FILTER_INGRESS };

static inline bool filter_pass(
	const struct filter *f, enum filter_dir dir, const struct peer *p, const uint8_t *packet, size_t n)
{
	(void)dir, (void)p, (void)packet, (void)n;
	return f == NULL;
}

#endif
