/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Every provider of batches that this CPU can run, against libcrypto's own AEAD and against each other. */
#include "crypto/crypto_private.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aead_twin.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "hex.h"

enum { PROVIDERS_MAX = 8, LONG = 2100, CANARY = 64, BATCH_MAX = 257 };

static struct aead *providers[PROVIDERS_MAX];
static size_t n_providers;

#define FOR_EACH_PROVIDER(a)                                                                                 \
	for (struct aead **at_ = providers, *a; at_ < providers + n_providers && (a = *at_); at_++)

/* Around the places where counters of 32 bits and signed ones go wrong. */
static uint64_t some_counter(void)
{
	static const uint64_t edges[] = {0, 1, UINT32_MAX, UINT64_C(1) << 32, (UINT64_C(1) << 32) + 1,
		(UINT64_C(1) << 63) - 1, UINT64_C(1) << 63, UINT64_MAX};
	const uint32_t pick = random_below(2 * ARRAY_LEN(edges));

	return pick < ARRAY_LEN(edges) ? edges[pick] : (uint64_t)random_u32() << 32 | random_u32();
}

/* Lengths where the routines change their ways, and any. */
static size_t some_length(void)
{
	static const size_t edges[] = {0, 1, 15, 16, 17, 63, 64, 65, 255, 256, 448, 511, 512, 959, 960, 961,
		1023, 1024, 1025, 1984, 2048};
	const uint32_t pick = random_below(2 * ARRAY_LEN(edges));

	return pick < ARRAY_LEN(edges) ? edges[pick] : random_below(LONG + 1);
}

static bool all_are(const uint8_t *p, size_t n, uint8_t value)
{
	while (n > 0 && *p == value) {
		p++;
		n--;
	}
	return n == 0;
}

static void zero_key_and_nonce_give_the_blocks_of_rfc_8439_a1_and_a4(void **state)
{
	static const char block_1[] = "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
				      "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f";
	static const char lengths[] = "0000000000000000"
				      "4000000000000000";
	const struct bytes poly_key =
		unhex("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7");
	const struct bytes end = unhex(lengths);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *c = EVP_MAC_CTX_new(mac);
	uint8_t key[AEAD_KEY] = {0}, tag[AEAD_TAG];
	size_t n;

	(void)state;
	FOR_EACH_PROVIDER(a)
	{
		uint8_t data[CHACHA_BLOCK + AEAD_TAG] = {0};
		struct aead_op op = {.key = key, .data = data, .n = CHACHA_BLOCK};

		assert_int_equal(aead_seal_batch(a, &op, 1), 0);
		assert_hex(data, CHACHA_BLOCK, block_1);
		assert_int_equal(EVP_MAC_init(c, poly_key.p, poly_key.n, NULL), 1);
		assert_int_equal(EVP_MAC_update(c, data, CHACHA_BLOCK), 1);
		assert_int_equal(EVP_MAC_update(c, end.p, end.n), 1);
		assert_int_equal(EVP_MAC_final(c, tag, &n, sizeof(tag)), 1);
		assert_memory_equal(data + CHACHA_BLOCK, tag, AEAD_TAG);
	}
	EVP_MAC_CTX_free(c);
	EVP_MAC_free(mac);
}

/* buf has room for shift, n, the tag, and a canary on either side. */
static void length_agrees_with_the_twin(
	struct aead *a, uint8_t *buf, size_t n, uint8_t *text, uint8_t *expected)
{
	const size_t shift = CANARY + n % CANARY; /* every alignment in turn */
	const uint64_t counter = some_counter();
	uint8_t key[AEAD_KEY];
	struct aead_op op = {.key = key, .counter = counter, .data = buf + shift, .n = n, .err = TM_EIO};

