/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The vectors prove something only if each of their bits counts: flips them one after the other. */
#include "unit/unit.h"

#include "crypto/dh.h"
#include "crypto/init.h"
#include "vec/vectors.h"

static struct aead *aead;
static json_t *vectors;

static const char *field_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_private_key(const char *field)
{
	static const char *const fields[] = {
		"init_static", "init_ephemeral", "resp_static", "resp_ephemeral"};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (strcmp(field, fields[i]) == 0)
			return true;
	return false;
}

/* RFC 7748 5: X25519 replaces the three lowest bits of the first byte and the two highest of the last. */
static bool is_clamped(const char *field, size_t digit, unsigned bit)
{
	if (!is_private_key(field))
		return false;
	return (digit == 1 && bit < 3) || (digit == 62 && bit >= 2);
}

/* The hexadecimal digit that differs from c in one bit of its value. */
static char flip_digit(char c, unsigned bit)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = strchr(digits, c);

	assert_non_null(at);
	return digits[(unsigned)(at - digits) ^ 1u << bit];
}

static enum vector_verdict run_with(const json_t *v, json_t *string, const char *value)
{
	struct vector_why why = {""};
	enum vector_verdict verdict;

	/* A flipped byte may not be UTF-8; the loader would refuse such a file. */
	if (json_string_set(string, value) != 0)
		return VECTOR_FAILED;

	verdict = vector_run(v, aead, &why);
	return verdict;
}

static void flip_string(const json_t *v, json_t *string, const char *path, bool all_bits)
{
	const char *field = field_of(path);
	char *value = strdup(json_string_value(string));

	assert_non_null(value);
	for (size_t i = 0; value[i]; i++) {
		const char was = value[i];
		const bool all = all_bits || (is_private_key(field) && (i == 1 || i == 62));

		for (unsigned bit = 0; bit < (all_bits ? 8 : 4); bit++) {
			enum vector_verdict expected = VECTOR_FAILED, verdict;

			if (!all && bit != i % 4)
				continue;
			value[i] = all_bits ? (char)(was ^ 1 << bit) : flip_digit(was, bit);
			if (!value[i])
				continue;
			if (!all_bits && is_clamped(field, i, bit))
				expected = VECTOR_PASSED;
			verdict = run_with(v, string, value);
			if (verdict != expected)
				fail_msg("%s, place %zu, bit %u: verdict %d", path, i, bit, (int)verdict);
		}
		value[i] = was;
	}
	assert_int_equal(run_with(v, string, value), VECTOR_PASSED);
	free(value);
}

static void flip_all(const json_t *v, json_t *j, const char *path)
{
	char sub[256];
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_string(j))
		flip_string(v, j, path, strcmp(field_of(path), "protocol_name") == 0);
	json_object_foreach (j, key, value) {
		snprintf(sub, sizeof(sub), "%s/%s", path, key);
		flip_all(v, value, sub);
	}
	json_array_foreach (j, i, value) {
		snprintf(sub, sizeof(sub), "%s[%zu]", path, i);
		flip_all(v, value, sub);
	}
}

static void each_vector_passes(void **state)
{
	const json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (vectors, i, v) {
		struct vector_why why = {""};

		if (vector_run(v, aead, &why) != VECTOR_PASSED)
			fail_msg("vector %zu: %s", i + 1, why.text);
	}
}

static void no_digit_of_a_vector_can_change_unnoticed(void **state)
{
	char path[32];
	json_t *v;
	size_t i;

	(void)state;
	json_array_foreach (vectors, i, v) {
		snprintf(path, sizeof(path), "vector[%zu]", i);
		flip_all(v, v, path);
	}
}

static void no_field_of_a_vector_can_vanish_unnoticed(void **state)
{
	/* handshake_hash and prologues are optional in the format: without a prologue the hash differs. */
	static const char *const optional[] = {"handshake_hash"};
	json_t *v = json_array_get(vectors, 1);
	json_t *copy = json_deep_copy(v), *value;
	const char *key;

	(void)state;
	json_object_foreach (copy, key, value) {
		struct vector_why why = {""};
		bool may = strcmp(key, optional[0]) == 0;

		json_object_del(v, key);
		if ((vector_run(v, aead, &why) == VECTOR_PASSED) != may)
			fail_msg("without %s: %s", key, why.text);
		json_object_set(v, key, value);
	}
	json_decref(copy);
}

static void foreign_protocols_are_skipped_and_garbled_names_fail(void **state)
{
	static const struct {
		const char *name;
		enum vector_verdict verdict;
	} rows[] = {
		{"Noise_IK_25519_AESGCM_BLAKE2s", VECTOR_SKIPPED},
		{"Noise_NK_25519_ChaChaPoly_BLAKE2s", VECTOR_SKIPPED},
		{"Noise_XXpsk3_448_AESGCM_SHA512", VECTOR_SKIPPED},
		{"Noise_I1K1psk0+psk2_25519_AESGCM_SHA256", VECTOR_SKIPPED},
		{"NoisePSK_NN_25519_AESGCM_SHA256", VECTOR_SKIPPED},
		{"Noise_KK_25519_ChaChaPoly_BLAKE2s", VECTOR_FAILED}, /* lacks a key */
		{"Noise_IKpsk3_25519_ChaChaPoly_BLAKE2s", VECTOR_FAILED},
		{"Noise_IK_25518_ChaChaPoly_BLAKE2s", VECTOR_FAILED},
		{"Noise_I_25519_ChaChaPoly_BLAKE2s", VECTOR_FAILED},
		{"Noise_IK_25519_ChaChaPoly", VECTOR_FAILED},
		{"Noise_IK_25519_ChaChaPoly_BLAKE2s_", VECTOR_FAILED},
		{"", VECTOR_FAILED},
	};
	json_t *v = json_deep_copy(json_array_get(vectors, 0));

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (run_with(v, json_object_get(v, "protocol_name"), rows[i].name) != rows[i].verdict)
			fail_msg("%s", rows[i].name);
	json_decref(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_vector_passes),
		cmocka_unit_test(no_digit_of_a_vector_can_change_unnoticed),
		cmocka_unit_test(no_field_of_a_vector_can_vanish_unnoticed),
		cmocka_unit_test(foreign_protocols_are_skipped_and_garbled_names_fail),
	};
	json_t *root = json_load_file(NOISE_JSON, JSON_REJECT_DUPLICATES, NULL);
	int failed;

	vectors = json_object_get(root, "vectors");
	if (!vectors || crypto_init(NULL) < 0 || aead_new(&aead) < 0)
		return 1;

	failed = cmocka_run_group_tests(tests, NULL, NULL);
	aead_free(aead);
	json_decref(root);
	return failed;
}
