/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Opens a TCP connection to "host:port": all addresses of the name, a new attempt every 250 ms while none has
 * succeeded (RFC 8305 5), the first that connects wins. Control thread; the deadline is the owner's.
 */
#ifndef TM_NET_DIAL_H
#define TM_NET_DIAL_H

#include "base/addr.h"
#include "base/err.h"

struct event_base;
struct dial;

struct dial_config {
	const char *address; /* "host:port" */
	/* An address that worked before: tried at once, while the name is looked up; or NULL. */
	const struct endpoint *first;
	unsigned stagger_ms;
	uint32_t mark; /* SO_MARK, 0 = none */
};

/* Called once. fd is the callee's (-1 on failure, then `why` is a clause: "connection refused"). It may free
 * the dial. */
typedef void dial_done_fn(void *ctx, int err, int fd, const struct endpoint *peer, const char *why);

/* Never calls back before returning. TM_EINVAL: not "host:port". */
NODISCARD int dial_new(struct event_base *base, const struct dial_config *cfg, dial_done_fn *done, void *ctx,
	struct dial **ret_dial);
void dial_free(struct dial *d); /* NULL is fine */
/* Is the name still being looked up, with no connection under way? For the sentence about a time-out. */
bool dial_is_resolving(const struct dial *d);

/* Splits "host:port"; brackets around IPv6 are taken off. host holds 255 bytes. */
NODISCARD int dial_address_parse(const char *address, char host[static 255], uint16_t *ret_port);

#endif
