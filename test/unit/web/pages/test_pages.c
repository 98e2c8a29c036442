/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the pages show of answers, to whom. */
#include "unit/unit.h"

#include "unit/web/pages/fixture.h"

#define HUB                                                                                                  \
	"{\"id\":\"00000000000000aa\",\"name\":\"hub\",\"ip4\":\"100.100.0.1\",\"kind\":\"node\","           \
	"\"online\":true,\"coordinator\":true,\"aliases\":[\"door\"]}"
#define NAS                                                                                                  \
	"{\"id\":\"00000000000000bb\",\"name\":\"nas\",\"ip4\":\"100.100.0.3\",\"kind\":\"node\","           \
	"\"online\":false,\"last_seen_at\":999000,\"link_from\":\"192.0.2.7\"}"
#define PHONE                                                                                                \
	"{\"id\":\"00000000000000cc\",\"name\":\"phone\",\"kind\":\"client\",\"via\":\"00000000000000aa\"}"

static struct page seen_by(bool admin)
{
	struct page p = nobody;

	p.admin = admin;
	p.proof = "proven";
	p.id = "00000000000000bb";
	p.nodes = list_of("{\"nodes\":[" HUB "," NAS "," PHONE "]}");
	return p;
}

static int end(void **state)
{
	(void)state;
	fixture_end();
	return 0;
}

static void the_overview_counts_and_says_what_wants_a_person(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	expect_shown(page_overview, &p, "1 <small>of 2</small>");
	expect_shown(page_overview, &p, "nas</a> has no link to the coordinator");
	p.routes = list_of("{\"routes\":[{\"node\":\"nas\",\"net\":\"10.0.0.0/8\",\"offered\":true}]}");
	expect_shown(page_overview, &p, "nas offers 10.0.0.0/8, which nobody has approved");
	p.policy = answer_of("{\"version\":3,\"warnings\":[\"nobody is a guest\"],"
			     "\"holders\":{\"linked\":3,\"in_force\":1}}");
	expect_shown(page_overview, &p, "nobody is a guest");
	expect_shown(page_overview, &p, "2 of 3 linked nodes do not go by the policy in force");
	p.reports =
		list_of("{\"members\":[{\"id\":\"00000000000000bb\",\"name\":\"nas\",\"alarms\":[\"clock\","
			"\"dns\"]}]}");
	expect_shown(page_overview, &p, "nas</a> has a clock that went back");
	expect_shown(page_overview, &p, "nas</a> does not find names of the mesh.");
}

#define PAIR(a, b, path, why, rate)                                                                          \
	"{\"a\":\"00000000000000" a "\",\"b\":\"00000000000000" b "\",\"path\":\"" path                      \
	"\",\"not_direct\":\"" why "\",\"rate\":" rate "}"

static void the_overview_says_how_much_goes_how_and_why_not_directly(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	expect_not_shown(page_overview, &p, "direct pairs");
	p.reports = list_of("{\"pairs\":[" PAIR("aa", "bb", "direct", "", "937500") "," PAIR("aa", "cc",
		"relay", "UDP is blocked", "312500") "," PAIR("bb", "cc", "tcp", "UDP is blocked", "0") "]}");
	expect_shown(page_overview, &p, "<dt>through the tunnels</dt><dd>10.0 <small>Mbit/s</small>");
	expect_shown(page_overview, &p, "<dt>direct pairs</dt><dd>1</dd>");
	expect_shown(page_overview, &p, "<dt>relayed pairs</dt><dd>2</dd>");
	expect_shown(page_overview, &p, "<dt>of the traffic is relayed</dt><dd>25 <small>%</small>");
	/* One item for one reason. */
	expect_shown(page_overview, &p,
		"hub</a> and <a href=\"/nodes/00000000000000cc\">phone</a>; <a "
		"href=\"/nodes/00000000000000bb\">nas"
		"</a> and <a href=\"/nodes/00000000000000cc\">phone</a> talk through others: UDP is "
		"blocked.");
}

static void of_many_relayed_pairs_a_few_are_named(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	p.reports = list_of("{\"pairs\":[" PAIR("aa", "bb", "relay", "x", "0") "," PAIR("aa", "cc", "relay",
		"x",
		"0") "," PAIR("bb", "cc", "relay", "x", "0") "," PAIR("bb", "dd", "relay", "x", "0") "]}");
	expect_shown(page_overview, &p, "; and 1 more pairs talk through others: x");
	expect_not_shown(page_overview, &p, "00000000000000dd");
}

