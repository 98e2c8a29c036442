/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The TLS layer at both ends of a socket pair; what other programs make of it is seen in the lab. */
#include "foe.h"
#include "wire.h"

#include <unistd.h>

#include "crypto/certificate.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/tls_files.h"
#include "os/os.h"

#define NOW_S INT64_C(1800000000)
#define DAY INT64_C(86400)

struct doorman {
	struct tls_door door;
	struct ssl_ctx_st *context;
	unsigned knocked, entered;
};

static struct ssl_ctx_st *on_knock(void *ctx, struct net_conn *c UNUSED)
{
	struct doorman *m = ctx;

	m->knocked++;
	return m->context;
}

static void on_entered(void *ctx, struct net_conn *c UNUSED)
{
	struct doorman *m = ctx;

	m->entered++;
}

static char folder[64], own_path[96];

static void doorman_open(struct doorman *m, struct tls_files **ret_files)
{
	const struct tls_files_config cfg = {
		.own = own_path, .names = {"hub.example.org", "192.0.2.7"}, .n_names = 2};
	struct diag d = {0};

	*m = (struct doorman){.door = {.ctx = m, .knock = on_knock, .entered = on_entered}};
	if (tls_files_new(&cfg, NOW_S, ret_files, &d) != TM_OK)
		fail_msg("%s", d.what);
	m->context = tls_files_context(*ret_files, SEC, NOW_S, &d);
}

static void shake_hands_and_talk(size_t piece)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;
	enum { N = 300000 };
	uint8_t *p = malloc(N);

	for (size_t i = 0; i < N; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 24);
	doorman_open(&m, &files);
	wire_open(&w);
	if (piece)
		chopper_push(&w.b.conn, w.base, piece, 0);
	assert_int_equal(tls_client_push(&w.a.conn, "hub.example.org"), TM_OK);
	assert_int_equal(tls_server_push(&w.b.conn, &m.door), TM_OK);
	wire_begin(&w);
	assert_int_equal(w.b.ready, 0);
	wire_run_until(&w, &w.a.ready, 1);
	size_t n = piece ? 3000 : N;
	assert_int_equal(net_output(&w.a.layer, p, n), TM_OK);
	wire_run_until_bytes(&w, &w.b, n);
	assert_int_equal(w.b.ready, 1);
	assert_int_equal(m.knocked, 1);
	assert_int_equal(m.entered, 1);
	assert_memory_equal(w.b.got, p, n);
	assert_int_equal(net_output(&w.b.layer, p, N), TM_OK);
	wire_run_until_bytes(&w, &w.a, N);
	assert_memory_equal(w.a.got, p, N);
	net_finish(&w.a.layer);
	wire_run_until(&w, &w.b.closed, 1);
	assert_string_equal(w.b.why, "connection closed");
	wire_close(&w);
	tls_files_free(files);
	free(p);
}

static void bytes_go_both_ways_unchanged(void **state UNUSED)
{
	shake_hands_and_talk(0);
}

static void it_does_not_matter_how_the_bytes_are_cut(void **state UNUSED)
{
	shake_hands_and_talk(1);
	shake_hands_and_talk(7);
}

/* --- secrets --- */

void __real_wipe(void *p, size_t n);
void __wrap_wipe(void *p, size_t n);

static unsigned wiped;

void __wrap_wipe(void *p, size_t n)
{
	wiped += n == 6 && memcmp(p, "sesame", n) == 0;
	__real_wipe(p, n);
}

static unsigned wiped_of_what_comes(bool secret, bool by_tls)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;

	doorman_open(&m, &files);
	wire_open(&w);
	w.b.conn.secret = secret;
	if (by_tls)
		assert_int_equal(tls_client_push(&w.a.conn, "hub.example.org"), TM_OK);
	assert_int_equal(tls_server_push(&w.b.conn, &m.door), TM_OK);
	wire_begin(&w);
	wire_run_until(&w, &w.a.ready, 1);
	wiped = 0;
	assert_int_equal(net_output(&w.a.layer, "sesame", 6), TM_OK);
	wire_run_until_bytes(&w, &w.b, 6);
	assert_memory_equal(w.b.got, "sesame", 6);
	wire_close(&w);
	tls_files_free(files);
	return wiped;
}

static void of_what_may_be_secret_the_layers_keep_no_copy(void **state UNUSED)
{
	assert_int_equal(wiped_of_what_comes(true, true), 1);
	assert_int_equal(wiped_of_what_comes(true, false), 1);
	assert_int_equal(wiped_of_what_comes(false, true), 0);
	assert_int_equal(wiped_of_what_comes(false, false), 0);
}

