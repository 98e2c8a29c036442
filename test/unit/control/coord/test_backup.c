/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A coordinator that comes back with the database of a backup. */
#include "unit/unit.h"

#include "fake/quiet.h"
#include "unit/control/coord/rig.h"

#include <sqlite3.h>
#include <stdio.h>

/* As `restore` does it, but without the archive. */
static void go_back(struct rig *r)
{
	char copy[128];

	snprintf(copy, sizeof(copy), "%s" COORD_COPY_SUFFIX, r->db_path);
	rig_stop(r);
	assert_int_equal(rename(copy, r->db_path), 0);
	rig_start(r);
}

static void back_up(struct rig *r)
{
	const json_t *answer = rig_admin(r, json_pack("{s:s}", "cmd", "backup"));
	char copy[128];

	snprintf(copy, sizeof(copy), "%s" COORD_COPY_SUFFIX, r->db_path);
	assert_true(json_is_true(json_object_get(answer, "ok")));
	assert_string_equal(json_string_value(json_object_get(answer, "database")), copy);
}

static void only_the_administration_gets_a_backup(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0);

	machine_join(a, "a");
	machine_say(a, json_pack("{s:s, s:i}", "t", "backup", "id", 7));
	const json_t *answer = machine_await(a, "reply");
	assert_true(json_is_false(json_object_get(answer, "ok")));
}

static void members_of_a_backup_are_members_again_and_later_ones_are_told(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1);

	machine_join(a, "a");
	back_up(r);
	machine_join(b, "b");
	go_back(r);
	machine_hello(a, NULL);
	machine_await(a, "welcome");
	machine_hello(b, NULL);
	machine_await(b, "removed");
}

static const json_t *events(struct rig *r)
{
	return json_object_get(rig_admin(r, json_pack("{s:s}", "cmd", "event.list")), "events");
}

static void run_sql(struct rig *r, const char *sql)
{
	sqlite3 *db;

	rig_stop(r);
	assert_int_equal(sqlite3_open(r->db_path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	rig_start(r);
}

static void a_backup_is_good_though_its_event_cannot_be_stored(void **state)
{
	struct rig *r = *state;

	log_set_sink(quiet_log, NULL);
	back_up(r);
	assert_int_equal(json_array_size(events(r)), 1);
	run_sql(r, "CREATE UNIQUE INDEX one_of_a_kind ON event (kind)");
	back_up(r);
	run_sql(r, "DROP INDEX one_of_a_kind");
	assert_int_equal(json_array_size(events(r)), 1);
	back_up(r);
	assert_int_equal(json_array_size(events(r)), 2);
}

/*
 * The version that a node holds may have been given out after the backup; after the restore the same number
 * is given out again, for something else.
 */
static void a_version_from_after_the_backup_is_not_taken_for_one_of_now(void **state)
{
	struct rig *r = *state;
	struct machine *a = rig_machine(r, 0), *b = rig_machine(r, 1), *c = rig_machine(r, 2);

	machine_join(a, "a");
	back_up(r);
	machine_join(b, "b");
	rig_settle(r);
	uint64_t before = machine_version(a);
	assert_true(machine_knows(a, "b"));
	go_back(r);
	machine_join(c, "c");
	rig_settle(r);
	assert_int_equal(store_version_number(machine_version(c)), store_version_number(before));

	unsigned snapshots = a->n_snapshots;
	machine_hello(a, NULL);
	rig_settle(r);
	assert_int_equal(a->n_snapshots, snapshots + 1);
	assert_true(machine_knows(a, "c"));
	assert_false(machine_knows(a, "b"));
	assert_int_equal(machine_version(a), machine_version(c));
}

static void an_identity_of_another_mesh_is_no_coordinator_of_this_database(void **state)
{
	struct rig *r = *state;
	struct diag d = {0};

	machine_join(rig_machine(r, 0), "a");
	rig_stop(r);
	assert_int_equal(coord_check(r->db_path, &r->hub.id, &d), TM_OK);
	assert_int_equal(coord_check(r->db_path, &rig_machine(r, 0)->id, &d), TM_EINVAL);
	assert_int_equal(coord_check(r->db_path, &rig_machine(r, 1)->id, &d), TM_EINVAL);
	assert_true(d.what[0] && d.hint[0]);
	rig_start(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			only_the_administration_gets_a_backup, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_backup_is_good_though_its_event_cannot_be_stored, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(members_of_a_backup_are_members_again_and_later_ones_are_told,
			rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			a_version_from_after_the_backup_is_not_taken_for_one_of_now, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
			an_identity_of_another_mesh_is_no_coordinator_of_this_database, rig_setup,
			rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
