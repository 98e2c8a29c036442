/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What nodes report: it comes out as it was put, what makes no sense is left out, what is not known counts as
 * not told. */
#include "fake/meshjson.h"
#include "unit/unit.h"

#include "wire/msg/report.h"

#define ID "0123456789abcdef"

static struct msg_report again(const struct msg_report *m)
{
	struct msg_report back;
	struct jsonout o = {0};

	msg_report_put(&o, m);
	json_t *j = meshjson_parse(&o);
	assert_string_equal(msg_type(j).text, "report");
	msg_report_get(j, &back);
	json_decref(j);
	return back;
}

static struct msg_report got(const char *text)
{
	struct msg_report m;
	json_t *j = meshjson_load(text);

	msg_report_get(j, &m);
	json_decref(j);
	return m;
}

static void what_a_node_says_of_itself_comes_out_as_it_was_put(void **state UNUSED)
{
	const struct msg_report m = {.whole = true,
		.over_ms = 60123,
		.has_self = true,
		.self = {.uptime_s = 5,
			.cpu_permille = 1200,
			.memory = UINT64_C(1) << 33,
			.drops = 7,
			.relayed = 9,
			.relay_members = 3,
			.mtu = 1420,
			.workers = 4,
			.metrics_port = 5210,
			.alarms = 1 << REPORT_ALARM_DNS | 1 << REPORT_ALARM_POLICY,
			.offloads = "gso gro"}};
	const struct msg_report back = again(&m), nothing = again(&(struct msg_report){.n_peers = 0});

	assert_true(back.whole && back.has_self);
	assert_int_equal(back.over_ms, m.over_ms);
	assert_int_equal(back.self.uptime_s, m.self.uptime_s);
	assert_int_equal(back.self.cpu_permille, m.self.cpu_permille);
	assert_int_equal(back.self.memory, m.self.memory);
	assert_int_equal(back.self.drops, m.self.drops);
	assert_int_equal(back.self.relayed, m.self.relayed);
	assert_int_equal(back.self.relay_members, m.self.relay_members);
	assert_int_equal(back.self.mtu, m.self.mtu);
	assert_int_equal(back.self.workers, m.self.workers);
	assert_int_equal(back.self.metrics_port, m.self.metrics_port);
	assert_int_equal(back.self.alarms, m.self.alarms);
	assert_string_equal(back.self.offloads, m.self.offloads);
	assert_false(
		nothing.whole || nothing.has_self || nothing.n_peers || nothing.n_rules || nothing.over_ms);
}

static void assert_same_peer(const struct report_peer *a, const struct report_peer *b)
{
	assert_string_equal(a->node, b->node);
	assert_int_equal(a->path, b->path);
	assert_int_equal(a->family, b->family);
	assert_int_equal(a->not_direct, b->not_direct);
	assert_string_equal(a->relay, b->relay);
	assert_int_equal(a->rtt_us, b->rtt_us);
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->age_s, b->age_s);
	assert_int_equal(a->rx, b->rx);
	assert_int_equal(a->tx, b->tx);
}

static void what_it_says_of_peers_comes_out_as_it_was_put(void **state UNUSED)
{
	const struct msg_report m = {.peers = {{.node = ID,
						       .path = REPORT_RELAY,
						       .family = 6,
						       .not_direct = PATH_NOT_SYMMETRIC,
						       .relay = "00000000000000aa",
						       .rtt_us = 1,
						       .mtu = 1280,
						       .age_s = 3,
						       .rx = INT64_MAX,
						       .tx = 1},
					     {.node = "00000000000000bb", .path = REPORT_GONE}},
		.n_peers = 2};
	const struct msg_report back = again(&m);

	assert_int_equal(back.n_peers, 2);
	for (size_t i = 0; i < 2; i++)
		assert_same_peer(&back.peers[i], &m.peers[i]);
}

static void what_its_rules_decided_comes_out_as_it_was_put(void **state UNUSED)
{
	const struct msg_report m = {
		.rules = {{.id = "ssh", .action = REPORT_ALLOW, .hits = INT64_MAX},
			{.id = "", .action = REPORT_DENY, .hits = 1},
			{.id = "0123456789abcdef0123456789abcdef", .action = REPORT_REJECT, .hits = 7}},
		.n_rules = 3};
	const struct msg_report back = again(&m);

	assert_int_equal(back.n_rules, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(back.rules[i].id, m.rules[i].id);
		assert_int_equal(back.rules[i].action, m.rules[i].action);
		assert_int_equal(back.rules[i].hits, m.rules[i].hits);
	}
}

