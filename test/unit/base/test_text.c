/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/bytes.h"
#include "base/diag.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/strbuf.h"

static void every_byte_survives_hex(void **state)
{
	uint8_t all[256], back[256];
	char text[HEX_LEN(256) + 1];

	(void)state;
	for (unsigned i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	hex_encode(all, sizeof(all), text);
	for (unsigned i = 0; i < 256; i++) {
		char expected[3];

		snprintf(expected, sizeof(expected), "%02x", i);
		assert_memory_equal(text + 2 * i, expected, 2);
	}
	assert_int_equal(hex_decode(text, strlen(text), back, sizeof(back)), TM_OK);
	assert_memory_equal(all, back, sizeof(all));
}

static void malformed_hex_is_refused(void **state)
{
	static const char *const bad[] = {"0", "0g", "g0", "0/", ":0", "@0", "G0", "`0", "0 ", "000"};
	uint8_t out[1] = {7};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (hex_decode(bad[i], strlen(bad[i]), out, 1) == TM_OK)
			fail_msg("accepted \"%s\"", bad[i]);
	assert_int_equal(out[0], 7);
	assert_int_equal(hex_decode("aF", 2, out, 1), TM_OK);
	assert_int_equal(out[0], 0xaf);
}

static void base64_matches_rfc_4648_section_10(void **state)
{
	static const struct {
		const char *plain, *std, *url;
	} rows[] = {
		{"", "", ""},
		{"f", "Zg==", "Zg"},
		{"fo", "Zm8=", "Zm8"},
		{"foo", "Zm9v", "Zm9v"},
		{"foob", "Zm9vYg==", "Zm9vYg"},
		{"fooba", "Zm9vYmE=", "Zm9vYmE"},
		{"foobar", "Zm9vYmFy", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "+//+", "-__-"},
	};
	char text[16];
	uint8_t back[16];
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const uint8_t *plain = (const uint8_t *)rows[i].plain;
		size_t len = strlen(rows[i].plain);

		base64_encode(plain, len, text);
		assert_string_equal(text, rows[i].std);
		assert_int_equal(base64_decode(text, strlen(text), back, sizeof(back), &n), TM_OK);
		assert_int_equal(n, len);
		assert_memory_equal(back, plain, len);
		base64url_encode(plain, len, text);
		assert_string_equal(text, rows[i].url);
		assert_int_equal(base64url_decode(text, strlen(text), back, sizeof(back), &n), TM_OK);
		assert_memory_equal(back, plain, len);
	}
}

static void malformed_base64_is_refused(void **state)
{
	static const struct {
		const char *text;
		bool url;
		int err;
	} rows[] = {
		{"Zg", false, TM_EBADMSG},
		{"Zg=", false, TM_EBADMSG},
		{"Zh==", false, TM_EBADMSG},
		{"Z===", false, TM_EBADMSG},
		{"Zm9v\n", false, TM_EBADMSG},
		{"Zm-v", false, TM_EBADMSG},
		{"Zm=v", false, TM_EBADMSG},
		{"Zg==", true, TM_EBADMSG},
		{"Zh", true, TM_EBADMSG},
		{"Z", true, TM_EBADMSG},
		{"Zm+v", true, TM_EBADMSG},
		{"Zm9vZm9v", false, TM_EFULL},
	};
	uint8_t out[4];
	size_t n;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *t = rows[i].text;
		int err = rows[i].url ? base64url_decode(t, strlen(t), out, 4, &n)
				      : base64_decode(t, strlen(t), out, 4, &n);

		if (err != rows[i].err)
			fail_msg("\"%s\": %d", t, err);
	}
}

