/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a node does with the policy that its coordinator tells it. */
#include "unit/control/agent/fake.h"

#include "crypto/init.h"

#include <assert.h>

#define NODES "a " PEER_A "\n"

static void say_policy(struct fake *f, uint64_t version, const char *text)
{
	char digest[POLICY_DIGEST_LEN + 1], message[256];

	policy_digest(text, NODES, digest);
	snprintf(message, sizeof(message),
		"{\"t\":\"policy\",\"version\":%" PRIu64
		",\"digest\":\"%s\",\"text\":\"%s\",\"nodes\":\"a " PEER_A "\\n\"}",
		version, digest, text);
	fake_say(f, message);
}

static void the_owner_hears_of_each_policy_once(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	assert_null(json_object_get(f.hello, "policy"));
	say_policy(&f, 1, "rules: []");
	say_policy(&f, 1, "rules: []");
	say_policy(&f, 2, "# two");
	fake_run_until(&f, &f.policies, 2);
	assert_int_equal(f.policies, 2);
	assert_int_equal(f.policy_version, 2);
	assert_string_equal(f.policy_text, "# two");
	/* The version of a database that came back from a backup, and another text. */
	say_policy(&f, 2, "# three");
	fake_run_until(&f, &f.policies, 3);
	fake_close(&f);
}

static void one_that_cannot_be_read_leaves_the_old_one(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	say_policy(&f, 1, "rules: []");
	fake_say(&f, "{\"t\":\"policy\",\"version\":2,\"digest\":\"x\",\"text\":\"\",\"nodes\":\"\"}");
	fake_say(&f, "{\"t\":\"policy\"}");
	/* Nor one that is not what its digest says. */
	fake_say(&f, "{\"t\":\"policy\",\"version\":2,\"digest\":\"0123456789abcdef\",\"text\":\"\","
		     "\"nodes\":\"\"}");
	say_policy(&f, 3, "# three");
	fake_run_until(&f, &f.policies, 2);
	assert_int_equal(f.policy_version, 3);
	fake_close(&f);
}

static void a_start_without_the_coordinator_has_the_policy_of_the_last_run(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	say_policy(&f, 1, "rules: []");
	fake_run_until(&f, &f.policies, 1);
	fake_stop(&f);
	fake_stop_serving(&f);
	f.policy_version = 0;
	fake_start(&f);
	assert_int_equal(f.policy_version, 1);
	assert_string_equal(f.policy_text, "rules: []");
	assert_string_equal(peers_policy(f.peers)->nodes, "a " PEER_A "\n");
	/* It says which one it has, so that it is not told it again. */
	fake_serve(&f);
	fake_run_until(&f, &f.link_ups, 2);
	char digest[POLICY_DIGEST_LEN + 1];
	policy_digest("rules: []", NODES, digest);
	assert_string_equal(json_string_value(json_object_get(f.hello, "policy")), digest);
	fake_close(&f);
}

static void expect_hello(const struct fake *f, const char *text)
{
	char digest[POLICY_DIGEST_LEN + 1];

	policy_digest(text, NODES, digest);
	assert_string_equal(json_string_value(json_object_get(f->hello, "policy")), digest);
}

/* Of a later version of the program, say: the next start has the one that is in force. */
static void one_that_is_not_in_force_takes_no_place(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	say_policy(&f, 1, "rules: []");
	f.policy_refuses = 2;
	say_policy(&f, 2, "# two");
	fake_run_until(&f, &f.policies, 2);
	assert_string_equal(peers_policy(f.peers)->text, "rules: []");
	fake_stop(&f);
	fake_stop_serving(&f);
	fake_start(&f);
	assert_int_equal(f.policies, 3);
	assert_string_equal(f.policy_text, "rules: []");
	/* It tells which one it goes by, and so is told again. */
	fake_serve(&f);
	fake_run_until(&f, &f.link_ups, 2);
	expect_hello(&f, "rules: []");
	say_policy(&f, 2, "# two");
	fake_run_until(&f, &f.policies, 4);
	f.policy_refuses = 0;
	say_policy(&f, 2, "# two");
	fake_run_until(&f, &f.policies, 5);
	assert_string_equal(peers_policy(f.peers)->text, "# two");
	fake_close(&f);
}

