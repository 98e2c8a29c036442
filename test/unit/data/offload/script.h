/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Bytes that somebody chose (a fuzzer, a random generator) become work for the offloads, and everything that
 * comes out is checked against the twins. Both return NULL, or what is wrong.
 */
#ifndef TM_TEST_SCRIPT_H
#define TM_TEST_SCRIPT_H

#include "base/util.h"

enum {
	SCRIPT_HONEST = 1, /* the vnet header is put right, but for gso_size */
	SCRIPT_LONG =
		2, /* the packet is continued to the length in its bytes 40 and 41, and cut less often */
};

/* script: SCRIPT_* 1 | vnet header 10 | packet. */
const char *script_segment(const uint8_t *script, size_t n);

enum {
	SCRIPT_NO_TCP = 1,
	SCRIPT_NO_UDP = 2,
	SCRIPT_MANY = 4, /* 256 flows: the table may forget one, so merges may be missing */
	SCRIPT_BIG = 8, /* four flows of large packets, which reach the longest super-packet: slow */
};

/*
 * script: SCRIPT_* 1 | for each packet: flow 1, how it is bent 1, by how much 1, length 1. Packets of a flow
 * continue each other as far as they are not bent.
 */
const char *script_coalesce(const uint8_t *script, size_t n);

#endif
