/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Frame (RFC 6455 5.2):
 *
 *   FIN RSV1-3 opcode 4 | MASK length 7 | length 0, 2 or 8 | masking key 0 or 4 | payload
 */
#include "wire/ws.h"

enum {
	WS_FIN = 0x80,
	WS_RSV = 0x70, /* no extension is ever negotiated, so these MUST be zero (RFC 6455 5.2) */
	WS_OPCODE = 0x0f,
	WS_MASKED = 0x80,
	WS_LENGTH = 0x7f,
	WS_LENGTH16 = 126,
	WS_LENGTH64 = 127,
	WS_FIRST_CAP = 512,
};

static const uint8_t ws_nothing[1];

void ws_decoder_init(struct ws_decoder *d, enum ws_role role, size_t max_message)
{
	*d = (struct ws_decoder){.role = role, .max_message = max_message};
}

static void free_message(struct ws_decoder *d)
{
	if (d->msg)
		free(d->msg - d->headroom);
	d->msg = NULL;
	d->msg_len = d->msg_cap = 0;
	d->given = false;
}

void ws_decoder_deinit(struct ws_decoder *d)
{
	free_message(d);
}

static int ws_fail(struct ws_decoder *d, int err, uint16_t close_code)
{
	d->err = err;
	d->close_code = close_code;
	return err;
}

static bool is_control(unsigned opcode)
{
	return opcode & 8;
}

/* How many bytes the header has, as far as its first two tell. */
static size_t header_len(const uint8_t *head, size_t have)
{
	size_t len = 2;

	if (have < 2)
		return len;

	if ((head[1] & WS_LENGTH) == WS_LENGTH16)
		len += 2;
	else if ((head[1] & WS_LENGTH) == WS_LENGTH64)
		len += 8;
	if (head[1] & WS_MASKED)
		len += WS_MASK;
	return len;
}

/* What the first two bytes alone must satisfy. */
static int check_start(struct ws_decoder *d)
{
	unsigned opcode = d->head[0] & WS_OPCODE, length = d->head[1] & WS_LENGTH;
	bool fin = d->head[0] & WS_FIN, masked = d->head[1] & WS_MASKED;

	if ((d->head[0] & WS_RSV) || masked != (d->role == WS_SERVER))
		return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);

	switch (opcode) {
	case WS_BINARY:
	case WS_TEXT:
		if (d->in_message)
			return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);
		if (opcode == WS_TEXT)
			return ws_fail(d, TM_EUNSUPPORTED, WS_CLOSE_UNSUPPORTED);
		return TM_OK;
	case WS_CONT:
		if (!d->in_message)
			return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);
		return TM_OK;
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		/* Control frames are short and whole (RFC 6455 5.5). */
		if (!fin || length > WS_CONTROL_MAX)
			return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);
		return TM_OK;
	default:
		return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);
	}
}

/* The whole header is there: take it apart. */
static int begin_payload(struct ws_decoder *d)
{
	unsigned length = d->head[1] & WS_LENGTH;
	size_t at = 2;

	d->left = length;
	if (length == WS_LENGTH16) {
		d->left = get_be16(d->head + at);
		at += 2;
		if (d->left < WS_LENGTH16) /* the minimal encoding MUST be used (RFC 6455 5.2) */
			return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);
	} else if (length == WS_LENGTH64) {
		d->left = get_be64(d->head + at);
		at += 8;
		if (d->left <= UINT16_MAX || d->left >> 63)
			return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);
	}
	if (d->head[1] & WS_MASKED)
		memcpy(d->mask, d->head + at, WS_MASK);
	else
		memset(d->mask, 0, WS_MASK);

	d->opcode = d->head[0] & WS_OPCODE;
	d->fin = d->head[0] & WS_FIN;
	d->frame_done = 0;
	d->in_payload = true;
	d->head_len = 0;
	if (is_control(d->opcode)) {
		d->control_len = 0;
		return TM_OK;
	}
	d->in_message = true;
	if (d->left > d->max_message - d->msg_len)
		return ws_fail(d, TM_EFULL, WS_CLOSE_TOO_BIG);
	return TM_OK;
}

