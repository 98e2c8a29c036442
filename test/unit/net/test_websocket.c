/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The WebSocket layer, client against server, also over a line that cuts and delays. */
#include "wire.h"

#include "crypto/init.h"
#include "net/release.h"
#include "net/websocket.h"
#include "wire/upgrade.h"

static const char *const paths[] = {"/link", NULL};
static const struct websocket_server server = {.paths = paths, .page = "a page\n"};

static void open_pair(struct wire *w, const char *path)
{
	const struct websocket_offer offer = {.host = "example.org:1", .path = path};

	assert_int_equal(websocket_offer_push(&w->a.conn, &offer), TM_OK);
	assert_int_equal(websocket_server_push(&w->b.conn, &server), TM_OK);
	wire_begin(w);
}

static void messages_keep_their_bounds_over_any_line(void **state UNUSED)
{
	static const struct {
		size_t piece;
		ns_t delay;
	} lines[] = {{0, 0}, {1, 0}, {7, 0}, {1000, 2 * MS}, {100000, 20 * MS}};
	static const size_t sizes[] = {0, 1, 125, 126, 65535};
	static uint8_t p[WEBSOCKET_MESSAGE_MAX];

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct wire w;
		size_t all = 0;

		wire_open(&w);
		if (lines[i].piece) {
			chopper_push(&w.a.conn, w.base, lines[i].piece, lines[i].delay);
			chopper_push(&w.b.conn, w.base, lines[i].piece, lines[i].delay);
		}
		open_pair(&w, "/link?query");
		wire_run_until(&w, &w.a.ready, 1);
		wire_run_until(&w, &w.b.ready, 1);
		for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
			memset(p, (int)k, sizes[k]);
			assert_int_equal(net_output(&w.a.layer, p, sizes[k]), TM_OK);
			assert_int_equal(net_output(&w.b.layer, p, sizes[k]), TM_OK);
			assert_int_equal(websocket_ping(&w.a.layer), TM_OK);
			all += sizes[k];
			wire_run_until(&w, &w.b.inputs, (unsigned)k + 1);
			wire_run_until(&w, &w.a.inputs, (unsigned)k + 1);
		}
		assert_int_equal(w.a.n, all);
		assert_int_equal(w.b.n, all);
		assert_int_equal(net_output(&w.a.layer, p, sizeof(p) + 1), TM_ERANGE);
		wire_close(&w);
	}
}

static void nothing_is_sent_before_the_upgrade(void **state UNUSED)
{
	struct wire w;

	wire_open(&w);
	open_pair(&w, "/link");
	assert_int_equal(net_output(&w.a.layer, "x", 1), TM_ECLOSED);
	assert_int_equal(websocket_ping(&w.a.layer), TM_ECLOSED);
	wire_close(&w);
}

static void another_path_is_refused(void **state UNUSED)
{
	struct wire w;

	wire_open(&w);
	open_pair(&w, "/other");
	wire_run_until(&w, &w.a.closed, 1);
	assert_int_equal(w.a.err, TM_EPROTO);
	assert_non_null(strstr(w.a.why, "404"));
	assert_true(w.b.lingers);
	wire_close(&w);
}

/* A request with a head of that many bytes. */
static size_t request_of(size_t head, char *out, size_t max)
{
	static const char request[] = "GET /link HTTP/1.1\r\nHost: example.org:1\r\nUpgrade: websocket\r\n"
				      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
				      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Fill: ";
	static const char end[] = "\r\n\r\n";
	const size_t fill = head - (sizeof(request) - 1) - (sizeof(end) - 1);

	assert_true(head <= max);
	memcpy(out, request, sizeof(request) - 1);
	memset(out + sizeof(request) - 1, 'x', fill);
	memcpy(out + sizeof(request) - 1 + fill, end, sizeof(end) - 1);
	return head;
}

