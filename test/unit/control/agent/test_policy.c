/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a node does with the policy that its coordinator tells it. */
#include "unit/control/agent/fake.h"

#include "crypto/init.h"

#include <assert.h>

#define POLICY(version, digest, text)                                                                        \
	"{\"t\":\"policy\",\"version\":" version ",\"digest\":\"" digest "\",\"text\":\"" text               \
	"\",\"nodes\":\"a " PEER_A "\\n\"}"
#define FIRST POLICY("1", "00000000000000d1", "rules: []")

static void the_owner_hears_of_each_policy_once(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	assert_null(json_object_get(f.hello, "policy"));
	fake_say(&f, FIRST);
	fake_say(&f, FIRST);
	fake_say(&f, POLICY("2", "00000000000000d2", "# two"));
	fake_run_until(&f, &f.policies, 2);
	assert_int_equal(f.policies, 2);
	assert_int_equal(f.policy_version, 2);
	assert_string_equal(f.policy_text, "# two");
	/* The version of a database that came back from a backup, and another text. */
	fake_say(&f, POLICY("2", "00000000000000d3", "# three"));
	fake_run_until(&f, &f.policies, 3);
	fake_close(&f);
}

static void one_that_cannot_be_read_leaves_the_old_one(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_say(&f, FIRST);
	fake_say(&f, "{\"t\":\"policy\",\"version\":2,\"digest\":\"x\",\"text\":\"\",\"nodes\":\"\"}");
	fake_say(&f, "{\"t\":\"policy\"}");
	fake_say(&f, POLICY("3", "00000000000000d3", "# three"));
	fake_run_until(&f, &f.policies, 2);
	assert_int_equal(f.policy_version, 3);
	fake_close(&f);
}

static void a_start_without_the_coordinator_has_the_policy_of_the_last_run(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_say(&f, FIRST);
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
	assert_string_equal(json_string_value(json_object_get(f.hello, "policy")), "00000000000000d1");
	fake_close(&f);
}

static void who_is_removed_keeps_none(void **state UNUSED)
{
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_say(&f, FIRST);
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
		cmocka_unit_test(who_is_removed_keeps_none),
	};

	assert(crypto_init(NULL) == TM_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
