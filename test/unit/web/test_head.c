/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "web/head.h"

#define HOST "Host: this.mesh\r\n"

static unsigned parse(const char *text, struct web_head *ret_head)
{
	const char *sentence;
	const unsigned status = web_head_parse(text, strlen(text), ret_head, &sentence);

	assert_int_equal(status != 0, sentence != NULL);
	return status;
}

static struct web_head good(const char *text)
{
	struct web_head h;

	assert_int_equal(parse(text, &h), 0);
	return h;
}

static void the_line_and_the_fields_are_read(void **state UNUSED)
{
	const struct web_head h =
		good("POST /nodes/web%20server?tab=1 HTTP/1.1\r\nhost: THIS.Mesh.:8080\r\n"
		     "Origin: http://THIS.Mesh.:8080\r\nContent-Length: 12\r\nCookie: a=b\r\n"
		     "Connection: close\r\nExpect: 100-continue\r\n\r\n");

	assert_int_equal(h.method, WEB_POST);
	assert_string_equal(h.path, "/nodes/web server");
	assert_int_equal(h.query.n, 5);
	assert_memory_equal(h.query.s, "tab=1", 5);
	assert_string_equal(h.host, "this.mesh");
	assert_true(http_is(h.authority, "this.mesh.:8080"));
	assert_true(http_is(h.cookie, "a=b"));
	assert_int_equal(h.body, 12);
	assert_true(h.closes && h.waits);
}

static void the_host_is_told_in_every_spelling(void **state UNUSED)
{
	assert_string_equal(good("GET / HTTP/1.1\r\nHost: [fd00::1]:80\r\n\r\n").host, "fd00::1");
	assert_string_equal(good("GET / HTTP/1.1\r\nHost: 100.64.0.1\r\n\r\n").host, "100.64.0.1");
	assert_string_equal(good("GET / HTTP/1.1\r\nHost: this.mesh:\r\n\r\n").host, "this.mesh");
	/* RFC 9112 3.2.2: what the target says outdoes the field. */
	const struct web_head h = good("GET http://other.mesh/a?b HTTP/1.1\r\n" HOST "\r\n");
	assert_string_equal(h.host, "other.mesh");
	assert_string_equal(h.path, "/a");
	assert_string_equal(good("GET http://other.mesh HTTP/1.1\r\n" HOST "\r\n").path, "/");
}

static void a_length_that_is_none_is_not_kept(void **state UNUSED)
{
	struct web_head h;

	assert_int_equal(
		parse("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n", &h), 400);
	assert_int_equal(h.body, 0);
}

static void what_cannot_be_read_in_one_way_alone_is_refused(void **state UNUSED)
{
	static const struct {
		unsigned status;
		const char *text;
	} bad[] = {
		{400, "GET / HTTP/1.1\r\n\r\n"},
		{400, "GET http://this.mesh/ HTTP/1.1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: \r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: [fd00::1\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: [fd00::1]x\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: [fd00::1].evil.example:80\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: this.mesh:80x\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost: this.mesh:80:80\r\n\r\n"},
		{400, "GET http://this.mesh:evil@a/ HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
		{400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"},
		{400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n"},
		{400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n"},
		{400, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"},
		{411, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\n" HOST "Folded: a\r\n b\r\n\r\n"},
		{400, "GET / HTTP/1.1\r\nHost : this.mesh\r\n\r\n"},
		{400, "GET /\r\n" HOST "\r\n"},
		{400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET nodes HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /a%2Fb HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /a%2fb HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /a%00 HTTP/1.1\r\n" HOST "\r\n"},
		{400, "GET /%ff HTTP/1.1\r\n" HOST "\r\n"},
		{505, "GET / HTTP/1.0\r\n" HOST "\r\n"},
		{505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
		{400, "GET / HTTPS/1\r\n" HOST "\r\n"},
		{400, "(GET) / HTTP/1.1\r\n" HOST "\r\n"},
	};
	struct web_head h;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (parse(bad[i].text, &h) != bad[i].status)
			fail_msg("not %u: %s", bad[i].status, bad[i].text);
}

static void a_path_has_its_length(void **state UNUSED)
{
	char text[WEB_PATH_MAX + 64], path[WEB_PATH_MAX + 1];
	struct web_head h;

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[WEB_PATH_MAX] = '\0';
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
	assert_int_equal(parse(text, &h), 414);
	snprintf(text, sizeof(text), "GET %.*s HTTP/1.1\r\n" HOST "\r\n", WEB_PATH_MAX - 1, path);
	assert_int_equal(parse(text, &h), 0);
}

static void methods_that_are_not_spoken_are_told_by_the_route(void **state UNUSED)
{
	assert_int_equal(good("DELETE / HTTP/1.1\r\n" HOST "\r\n").method, WEB_OTHER);
	assert_int_equal(good("get / HTTP/1.1\r\n" HOST "\r\n").method, WEB_OTHER);
	assert_int_equal(good("HEAD / HTTP/1.1\r\n" HOST "\r\n").method, WEB_HEAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_and_the_fields_are_read),
		cmocka_unit_test(the_host_is_told_in_every_spelling),
		cmocka_unit_test(a_length_that_is_none_is_not_kept),
		cmocka_unit_test(what_cannot_be_read_in_one_way_alone_is_refused),
		cmocka_unit_test(a_path_has_its_length),
		cmocka_unit_test(methods_that_are_not_spoken_are_told_by_the_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
