/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the kernel may do for the data plane. Configuration, `status` and the log use these names. */
#ifndef TM_DATA_PLANE_OFFLOADS_H
#define TM_DATA_PLANE_OFFLOADS_H

#include "base/err.h"
#include "base/util.h"

#define PLANE_OFFLOADS(X)                                                                                    \
	X(TUN, "tun", "checksums and TCP super-packets across the TUN")                                      \
	X(USO, "uso", "UDP super-packets across the TUN")                                                    \
	X(GSO, "udp-gso", "many datagrams in one send")                                                      \
	X(GRO, "udp-gro", "many datagrams in one receive")

enum {
#define X(name, label, text) PLANE_OFFLOAD_BIT_##name,
	PLANE_OFFLOADS(X)
#undef X
		PLANE_OFFLOAD_N
};

enum plane_offload {
#define X(name, label, text) PLANE_OFFLOAD_##name = 1 << PLANE_OFFLOAD_BIT_##name,
	PLANE_OFFLOADS(X)
#undef X
		PLANE_OFFLOAD_ALL = (1 << PLANE_OFFLOAD_N) - 1
};

enum { PLANE_OFFLOADS_STR = 64 };
/* "all", "none" or labels with commas between; in buf, which it returns. */
const char *plane_offloads_format(unsigned offloads, char buf[static PLANE_OFFLOADS_STR]);
/* The same text back. TM_EINVAL: something else, or uso without tun, of which it is a part. */
NODISCARD int plane_offloads_parse(const char *s, unsigned *ret_offloads);

#endif