/* False while the header is incomplete or wrong. */
static bool read_header(struct ws_decoder *d, struct rd *in, int *ret_err)
{
	*ret_err = TM_OK;
	for (;;) {
		size_t want = header_len(d->head, d->head_len);
		size_t n = MIN(want - d->head_len, rd_left(in));

		rd_copy(in, d->head + d->head_len, n);
		d->head_len = (uint8_t)(d->head_len + n);
		if (d->head_len < want)
			return false;
		if (want == 2) {
			*ret_err = check_start(d);
			if (*ret_err)
				return false;
		}
		if (header_len(d->head, d->head_len) == d->head_len)
			break;
	}
	*ret_err = begin_payload(d);
	return !*ret_err;
}

/* Room for `more` bytes that are really here: a header alone never makes us allocate. */
static int reserve(struct ws_decoder *d, size_t more)
{
	size_t need = d->msg_len + more, cap = MAX(d->msg_cap, (size_t)WS_FIRST_CAP);

	if (need <= d->msg_cap)
		return TM_OK;

	while (cap < need)
		cap = cap > d->max_message / 2 ? d->max_message : cap * 2;
	cap = MIN(cap, d->max_message);
	uint8_t *grown = realloc(d->msg ? d->msg - d->headroom : NULL, d->headroom + cap);
	if (!grown)
		return ws_fail(d, TM_ENOMEM, WS_CLOSE_INTERNAL);

	d->msg = grown + d->headroom;
	d->msg_cap = cap;
	return TM_OK;
}

/* Payload bytes that are in their place. */
static void filled(struct ws_decoder *d, uint8_t *p, size_t n)
{
	if (d->role == WS_SERVER)
		ws_mask(p, n, d->mask, d->frame_done);
	d->frame_done += n;
	d->left -= n;
}

static int read_payload(struct ws_decoder *d, struct rd *in)
{
	size_t n = (size_t)MIN((uint64_t)rd_left(in), d->left);
	uint8_t *to;

	if (n == 0)
		return TM_OK;

	if (is_control(d->opcode)) {
		to = d->control + d->control_len;
		d->control_len += n;
	} else {
		int err = reserve(d, n);
		if (err)
			return err;

		to = d->msg + d->msg_len;
		d->msg_len += n;
	}
	rd_copy(in, to, n);
	filled(d, to, n);
	return TM_OK;
}

void ws_give(struct ws_decoder *d, void *memory_take, size_t cap)
{
	d->msg = (uint8_t *)memory_take + d->headroom;
	d->msg_cap = cap;
	d->given = true;
}

void *ws_take(struct ws_decoder *d)
{
	void *memory = d->msg ? d->msg - d->headroom : NULL;

	d->delivered = d->given = false;
	d->msg = NULL;
	d->msg_len = d->msg_cap = 0;
	return memory;
}

bool ws_is_amid(const struct ws_decoder *d)
{
	return d->in_message;
}

uint8_t *ws_room(struct ws_decoder *d, size_t *ret_n)
{
	const size_t room = d->msg_cap - d->msg_len;

	if (d->err || !d->in_payload || is_control(d->opcode) || !d->left || !room)
		return NULL;

	*ret_n = (size_t)MIN(d->left, (uint64_t)room);
	return d->msg + d->msg_len;
}

void ws_filled(struct ws_decoder *d, size_t n)
{
	uint8_t *p = d->msg + d->msg_len;

	d->msg_len += n;
	filled(d, p, n);
}

/* Codes that may be on the wire: RFC 6455 7.4 and the IANA registry it opened (1012-1014). */
static bool close_code_valid(uint16_t code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static int close_event(struct ws_decoder *d, struct ws_event *ret_ev)
{
	uint16_t code = WS_CLOSE_NONE;
	size_t skip = 0;

	if (d->control_len == 1)
		return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);
	if (d->control_len >= 2) {
		code = get_be16(d->control);
		skip = 2;
		if (!close_code_valid(code))
			return ws_fail(d, TM_EPROTO, WS_CLOSE_PROTOCOL);
	}
	d->err = TM_ECLOSED;
	d->close_code = WS_CLOSE_NORMAL;
	*ret_ev = (struct ws_event){.kind = WS_EV_CLOSE,
		.data = d->control + skip,
		.n = d->control_len - skip,
		.close_code = code};
	return TM_OK;
}