/* Else the next start would know of none, and everything would pass. */
static void one_that_is_not_in_force_is_kept_where_there_is_no_other(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	f.policy_refuses = 1;
	say_policy(&f, 1, "# one");
	fake_run_until(&f, &f.policies, 1);
	fake_stop(&f);
	fake_stop_serving(&f);
	fake_start(&f);
	assert_int_equal(f.policies, 2);
	assert_string_equal(f.policy_text, "# one");
	fake_serve(&f);
	fake_run_until(&f, &f.link_ups, 2);
	assert_string_equal(json_string_value(json_object_get(f.hello, "policy")), POLICY_DIGEST_LOST);
	/* The same, by which it can go now. */
	f.policy_refuses = 0;
	say_policy(&f, 1, "# one");
	fake_run_until(&f, &f.policies, 3);
	say_policy(&f, 1, "# one");
	say_policy(&f, 2, "# two");
	fake_run_until(&f, &f.policies, 4);
	assert_string_equal(f.policy_text, "# two");
	fake_close(&f);
}

static void one_that_is_in_force_after_all_keeps_its_place(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	f.policy_refuses = 1;
	say_policy(&f, 1, "# one");
	fake_run_until(&f, &f.policies, 1);
	agent_policy_held(f.agent, 1); /* members have changed, say */
	f.policy_refuses = 2;
	say_policy(&f, 2, "# two");
	fake_run_until(&f, &f.policies, 2);
	assert_string_equal(peers_policy(f.peers)->text, "# one");
	fake_close(&f);
}

/* The coordinator has lost it, with its database say. */
static void one_that_there_is_not_any_more_is_none(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	say_policy(&f, 1, "rules: []");
	fake_say(&f, "{\"t\":\"policy\",\"version\":0}");
	fake_run_until(&f, &f.policies, 2);
	assert_int_equal(f.policy_version, 0);
	assert_false(peers_policy(f.peers)->lost);
	fake_close(&f);
}

static void expect_held(struct fake *f, unsigned messages, int version)
{
	fake_run_until(f, &f->messages, messages);
	assert_int_equal(f->messages, messages);
	assert_string_equal(json_string_value(json_object_get(f->last, "t")), "policy_held");
	assert_int_equal(json_integer_value(json_object_get(f->last, "version")), version);
}

/* Of several changes in one turn the last. */
static void the_coordinator_hears_what_the_owner_goes_by(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	const unsigned before = f.messages;
	agent_policy_held(f.agent, 1);
	agent_policy_held(f.agent, 2);
	expect_held(&f, before + 1, 2);
	agent_policy_held(f.agent, 2);
	agent_policy_held(f.agent, 3);
	expect_held(&f, before + 2, 3);
	/* So does the next one; what changed meanwhile it hears once. */
	fake_stop_serving(&f);
	fake_run_until(&f, &f.link_downs, 1);
	agent_policy_held(f.agent, 0);
	fake_serve(&f);
	expect_held(&f, before + 3, 0);
	fake_close(&f);
}

static void who_is_removed_keeps_none(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	say_policy(&f, 1, "rules: []");
	fake_run_until(&f, &f.policies, 1);
	f.on_hello[1] = NULL;
	fake_say(&f, "{\"t\":\"removed\",\"why\":\"the test says so\"}");
	fake_run_until(&f, &f.policies, 2);
	assert_int_equal(f.policy_version, 0);
	fake_stop(&f);
	fake_stop_serving(&f);
	fake_start(&f);
	assert_int_equal(f.policies, 2);
	fake_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_owner_hears_of_each_policy_once),
		cmocka_unit_test(one_that_cannot_be_read_leaves_the_old_one),
		cmocka_unit_test(a_start_without_the_coordinator_has_the_policy_of_the_last_run),
		cmocka_unit_test(one_that_is_not_in_force_takes_no_place),
		cmocka_unit_test(one_that_is_not_in_force_is_kept_where_there_is_no_other),
		cmocka_unit_test(one_that_is_in_force_after_all_keeps_its_place),
		cmocka_unit_test(one_that_there_is_not_any_more_is_none),
		cmocka_unit_test(the_coordinator_hears_what_the_owner_goes_by),
		cmocka_unit_test(who_is_removed_keeps_none),
	};

	assert(crypto_init(NULL) == TM_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
