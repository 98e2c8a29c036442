/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The deflated form of messages. */
#include "unit/unit.h"

#define ZLIB_CONST
#include <zlib.h>

#include "base/encode.h"
#include "base/time.h"
#include "control/link/pack.h"
#include "crypto/init.h"

/* A record as the coordinator prints it, with a random id and key. */
static int record(char *out, size_t size, unsigned n)
{
	uint8_t raw[8 + 32];
	char id[17], key[BASE64_LEN(32) + 1];

	random_bytes(raw, sizeof(raw));
	for (size_t i = 0; i < 8; i++)
		snprintf(id + 2 * i, 3, "%02x", raw[i]);
	base64_encode(raw + 8, 32, key);
	return snprintf(out, size, "{\"id\":\"%s\",\"name\":\"laptop-%u\",\"host\":%u,\"key\":\"%s\"}", id, n,
		n, key);
}

static void there_and_back(const char *text, size_t n, size_t *ret_packed)
{
	uint8_t *packed;
	char *back;
	size_t back_len;

	assert_int_equal(pack(text, n, &packed, ret_packed), TM_OK);
	assert_int_equal(unpack(packed, *ret_packed, n, &back, &back_len), TM_OK);
	assert_int_equal(back_len, n);
	assert_memory_equal(back, text, n);
	assert_int_equal(back[n], '\0');
	free(back);
	assert_int_equal(unpack(packed, *ret_packed, n - 1, &back, &back_len), TM_EFULL);
	free(packed);
}

static void one_changed_record_is_some_hundred_bytes(void **state UNUSED)
{
	char one[256], text[512];
	size_t packed;

	(void)record(one, sizeof(one), 4711);
	int n = snprintf(text, sizeof(text),
		"{\"t\":\"netmap\",\"map\":{\"version\":9876543210123,\"base\":9876543209876,\"nodes\":[%s]}"
		"}",
		one);
	there_and_back(text, (size_t)n, &packed);
	print_message("a delta of one record: %d bytes, deflated %zu\n", n, packed);
	assert_in_range(packed, 60, 125);
}

static void ten_thousand_records_are_less_than_half(void **state UNUSED)
{
	enum { N = 10000 };
	char *text = malloc(N * 200);
	size_t n = (size_t)sprintf(text, "{\"t\":\"netmap\",\"map\":{\"version\":1,\"base\":0,\"nodes\":["),
	       packed;

	for (unsigned i = 0; i < N; i++) {
		n += (size_t)record(text + n, 190, i);
		text[n++] = ',';
	}
	n--;
	n += (size_t)sprintf(text + n, "]}}");
	ns_t began = time_monotonic();
	there_and_back(text, n, &packed);
	print_message("10,000 records: %zu bytes, deflated %zu, there and back in %" PRId64 " ms\n", n,
		packed, (time_monotonic() - began) / MS);
	assert_true(packed < n * 6 / 10);
	free(text);
}

static void what_does_not_become_shorter_is_left_alone(void **state UNUSED)
{
	uint8_t noise[1000], *packed;
	char *zeros = calloc(1, 1 << 20);
	size_t n;

	random_bytes(noise, sizeof(noise));
	assert_int_equal(pack((const char *)noise, sizeof(noise), &packed, &n), TM_ERANGE);
	assert_int_equal(pack("", 0, &packed, &n), TM_ERANGE);
	/* Nor is what the other side would take for a bomb. */
	assert_int_equal(pack(zeros, 1 << 20, &packed, &n), TM_ERANGE);
	free(zeros);
}

/* Raw deflate of n zeros, as tight as it goes: a thousandth. */
static size_t bomb(uint8_t *out, size_t size, size_t n)
{
	uint8_t *zeros = calloc(1, n);
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = zeros;
	z.avail_in = (uInt)n;
	z.next_out = out;
	z.avail_out = (uInt)size;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	size_t len = size - z.avail_out;
	(void)deflateEnd(&z);
	free(zeros);
	return len;
}

static void a_bomb_is_refused_before_it_is_large(void **state UNUSED)
{
	uint8_t *packed = malloc(1 << 20);
	size_t n = bomb(packed, 1 << 20, 64 << 20), text_len;
	char *text;

	assert_true(n < 80000);
	assert_int_equal(unpack(packed, n, 16 << 20, &text, &text_len), TM_EBADMSG);
	assert_int_equal(unpack(packed, n, 1000, &text, &text_len), TM_EFULL);
	free(packed);
}

static void every_cut_and_every_byte_behind_is_noticed(void **state UNUSED)
{
	static const char text[] =
		"{\"t\":\"candidates\",\"node\":\"00f1\",\"candidates\":[],\"and\":\"some more words\"}";
	uint8_t *packed, longer[256] = {0};
	char *back;
	size_t n, back_len;

	assert_int_equal(pack(text, sizeof(text) - 1, &packed, &n), TM_OK);
	for (size_t cut = 0; cut < n; cut++)
		if (unpack(packed, cut, 10000, &back, &back_len) != TM_EBADMSG)
			fail_msg("cut to %zu of %zu bytes", cut, n);
	memcpy(longer, packed, n);
	assert_int_equal(unpack(longer, n + 1, 10000, &back, &back_len), TM_EBADMSG);
	free(packed);
}

/* It is part of the protocol: docs/protocol.md, section 3, has its text and checksum. */
static void the_dictionary_is_that_of_the_protocol(void **state UNUSED)
{
	assert_int_equal(pack_dictionary_len, strlen(pack_dictionary));
	assert_true(pack_dictionary_len < 1536);
	assert_int_equal(crc32(0, (const Bytef *)pack_dictionary, (uInt)pack_dictionary_len), 0x1383ef9e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_changed_record_is_some_hundred_bytes),
		cmocka_unit_test(ten_thousand_records_are_less_than_half),
		cmocka_unit_test(what_does_not_become_shorter_is_left_alone),
		cmocka_unit_test(a_bomb_is_refused_before_it_is_large),
		cmocka_unit_test(every_cut_and_every_byte_behind_is_noticed),
		cmocka_unit_test(the_dictionary_is_that_of_the_protocol),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