static void a_calm_mesh_says_so(void **state)
{
	struct page p = nobody;

	(void)state;
	p.nodes = list_of("{\"nodes\":[" HUB "]}");
	expect_shown(page_overview, &p, "Nothing. All is as it should be.");
}

static void only_an_administrator_is_offered_changes(void **state)
{
	struct page admin = seen_by(true), member = seen_by(false);

	(void)state;
	expect_shown(page_node, &admin, "action=\"/nodes/00000000000000bb/rename\"");
	expect_shown(page_node, &admin, "name=\"token\" value=\"proven\"");
	expect_shown(page_node, &admin, "href=\"/nodes/00000000000000bb/remove\"");
	expect_shown(page_node, &admin, "192.0.2.7");
	expect_not_shown(page_node, &member, "<form");
	expect_not_shown(page_node, &member, "192.0.2.7");
	expect_shown(page_node, &admin, "href=\"/tokens\"");
	expect_not_shown(page_node, &member, "href=\"/tokens\"");
	admin.routes = member.routes = list_of(
		"{\"routes\":[{\"id\":\"00000000000000bb\",\"node\":\"nas\",\"net\":\"exit\",\"ip4\":true,"
		"\"offered\":true}]}");
	expect_shown(page_routes, &admin, "Approve");
	expect_shown(page_routes, &admin, "the internet, by IPv4");
	expect_not_shown(page_routes, &member, "<form");
}

static void the_coordinator_cannot_be_removed_from_its_page(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	p.id = "00000000000000aa";
	expect_shown(page_node, &p, "<h1>hub</h1>");
	expect_shown(page_node, &p, "action=\"/nodes/00000000000000aa/rename\"");
	expect_not_shown(page_node, &p, "/remove");
}

static void a_member_that_has_gone_is_said_to_have(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	p.id = "00000000000000ff";
	expect_shown(page_node, &p, "There is no such member.");
	expect_shown(page_remove, &p, "There is no such member.");
}

static void a_removal_asks_first(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	expect_shown(page_remove, &p, "Remove <strong>nas</strong>");
	expect_shown(page_remove, &p, "action=\"/nodes/00000000000000bb/remove\"");
}

static void a_device_is_removed_with_a_question_of_its_own(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	p.id = "00000000000000cc";
	expect_shown(page_remove, &p, "Remove <strong>phone</strong>");
	expect_shown(page_remove, &p, "it has to be added anew");
	expect_not_shown(page_remove, &p, "token.</p>");
	p.clients = list_of("{\"clients\":[" PHONE "]}");
	expect_shown(page_devices, &p, "href=\"/nodes/00000000000000cc/remove\" aria-label=\"Remove phone");
	p.admin = false;
	expect_not_shown(page_devices, &p, "remove");
}

static void a_member_is_found_by_what_it_is_called(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	p.id = "nas";
	p.nodes = list_of("{\"nodes\":[" NAS "]}");
	expect_shown(page_node, &p, "<h1>nas</h1>");
	expect_shown(page_node, &p, "action=\"/nodes/00000000000000bb/rename\"");
	expect_shown(page_remove, &p, "action=\"/nodes/00000000000000bb/remove\"");
	p.nodes = list_of("{\"nodes\":[]}");
	expect_shown(page_node, &p, "There is no such member.");
}

static void names_are_those_of_members_aliases_and_the_coordinator(void **state)
{
	struct page p = seen_by(false);

	(void)state;
	expect_shown(page_names, &p, ">nas.mesh<");
	expect_shown(page_names, &p, ">door.mesh<");
	expect_shown(page_names, &p, ">this.mesh<");
}

static void a_token_can_be_revoked_while_it_is_open(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	p.tokens = answer_of("{\"tokens\":[{\"id\":\"a1\",\"uses\":2,\"used\":1,\"expires_at\":1007200}]}");
	expect_shown(page_tokens, &p, "Revoke a1");
	expect_shown(page_tokens, &p, "in 2 h");
	p.tokens = answer_of("{\"tokens\":[{\"id\":\"a1\",\"uses\":2,\"used\":2,\"expires_at\":1007200}]}");
	expect_not_shown(page_tokens, &p, "Revoke a1");
	expect_shown(page_tokens, &p, "used up");
	expect_not_shown(page_tokens, &p, "tunnelmesh join");
	p.token = answer_of("{\"token\":\"tm1-secret\"}");
	expect_shown(page_tokens, &p, "tunnelmesh join tm1-secret");
}