static void rules_that_make_no_sense_are_left_out(void **state UNUSED)
{
	static const char *const bad[] = {"{}", "7", "{\"rule\":\"x\",\"hits\":1}",
		"{\"rule\":\"x\",\"action\":\"allow\"}", "{\"rule\":\"x\",\"action\":\"allow\",\"hits\":0}",
		"{\"rule\":\"x\",\"action\":\"allow\",\"hits\":-1}",
		"{\"rule\":\"x\",\"action\":\"of a later version\",\"hits\":1}",
		"{\"rule\":7,\"action\":\"allow\",\"hits\":1}",
		"{\"rule\":\"0123456789abcdef0123456789abcdef0\",\"action\":\"allow\",\"hits\":1}"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[256];

		snprintf(text, sizeof(text),
			"{\"rules\":[%s,{\"rule\":\"y\",\"action\":\"deny\",\"hits\":2}]}", bad[i]);
		const struct msg_report m = got(text);
		if (m.n_rules != 1 || m.rules[0].hits != 2)
			fail_msg("row %zu", i);
	}
}

static void peers_that_make_no_sense_are_left_out(void **state UNUSED)
{
	static const char *const bad[] = {"{}", "7", "{\"node\":\"" ID "\"}",
		"{\"node\":\"" ID "\",\"path\":\"by pigeon\"}", "{\"node\":\"../x\",\"path\":\"direct\"}",
		"{\"node\":7,\"path\":\"direct\"}"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[256];

		snprintf(text, sizeof(text), "{\"peers\":[%s,{\"node\":\"" ID "\",\"path\":\"tcp\"}]}",
			bad[i]);
		const struct msg_report m = got(text);
		if (m.n_peers != 1 || m.peers[0].path != REPORT_TCP)
			fail_msg("row %zu", i);
	}
}

static void no_more_is_taken_than_there_is_room_for(void **state UNUSED)
{
	struct strbuf b = {0};

	strbuf_printf(&b, "{\"peers\":[");
	for (unsigned i = 0; i < REPORT_PEERS_MAX + 5; i++)
		strbuf_printf(&b, "%s{\"node\":\"%016x\",\"path\":\"direct\"}", i ? "," : "", i);
	strbuf_printf(&b, "],\"rules\":[");
	for (unsigned i = 0; i < REPORT_RULES_MAX + 5; i++)
		strbuf_printf(&b, "%s{\"rule\":\"r%u\",\"action\":\"deny\",\"hits\":1}", i ? "," : "", i);
	strbuf_printf(&b, "]}");
	char *text = strbuf_take(&b);
	const struct msg_report m = got(text);
	assert_int_equal(m.n_peers, REPORT_PEERS_MAX);
	assert_int_equal(m.n_rules, REPORT_RULES_MAX);
	free(text);
}

/* A coordinator takes 64 KiB from a link (control/coord/coord.c). */
static void the_longest_that_there_can_be_is_taken(void **state UNUSED)
{
	struct msg_report m = {.whole = true, .over_ms = UINT32_MAX, .has_self = true};
	struct jsonout o = {0};
	size_t n = 0;

	m.self = (struct report_self){UINT32_MAX, UINT32_MAX, INT64_MAX, INT64_MAX, INT64_MAX, UINT32_MAX,
		UINT16_MAX, UINT16_MAX, UINT16_MAX, UINT32_MAX, ""};
	memset(m.self.offloads, 'x', REPORT_OFFLOADS_MAX);
	for (m.n_peers = 0; m.n_peers < REPORT_PEERS_MAX; m.n_peers++)
		m.peers[m.n_peers] = (struct report_peer){ID, REPORT_CHECKING, 6, PATH_NOT_SYMMETRIC, ID,
			UINT32_MAX, UINT16_MAX, UINT32_MAX, INT64_MAX, INT64_MAX};
	for (m.n_rules = 0; m.n_rules < REPORT_RULES_MAX; m.n_rules++) {
		m.rules[m.n_rules] = (struct report_rule){.action = REPORT_REJECT, .hits = INT64_MAX};
		memset(m.rules[m.n_rules].id, 'x', REPORT_RULE_ID_MAX);
	}
	msg_report_put(&o, &m);
	char *text = jsonout_take(&o, &n);
	assert_non_null(text);
	assert_in_range(n, 32 << 10, 48 << 10);
	free(text);
}