	random_bytes(key, sizeof(key));
	random_bytes(text, n);
	twin_seal(key, counter, NULL, 0, text, n, expected);
	memset(buf, 0xc5, shift + n + AEAD_TAG + CANARY);
	memcpy(op.data, text, n);
	if (aead_seal_batch(a, &op, 1) != 0 || op.err != TM_OK)
		fail_msg("%s does not seal %zu bytes", aead_provider(a), n);
	if (memcmp(op.data, expected, n + AEAD_TAG) != 0)
		fail_msg("%s seals %zu bytes wrongly, counter %" PRIx64, aead_provider(a), n, counter);
	op.err = TM_EIO;
	if (aead_open_batch(a, &op, 1) != 0 || op.err != TM_OK)
		fail_msg("%s does not open %zu bytes", aead_provider(a), n);
	if (memcmp(op.data, text, n) != 0)
		fail_msg("%s opens %zu bytes wrongly, counter %" PRIx64, aead_provider(a), n, counter);
	if (!all_are(buf, shift, 0xc5) || !all_are(op.data + n + AEAD_TAG, CANARY, 0xc5))
		fail_msg("%s writes outside its %zu bytes", aead_provider(a), n);
	assert_memory_equal(op.data + n, expected + n, AEAD_TAG);
}

static void every_length_agrees_with_libcryptos_own_aead_at_every_alignment(void **state)
{
	static const size_t longer[] = {4095, 4096, 4097, 8192, 9000, 16384, 32767, AEAD_MAX - 1, AEAD_MAX};
	uint8_t *buf = malloc(3 * CANARY + AEAD_MAX + AEAD_TAG), *text = malloc(AEAD_MAX),
		*expected = malloc(AEAD_MAX + AEAD_TAG);

	(void)state;
	assert_true(buf && text && expected);
	FOR_EACH_PROVIDER(a)
	{
		for (size_t n = 0; n <= LONG; n++)
			length_agrees_with_the_twin(a, buf, n, text, expected);
		for (size_t i = 0; i < ARRAY_LEN(longer); i++)
			length_agrees_with_the_twin(a, buf, longer[i], text, expected);
	}
	free(buf);
	free(text);
	free(expected);
}

/* Two pages between two that may not be touched; key and packet lie against either border. */
static void nothing_outside_packet_and_key_is_even_read(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *map = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *low = map + page, *high = low + 2 * page;

	(void)state;
	assert_true(map != MAP_FAILED && page >= LONG + AEAD_TAG + AEAD_KEY);
	assert_int_equal(mprotect(map, page, PROT_NONE), 0);
	assert_int_equal(mprotect(high, page, PROT_NONE), 0);
	FOR_EACH_PROVIDER(a)
	for (size_t n = 0; n <= LONG; n++) {
		struct aead_op ops[] = {
			{.key = low, .counter = n, .data = high - AEAD_TAG - n, .n = n},
			{.key = high - AEAD_KEY, .counter = n, .data = low, .n = n},
		};

		for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
			random_bytes(low, AEAD_KEY);
			random_bytes(high - AEAD_KEY, AEAD_KEY);
			memset(ops[i].data, 'x', n);
			assert_int_equal(aead_seal_batch(a, &ops[i], 1), 0);
			assert_int_equal(aead_open_batch(a, &ops[i], 1), 0);
			assert_true(all_are(ops[i].data, n, 'x'));
		}
	}
	munmap(map, 4 * page);
}

/* A batch of packets of any length, each under its own key, in memory of its own. */
struct batch {
	size_t n;
	struct aead_op ops[BATCH_MAX];
	uint8_t keys[BATCH_MAX][AEAD_KEY], text[BATCH_MAX][LONG], data[BATCH_MAX][LONG + AEAD_TAG];
};

static void batch_fill(struct batch *b, size_t n)
{
	b->n = n;
	random_bytes(b->keys, sizeof(b->keys));
	for (size_t i = 0; i < n; i++) {
		const size_t len = some_length();

		random_bytes(b->text[i], len);
		memcpy(b->data[i], b->text[i], len);
		b->ops[i] = (struct aead_op){.key = b->keys[i],
			.counter = some_counter(),
			.data = b->data[i],
			.n = len,
			.err = TM_EIO};
	}
}

