/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is asked and what is answered: routes, roles, hosts, sites. */
#include "rig.h"

#include <unistd.h>

static struct rig rig;

static int open_rig(void **state UNUSED)
{
	rig_open(&rig, 0, 0);
	return 0;
}

static int close_rig(void **state UNUSED)
{
	rig_close(&rig);
	return 0;
}

static void assert_status(const char *answer, unsigned status)
{
	if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strtoul(answer + 9, NULL, 10) != status)
		fail_msg("not %u: %s", status, answer);
}

static void assert_has(const char *answer, const char *text)
{
	if (!strstr(answer, text))
		fail_msg("no %s in: %s", text, answer);
}

static void a_route_is_answered_with_fields_that_bind_the_page(void **state UNUSED)
{
	const char *a = rig_ask(&rig, "GET /hello?q=a+b HTTP/1.1\r\n" HOST "\r\n");

	assert_status(a, 200);
	assert_has(a, "Content-Security-Policy: default-src 'none'; ");
	assert_has(a, "frame-ancestors 'none'");
	assert_null(strstr(a, "data:"));
	assert_has(a, "X-Content-Type-Options: nosniff\r\n");
	assert_has(a, "Cache-Control: no-store\r\n");
	assert_has(a, "Content-Length: 5\r\n");
	assert_has(a, "\r\n\r\nhello");
	assert_string_equal(rig.said, "a b");
}