static void a_cursor_that_ran_dry_stays_bad_and_yields_zeros(void **state)
{
	const uint8_t bytes[] = {1, 2, 3, 4, 5};
	struct rd r = rd_over(bytes, sizeof(bytes));
	uint8_t out[4] = {0};
	struct wr w = wr_over(out, sizeof(out));

	(void)state;
	assert_int_equal(rd_be32(&r), 0x01020304);
	assert_int_equal(rd_be16(&r), 0);
	assert_true(r.bad);
	assert_int_equal(rd_u8(&r), 0);
	wr_be16(&w, 0x0102);
	wr_le32(&w, 7);
	assert_true(w.bad);
	wr_u8(&w, 9);
	assert_int_equal(wr_len(&w), 2);
	assert_int_equal(out[2], 0);
}

static void integers_round_trip_in_both_byte_orders(void **state)
{
	uint8_t b[8];

	(void)state;
	put_be64(b, UINT64_C(0x0102030405060708));
	assert_int_equal(b[0], 1);
	assert_int_equal(get_be64(b), UINT64_C(0x0102030405060708));
	put_le64(b, UINT64_C(0xfffefdfcfbfaf9f8));
	assert_int_equal(b[0], 0xf8);
	assert_int_equal(get_le64(b), UINT64_C(0xfffefdfcfbfaf9f8));
	put_be16(b, 0xabcd);
	assert_int_equal(get_be16(b), 0xabcd);
}

static void constant_time_comparison_agrees_with_memcmp(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};

	(void)state;
	assert_true(ct_eq(a, b, 32));
	assert_true(ct_is_zero(a, 32));
	for (int bit = 0; bit < 256; bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(ct_eq(a, b, 32));
		assert_false(ct_is_zero(b, 32));
		b[bit / 8] = 0;
	}
}

static void a_diagnosis_reads_as_one_sentence(void **state)
{
	struct diag d = {0};
	char buf[512];

	(void)state;
	assert_string_equal(diag_format(&d, TM_ENOENT, buf, sizeof(buf)), "not found");
	assert_int_equal(diag_what(&d, TM_EINVAL, "unknown key `%s`", "prot"), TM_EINVAL);
	diag_where(&d, "config.yaml:%d", 7);
	diag_hint(&d, "did you mean `port`?");
	assert_string_equal(diag_format(&d, TM_EINVAL, buf, sizeof(buf)),
		"config.yaml:7: unknown key `prot` (did you mean `port`?)");
	assert_int_equal(diag_what(NULL, TM_EIO, "x"), TM_EIO);
}

static void a_growing_string_keeps_everything(void **state)
{
	struct strbuf b = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		strbuf_printf(&b, "%d,", i);
	strbuf_puts(&b, "end");
	char *s = strbuf_take(&b);
	assert_non_null(s);
	assert_int_equal(strlen(s), 10 * 2 + 90 * 3 + 900 * 4 + 3);
	assert_string_equal(s + strlen(s) - 7, "999,end");
	free(s);
	s = strbuf_take(&b);
	assert_string_equal(s, "");
	free(s);
}

static void case_counts_for_letters_only_and_only_ascii(void **state)
{
	(void)state;
	assert_true(same_but_case("Hub-7.Example", "hUB-7.eXAMPLE", 13));
	assert_true(same_but_case("x", "y", 0));
	assert_true(same_but_case("a\0B", "A\0b", 3));
	assert_false(same_but_case("a\0B", "A\0c", 3));
	assert_false(same_but_case("@[`{", "`{@[", 4));
	assert_false(same_but_case("\xc4", "\xe4", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(case_counts_for_letters_only_and_only_ascii),
		cmocka_unit_test(every_byte_survives_hex),
		cmocka_unit_test(malformed_hex_is_refused),
		cmocka_unit_test(base64_matches_rfc_4648_section_10),
		cmocka_unit_test(malformed_base64_is_refused),
		cmocka_unit_test(a_cursor_that_ran_dry_stays_bad_and_yields_zeros),
		cmocka_unit_test(integers_round_trip_in_both_byte_orders),
		cmocka_unit_test(constant_time_comparison_agrees_with_memcmp),
		cmocka_unit_test(a_diagnosis_reads_as_one_sentence),
		cmocka_unit_test(a_growing_string_keeps_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