static void what_is_not_tls_passes_unchanged(void **state UNUSED)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;

	doorman_open(&m, &files);
	wire_open(&w);
	assert_int_equal(tls_server_push(&w.b.conn, &m.door), TM_OK);
	wire_begin(&w);
	assert_int_equal(net_output(&w.a.layer, "GET / HTTP/1.1", 14), TM_OK);
	wire_run_until_bytes(&w, &w.b, 14);
	assert_memory_equal(w.b.got, "GET / HTTP/1.1", 14);
	assert_int_equal(w.b.ready, 1);
	assert_int_equal(m.knocked, 0);
	assert_int_equal(net_output(&w.b.layer, "404", 3), TM_OK);
	wire_run_until_bytes(&w, &w.a, 3);
	assert_memory_equal(w.a.got, "404", 3);
	wire_close(&w);
	tls_files_free(files);
}

static void who_is_not_let_in_hears_nothing(void **state UNUSED)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;

	doorman_open(&m, &files);
	m.context = NULL;
	wire_open(&w);
	assert_int_equal(tls_client_push(&w.a.conn, "hub.example.org"), TM_OK);
	assert_int_equal(tls_server_push(&w.b.conn, &m.door), TM_OK);
	wire_begin(&w);
	wire_run_until(&w, &w.b.closed, 1);
	assert_int_equal(w.b.err, TM_EBUSY);
	net_close(&w.b.conn, NULL);
	wire_run_until(&w, &w.a.closed, 1);
	assert_int_equal(w.a.err, TM_EPROTO);
	assert_string_equal(w.a.why, "the TLS handshake was cut off: connection closed");
	assert_int_equal(w.a.ready, 0);
	wire_close(&w);
	tls_files_free(files);
}

/* 128 KiB would be taken for these nine bytes. */
static void a_hello_that_announces_too_much_never_reaches_the_library(void **state UNUSED)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;

	doorman_open(&m, &files);
	wire_open(&w);
	assert_int_equal(tls_server_push(&w.b.conn, &m.door), TM_OK);
	wire_begin(&w);
	assert_int_equal(net_output(&w.a.layer, "\x16\x03\x01\x02\x00\x01\x01\xff\xfc", 9), TM_OK);
	wire_run_until(&w, &w.b.closed, 1);
	assert_int_equal(w.b.err, TM_EPROTO);
	assert_string_equal(w.b.why, "the TLS handshake failed: it begins as none does");
	wire_close(&w);
	tls_files_free(files);
}

static void a_server_without_tls_is_told_as_one(void **state UNUSED)
{
	struct wire w;

	wire_open(&w);
	assert_int_equal(tls_client_push(&w.a.conn, "192.0.2.7"), TM_OK);
	wire_begin(&w);
	wire_run_until_bytes(&w, &w.b, 100);
	assert_int_equal(w.b.got[0], 0x16);
	assert_int_equal(net_output(&w.b.layer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), TM_OK);
	wire_run_until(&w, &w.a.closed, 1);
	assert_int_equal(w.a.err, TM_EPROTO);
	assert_string_equal(w.a.why, "the TLS handshake failed: wrong version number");
	wire_close(&w);
}

/* --- what a client of another make does --- */

/* Our server's layer, and a foe at the other end whose bytes go by w->a; done with the handshake. */
static void meet(struct foe *f, struct doorman *m, struct wire *w, int version)
{
	uint8_t p[8192];

	wire_open(w);
	assert_int_equal(tls_server_push(&w->b.conn, &m->door), TM_OK);
	wire_begin(w);
	foe_open(f, version);
	for (size_t heard = 0; w->b.ready == 0 || !foe_shook_hands(f); wire_turn(w)) {
		foe_hears(f, w->a.got + heard, w->a.n - heard);
		heard = w->a.n;
		(void)foe_shook_hands(f);
		size_t n = foe_take(f, p, sizeof(p));

		assert_int_equal(net_output(&w->a.layer, p, n), TM_OK);
	}
}

static void send_all(struct foe *f, struct wire *w)
{
	size_t n = foe_sent(f);
	uint8_t *p = malloc(n);

	assert_int_equal(foe_take(f, p, n), n);
	assert_int_equal(net_output(&w->a.layer, p, n), TM_OK);
	free(p);
}

