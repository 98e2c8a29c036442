/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Asking under which address we are seen, by hand and at set times. */
#include "unit/unit.h"

#include "base/bytes.h"
#include "control/path/mapping.h"
#include "crypto/dh.h"
#include "crypto/init.h"

static const char server_id[] = "0123456789abcdef";

static uint32_t no_dice(void *ctx UNUSED)
{
	return 0;
}

struct scene {
	struct mapping m;
	struct stun_self self;
	struct dh_key *own;
	uint8_t key[32];
	struct endpoint at[3];
	ns_t now;
};

static int scene_open(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	uint8_t private[DH_KEY] = {8, [31] = 64};

	assert_non_null(s);
	mapping_init(&s->m);
	s->self.random = no_dice;
	s->now = 100 * SEC;
	snprintf(s->self.id, sizeof(s->self.id), "fedcba9876543210");
	assert_int_equal(dh_key_new(private, &s->own), TM_OK);
	private[1] = 7;
	assert_int_equal(dh_public(private, s->key), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.1:1", &s->at[0]), TM_OK);
	assert_int_equal(endpoint_parse("192.0.2.2:2", &s->at[1]), TM_OK);
	assert_int_equal(endpoint_parse("10.0.0.3:3", &s->at[2]), TM_OK);
	*state = s;
	return 0;
}

static int scene_close(void **state)
{
	struct scene *s = *state;

	dh_key_free(s->own);
	free(s);
	return 0;
}

static void serve(struct scene *s, size_t n)
{
	assert_int_equal(mapping_set_server(&s->m, server_id, s->at, n, s->own, s->key, 0, 0, s->now), TM_OK);
}

/* The next question is for servers[i]; its stamp. */
static uint64_t asks(struct scene *s, size_t i)
{
	uint8_t msg[192];
	struct endpoint to;
	size_t n;

	s->now = s->m.due;
	(void)mapping_step(&s->m, &s->self, s->now, msg, sizeof(msg), &n, &to);
	assert_true(n > 0);
	if (!endpoint_eq(&to, &s->at[i]))
		fail_msg("not asked at address %zu", i);
	return s->self.last_stamp;
}

static bool answers(struct scene *s, size_t i, uint64_t stamp, bool own)
{
	struct stun_msg m = {.class = STUN_SUCCESS};
	struct endpoint mapped;

	assert_int_equal(endpoint_parse("198.51.100.1:40000", &mapped), TM_OK);
	put_be64(m.txid, stamp);
	if (!mapping_asked(&s->m, server_id, &m, &s->at[i]))
		return false;
	(void)mapping_answered(&s->m, &s->at[i], &mapped, own, 0, s->now);
	return true;
}

static void the_tries_go_round_and_the_one_that_answers_is_asked_on(void **state)
{
	struct scene *s = *state;

	serve(s, 3);
	uint64_t first = asks(s, 0), second = asks(s, 1);
	(void)asks(s, 2);
	(void)asks(s, 0);
	assert_false(answers(s, 0, second, false)); /* it was asked something else */
	assert_true(answers(s, 1, second, false)); /* late, and good */
	(void)first;
	assert_true(endpoint_is_set(&s->m.reflexive));
	(void)asks(s, 1);
	(void)asks(s, 2);
	uint64_t third = asks(s, 0);
	assert_true(answers(s, 0, third, false));
	(void)asks(s, 0);
}

static void a_list_that_still_has_the_one_that_answers_changes_nothing(void **state)
{
	struct scene *s = *state;

	serve(s, 2);
	(void)asks(s, 0);
	assert_true(answers(s, 1, asks(s, 1), false));
	ns_t due = s->m.due;
	serve(s, 3);
	assert_int_equal(s->m.due, due);
	(void)asks(s, 1);
	/* One without it begins anew. */
	serve(s, 1);
	(void)asks(s, 0);
	serve(s, 0);
	assert_true(s->m.due == NS_NEVER);
}

static void when_the_one_that_answers_dies_the_others_of_the_newest_list_are_asked(void **state)
{
	struct scene *s = *state;
	const struct endpoint newest[] = {s->at[2], s->at[1]};

	serve(s, 2);
	(void)asks(s, 0);
	assert_true(answers(s, 1, asks(s, 1), false));
	assert_int_equal(
		mapping_set_server(&s->m, server_id, newest, 2, s->own, s->key, 0, 0, s->now), TM_OK);
	(void)asks(s, 1);
	(void)asks(s, 2);
	(void)asks(s, 1);
}

static void an_address_of_our_own_is_no_mapping_to_be_kept_alive(void **state)
{
	struct scene *s = *state;

	serve(s, 1);
	assert_true(answers(s, 0, asks(s, 0), false));
	assert_int_equal(s->m.due - s->now, MAPPING_EVERY);
	assert_true(answers(s, 0, asks(s, 0), true));
	assert_int_equal(s->m.due - s->now, MAPPING_OWN_EVERY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_tries_go_round_and_the_one_that_answers_is_asked_on, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			a_list_that_still_has_the_one_that_answers_changes_nothing, scene_open, scene_close),
		cmocka_unit_test_setup_teardown(
			when_the_one_that_answers_dies_the_others_of_the_newest_list_are_asked, scene_open,
			scene_close),
		cmocka_unit_test_setup_teardown(
			an_address_of_our_own_is_no_mapping_to_be_kept_alive, scene_open, scene_close),
	};

	return crypto_init(NULL) == TM_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