static void a_connection_is_asked_one_thing_after_the_other(void **state UNUSED)
{
	int fd = rig_dial(&rig);

	rig_say(&rig, fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_has(rig_hear(&rig, fd), "\r\n\r\nhello");
	rig_say(&rig, fd,
		"GET /none HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	const char *both = rig_hear_end(&rig, fd);
	assert_status(both, 404);
	assert_has(both, "Connection: close\r\n");
	assert_has(both, "\r\n\r\nhello");
	assert_int_equal(rig.handled, 2);
	close(fd);
}

static void a_head_is_asked_for_alone(void **state UNUSED)
{
	const char *a = rig_ask(&rig, "HEAD /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");

	assert_status(a, 200);
	assert_has(a, "Content-Length: 5\r\n");
	assert_null(strstr(a, "hello"));
}

static void what_is_not_there_or_not_done_is_said_in_a_sentence(void **state UNUSED)
{
	const char *a = rig_ask(&rig, "GET /none HTTP/1.1\r\n" HOST "\r\n");

	assert_status(a, 404);
	assert_has(a, "\r\n\r\nThere is nothing at this address.\n");
	a = rig_ask(&rig, "DELETE /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_status(a, 405);
	assert_has(a, "Allow: GET, HEAD\r\n");
	assert_status(rig_ask(&rig, "GET /set/ HTTP/1.1\r\n" HOST "\r\n"), 404);
	assert_status(rig_ask(&rig, "GET /nothing HTTP/1.1\r\n" HOST "\r\n"), 500);
	assert_status(rig_ask(&rig, "GET /hello?q=%zz HTTP/1.1\r\n" HOST "\r\n"), 400);
	assert_status(rig_ask(&rig, "nonsense\r\n\r\n"), 400);
}

/* A page of another site that has its own name point to this host. */
static void by_a_name_that_is_not_ours_nothing_is_answered(void **state UNUSED)
{
	assert_status(rig_ask(&rig, "GET /hello HTTP/1.1\r\nHost: rebound.example.org\r\n\r\n"), 421);
	assert_int_equal(rig.handled, 0);
	assert_status(rig_ask(&rig, "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"), 200);
	assert_status(rig_ask(&rig, "GET /hello HTTP/1.1\r\nHost: [::1]\r\n\r\n"), 200);
}

/* The answer's body. */
static const char *token(char buf[static WEB_TOKEN_LEN + 1])
{
	const char *a = rig_ask(&rig, "GET /token HTTP/1.1\r\n" HOST "\r\n");

	assert_status(a, 200);
	snprintf(buf, WEB_TOKEN_LEN + 1, "%s", strstr(a, "\r\n\r\n") + 4);
	assert_int_equal(strlen(buf), WEB_TOKEN_LEN);
	return buf;
}

static const char *post(const char *fields, const char *with_token)
{
	char body[128], text[1024];

	snprintf(body, sizeof(body), "value=7&token=%s", with_token);
	snprintf(text, sizeof(text),
		"POST /set/key HTTP/1.1\r\n" HOST
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n%s\r\n%s",
		strlen(body), fields, body);
	return rig_ask(&rig, text);
}

static void a_post_with_its_token_is_done(void **state UNUSED)
{
	char t[WEB_TOKEN_LEN + 1];
	const char *a = post("Origin: http://this.mesh\r\nSec-Fetch-Site: same-origin\r\n", token(t));

	assert_status(a, 303);
	assert_has(a, "Location: /hello\r\n");
	assert_string_equal(rig.said, "key=7");
	assert_status(post("", t), 303);
}

static void a_post_of_another_site_is_refused_though_it_knows_the_token(void **state UNUSED)
{
	char t[WEB_TOKEN_LEN + 1];

	token(t);
	assert_status(post("Origin: http://evil.example.org\r\n", t), 403);
	assert_status(post("Origin: null\r\n", t), 403);
	assert_status(post("Origin: http://this.mesh:8080\r\n", t), 403);
	assert_status(post("Origin: ftp://this.mesh\r\n", t), 403);
	assert_status(post("Sec-Fetch-Site: cross-site\r\n", t), 403);
	assert_status(post("Sec-Fetch-Site: same-site\r\n", t), 403);
	assert_int_equal(rig.handled, 0);
}

static void a_token_is_one_viewers_and_of_one_day(void **state UNUSED)
{
	char t[WEB_TOKEN_LEN + 1], other[WEB_TOKEN_LEN + 1];

	token(t);
	assert_status(post("", ""), 403);
	assert_status(post("Cookie: beta\r\n", t), 403);
	memcpy(other, t, sizeof(other));
	other[0] = other[0] == 'A' ? 'B' : 'A';
	assert_status(post("", other), 403);
	rig_pass(&rig, 24 * 3600 * SEC);
	assert_status(post("", t), 303);
	rig_pass(&rig, 24 * 3600 * SEC);
	assert_status(post("", t), 403);
}

static void each_route_is_for_those_it_is_for(void **state UNUSED)
{
	char t[WEB_TOKEN_LEN + 1];

	token(t);
	rig.role = WEB_MEMBER;
	assert_status(rig_ask(&rig, "GET /token HTTP/1.1\r\n" HOST "\r\n"), 200);
	assert_status(post("", t), 403);
	rig.role = WEB_ANYONE;
	assert_status(rig_ask(&rig, "GET /token HTTP/1.1\r\n" HOST "\r\n"), 403);
	assert_status(rig_ask(&rig, "GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
	assert_status(post("", t), 403);
	assert_int_equal(rig.handled, 1);
}

static void only_forms_are_taken(void **state UNUSED)
{
	assert_status(rig_ask(&rig, "POST /set/a HTTP/1.1\r\n" HOST
				    "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"),
		415);
	assert_status(
		rig_ask(&rig,
			"POST /set/a HTTP/1.1\r\n" HOST
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\na%"),
		400);
}

/* Other servers of this host leave theirs with the browser, too. */
static void a_cookie_field_may_be_long(void **state UNUSED)
{
	static char text[4096], cookie[3001];
	char first[WEB_TOKEN_LEN + 1], second[WEB_TOKEN_LEN + 1];

	memset(cookie, 'c', sizeof(cookie) - 1);
	token(first);
	snprintf(text, sizeof(text), "GET /token HTTP/1.1\r\n" HOST "Cookie: %s\r\nX-After: y\r\n\r\n",
		cookie);
	snprintf(second, sizeof(second), "%s", strstr(rig_ask(&rig, text), "\r\n\r\n") + 4);
	assert_string_not_equal(first, second); /* it is another one who asks */
}

static void a_kept_request_is_answered_later(void **state UNUSED)
{
	int fd = rig_dial(&rig);

	rig_say(&rig, fd, "GET /later HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
	RIG_EXPECT(&rig, rig.kept);
	assert_int_equal(rig.handled, 0);
	web_answer(rig.kept, 200, &(struct web_body){.type = "text/plain", .p = "late", .n = 4});
	assert_int_equal(rig.handled, 0); /* from the loop */
	assert_has(rig_hear(&rig, fd), "\r\n\r\nlate");
	RIG_EXPECT(&rig, rig.handled);
	assert_int_equal(rig.handled, 1);
	assert_int_equal(rig.gone, 0);
	close(fd);
}

static void a_kept_request_whose_asker_leaves_is_gone(void **state UNUSED)
{
	int fd = rig_dial(&rig);

	rig_say(&rig, fd, "GET /later HTTP/1.1\r\n" HOST "\r\n");
	RIG_EXPECT(&rig, rig.kept);
	close(fd);
	RIG_EXPECT(&rig, rig.gone);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(web_server_connections(rig.server), 0);
}

static void a_large_answer_comes_whole(void **state UNUSED)
{
	const char *a = rig_ask(&rig, "GET /large HTTP/1.1\r\n" HOST "\r\n");

	assert_status(a, 200);
	assert_int_equal(strlen(strstr(a, "\r\n\r\n") + 4), ANSWER_MAX / 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_route_is_answered_with_fields_that_bind_the_page),
		TEST(a_connection_is_asked_one_thing_after_the_other),
		TEST(a_head_is_asked_for_alone),
		TEST(what_is_not_there_or_not_done_is_said_in_a_sentence),
		TEST(by_a_name_that_is_not_ours_nothing_is_answered),
		TEST(a_post_with_its_token_is_done),
		TEST(a_post_of_another_site_is_refused_though_it_knows_the_token),
		TEST(a_token_is_one_viewers_and_of_one_day),
		TEST(each_route_is_for_those_it_is_for),
		TEST(only_forms_are_taken),
		TEST(a_cookie_field_may_be_long),
		TEST(a_kept_request_is_answered_later),
		TEST(a_kept_request_whose_asker_leaves_is_gone),
		TEST(a_large_answer_comes_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
