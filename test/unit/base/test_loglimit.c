/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/err.h"
#include "base/loglimit.h"

/* How many of n lines about that peer are written now. */
static unsigned written(struct log_limit *l, uint64_t who, unsigned n, ns_t now)
{
	uint64_t left_out;
	unsigned allowed = 0;

	for (unsigned i = 0; i < n; i++)
		allowed += log_allow(l, who, now, &left_out);
	return allowed;
}

static void each_peer_has_its_part_of_a_window(void **state)
{
	struct log_limit l = {.window = 60 * SEC, .each = 2, .all = 10};

	(void)state;
	assert_int_equal(written(&l, 7, 1000000, 5), 2);
	assert_int_equal(written(&l, 8, 1, 5), 1); /* whoever else has something to say is heard */
	assert_int_equal(written(&l, 7, 1000, 4 + 60 * SEC), 0);
	assert_int_equal(written(&l, 7, 1000, 5 + 60 * SEC), 2);
}

static void a_crowd_writes_no_more_than_all_may(void **state)
{
	struct log_limit l = {.window = 60 * SEC, .each = 2, .all = 10};
	unsigned n = 0;

	(void)state;
	for (uint64_t who = 1; who <= 100000; who++)
		n += written(&l, who, 3, 1);
	assert_int_equal(n, 10);
}

static void those_who_are_not_told_apart_share_a_part(void **state)
{
	struct log_limit l = {.window = 60 * SEC, .each = 2, .all = 1000};
	unsigned n = 0;

	(void)state;
	for (uint64_t who = 1; who <= 2 * LOG_LIMIT_PEERS; who++)
		n += written(&l, who, 3, 1);
	assert_int_equal(n, 2 * LOG_LIMIT_PEERS);
}

struct captured {
	char line[LOG_LINE_MAX + 1];
	unsigned n;
};

static void capture(void *ctx, const char *line, size_t n)
{
	struct captured *c = ctx;

	memcpy(c->line, line, n);
	c->line[n] = '\0';
	c->n++;
}

static void the_next_line_says_how_many_were_left_out(void **state)
{
	struct log_limit l = {.window = 3600 * SEC, .each = 2, .all = 3};
	struct captured c = {.n = 0};

	(void)state;
	log_set_sink(capture, &c);
	for (unsigned i = 0; i < 10; i++)
		LOG_LIMITED(LOG_WARN, &l, 7, "test: again", KV_INT("i", i));
	assert_int_equal(c.n, 2);
	assert_non_null(strstr(c.line, "warn test: again i=1\n"));
	LOG_LIMITED(LOG_WARN, &l, 8, "test: again", KV_INT("i", 99));
	assert_non_null(strstr(c.line, "warn test: again i=99 left_out=8\n"));
	l.until = 0;
	LOG_LIMITED(LOG_DEBUG, &l, 8, "test: below the level");
	LOG_LIMITED(LOG_WARN, &l, 8, "test: none since");
	assert_non_null(strstr(c.line, "warn test: none since\n"));
	log_set_sink(NULL, NULL);
}

static void who_has_a_64_of_addresses_is_one_peer(void **state)
{
	struct ip a, b, c;

	(void)state;
	assert_int_equal(ip_parse("2001:db8::1", &a), TM_OK);
	assert_int_equal(ip_parse("2001:db8::ffff:1", &b), TM_OK);
	assert_int_equal(ip_parse("2001:db8:0:1::1", &c), TM_OK);
	assert_true(log_who_ip(&a) == log_who_ip(&b));
	assert_true(log_who_ip(&a) != log_who_ip(&c));
}

static void a_reason_is_news_once_in_a_state_and_only_a_few_are(void **state)
{
	struct log_told t = {.n = 0};
	char reason[32];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		n += log_is_news(&t, i % 2 ? "the first address is silent" : "the second refuses");
	assert_int_equal(n, 2);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(reason, sizeof(reason), "whatever it says: %u", i);
		n += log_is_news(&t, reason);
	}
	assert_int_equal(n, LOG_TOLD_MAX);
	t = (struct log_told){.n = 0};
	assert_true(log_is_news(&t, "the second refuses"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_peer_has_its_part_of_a_window),
		cmocka_unit_test(a_crowd_writes_no_more_than_all_may),
		cmocka_unit_test(those_who_are_not_told_apart_share_a_part),
		cmocka_unit_test(the_next_line_says_how_many_were_left_out),
		cmocka_unit_test(who_has_a_64_of_addresses_is_one_peer),
		cmocka_unit_test(a_reason_is_news_once_in_a_state_and_only_a_few_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
