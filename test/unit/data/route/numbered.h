/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A route table never looks inside a peer: numbered addresses stand in for them. */
#ifndef TM_TEST_ROUTE_NUMBERED_H
#define TM_TEST_ROUTE_NUMBERED_H

#include <stddef.h>
#include <stdint.h>

struct peer;

static inline struct peer *peer_n(size_t n)
{
	return (struct peer *)(void *)(uintptr_t)(n * 16);
}

static inline size_t number_of(const struct peer *p)
{
	return (uintptr_t)(const void *)p / 16;
}

#endif
