/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "bench/session.h"

#define T0 (1000 * SEC)

static const uint8_t key[BENCH_ID] = "the first one", other_key[BENCH_ID] = "another", no_key[BENCH_ID];
static const struct ip nas = {IP_V4, {100, 64, 0, 2}}, laptop = {IP_V4, {100, 64, 0, 3}};

static struct bench_session opened(void)
{
	struct bench_session s = {0};

	assert_int_equal(bench_session_open(&s, T0, &nas, key), BENCH_OK);
	return s;
}

static struct bench_request request(enum bench_type type, const uint8_t id[BENCH_ID], uint32_t ms)
{
	struct bench_request r = {.type = type, .duration_ms = ms};

	memcpy(r.id, id, BENCH_ID);
	return r;
}

static enum bench_code stream(struct bench_session *s, ns_t now, const struct ip *from, enum bench_type type,
	const uint8_t id[BENCH_ID], ns_t *ret_end)
{
	const struct bench_request r = request(type, id, 5000);

	return bench_session_stream(s, now, from, &r, ret_end);
}

static struct bench_reply result(struct bench_session *s, ns_t now, uint32_t live)
{
	const struct bench_request r = request(BENCH_RESULT, key, 0);
	struct bench_reply reply;

	assert_int_equal(bench_session_result(s, now, &nas, &r, live, &reply), BENCH_OK);
	return reply;
}

static void a_second_one_is_busy_until_the_first_is_closed_even_when_that_is_due(void **state)
{
	struct bench_session s = opened();
	(void)state;

	assert_int_equal(bench_session_open(&s, T0, &laptop, other_key), BENCH_BUSY);
	assert_int_equal(bench_session_open(&s, T0, &nas, other_key), BENCH_BUSY);
	/* Its connection is still there, and would take the new session with it when it closes. */
	assert_int_equal(bench_session_open(&s, T0 + BENCH_SESSION_IDLE, &laptop, other_key), BENCH_BUSY);
	assert_int_equal(bench_session_open(&s, T0 + BENCH_SESSION_MAX, &nas, other_key), BENCH_BUSY);
	bench_session_close(&s);
	assert_int_equal(bench_session_due(&s), NS_NEVER);
	assert_int_equal(bench_session_open(&s, T0, &laptop, other_key), BENCH_OK);
}

static void a_session_is_due_when_it_was_idle_or_took_too_long(void **state)
{
	struct bench_session s = opened();
	(void)state;

	assert_int_equal(bench_session_due(&s), T0 + BENCH_SESSION_IDLE);
	for (ns_t now = T0; now < T0 + BENCH_SESSION_MAX; now += SEC) {
		bench_session_moved(&s, s.run, now, 1);
		assert_int_equal(
			bench_session_due(&s), ns_min(now + BENCH_SESSION_IDLE, T0 + BENCH_SESSION_MAX));
	}
}

static void only_who_has_the_session_gets_streams_echoes_and_results(void **state)
{
	static const struct {
		const struct ip *from;
		const uint8_t *id;
		ns_t after;
		bool ok;
	} rows[] = {
		{&nas, key, 0, true},
		{&laptop, key, 0, false},
		{&nas, other_key, 0, false},
		{&nas, no_key, 0, false},
		{&nas, key, BENCH_SESSION_IDLE - 1, true},
		{&nas, key, BENCH_SESSION_IDLE, false},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench_request r = request(BENCH_RESULT, rows[i].id, 0);
		struct bench_echo e = {.type = BENCH_ECHO_REQUEST};
		struct bench_reply reply;
		ns_t end, now = T0 + rows[i].after;
		struct bench_session a = opened(), b = opened(), c = opened();

		memcpy(e.id, rows[i].id, BENCH_ID);
		enum bench_code want = rows[i].ok ? BENCH_OK : BENCH_NO_SESSION;
		if (stream(&a, now, rows[i].from, BENCH_UPLOAD, rows[i].id, &end) != want ||
			bench_session_result(&b, now, rows[i].from, &r, 0, &reply) != want ||
			bench_session_echoes(&c, now, rows[i].from, &e) != rows[i].ok)
			fail_msg("row %zu", i);
	}
}

static void without_a_session_not_even_the_id_of_zeros_is_answered(void **state)
{
	struct bench_session s = {0};
	const struct bench_echo e = {.type = BENCH_ECHO_REQUEST};
	const struct ip none = {0};
	(void)state;

	assert_false(bench_session_echoes(&s, T0, &none, &e));
}

static void an_answer_to_an_echo_is_not_answered(void **state)
{
	struct bench_session s = opened();
	struct bench_echo e = {.type = BENCH_ECHO_REPLY};
	(void)state;

	memcpy(e.id, key, BENCH_ID);
	assert_false(bench_session_echoes(&s, T0, &nas, &e));
}

