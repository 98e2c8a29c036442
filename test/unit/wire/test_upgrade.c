/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"
#include "wire/upgrade.h"

#include "crypto/init.h"

/* RFC 6455 1.2 and 1.3 */
#define SAMPLE_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define SAMPLE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
static const char *const paths[] = {"/other", "/link", NULL};

static const uint8_t sample_key[UPGRADE_KEY] = {
	't', 'h', 'e', ' ', 's', 'a', 'm', 'p', 'l', 'e', ' ', 'n', 'o', 'n', 'c', 'e'};

#define START "GET /link HTTP/1.1\r\nHost: example.org:8443\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: " SAMPLE_KEY "\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static void the_accept_key_of_rfc_6455_comes_out(void **state)
{
	char accept[UPGRADE_ACCEPT_LEN + 1];
	(void)state;

	upgrade_accept(SAMPLE_KEY, 24, accept);
	assert_string_equal(accept, SAMPLE_ACCEPT);
}

static void client_and_server_understand_each_other(void **state)
{
	struct upgrade_offer offer = {.host = "[2001:db8::1]:8443", .path = "/link", .key = sample_key};
	struct upgrade_request req;
	char request[1024], response[UPGRADE_RESPONSE_MAX];
	struct diag d = {0};
	size_t n;
	struct upgrade_answer answer;
	(void)state;

	assert_int_equal(upgrade_request_format(&offer, request, sizeof(request), &n), TM_OK);
	assert_int_equal(n, strlen(request));
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(upgrade_request_parse(request, cut, paths, &req), TM_EAGAIN);
	/* Bytes behind the head are frames already. */
	memcpy(request + n, "\x82\0", 2);
	assert_int_equal(upgrade_request_parse(request, n + 2, paths, &req), TM_OK);
	assert_int_equal(req.status, 101);
	assert_int_equal(req.path, 1);
	assert_int_equal(req.head_len, n);
	assert_string_equal(req.host, "[2001:db8::1]:8443");
	assert_string_equal(req.accept, SAMPLE_ACCEPT);

	n = upgrade_response_format(&req, response, sizeof(response));
	assert_int_equal(n, strlen(response));
	for (size_t cut = 0; cut < n; cut++)
		assert_int_equal(upgrade_response_parse(response, cut, sample_key, &answer, &d), TM_EAGAIN);
	assert_int_equal(upgrade_response_parse(response, n, sample_key, &answer, &d), TM_OK);
	assert_int_equal(answer.head_len, n);

	uint8_t other[UPGRADE_KEY] = {1};
	assert_int_equal(upgrade_response_parse(response, n, other, &answer, &d), TM_EPROTO);
}

struct judged {
	const char *why, *head;
	int status; /* negative: an error of the parser */
};

static void assert_judged(const struct judged *rows, size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++) {
		struct upgrade_request req = {.status = 77};
		char response[UPGRADE_RESPONSE_MAX];
		int err = upgrade_request_parse(rows[i].head, strlen(rows[i].head), paths, &req);

		if (rows[i].status < 0) {
			if (err != rows[i].status || req.status != 77)
				fail_msg("%s: %d", rows[i].why, err);
			continue;
		}
		if (err || req.status != rows[i].status)
			fail_msg("%s: %d, status %d", rows[i].why, err, req.status);
		size_t n = upgrade_response_format(&req, response, sizeof(response));
		assert_true(n > 0);
		char start[32];
		snprintf(start, sizeof(start), "HTTP/1.1 %d ", rows[i].status);
		assert_memory_equal(response, start, strlen(start));
		assert_string_equal(response + n - 4, "\r\n\r\n");
		if (rows[i].status == 426)
			assert_non_null(strstr(response, "Sec-WebSocket-Version: 13\r\n"));
	}
}

