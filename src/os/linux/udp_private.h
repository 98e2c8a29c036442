/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What udp.c (opening, receiving) and udp_send.c share. */
#ifndef TM_OS_LINUX_UDP_PRIVATE_H
#define TM_OS_LINUX_UDP_PRIVATE_H

#include "os/udp.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* Linux 4.18 and 5.0. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

struct udp {
	/* set once */
	int fd;
	bool v6;
	uint16_t port;
	uint32_t mark;
	/* any thread; bits only ever go */
	_Atomic(unsigned) offloads;
};

/* Room for PKTINFO of both families, TOS or TCLASS, and the size of a train's datagrams. */
enum { CONTROL_LEN = 192 };
_Static_assert(CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo)) +
			       3 * CMSG_SPACE(sizeof(int)) <=
		       CONTROL_LEN,
	"control messages fit");

union control {
	struct cmsghdr align;
	uint8_t bytes[CONTROL_LEN];
};

static inline bool set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

bool udp_set_fragmenting(const struct udp *u, bool on);

#endif
