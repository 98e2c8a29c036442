/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `top` makes of two answers to `status`: rates, order, and who is shown. */
#include "unit/unit.h"

#include "cli/core/top.h"

#define PEER(name, id, path, rtt, rx, tx)                                                                    \
	"{\"name\":\"" name "\",\"id\":\"" id "\",\"ip4\":\"100.64.0." id "\",\"path\":\"" path              \
	"\",\"relay\":\"hub\",\"endpoint\":\"192.0.2." id ":1\",\"rtt_ms\":" rtt ",\"rx_bytes\":" rx         \
	",\"tx_bytes\":" tx "}"

static void take(struct top *t, const char *peers, ns_t now)
{
	char text[4096];

	snprintf(text, sizeof(text),
		"{\"self\":{\"name\":\"desk\"},\"mesh\":{\"name\":\"home\"},\"uptime_s\":60,\"left_out\":2,"
		"\"link\":{\"up\":true},\"peers\":[%s]}",
		peers);
	json_t *j = json_loads(text, 0, NULL);
	assert_non_null(j);
	assert_int_equal(top_take(t, j, now), TM_OK);
}

/* "a,b,c" */
static const char *order(const struct top *t, char *buf, size_t n)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < t->n; i++)
		at += (size_t)snprintf(buf + at, n - at, "%s%s", i ? "," : "",
			json_string_value(json_object_get(t->v[i].j, "name")));
	return buf;
}

static void two_looks(struct top *t)
{
	take(t,
		PEER("a", "1", "direct", "1.5", "1000", "0") "," PEER("b", "2", "relay", "30", "0",
			"0") "," PEER("c", "3", "checking", "null", "5000", "5000"),
		10 * SEC);
	take(t,
		PEER("a", "1", "direct", "1.5", "3000", "0") "," PEER(
			"b", "2", "relay", "30", "0", "8000") "," PEER("c", "3", "checking", "null", "5000",
			"5000") "," PEER("d", "4", "idle", "null", "900", "900"),
		12 * SEC);
}

static void rates_are_of_the_time_between_two_answers(void **state UNUSED)
{
	struct top t = {.sort = TOP_NAME};

	two_looks(&t);
	assert_int_equal(t.n, 4);
	assert_true(t.v[0].received == 1000 && t.v[0].sent == 0);
	assert_true(t.v[1].received == 0 && t.v[1].sent == 4000);
	assert_true(t.v[2].received == 0 && t.v[2].sent == 0);
	/* One that was not there before: nobody knows since when it counts. */
	assert_true(t.v[3].received == 0 && t.v[3].sent == 0);
	top_deinit(&t);
}

static void counters_that_began_anew_make_no_rate(void **state UNUSED)
{
	struct top t = {0};

	take(&t, PEER("a", "1", "direct", "1", "9000", "9000"), SEC);
	assert_true(t.v[0].received == 0);
	take(&t, PEER("a", "1", "direct", "1", "10", "9500"), 2 * SEC);
	assert_true(t.v[0].received == 0 && t.v[0].sent == 500);
	top_deinit(&t);
}

static void each_order_has_what_is_looked_for_first(void **state UNUSED)
{
	static const struct {
		const char *sort;
		bool inverted;
		const char *want;
	} rows[] = {
		{"traffic", false, "b,a,c,d"},
		{"received", false, "a,b,c,d"},
		{"sent", false, "b,a,c,d"},
		{"rtt", false, "b,a,c,d"},
		{"path", false, "c,b,a,d"},
		{"name", false, "a,b,c,d"},
		{"name", true, "d,c,b,a"},
		{"traffic", true, "d,c,a,b"},
	};
	struct top t = {0};
	char buf[64];

	two_looks(&t);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(top_sort_parse(rows[i].sort, &t.sort), TM_OK);
		t.inverted = rows[i].inverted;
		top_arrange(&t);
		if (strcmp(order(&t, buf, sizeof(buf)), rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].sort, buf, rows[i].want);
	}
	assert_int_equal(top_sort_parse("loudness", &t.sort), TM_ENOENT);
	assert_int_equal(top_sort_of_key('l', &t.sort), TM_OK);
	assert_int_equal(t.sort, TOP_RTT);
	assert_int_equal(top_sort_of_key('x', &t.sort), TM_ENOENT);
	top_deinit(&t);
}

static void a_filter_looks_at_names_addresses_and_paths(void **state UNUSED)
{
	static const struct {
		const char *filter, *want;
	} rows[] = {
		{"", "a,b,c,d"},
		{"B", "b"},
		{"100.64.0.3", "c"},
		{"192.0.2.4:", "d"},
		{"via HUB", "b"},
		{"direct", "a"},
		{"zzz", ""},
	};
	struct top t = {.sort = TOP_NAME};
	char buf[64];

	two_looks(&t);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(t.filter, sizeof(t.filter), "%s", rows[i].filter);
		top_arrange(&t);
		if (strcmp(order(&t, buf, sizeof(buf)), rows[i].want) != 0)
			fail_msg("\"%s\": %s, not %s", rows[i].filter, buf, rows[i].want);
	}
	top_deinit(&t);
}

static void the_head_sums_all_peers_also_those_that_are_not_shown(void **state UNUSED)
{
	struct top t = {.filter = "zzz"};
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	two_looks(&t);
	top_print_head(&t, f);
	fclose(f);
	assert_non_null(strstr(text, "desk"));
	assert_non_null(strstr(text, "1 direct, 1 relayed, 1 checking, 0 offline of 6"));
	assert_non_null(strstr(text, "received 8.00 kbit/s, sent 32.0 kbit/s"));
	free(text);
	top_deinit(&t);
}

static void an_answer_without_peers_is_none(void **state UNUSED)
{
	struct top t = {0};

	assert_int_equal(top_take(&t, json_object(), SEC), TM_EPROTO);
	assert_null(t.status);
	top_deinit(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_of_the_time_between_two_answers),
		cmocka_unit_test(counters_that_began_anew_make_no_rate),
		cmocka_unit_test(each_order_has_what_is_looked_for_first),
		cmocka_unit_test(a_filter_looks_at_names_addresses_and_paths),
		cmocka_unit_test(the_head_sums_all_peers_also_those_that_are_not_shown),
		cmocka_unit_test(an_answer_without_peers_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
