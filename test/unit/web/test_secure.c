/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The server asked through TLS by a client of OpenSSL's, at a port that speaks plain HTTP, too. */
#include "rig.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

#include "crypto/certificate.h"
#include "net/tls.h"
#include "os/os.h"
#include "web/server.h"

static struct rig rig;
static struct ssl_ctx_st *context; /* the server's */
static bool let_in, plain;
static unsigned knocked;

static struct ssl_ctx_st *on_knock(void *ctx UNUSED, const struct web_caller *c)
{
	assert_true(ip_is_loopback(&c->from.ip));
	assert_false(c->tls);
	knocked++;
	return let_in ? context : NULL;
}

static bool may_be_plain(void *ctx UNUSED, const struct web_caller *c)
{
	assert_false(c->tls);
	return plain;
}

static bool is_host(void *ctx UNUSED, const char *host UNUSED)
{
	return true;
}

static void say_how(void *ctx UNUSED, struct web_request *r)
{
	const struct web_caller *c = web_caller(r);
	const char *how = c->tls ? "by TLS" : c->https ? "by TLS to somebody in front" : "in plain";

	assert_true(c->https || !c->tls);

	web_answer(r, 200,
		&(struct web_body){.type = "text/plain",
			.p = how,
			.n = strlen(how),
			.cookies = {"a=1; HttpOnly", "b=2"}});
}

static int open_rig(void **state UNUSED)
{
	static const struct web_route routes[] = {{"/how", say_how, say_how, WEB_ANYONE, 0}};
	const char *const names[] = {"this.mesh"};
	const struct certificate_terms terms = {
		.names = names, .n_names = 1, .from = 1, .until = 32503680000};
	char path[] = "/tmp/test-web-secure-XXXXXX";
	struct diag d = {0};
	char *pem;
	size_t n;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	rig_serve(&rig, &(struct web_config){.routes = routes,
				.n_routes = ARRAY_LEN(routes),
				.is_host = is_host,
				.tls = on_knock,
				.may_be_plain = may_be_plain,
				.what = "test"});
	assert_int_equal(certificate_make(&terms, &pem, &n), TM_OK);
	assert_int_equal(os_write_file(path, pem, n, 0600, &d), TM_OK);
	free(pem);
	if (tls_server_context(path, path, &context, &d) != TM_OK)
		fail_msg("%s", d.what);
	assert_int_equal(unlink(path), 0);
	let_in = plain = true;
	knocked = 0;
	return 0;
}

static int close_rig(void **state UNUSED)
{
	tls_context_free(context);
	rig_close(&rig);
	return 0;
}

/* --- a client --- */

struct client {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
};

static void client_open(struct client *c)
{
	c->fd = rig_dial(&rig);
	assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
	c->ctx = SSL_CTX_new(TLS_client_method());
	c->ssl = SSL_new(c->ctx);
	assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
}

static void client_close(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	close(c->fd);
}

/* Until it has come to an end, whichever: of the handshake, or of what is read. */
static int until_done(struct client *c, int (*step)(struct client *c))
{
	const ns_t deadline = rig_deadline();
	int result;

	while ((result = step(c)) <= 0) {
		const int why = SSL_get_error(c->ssl, result);

		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			return result;
		rig_turn(&rig);
		if (!rig_wait(deadline))
			fail_msg("TLS comes to no end");
	}
	return result;
}

static int shake(struct client *c)
{
	return SSL_connect(c->ssl);
}

static char heard[4096];

static int hear(struct client *c)
{
	return SSL_read(c->ssl, heard, sizeof(heard) - 1);
}

static const char *ask_by_tls(struct client *c, const char *text)
{
	assert_int_equal(SSL_write(c->ssl, text, (int)strlen(text)), (int)strlen(text));
	const int n = until_done(c, hear);
	assert_true(n > 0);
	heard[n] = '\0';
	return heard;
}

/* --- tests --- */