static void a_new_device_is_shown_with_its_configuration_and_a_code_of_it(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	expect_shown(page_devices, &p, "There is no WireGuard device.");
	p.clients = list_of("{\"clients\":[{\"id\":\"00000000000000cc\",\"kind\":\"client\"}]}");
	expect_shown(page_devices, &p, "<tr id=\"d-00000000000000cc\">");
	expect_shown(page_devices, &p, "action=\"/devices/add\"");
	expect_not_shown(page_devices, &p, "PrivateKey");
	p.device = answer_of(
		"{\"client\":{\"name\":\"pad\",\"ip4\":\"100.100.0.9\",\"ip6\":\"fd5c::9\"},\"psk\":\"PSK=\","
		"\"server_key\":\"<SRV>\",\"endpoint\":\"192.0.2.1:1\",\"allowed\":[\"100.100.0.0/16\"]}");
	p.device_key = "PRIV=";
	expect_shown(page_devices, &p, "pad is added.");
	expect_shown(page_devices, &p, "PrivateKey = PRIV=\n");
	expect_shown(page_devices, &p, "PublicKey = &lt;SRV&gt;\n");
	expect_shown(page_devices, &p, "<svg class=\"qr\" viewBox=\"0 0 ");
	/* The first row of a code: its corner, seven modules wide, behind a margin of four. */
	expect_shown(page_devices, &p, "aria-label=\"QR code of the configuration\"><path d=\"M4 4h7v1H4z");
	p.device = answer_of("{\"client\":{\"name\":\"pad\",\"ip4\":\"100.100.0.9\",\"ip6\":\"fd5c::9\"}}");
	expect_shown(page_devices, &p, "pad is added, but what its configuration needs is not known.");
	p.admin = false;
	p.device = NULL;
	expect_not_shown(page_devices, &p, "<form");
}

static void what_no_code_holds_is_shown_as_text_alone(void **state)
{
	struct strbuf b = {0};
	struct page p = seen_by(true);

	(void)state;
	strbuf_puts(&b, "{\"client\":{\"ip4\":\"1\",\"ip6\":\"2\"},\"psk\":\"p\",\"server_key\":\"k\","
			"\"allowed\":[\"::/0\"");
	for (unsigned i = 0; i < 300; i++)
		strbuf_printf(&b, ",\"10.%u.%u.0/24\"", i / 250, i % 250);
	strbuf_puts(&b, "]}");
	p.device = answer_of(b.s);
	p.device_key = "PRIV=";
	strbuf_deinit(&b);
	expect_shown(page_devices, &p, "too long for a QR code");
	expect_shown(page_devices, &p, "10.1.49.0/24");
}

static void the_policy_shows_rules_and_what_was_asked(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	expect_shown(page_policy, &p, "This mesh has no policy");
	p.policy = answer_of("{\"version\":3,\"by\":\"jo\",\"text\":\"a: <b>\\n\",\"rules\":[{\"id\":\"ssh\","
			     "\"action\":\"allow\",\"from\":\"tag:dev\",\"to\":\"nas\",\"line\":4}]}");
	expect_shown(page_policy, &p, "<tr id=\"r-ssh\">");
	expect_shown(page_policy, &p, "a: &lt;b&gt;\n");
	expect_not_shown(page_policy, &p, "Hits");
	p.policy = answer_of("{\"version\":3,\"rules\":[{\"id\":\"ssh\",\"action\":\"allow\",\"hits\":1234}],"
			     "\"counted\":{\"since_at\":1,\"no_rule\":56}}");
	expect_shown(page_policy, &p, "<th scope=\"col\">Hits</th>");
	expect_shown(page_policy, &p, "<td class=\"number\">1234</td>");
	expect_shown(page_policy, &p, "<td class=\"number\">56</td><td></td>");
	expect_shown(page_policy, &p, "counted since <time datetime=\"1970-01-01T00:00:01Z\"");
	p.explained = answer_of("{\"from\":\"a\",\"to\":\"b\",\"action\":\"deny\",\"rule\":null}");
	expect_shown(page_policy, &p, "<span class=\"state bad\">deny</span>");
	expect_shown(page_policy, &p, "what is not allowed does not pass");
	p.proved =
		answer_of("{\"holds\":false,\"violations\":[{\"from\":\"x\",\"to\":\"y\",\"rule\":\"z\"}]}");
	expect_shown(page_policy, &p, "it does not hold");
	expect_shown(page_policy, &p, "x reaches y");
	p.history = answer_of("{\"versions\":[{\"version\":3,\"by\":\"jo\",\"accepted_at\":913600},{"
			      "\"version\":2,\"by\":\"al\"}]}");
	expect_shown(page_policy, &p, "<small class=\"exact\">1970-01-11T13:46:40Z<");
	expect_shown(page_policy, &p, "Back to this: version 2");
	expect_not_shown(page_policy, &p, "Back to this: version 3");
}