enum { CORRUPT_NO, CORRUPT_TEXT, CORRUPT_TAG, CORRUPT_KEY, CORRUPT_COUNTER, CORRUPT_LENGTH, CORRUPT_KINDS };

/* Flips one bit somewhere; returns what was really hit. */
static int corrupt(struct batch *b, size_t i, uint32_t kind)
{
	struct aead_op *op = &b->ops[i];
	const uint8_t bit = (uint8_t)(1u << random_below(8));

	if ((kind == CORRUPT_TEXT || kind == CORRUPT_LENGTH) && op->n == 0)
		kind = CORRUPT_TAG;
	if (kind == CORRUPT_TEXT)
		op->data[random_below((uint32_t)op->n)] ^= bit;
	if (kind == CORRUPT_TAG)
		op->data[op->n + random_below(AEAD_TAG)] ^= bit;
	if (kind == CORRUPT_KEY)
		b->keys[i][random_below(AEAD_KEY)] ^= bit;
	if (kind == CORRUPT_COUNTER)
		op->counter ^= UINT64_C(1) << random_below(64);
	if (kind == CORRUPT_LENGTH)
		op->n--;
	return (int)kind;
}

static void batch_with_corrupt_ones_opens_all_others(struct aead *a, struct batch *b, size_t n)
{
	static uint8_t before[BATCH_MAX][LONG + AEAD_TAG];
	int kind[BATCH_MAX];
	size_t bad = 0;

	batch_fill(b, n);
	assert_int_equal(aead_seal_batch(a, b->ops, n), 0);
	for (size_t i = 0; i < n; i++) {
		kind[i] = random_below(3) == 0 ? corrupt(b, i, 1 + random_below(CORRUPT_KINDS - 1))
					       : CORRUPT_NO;
		bad += kind[i] != CORRUPT_NO;
	}
	memcpy(before, b->data, sizeof(before));
	if (aead_open_batch(a, b->ops, n) != bad)
		fail_msg("%s counts the forged ones of %zu wrongly", aead_provider(a), n);
	for (size_t i = 0; i < n; i++) {
		const struct aead_op *op = &b->ops[i];

		if (op->err != (kind[i] == CORRUPT_NO ? TM_OK : TM_EAUTH))
			fail_msg("%s: packet %zu of %zu, %zu bytes, corrupt as %d: error %d",
				aead_provider(a), i, n, op->n, kind[i], op->err);
		if (memcmp(op->data, kind[i] == CORRUPT_NO ? b->text[i] : before[i], op->n) != 0)
			fail_msg("%s: packet %zu of %zu, %zu bytes, corrupt as %d: wrong data",
				aead_provider(a), i, n, op->n, kind[i]);
	}
}

static void in_a_batch_exactly_the_corrupt_ones_fail_and_stay_ciphertext(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 3, 15, 16, 17, 32, 128, BATCH_MAX};
	struct batch *b = calloc(1, sizeof(*b));

	(void)state;
	assert_non_null(b);
	FOR_EACH_PROVIDER(a)
	for (size_t round = 0; round < 10; round++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			batch_with_corrupt_ones_opens_all_others(a, b, sizes[i]);
	free(b);
}

static void every_flipped_bit_of_a_packet_is_noticed(void **state)
{
	enum { TEXT = 1424 };
	uint8_t key[AEAD_KEY] = {7}, sealed[TEXT + AEAD_TAG] = {0}, data[TEXT + AEAD_TAG];

	(void)state;
	twin_seal(key, 3, NULL, 0, sealed, TEXT, sealed);
	FOR_EACH_PROVIDER(a)
	for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
		struct aead_op op = {.key = key, .counter = 3, .data = data, .n = TEXT};

		memcpy(data, sealed, sizeof(data));
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (aead_open_batch(a, &op, 1) != 1 || op.err != TM_EAUTH)
			fail_msg("%s accepts bit %zu flipped", aead_provider(a), bit);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_memory_equal(data, sealed, sizeof(data));
	}
}

