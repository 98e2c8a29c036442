/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/err.h"
#include "base/hashset.h"
#include "unit/unit.h"

struct word {
	char text[12];
	unsigned n;
};

static const void *key_text(const void *record, size_t *ret_len)
{
	const struct word *w = record;

	*ret_len = strlen(w->text);
	return w->text;
}

/* Against the obvious: an array where a word's place is its number. */
static void it_holds_what_was_put_and_not_removed(void **state)
{
	enum { N = 700, STEPS = 60000 };
	static struct word words[N];
	static bool in[N];
	struct hashset t;
	size_t size = 0;
	uint32_t seed = 1;

	(void)state;
	assert_int_equal(hashset_init(&t, key_text), TM_OK);
	assert_null(hashset_get(&t, "x", 1));
	assert_null(hashset_remove(&t, "x", 1));
	for (unsigned i = 0; i < N; i++) {
		words[i].n = i;
		snprintf(words[i].text, sizeof(words[i].text), "%u", i * 7919u);
	}
	for (unsigned step = 0; step < STEPS; step++) {
		seed = seed * 1664525u + 1013904223u;
		struct word *w = &words[(seed >> 8) % N];

		if (seed >> 30) {
			assert_int_equal(hashset_reserve(&t, 1), TM_OK);
			assert_ptr_equal(hashset_put(&t, w), in[w->n] ? w : NULL);
			size += !in[w->n];
			in[w->n] = true;
		} else {
			assert_ptr_equal(hashset_remove(&t, w->text, strlen(w->text)), in[w->n] ? w : NULL);
			size -= in[w->n];
			in[w->n] = false;
		}
		assert_int_equal(t.size, size);
		w = &words[(seed >> 4) % N];
		assert_ptr_equal(hashset_get(&t, w->text, strlen(w->text)), in[w->n] ? w : NULL);
	}
	struct word *w;
	size_t seen = 0;
	for (size_t i = 0; (w = hashset_next(&t, &i)); seen++)
		assert_true(in[w->n]);
	assert_int_equal(seen, size);
	hashset_deinit(&t);
}

static void reserved_room_is_not_taken_twice(void **state)
{
	static struct word words[1000];
	struct hashset t;

	(void)state;
	assert_int_equal(hashset_init(&t, key_text), TM_OK);
	assert_int_equal(hashset_reserve(&t, ARRAY_LEN(words)), TM_OK);
	void **before = t.slots;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		snprintf(words[i].text, sizeof(words[i].text), "w%u", i);
		assert_null(hashset_put(&t, &words[i]));
	}
	assert_ptr_equal(t.slots, before);
	assert_in_range(t.cap, 1000, 2048); /* 16 KiB at most for 1,000 records */
	hashset_deinit(&t);
}

static void a_record_with_the_same_key_takes_the_place(void **state)
{
	struct word a = {.text = "same"}, b = {.text = "same"};
	struct hashset t;

	(void)state;
	assert_int_equal(hashset_init(&t, key_text), TM_OK);
	assert_int_equal(hashset_reserve(&t, 1), TM_OK);
	assert_null(hashset_put(&t, &a));
	assert_ptr_equal(hashset_put(&t, &b), &a);
	assert_int_equal(t.size, 1);
	assert_ptr_equal(hashset_get(&t, "same", 4), &b);
	assert_null(hashset_get(&t, "sam", 3));
	hashset_deinit(&t);
}

/* The reference: appendix A of the paper, key 00..0f, message 00..0e. */
static void the_hash_is_siphash_2_4(void **state)
{
	struct siphash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
	uint8_t message[15];

	(void)state;
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	assert_true(siphash(&key, message, sizeof(message)) == UINT64_C(0xa129ca6149be45e5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_what_was_put_and_not_removed),
		cmocka_unit_test(reserved_room_is_not_taken_twice),
		cmocka_unit_test(a_record_with_the_same_key_takes_the_place),
		cmocka_unit_test(the_hash_is_siphash_2_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