static void a_request_as_rfc_6455_wants_it_is_granted(void **state)
{
	static const struct judged rows[] = {
		{"good", START UPGRADE KEY VERSION "\r\n", 101},
		{"with a query", "GET /link?x=1 HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 101},
		{"under a prefix", "GET /a/b/link HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 101},
		{"prefix in a query", "GET /a?/link HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 404},
		{"part of a name", "GET /alink HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 404},
		{"no slash", "GET a/link HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 404},
		{"HTTP/1.2", "GET /link HTTP/1.2\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 101},
		{"other case",
			"GET /link HTTP/1.1\r\nhOST: h\r\nupgrade: WebSocket\r\nCONNECTION: uPGRADE\r\n"
			"sec-websocket-key: " SAMPLE_KEY "\r\nSEC-WEBSOCKET-VERSION: 13\r\n\r\n",
			101},
		{"lists",
			START "Upgrade: h2c, websocket\r\nConnection: keep-alive,\tUpgrade\r\n" KEY VERSION
			      "\r\n",
			101},
		{"lists over several lines",
			START
			"Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" KEY VERSION
			"\r\n",
			101},
		{"lists that go on with something else",
			START
			"Connection: Upgrade\r\nConnection: keep-alive\r\nUpgrade: websocket\r\nUpgrade: "
			"h2c\r\n" KEY VERSION "\r\n",
			101},
		{"a field that begins like one of ours", START "Ho: x\r\n" UPGRADE KEY VERSION "\r\n", 101},
		{"space around values",
			"GET /link HTTP/1.1\r\nHost:h\r\nUpgrade: \t websocket "
			"\t\r\nConnection:Upgrade\r\n" KEY VERSION "\r\n",
			101},
		{"extensions offered",
			START UPGRADE KEY VERSION "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
			101},
		{"unknown fields", START "X-A: b\r\nX-Empty:\r\n" UPGRADE KEY VERSION "\r\n", 101},
		{"text in other alphabets", START "X-A: \xc3\xa4\r\n" UPGRADE KEY VERSION "\r\n", 101},
		{"Content-Length 0", START "Content-Length: 0\r\n" UPGRADE KEY VERSION "\r\n", 101},
	};

	(void)state;
	assert_judged(rows, ARRAY_LEN(rows));
}

static void a_request_against_rfc_6455_gets_the_status_for_it(void **state)
{
	static const struct judged rows[] = {
		{"other path", "GET /else HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 404},
		{"longer path", "GET /linkx HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 404},
		{"shorter path", "GET /lin HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 404},
		{"a browser", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 404},
		{"POST", "POST /link HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 405},
		{"get in lower case", "get /link HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 405},
		{"a longer method", "GETX /link HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 405},
		{"no upgrade", START "\r\n", 426},
		{"other upgrade", START "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n", 426},
		{"websocket as part of a word",
			START "Upgrade: xwebsocket\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n", 426},
		{"no Connection", START "Upgrade: websocket\r\n" KEY VERSION "\r\n", 426},
		{"version 8", START UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
		{"version 013", START UPGRADE KEY "Sec-WebSocket-Version: 013\r\n\r\n", 426},
		{"no version", START UPGRADE KEY "\r\n", 426},
		{"two versions", START UPGRADE KEY VERSION VERSION "\r\n", 426},
		{"no key", START UPGRADE VERSION "\r\n", 400},
		{"two keys", START UPGRADE KEY KEY VERSION "\r\n", 400},
		{"key of 15 bytes",
			START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j\r\n" VERSION "\r\n", 400},
		{"key of 17 bytes",
			START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=\r\n" VERSION "\r\n", 400},
		{"key of 18 bytes",
			START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTEx\r\n" VERSION "\r\n", 400},
		{"key that is not base64",
			START UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j!Q==\r\n" VERSION "\r\n", 400},
		{"no Host", "GET /link HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n", 400},
		{"two Hosts", START "Host: other\r\n" UPGRADE KEY VERSION "\r\n", 400},
		{"empty Host", "GET /link HTTP/1.1\r\nHost:\r\n" UPGRADE KEY VERSION "\r\n", 400},
		{"a body", START "Content-Length: 5\r\n" UPGRADE KEY VERSION "\r\nhello", 400},
		{"a chunked body", START "Transfer-Encoding: chunked\r\n" UPGRADE KEY VERSION "\r\n", 400},
		{"space before the colon", START "X-A : b\r\n" UPGRADE KEY VERSION "\r\n", 400},
		{"folded line", START "X-A: b\r\n c\r\n" UPGRADE KEY VERSION "\r\n", 400},
		{"line without colon", START "nonsense\r\n" UPGRADE KEY VERSION "\r\n", 400},
		{"no field name", START ": b\r\n" UPGRADE KEY VERSION "\r\n", 400},
		{"HTTP/1.0", "GET /link HTTP/1.0\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 505},
		{"HTTP/2.0", "GET /link HTTP/2.0\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 505},
		{"HTTP/2.1", "GET /link HTTP/2.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n", 505},
	};

	(void)state;
	assert_judged(rows, ARRAY_LEN(rows));
}

static void what_is_no_whole_request_of_http_is_not_answered(void **state)
{
	static const struct judged rows[] = {
		{"TLS", "\x16\x03\x01\x02\x00", TM_EBADMSG},
		{"an empty line", "\r\n", TM_EBADMSG},
		{"bare line feed", "GET /link HTTP/1.1\nHost: h\n\n", TM_EBADMSG},
		{"bare carriage return", "GET /link HTTP/1.1\rHost: h\r\n\r\n", TM_EBADMSG},
		{"bare carriage return in a field", START "X-A: b\rc\r\n" UPGRADE KEY VERSION "\r\n",
			TM_EBADMSG},
		{"control character", START "X-A: \x01\r\n\r\n", TM_EBADMSG},
		{"delete character", START "X-A: \x7f\r\n\r\n", TM_EBADMSG},
		{"early control character", "GET \x01", TM_EBADMSG},
		{"no version at all", "GET /link\r\n\r\n", TM_EBADMSG},
		{"other protocol", "GET /link SMTP/1.1\r\n\r\n", TM_EBADMSG},
		{"a longer version", "GET /link HTTP/1.1x\r\n\r\n", TM_EBADMSG},
		{"a version without point", "GET /link HTTP/1,1\r\n\r\n", TM_EBADMSG},
		{"a version of letters", "GET /link HTTP/1.x\r\n\r\n", TM_EBADMSG},
		{"a method of other characters", "G[T /link HTTP/1.1\r\n\r\n", TM_EBADMSG},
		{"no target", "GET  HTTP/1.1\r\n\r\n", TM_EBADMSG},
		{"two spaces", "GET  /link HTTP/1.1\r\n\r\n", TM_EBADMSG},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n", TM_EBADMSG},
		{"unfinished", START UPGRADE, TM_EAGAIN},
		{"nothing", "", TM_EAGAIN},
	};

	(void)state;
	assert_judged(rows, ARRAY_LEN(rows));
}

static void a_head_beyond_the_limit_is_answered_and_not_awaited(void **state)
{
	struct upgrade_request req;
	char *p = malloc(UPGRADE_HEAD_MAX + 64), response[UPGRADE_RESPONSE_MAX];
	(void)state;

	memset(p, 'x', UPGRADE_HEAD_MAX + 64);
	memcpy(p, START "X-A: ", sizeof(START "X-A: ") - 1);
	assert_int_equal(upgrade_request_parse(p, UPGRADE_HEAD_MAX - 1, paths, &req), TM_EAGAIN);
	assert_int_equal(upgrade_request_parse(p, UPGRADE_HEAD_MAX, paths, &req), TM_OK);
	assert_int_equal(req.status, 431);
	assert_true(upgrade_response_format(&req, response, sizeof(response)) > 0);
	assert_non_null(strstr(response, "HTTP/1.1 431 "));
	/* A head of exactly the limit is fine, one more is not. */
	static const char end[] = "\r\n" UPGRADE KEY VERSION "\r\n";
	size_t end_len = sizeof(end) - 1;
	memcpy(p + UPGRADE_HEAD_MAX - end_len, end, end_len);
	assert_int_equal(upgrade_request_parse(p, UPGRADE_HEAD_MAX, paths, &req), TM_OK);
	assert_int_equal(req.status, 101);
	memset(p + UPGRADE_HEAD_MAX - end_len, 'x', end_len);
	memcpy(p + UPGRADE_HEAD_MAX + 1 - end_len, end, end_len);
	assert_int_equal(upgrade_request_parse(p, UPGRADE_HEAD_MAX + 1, paths, &req), TM_OK);
	assert_int_equal(req.status, 431);
	free(p);
}

static void a_response_is_judged_as_rfc_6455_says(void **state)
{
#define OK101 "HTTP/1.1 101 Switching Protocols\r\n"
#define ACCEPT "Sec-WebSocket-Accept: " SAMPLE_ACCEPT "\r\n"
	static const struct {
		const char *why, *head;
		int err;
	} rows[] = {
		{"good", OK101 UPGRADE ACCEPT "\r\n", TM_OK},
		{"no reason phrase", "HTTP/1.1 101\r\n" UPGRADE ACCEPT "\r\n", TM_OK},
		{"other case and order",
			"HTTP/1.1 101 x\r\n"
			"SEC-WEBSOCKET-ACCEPT:" SAMPLE_ACCEPT
			"\r\nconnection: UPGRADE\r\nupgrade: WEBSOCKET\r\n\r\n",
			TM_OK},
		{"more fields", OK101 "Server: x\r\n" UPGRADE ACCEPT "\r\n", TM_OK},
		{"404", "HTTP/1.1 404 Not Found\r\n\r\n", TM_EPROTO},
		{"200", "HTTP/1.1 200 OK\r\n" UPGRADE ACCEPT "\r\n", TM_EPROTO},
		{"proxy", "HTTP/1.0 407 Proxy Authentication Required\r\n\r\n", TM_EPROTO},
		{"no Upgrade", OK101 "Connection: Upgrade\r\n" ACCEPT "\r\n", TM_EPROTO},
		{"no Connection", OK101 "Upgrade: websocket\r\n" ACCEPT "\r\n", TM_EPROTO},
		{"no accept key", OK101 UPGRADE "\r\n", TM_EPROTO},
		{"wrong accept key",
			OK101 UPGRADE "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n\r\n",
			TM_EPROTO},
		{"accept key in other case",
			OK101 UPGRADE "Sec-WebSocket-Accept: S3PPLMBITXAQ9KYGZZHZRBK+XOO=\r\n\r\n",
			TM_EPROTO},
		{"two accept keys", OK101 UPGRADE ACCEPT ACCEPT "\r\n", TM_EPROTO},
		{"a longer accept key", OK101 UPGRADE "Sec-WebSocket-Accept: " SAMPLE_ACCEPT "=\r\n\r\n",
			TM_EPROTO},
		{"extension", OK101 UPGRADE ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
			TM_EPROTO},
		{"subprotocol", OK101 UPGRADE ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n", TM_EPROTO},
		{"bad line", OK101 UPGRADE ACCEPT "junk\r\n\r\n", TM_EPROTO},
		{"status of two digits", "HTTP/1.1 10\r\n\r\n", TM_EBADMSG},
		{"status of four digits", "HTTP/1.1 1010 x\r\n\r\n", TM_EBADMSG},
		{"status of letters", "HTTP/1.1 abc x\r\n\r\n", TM_EBADMSG},
		{"no status", "HTTP/1.1\r\n\r\n", TM_EBADMSG},
		{"SSH", "SSH-2.0-OpenSSH_9.2\r\n", TM_EBADMSG},
		{"something with an H", "HELO there\r\n\r\n", TM_EBADMSG},
		{"binary", "H\x01\x02", TM_EBADMSG},
		{"unfinished", OK101 UPGRADE ACCEPT, TM_EAGAIN},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct diag d = {0};
		struct upgrade_answer answer = {.head_len = 77};
		int err = upgrade_response_parse(rows[i].head, strlen(rows[i].head), sample_key, &answer, &d);

		if (err != rows[i].err || (answer.head_len == 77) != (err != TM_OK))
			fail_msg("%s: %d", rows[i].why, err);
		if (err && err != TM_EAGAIN && !d.what[0])
			fail_msg("%s: no sentence", rows[i].why);
	}
	struct diag d = {0};
	struct upgrade_answer answer;
	char *p = malloc(UPGRADE_HEAD_MAX);
	memset(p, 'x', UPGRADE_HEAD_MAX);
	memcpy(p, OK101, sizeof(OK101) - 1);
	assert_int_equal(upgrade_response_parse(p, UPGRADE_HEAD_MAX, sample_key, &answer, &d), TM_EFULL);
	free(p);
}

static void a_503_says_when_to_come_back(void **state)
{
	static const struct {
		const char *head;
		unsigned retry_after_s;
	} rows[] = {
		{"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 14\r\n\r\n", 14},
		{"HTTP/1.1 503 x\r\nretry-after:  2 \r\n\r\n", 2},
		{"HTTP/1.1 503\r\n\r\n", 0},
		{"HTTP/1.1 503 x\r\nRetry-After:\r\n\r\n", 0},
		{"HTTP/1.1 503 x\r\nRetry-After: -1\r\n\r\n", 0},
		{"HTTP/1.1 503 x\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n", 0},
		{"HTTP/1.1 503 x\r\nRetry-After: 99999999999999999999999999\r\n\r\n", UPGRADE_RETRY_MAX_S},
		{"HTTP/1.1 503 x\r\nRetry-After: 3600\r\n\r\n", 15}, /* of anybody's making */
		{"HTTP/1.1 503 x\r\nbad line\r\nRetry-After: 2\r\n\r\n", 0},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct upgrade_answer answer = {0};
		struct diag d = {0};
		int err = upgrade_response_parse(rows[i].head, strlen(rows[i].head), sample_key, &answer, &d);

		if (err != TM_EBUSY || answer.retry_after_s != rows[i].retry_after_s || !d.what[0])
			fail_msg("row %zu: %d, %u s", i, err, answer.retry_after_s);
	}
}

static void a_request_cannot_be_made_to_end_early(void **state)
{
	static const struct {
		const char *host, *path, *extra;
		int err;
	} rows[] = {
		{"h", "/", NULL, TM_OK},
		{"h", "/", "", TM_OK},
		{"h", "/", "Proxy-Authorization: Basic eDp5\r\n", TM_OK},
		{"h", "/", "A: b\r\nC: d\r\n", TM_OK},
		{"h\r\nX: y", "/", NULL, TM_EINVAL},
		{"", "/", NULL, TM_EINVAL},
		{"a b", "/", NULL, TM_EINVAL},
		{"h\x7f", "/", NULL, TM_EINVAL},
		{"h\xc3\xa4", "/", NULL, TM_EINVAL},
		{"h", "link", NULL, TM_EINVAL},
		{"h", "", NULL, TM_EINVAL},
		{"h", "/ HTTP/1.1", NULL, TM_EINVAL},
		{"h", "/", "A: b", TM_EINVAL},
		{"h", "/", "\r\n", TM_EINVAL},
		{"h", "/", "A: b\r\n\r\nGET", TM_EINVAL},
		{"h", "/", "A: b\r\n\r\n", TM_EINVAL},
	};
	char out[512];
	size_t n;
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct upgrade_offer offer = {rows[i].host, rows[i].path, sample_key, rows[i].extra};

		if (upgrade_request_format(&offer, out, sizeof(out), &n) != rows[i].err)
			fail_msg("row %zu", i);
	}
	struct upgrade_offer offer = {"h", "/", sample_key, NULL};
	assert_int_equal(upgrade_request_format(&offer, out, 40, &n), TM_EFULL);
}

static int setup(void **state)
{
	(void)state;
	return crypto_init(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_accept_key_of_rfc_6455_comes_out),
		cmocka_unit_test(client_and_server_understand_each_other),
		cmocka_unit_test(a_request_as_rfc_6455_wants_it_is_granted),
		cmocka_unit_test(a_request_against_rfc_6455_gets_the_status_for_it),
		cmocka_unit_test(what_is_no_whole_request_of_http_is_not_answered),
		cmocka_unit_test(a_head_beyond_the_limit_is_answered_and_not_awaited),
		cmocka_unit_test(a_response_is_judged_as_rfc_6455_says),
		cmocka_unit_test(a_503_says_when_to_come_back),
		cmocka_unit_test(a_request_cannot_be_made_to_end_early),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