static void a_text_that_is_too_long_fails_alone(void **state)
{
	uint8_t *big = calloc(1, AEAD_MAX + 1 + AEAD_TAG), key[AEAD_KEY] = {9},
		small[2][10 + AEAD_TAG] = {{0}};

	(void)state;
	assert_non_null(big);
	FOR_EACH_PROVIDER(a)
	{
		struct aead_op ops[] = {
			{.key = key, .data = small[0], .n = 10},
			{.key = key, .data = big, .n = AEAD_MAX + 1},
			{.key = key, .data = small[1], .n = 10},
		};

		assert_int_equal(aead_seal_batch(a, ops, 3), 1);
		assert_int_equal(ops[1].err, TM_EINVAL);
		assert_int_equal(aead_open_batch(a, ops, 3), 1);
		assert_int_equal(ops[0].err, TM_OK);
		assert_int_equal(ops[1].err, TM_EINVAL);
		assert_int_equal(ops[2].err, TM_OK);
		assert_true(all_are(big, AEAD_MAX + 1 + AEAD_TAG, 0));
	}
	free(big);
}

static void what_one_provider_seals_every_other_opens(void **state)
{
	struct batch *b = calloc(1, sizeof(*b)), *copy = calloc(1, sizeof(*b));

	(void)state;
	assert_true(b && copy);
	FOR_EACH_PROVIDER(sealer)
	for (size_t j = 0; j < n_providers; j++) {
		batch_fill(b, 64);
		assert_int_equal(aead_seal_batch(sealer, b->ops, b->n), 0);
		memcpy(copy->data, b->data, sizeof(b->data));
		assert_int_equal(aead_open_batch(providers[j], b->ops, b->n), 0);
		for (size_t i = 0; i < b->n; i++)
			assert_memory_equal(b->data[i], b->text[i], b->ops[i].n);
		assert_int_equal(aead_seal_batch(providers[j], b->ops, b->n), 0);
		for (size_t i = 0; i < b->n; i++)
			assert_memory_equal(b->data[i], copy->data[i], b->ops[i].n + AEAD_TAG);
	}
	free(b);
	free(copy);
}

static void providers_have_names_and_others_are_refused(void **state)
{
	static const char *const wrong[] = {"", "libcrypt", "libcrypto ", "LIBCRYPTO", "ipsec", "none"};
	struct aead *a = NULL;
	const char *last = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		assert_int_equal(aead_new_with(wrong[i], &a), TM_ENOENT);
	assert_null(a);
	for (size_t i = 0; i < n_providers; i++) {
		assert_string_equal(aead_provider(providers[i]), aead_provider_at(i));
		last = aead_provider_at(i);
	}
	assert_string_equal(last, "libcrypto");
	assert_null(aead_provider_at(n_providers));
	assert_null(aead_provider_at(SIZE_MAX));
}

/* A build that lost its fast provider, or whose fast provider computes wrong, would pass everything else. */
static void the_preferred_provider_is_the_fast_one_where_the_cpu_can_run_it(void **state)
{
	const char *expected = "libcrypto";
	struct aead *a;

	(void)state;
#ifdef TM_LIBCRYPTO_DIRECT
	expected = "libcrypto-direct";
#endif
#ifdef TM_LIBGCRYPT
	if (__builtin_cpu_supports("avx2"))
		expected = "libgcrypt";
#endif
#ifdef TM_IPSEC_MB
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		expected = __builtin_cpu_supports("avx512ifma") ? "ipsec-mb" : "ipsec-mb-noifma";
#endif
	assert_int_equal(aead_new(&a), TM_OK);
	assert_string_equal(aead_provider(a), expected);
	aead_free(a);
	/* Also where the CPU has something better: other machines have not. */
#ifdef TM_LIBCRYPTO_DIRECT
	assert_int_equal(aead_new_with("libcrypto-direct", &a), TM_OK);
	aead_free(a);
#endif
#ifdef TM_LIBGCRYPT
	if (__builtin_cpu_supports("avx2")) {
		assert_int_equal(aead_new_with("libgcrypt", &a), TM_OK);
		aead_free(a);
	}
#endif
}

