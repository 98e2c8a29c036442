/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Requests and replies of the control socket server: their form and size, their order, and clients that are
 * slow, leave early or are many. */
#include "unit/unit.h"

#include <sys/socket.h>
#include <unistd.h>

#include "unit/node/ctl/fixture.h"

static void a_request_gets_one_reply_line_and_the_connection_ends(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	char *s = fixture_ask(f, "{\"cmd\":\"status\"}\n");
	assert_string_equal(s, "{\"ok\":true,\"echo\":\"status\"}\n");
	assert_int_equal(f->requests, 1);
	free(s);
}

static void a_request_may_arrive_byte_by_byte(void **state)
{
	struct fixture *f = *state;
	const char *line = "{\"cmd\":\"peers\"}\n";

	fixture_listen(f, NULL);
	int fd = fixture_client(f);
	for (const char *c = line; *c; c++) {
		fixture_say(f, fd, c, 1);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	}
	char *s = fixture_hear(f, fd);
	assert_string_equal(s, "{\"ok\":true,\"echo\":\"peers\"}\n");
	free(s);
}

static void a_reply_may_come_later_and_in_another_order(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	f->later = true;
	int a = fixture_client(f), b = fixture_client(f);
	fixture_say(f, a, "{\"cmd\":\"a\"}\n", 12);
	while (f->n_kept < 1)
		fixture_pump(f);
	fixture_say(f, b, "{\"cmd\":\"b\"}\n", 12);
	while (f->n_kept < 2)
		fixture_pump(f);
	ctl_reply(f->kept[1], json_pack("{s:b, s:i}", "ok", 1, "n", 2));
	ctl_reply(f->kept[0], json_pack("{s:b, s:i}", "ok", 1, "n", 1));
	char *sa = fixture_hear(f, a), *sb = fixture_hear(f, b);
	assert_string_equal(sa, "{\"ok\":true,\"n\":1}\n");
	assert_string_equal(sb, "{\"ok\":true,\"n\":2}\n");
	free(sa);
	free(sb);
}

static void what_is_not_one_json_object_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *line;
		const char *error;
	} rows[] = {
		{"\n", "the request is not JSON"},
		{"GET / HTTP/1.1\r\n", "the request is not JSON"},
		{"{\"cmd\":\"status\"\n", "the request is not JSON"},
		{"{\"cmd\":\"a\",\"cmd\":\"b\"}\n", "the request is not JSON"},
		{"{\"cmd\":\"\xff\xfe\"}\n", "the request is not JSON"},
		{"{\"cmd\":\"a\\u0000b\"}\n", "the request is not JSON"},
		{"[1,2]\n", "the request is not a JSON object"},
		{"{\"cmd\":\"a\"}\n{\"cmd\":\"b\"}\n", "only one request fits on a connection"},
	};
	struct fixture *f = *state;
	char expect[160];

	fixture_listen(f, NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *s = fixture_ask(f, rows[i].line);

		snprintf(expect, sizeof(expect), "{\"ok\":false,\"code\":\"bad_message\",\"error\":\"%s\"}\n",
			rows[i].error);
		if (strcmp(s, expect) != 0)
			fail_msg("row %zu: %s", i, s);
		free(s);
	}
	assert_int_equal(f->requests, 0);
}

/* A request of n bytes, newline included. */
static char *request_of(size_t n)
{
	char *s = malloc(n);

	assert_non_null(s);
	memset(s, ' ', n);
	memcpy(s, "{\"cmd\":\"big\"}", 13);
	s[n - 1] = '\n';
	return s;
}

static void a_request_of_one_mebibyte_passes_and_one_byte_more_does_not(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	for (size_t more = 0; more < 2; more++) {
		char *line = request_of(CTL_REQUEST_MAX + more);
		int fd = fixture_client(f);

		fixture_say(f, fd, line, CTL_REQUEST_MAX + more);
		char *s = fixture_hear(f, fd);
		assert_int_equal(f->requests, 1);
		assert_non_null(strstr(s, more ? "too long" : "\"ok\":true"));
		free(s);
		free(line);
	}
}

