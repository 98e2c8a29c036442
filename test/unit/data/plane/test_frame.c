/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Frames and the queue in front of a stream, without a stream. */
#include "unit/unit.h"

#include "data/plane/frame.h"
#include "wire/wg.h"

static struct frames q;
static uint32_t sender; /* of what is made next */
static uint8_t tos;

static int set_up(void **state)
{
	(void)state;
	q = (struct frames){0};
	sender = 1;
	tos = 5;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	frames_deinit(&q);
	return 0;
}

/* Some messages of this size, the last shorter by `less`, behind `skip` bytes each. */
static struct frame *make(enum wg_type type, size_t count, size_t size, size_t less, size_t skip)
{
	static uint8_t p[RELAY_FRAME_MAX + 4096];
	struct frame_source src = {.p = p,
		.n = count * (size + skip) - less,
		.step = size + skip,
		.skip = skip,
		.pair = relay_pair(sender, 2),
		.tos = tos};

	for (size_t i = 0; i < count; i++) {
		memset(p + i * src.step, 0xee, skip);
		memset(p + i * src.step + skip, (int)i, size);
		put_le32(p + i * src.step + skip, type);
	}
	return frame_of(&src);
}

static void a_frame_holds_the_messages_without_what_stood_before_each(void **state)
{
	static const size_t skips[] = {0, RELAY_HEADER};
	(void)state;

	for (size_t k = 0; k < ARRAY_LEN(skips); k++) {
		struct frame *f = make(WG_DATA, 3, 100, 30, skips[k]);
		struct relay_frame got;

		assert_int_equal(f->packets, 3);
		assert_false(f->urgent);
		assert_int_equal(relay_frame_decode(f->bytes + f->at, f->end - f->at, &got), TM_OK);
		assert_int_equal(got.segment, 100);
		assert_int_equal(got.tos, 5);
		assert_int_equal(got.n, 270);
		for (size_t i = 4; i < got.n; i++)
			if (i % 100 >= 4)
				assert_int_equal(got.train[i], i / 100);
		frame_free(f);
	}
}

static void a_frame_of_one_has_its_size(void **state)
{
	struct frame *f = make(WG_DATA, 1, 100, 0, RELAY_HEADER);
	struct relay_frame got;
	(void)state;

	assert_int_equal(relay_frame_decode(f->bytes + f->at, f->end - f->at, &got), TM_OK);
	assert_int_equal(got.segment, 100);
	assert_int_equal(got.n, 100);
	frame_free(f);
	assert_null(make(WG_DATA, 46, 1452, 0, 0)); /* 66,792 bytes */
	f = make(WG_DATA, 45, 1452, 0, RELAY_HEADER);
	assert_non_null(f);
	frame_free(f);
}

static void a_message_becomes_a_frame_where_it_lies(void **state)
{
	struct frame_pool pool = {0};
	(void)state;

	for (size_t count = 1; count <= 45; count += 44) {
		struct frame *made = make(count == 1 ? WG_INIT : WG_DATA, count, 1448, 0, 0);
		const size_t n = made->end - made->at;
		uint8_t *memory = frame_pool_take(&pool);

		memcpy(memory + FRAME_HEADROOM, made->bytes + made->at, n);
		struct frame *f = frame_in(memory, n, (unsigned)count, &pool);
		assert_int_equal(f->flow, made->flow);
		assert_int_equal(f->urgent, made->urgent);
		assert_int_equal(f->packets, made->packets);
		frame_wrap(f, NULL);
		frame_wrap(made, NULL);
		assert_int_equal(f->end - f->at, made->end - made->at);
		assert_memory_equal(f->bytes + f->at, made->bytes + made->at, f->end - f->at);
		frame_free(made);
		frame_free(f);
		/* It is back, and the next one has it. */
		assert_ptr_equal(frame_pool_take(&pool), memory);
		frame_pool_give(&pool, memory);
	}
	frame_pool_deinit(&pool);
}

static void a_pool_keeps_so_many_and_no_more(void **state)
{
	struct frame_pool pool = {0};
	void *v[FRAME_POOL_MAX + 1];
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = frame_pool_take(&pool);
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		frame_pool_give(&pool, v[i]); /* the last one is freed: asan */
	for (size_t i = 0; i < FRAME_POOL_MAX; i++)
		assert_ptr_equal(frame_pool_take(&pool), v[i]);
	for (size_t i = 0; i < FRAME_POOL_MAX; i++)
		frame_pool_give(&pool, v[i]);
	frame_pool_deinit(&pool);
}