static void what_was_written_is_not_lost_when_it_is_refused(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	p.policy = answer_of("{\"version\":3,\"text\":\"old\"}");
	expect_shown(page_policy_edit, &p, "old</textarea>");
	expect_shown(page_policy_edit, &p, "name=\"if_version\" value=\"3\"");
	p.text = "</textarea>new";
	p.error = "line 1: what is this?";
	expect_shown(page_policy_edit, &p, "&lt;/textarea&gt;new");
	expect_shown(page_policy_edit, &p, "role=\"alert\"><p>line 1: what is this?");
}

static void few_stand_on_a_circle_with_their_paths(void **state)
{
	struct page p = seen_by(false);

	(void)state;
	p.id = "";
	expect_not_shown(page_map, &p, "Who talks to whom");
	p.reports =
		list_of("{\"pairs\":[{\"a\":\"00000000000000aa\",\"b\":\"00000000000000bb\",\"path\":\"tcp\","
			"\"relay\":\"r\",\"not_direct\":\"no UDP\",\"rtt_us\":12500,\"rate\":250000}]}");
	expect_shown(page_map, &p, "class=\"relayed busy\"");
	expect_shown(page_map, &p,
		"<title>hub to nas: relayed by TCP through r: no UDP, 12 ms, 2.00 Mbit/s</title>");
	expect_shown(page_map, &p, ">12 ms</text>");
	expect_shown(page_map, &p, "phone comes through hub");
	expect_shown(page_map, &p, "class=\"dot away\"");
	expect_shown(page_map, &p, "<tr id=\"p-00000000000000aa-00000000000000bb\">");
	expect_shown(page_map, &p, "<td>r</td><td>no UDP</td><td class=\"number\">12 ms</td>");
}

static void a_picture_around_one_has_whom_it_talks_with_and_nobody_else(void **state)
{
	struct page p = seen_by(false);

	(void)state;
	p.reports = list_of("{\"pairs\":[" PAIR("aa", "bb", "direct", "", "0") "," PAIR(
		"cc", "aa", "direct", "", "0") "]}");
	p.id = "00000000000000bb";
	expect_shown(page_map, &p, "nas to hub: direct");
	expect_shown(page_map, &p, "href=\"/map?node=00000000000000aa\"");
	expect_not_shown(page_map, &p, "phone");
	p.id = "00000000000000ff";
	expect_shown(page_map, &p, "phone");
}

static void of_more_than_there_is_place_for_it_is_said_how_many_are_shown(void **state)
{
	struct strbuf b = {0}, pairs = {0};
	struct page p = nobody;

	(void)state;
	strbuf_puts(&b, "{\"nodes\":[" HUB);
	strbuf_puts(&pairs, "{\"pairs\":[" PAIR("aa", "ff", "direct", "", "0"));
	for (unsigned i = 1; i <= 50; i++) {
		strbuf_printf(&b, ",{\"id\":\"%016x\",\"name\":\"n%u\"}", i, i);
		strbuf_printf(&pairs, ",{\"a\":\"%016x\",\"b\":\"00000000000000aa\",\"path\":\"%s\"}", i,
			i == 50 ? "relay" : "direct");
	}
	strbuf_puts(&b, "]}");
	strbuf_puts(&pairs, "]}");
	p.id = "00000000000000aa";
	p.nodes = list_of(b.s);
	p.reports = list_of(pairs.s);
	strbuf_deinit(&b);
	strbuf_deinit(&pairs);
	expect_shown(page_map, &p, "39 of 50 are shown");
	expect_shown(page_map, &p, "aria-label=\"n50, away\"");
	expect_not_shown(page_map, &p, "aria-label=\"n39, away\"");
	p.reports = list_of("{\"pairs\":[]}");
	expect_not_shown(page_map, &p, "are shown");
}

static void each_state_has_a_shape_of_its_own(void **state)
{
	struct page p = seen_by(false);

	(void)state;
	p.id = "";
	expect_shown(page_map, &p, "<circle class=\"dot hub\"");
	expect_shown(page_map, &p, "<circle class=\"eye\"");
	expect_shown(page_map, &p, "<path class=\"cross\"");
	expect_shown(page_map, &p, "<rect class=\"dot device\"");
	p.nodes = list_of("{\"nodes\":[{\"id\":\"00000000000000bb\",\"name\":\"nas\",\"online\":true}]}");
	expect_shown(page_map, &p, "<circle class=\"dot\"");
	expect_not_shown(page_map, &p, "class=\"cross\"");
	expect_not_shown(page_map, &p, "class=\"eye\"");
}

