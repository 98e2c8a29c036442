/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/web/pages/fixture.h"

#define LAPTOP                                                                                               \
	"{\"id\":\"00000000000000aa\",\"name\":\"laptop\",\"ip4\":\"100.100.0.2\",\"tags\":[\"dev\"],"       \
	"\"kind\":\"node\",\"online\":true,\"version\":\"0.1.0\",\"os\":\"linux\",\"coordinator\":true}"
#define NAS                                                                                                  \
	"{\"id\":\"00000000000000bb\",\"name\":\"nas\",\"ip4\":\"100.100.0.3\",\"kind\":\"node\","           \
	"\"online\":false,\"last_seen_at\":999700,\"aliases\":[\"files\"]}"

static const char both[] = "{\"nodes\":[" LAPTOP "," NAS "]}";

static int end(void **state)
{
	(void)state;
	fixture_end();
	return 0;
}

static void each_member_is_a_row_with_its_presence(void **state)
{
	struct page p = nobody;

	(void)state;
	p.nodes = list_of(both);
	expect_shown(page_nodes, &p, "<a href=\"/nodes/00000000000000aa\">laptop</a> <span class=\"badge\">");
	expect_shown(page_nodes, &p, "<span class=\"state good\">online</span>");
	expect_shown(page_nodes, &p, "<span class=\"state bad\">seen 5 min ago</span>");
	expect_shown(page_nodes, &p, "<p class=\"count\">2 shown</p>");
}

static void where_a_link_comes_from_is_for_administrators(void **state)
{
	struct page p = nobody;

	(void)state;
	p.nodes = list_of(
		"{\"nodes\":[{\"id\":\"00000000000000aa\",\"name\":\"x\",\"link_from\":\"192.0.2.7\"}]}");
	expect_not_shown(page_nodes, &p, "Link from");
	expect_not_shown(page_nodes, &p, "192.0.2.7");
	p.admin = true;
	expect_shown(page_nodes, &p, ">Link from</th>");
	expect_shown(page_nodes, &p, ">192.0.2.7</td>");
}

static void each_member_is_shown_with_what_is_known_of_its_pairs(void **state)
{
	struct page p = nobody;

	(void)state;
	p.nodes = list_of(both);
	expect_not_shown(page_nodes, &p, "Round trip");
	p.reports = list_of(
		"{\"pairs\":[{\"a\":\"00000000000000aa\",\"b\":\"00000000000000bb\",\"path\":\"relay\",\"rtt_"
		"us\":9000,"
		"\"rate\":125000},{\"a\":\"00000000000000aa\",\"b\":\"00000000000000cc\",\"path\":\"direct\","
		"\"rtt_us\":5000,\"rate\":125000},{\"a\":\"00000000000000aa\",\"b\":\"00000000000000dd\","
		"\"path\":"
		"\"direct\",\"rtt_us\":7000,\"rate\":0}]}");
	expect_shown(page_nodes, &p,
		"<span class=\"state relay\">2 direct, 1 relayed</span></td><td class=\"number\">7.0 ms</td>"
		"<td class=\"number\">2.00 Mbit/s</td>");
	expect_shown(page_nodes, &p,
		"<span class=\"state relay\">1 relayed</span></td><td class=\"number\">9.0 "
		"ms</td>");
	p.reports = list_of("{\"members\":[{\"id\":\"00000000000000aa\",\"alarms\":[]},"
			    "{\"id\":\"00000000000000bb\",\"alarms\":[\"dns\"]}]}");
	expect_shown(page_nodes, &p, "nas</a> <span class=\"state bad\">alarm</span></th>");
	expect_not_shown(page_nodes, &p, "coordinator</span> <span class=\"state bad\">");
}

static void a_search_finds_names_tags_aliases_and_addresses(void **state)
{
	static const struct {
		const char *search, *count;
	} rows[] = {{"LAP", "1 shown"}, {"dev", "1 shown"}, {"file", "1 shown"}, {"100.100.0", "2 shown"},
		{"nobody", "0 shown"}, {"", "2 shown"}};
	struct page p = nobody;

	(void)state;
	p.nodes = list_of(both);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		p.search = rows[i].search;
		expect_shown(page_nodes, &p, rows[i].count);
	}
}

static void a_list_of_several_pages_is_one_table(void **state)
{
	const msg_object *pages[] = {
		answer_of("{\"nodes\":[" LAPTOP "]}"), answer_of("{\"nodes\":[" NAS "]}")};
	struct page p = nobody;

	(void)state;
	p.nodes = (struct page_list){.v = pages, .n = 2};
	expect_shown(page_nodes, &p, "2 shown");
	assert_non_null(page_find(&p.nodes, "nodes", "00000000000000bb"));
	assert_null(page_find(&p.nodes, "nodes", "00000000000000cc"));
}

static void what_a_member_or_viewer_says_is_only_text(void **state)
{
	struct page p = nobody;

	(void)state;
	p.nodes = list_of("{\"nodes\":[{\"id\":\"\\\"><b>\",\"name\":\"<i>\",\"os\":\"<script>\","
			  "\"version\":\"'x\",\"tags\":[\"<u>\"]}]}");
	p.search = "";
	expect_not_shown(page_nodes, &p, "<i>");
	expect_not_shown(page_nodes, &p, "<b>");
	expect_not_shown(page_nodes, &p, "<u>");
	expect_not_shown(page_nodes, &p, "<script>");
	expect_shown(page_nodes, &p, "<a href=\"/nodes/%22%3E%3Cb%3E\">&lt;i&gt;</a>");
	expect_shown(page_nodes, &p, "<td class=\"quiet\">&lt;script&gt;</td>");
	expect_shown(page_nodes, &p, "<span class=\"tag\">&lt;u&gt;</span>");
	expect_shown(page_nodes, &p, "<td class=\"mono\">&#39;x</td>");
	p.search = "\"><svg onload=x>";
	p.error = "<em>";
	expect_not_shown(page_nodes, &p, "<svg");
	expect_not_shown(page_nodes, &p, "<em>");
	expect_shown(page_nodes, &p, "value=\"&quot;&gt;&lt;svg onload=x&gt;\"");
	expect_shown(page_nodes, &p, "<p>&lt;em&gt;</p>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(each_member_is_a_row_with_its_presence, end),
		cmocka_unit_test_teardown(where_a_link_comes_from_is_for_administrators, end),
		cmocka_unit_test_teardown(each_member_is_shown_with_what_is_known_of_its_pairs, end),
		cmocka_unit_test_teardown(a_search_finds_names_tags_aliases_and_addresses, end),
		cmocka_unit_test_teardown(a_list_of_several_pages_is_one_table, end),
		cmocka_unit_test_teardown(what_a_member_or_viewer_says_is_only_text, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