static void a_slow_client_is_told_so_and_dropped(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	ctl_set_patience(f->ctl, 20 * MS);
	char *s = fixture_ask(f, "{\"cmd\":");
	assert_non_null(strstr(s, "did not arrive in time"));
	assert_int_equal(f->requests, 0);
	free(s);
}

static void patience_does_not_limit_how_long_the_handler_takes(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	ctl_set_patience(f->ctl, 20 * MS);
	int slow = fixture_kept_client(f, "{\"cmd\":\"slow\"}\n");
	/* Another client runs into the same limit: by then the first one's time would be over too. */
	free(fixture_ask(f, "x"));
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	char *s = fixture_hear(f, slow);
	assert_string_equal(s, "{\"ok\":true}\n");
	free(s);
}

static void a_client_that_does_not_take_its_reply_is_dropped(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	ctl_set_patience(f->ctl, 20 * MS);
	f->pad = 4 << 20;
	int fd = fixture_client(f);
	fixture_say(f, fd, "{\"cmd\":\"a\"}\n", 12);
	while (f->requests == 0)
		fixture_pump(f);
	while (event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED) >
		2) /* the listener and its look stay */
		fixture_pump(f);
	close(fd);
}

static void a_large_reply_arrives_whole(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	f->pad = 6 << 20;
	char *s = fixture_ask(f, "{\"cmd\":\"a\"}\n");
	assert_true(strlen(s) > f->pad);
	assert_int_equal(s[strlen(s) - 1], '\n');
	free(s);
}

static void a_client_that_left_before_its_reply_is_dropped_quietly(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	int fd = fixture_kept_client(f, "{\"cmd\":\"a\"}\n");
	assert_true(ctl_waits(f->kept[0]));
	close(fd);
	assert_false(ctl_waits(f->kept[0]));
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	f->later = false;
	char *s = fixture_ask(f, "{\"cmd\":\"b\"}\n");
	assert_non_null(strstr(s, "\"ok\":true"));
	free(s);
}

static void a_client_that_leaves_in_the_middle_of_its_request_asks_nothing(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	int fd = fixture_client(f);
	fixture_say(f, fd, "{\"cmd\":\"a\"}", 11);
	close(fd);
	free(fixture_ask(f, "{\"cmd\":\"b\"}\n"));
	assert_int_equal(f->requests, 1);
	assert_string_equal(f->last, "b");
}

static void a_half_closed_client_still_gets_its_reply(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	int fd = fixture_client(f);
	fixture_say(f, fd, "{\"cmd\":\"a\"}\n", 12);
	shutdown(fd, SHUT_WR);
	char *s = fixture_hear(f, fd);
	assert_non_null(strstr(s, "\"ok\":true"));
	free(s);
}

static void no_reply_object_becomes_an_error(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	int fd = fixture_kept_client(f, "{\"cmd\":\"a\"}\n");
	ctl_reply(f->kept[0], NULL);
	char *s = fixture_hear(f, fd);
	assert_non_null(strstr(s, "\"ok\":false"));
	free(s);
}

static void more_clients_than_the_limit_wait_and_are_all_served(void **state)
{
	struct fixture *f = *state;
	int fd[CTL_CONNS_MAX + 8];

	fixture_listen(f, NULL);
	f->later = true;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = fixture_client(f);
		fixture_say(f, fd[i], "{\"cmd\":\"a\"}\n", 12);
	}
	while (f->n_kept < CTL_CONNS_MAX)
		fixture_pump(f);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->n_kept, CTL_CONNS_MAX);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		while (f->n_kept <= i)
			fixture_pump(f);
		ctl_reply(f->kept[i], json_pack("{s:b}", "ok", 1));
	}
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		char *s = fixture_hear(f, fd[i]);

		assert_string_equal(s, "{\"ok\":true}\n");
		free(s);
	}
}

