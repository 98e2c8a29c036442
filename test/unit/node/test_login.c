/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The password of the dashboard outside of the mesh, and the sessions of those who have said it. The slow
 * hash is made as seldom as can be. */
#include "unit/unit.h"

#include "base/encode.h"
#include "crypto/init.h"
#include "node/login.h"

static char made[LOGIN_MADE_LEN + 1], made_line[LOGIN_KEPT_MAX], own_line[LOGIN_KEPT_MAX];
static const char own[] = "a rope of sand \xc3\xa9";
static struct login_kept made_kept, own_kept;

static int setup_all(void **state UNUSED)
{
	assert_int_equal(crypto_init(NULL), TM_OK);
	login_make(made);
	assert_int_equal(login_keep(made, true, made_line), TM_OK);
	assert_int_equal(login_keep(own, false, own_line), TM_OK);
	assert_int_equal(login_kept_parse(made_line, strlen(made_line), &made_kept), TM_OK);
	assert_int_equal(login_kept_parse(own_line, strlen(own_line), &own_kept), TM_OK);
	return 0;
}

static struct login *with(const struct login_kept *kept)
{
	static struct login l;

	login_set(&l, kept);
	return &l;
}

static bool is_known(const struct login *l, const char *secret, ns_t now)
{
	uint8_t id[LOGIN_ID];

	return login_has(l, secret, strlen(secret), now, id);
}

static void the_hash_is_that_of_the_password_and_of_no_other(void **state UNUSED)
{
	uint8_t hash[LOGIN_HASH];

	assert_int_equal(login_hash(made, made_kept.salt, hash), TM_OK);
	assert_memory_equal(hash, made_kept.hash, sizeof(hash));
	assert_int_equal(login_hash(own, made_kept.salt, hash), TM_OK);
	assert_memory_not_equal(hash, made_kept.hash, sizeof(hash));
	assert_memory_not_equal(made_kept.salt, own_kept.salt, sizeof(own_kept.salt));
	assert_null(strstr(made_line, made));
}

static void what_was_made_is_guessed_at_no_cost_and_what_was_chosen_is_not(void **state UNUSED)
{
	char other[LOGIN_MADE_LEN + 1], longer[LOGIN_PASSWORD_MAX + 2];
	struct login *l = with(&made_kept);

	assert_int_equal(strlen(made), LOGIN_MADE_LEN);
	assert_false(login_rules_out(l, made));
	for (size_t i = 0; i < LOGIN_MADE_LEN; i++) {
		memcpy(other, made, sizeof(other));
		other[i] ^= 1;
		assert_true(login_rules_out(l, other));
	}
	assert_true(login_rules_out(l, ""));
	l = with(&own_kept);
	assert_false(login_rules_out(l, own));
	assert_false(login_rules_out(l, "another one altogether"));
	assert_true(login_rules_out(l, "of 11 bytes")); /* none is so short, */
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_true(login_rules_out(l, longer)); /* nor so long */
	login_wipe(l);
	assert_true(login_rules_out(l, own));
}

static void a_line_that_makes_no_sense_is_refused(void **state UNUSED)
{
	static const char *const bad[] = {"", "\n", "scrypt-15-8-1",
		"scrypt-15-8-1:", "scrypt-15-8-1:::", "password",
		"scrypt-15-8-1:00112233445566778899aabbccddeeff:00:"};
	struct login_kept k = {.made = false};
	char line[LOGIN_KEPT_MAX + 2];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (login_kept_parse(bad[i], strlen(bad[i]), &k) != TM_EBADMSG)
			fail_msg("row %zu", i);
	/* Cut off anywhere it is none, but for the line's end; neither with something behind it. */
	for (size_t n = 0; n < strlen(made_line) - 1; n++)
		if (login_kept_parse(made_line, n, &k) == TM_OK)
			assert_false(k.made);
	assert_int_equal(login_kept_parse(made_line, strlen(made_line) - 1, &k), TM_OK);
	snprintf(line, sizeof(line), "%.*s:", (int)strlen(made_line) - 1, made_line);
	assert_int_equal(login_kept_parse(line, strlen(line), &k), TM_EBADMSG);
	line[0] = 'S';
	assert_int_equal(login_kept_parse(line, strlen(line) - 1, &k), TM_EBADMSG);
}

