/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "wire/connect.h"
#include "wire/proxy.h"

static void a_proxy_is_read_in_each_of_its_forms(void **state UNUSED)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
		bool login;
		const char *user, *password;
	} rows[] = {
		{"http://proxy.example.org:8080", "proxy.example.org", 8080, false, "", ""},
		{"proxy.example.org:8080", "proxy.example.org", 8080, false, "", ""},
		{"proxy", "proxy", 3128, false, "", ""},
		{"HTTP://192.0.2.1/", "192.0.2.1", 3128, false, "", ""},
		{"http://[2001:db8::1]", "2001:db8::1", 3128, false, "", ""},
		{"http://[2001:db8::1]:80/", "2001:db8::1", 80, false, "", ""},
		{"http://u:p@proxy:1", "proxy", 1, true, "u", "p"},
		{"u@proxy:1", "proxy", 1, true, "u", ""},
		{"http://u%40corp:p%3a%2F%25@proxy:1", "proxy", 1, true, "u@corp", "p:/%"},
		{"http://u:p@ss:word@proxy:1", "proxy", 1, true, "u", "p@ss:word"},
		{"http://:p@proxy:1", "proxy", 1, true, "", "p"},
		{"http://u:caf%C3%A9@proxy:1", "proxy", 1, true, "u", "caf\xc3\xa9"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy p;
		struct diag d = {0};

		if (proxy_parse(rows[i].text, &p, &d) != TM_OK)
			fail_msg("%s is refused: %s", rows[i].text, d.what);
		assert_string_equal(p.host, rows[i].host);
		assert_int_equal(p.port, rows[i].port);
		assert_int_equal(p.has_login, rows[i].login);
		assert_string_equal(p.user, rows[i].user);
		assert_string_equal(p.password, rows[i].password);
	}
}

static void what_is_no_proxy_is_refused_and_not_repeated(void **state UNUSED)
{
	static const char *const bad[] = {"", "http://", "http://u:secret@", "http://u:secret@/",
		"http://u:secret@p:0", "http://u:secret%@p:1", "http://u:secret%4@p:1",
		"http://u:secret%zz@p:1", "http://u:secret%00@p:1", "http://u:secret%0a@p:1",
		"http://u:secret%7f@p:1", "http://u%3a:secret@p:1", "http://u:secret@p:1/path",
		"http://u:secret@p q:1", "socks5://u:secret@p:1", "https://u:secret@p:1", "://u:secret@p:1"};
	char longest[400] = "http://u:";

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct proxy p = {.port = 7};
		struct diag d = {0};

		if (proxy_parse(bad[i], &p, &d) == TM_OK)
			fail_msg("\"%s\" is taken", bad[i]);
		assert_true(d.what[0] && d.hint[0]);
		assert_null(strstr(d.what, "secret"));
		assert_int_equal(p.port, 7);
	}
	memset(longest + 9, 'x', PROXY_USER);
	strncat(longest, "@proxy:1", 9);
	assert_int_equal(proxy_parse(longest, &(struct proxy){0}, NULL), TM_EINVAL);
	memmove(longest + 9, longest + 10, strlen(longest + 9));
	assert_int_equal(proxy_parse(longest, &(struct proxy){0}, NULL), TM_OK);
}

/* --- the environment --- */

static const char *const *environment; /* name, value, ..., NULL */

static const char *get(const char *name)
{
	for (const char *const *at = environment; *at; at += 2)
		if (strcmp(at[0], name) == 0)
			return at[1];
	return NULL;
}

