/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Those who mean harm: too many, too slow, too long; and addresses that are not there. */
#include "rig.h"

#include <event2/event.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "web/server.h"

static struct rig rig;

static int close_rig(void **state UNUSED)
{
	rig_close(&rig);
	return 0;
}

static const struct web_counters *counters(void)
{
	return web_server_counters(rig.server);
}

static void who_says_nothing_is_hung_up_on(void **state UNUSED)
{
	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);

	rig_pass(&rig, 59 * SEC);
	assert_false(rig_is_over(fd));
	rig_pass(&rig, 2 * SEC);
	RIG_EXPECT(&rig, rig_is_over(fd));
	assert_int_equal(counters()->late, 0);
	close(fd);
}

/* However often a byte comes: the whole request has its time. */
static void who_asks_byte_by_byte_is_hung_up_on(void **state UNUSED)
{
	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);

	rig_say(&rig, fd, "GET /hello HTTP/1.1\r\n");
	RIG_EXPECT(&rig, !visit_is_idle(rig_visit(&rig)));
	for (unsigned i = 0; i < 9; i++) {
		rig_pass(&rig, SEC);
		assert_false(rig_is_over(fd));
		rig_say(&rig, fd, "X");
	}
	rig_pass(&rig, 2 * SEC);
	RIG_EXPECT(&rig, rig_is_over(fd));
	assert_int_equal(counters()->late, 1);
	close(fd);
}

static void whose_body_does_not_come_is_hung_up_on(void **state UNUSED)
{
	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);

	rig_say(&rig, fd, "POST /set/a HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nvalue");
	RIG_EXPECT(&rig, !visit_is_idle(rig_visit(&rig)));
	rig_pass(&rig, 11 * SEC);
	RIG_EXPECT(&rig, rig_is_over(fd));
	assert_int_equal(rig.handled, 0);
	close(fd);
}

static void who_does_not_read_its_answer_is_hung_up_on(void **state UNUSED)
{
	char text[4096] = "";

	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);

	for (unsigned i = 0; i < 60; i++) /* 30 MB: more than the kernel keeps for it */
		strcat(text, "GET /large HTTP/1.1\r\n" HOST "\r\n");
	rig_say(&rig, fd, text);
	RIG_EXPECT(&rig, counters()->requests > 0);
	for (unsigned i = 0; i < 60 && counters()->late == 0;
		i++) /* the kernel may take some more at first */
		rig_pass(&rig, 61 * SEC);
	assert_true(counters()->requests < 60);
	assert_int_equal(counters()->late, 1);
	assert_int_equal(web_server_connections(rig.server), 0);
	close(fd);
}

/* Not within the time that a request has: it has been asked, and its answer is being read. */
static void who_has_not_read_its_answer_may_ask_the_next_thing(void **state UNUSED)
{
	char text[4096] = "";

	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);

	for (unsigned i = 0; i < 60; i++)
		strcat(text, "GET /large HTTP/1.1\r\n" HOST "\r\n");
	rig_say(&rig, fd, text);
	RIG_EXPECT(&rig, counters()->requests > 0);
	assert_true(counters()->requests < 60);
	rig_pass(&rig, 11 * SEC);
	assert_int_equal(counters()->late, 0);
	assert_int_equal(web_server_connections(rig.server), 1);
	close(fd);
}

/* Others get their turn. */
static void of_what_is_asked_at_once_one_thing_is_answered_a_turn(void **state UNUSED)
{
	enum { N = 200 };
	const ns_t deadline = rig_deadline();
	char text[64 * N] = "", want[32];
	size_t n = 0;

	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);

	for (unsigned i = 0; i < N; i++)
		n += (size_t)sprintf(text + n, "GET /hello?q=%u HTTP/1.1\r\n" HOST "\r\n", i);
	assert_int_equal(send(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT), n);
	for (unsigned i = 0; i < N; i++) {
		do
			event_base_loop(rig.base, EVLOOP_ONCE);
		while (rig.handled == i && rig_wait(deadline)); /* it has not come yet, or a timer has */
		assert_int_equal(rig.handled, i + 1);
		snprintf(want, sizeof(want), "%u", i);
		assert_string_equal(rig.said, want); /* in their order */
	}
	close(fd);
}