static void only_the_hash_of_the_password_begins_a_session(void **state UNUSED)
{
	struct login *l = with(&own_kept);
	char secret[LOGIN_SECRET_LEN + 1] = "";

	assert_false(login_begin(l, made_kept.hash, SEC, secret));
	assert_string_equal(secret, "");
	assert_true(login_begin(l, own_kept.hash, SEC, secret));
	assert_int_equal(strlen(secret), LOGIN_SECRET_LEN);
	assert_true(is_known(l, secret, SEC));
	secret[7] ^= 1;
	assert_false(is_known(l, secret, SEC));
	assert_false(is_known(l, "", SEC));
	login_wipe(l);
	assert_false(login_begin(l, (const uint8_t[LOGIN_HASH]){0}, SEC, secret));
}

static void a_session_is_over_after_its_time_or_when_it_is_ended(void **state UNUSED)
{
	struct login *l = with(&own_kept);
	char one[LOGIN_SECRET_LEN + 1], two[LOGIN_SECRET_LEN + 1];
	uint8_t a[LOGIN_ID], b[LOGIN_ID];

	assert_true(login_begin(l, own_kept.hash, SEC, one));
	assert_true(login_begin(l, own_kept.hash, SEC, two));
	assert_true(strcmp(one, two) != 0);
	assert_true(login_has(l, one, LOGIN_SECRET_LEN, SEC, a));
	assert_true(login_has(l, two, LOGIN_SECRET_LEN, SEC, b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(a[0], 0); /* no member's */
	assert_true(login_lives(l, a, SEC));
	login_end(l, one, strlen(one));
	assert_false(is_known(l, one, SEC));
	assert_false(login_lives(l, a, SEC));
	assert_true(is_known(l, two, LOGIN_LASTS));
	assert_true(login_lives(l, b, LOGIN_LASTS));
	assert_false(is_known(l, two, SEC + LOGIN_LASTS));
	assert_false(login_lives(l, b, SEC + LOGIN_LASTS));
}

static void the_oldest_session_makes_room(void **state UNUSED)
{
	struct login *l = with(&own_kept);
	char secrets[LOGIN_SESSIONS + 1][LOGIN_SECRET_LEN + 1];

	for (size_t i = 0; i <= LOGIN_SESSIONS; i++)
		assert_true(login_begin(l, own_kept.hash, (ns_t)(i + 1) * SEC, secrets[i]));
	for (size_t i = 0; i <= LOGIN_SESSIONS; i++)
		assert_int_equal(is_known(l, secrets[i], 60 * SEC), i > 0);
}

static void another_password_ends_all_sessions_and_vouches_for_nobody(void **state UNUSED)
{
	struct login *l = with(&own_kept);
	char secret[LOGIN_SECRET_LEN + 1], text[LOGIN_SECRET_LEN + 1];
	uint8_t browser[LOGIN_ID], again[LOGIN_ID];

	assert_true(login_begin(l, own_kept.hash, SEC, secret));
	login_vouch(l, text);
	assert_true(login_vouched(l, text, strlen(text), browser));
	assert_true(login_vouched(l, text, strlen(text), again));
	assert_memory_equal(browser, again, sizeof(browser));
	text[0] ^= 1;
	assert_false(login_vouched(l, text, strlen(text), browser));
	text[0] ^= 1;
	assert_false(login_vouched(l, text, 4, browser));
	login_set(l, &made_kept);
	assert_false(is_known(l, secret, SEC));
	assert_false(login_vouched(l, text, strlen(text), browser));
	assert_false(login_begin(l, own_kept.hash, SEC, secret));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_that_of_the_password_and_of_no_other),
		cmocka_unit_test(what_was_made_is_guessed_at_no_cost_and_what_was_chosen_is_not),
		cmocka_unit_test(a_line_that_makes_no_sense_is_refused),
		cmocka_unit_test(only_the_hash_of_the_password_begins_a_session),
		cmocka_unit_test(a_session_is_over_after_its_time_or_when_it_is_ended),
		cmocka_unit_test(the_oldest_session_makes_room),
		cmocka_unit_test(another_password_ends_all_sessions_and_vouches_for_nobody),
	};

	return cmocka_run_group_tests(tests, setup_all, NULL);
}
