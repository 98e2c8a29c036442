/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/control/coord/rig.h"

static const json_t *alias(struct rig *r, const char *node, const char *what, const char *name)
{
	return rig_admin(r, json_pack("{s:s, s:s, s:[s]}", "cmd", "node.alias", "node", node, what, name));
}

static const json_t *rename_to(struct rig *r, const char *node, const char *name, bool keep)
{
	return rig_admin(r, json_pack("{s:s, s:s, s:s, s:b}", "cmd", "node.rename", "node", node, "name",
				    name, "keep", keep));
}

static bool ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}

/* "files,nas": those of an answer. */
static const char *aliases_of(const json_t *answer, char buf[static 256])
{
	const json_t *list = json_object_get(json_object_get(answer, "node"), "aliases");
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < json_array_size(list); i++)
		n += (size_t)snprintf(
			buf + n, 256 - n, "%s%s", i ? "," : "", json_string_value(json_array_get(list, i)));
	return buf;
}

static void refused_with(const json_t *answer, const char *words)
{
	const char *why = json_string_value(json_object_get(answer, "error"));

	if (ok(answer) || !why || !strstr(why, words))
		fail_msg("not \"%s\" but \"%s\"", words, why ? why : "ok");
}

static void an_alias_is_told_to_all_and_outlives_a_restart(void **state)
{
	struct rig *r = *state;
	struct machine *m = rig_machine(r, 0), *other = rig_machine(r, 1);
	char buf[256];

	machine_join(m, "laptop");
	machine_join(other, "other");
	assert_string_equal(aliases_of(alias(r, "laptop", "add", "desk"), buf), "desk");
	assert_string_equal(aliases_of(alias(r, "DESK.mesh", "add", "work"), buf), "desk,work");
	rig_settle(r);
	assert_true(
		machine_knows(m, "desk") && machine_knows(other, "work") && machine_knows(other, "laptop"));
	assert_ptr_equal(registry_lookup(r->c->reg, "work"), registry_lookup(r->c->reg, "laptop"));
	rig_stop(r);
	rig_start(r);
	assert_ptr_equal(registry_lookup(r->c->reg, "work"), registry_lookup(r->c->reg, "laptop"));
	assert_string_equal(aliases_of(alias(r, "work", "remove", "desk"), buf), "work");
	assert_null(registry_lookup(r->c->reg, "desk"));
}

static void no_name_is_given_twice(void **state)
{
	struct rig *r = *state;

	machine_join(rig_machine(r, 0), "laptop");
	assert_true(ok(alias(r, "laptop", "add", "desk")));
	assert_true(ok(alias(r, "laptop", "add", "desk"))); /* once more is no mistake */
	refused_with(alias(r, "hub", "add", "desk"), "desk is an alias of laptop already");
	refused_with(alias(r, "hub", "add", "laptop"), "another node is named laptop already");
	refused_with(alias(r, "hub", "add", "hub"), "hub is its name already");
	refused_with(rename_to(r, "hub", "desk", false), "desk is an alias of laptop already");
	refused_with(alias(r, "laptop", "remove", "work"), "laptop has no alias \"work\"");
	refused_with(alias(r, "laptop", "add", "this"), "not \"this\"");
	refused_with(alias(r, "laptop", "add", "Big"), "a name is 1 to 63");
	/* Who joins by such a name gets another, and a client is refused. */
	machine_join(rig_machine(r, 1), "desk");
	rig_settle(r);
	assert_non_null(registry_lookup(r->c->reg, "desk-2"));
	assert_ptr_equal(registry_lookup(r->c->reg, "desk"), registry_lookup(r->c->reg, "laptop"));
	/* What is removed with its node is free. */
	assert_true(ok(rig_admin(r, json_pack("{s:s, s:s}", "cmd", "node.remove", "node", "desk"))));
	assert_true(ok(alias(r, "hub", "add", "desk")));
}

static void a_rename_keeps_the_old_name_where_that_is_asked_for(void **state)
{
	struct rig *r = *state;
	char buf[256];

	machine_join(rig_machine(r, 0), "laptop");
	assert_string_equal(aliases_of(rename_to(r, "laptop", "desk", false), buf), "");
	assert_null(registry_lookup(r->c->reg, "laptop"));
	assert_string_equal(aliases_of(rename_to(r, "desk", "t14", true), buf), "desk");
	/* An alias becomes the name, and the name an alias. */
	assert_string_equal(aliases_of(rename_to(r, "desk", "desk", true), buf), "t14");
	assert_string_equal(registry_lookup(r->c->reg, "t14")->s.rec.name, "desk");
	assert_string_equal(aliases_of(rename_to(r, "desk", "t14", false), buf), "");
	assert_null(registry_lookup(r->c->reg, "desk"));
	assert_string_equal(aliases_of(rename_to(r, "t14", "t14", true), buf), "");
}

static void there_is_room_for_255_characters(void **state)
{
	struct rig *r = *state;
	char name[64];

	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%063d", i);
		assert_true(ok(alias(r, "hub", "add", name)));
	}
	refused_with(alias(r, "hub", "add", "x"), "255 characters");
	refused_with(rename_to(r, "hub", "desk", true), "255 characters");
	assert_non_null(registry_lookup(r->c->reg, "hub"));
}

#define T(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_alias_is_told_to_all_and_outlives_a_restart),
		T(no_name_is_given_twice),
		T(a_rename_keeps_the_old_name_where_that_is_asked_for),
		T(there_is_room_for_255_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
