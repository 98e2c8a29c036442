/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A member's page: what it told of itself and its pairs, now and before. */
#include "unit/unit.h"

#include "unit/web/pages/fixture.h"

#define OWN(rx, tx)                                                                                          \
	"{\"id\":\"00000000000000aa\",\"name\":\"nas\",\"told\":true,\"rx_bytes\":" rx ",\"tx_bytes\":" tx   \
	",\"path_age_s\":7200}"
#define OTHER "{\"id\":\"00000000000000bb\",\"name\":\"desk\",\"told\":false}"

static struct page page_of(const char *report)
{
	struct page p = nobody;

	p.id = "00000000000000aa";
	p.nodes = list_of("{\"nodes\":[{\"id\":\"00000000000000aa\",\"name\":\"nas\",\"kind\":\"node\"}]}");
	p.report = answer_of(report);
	return p;
}

static int end(void **state)
{
	(void)state;
	fixture_end();
	return 0;
}

static void what_a_member_told_of_itself_is_shown(void **state)
{
	struct page p = page_of(
		"{\"member\":{\"told\":true,\"age_s\":30,\"uptime_s\":7200,\"cpu\":125,\"memory_bytes\":"
		"9000000,\"drops\":12,\"mtu\":1420,\"workers\":2,\"offloads\":\"gso\",\"mapping\":"
		"\"dependent\",\"alarms\":[\"firewall\",\"later\"]},\"pairs\":[]}");

	(void)state;
	expect_shown(page_node, &p, ">30 s ago</time>");
	expect_shown(page_node, &p, "<dd class=\"\">2 h</dd>");
	expect_shown(page_node, &p, "12.5 % of a core");
	expect_shown(page_node, &p, "<dt>memory</dt><dd class=\"\">9.0 MB</dd>");
	expect_shown(page_node, &p, "another port for each destination");
	expect_shown(page_node, &p, "nas drops by its own firewall");
	expect_shown(page_node, &p, "nas says that something is wrong.");
	expect_not_shown(page_node, &p, "handed on for others");
	expect_shown(page_node, &p, "Nobody, as far as is known.");
}

static void who_has_told_nothing_has_no_facts_of_its_own(void **state)
{
	struct page p = page_of("{\"member\":{\"told\":false},\"pairs\":[]}");

	(void)state;
	expect_not_shown(page_node, &p, "What it tells of itself");
	p.report = NULL;
	expect_not_shown(page_node, &p, "Whom it talks with");
}

static void a_pair_is_seen_from_the_member_that_is_looked_at(void **state)
{
	struct page p = page_of(
		"{\"pairs\":[{\"path\":\"relay\",\"relay\":\"hub\",\"not_direct\":\"no UDP\",\"rtt_us\":"
		"12000,\"rate\":125000,\"ends\":[" OWN("1000", "2000") "," OTHER "]}],"
								       "\"pairs_in_all\":3}");

	(void)state;
	expect_shown(page_node, &p, "<a href=\"/nodes/00000000000000aa?with=00000000000000bb\">desk</a>");
	expect_shown(page_node, &p,
		"<span class=\"state relay\">relayed</span></td><td>hub</td><td>no UDP</td>"
		"<td class=\"number\">12 ms</td><td class=\"number\">1.0K</td><td class=\"number\">2.0K</td>"
		"<td class=\"number\">1.00 Mbit/s</td><td>2 h</td>");
	expect_shown(page_node, &p, "and 2 more");
	/* Only the other one told: what that received was sent from here. */
	p.report =
		answer_of("{\"pairs\":[{\"path\":\"direct\",\"ends\":[" OTHER "," OWN("1000", "2000") "]}]}");
	expect_shown(page_node, &p, "<td class=\"number\">2.0K</td><td class=\"number\">1.0K</td>");
}

/* now is 1000000. */
static void a_chart_is_drawn_and_said_in_words(void **state)
{
	struct page p = page_of("{\"pairs\":[{\"path\":\"direct\",\"ends\":[" OWN(
		"0", "0") "," OTHER "],\"recent\":["
			  "{\"at\":999000,\"path\":\"relay\",\"rtt_us\":20000},{\"at\":999730,\"path\":"
			  "\"direct\",\"rtt_us\":5000},"
			  "{\"at\":999850,\"path\":\"direct\",\"rtt_us\":null},{\"at\":999970,\"path\":"
			  "\"direct\",\"rtt_us\":10000}],"
			  "\"day\":[{\"at\":999999,\"path\":\"checking\"}],\"changes\":[{\"at\":999730,"
			  "\"by\":\"nas\",\"path\":"
			  "\"direct\"}]}]}");

	(void)state;
	/* Of 300 s the first 30 were relayed: what was then is cut off at the left. */
	expect_shown(page_node, &p, "the last five minutes: 5.0 ms to 20 ms, relayed 10 % of the time");
	expect_shown(
		page_node, &p, "<rect class=\"fill-relay\" x=\"0.0\" y=\"64\" width=\"60.0\" height=\"8\"/>");
	expect_shown(page_node, &p,
		"<rect class=\"fill-good\" x=\"60.0\" y=\"68\" width=\"240.0\" height=\"4\"/>");
	/* One step, a gap where nothing was known, and until now. */
	expect_shown(page_node, &p, "d=\"M0.0 6.0H60.0V46.5H300.0M540.0 33.0H600.0\"");
	expect_shown(page_node, &p, "the last day: no round trip is known, never relayed");
	expect_shown(page_node, &p, ", says nas: direct</li>");
}

static void what_rests_is_drawn_until_it_rested(void **state)
{
	struct page p = page_of("{\"pairs\":[{\"path\":\"gone\",\"ends\":[" OWN("0",
		"0") "," OTHER "],\"recent\":["
		     "{\"at\":999700,\"path\":\"direct\",\"rtt_us\":5000},{\"at\":999850,\"path\":\"gone\"}],"
		     "\"day\":[{\"at\":1,\"path\":\"gone\"}]}]}");

	(void)state;
	expect_shown(page_node, &p, "d=\"M0.0 6.0H300.0\"");
	expect_shown(page_node, &p, "<span class=\"state quiet\">at rest</span>");
	expect_shown(page_node, &p, "the last day: nothing is known");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(what_a_member_told_of_itself_is_shown, end),
		cmocka_unit_test_teardown(who_has_told_nothing_has_no_facts_of_its_own, end),
		cmocka_unit_test_teardown(a_pair_is_seen_from_the_member_that_is_looked_at, end),
		cmocka_unit_test_teardown(a_chart_is_drawn_and_said_in_words, end),
		cmocka_unit_test_teardown(what_rests_is_drawn_until_it_rested, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
