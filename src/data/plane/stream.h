/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Streams that carry relayed messages where UDP does not pass: WebSocket connections whose binary messages
 * are frames of wire/relay.h. The control thread makes them (connects or accepts, upgrades, proves who is
 * there) and gives each to the plane once; from then on one worker reads and writes it, masks and frames, and
 * the control thread only hears of its end (plane_events.stream_lost). It may be another worker later.
 * Everything here is for the control thread.
 *
 * What a relay's stream carries besides frames are STUN messages, each a binary message of its own: they come
 * out of, and go into, the plane like those of UDP, by a way of kind WAY_RELAY_TCP without `relay`. Pings are
 * answered by the worker.
 */
#ifndef TM_DATA_PLANE_STREAM_H
#define TM_DATA_PLANE_STREAM_H

#include "base/addr.h"
#include "base/err.h"
#include "wire/ws.h"

struct plane;

/*
 * What bytes go through below the WebSocket, TLS for instance. From plane_stream_add on only workers call
 * it, never two at a time, and none of it may wait. NULL in plane_stream: the descriptor itself.
 */
struct plane_stream_io {
	/* At least one byte, or TM_EAGAIN (until fd is readable), TM_ECLOSED, TM_EIO. */
	int (*read)(void *ctx, uint8_t *p, size_t n, size_t *ret_n);
	/* As many of the n bytes as it takes now; TM_EAGAIN when none (until fd is writable), TM_EIO. */
	int (*write)(void *ctx, const uint8_t *p, size_t n, size_t *ret_n);
	/* There is something to read although the descriptor may not be readable. */
	bool (*pending)(void *ctx);
	void (*free)(void *ctx); /* not the descriptor; on the control thread */
};

struct plane_stream {
	int fd; /* TCP, connected, not waiting; the plane closes it */
	const struct plane_stream_io *io;
	void *ctx;
	enum ws_role role; /* ours: WS_CLIENT masks */
	struct endpoint
		remote; /* of ways that things came by: the relay's, or the member's; may be unknown */
	/* We are the relay, and this is the member at the other end: what comes is from it, also while its
	 * leg is another. 0: the other end is a relay of ours, and what comes is for us. */
	uint32_t host;
	/* What was read behind the upgrade and the proof already; borrowed for the call. */
	const uint8_t *early;
	size_t n_early;
};

/*
 * Takes fd, io and ctx, whatever the result. The number is the way's `socket`; the member's leg is set apart
 * (plane_relay_put with a way by that number). TM_EFULL at PLANE_STREAMS_MAX.
 */
enum { PLANE_STREAMS_MAX = 16384 };
NODISCARD int plane_stream_add(struct plane *p, const struct plane_stream *s_take, uint32_t *ret_stream);
/* Says goodbye if there is room for it, and closes. An unknown number is none. stream_lost is not called. */
void plane_stream_remove(struct plane *p, uint32_t stream);

#endif