/* The thread that reads this lets nobody else in meanwhile. */
static void who_renews_keys_instead_of_speaking_is_hung_up_on(void **state UNUSED)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;
	struct foe f;

	doorman_open(&m, &files);
	for (int asks = 0; asks < 2; asks++) {
		meet(&f, &m, &w, TLS1_3_VERSION);
		const size_t before = w.a.n;

		for (unsigned i = 0; i < 2000; i++)
			foe_renews_its_key(&f, asks);
		send_all(&f, &w);
		wire_run_until(&w, &w.b.closed, 1);
		assert_int_equal(w.b.err, TM_EPROTO);
		assert_string_equal(w.b.why, "TLS failed: the other side says too much that is no data");
		assert_int_equal(w.b.inputs, 0);
		net_close(&w.b.conn, NULL);
		wire_run_until(&w, &w.a.closed, 1);
		assert_in_range(w.a.n - before, 0, 40 * 27);
		wire_close(&w);
		foe_close(&f);
	}
	tls_files_free(files);
}

static void keys_may_be_renewed_beside_data(void **state UNUSED)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;
	struct foe f;
	static uint8_t p[16000];

	doorman_open(&m, &files);
	meet(&f, &m, &w, TLS1_3_VERSION);
	for (unsigned i = 1; i <= 100; i++) {
		foe_renews_its_key(&f, true);
		for (int k = 0; k < 2; k++)
			foe_says(&f, p, sizeof(p));
		send_all(&f, &w);
		wire_run_until_bytes(&w, &w.b, (size_t)i * 2 * sizeof(p));
	}
	assert_int_equal(w.b.closed, 0);
	wire_close(&w);
	foe_close(&f);
	tls_files_free(files);
}

static void a_second_handshake_is_hung_up_on_unread(void **state UNUSED)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;
	struct foe f;

	doorman_open(&m, &files);
	meet(&f, &m, &w, TLS1_2_VERSION);
	const size_t before = w.a.n;

	foe_wants_another_handshake(&f);
	send_all(&f, &w);
	wire_run_until(&w, &w.b.closed, 1);
	assert_int_equal(w.b.err, TM_EPROTO);
	net_close(&w.b.conn, NULL);
	wire_run_until(&w, &w.a.closed, 1);
	assert_int_equal(w.a.n, before);
	wire_close(&w);
	foe_close(&f);
	tls_files_free(files);
}

static void a_goodbye_half_way_is_an_end(void **state UNUSED)
{
	struct doorman m;
	struct tls_files *files;
	struct wire w;
	struct foe f;

	doorman_open(&m, &files);
	meet(&f, &m, &w, TLS1_3_VERSION);
	foe_says(&f, "GET /re", 7);
	foe_says_goodbye(&f);
	send_all(&f, &w);
	assert_int_equal(net_output(&w.a.layer, "behind it", 9), TM_OK);
	wire_run_until(&w, &w.b.closed, 1);
	assert_int_equal(w.b.n, 7);
	assert_string_equal(w.b.why, "connection closed");
	wire_close(&w);
	foe_close(&f);
	tls_files_free(files);
}

/* --- certificates --- */

static int64_t until(const char *path)
{
	struct diag d = {0};
	char *text;
	size_t n;
	int64_t at;

	assert_int_equal(os_read_file(path, 1 << 16, &text, &n, &d), TM_OK);
	assert_int_equal(certificate_until(text, n, &at), TM_OK);
	free(text);
	return at;
}

static void refuse(struct net_layer *l)
{
	net_closed(l, &(struct net_end){.err = TM_EPERM, .why = "the proxy says no", .whole = true});
}

/* As of a proxy that makes no connection: TLS has nothing to add. */
static void a_whole_sentence_from_below_stays_as_it_is(void **state UNUSED)
{
	static const struct net_ops refuser_ops = {.ready = refuse};
	struct net_layer refuser = {.ops = &refuser_ops};
	struct wire w;

	wire_open(&w);
	net_push(&w.a.conn, &refuser);
	assert_int_equal(tls_client_push(&w.a.conn, "hub.example.org"), TM_OK);
	wire_begin(&w);
	assert_int_equal(w.a.closed, 1);
	assert_int_equal(w.a.err, TM_EPERM);
	assert_string_equal(w.a.why, "the proxy says no");
	wire_close(&w);
}