/* Providers that compute wrong in one way each: aead_libcrypto with something done before or after. */
static int seal_with_wrong_tag(struct aead *a, const struct aead_op *op)
{
	int err = aead_libcrypto.seal(a, op);

	op->data[op->n + AEAD_TAG - 1] ^= 1;
	return err;
}

static int seal_long_ones_wrongly(struct aead *a, const struct aead_op *op)
{
	int err = aead_libcrypto.seal(a, op);

	if (op->n > 1024)
		op->data[1024] ^= 1;
	return err;
}

/* As if the second of a batch were hashed with what the first has left. */
static void seal_all_but_the_second(struct aead *a, struct aead_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!ops[i].err && i != 1)
			ops[i].err = aead_libcrypto.seal(a, &ops[i]);
}

static int open_without_looking_at_the_tag(struct aead *a, const struct aead_op *op)
{
	int err = aead_libcrypto.open(a, op);

	return err == TM_EAUTH ? TM_OK : err;
}

static int open_nothing(struct aead *a UNUSED, const struct aead_op *op UNUSED)
{
	return TM_EAUTH;
}

static int open_to_garbage(struct aead *a, const struct aead_op *op)
{
	int err = aead_libcrypto.open(a, op);

	if (op->n > 0)
		op->data[0] ^= 1;
	return err;
}

static void a_provider_that_computes_wrong_is_not_used(void **state)
{
	struct aead_provider wrong[6];
	struct aead *a = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		wrong[i] = (struct aead_provider){
			.name = "wrong", .seal = aead_libcrypto.seal, .open = aead_libcrypto.open};
	assert_int_equal(aead_new_of(&wrong[0], &a), TM_OK); /* nothing is wrong with it yet */
	aead_free(a);
	a = NULL;
	wrong[0].seal = seal_with_wrong_tag;
	wrong[1].seal = seal_long_ones_wrongly;
	wrong[2].open = open_without_looking_at_the_tag;
	wrong[3].open = open_nothing;
	wrong[4].open = open_to_garbage;
	wrong[5].seal = NULL;
	wrong[5].seal_all = seal_all_but_the_second;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (aead_new_of(&wrong[i], &a) != TM_ECRYPTO)
			fail_msg("wrong provider %zu is used", i);
	assert_null(a);
}

/* Freed memory is looked at just before it goes. */
static struct {
	const uint8_t *secret;
	size_t secret_len, found, frees;
} watched;

static bool block_holds(void *p, const uint8_t *secret, size_t n)
{
	return p && memmem(p, malloc_usable_size(p), secret, n);
}

void __wrap_free(void *p);
void __real_free(void *p);
void __wrap_free(void *p)
{
	if (p && watched.secret) {
		watched.frees++;
		watched.found += block_holds(p, watched.secret, watched.secret_len);
	}
	__real_free(p);
}

/* Frees it; how many of its blocks still held the secret? */
static size_t frees_with(struct aead *a, const uint8_t *secret, size_t n)
{
	watched.found = watched.frees = 0;
	watched.secret_len = n;
	watched.secret = secret;
	aead_free(a);
	watched.secret = NULL;
	assert_true(watched.frees >= 2);
	return watched.found;
}