static void wrapped_it_is_a_message_of_a_websocket(void **state)
{
	static const uint8_t mask[WS_MASK] = {1, 2, 3, 4};
	(void)state;

	for (int masked = 0; masked < 2; masked++) {
		struct frame *f = make(WG_DATA, 40, 1452, 0, 0);
		struct ws_decoder d;
		struct ws_event ev;

		ws_decoder_init(&d, masked ? WS_SERVER : WS_CLIENT, RELAY_FRAME_MAX);
		frame_wrap(f, masked ? mask : NULL);
		frame_wrap(f, mask); /* once */
		struct rd in = rd_over(f->bytes + f->at, f->end - f->at);
		assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
		assert_int_equal(ev.kind, WS_EV_MESSAGE);
		assert_int_equal(ev.n, RELAY_FRAME_HEAD + 40 * 1452);
		assert_true(relay_get(ev.data, ev.n) == relay_pair(1, 2));
		assert_int_equal(rd_left(&in), 0);
		ws_decoder_deinit(&d);
		frame_free(f);
	}
}

static struct frame *take(ns_t now, unsigned *dropped)
{
	*dropped = 0;
	return frames_take(&q, now, SIZE_MAX, dropped);
}

static void what_waits_leaves_in_order(void **state)
{
	unsigned dropped;
	(void)state;

	for (size_t i = 1; i <= 5; i++)
		assert_int_equal(frames_put(&q, make(WG_DATA, i, 100, 0, 0), 0), 0);
	for (size_t i = 1; i <= 5; i++) {
		struct frame *f = take(FRAMES_WAIT_MAX, &dropped);

		assert_int_equal(f->packets, i);
		assert_int_equal(dropped, 0);
		frame_free(f);
	}
	assert_null(take(0, &dropped));
	assert_false(frames_any(&q));
	assert_int_equal(q.bytes, 0);
}

/* Short ones are written at once: two messages behind each other. */
static void one_frame_is_appended_to_another(void **state)
{
	static const uint8_t mask[WS_MASK] = {1, 2, 3, 4};
	struct frame *f = make(WG_INIT, 1, 148, 0, 0), *second = make(WG_DATA, 2, 100, 30, 0);
	struct ws_decoder d;
	struct ws_event ev;
	(void)state;

	ws_decoder_init(&d, WS_SERVER, RELAY_FRAME_MAX);
	frame_wrap(f, mask);
	frame_wrap(second, mask);
	assert_int_equal(frame_append(&f, second), TM_OK);
	assert_int_equal(f->packets, 3);
	frame_free(second);
	struct rd in = rd_over(f->bytes + f->at, f->end - f->at);
	assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
	assert_int_equal(ev.n, RELAY_FRAME_HEAD + 148);
	assert_int_equal(ws_decode(&d, &in, &ev), TM_OK);
	assert_int_equal(ev.n, RELAY_FRAME_HEAD + 170);
	assert_int_equal(ev.data[RELAY_FRAME_HEAD + 100 + 10], 1); /* of the second message */
	assert_int_equal(rd_left(&in), 0);
	ws_decoder_deinit(&d);
	frame_free(f);
}

static void what_is_too_long_for_its_place_stays_next(void **state)
{
	unsigned dropped = 0;
	(void)state;

	(void)!frames_put(&q, make(WG_INIT, 1, 148, 0, 0), 0);
	(void)!frames_put(&q, make(WG_DATA, 2, 1000, 0, 0), 0);
	assert_null(frames_take(&q, 0, 100, &dropped));
	struct frame *f = frames_take(&q, 0, 200, &dropped);
	assert_true(f->urgent);
	frame_free(f);
	assert_null(frames_take(&q, 0, 200, &dropped));
	f = frames_take(&q, 0, 3000, &dropped);
	assert_int_equal(f->packets, 2);
	frame_free(f);
	assert_int_equal(dropped, 0);
}

static void of_more_than_fits_the_oldest_go(void **state)
{
	unsigned dropped;
	(void)state;

	for (size_t i = 1; i <= 3; i++)
		assert_int_equal(frames_put(&q, make(WG_DATA, i, 10000, 0, 0), 0), 0);
	assert_int_equal(frames_put(&q, make(WG_DATA, 4, 10000, 0, 0), 0), 1 + 2 + 3);
	struct frame *f = take(0, &dropped);
	assert_int_equal(f->packets, 4);
	frame_free(f);
	/* One that is as large as all together still goes. */
	(void)!frames_put(&q, make(WG_DATA, 4, 10000, 0, 0), 0);
	assert_int_equal(frames_put(&q, make(WG_DATA, 45, 1452, 0, 0), 0), 4);
	f = take(0, &dropped);
	assert_int_equal(f->packets, 45);
	frame_free(f);
}

