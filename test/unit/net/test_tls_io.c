/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A stream's TLS, whose other end does after the handshake whatever it may. No socket: what is below is
 * memory. */
#include "foe.h"

#include <unistd.h>

#include "net/release.h"
#include "net/tls.h"
#include "os/tcp.h"

enum { RECORD = 16 << 10, ANSWER = 27, ROOM_FOR_ALL = INT32_MAX };

static struct {
	struct foe foe;
	struct tls_io *io;
	unsigned n_recv;
	size_t room; /* of what is sent so much is taken */
	bool ended; /* the foe has closed its socket */
	size_t most_kept; /* asked of realloc at once */
} the;

int __wrap_tcp_recv(int fd, void *p, size_t n, size_t *ret_n);
int __wrap_tcp_send(int fd, const void *p, size_t n, size_t *ret_n);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

int __wrap_tcp_recv(int fd UNUSED, void *p, size_t n, size_t *ret_n)
{
	size_t got = foe_take(&the.foe, p, n);

	the.n_recv++;
	if (got == 0)
		return the.ended ? TM_ECLOSED : TM_EAGAIN;
	*ret_n = got;
	return TM_OK;
}

int __wrap_tcp_send(int fd UNUSED, const void *p, size_t n, size_t *ret_n)
{
	*ret_n = MIN(n, the.room);
	the.room -= *ret_n;
	foe_hears(&the.foe, p, *ret_n);
	return TM_OK;
}

void *__wrap_realloc(void *p, size_t n)
{
	the.most_kept = MAX(the.most_kept, n);
	return __real_realloc(p, n);
}

/* --- the two ends --- */

static struct ssl_ctx_st *context;

static SSL *shake_hands(struct foe *f)
{
	SSL *ssl = SSL_new(context);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	uint8_t p[8192];

	assert_true(ssl && in && out);
	SSL_set_bio(ssl, in, out);
	SSL_set_accept_state(ssl);
	for (bool done = false; !done || BIO_ctrl_pending(out);) {
		if (BIO_ctrl_pending(out))
			foe_hears(f, p, (size_t)BIO_read(out, p, sizeof(p)));
		(void)foe_shook_hands(f);
		if (foe_sent(f)) {
			size_t n = foe_take(f, p, sizeof(p));

			assert_int_equal(BIO_write(in, p, (int)n), n);
		}
		done = SSL_do_handshake(ssl) == 1;
	}
	assert_true(foe_shook_hands(f));
	return ssl;
}

static void begin(int version)
{
	memset(&the, 0, sizeof(the));
	the.room = ROOM_FOR_ALL;
	foe_open(&the.foe, version);
	SSL *ssl = shake_hands(&the.foe);

	assert_int_equal(tls_io_new(ssl, &the.io), TM_OK);
	tls_io_attach(the.io, -1);
	the.n_recv = 0;
	the.most_kept = 0;
}

static void end(void)
{
	tls_io_free(the.io);
	foe_close(&the.foe);
}

/* Until all is there or it fails. That nothing is there it may say once when it only believes so. */
static int read_into(uint8_t *p, size_t n, size_t *ret_n)
{
	unsigned dry = 0;
	size_t have = 0, got;
	int err = TM_OK;

	while (have < n && (!err || (err == TM_EAGAIN && dry < 2))) {
		got = 0;
		err = tls_io_read(the.io, p + have, n - have, &got);
		have += got;
		dry = err == TM_EAGAIN ? dry + 1 : 0;
	}
	*ret_n = have;
	return err;
}

/* How many bytes came. */
static size_t read_to_the_end(int *ret_err)
{
	static uint8_t p[64 << 10];
	size_t n;

	*ret_err = read_into(p, sizeof(p), &n);
	return n;
}

static void expect(const uint8_t *p, size_t n)
{
	static uint8_t got[64 << 10];
	size_t have;

	assert_int_equal(read_into(got, n, &have), TM_OK);
	assert_int_equal(have, n);
	assert_memory_equal(got, p, n);
}

/* --- keys --- */