static void whoever_begins_tls_is_answered_by_it(void **state UNUSED)
{
	struct client c;

	client_open(&c);
	assert_int_equal(until_done(&c, shake), 1);
	const char *a = ask_by_tls(&c, "GET /how HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	assert_memory_equal(a, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(a, "\r\n\r\nby TLS"));
	a = ask_by_tls(&c, "GET /how HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); /* again */
	assert_non_null(strstr(a, "\r\n\r\nby TLS"));
	assert_int_equal(knocked, 1);
	client_close(&c);
}

static void the_same_port_speaks_plain_http_to_whom_it_may(void **state UNUSED)
{
	const char *a = rig_ask(&rig, "GET /how HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");

	assert_non_null(strstr(a, "\r\n\r\nin plain"));
	assert_non_null(strstr(a, "\r\nSet-Cookie: a=1; HttpOnly\r\nSet-Cookie: b=2\r\n"));
	assert_int_equal(knocked, 0);
}

static void who_has_it_by_https_of_somebody_in_front_says_so(void **state UNUSED)
{
	const char *a =
		rig_ask(&rig, "GET /how HTTP/1.1\r\nHost: a.example\r\nOrigin: https://a.example\r\n\r\n");

	assert_non_null(strstr(a, "\r\n\r\nby TLS to somebody in front"));
	a = rig_ask(&rig, "GET /how HTTP/1.1\r\nHost: a.example\r\nOrigin: http://a.example\r\n\r\n");
	assert_non_null(strstr(a, "\r\n\r\nin plain"));
}

static void others_are_led_to_https_with_nothing_done(void **state UNUSED)
{
	static const struct {
		const char *request, *answer;
	} rows[] = {
		{"GET /how?a=b HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
			"\r\nLocation: https://127.0.0.1:8080/\r\n"},
		{"POST /how HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 10\r\n\r\npassword=x",
			"\r\nLocation: https://[::1]:8080/\r\n"},
		{"GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "\r\nLocation: https://127.0.0.1/\r\n"},
		{"GET / HTTP/1.1\r\nHost: a.example/b\r\n\r\n", "HTTP/1.1 400 "},
		{"GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n", "HTTP/1.1 400 "},
	};

	plain = false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *a = rig_ask(&rig, rows[i].request);

		if (!strstr(a, rows[i].answer) || strstr(a, "in plain"))
			fail_msg("row %zu: %s", i, a);
	}
	whoever_begins_tls_is_answered_by_it(NULL);
}

static void who_is_not_let_in_is_hung_up_on(void **state UNUSED)
{
	struct client c;

	let_in = false;
	client_open(&c);
	assert_true(until_done(&c, shake) <= 0);
	assert_int_equal(knocked, 1);
	RIG_EXPECT(&rig, web_server_connections(rig.server) == 0);
	client_close(&c);
}

/* A handshake that does not go on has the time of a request, not that of who may ask later. */
static void who_begins_tls_and_says_no_more_is_hung_up_on(void **state UNUSED)
{
	int fd = rig_dial(&rig);

	rig_say(&rig, fd, "\x16\x03\x01");
	RIG_EXPECT(&rig, knocked == 1);
	rig_pass(&rig, WEB_REQUEST_TIME - SEC);
	assert_int_equal(web_server_connections(rig.server), 1);
	rig_pass(&rig, 2 * SEC);
	RIG_EXPECT(&rig, rig_is_over(fd));
	assert_int_equal(web_server_connections(rig.server), 0);
	close(fd);
}

#define T(test) cmocka_unit_test_setup_teardown(test, open_rig, close_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(whoever_begins_tls_is_answered_by_it),
		T(the_same_port_speaks_plain_http_to_whom_it_may),
		T(who_has_it_by_https_of_somebody_in_front_says_so),
		T(others_are_led_to_https_with_nothing_done),
		T(who_is_not_let_in_is_hung_up_on),
		T(who_begins_tls_and_says_no_more_is_hung_up_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
