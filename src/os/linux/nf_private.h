/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Between nf.c (messages, the table), nf_rules.c (chains, rules, what they are made of) and nf_others.c (what
 * others have). */
#ifndef TM_OS_LINUX_NF_PRIVATE_H
#define TM_OS_LINUX_NF_PRIVATE_H

#include "os/linux/nf.h"

/* Some 500 bytes for a rule: whoever wants ten thousand of them wants something else. */
enum { NF_BATCH_MAX = 8 << 20 };

struct nf_batch {
	const char *table;
	uint8_t family; /* NFPROTO_* */
	uint8_t *buf; /* of `room` bytes, which grows */
	size_t room, n, message; /* where the last one begins */
	uint32_t seq;
	int err; /* TM_E*, of the first that had no room */
	size_t expressions; /* of the rule that is being made */
};

void nf_put(struct nf_batch *b, unsigned type, const void *p, size_t n);
void nf_put_text(struct nf_batch *b, unsigned type, const char *s);
void nf_put_u32(struct nf_batch *b, unsigned type, uint32_t v);
size_t nf_nest(struct nf_batch *b, unsigned type); /* until nf_nest_end of what it gave */
void nf_nest_end(struct nf_batch *b, size_t at);
void nf_begin(struct nf_batch *b, unsigned what, unsigned flags); /* NFT_MSG_*; until nf_end */
void nf_end(struct nf_batch *b);

/* Of any kind, until nf_end. Type and flags as in nlmsghdr, family and resource as in nfgenmsg. */
void nf_message(struct nf_batch *b, unsigned type, unsigned family, unsigned flags, uint16_t resource);
/* errno, 0 = done */
NODISCARD int nf_socket(int *ret_fd);
NODISCARD int nf_send(int fd, const void *p, size_t n);

#endif
