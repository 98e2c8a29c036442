/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Server-sent events: what readers get, and what becomes of those who do not read. */
#include "rig.h"

#include <sys/socket.h>
#include <unistd.h>

static struct rig rig;
static int reader;

#define WATCH "GET /watch HTTP/1.1\r\n" HOST "\r\n"

static void watch(int fd)
{
	rig.stream = NULL;
	rig_say(&rig, fd, WATCH);
	RIG_EXPECT(&rig, rig.stream);
}

static int open_sized(uint32_t connections, uint32_t each)
{
	rig_open(&rig, connections, each);
	reader = rig_dial(&rig);
	watch(reader);
	return 0;
}

static int open_rig(void **state UNUSED)
{
	return open_sized(0, 4);
}

static int open_small_rig(void **state UNUSED)
{
	return open_sized(4, 0);
}

static int close_rig(void **state UNUSED)
{
	close(reader);
	rig_close(&rig);
	return 0;
}

static void events_come_as_they_are_sent(void **state UNUSED)
{
	web_stream_send(rig.stream, "state", "a\nb", 3);
	web_stream_send(rig.stream, NULL, "", 0);
	assert_true(web_stream_is_clear(rig.stream));
	web_stream_end(rig.stream);
	const char *all = rig_hear_end(&rig, reader);
	assert_non_null(strstr(all, "Content-Type: text/event-stream\r\n"));
	assert_non_null(strstr(all, "\r\n\r\nevent: state\ndata: a\ndata: b\n\ndata: \n\n"));
	assert_int_equal(rig.gone, 0);
}

static void a_reader_that_leaves_is_gone(void **state UNUSED)
{
	shutdown(reader, SHUT_RDWR);
	RIG_EXPECT(&rig, rig.gone);
	assert_int_equal(rig.gone, 1);
}

static void a_quiet_stream_says_that_it_lives(void **state UNUSED)
{
	rig_pass(&rig, 600 * SEC);
	assert_int_equal(rig.gone, 0);
	web_stream_end(rig.stream);
	assert_non_null(strstr(rig_hear_end(&rig, reader), "\r\n\r\nevent: beat\ndata: \n\n"));
}

/* More than the kernel keeps for it and the server does. */
static void who_does_not_read_is_hung_up_on(void **state UNUSED)
{
	static char much[64 << 10];
	unsigned n = 0;

	memset(much, 'x', sizeof(much));
	while (web_stream_is_clear(rig.stream) && ++n < 1000)
		web_stream_send(rig.stream, NULL, much, sizeof(much));
	assert_true(n < 1000);
	assert_int_equal(rig.gone, 0); /* from the loop alone */
	for (n = 0; n < 5; n++)
		web_stream_send(rig.stream, NULL, much, sizeof(much));
	rig_pass(&rig, SEC);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(web_server_counters(rig.server)->late, 1);
}

static void who_stops_reading_is_hung_up_on(void **state UNUSED)
{
	static char much[64 << 10];

	memset(much, 'x', sizeof(much));
	while (web_stream_is_clear(rig.stream))
		web_stream_send(rig.stream, NULL, much, sizeof(much));
	rig_pass(&rig, 19 * SEC);
	assert_int_equal(rig.gone, 0);
	for (unsigned i = 0; i < 30 && !rig.gone; i++) /* the kernel may have taken some more meanwhile */
		rig_pass(&rig, 2 * SEC);
	assert_int_equal(rig.gone, 1);
}

static void streams_leave_places_for_others(void **state UNUSED)
{
	int second = rig_dial(&rig), third = rig_dial(&rig);

	watch(second);
	rig_say(&rig, third, WATCH);
	assert_non_null(strstr(rig_hear(&rig, third), "HTTP/1.1 503 "));
	close(second);
	close(third);
}

static void expect_a_place(const char *source, bool is_there)
{
	int fd = rig_dial_as(&rig, source);

	if (is_there) {
		watch(fd);
	} else {
		rig_say(&rig, fd, WATCH);
		assert_non_null(strstr(rig_hear(&rig, fd), "HTTP/1.1 503 "));
	}
	close(fd);
}

/* An IPv6 address of the internet is had with all of its /64. */
static void neighbours_share_the_places_of_streams(void **state UNUSED)
{
	int first = rig_dial_as(&rig, "2001:db8::1"), second = rig_dial_as(&rig, "2001:db8::2");

	watch(first);
	watch(second);
	expect_a_place("2001:db8::3", false);
	expect_a_place("2001:db8:0:1::3", true);
	close(first);
	close(second);
}

static void members_are_no_neighbours_of_each_other(void **state UNUSED)
{
	int first = rig_dial_as(&rig, "fd00::1"), second = rig_dial_as(&rig, "fd00::2");

	watch(first);
	watch(second);
	expect_a_place("fd00::3", true);
	close(first);
	close(second);
}

static void of_all_places_streams_take_half(void **state UNUSED)
{
	int second = rig_dial_as(&rig, "192.0.2.2");

	watch(second);
	expect_a_place("192.0.2.3", false);
	close(second);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(events_come_as_they_are_sent),
		TEST(a_reader_that_leaves_is_gone),
		TEST(a_quiet_stream_says_that_it_lives),
		TEST(who_does_not_read_is_hung_up_on),
		TEST(who_stops_reading_is_hung_up_on),
		TEST(streams_leave_places_for_others),
		TEST(neighbours_share_the_places_of_streams),
		TEST(members_are_no_neighbours_of_each_other),
		cmocka_unit_test_setup_teardown(of_all_places_streams_take_half, open_small_rig, close_rig),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