static void keys_may_be_renewed_now_and_then(void **state UNUSED)
{
	static uint8_t p[RECORD], got[RECORD];

	begin(TLS1_3_VERSION);
	for (unsigned i = 0; i < 300; i++) {
		size_t n = 0;

		memset(p, (int)i, sizeof(p));
		foe_renews_its_key(&the.foe, i % 2);
		foe_says(&the.foe, p, sizeof(p));
		expect(p, sizeof(p));
		assert_int_equal(tls_io_write(the.io, p, 100, &n), TM_OK);
		assert_int_equal(n, 100);
		foe_reads(&the.foe, got, 100);
		assert_memory_equal(got, p, 100);
	}
	end();
}

/* A worker would do nothing else as long as they come. */
static void who_renews_keys_without_end_is_not_read_any_more(void **state UNUSED)
{
	for (int asks = 0; asks < 2; asks++) {
		int err;

		begin(TLS1_3_VERSION);
		for (unsigned i = 0; i < 5000; i++)
			foe_renews_its_key(&the.foe, asks);
		assert_int_equal(read_to_the_end(&err), 0);
		assert_int_equal(err, TM_EIO);
		assert_int_equal(the.n_recv, 1);
		end();
	}
}

static void a_byte_between_two_keys_buys_no_patience(void **state UNUSED)
{
	int err;

	begin(TLS1_3_VERSION);
	for (unsigned i = 0; i < 1000; i++) {
		foe_renews_its_key(&the.foe, true);
		foe_says(&the.foe, "x", 1);
	}
	assert_in_range(read_to_the_end(&err), 1, 100);
	assert_int_equal(err, TM_EIO);
	end();
}

/* As many keys as are allowed, each answered, and the socket takes no answer. */
static void answers_that_nobody_reads_take_bounded_memory(void **state UNUSED)
{
	static uint8_t p[RECORD];
	unsigned rounds = 0;
	int err = TM_OK;

	begin(TLS1_3_VERSION);
	the.room = 0;
	for (; !err || err == TM_EAGAIN; rounds++) {
		assert_in_range(rounds, 0, 10000);
		foe_says(&the.foe, p, sizeof(p));
		foe_renews_its_key(&the.foe, true);
		read_to_the_end(&err);
	}
	assert_int_equal(err, TM_EIO);
	assert_in_range(the.most_kept, 1, 72 << 10);
	end();
}

static void answers_leave_once_there_is_room_although_nothing_is_written(void **state UNUSED)
{
	uint8_t got[5];
	size_t n = 0;
	int err;

	begin(TLS1_3_VERSION);
	the.room = 10;
	for (unsigned i = 0; i < 5; i++)
		foe_renews_its_key(&the.foe, true);
	assert_int_equal(read_to_the_end(&err), 0);
	assert_int_equal(the.room, 0);
	the.room = ROOM_FOR_ALL;
	foe_renews_its_key(&the.foe, true);
	assert_int_equal(read_to_the_end(&err), 0);
	assert_int_equal(err, TM_EAGAIN);
	/* All of them, whole; OpenSSL leaves the first question unanswered. */
	const size_t sent = ROOM_FOR_ALL - the.room + 10;
	assert_true(sent >= 5 * ANSWER && sent % ANSWER == 0);
	assert_int_equal(tls_io_write(the.io, (const uint8_t *)"hello", 5, &n), TM_OK);
	foe_reads(&the.foe, got, 5);
	assert_memory_equal(got, "hello", 5);
	end();
}

/* What was begun goes on under the old key, what comes later is under the new one. */
static void a_key_renewed_amid_a_write_harms_neither(void **state UNUSED)
{
	static uint8_t p[40000], got[40000];
	size_t n = 0, more = 0;
	int err;

	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 2654435761u >> 24);
	begin(TLS1_3_VERSION);
	the.room = 20000;
	assert_int_equal(tls_io_write(the.io, p, sizeof(p), &n), TM_OK);
	assert_int_equal(n, sizeof(p) - 1);
	for (int i = 0; i < 2; i++)
		foe_renews_its_key(&the.foe, true);
	read_to_the_end(&err);
	assert_int_equal(err, TM_EAGAIN);
	assert_int_equal(tls_io_write(the.io, p + n, 1, &more), TM_EAGAIN);
	the.room = ROOM_FOR_ALL;
	assert_int_equal(tls_io_write(the.io, p + n, 1, &more), TM_OK);
	assert_int_equal(more, 1);
	assert_int_equal(tls_io_write(the.io, p, 100, &more), TM_OK);
	foe_reads(&the.foe, got, sizeof(got));
	assert_memory_equal(got, p, sizeof(p));
	foe_reads(&the.foe, got, 100);
	assert_memory_equal(got, p, 100);
	end();
}