static void numbers_and_words_that_are_not_known_count_as_not_told(void **state UNUSED)
{
	const struct msg_report m =
		got("{\"over_ms\":-1,\"self\":{\"mtu\":70000,\"cpu\":\"much\",\"offloads\":\"a\\u001bb\","
		    "\"alarms\":[\"dns\",\"of a later version\",7]},"
		    "\"peers\":[{\"node\":\"" ID "\",\"path\":\"direct\",\"family\":5,\"rtt_us\":-3,"
		    "\"relay\":\"x\",\"not_direct\":\"of a later version\"}]}");

	assert_int_equal(m.over_ms, 0);
	assert_int_equal(m.self.mtu, 0);
	assert_int_equal(m.self.cpu_permille, 0);
	assert_string_equal(m.self.offloads, "");
	assert_int_equal(m.self.alarms, 1 << REPORT_ALARM_DNS);
	assert_int_equal(m.n_peers, 1);
	assert_int_equal(m.peers[0].family, 0);
	assert_int_equal(m.peers[0].rtt_us, 0);
	assert_string_equal(m.peers[0].relay, "");
	assert_int_equal(m.peers[0].not_direct, PATH_NOT_NOTHING);
}

static bool is_same(const struct msg_report_ask *a, const struct msg_report_ask *b)
{
	return a->every_ms == b->every_ms && a->for_ms == b->for_ms && a->whole == b->whole;
}

static void the_coordinator_asks_for_what_it_can_mean(void **state UNUSED)
{
	static const struct {
		const char *text;
		bool ok;
		struct msg_report_ask is;
	} rows[] = {
		{"{\"every_ms\":60000}", true, {60000, 0, false}},
		{"{\"every_ms\":2000,\"for_ms\":20000,\"whole\":true}", true, {2000, 20000, true}},
		{"{}", false, {0}},
		{"{\"every_ms\":0}", false, {0}},
		{"{\"every_ms\":999}", false, {0}},
		{"{\"every_ms\":2000,\"for_ms\":-1}", false, {0}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct msg_report_ask m, back;
		json_t *j = meshjson_load(rows[i].text);
		struct jsonout o = {0};

		assert_int_equal(msg_report_ask_get(j, &m) == TM_OK, rows[i].ok);
		json_decref(j);
		if (!rows[i].ok)
			continue;
		msg_report_ask_put(&o, &m);
		j = meshjson_parse(&o);
		assert_int_equal(msg_report_ask_get(j, &back), TM_OK);
		json_decref(j);
		assert_true(is_same(&m, &rows[i].is));
		assert_true(is_same(&m, &back));
	}
}

static void each_reason_has_a_word_that_means_it(void **state UNUSED)
{
	for (enum path_not i = PATH_NOT_NOTHING; i < PATH_NOT_N; i++)
		assert_int_equal(path_not_parse(path_not_word(i)), i);
	assert_int_equal(path_not_parse(NULL), PATH_NOT_NOTHING);
	assert_int_equal(path_not_parse("of a later version"), PATH_NOT_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_node_says_of_itself_comes_out_as_it_was_put),
		cmocka_unit_test(what_it_says_of_peers_comes_out_as_it_was_put),
		cmocka_unit_test(peers_that_make_no_sense_are_left_out),
		cmocka_unit_test(what_its_rules_decided_comes_out_as_it_was_put),
		cmocka_unit_test(rules_that_make_no_sense_are_left_out),
		cmocka_unit_test(no_more_is_taken_than_there_is_room_for),
		cmocka_unit_test(the_longest_that_there_can_be_is_taken),
		cmocka_unit_test(numbers_and_words_that_are_not_known_count_as_not_told),
		cmocka_unit_test(the_coordinator_asks_for_what_it_can_mean),
		cmocka_unit_test(each_reason_has_a_word_that_means_it),
	};

	return cmocka_run_group_tests_name("reports", tests, NULL, NULL);
}