/* A frame is complete. False when it was only a fragment: nothing to tell yet. */
static bool frame_event(struct ws_decoder *d, struct ws_event *ret_ev, int *ret_err)
{
	*ret_err = TM_OK;
	d->in_payload = false;
	switch (d->opcode) {
	case WS_PING:
	case WS_PONG:
		*ret_ev = (struct ws_event){.kind = d->opcode == WS_PING ? WS_EV_PING : WS_EV_PONG,
			.data = d->control,
			.n = d->control_len};
		return true;
	case WS_CLOSE:
		*ret_err = close_event(d, ret_ev);
		return true;
	default:
		if (!d->fin)
			return false;
		d->in_message = false;
		d->delivered = true;
		*ret_ev = (struct ws_event){
			.kind = WS_EV_MESSAGE, .data = d->msg ? d->msg : ws_nothing, .n = d->msg_len};
		return true;
	}
}

static void forget_delivered(struct ws_decoder *d)
{
	if (!d->delivered)
		return;

	d->delivered = false;
	if (d->given)
		d->msg_len = 0;
	else
		free_message(d); /* thousands of idle links have none */
}

int ws_decode(struct ws_decoder *d, struct rd *in, struct ws_event *ret_ev)
{
	int err;

	if (d->err)
		return d->err;

	forget_delivered(d);
	for (;;) {
		if (!d->in_payload && !read_header(d, in, &err)) {
			if (err)
				return err;
			break;
		}
		err = read_payload(d, in);
		if (err)
			return err;
		if (d->left)
			break;
		if (frame_event(d, ret_ev, &err))
			return err;
	}
	*ret_ev = (struct ws_event){.kind = WS_EV_MORE, .data = ws_nothing};
	return TM_OK;
}

size_t ws_header(enum ws_opcode op, size_t n, const uint8_t *mask, uint8_t out[static WS_HEADER_MAX])
{
	struct wr w = wr_over(out, WS_HEADER_MAX);
	uint8_t masked = mask ? WS_MASKED : 0;

	wr_u8(&w, (uint8_t)(WS_FIN | (unsigned)op));
	if (n < WS_LENGTH16) {
		wr_u8(&w, (uint8_t)(masked | n));
	} else if (n <= UINT16_MAX) {
		wr_u8(&w, masked | WS_LENGTH16);
		wr_be16(&w, (uint16_t)n);
	} else {
		wr_u8(&w, masked | WS_LENGTH64);
		wr_be64(&w, n);
	}
	if (mask)
		wr_bytes(&w, mask, WS_MASK);
	return wr_len(&w);
}

void ws_mask(uint8_t *p, size_t n, const uint8_t mask[static WS_MASK], size_t phase)
{
	/* What the compiler makes of this are the widest registers that it may use. */
	typedef uint64_t words __attribute__((vector_size(64)));
	uint8_t turned[sizeof(words)];
	words key;

	/* With the key turned so that it starts at our phase. */
	for (size_t i = 0; i < sizeof(turned); i++)
		turned[i] = mask[(phase + i) % WS_MASK];
	memcpy(&key, turned, sizeof(key));
	for (; n >= sizeof(key); p += sizeof(key), n -= sizeof(key)) {
		words v;

		memcpy(&v, p, sizeof(v));
		v ^= key;
		memcpy(p, &v, sizeof(v));
	}
	for (size_t i = 0; i < n; i++)
		p[i] ^= turned[i];
}

size_t ws_encode(
	enum ws_opcode op, const void *payload, size_t n, const uint8_t *mask, uint8_t *out, size_t out_len)
{
	uint8_t head[WS_HEADER_MAX];
	size_t head_n = ws_header(op, n, mask, head);

	if (is_control(op) && n > WS_CONTROL_MAX)
		return 0;
	if (out_len < head_n || out_len - head_n < n)
		return 0;

	memcpy(out, head, head_n);
	if (n)
		memcpy(out + head_n, payload, n);
	if (mask)
		ws_mask(out + head_n, n, mask, 0);
	return head_n + n;
}

size_t ws_encode_close(uint16_t code, const char *reason, const uint8_t *mask, uint8_t *out, size_t out_len)
{
	uint8_t payload[WS_CONTROL_MAX];
	size_t n = 0;

	if (code != WS_CLOSE_NONE) {
		put_be16(payload, code);
		n = 2;
		if (reason) {
			size_t reason_len = strnlen(reason, sizeof(payload) - n);

			memcpy(payload + n, reason, reason_len);
			n += reason_len;
		}
	}
	return ws_encode(WS_CLOSE, payload, n, mask, out, out_len);
}
