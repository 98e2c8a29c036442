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
	p.status = answer_of("{\"peers\":[{\"id\":\"00000000000000bb\",\"name\":\"nas\",\"path\":\"relay\","
			     "\"relay\":\"hub\",\"not_direct\":\"UDP is blocked\"}]}");
	expect_shown(page_overview, &p, "is reached through hub: UDP is blocked.");
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

static void the_policy_shows_rules_and_what_was_asked(void **state)
{
	struct page p = seen_by(true);

	(void)state;
	expect_shown(page_policy, &p, "This mesh has no policy");
	p.policy = answer_of("{\"version\":3,\"by\":\"jo\",\"text\":\"a: <b>\\n\",\"rules\":[{\"id\":\"ssh\","
			     "\"action\":\"allow\",\"from\":\"tag:dev\",\"to\":\"nas\",\"line\":4}]}");
	expect_shown(page_policy, &p, "<tr id=\"r-ssh\">");
	expect_shown(page_policy, &p, "a: &lt;b&gt;\n");
	p.explained = answer_of("{\"from\":\"a\",\"to\":\"b\",\"action\":\"deny\",\"rule\":null}");
	expect_shown(page_policy, &p, "<span class=\"state bad\">deny</span>");
	expect_shown(page_policy, &p, "what is not allowed does not pass");
	p.proved =
		answer_of("{\"holds\":false,\"violations\":[{\"from\":\"x\",\"to\":\"y\",\"rule\":\"z\"}]}");
	expect_shown(page_policy, &p, "it does not hold");
	expect_shown(page_policy, &p, "x reaches y");
	p.history = answer_of("{\"versions\":[{\"version\":3,\"by\":\"jo\"},{\"version\":2,\"by\":\"al\"}]}");
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
	p.status = answer_of("{\"peers\":[{\"id\":\"00000000000000bb\",\"path\":\"tcp\"}]}");
	expect_shown(page_map, &p, "class=\"relayed\"");
	expect_shown(page_map, &p, "phone to hub: comes through it");
	expect_shown(page_map, &p, "class=\"dot away\"");
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
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_overview_counts_and_says_what_wants_a_person, end),
		cmocka_unit_test_teardown(a_calm_mesh_says_so, end),
		cmocka_unit_test_teardown(only_an_administrator_is_offered_changes, end),
		cmocka_unit_test_teardown(the_coordinator_cannot_be_removed_from_its_page, end),
		cmocka_unit_test_teardown(a_member_that_has_gone_is_said_to_have, end),
		cmocka_unit_test_teardown(a_removal_asks_first, end),
		cmocka_unit_test_teardown(names_are_those_of_members_aliases_and_the_coordinator, end),
		cmocka_unit_test_teardown(a_token_can_be_revoked_while_it_is_open, end),
		cmocka_unit_test_teardown(the_policy_shows_rules_and_what_was_asked, end),
		cmocka_unit_test_teardown(what_was_written_is_not_lost_when_it_is_refused, end),
		cmocka_unit_test_teardown(few_stand_on_a_circle_with_their_paths, end),
		cmocka_unit_test_teardown(many_stand_in_blocks_by_their_tag, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