static void streams_are_limited_in_number_and_time(void **state)
{
	struct bench_session s = opened();
	ns_t end;
	(void)state;

	for (unsigned i = 0; i < BENCH_STREAMS_MAX; i++) {
		assert_int_equal(stream(&s, T0, &nas, BENCH_DOWNLOAD, key, &end), BENCH_OK);
		assert_int_equal(end, T0 + 5 * SEC);
	}
	assert_int_equal(stream(&s, T0, &nas, BENCH_DOWNLOAD, key, &end), BENCH_REFUSED);
	bench_session_stream_ended(&s, s.run, 0);
	assert_int_equal(stream(&s, T0, &nas, BENCH_UPLOAD, key, &end), BENCH_OK);
	assert_int_equal(end, T0 + 5 * SEC + BENCH_DRAIN);

	/* Not beyond the session, however it was kept up. */
	ns_t late = T0 + BENCH_SESSION_MAX - SEC;
	bench_session_moved(&s, s.run, late, 1);
	bench_session_stream_ended(&s, s.run, 0);
	assert_int_equal(stream(&s, late, &nas, BENCH_UPLOAD, key, &end), BENCH_OK);
	assert_int_equal(end, T0 + BENCH_SESSION_MAX);
}

static void a_result_counts_the_window_from_the_first_byte_and_nothing_after_it(void **state)
{
	struct bench_session s = opened();
	ns_t end;
	(void)state;

	assert_int_equal(stream(&s, T0, &nas, BENCH_UPLOAD, key, &end), BENCH_OK);
	bench_session_moved(&s, s.run, T0 + SEC, 100);
	bench_session_moved(&s, s.run, T0 + 6 * SEC, 10);
	bench_session_moved(&s, s.run, T0 + 6 * SEC + 1, 1000);
	uint32_t old = s.run;
	struct bench_reply r = result(&s, T0 + 9 * SEC, 0);
	assert_int_equal(r.bytes, 110);
	assert_int_equal(r.elapsed, 5 * SEC);

	/* The next run begins empty, and what an old stream still moves is not its. */
	assert_int_equal(stream(&s, T0 + 10 * SEC, &nas, BENCH_UPLOAD, key, &end), BENCH_OK);
	bench_session_moved(&s, old, T0 + 10 * SEC, 5000);
	r = result(&s, T0 + 11 * SEC, 0);
	assert_true(r.bytes == 0 && r.elapsed == 0 && r.retransmits == 0);
}

static void an_early_result_counts_the_time_until_then(void **state)
{
	struct bench_session s = opened();
	ns_t end;
	(void)state;

	assert_int_equal(stream(&s, T0, &nas, BENCH_UPLOAD, key, &end), BENCH_OK);
	bench_session_moved(&s, s.run, T0 + SEC, 1);
	assert_int_equal(result(&s, T0 + 3 * SEC, 0).elapsed, 2 * SEC);
}

static void retransmits_of_ended_and_open_streams_add_up_and_unknown_stays_unknown(void **state)
{
	struct bench_session s = opened();
	ns_t end;
	(void)state;

	for (int i = 0; i < 3; i++)
		assert_int_equal(stream(&s, T0, &nas, BENCH_DOWNLOAD, key, &end), BENCH_OK);
	bench_session_stream_ended(&s, s.run, 5);
	bench_session_stream_ended(&s, s.run, 7);
	uint32_t old = s.run;
	assert_int_equal(result(&s, T0, 30).retransmits, 42);
	bench_session_stream_ended(&s, old, 9);
	assert_int_equal(result(&s, T0, 0).retransmits, 0);
	bench_session_stream_ended(&s, s.run, BENCH_RETRANSMITS_UNKNOWN);
	bench_session_stream_ended(&s, s.run, 1);
	assert_int_equal(result(&s, T0, 1).retransmits, BENCH_RETRANSMITS_UNKNOWN);
	bench_session_stream_ended(&s, s.run, BENCH_RETRANSMITS_UNKNOWN - 1);
	assert_int_equal(result(&s, T0, 9).retransmits, BENCH_RETRANSMITS_UNKNOWN - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_one_is_busy_until_the_first_is_closed_even_when_that_is_due),
		cmocka_unit_test(a_session_is_due_when_it_was_idle_or_took_too_long),
		cmocka_unit_test(only_who_has_the_session_gets_streams_echoes_and_results),
		cmocka_unit_test(without_a_session_not_even_the_id_of_zeros_is_answered),
		cmocka_unit_test(an_answer_to_an_echo_is_not_answered),
		cmocka_unit_test(streams_are_limited_in_number_and_time),
		cmocka_unit_test(a_result_counts_the_window_from_the_first_byte_and_nothing_after_it),
		cmocka_unit_test(an_early_result_counts_the_time_until_then),
		cmocka_unit_test(retransmits_of_ended_and_open_streams_add_up_and_unknown_stays_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