static void the_environment_is_read_as_curl_does(void **state UNUSED)
{
	static const struct {
		const char *variables[9], *value;
	} rows[] = {
		{{NULL}, NULL},
		{{"https_proxy", "a", NULL}, "a"},
		{{"HTTPS_PROXY", "a", NULL}, "a"},
		{{"HTTPS_PROXY", "a", "https_proxy", "b", NULL}, "b"},
		{{"HTTPS_PROXY", "a", "https_proxy", "", NULL}, "a"},
		{{"all_proxy", "a", "HTTPS_PROXY", "b", NULL}, "b"},
		{{"ALL_PROXY", "a", "http_proxy", "b", NULL}, "a"},
		{{"http_proxy", "b", NULL}, "b"},
		{{"HTTP_PROXY", "set by a request's header", NULL}, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *name = NULL;

		environment = rows[i].variables;
		const char *value = proxy_of_environment(get, &name);
		if (!value != !rows[i].value || (value && strcmp(value, rows[i].value) != 0))
			fail_msg("row %zu: %s", i, value ? value : "none");
		assert_int_equal(!name, !value);
	}
	environment = (const char *const[]){"NO_PROXY", "a", NULL};
	assert_string_equal(proxy_exceptions(get), "a");
	environment = (const char *const[]){"NO_PROXY", "a", "no_proxy", "b", NULL};
	assert_string_equal(proxy_exceptions(get), "b");
}

static void exceptions_are_names_and_all_below_them_addresses_and_networks(void **state UNUSED)
{
	static const struct {
		const char *list, *host;
		bool excepted;
	} rows[] = {
		{NULL, "hub.example.org", false},
		{"", "hub.example.org", false},
		{"*", "hub.example.org", true},
		{"example.org", "hub.example.org", true},
		{".example.org", "hub.example.org", true},
		{".example.org", "example.org", true},
		{"example.org", "EXAMPLE.org.", true},
		{"example.org", "badexample.org", false},
		{"hub.example.org", "example.org", false},
		{"localhost, 127.0.0.1 ,example.org", "hub.example.org", true},
		{"a b\texample.org", "example.org", true},
		{"a*", "ab", false},
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.70", false},
		{"0.2.7", "192.0.2.7", false},
		{"192.0.2.0/24,10.0.0.0/8", "10.9.8.7", true},
		{"192.0.2.0/24", "192.0.3.1", false},
		{"2001:db8::/32", "2001:db8::7", true},
		{"[2001:db8::7]", "2001:db8::7", true},
		{"192.0.2.0/24", "hub.example.org", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (proxy_excepts(rows[i].list, rows[i].host) != rows[i].excepted)
			fail_msg("\"%s\" and %s", rows[i].list ? rows[i].list : "(none)", rows[i].host);
}

/* --- CONNECT --- */

static void the_request_carries_the_login_where_there_is_one(void **state UNUSED)
{
	char out[CONNECT_REQUEST_MAX];
	struct proxy p = {.host = "proxy", .port = 3128};
	size_t n;

	assert_int_equal(connect_request_format(&p, "[2001:db8::7]:8443", out, &n), TM_OK);
	assert_string_equal(out, "CONNECT [2001:db8::7]:8443 HTTP/1.1\r\nHost: [2001:db8::7]:8443\r\n\r\n");
	assert_int_equal(n, strlen(out));
	p.has_login = true;
	strcpy(p.user, "Aladdin");
	strcpy(p.password, "open sesame"); /* RFC 7617 2 */
	assert_int_equal(connect_request_format(&p, "hub:8443", out, &n), TM_OK);
	assert_string_equal(out, "CONNECT hub:8443 HTTP/1.1\r\nHost: hub:8443\r\n"
				 "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
	memset(p.user, 'u', sizeof(p.user) - 1);
	memset(p.password, 'p', sizeof(p.password) - 1);
	char host[ADDRESS_HOST_FIELD];
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	assert_int_equal(connect_request_format(&p, host, out, &n), TM_OK); /* whatever fits a struct proxy */
}

static void what_the_proxy_says_is_one_sentence(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool login;
		int err;
		const char *what;
	} rows[] = {
		{"HTTP/1.1 200 Connection established\r\n\r\n", false, TM_OK, NULL},
		{"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nnonsense\r\n\r\n", false, TM_OK, NULL},
		{"HTTP/1.1 200 OK\r\n", false, TM_EAGAIN, NULL},
		{"", false, TM_EAGAIN, NULL},
		{"HTTP/1.1 407 No\r\n\r\n", false, TM_EPERM, "wants a user name and a password"},
		{"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", true, TM_EPERM,
			"does not accept its user name and password"},
		{"HTTP/1.0 401 No\r\n\r\n", true, TM_EPERM, "does not accept its user name and password"},
		{"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n", true,
			TM_EPERM, "of a kind that is not supported"},
		{"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: basic\r\n\r\n", true,
			TM_EPERM, "does not accept"},
		{"HTTP/1.1 403 Forbidden\r\n\r\n", false, TM_EPERM, "does not allow connections to hub:8443"},
		{"HTTP/1.1 502 Bad Gateway\r\n\r\n", false, TM_EUNREACH, "cannot reach hub:8443"},
		{"HTTP/1.1 302 Found\r\nLocation: http://login\r\n\r\n", false, TM_EPROTO, "HTTP status 302"},
		{"SSH-2.0-OpenSSH_9.2\r\n", false, TM_EPROTO, "is not an HTTP proxy"},
		{"HTTP/1.1 2x0 OK\r\n\r\n", false, TM_EPROTO, "is not an HTTP proxy"},
		{"HTTP/1.1 200 OK\n\n", false, TM_EPROTO, "is not an HTTP proxy"},
		{"HAL\x01", false, TM_EPROTO, "is not an HTTP proxy"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proxy p = {.host = "proxy",
			.port = 3128,
			.has_login = rows[i].login,
			.user = "u",
			.password = "secret"};
		struct diag d = {0};
		size_t head_len = 0;
		int err = connect_response_parse(
			rows[i].text, strlen(rows[i].text), &p, "hub:8443", &head_len, &d);

		if (err != rows[i].err)
			fail_msg("row %zu: %s, %s", i, tm_strerror(err), d.what);
		if (rows[i].what && !strstr(d.what, rows[i].what))
			fail_msg("row %zu: %s", i, d.what);
		assert_null(strstr(d.what, "secret"));
		if (!err)
			assert_int_equal(head_len, strlen(rows[i].text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proxy_is_read_in_each_of_its_forms),
		cmocka_unit_test(what_is_no_proxy_is_refused_and_not_repeated),
		cmocka_unit_test(the_environment_is_read_as_curl_does),
		cmocka_unit_test(exceptions_are_names_and_all_below_them_addresses_and_networks),
		cmocka_unit_test(the_request_carries_the_login_where_there_is_one),
		cmocka_unit_test(what_the_proxy_says_is_one_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
