/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The order of events of a ping, in virtual time. */
#include "unit/unit.h"

#include "base/util.h"
#include "cli/cmd/echoes.h"

/* Somebody who answers: request n is answered after delay[n], at once twice where `twice`; 0 = never. */
struct far {
	ns_t delay[64];
	bool twice;
	ns_t due[64];
	ns_t stop_at;
};

/* Runs it to its end and writes down what happened and when, in tenths of a second: "0>1 0<1 10>2 20!2=20 ".
 */
static void play(struct echoes *e, struct far *far, char *log, size_t room)
{
	ns_t now = 1000 * SEC, start = now, until = 0;
	size_t n = 0;

#define LOG(...) (n += (size_t)snprintf(log + n, room - n, __VA_ARGS__), assert_true(n < room))
#define TENTHS(t) ((int)((t) / (100 * MS)))
	for (;;) {
		struct echo echo;
		enum echoes_act act = echoes_next(e, now, &echo, &until);

		if (act == ECHOES_DONE)
			break;
		if (act == ECHOES_SEND) {
			LOG("%d>%u ", TENTHS(now - start), echo.n);
			if (far->delay[echo.n])
				far->due[echo.n] = now + far->delay[echo.n];
			continue;
		}
		if (act == ECHOES_LOST) {
			LOG("%d!%u=%d ", TENTHS(now - start), echo.n, TENTHS(echo.took));
			continue;
		}

		uint16_t first = 0;
		for (uint16_t i = 1; i < ARRAY_LEN(far->due); i++)
			if (far->due[i] && far->due[i] < until && (!first || far->due[i] < far->due[first]))
				first = i;
		assert_true(until > now && until < now + 10 * SEC); /* it neither spins nor hangs */
		now = first ? far->due[first] : until;
		if (far->stop_at && now - start >= far->stop_at) {
			echoes_stop(e);
			continue;
		}
		if (!first)
			continue;
		far->due[first] = 0;
		if (echoes_answered(e, now, first, &echo))
			LOG("%d<%u=%d ", TENTHS(now - start), echo.n, TENTHS(echo.took));
		if (far->twice)
			assert_false(echoes_answered(e, now, first, &echo));
	}
	LOG("%u/%u", e->received, e->sent);
}