static void many_stand_in_blocks_by_their_tag(void **state)
{
	struct strbuf b = {0};
	struct page p = nobody;

	(void)state;
	strbuf_puts(&b, "{\"nodes\":[");
	for (unsigned i = 0; i < 200; i++)
		strbuf_printf(&b, "%s{\"id\":\"%016x\",\"name\":\"n%u\",\"tags\":[\"t%u\"]}", i ? "," : "", i,
			i, i % 100);
	strbuf_puts(&b, "]}");
	p.nodes = list_of(b.s);
	strbuf_deinit(&b);
	expect_shown(page_map, &p, "t0 \xc2\xb7 2");
	expect_shown(page_map, &p, "others \xc2\xb7 74");
	expect_shown(page_map, &p, "n199, away");
	p.reports = list_of(
		"{\"pairs\":[{\"a\":\"0000000000000001\",\"b\":\"0000000000000002\",\"path\":\"relay\"},"
		"{\"a\":\"0000000000000001\",\"b\":\"0000000000000003\",\"path\":\"direct\"}]}");
	expect_shown(page_map, &p, "n1, away, 1 direct, 1 relayed</title>");
	expect_shown(page_map, &p, "<circle class=\"dot away through\"");
}

static void events_are_told_with_who_did_it_and_how(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	expect_shown(page_events, &p, "Nothing has happened yet.");
	p.events = answer_of(
		"{\"events\":[{\"number\":9,\"happened_at\":999940,\"event\":\"member.twin\",\"level\":"
		"\"warn\",\"text\":\"<nas>\",\"by\":\"jo\",\"door\":\"dashboard\"}],\"next\":9}");
	expect_shown(page_events, &p, "<span class=\"state relay\">member.twin</span>");
	expect_shown(page_events, &p, "&lt;nas&gt;</th><td>jo</td><td class=\"quiet\">in the dashboard</td>");
	expect_shown(page_events, &p, "1 min ago</time> <small class=\"exact\">1970-01-12T13:45:40Z<");
	expect_shown(page_events, &p, "href=\"/events?before=9\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_overview_counts_and_says_what_wants_a_person, end),
		cmocka_unit_test_teardown(the_overview_says_how_much_goes_how_and_why_not_directly, end),
		cmocka_unit_test_teardown(of_many_relayed_pairs_a_few_are_named, end),
		cmocka_unit_test_teardown(a_calm_mesh_says_so, end),
		cmocka_unit_test_teardown(only_an_administrator_is_offered_changes, end),
		cmocka_unit_test_teardown(the_coordinator_cannot_be_removed_from_its_page, end),
		cmocka_unit_test_teardown(a_member_that_has_gone_is_said_to_have, end),
		cmocka_unit_test_teardown(a_removal_asks_first, end),
		cmocka_unit_test_teardown(a_device_is_removed_with_a_question_of_its_own, end),
		cmocka_unit_test_teardown(a_member_is_found_by_what_it_is_called, end),
		cmocka_unit_test_teardown(names_are_those_of_members_aliases_and_the_coordinator, end),
		cmocka_unit_test_teardown(a_token_can_be_revoked_while_it_is_open, end),
		cmocka_unit_test_teardown(a_new_device_is_shown_with_its_configuration_and_a_code_of_it, end),
		cmocka_unit_test_teardown(what_no_code_holds_is_shown_as_text_alone, end),
		cmocka_unit_test_teardown(the_policy_shows_rules_and_what_was_asked, end),
		cmocka_unit_test_teardown(what_was_written_is_not_lost_when_it_is_refused, end),
		cmocka_unit_test_teardown(few_stand_on_a_circle_with_their_paths, end),
		cmocka_unit_test_teardown(a_picture_around_one_has_whom_it_talks_with_and_nobody_else, end),
		cmocka_unit_test_teardown(of_more_than_there_is_place_for_it_is_said_how_many_are_shown, end),
		cmocka_unit_test_teardown(each_state_has_a_shape_of_its_own, end),
		cmocka_unit_test_teardown(many_stand_in_blocks_by_their_tag, end),
		cmocka_unit_test_teardown(events_are_told_with_who_did_it_and_how, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