/* What comes with it, however much, is not. */
static void a_head_of_eight_kibibytes_is_read_and_no_longer_one(void **state UNUSED)
{
	static const struct {
		size_t head, piece;
		bool ok;
	} rows[] = {
		{UPGRADE_HEAD_MAX, 0, true},
		{UPGRADE_HEAD_MAX, 100, true},
		{UPGRADE_HEAD_MAX + 1, 0, false},
		{UPGRADE_HEAD_MAX + 1, 100, false},
		{200, 0, true},
	};
	static const uint8_t frame[] = {0x82, 0xfe, 10000 >> 8, 10000 & 0xff, 0, 0, 0, 0};
	static char p[UPGRADE_HEAD_MAX + 1 + sizeof(frame) + 10000];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = request_of(rows[i].head, p, sizeof(p) - sizeof(frame) - 10000);
		struct wire w;

		memcpy(p + n, frame, sizeof(frame));
		memset(p + n + sizeof(frame), 'f', 10000);
		wire_open(&w);
		if (rows[i].piece)
			chopper_push(&w.b.conn, w.base, rows[i].piece, 0);
		assert_int_equal(websocket_server_push(&w.b.conn, &server), TM_OK);
		wire_begin(&w);
		assert_int_equal(net_output(&w.a.layer, p, n + sizeof(frame) + 10000), TM_OK);
		wire_run_until(&w, rows[i].ok ? &w.b.inputs : &w.b.closed, 1);
		wire_run_until_bytes(&w, &w.a, 12);
		if (memcmp(w.a.got, rows[i].ok ? "HTTP/1.1 101" : "HTTP/1.1 431", 12) != 0 ||
			w.b.n != (rows[i].ok ? 10000 : 0))
			fail_msg("row %zu: %.12s, %zu", i, (const char *)w.a.got, w.b.n);
		wire_close(&w);
	}
}

static void a_goodbye_reaches_the_other_side_after_what_was_queued(void **state UNUSED)
{
	static uint8_t p[60000];
	struct wire w;

	wire_open(&w);
	chopper_push(&w.b.conn, w.base, 5000, MS);
	open_pair(&w, "/link");
	wire_run_until(&w, &w.a.ready, 1);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(net_output(&w.a.layer, p, sizeof(p)), TM_OK);
	websocket_close(&w.a.layer, 1008, "go\x01 \x7f away");
	assert_int_equal(net_output(&w.a.layer, p, 1), TM_ECLOSED);
	wire_run_until(&w, &w.b.closed, 1);
	assert_int_equal(w.b.inputs, 50);
	assert_int_equal(w.b.code, 1008);
	assert_string_equal(w.b.why, "go? ? away");
	assert_true(w.b.lingers);
	wire_run_until(&w, &w.b.closed, 2);
	net_close(&w.b.conn, NULL);
	wire_run_until(&w, &w.a.closed, 1);
	assert_false(w.a.lingers);
	wire_close(&w);
}

static void a_long_queue_takes_no_pings_and_keeps_the_connection_here(void **state UNUSED)
{
	static uint8_t p[60000];
	struct net_released r = {.fd = -1};
	struct wire w;
	unsigned sent = 0;

	wire_open(&w);
	open_pair(&w, "/link");
	wire_run_until(&w, &w.a.ready, 1);
	for (; net_queued(&w.a.layer) <= 64 << 10; sent++)
		assert_int_equal(net_output(&w.a.layer, p, sizeof(p)), TM_OK);
	const size_t queued = net_queued(&w.a.layer);
	for (int i = 0; i < 10; i++)
		assert_int_equal(websocket_ping(&w.a.layer), TM_OK);
	assert_int_equal(net_queued(&w.a.layer), queued);
	assert_false(websocket_is_asking(&w.a.layer)); /* nothing was asked */
	/* What is queued would be lost elsewhere. */
	assert_int_equal(net_release(&w.a.layer, &r), TM_EAGAIN);
	assert_int_equal(r.fd, -1);
	wire_run_until(&w, &w.b.inputs, sent);
	assert_int_equal(net_release(&w.a.layer, &r), TM_OK);
	assert_true(r.fd >= 0);
	net_released_deinit(&r);
	wire_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_keep_their_bounds_over_any_line),
		cmocka_unit_test(nothing_is_sent_before_the_upgrade),
		cmocka_unit_test(another_path_is_refused),
		cmocka_unit_test(a_head_of_eight_kibibytes_is_read_and_no_longer_one),
		cmocka_unit_test(a_goodbye_reaches_the_other_side_after_what_was_queued),
		cmocka_unit_test(a_long_queue_takes_no_pings_and_keeps_the_connection_here),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
