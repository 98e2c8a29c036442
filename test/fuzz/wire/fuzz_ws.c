/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * First byte: bit 0 = our role, the rest = how the stream is cut. The events of a stream do not depend on how
 * it was cut or on whether it was read where it belongs, no message exceeds the limit, and what came out
 * encodes to frames that decode to the same.
 */
#include "fuzz/fuzz.h"
#include "wire/ws.h"

enum { LIMIT = 4096 };

/* A running sum over everything observable. */
struct trace {
	uint64_t sum;
	unsigned events;
};

static void note(struct trace *t, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		t->sum = (t->sum ^ b[i]) * UINT64_C(0x100000001b3);
}

static void check_round_trip(enum ws_role role, const struct ws_event *ev)
{
	static const enum ws_opcode opcodes[] = {
		[WS_EV_MESSAGE] = WS_BINARY, [WS_EV_PING] = WS_PING, [WS_EV_PONG] = WS_PONG};
	static const uint8_t mask[WS_MASK] = {0x11, 0x22, 0x33, 0x44};
	uint8_t frame[WS_HEADER_MAX + LIMIT];
	struct ws_decoder d;
	struct ws_event back;

	if (ev->kind == WS_EV_CLOSE)
		return;

	size_t n = ws_encode(
		opcodes[ev->kind], ev->data, ev->n, role == WS_SERVER ? mask : NULL, frame, sizeof(frame));
	assert(n);
	struct rd in = rd_over(frame, n);
	ws_decoder_init(&d, role, LIMIT);
	assert(ws_decode(&d, &in, &back) == TM_OK);
	assert(back.kind == ev->kind && back.n == ev->n && memcmp(back.data, ev->data, ev->n) == 0);
	assert(rd_left(&in) == 0);
	ws_decoder_deinit(&d);
}

enum { HEADROOM = 16 };

/* What of it belongs to a message goes there at once. */
static void put_in_place(struct ws_decoder *d, struct rd *in)
{
	size_t room;
	uint8_t *there;

	if (!d->msg)
		ws_give(d, malloc(HEADROOM + LIMIT), LIMIT);
	there = ws_room(d, &room);
	if (!there)
		return;
	room = room < rd_left(in) ? room : rd_left(in);
	rd_copy(in, there, room);
	ws_filled(d, room);
}

static void take_away(struct ws_decoder *d)
{
	void *memory = ws_take(d);

	assert(memory && !ws_is_amid(d));
	free(memory);
}

enum { ROUND_TRIP = 1, IN_PLACE = 2 };

static struct trace run(enum ws_role role, const uint8_t *data, size_t size, size_t step, unsigned how)
{
	struct trace t = {0};
	struct ws_decoder d;

	ws_decoder_init(&d, role, LIMIT);
	d.headroom = how & IN_PLACE ? HEADROOM : 0;
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;
		uint8_t *chunk = fuzz_copy(data + at, n);
		struct rd in = rd_over(chunk, n);
		struct ws_event ev = {.kind = WS_EV_PING};
		int err = TM_OK;

		while (!err && ev.kind != WS_EV_MORE) {
			if (how & IN_PLACE)
				put_in_place(&d, &in);
			err = ws_decode(&d, &in, &ev);
			if (err) {
				note(&t, &err, sizeof(err));
				note(&t, &d.close_code, sizeof(d.close_code));
			} else if (ev.kind != WS_EV_MORE) {
				assert(ev.n <= LIMIT && ev.data);
				note(&t, &ev.kind, sizeof(ev.kind));
				note(&t, &ev.close_code, sizeof(ev.close_code));
				note(&t, ev.data, ev.n);
				t.events++;
				if (how & ROUND_TRIP)
					check_round_trip(role, &ev);
				if (how & IN_PLACE && ev.kind == WS_EV_MESSAGE)
					take_away(&d);
			}
		}
		assert(err || rd_left(&in) == 0);
		assert(d.msg_cap <= LIMIT);
		free(chunk);
		if (err)
			break;
	}
	ws_decoder_deinit(&d);
	return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;

	enum ws_role role = data[0] & 1 ? WS_SERVER : WS_CLIENT;
	size_t step = (data[0] >> 1) + 1u;
	struct trace whole = run(role, data + 1, size - 1, size - 1, ROUND_TRIP);
	struct trace cut = run(role, data + 1, size - 1, step, 0);
	struct trace placed = run(role, data + 1, size - 1, step, IN_PLACE);
	assert(whole.events == cut.events && whole.events == placed.events);
	assert(whole.sum == cut.sum && whole.sum == placed.sum);
	return 0;
}
