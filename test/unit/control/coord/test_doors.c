/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who comes by another door than a link or the control socket: what he may, and how whoever shows things
 * hears that they have changed. */
#include "unit/unit.h"

#include "base/encode.h"
#include "unit/control/coord/rig.h"

static const char *text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static bool ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}

static struct coord_who member_at_the_dashboard(const struct machine *m)
{
	struct coord_who who = {.role = COORD_MEMBER, .door = EVENT_DASHBOARD, .by = "somebody"};

	memcpy(who.id, m->id.id, sizeof(who.id));
	return who;
}

/* Whatever is new in the table of requests: what a member may by another door than its link stands here, too.
 */
static void a_member_may_look_and_nothing_else(void **state)
{
	static const char *const allowed[] = {
		"node.list", "route.list", "client.list", "event.list", "report.list", "report.node"};
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);
	size_t n_allowed = 0;
	const char *name;

	machine_join(m, "laptop");
	const struct coord_who who = member_at_the_dashboard(m);
	for (size_t i = 0; (name = request_name(i)); i++) {
		const json_t *a = rig_asked(r, &who, json_pack("{s:s, s:s}", "cmd", name, "node", "laptop"));
		bool may = false;

		for (size_t k = 0; k < ARRAY_LEN(allowed); k++)
			may |= strcmp(name, allowed[k]) == 0;
		n_allowed += may;
		if (ok(a) != may || (!may && !strstr(text(a, "hint"), "dashboard.admins")))
			fail_msg("%s: %s", name, text(a, "error"));
	}
	assert_int_equal(n_allowed, ARRAY_LEN(allowed));
}

static const json_t *laptop_as_told(struct rig *r, const struct coord_who *who)
{
	const json_t *list =
		json_object_get(rig_asked(r, who, json_pack("{s:s}", "cmd", "node.list")), "nodes");

	assert_string_equal(text(json_array_get(list, 1), "name"), "laptop");
	return json_array_get(list, 1);
}

/* The coordinator's own machine neither: whoever has an account there comes by its address. */
static void a_member_is_not_told_where_links_come_from(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "laptop");
	struct coord_who who = member_at_the_dashboard(m), hub = member_at_the_dashboard(&r->hub);
	assert_string_equal(text(laptop_as_told(r, &who), "link_from"), "");
	assert_string_equal(text(laptop_as_told(r, &hub), "link_from"), "");
	who.role = COORD_ADMIN;
	assert_string_equal(text(laptop_as_told(r, &who), "link_from"), "198.51.100.7");
}

static const json_t *events_as_told(struct rig *r, const struct coord_who *who)
{
	return json_object_get(rig_asked(r, who, json_pack("{s:s}", "cmd", "event.list")), "events");
}

static void a_member_is_told_its_own_events(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);

	machine_join(m, "laptop");
	machine_join(other, "other");
	const struct coord_who who = member_at_the_dashboard(other), hub = member_at_the_dashboard(&r->hub);
	const json_t *list = events_as_told(r, &who);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(json_array_get(list, 0), "id"), other->id.id);
	assert_int_equal(json_array_size(events_as_told(r, &hub)), 0);
}

/* An id is that of a key, and a gateway adds clients with any key. */
static void whoever_has_the_id_of_a_member_that_was_removed_is_not_told_its_events(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);
	char key[BASE64_LEN(32) + 1];

	machine_join(m, "laptop");
	const struct coord_who who = member_at_the_dashboard(m);
	base64_encode(m->id.ed_pub, 32, key); /* what an id follows from */
	rig_unix_now++;
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "laptop"))));
	rig_unix_now++;
	const json_t *a =
		rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "client.add", "name", "phone", "key", key));
	assert_string_equal(text(json_object_get(a, "client"), "id"), m->id.id);
	const json_t *list = events_as_told(r, &who);
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(json_array_get(list, 0), "event"), "client.added");
}

static void a_member_sees_all_devices_and_one_node_alone_if_it_asks_so(void **state)
{
	static const char key[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "laptop");
	const struct coord_who who = member_at_the_dashboard(m);
	rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "client.add", "name", "phone", "key", key));
	const json_t *list =
		json_object_get(rig_asked(r, &who, json_pack("{s:s}", "cmd", "client.list")), "clients");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(json_array_get(list, 0), "via_name"), "hub");
	list = json_object_get(
		rig_asked(r, &who, json_pack("{s:s, s:s}", "cmd", "node.list", "node", m->id.id)), "nodes");
	assert_int_equal(json_array_size(list), 1);
	assert_string_equal(text(json_array_get(list, 0), "name"), "laptop");
	list = json_object_get(
		rig_asked(r, &who, json_pack("{s:s, s:s}", "cmd", "node.list", "node", "nobody")), "nodes");
	assert_int_equal(json_array_size(list), 0);
}

static void who_was_removed_is_refused_at_once_whatever_he_was(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0);

	machine_join(m, "laptop");
	struct coord_who who = member_at_the_dashboard(m), nobody = {.door = EVENT_DASHBOARD};
	assert_true(ok(rig_asked(r, &who, json_pack("{s:s}", "cmd", "node.list"))));
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "laptop"))));
	rig_settle(r);
	for (enum coord_role role = COORD_MEMBER; role <= COORD_ADMIN; role++) {
		who.role = role;
		const json_t *a = rig_asked(r, &who, json_pack("{s:s}", "cmd", "node.list"));

		assert_false(ok(a));
		assert_string_equal(text(a, "error"), "you are no member of this mesh any more");
	}
	assert_false(ok(rig_asked(r, &nobody, json_pack("{s:s}", "cmd", "node.list"))));
}

/* Each step alone is heard of. */
static void members_presence_and_reports_are_heard_of(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);
	unsigned before;

	machine_join(m, "laptop");
	assert_true(r->n_changes > 0);
	machine_join(other, "other");
	rig_settle(r);
	before = r->n_changes;
	machine_unlink(m);
	rig_settle(r);
	assert_true(r->n_changes > before);
	before = r->n_changes;
	machine_hello(m, NULL);
	assert_true(r->n_changes > before);
	rig_settle(r);
	before = r->n_changes;
	machine_say(m, json_pack("{s:s, s:b, s:[]}", "t", "report", "whole", 1, "peers"));
	assert_true(r->n_changes > before);
	rig_settle(r);
	before = r->n_changes;
	rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.tag", "node", "laptop", "add", "x"));
	rig_settle(r);
	assert_true(r->n_changes > before);
	before = r->n_changes;
	rig_admin(r, json_pack("{s:s}", "cmd", "node.list"));
	rig_settle(r);
	assert_int_equal(r->n_changes, before);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_member_may_look_and_nothing_else),
		T(a_member_is_not_told_where_links_come_from),
		T(a_member_is_told_its_own_events),
		T(whoever_has_the_id_of_a_member_that_was_removed_is_not_told_its_events),
		T(a_member_sees_all_devices_and_one_node_alone_if_it_asks_so),
		T(who_was_removed_is_refused_at_once_whatever_he_was),
		T(members_presence_and_reports_are_heard_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
