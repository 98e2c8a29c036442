/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/codec.h"
#include "unit/unit.h"

static const uint8_t id[BENCH_ID] = "0123456789abcde";

static void what_is_encoded_is_what_the_protocol_says(void **state)
{
	static const uint8_t request[BENCH_REQUEST_LEN] = "TMB\1\3\0\0\0"
							  "0123456789abcde\0"
							  "\0\0\x13\x88\0\0\0";
	static const uint8_t reply[BENCH_REPLY_LEN] = "TMB\1\0\0\0\0"
						      "0123456789abcde\0"
						      "\1\2\3\4\5\6\7\x8"
						      "\0\0\0\1\0\0\0\2"
						      "\0\0\0\x7\0\0\0";
	static const uint8_t echo[BENCH_ECHO_LEN] = "TMB\1\1\0\0\0"
						    "0123456789abcde\0"
						    "\xde\xad\xbe\xef";
	struct bench_request q = {.type = BENCH_UPLOAD, .duration_ms = 5000};
	struct bench_reply r = {.bytes = 0x0102030405060708, .elapsed = (ns_t)1 << 32 | 2, .retransmits = 7};
	struct bench_echo e = {.type = BENCH_ECHO_REQUEST, .seq = 0xdeadbeef};
	uint8_t out[BENCH_ECHO_LEN];
	(void)state;

	memcpy(q.id, id, BENCH_ID);
	memcpy(r.id, id, BENCH_ID);
	memcpy(e.id, id, BENCH_ID);
	bench_request_encode(&q, out);
	assert_memory_equal(out, request, sizeof(request));
	bench_reply_encode(&r, out);
	assert_memory_equal(out, reply, sizeof(reply));
	bench_echo_encode(&e, out);
	assert_memory_equal(out, echo, sizeof(echo));
}

static void everything_comes_back_as_it_was(void **state)
{
	struct bench_request q = {.type = BENCH_DOWNLOAD, .duration_ms = 60000}, q2;
	struct bench_reply r = {.code = BENCH_NO_SESSION, .retransmits = BENCH_RETRANSMITS_UNKNOWN}, r2;
	struct bench_echo e = {.type = BENCH_ECHO_REPLY, .seq = UINT32_MAX}, e2;
	uint8_t out[BENCH_ECHO_LEN];
	(void)state;

	memcpy(q.id, id, BENCH_ID);
	memcpy(r.id, id, BENCH_ID);
	memcpy(e.id, id, BENCH_ID);
	bench_request_encode(&q, out);
	assert_int_equal(bench_request_decode(out, BENCH_REQUEST_LEN, &q2), TM_OK);
	assert_true(q2.type == q.type && q2.duration_ms == q.duration_ms);
	assert_memory_equal(q2.id, id, BENCH_ID);
	bench_reply_encode(&r, out);
	assert_int_equal(bench_reply_decode(out, BENCH_REPLY_LEN, &r2), TM_OK);
	assert_true(r2.code == r.code && r2.bytes == 0 && r2.elapsed == 0 && r2.retransmits == r.retransmits);
	bench_echo_encode(&e, out);
	assert_int_equal(bench_echo_decode(out, BENCH_ECHO_LEN, &e2), TM_OK);
	assert_true(e2.type == e.type && e2.seq == e.seq);
}

typedef int decode_fn(const uint8_t *p, size_t n);

static int decode_request(const uint8_t *p, size_t n)
{
	struct bench_request r;
	return bench_request_decode(p, n, &r);
}

static int decode_reply(const uint8_t *p, size_t n)
{
	struct bench_reply r;
	return bench_reply_decode(p, n, &r);
}

static int decode_echo(const uint8_t *p, size_t n)
{
	struct bench_echo e;
	return bench_echo_decode(p, n, &e);
}