static void a_head_without_end_is_refused(void **state UNUSED)
{
	static char text[16 << 10];

	rig_open(&rig, 0, 0);
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "GET /", 5);
	assert_non_null(strstr(rig_ask(&rig, text), "HTTP/1.1 431 "));
	assert_int_equal(counters()->refused, 1);
}

static void a_body_beyond_the_routes_is_refused_unread(void **state UNUSED)
{
	rig_open(&rig, 0, 0);
	const char *a = rig_ask(
		&rig, "POST /set/a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 65\r\n\r\n");

	assert_non_null(strstr(a, "HTTP/1.1 413 "));
	assert_non_null(strstr(a, "Connection: close\r\n"));
	assert_null(strstr(a, "100 Continue"));
}

static void who_asks_whether_to_go_on_is_told(void **state UNUSED)
{
	char answer[64];
	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);

	rig_say(&rig, fd,
		"POST /set/a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 7\r\n\r\n");
	ssize_t n;
	RIG_EXPECT(&rig, (n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT)) >= 0);
	assert_int_equal(n, strlen("HTTP/1.1 100 Continue\r\n\r\n"));
	assert_memory_equal(answer, "HTTP/1.1 100 ", 13);
	rig_say(&rig, fd, "value=7");
	assert_non_null(strstr(rig_hear(&rig, fd), "HTTP/1.1 415 "));
	close(fd);
}

/* Who asks ahead without end while it waits for an answer. */
static void what_is_asked_ahead_has_its_length(void **state UNUSED)
{
	static char text[80 << 10];

	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);

	rig_say(&rig, fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	memset(text, 'a', sizeof(text) - 1);
	rig_say(&rig, fd, text);
	RIG_EXPECT(&rig, rig_is_over(fd));
	assert_int_equal(rig.gone, 1);
	close(fd);
}

static void of_one_source_the_one_idle_longest_makes_room(void **state UNUSED)
{
	int fds[4];

	rig_open(&rig, 0, 3);
	for (size_t i = 0; i < 4; i++) {
		if (i == 3) { /* who came first has asked something since */
			rig_say(&rig, fds[0], "GET /hello HTTP/1.1\r\n" HOST "\r\n");
			assert_non_null(strstr(rig_hear(&rig, fds[0]), "hello"));
		}
		fds[i] = rig_dial(&rig);
		rig_pass(&rig, SEC);
	}
	RIG_EXPECT(&rig, rig_is_over(fds[1]));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(rig_is_over(fds[i]), i == 1);
	assert_int_equal(counters()->crowded_out, 1);
	for (size_t i = 0; i < 4; i++)
		close(fds[i]);
}

