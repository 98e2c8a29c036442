/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * WebSocket framing (RFC 6455, 5). Sans-I/O: received bytes in, events out; the encoder writes into caller's
 * memory. Only binary data messages are accepted; fragments are joined, control frames may stand between
 * them.
 *
 *   struct rd in = rd_over(buf, n);
 *   for (;;) {
 *           err = ws_decode(&dec, &in, &ev);
 *           if (err) { send a close frame with dec.close_code; hang up; }
 *           if (ev.kind == WS_EV_MORE) break;   (everything in `in` is consumed)
 *           ...
 *   }
 */
#ifndef TM_WIRE_WS_H
#define TM_WIRE_WS_H

#include "base/bytes.h"
#include "base/err.h"

enum ws_opcode { WS_CONT = 0, WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };

/* Which side this end is: a server wants every frame masked, a client none (RFC 6455 5.1). */
enum ws_role { WS_CLIENT, WS_SERVER };

enum {
	WS_HEADER_MAX = 2 + 8 + 4,
	WS_MASK = 4,
	WS_CONTROL_MAX = 125, /* payload of ping, pong, close (RFC 6455 5.5) */
	WS_CONTROL_FRAME_MAX = 2 + 4 + WS_CONTROL_MAX, /* room that suffices for any control frame we send */
};

/* Close codes (RFC 6455 7.4.1) that we use. */
enum {
	WS_CLOSE_NORMAL = 1000,
	WS_CLOSE_GOING_AWAY = 1001,
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_UNSUPPORTED = 1003, /* a text message */
	WS_CLOSE_NONE = 1005, /* never sent: stands for a close frame without a code */
	WS_CLOSE_POLICY = 1008,
	WS_CLOSE_TOO_BIG = 1009,
	WS_CLOSE_INTERNAL = 1011,
	WS_CLOSE_TRY_LATER = 1013, /* IANA's registry: "Try Again Later" */
};

enum ws_event_kind { WS_EV_MORE, WS_EV_MESSAGE, WS_EV_PING, WS_EV_PONG, WS_EV_CLOSE };

struct ws_event {
	enum ws_event_kind kind;
	const uint8_t *data; /* message, ping or pong payload, close reason: valid until the next ws_decode;
				never NULL */
	size_t n;
	uint16_t close_code; /* WS_EV_CLOSE: what the peer gave, WS_CLOSE_NONE when nothing */
};

/* Private, but for close_code. One thread. */
struct ws_decoder {
	enum ws_role role;
	size_t max_message;
	uint16_t close_code; /* after an error: what to tell the peer */
	int err; /* sticky: the first error, or TM_ECLOSED after the close event */
	/* frame being read */
	uint8_t head[WS_HEADER_MAX];
	uint8_t head_len;
	bool in_payload;
	uint8_t opcode;
	bool fin;
	uint8_t mask[WS_MASK];
	uint64_t left; /* payload bytes still to come */
	size_t frame_done; /* payload bytes already read, for the mask's phase */
	/* data message being joined: grows geometrically with the bytes that arrived, never beyond
	 * max_message */
	uint8_t *msg;
	size_t msg_len, msg_cap;
	size_t headroom; /* before msg, in the same memory */
	bool given; /* kept for the next message */
	bool in_message; /* a fragment has been seen, its FIN not yet */
	bool delivered; /* msg was handed out: the next call starts afresh */
	uint8_t control[WS_CONTROL_MAX];
	size_t control_len;
};

void ws_decoder_init(struct ws_decoder *d, enum ws_role role, size_t max_message);
void ws_decoder_deinit(struct ws_decoder *d);

/*
 * The next event; consumes from `in` up to its end and leaves the rest for the next call. Errors are final:
 * TM_EPROTO (framing), TM_EFULL (message over max_message, told from the header alone), TM_EUNSUPPORTED
 * (text), TM_ENOMEM; TM_ECLOSED when called again after WS_EV_CLOSE.
 */
NODISCARD int ws_decode(struct ws_decoder *d, struct rd *in, struct ws_event *ret_ev);

/*
 * Ways around copies. Memory from malloc may be given to a decoder that has none, with room for a message of
 * cap bytes (at most max_message) behind d->headroom bytes, which are set before. Until it is taken back it
 * is the decoder's, which frees it like its own.
 */
void ws_give(struct ws_decoder *d, void *memory_take, size_t cap);
/* What the decoder has; NULL: none. It is of the message that was just told, if there is one: at d->headroom.
 * Not amid a message. */
void *ws_take(struct ws_decoder *d);
bool ws_is_amid(const struct ws_decoder *d); /* a message has begun and not ended */
/*
 * Where the next bytes of a message belong and have room: they may be read there, *ret_n at most. Then
 * ws_filled says how many came, and ws_decode, of nothing or of what follows, what that means. NULL:
 * ws_decode takes them.
 */
uint8_t *ws_room(struct ws_decoder *d, size_t *ret_n);
void ws_filled(struct ws_decoder *d, size_t n);

/*
 * Frame header for n payload bytes, shortest form, FIN set: returns its length (2..14). mask: WS_MASK fresh
 * unpredictable bytes for a client (RFC 6455 5.3), NULL for a server. The payload follows, run through
 * ws_mask when mask is given.
 */
size_t ws_header(enum ws_opcode op, size_t n, const uint8_t *mask, uint8_t out[static WS_HEADER_MAX]);
/* Masks or unmasks in place; `phase` is the offset of p[0] in the frame's payload. */
void ws_mask(uint8_t *p, size_t n, const uint8_t mask[static WS_MASK], size_t phase);

/* A whole frame; 0 when out_len is too small or a control payload too long. out must not overlap payload. */
size_t ws_encode(
	enum ws_opcode op, const void *payload, size_t n, const uint8_t *mask, uint8_t *out, size_t out_len);
/* A close frame; reason may be NULL and is cut to fit. WS_CLOSE_NONE sends an empty one. */
size_t ws_encode_close(uint16_t code, const char *reason, const uint8_t *mask, uint8_t *out, size_t out_len);

#endif
