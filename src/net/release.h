/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is left of a connection that goes on elsewhere, in another thread for instance: its socket, the TLS on
 * it, and what was read and not looked at. The layers are gone then. Control thread; tls_io: one thread at a
 * time.
 */
#ifndef TM_NET_RELEASE_H
#define TM_NET_RELEASE_H

#include "base/addr.h"
#include "net/conn.h"

struct tls_io;

struct net_released {
	int fd;
	struct tls_io *tls; /* NULL: none */
	struct endpoint remote; /* the proxy's where only that knows the other end */
	uint8_t *early; /* NULL: nothing */
	size_t n_early;
};

/*
 * To be called in `input` of the owner, whose layer is right above the WebSocket, after the message that
 * decided it; then the owner closes the connection. TM_EAGAIN: something is still to be sent.
 */
NODISCARD int net_release(struct net_layer *owner, struct net_released *ret_r);
void net_released_deinit(struct net_released *r); /* what was not taken; fd -1, NULL */

/* Bytes through TLS, as struct plane_stream_io wants them; ctx is a struct tls_io. */
int tls_io_read(void *ctx, uint8_t *p, size_t n, size_t *ret_n);
int tls_io_write(void *ctx, const uint8_t *p, size_t n, size_t *ret_n);
bool tls_io_pending(void *ctx);
void tls_io_free(void *ctx);

/* Who takes connections of that kind over, at a server's path for them. */
struct stream_taker {
	void *ctx;
	/* The first message: it proves who is there, or is nobody's. The answer has room for answer_max
	 * bytes. */
	bool (*prove)(void *ctx, const struct endpoint *from, const uint8_t *p, size_t n, uint8_t *answer,
		size_t answer_max, size_t *ret_n);
	/* Right after it. */
	void (*take)(void *ctx, struct net_released *r_take);
};

/* And who opens them: what the first message says, and whether the answer to it is right. */
struct stream_asker {
	void *ctx;
	size_t (*question)(void *ctx, uint8_t *out, size_t max); /* 0: none can be asked */
	bool (*answer)(void *ctx, const uint8_t *p, size_t n);
};
enum { STREAM_PROOF_MAX = 1500 };

#endif