/* Of so many single messages of 1,000 bytes from member 1, and so many from member 3, as they leave. */
static void take_all(size_t ret_left[static 4])
{
	unsigned dropped;
	struct frame *f;

	while ((f = take(0, &dropped))) {
		struct relay_frame got;

		assert_int_equal(relay_frame_decode(f->bytes + f->at, f->end - f->at, &got), TM_OK);
		ret_left[relay_other(got.pair, 2)]++;
		frame_free(f);
	}
}

static void who_has_most_in_the_queue_loses_when_it_is_full(void **state)
{
	unsigned dropped[4] = {0};
	size_t left[4] = {0};
	(void)state;

	for (int i = 0; i < 1000; i++) {
		sender = i % 50 ? 1 : 3;
		dropped[1] += frames_put(&q, make(WG_DATA, 1, 1000, 0, 0), 0);
	}
	/* 20 of the one who sends a fiftieth, and what is left of the room of the other. */
	take_all(left);
	assert_int_equal(left[3], 20);
	assert_int_equal(left[1] + left[3] + dropped[1], 1000);
	assert_in_range(
		(left[1] + left[3]) * (1000 + RELAY_FRAME_HEAD), FRAMES_BYTES_MAX - 2000, FRAMES_BYTES_MAX);
}

static void a_whole_train_waits_beside_what_another_floods(void **state)
{
	size_t left[4] = {0};
	(void)state;

	for (int i = 0; i < 200; i++)
		(void)!frames_put(&q, make(WG_DATA, 1, 1000, 0, 0), 0);
	sender = 3;
	(void)!frames_put(&q, make(WG_DATA, 44, 1452, 0, 0), 0);
	sender = 1;
	for (int i = 0; i < 200; i++)
		(void)!frames_put(&q, make(WG_DATA, 1, 1000, 0, 0), 0);
	take_all(left);
	assert_int_equal(left[3], 1);
	assert_true(left[1] >= 1);
}

static void all_who_wait_leave_in_turn_by_bytes(void **state)
{
	size_t bytes[4] = {0};
	unsigned dropped;
	(void)state;

	for (int i = 0; i < 20; i++) {
		sender = 1;
		(void)!frames_put(&q, make(WG_DATA, 1, 1000, 0, 0), 0);
		sender = 3;
		for (int k = 0; k < 10; k++)
			(void)!frames_put(&q, make(WG_DATA, 1, 88, 0, 0), 0);
	}
	for (int i = 0; i < 100; i++) {
		struct frame *f = take(0, &dropped);
		struct relay_frame got;

		assert_int_equal(relay_frame_decode(f->bytes + f->at, f->end - f->at, &got), TM_OK);
		bytes[relay_other(got.pair, 2)] += f->end - f->at;
		assert_in_range(bytes[1] + 1012 - bytes[3], 0, 2 * 1012);
		frame_free(f);
	}
	/* Who comes later has saved nothing up. */
	sender = 5;
	for (int i = 0; i < 3; i++)
		(void)!frames_put(&q, make(WG_DATA, 1, 1000, 0, 0), 0);
	size_t fifth = 0;
	for (int i = 0; i < 6; i++) {
		struct frame *f = take(0, &dropped);

		fifth += relay_get(f->bytes + f->at, f->end - f->at) == relay_pair(5, 2);
		frame_free(f);
	}
	assert_in_range(fifth, 1, 2);
}

static void what_waited_for_long_is_marked_if_it_can_be(void **state)
{
	static const struct {
		uint8_t tos, marked;
	} rows[] = {{0xb8, 0xb8}, {0xb9, 0xbb}, {0x02, 0x03}, {0x03, 0x03}};
	unsigned dropped;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		for (int late = 0; late < 2; late++) {
			struct relay_frame got;

			tos = rows[i].tos;
			(void)!frames_put(&q, make(WG_DATA, 2, 100, 0, 0), 0);
			struct frame *f = take(FRAMES_MARK_AFTER + late, &dropped);
			assert_int_equal(relay_frame_decode(f->bytes + f->at, f->end - f->at, &got), TM_OK);
			assert_int_equal(got.tos, late ? rows[i].marked : rows[i].tos);
			frame_free(f);
		}
}

