/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The other end of control/path/nat.h: how a coordinator or relay answers a member's question about its
 * translator (RFC 5780 6.1). Whether it is a member's, and new, is decided before. Pure.
 *
 * Such a server has three sockets: that of the data plane; a second one, which is asked too (OTHER-ADDRESS);
 * and one that nobody ever writes to, from which CHANGE-REQUEST is answered.
 */
#ifndef TM_CONTROL_PATH_NAT_SERVE_H
#define TM_CONTROL_PATH_NAT_SERVE_H

#include "control/path/stun.h"
#include "data/link/way.h"

struct nat_doors {
	uint16_t port; /* of our data socket, number 0 */
	/* Numbers of the plane's sockets; ports are 0 where there is none. */
	uint32_t second, silent;
	uint16_t second_port, silent_port;
	/* This host's addresses, borrowed: a second one of those the world sees is where answers to
	 * CHANGE-REQUEST come from. */
	const struct ip *local;
	size_t n_local;
};

/* A question of that length has room for such an answer: it is one about a translator. */
bool nat_concerns(const struct stun_msg *req, size_t n);
/*
 * The answer to a question of n bytes that came by `by`, as long as the question; *ret_by is how it is to
 * leave. Returns its length.
 */
size_t nat_serve(const struct nat_doors *d, const struct stun_self *self, const char *to_id,
	const uint8_t key[static STUN_KEY], const struct stun_msg *req, size_t n, const struct way_to *by,
	struct way_to *ret_by, uint8_t *out, size_t out_len);

#endif