static void a_call_outlives_its_server(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	int fd = fixture_kept_client(f, "{\"cmd\":\"a\"}\n");
	ctl_free(f->ctl);
	f->ctl = NULL;
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	char *s = fixture_hear(f, fd);
	assert_string_equal(s, "");
	free(s);
}

static void a_reply_given_just_before_the_end_is_still_delivered(void **state)
{
	struct fixture *f = *state;

	fixture_listen(f, NULL);
	int fd = fixture_kept_client(f, "{\"cmd\":\"down\"}\n");
	ctl_reply(f->kept[0], json_pack("{s:b}", "ok", 1));
	ctl_free(f->ctl);
	f->ctl = NULL;
	char *s = fixture_hear(f, fd);
	assert_string_equal(s, "{\"ok\":true}\n");
	free(s);
}

static void a_released_connection_is_the_handlers_and_outlives_the_server(void **state)
{
	struct fixture *f = *state;
	int ours = -1;

	fixture_listen(f, NULL);
	int fd = fixture_kept_client(f, "{\"cmd\":\"a\"}\n");
	assert_int_equal(ctl_release(f->kept[0], &ours), TM_OK);
	ctl_free(f->ctl);
	f->ctl = NULL;
	assert_int_equal(write(ours, "one\n", 4), 4);
	assert_int_equal(write(ours, "two\n", 4), 4);
	close(ours);
	char *s = fixture_hear(f, fd);
	assert_string_equal(s, "one\ntwo\n");
	free(s);
}

static void a_released_connection_does_not_count_any_more(void **state)
{
	struct fixture *f = *state;
	int ours[CTL_CONNS_MAX], theirs[CTL_CONNS_MAX];

	fixture_listen(f, NULL);
	for (size_t i = 0; i < CTL_CONNS_MAX; i++) {
		theirs[i] = fixture_kept_client(f, "{\"cmd\":\"a\"}\n");
		assert_int_equal(ctl_release(f->kept[f->n_kept - 1], &ours[i]), TM_OK);
	}
	f->later = false;
	free(fixture_ask(f, "{\"cmd\":\"b\"}\n"));
	for (size_t i = 0; i < CTL_CONNS_MAX; i++) {
		close(ours[i]);
		close(theirs[i]);
	}
}

static void of_a_client_that_has_gone_nothing_is_released(void **state)
{
	struct fixture *f = *state;
	int ours = -1;

	fixture_listen(f, NULL);
	close(fixture_kept_client(f, "{\"cmd\":\"a\"}\n"));
	ctl_free(f->ctl); /* with what hangs on it */
	f->ctl = NULL;
	assert_int_equal(ctl_release(f->kept[0], &ours), TM_ECLOSED);
	assert_int_equal(ours, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
		T(a_request_gets_one_reply_line_and_the_connection_ends),
		T(a_request_may_arrive_byte_by_byte),
		T(a_reply_may_come_later_and_in_another_order),
		T(what_is_not_one_json_object_is_refused_with_a_sentence),
		T(a_request_of_one_mebibyte_passes_and_one_byte_more_does_not),
		T(a_slow_client_is_told_so_and_dropped),
		T(patience_does_not_limit_how_long_the_handler_takes),
		T(a_client_that_does_not_take_its_reply_is_dropped),
		T(a_large_reply_arrives_whole),
		T(a_client_that_left_before_its_reply_is_dropped_quietly),
		T(a_client_that_leaves_in_the_middle_of_its_request_asks_nothing),
		T(a_half_closed_client_still_gets_its_reply),
		T(no_reply_object_becomes_an_error),
		T(more_clients_than_the_limit_wait_and_are_all_served),
		T(a_call_outlives_its_server),
		T(a_released_connection_is_the_handlers_and_outlives_the_server),
		T(a_released_connection_does_not_count_any_more),
		T(of_a_client_that_has_gone_nothing_is_released),
		T(a_reply_given_just_before_the_end_is_still_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
