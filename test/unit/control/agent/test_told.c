/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the node's log says of its link: each state once, whatever alternates. */
#include "unit/control/agent/fake.h"

#include "crypto/init.h"

#include <assert.h>

static struct {
	unsigned all, warnings, infos;
	char last_warning[LOG_LINE_MAX];
} told;

static void count(void *ctx UNUSED, const char *line, size_t n)
{
	told.all++;
	told.infos += memmem(line, n, " info agent: linked", 19) != NULL;
	if (!memmem(line, n, " warn agent: no link", 20))
		return;
	told.warnings++;
	snprintf(told.last_warning, sizeof(told.last_warning), "%.*s", (int)n, line);
}

static void open_counting(struct fake *f)
{
	fake_open(f);
	memset(&told, 0, sizeof(told));
	log_set_sink(count, NULL);
	log_set_level(LOG_DEBUG); /* where each attempt is told */
}

static void close_counting(struct fake *f)
{
	log_set_level(LOG_INFO);
	fake_close(f);
}

static void addresses_that_fail_together_are_told_once(void **state UNUSED)
{
	struct fake f;

	open_counting(&f);
	f.enrolment.n_addresses = 3;
	for (size_t i = 0; i < 3; i++) {
		struct endpoint at = f.at;

		at.ip.bytes[3] = (uint8_t)(1 + i);
		endpoint_format(&at, f.enrolment.addresses[i]);
	}
	fake_start(&f);
	fake_run_until(&f, &told.all, 40);
	assert_int_equal(told.warnings, 1);
	assert_contains_text(told.last_warning, "127.0.0.3"); /* whole, with the reason */
	assert_contains_text(told.last_warning, "connection refused");
	fake_serve(&f);
	fake_run_until(&f, &f.link_ups, 1);
	assert_int_equal(told.infos, 1);
	close_counting(&f);
}

static void a_link_that_never_lasts_is_told_once(void **state UNUSED)
{
	struct fake f;

	open_counting(&f);
	fake_serve(&f);
	fake_start(&f);
	for (unsigned i = 1; i <= 20; i++) {
		fake_run_until(&f, &f.link_ups, i);
		clink_close(f.link, "go away");
		fake_run_until(&f, &f.link_downs, i);
	}
	assert_int_equal(told.warnings, 1);
	assert_in_range(told.infos, 1, 2);
	close_counting(&f);
}

static void a_state_that_begins_anew_is_told_anew(void **state UNUSED)
{
	struct fake f;

	open_counting(&f);
	f.tuning.stable = 0; /* every link counts as one that lasted */
	fake_serve(&f);
	fake_start(&f);
	for (unsigned i = 1; i <= 3; i++) {
		fake_run_until(&f, &f.link_ups, i);
		assert_int_equal(told.infos, i);
		clink_close(f.link, "go away");
		fake_run_until(&f, &f.link_downs, i);
		assert_int_equal(told.warnings, i);
	}
	close_counting(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_that_fail_together_are_told_once),
		cmocka_unit_test(a_link_that_never_lasts_is_told_once),
		cmocka_unit_test(a_state_that_begins_anew_is_told_anew),
	};

	assert(crypto_init(NULL) == TM_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