static void each_course_of_events_is_told_in_its_order(void **state UNUSED)
{
#define S(tenths) ((tenths)*100 * MS)
	static const struct {
		const char *name;
		uint32_t count;
		ns_t interval;
		struct far far;
		const char *log;
	} rows[] = {
		{"all is well", 2, SEC, {.delay = {0, S(1), S(1)}}, "0>1 1<1=1 10>2 11<2=1 2/2"},
		{"what is sent meanwhile mends the tunnel", 3, SEC, {.delay = {0, 0, 0, S(1)}},
			"0>1 10>2 20>3 21<3=1 21!1=21 30!2=20 1/3"},
		{"nobody is there", 2, SEC, {{0}}, "0>1 10>2 60!1=60 70!2=60 0/2"},
		{"one alone waits for a handshake", 1, SEC, {.delay = {0, S(51)}}, "0>1 51<1=51 1/1"},
		{"the first waits for a handshake and all come at once", 3, SEC,
			{.delay = {0, S(51), S(41), S(31)}}, "0>1 10>2 20>3 51<1=51 51<2=41 51<3=31 3/3"},
		{"a late one counts", 5, SEC, {.delay = {0, S(1), S(25), S(1), S(1), S(1)}},
			"0>1 1<1=1 10>2 20>3 21<3=1 30!2=20 30>4 31<4=1 35<2=25 40>5 41<5=1 5/5"},
		{"an answer that overtakes", 2, SEC, {.delay = {0, S(15), S(1)}},
			"0>1 10>2 11<2=1 15<1=15 2/2"},
		{"a long way: the last is waited for as well", 2, SEC, {.delay = {0, S(15), S(28)}},
			"0>1 10>2 15<1=15 38<2=28 2/2"},
		{"the last is lost", 2, SEC, {.delay = {0, S(1)}}, "0>1 1<1=1 10>2 30!2=20 1/2"},
		{"duplicates", 2, SEC, {.delay = {0, S(1), S(1)}, .twice = true},
			"0>1 1<1=1 10>2 11<2=1 2/2"},
		{"without a pause the answer calls the next", 3, 0, {.delay = {0, MS, MS, MS}},
			"0>1 0<1=0 0>2 0<2=0 0>3 0<3=0 3/3"},
		{"without a pause nor an answer it is no flood", 2, 0, {{0}}, "0>1 0>2 60!1=60 60!2=60 0/2"},
		{"until it is stopped: what is out is not lost", 0, SEC,
			{.delay = {0, S(1), S(1)}, .stop_at = S(25)}, "0>1 1<1=1 10>2 11<2=1 20>3 2/2"},
		{"stopped before anything came", 0, SEC, {.stop_at = S(15)}, "0>1 10>2 0/2"},
		{"stopped after one was told as lost", 0, SEC, {.delay = {0, S(1)}, .stop_at = S(35)},
			"0>1 1<1=1 10>2 20>3 30!2=20 30>4 1/2"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct echoes e = {.count = rows[i].count, .interval = rows[i].interval};
		struct far far = rows[i].far;
		char log[512];

		play(&e, &far, log, sizeof(log));
		if (strcmp(log, rows[i].log))
			fail_msg("%s:\n%s\n%s", rows[i].name, log, rows[i].log);
	}
}

static void round_trips_are_summed_up(void **state UNUSED)
{
	struct echoes e = {.count = 3, .interval = SEC};
	struct far far = {.delay = {0, S(3), S(1), S(2)}};
	char log[256];

	play(&e, &far, log, sizeof(log));
	assert_int_equal(e.min, S(1));
	assert_int_equal(e.max, S(3));
	assert_int_equal(e.sum, S(6));
}

static void an_answer_to_what_was_not_sent_is_none(void **state UNUSED)
{
	struct echoes e = {.interval = SEC};
	struct echo echo;
	ns_t until;

	assert_false(echoes_answered(&e, SEC, 0, &echo));
	assert_int_equal(echoes_next(&e, SEC, &echo, &until), ECHOES_SEND);
	assert_false(echoes_answered(&e, SEC, 0, &echo));
	assert_false(echoes_answered(&e, SEC, 2, &echo));
	assert_false(echoes_answered(&e, SEC, UINT16_MAX, &echo));
	assert_true(echoes_answered(&e, SEC, 1, &echo));
}

/* Sequence numbers begin anew, and of what is out only so much is remembered. */
static void a_hundred_thousand_at_once_are_counted_right(void **state UNUSED)
{
	struct echoes e = {.count = 100000, .interval = MS};
	struct echo echo;
	ns_t now = SEC, until = 0;
	uint32_t lost = 0, answers = 0;

	for (enum echoes_act act; (act = echoes_next(&e, now, &echo, &until)) != ECHOES_DONE;) {
		if (act == ECHOES_WAIT)
			now = until;
		else if (act == ECHOES_LOST)
			lost++;
		else if (echo.n % 2) /* every other is answered, half a second after it left */
			continue;
		else if (echo.n > 500)
			answers += echoes_answered(&e, now, (uint16_t)(echo.n - 500), &echo);
	}
	assert_int_equal(e.sent, 100000);
	assert_int_equal(answers, (100000 - 500) / 2);
	assert_int_equal(e.received, answers);
	assert_int_equal(lost, e.sent - e.received);
	assert_int_equal(e.max, 500 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_course_of_events_is_told_in_its_order),
		cmocka_unit_test(round_trips_are_summed_up),
		cmocka_unit_test(an_answer_to_what_was_not_sent_is_none),
		cmocka_unit_test(a_hundred_thousand_at_once_are_counted_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
