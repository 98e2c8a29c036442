/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "node/stamps.h"

struct found {
	unsigned n;
	uint8_t key[32];
	struct stamps stamps;
};

static void remember(void *ctx, const uint8_t key[static 32], const struct stamps *s)
{
	struct found *f = ctx;

	f->n++;
	memcpy(f->key, key, 32);
	f->stamps = *s;
}

static void what_was_added_is_found_again(void **state)
{
	const uint8_t key[32] = {1, 2, 3, [31] = 0xff};
	const struct stamps kept = {.handshake = {0x40, [11] = 7}, .check = UINT64_C(0x0102030405060708)};
	struct strbuf b = {0};
	struct found f = {0};

	(void)state;
	for (int i = 0; i < 3; i++)
		stamps_add(&b, key, &kept);
	stamps_parse(b.s, b.len, remember, &f);
	assert_int_equal(f.n, 3);
	assert_memory_equal(f.key, key, sizeof(key));
	assert_memory_equal(f.stamps.handshake, kept.handshake, sizeof(kept.handshake));
	assert_int_equal(f.stamps.check, kept.check);
	/* The last line may lack its end. */
	f.n = 0;
	stamps_parse(b.s, b.len - 1, remember, &f);
	assert_int_equal(f.n, 3);
	f.n = 0;
	stamps_parse(b.s, b.len - 2, remember, &f);
	assert_int_equal(f.n, 2);
	strbuf_deinit(&b);
}

static void damaged_lines_are_left_out_and_cost_no_others(void **state)
{
	static const char good[] =
		"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8= 400000000000000000000007 0102030405060708\n";
	static const char *const bad[] = {"", "\n", "\n\n", "x\n",
		"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8= 400000000000000000000007_0102030405060708\n",
		"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8= 400000000000000000000007 010203040506070\n",
		"AQIDAAAA 40\n",
		"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8=_400000000000000000000007 0102030405060708\n",
		"AQIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8= 40000000000000000000000g 0102030405060708\n",
		"!QIDAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8= 400000000000000000000007 0102030405060708\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct strbuf b = {0};
		struct found f = {0};

		strbuf_puts(&b, good);
		strbuf_puts(&b, bad[i]);
		strbuf_puts(&b, good);
		stamps_parse(b.s, b.len, remember, &f);
		if (f.n != 2)
			fail_msg("\"%s\": %u", bad[i], f.n);
		strbuf_deinit(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_found_again),
		cmocka_unit_test(damaged_lines_are_left_out_and_cost_no_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
