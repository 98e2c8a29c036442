/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The coordinator asks how we are, and is told; nobody else is. */
#include "unit/control/agent/fake.h"

#include "crypto/init.h"

#include <assert.h>
#include <string.h>

static void who_asks_is_told_and_the_owner_hears_how_often(void **state UNUSED)
{
	static struct msg_report m = {.whole = true};
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_say(&f, "{\"t\":\"report\",\"every_ms\":2000,\"for_ms\":20000,\"whole\":true}");
	fake_run_until(&f, &f.report_asks, 1);
	assert_int_equal(f.report_ask.every_ms, 2000);
	assert_int_equal(f.report_ask.for_ms, 20000);
	assert_true(f.report_ask.whole);
	const unsigned before = f.messages;
	agent_report(f.agent, &m);
	fake_run_until(&f, &f.messages, before + 1);
	assert_string_equal(json_string_value(json_object_get(f.last, "t")), "report");
	/* What cannot be meant is not asked. */
	fake_say(&f, "{\"t\":\"report\",\"every_ms\":1}");
	fake_say(&f, "{\"t\":\"report\",\"every_ms\":60000}");
	fake_run_until(&f, &f.report_asks, 2);
	assert_int_equal(f.report_asks, 2);
	assert_int_equal(f.report_ask.every_ms, 60000);
	fake_close(&f);
}

static void without_a_link_nobody_is_told(void **state UNUSED)
{
	static struct msg_report m = {.whole = true};
	struct fake f;

	fake_open(&f);
	fake_link(&f);
	fake_stop_serving(&f);
	fake_run_until(&f, &f.link_downs, 1);
	const unsigned before = f.messages;
	agent_report(f.agent, &m);
	fake_serve(&f);
	fake_run_until(&f, &f.link_ups, 2);
	fake_run_ms(&f, 50);
	assert_int_equal(f.messages, before);
	fake_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_asks_is_told_and_the_owner_hears_how_often),
		cmocka_unit_test(without_a_link_nobody_is_told),
	};

	assert(crypto_init(NULL) == TM_OK);
	return cmocka_run_group_tests_name("agent reports", tests, NULL, NULL);
}