/* --- records --- */

static void records_of_one_byte_arrive_and_cost_no_call_each(void **state UNUSED)
{
	enum { N = 5000, OF_ONE = 5 + 1 + 1 + 16 };
	static uint8_t p[N];

	for (size_t i = 0; i < N; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 24);
	begin(TLS1_3_VERSION);
	for (size_t i = 0; i < N; i++)
		foe_says(&the.foe, p + i, 1);
	assert_int_equal(foe_sent(&the.foe), N * OF_ONE);
	expect(p, N);
	assert_in_range(the.n_recv, 1, N / 100);
	end();
}

/* --- a second handshake --- */

static void a_second_handshake_ends_the_stream_unanswered(void **state UNUSED)
{
	int err;

	begin(TLS1_2_VERSION);
	foe_says(&the.foe, "hello", 5);
	expect((const uint8_t *)"hello", 5);
	foe_wants_another_handshake(&the.foe);
	assert_true(foe_sent(&the.foe) > 0);
	assert_int_equal(read_to_the_end(&err), 0);
	assert_int_equal(err, TM_EIO);
	assert_int_equal(the.room, ROOM_FOR_ALL);
	end();
}

/* --- the end --- */

static void what_was_said_before_a_goodbye_is_read_and_nothing_behind_it(void **state UNUSED)
{
	int err;

	begin(TLS1_3_VERSION);
	foe_says(&the.foe, "half a mess", 11);
	foe_says_goodbye(&the.foe);
	assert_int_equal(BIO_write(the.foe.out, "age", 3), 3);
	assert_int_equal(read_to_the_end(&err), 11);
	assert_int_equal(err, TM_ECLOSED);
	assert_int_equal(read_to_the_end(&err), 0);
	assert_int_equal(err, TM_ECLOSED);
	end();
}

static void an_end_without_a_goodbye_or_amid_a_record_is_one_too(void **state UNUSED)
{
	uint8_t p[64];
	int err;

	for (size_t cut = 0; cut < 30; cut++) {
		begin(TLS1_3_VERSION);
		foe_says(&the.foe, "whole", 5);
		foe_says(&the.foe, "cut off", 7);
		size_t n = foe_take(&the.foe, p, foe_sent(&the.foe) - cut);

		(void)BIO_reset(the.foe.out);
		assert_int_equal(BIO_write(the.foe.out, p, (int)n), n);
		the.ended = true;
		assert_int_equal(read_to_the_end(&err), cut == 0 ? 12 : 5);
		assert_true(err == TM_EIO || err == TM_ECLOSED);
		end();
	}
}

static int make_context(void **state UNUSED)
{
	char folder[] = "/tmp/tls-io-XXXXXX";

	assert_non_null(mkdtemp(folder));
	context = foe_server_context(folder);
	return rmdir(folder);
}

static int free_context(void **state UNUSED)
{
	tls_context_free(context);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_may_be_renewed_now_and_then),
		cmocka_unit_test(who_renews_keys_without_end_is_not_read_any_more),
		cmocka_unit_test(a_byte_between_two_keys_buys_no_patience),
		cmocka_unit_test(answers_that_nobody_reads_take_bounded_memory),
		cmocka_unit_test(answers_leave_once_there_is_room_although_nothing_is_written),
		cmocka_unit_test(a_key_renewed_amid_a_write_harms_neither),
		cmocka_unit_test(records_of_one_byte_arrive_and_cost_no_call_each),
		cmocka_unit_test(a_second_handshake_ends_the_stream_unanswered),
		cmocka_unit_test(what_was_said_before_a_goodbye_is_read_and_nothing_behind_it),
		cmocka_unit_test(an_end_without_a_goodbye_or_amid_a_record_is_one_too),
	};

	return cmocka_run_group_tests_name("net/tls_io", tests, make_context, free_context);
}