static void our_certificate_is_kept_and_renewed_before_it_expires(void **state UNUSED)
{
	const struct tls_files_config cfg = {.own = own_path, .names = {"hub.example.org"}, .n_names = 1};
	struct diag d = {0};
	struct tls_files *f;

	unlink(own_path);
	assert_int_equal(tls_files_new(&cfg, NOW_S, &f, &d), TM_OK);
	assert_int_equal(until(own_path), NOW_S + 397 * DAY);
	tls_files_free(f);

	assert_int_equal(tls_files_new(&cfg, NOW_S + 300 * DAY, &f, &d), TM_OK);
	assert_int_equal(until(own_path), NOW_S + 397 * DAY); /* the same one */
	struct ssl_ctx_st *first = tls_files_context(f, 10 * SEC, NOW_S + 300 * DAY, &d);
	assert_ptr_equal(tls_files_context(f, 20 * SEC, NOW_S + 366 * DAY, &d), first);
	assert_ptr_not_equal(tls_files_context(f, 30 * SEC, NOW_S + 367 * DAY, &d), first);
	assert_int_equal(until(own_path), NOW_S + (367 + 397) * DAY);
	assert_string_equal(d.what, "");
	tls_files_free(f);

	assert_int_equal(os_write_file(own_path, "no certificate", 14, 0600, &d), TM_OK);
	assert_int_equal(tls_files_new(&cfg, NOW_S, &f, &d), TM_OK);
	assert_int_equal(until(own_path), NOW_S + 397 * DAY);
	tls_files_free(f);
}

static void files_that_change_are_read_again_and_bad_ones_are_told_once(void **state UNUSED)
{
	char given[96];
	const struct tls_files_config cfg = {.certificate = given, .key = given};
	const struct certificate_terms terms = {.from = NOW_S, .until = NOW_S + DAY};
	struct diag d = {0};
	struct tls_files *f;
	char *pem;
	size_t n;

	snprintf(given, sizeof(given), "%s/given.pem", folder);
	assert_int_equal(tls_files_new(&cfg, NOW_S, &f, &d), TM_EINVAL);
	assert_non_null(strstr(d.what, "given.pem cannot be used: "));
	assert_int_equal(certificate_make(&terms, &pem, &n), TM_OK);
	assert_int_equal(os_write_file(given, pem, n, 0600, &d), TM_OK);
	free(pem);
	d = (struct diag){0};
	assert_int_equal(tls_files_new(&cfg, NOW_S, &f, &d), TM_OK);
	struct ssl_ctx_st *first = tls_files_context(f, 10 * SEC, NOW_S, &d);

	assert_int_equal(os_write_file(given, "half", 4, 0600, &d), TM_OK);
	assert_ptr_equal(tls_files_context(f, 11 * SEC, NOW_S, &d), first); /* not looked at */
	assert_string_equal(d.what, "");
	assert_ptr_equal(tls_files_context(f, 20 * SEC, NOW_S, &d), first);
	assert_non_null(strstr(d.what, "given.pem cannot be used: "));
	d = (struct diag){0};
	assert_ptr_equal(tls_files_context(f, 30 * SEC, NOW_S, &d), first);
	assert_string_equal(d.what, "");

	assert_int_equal(certificate_make(&terms, &pem, &n), TM_OK);
	assert_int_equal(os_write_file(given, pem, n, 0600, &d), TM_OK);
	free(pem);
	assert_ptr_not_equal(tls_files_context(f, 40 * SEC, NOW_S, &d), first);
	assert_string_equal(d.what, "");
	tls_files_free(f);
	unlink(given);
}

static int make_folder(void **state UNUSED)
{
	snprintf(folder, sizeof(folder), "/tmp/tls-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(own_path, sizeof(own_path), "%s/tls.pem", folder);
	return 0;
}

static int remove_folder(void **state UNUSED)
{
	unlink(own_path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways_unchanged),
		cmocka_unit_test(it_does_not_matter_how_the_bytes_are_cut),
		cmocka_unit_test(what_is_not_tls_passes_unchanged),
		cmocka_unit_test(of_what_may_be_secret_the_layers_keep_no_copy),
		cmocka_unit_test(who_is_not_let_in_hears_nothing),
		cmocka_unit_test(a_hello_that_announces_too_much_never_reaches_the_library),
		cmocka_unit_test(a_server_without_tls_is_told_as_one),
		cmocka_unit_test(who_renews_keys_instead_of_speaking_is_hung_up_on),
		cmocka_unit_test(keys_may_be_renewed_beside_data),
		cmocka_unit_test(a_second_handshake_is_hung_up_on_unread),
		cmocka_unit_test(a_goodbye_half_way_is_an_end),
		cmocka_unit_test(a_whole_sentence_from_below_stays_as_it_is),
		cmocka_unit_test(our_certificate_is_kept_and_renewed_before_it_expires),
		cmocka_unit_test(files_that_change_are_read_again_and_bad_ones_are_told_once),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