static void a_byte_too_few_or_too_many_other_magic_and_other_versions_are_told_apart(void **state)
{
	static const struct {
		decode_fn *decode;
		size_t len;
		uint8_t kind;
	} rows[] = {
		{decode_request, BENCH_REQUEST_LEN, BENCH_OPEN},
		{decode_reply, BENCH_REPLY_LEN, BENCH_BUSY},
		{decode_echo, BENCH_ECHO_LEN, BENCH_ECHO_REQUEST},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t msg[BENCH_ECHO_LEN + 1] = {'T', 'M', 'B', BENCH_VERSION, rows[i].kind};

		assert_int_equal(rows[i].decode(msg, rows[i].len), TM_OK);
		for (size_t n = 0; n < rows[i].len; n++)
			assert_int_equal(rows[i].decode(msg, n), TM_ESHORT);
		assert_int_equal(rows[i].decode(msg, rows[i].len + 1), TM_EBADMSG);
		msg[3] = BENCH_VERSION + 1;
		assert_int_equal(rows[i].decode(msg, rows[i].len), TM_EVERSION);
		msg[2] = 'C';
		assert_int_equal(rows[i].decode(msg, rows[i].len), TM_EBADMSG);
	}
}

static void requests_out_of_range_are_refused(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t duration_ms;
		int err;
	} rows[] = {
		{BENCH_OPEN, 0, TM_OK},
		{BENCH_OPEN, 1, TM_EBADMSG},
		{BENCH_RESULT, 0, TM_OK},
		{BENCH_RESULT, 1000, TM_EBADMSG},
		{BENCH_DOWNLOAD, 0, TM_EBADMSG},
		{BENCH_DOWNLOAD, 1, TM_OK},
		{BENCH_UPLOAD, 60000, TM_OK},
		{BENCH_UPLOAD, 60001, TM_EBADMSG},
		{BENCH_DOWNLOAD, UINT32_MAX, TM_EBADMSG},
		{0, 0, TM_EBADMSG},
		{5, 0, TM_EBADMSG},
		{255, 0, TM_EBADMSG},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench_request r = {.type = rows[i].type, .duration_ms = rows[i].duration_ms};
		uint8_t msg[BENCH_REQUEST_LEN];

		bench_request_encode(&r, msg);
		if (bench_request_decode(msg, sizeof(msg), &r) != rows[i].err)
			fail_msg("type %u, %u ms", rows[i].type, rows[i].duration_ms);
	}
}

static void an_unknown_code_is_a_refusal_and_an_impossible_time_is_no_reply(void **state)
{
	struct bench_reply r = {.elapsed = 120 * SEC};
	uint8_t msg[BENCH_REPLY_LEN];
	(void)state;

	bench_reply_encode(&r, msg);
	msg[4] = 200;
	assert_int_equal(bench_reply_decode(msg, sizeof(msg), &r), TM_OK);
	assert_int_equal(r.code, BENCH_REFUSED);
	for (int i = 0; i < 2; i++) {
		r = (struct bench_reply){.elapsed = i ? -1 : 120 * SEC + 1, .bytes = 42};
		bench_reply_encode(&r, msg);
		assert_int_equal(bench_reply_decode(msg, sizeof(msg), &r), TM_EBADMSG);
	}
}

static void an_echo_is_a_request_or_a_reply(void **state)
{
	uint8_t msg[BENCH_ECHO_LEN] = {'T', 'M', 'B', BENCH_VERSION};
	struct bench_echo e;
	(void)state;

	for (unsigned type = 0; type < 256; type++) {
		msg[4] = (uint8_t)type;
		assert_int_equal(bench_echo_decode(msg, sizeof(msg), &e),
			type == BENCH_ECHO_REQUEST || type == BENCH_ECHO_REPLY ? TM_OK : TM_EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_what_the_protocol_says),
		cmocka_unit_test(everything_comes_back_as_it_was),
		cmocka_unit_test(a_byte_too_few_or_too_many_other_magic_and_other_versions_are_told_apart),
		cmocka_unit_test(requests_out_of_range_are_refused),
		cmocka_unit_test(an_unknown_code_is_a_refusal_and_an_impossible_time_is_no_reply),
		cmocka_unit_test(an_echo_is_a_request_or_a_reply),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