static void what_waited_too_long_goes_while_there_is_newer(void **state)
{
	unsigned dropped;
	(void)state;

	for (size_t i = 1; i <= 3; i++)
		assert_int_equal(frames_put(&q, make(WG_DATA, i, 100, 0, 0), (ns_t)i * MS), 0);
	struct frame *f = take(2 * MS + FRAMES_WAIT_MAX + 1, &dropped);
	assert_int_equal(dropped, 1 + 2);
	assert_int_equal(f->packets, 3);
	frame_free(f);
	assert_int_equal(frames_put(&q, make(WG_DATA, 7, 100, 0, 0), 0), 0);
	f = take(10 * SEC, &dropped);
	assert_int_equal(dropped, 0);
	assert_int_equal(f->packets, 7);
	frame_free(f);
}

static void handshakes_and_checks_pass_what_waits_and_are_not_dropped_for_it(void **state)
{
	static const uint8_t stun[20] = {0, 1};
	unsigned dropped;
	(void)state;

	for (size_t i = 0; i < 10; i++)
		(void)!frames_put(&q, make(WG_DATA, 1, 20000, 0, 0), 0);
	assert_int_equal(frames_put(&q, make(WG_INIT, 1, WG_INIT_LEN, 0, 8), 0), 0);
	assert_int_equal(frames_put(&q, frame_of_stun(stun, sizeof(stun)), 0), 0);
	assert_int_equal(frames_put(&q, frame_of_pong(stun, 3, NULL), 0), 0);
	for (size_t i = 0; i < 3; i++) {
		struct frame *f = take(10 * SEC, &dropped);

		assert_true(f->urgent);
		assert_int_equal(f->end - f->at, i == 0 ? RELAY_FRAME_HEAD + WG_INIT_LEN : i == 1 ? 20 : 5);
		frame_free(f);
	}
	/* But they are bounded too. */
	for (int i = 0; i < FRAMES_URGENT_MAX; i++)
		assert_int_equal(frames_put(&q, frame_of_stun(stun, sizeof(stun)), 0), 0);
	assert_int_equal(frames_put(&q, frame_of_stun(stun, sizeof(stun)), 0), 1);
}

static void who_sends_nothing_but_what_is_urgent_does_not_keep_others_waiting_for_ever(void **state)
{
	size_t passed = 0;
	unsigned dropped;
	(void)state;

	for (int i = 0; i < 3; i++)
		(void)!frames_put(&q, make(WG_DATA, 1, 1400, 0, 0), 0);
	for (int data = 0; data < 3;) {
		(void)!frames_put(&q, make(WG_INIT, 1, WG_INIT_LEN, 0, 8), 0);
		struct frame *f = take(0, &dropped);

		data += !f->urgent;
		passed = f->urgent ? passed + (f->end - f->at) : 0;
		assert_true(passed < FRAMES_PASS_BYTES + 200);
		frame_free(f);
	}
}

static void a_long_train_is_not_urgent_whatever_it_begins_with(void **state)
{
	(void)state;

	struct frame *f = make(WG_INIT, FRAME_URGENT_BYTES / WG_INIT_LEN, WG_INIT_LEN, 0, 8);
	assert_true(f->urgent);
	frame_free(f);
	f = make(WG_INIT, FRAME_URGENT_BYTES / WG_INIT_LEN + 1, WG_INIT_LEN, 0, 8);
	assert_false(f->urgent);
	frame_free(f);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_frame_holds_the_messages_without_what_stood_before_each),
		CASE(a_frame_of_one_has_its_size),
		CASE(a_message_becomes_a_frame_where_it_lies),
		CASE(a_pool_keeps_so_many_and_no_more),
		CASE(wrapped_it_is_a_message_of_a_websocket),
		CASE(what_waits_leaves_in_order),
		CASE(one_frame_is_appended_to_another),
		CASE(what_is_too_long_for_its_place_stays_next),
		CASE(of_more_than_fits_the_oldest_go),
		CASE(who_has_most_in_the_queue_loses_when_it_is_full),
		CASE(a_whole_train_waits_beside_what_another_floods),
		CASE(all_who_wait_leave_in_turn_by_bytes),
		CASE(what_waited_for_long_is_marked_if_it_can_be),
		CASE(what_waited_too_long_goes_while_there_is_newer),
		CASE(handshakes_and_checks_pass_what_waits_and_are_not_dropped_for_it),
		CASE(who_sends_nothing_but_what_is_urgent_does_not_keep_others_waiting_for_ever),
		CASE(a_long_train_is_not_urgent_whatever_it_begins_with),
	};

	return cmocka_run_group_tests_name("data/plane/frame", tests, NULL, NULL);
}