/*
 * Refusing a forgery leaves key stream, which is as good as the text, in the memory of the provider. The
 * ciphertext of zeros is that key stream. A packet that opens may leave its text.
 */
static void freeing_wipes_what_came_from_keys(void **state)
{
	enum { TEXT = 700, BEHIND = 32 };
	uint8_t key[AEAD_KEY], stream[TEXT + AEAD_TAG] = {0}, text[TEXT], sealed[TEXT + AEAD_TAG];

	(void)state;
	random_bytes(key, sizeof(key));
	random_bytes(text, sizeof(text));
	twin_seal(key, 5, NULL, 0, stream, TEXT, stream);
	twin_seal(key, 5, NULL, 0, text, TEXT, sealed);
	for (size_t i = 0; i < n_providers; i++) {
		uint8_t data[TEXT + AEAD_TAG];
		struct aead_op op = {.key = key, .counter = 5, .data = data, .n = TEXT};
		struct aead *a;

		memcpy(data, stream, sizeof(data));
		assert_int_equal(aead_new_with(aead_provider_at(i), &a), TM_OK);
		data[TEXT] ^= 1;
		assert_int_equal(aead_open_batch(a, &op, 1), 1);
		/* or this test looks for the wrong thing */
		assert_true(block_holds(a->own, stream + BEHIND, BEHIND) ||
			    block_holds(a->libcrypto.pass.in, stream + BEHIND, BEHIND));
		assert_int_equal(frees_with(a, stream + BEHIND, BEHIND), 0);

		memcpy(data, sealed, sizeof(data));
		assert_int_equal(aead_new_with(aead_provider_at(i), &a), TM_OK);
		assert_int_equal(aead_open_batch(a, &op, 1), 0);
		assert_memory_equal(data, text, TEXT);
		assert_int_equal(frees_with(a, text + BEHIND, BEHIND), 0);

		/* Sealing may use more memory, as many packets may be under way. */
		uint8_t again[TEXT + AEAD_TAG];
		struct aead_op two[] = {op, {.key = key, .counter = 5, .data = again, .n = TEXT}};

		memcpy(again, text, TEXT);
		assert_int_equal(aead_new_with(aead_provider_at(i), &a), TM_OK);
		assert_int_equal(aead_seal_batch(a, two, 2), 0);
		assert_memory_equal(again, sealed, sizeof(sealed));
		assert_int_equal(frees_with(a, text + BEHIND, BEHIND), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_key_and_nonce_give_the_blocks_of_rfc_8439_a1_and_a4),
		cmocka_unit_test(every_length_agrees_with_libcryptos_own_aead_at_every_alignment),
		cmocka_unit_test(nothing_outside_packet_and_key_is_even_read),
		cmocka_unit_test(in_a_batch_exactly_the_corrupt_ones_fail_and_stay_ciphertext),
		cmocka_unit_test(every_flipped_bit_of_a_packet_is_noticed),
		cmocka_unit_test(a_text_that_is_too_long_fails_alone),
		cmocka_unit_test(what_one_provider_seals_every_other_opens),
		cmocka_unit_test(providers_have_names_and_others_are_refused),
		cmocka_unit_test(the_preferred_provider_is_the_fast_one_where_the_cpu_can_run_it),
		cmocka_unit_test(a_provider_that_computes_wrong_is_not_used),
		cmocka_unit_test(freeing_wipes_what_came_from_keys),
	};
	const char *name;
	int failed;

	if (crypto_init(NULL) < 0) {
		fprintf(stderr, "the crypto self-test fails\n");
		return 1;
	}

	while ((name = aead_provider_at(n_providers))) {
		if (n_providers == PROVIDERS_MAX || aead_new_with(name, &providers[n_providers]) < 0) {
			fprintf(stderr, "provider %s computes wrong, or is one too many\n", name);
			return 1;
		}
		n_providers++;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	while (n_providers > 0)
		aead_free(providers[--n_providers]);
	return failed;
}
