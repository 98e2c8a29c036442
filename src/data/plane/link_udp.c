/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/link.h"

static size_t send_udp(const struct link *l, struct datagram *v, size_t n)
{
	return udp_send(l->udp, v, n);
}

const struct link_ops link_udp = {.name = "udp", .headroom = 0, .send = send_udp};