static void who_is_being_answered_makes_no_room(void **state UNUSED)
{
	int fds[3];

	rig_open(&rig, 2, 0);
	for (size_t i = 0; i < 2; i++) {
		fds[i] = rig_dial(&rig);
		rig.kept = NULL;
		rig_say(&rig, fds[i], "GET /later HTTP/1.1\r\n" HOST "\r\n");
		RIG_EXPECT(&rig, rig.kept);
	}
	fds[2] = rig_dial(&rig);
	RIG_EXPECT(&rig, rig_is_over(fds[2]));
	assert_false(rig_is_over(fds[0]));
	assert_int_equal(rig.gone, 0);
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

/* They ask without an end, each in its time, and come again. */
static void strangers_that_are_never_through_keep_nobody_out(void **state UNUSED)
{
	int fds[3];

	rig_open(&rig, 2, 0);
	for (size_t i = 0; i < 3; i++) {
		fds[i] = rig_dial(&rig);
		if (i == 0) {
			rig_say(&rig, fds[i], "GET /hello HTTP/1.1\r\n");
			RIG_EXPECT(&rig, !visit_is_idle(rig_visit(&rig)));
		}
		rig_pass(&rig, SEC);
	}
	RIG_EXPECT(&rig, rig_is_over(fds[0]));
	assert_false(rig_is_over(fds[1])); /* has just come, and may be about to ask */
	assert_false(rig_is_over(fds[2]));
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

static void who_is_known_makes_room_after_all_strangers(void **state UNUSED)
{
	int fds[3];

	rig_open(&rig, 2, 0);
	rig.role = WEB_MEMBER;
	fds[0] = rig_dial(&rig);
	rig_say(&rig, fds[0], "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_non_null(strstr(rig_hear(&rig, fds[0]), "hello"));
	for (size_t i = 1; i < 3; i++) {
		rig_pass(&rig, SEC);
		fds[i] = rig_dial(&rig);
	}
	RIG_EXPECT(&rig, rig_is_over(fds[1]));
	assert_false(rig_is_over(fds[0]));
	for (size_t i = 0; i < 3; i++)
		close(fds[i]);
}

/* What has been read is moved down over: passwords are a part of it. */
static void what_has_been_read_leaves_no_copy(void **state UNUSED)
{
	char post[512];

	rig_open(&rig, 0, 0);
	const char *body = strstr(rig_ask(&rig, "GET /token HTTP/1.1\r\n" HOST "\r\n"), "\r\n\r\n");
	assert_non_null(body);
	snprintf(post, sizeof(post),
		"POST /set/a HTTP/1.1\r\n" HOST "Content-Type: application/x-www-form-urlencoded\r\n"
		"Content-Length: 62\r\n\r\ntoken=%.43s&value=sesameGET /he",
		body + 4);
	int fd = rig_dial(&rig);
	rig_say(&rig, fd, post);
	assert_non_null(strstr(rig_hear(&rig, fd), "HTTP/1.1 303 "));
	RIG_EXPECT(&rig, rig_visit(&rig)->in.len == 7);
	const struct strbuf *in = &rig_visit(&rig)->in;
	assert_true(in->cap >= strlen(post)); /* the memory that it came to */
	for (size_t i = 0; i + 6 < strlen(post); i++)
		assert_memory_not_equal(in->s + i, "sesame", 6);
	close(fd);
}

/* Of those that are hung up on, only our ends' descriptors stay. */
static void ten_thousand_idle_connections_keep_nobody_out(void **state UNUSED)
{
	enum { MANY = 10000 };
	static int fds[MANY];
	const struct rlimit files = {MANY + 1000, MANY + 1000};
	size_t n = 0;

	rig_open(&rig, 512, 512);
	if (setrlimit(RLIMIT_NOFILE, &files) != 0)
		skip();
	while (n < MANY)
		fds[n++] = rig_dial(&rig);
	assert_int_equal(web_server_connections(rig.server), 512);
	assert_non_null(strstr(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "\r\n\r\nhello"));
	assert_int_equal(counters()->crowded_out, MANY - 512 + 1);
	while (n > 0)
		close(fds[--n]);
}

/* One viewer, by however many connections; another one is answered. */
static void who_asks_without_end_is_told_to_wait(void **state UNUSED)
{
	unsigned n = 0;

	rig_open(&rig, 0, 0);
	while (!strstr(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 429 ") && n < 1000)
		n++;
	assert_int_equal(n, 250);
	assert_non_null(
		strstr(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "Connection: close\r\n"));
	rig.role = WEB_ANYONE;
	assert_non_null(strstr(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "\r\n\r\nhello"));
	rig.role = WEB_ADMIN;
	rig_pass(&rig, SEC);
	assert_non_null(strstr(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "\r\n\r\nhello"));
}

static void what_was_made_for_a_viewer_beside_his_answers_is_his_to_pay(void **state UNUSED)
{
	const struct web_viewer by = {.role = WEB_MEMBER}, other = {.role = WEB_MEMBER, .id = {1}};

	rig_open(&rig, 0, 0);
	rig.role = WEB_MEMBER;
	web_charge(rig.server, &other, 64 << 20);
	assert_non_null(strstr(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 200 "));
	web_charge(rig.server, &by, 64 << 20);
	assert_non_null(strstr(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "HTTP/1.1 429 "));
}

static void a_busy_port_is_tried_again(void **state UNUSED)
{
	struct endpoint at;
	struct rig other;

	rig_open(&other, 0, 0);
	rig_open(&rig, 0, 0);
	web_server_listen(rig.server, &other.at, 1);
	assert_false(web_server_listens(rig.server, 0, &at));
	rig_close(&other);
	rig_pass(&rig, WEB_LISTEN_AGAIN - 1);
	assert_false(web_server_listens(rig.server, 0, &at));
	rig_pass(&rig, 1);
	assert_true(web_server_listens(rig.server, 0, &at));
	rig.at = at;
	assert_non_null(strstr(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), "hello"));
}

static void an_address_that_is_taken_away_is_left_by_those_who_came_by_it(void **state UNUSED)
{
	struct endpoint both[2], at;

	rig_open(&rig, 0, 0);
	int fd = rig_dial(&rig);
	rig_say(&rig, fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	RIG_EXPECT(&rig, rig.kept);
	/* The door stays the one it is: the list says what was wanted, not the port that was bound. */
	assert_int_equal(endpoint_parse("127.0.0.1:0", &both[0]), TM_OK);
	assert_int_equal(endpoint_parse("127.0.0.2:0", &both[1]), TM_OK);
	web_server_listen(rig.server, both, 2);
	rig_pass(&rig, WEB_TICK);
	assert_false(rig_is_over(fd));
	assert_true(web_server_listens(rig.server, 1, &at));
	web_server_listen(rig.server, &both[1], 1);
	assert_false(web_server_listens(rig.server, 1, &at));
	assert_int_equal(rig.gone, 0); /* from the loop alone */
	rig_pass(&rig, WEB_TICK);
	RIG_EXPECT(&rig, rig_is_over(fd));
	assert_int_equal(rig.gone, 1);
	assert_int_equal(counters()->late, 0);
	close(fd);
}

#define TEST(name) cmocka_unit_test_teardown(name, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_says_nothing_is_hung_up_on),
		TEST(who_asks_byte_by_byte_is_hung_up_on),
		TEST(whose_body_does_not_come_is_hung_up_on),
		TEST(who_does_not_read_its_answer_is_hung_up_on),
		TEST(who_has_not_read_its_answer_may_ask_the_next_thing),
		TEST(of_what_is_asked_at_once_one_thing_is_answered_a_turn),
		TEST(a_head_without_end_is_refused),
		TEST(a_body_beyond_the_routes_is_refused_unread),
		TEST(who_asks_whether_to_go_on_is_told),
		TEST(what_is_asked_ahead_has_its_length),
		TEST(of_one_source_the_one_idle_longest_makes_room),
		TEST(who_is_being_answered_makes_no_room),
		TEST(strangers_that_are_never_through_keep_nobody_out),
		TEST(who_is_known_makes_room_after_all_strangers),
		TEST(what_has_been_read_leaves_no_copy),
		TEST(ten_thousand_idle_connections_keep_nobody_out),
		TEST(who_asks_without_end_is_told_to_wait),
		TEST(what_was_made_for_a_viewer_beside_his_answers_is_his_to_pay),
		TEST(a_busy_port_is_tried_again),
		TEST(an_address_that_is_taken_away_is_left_by_those_who_came_by_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
