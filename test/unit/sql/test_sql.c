/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sql/sql.h"
#include "unit/unit.h"

#include <unistd.h>

struct rig {
	char dir[64], path[96];
	sqlite3 *db;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/test-sql-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/some.db", r->dir);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	assert_int_equal(sqlite3_close(r->db), SQLITE_OK); /* and no statement of it is left */
	(void)unlink(r->path);
	assert_int_equal(rmdir(r->dir), 0);
	free(r);
	return 0;
}

/* A database as any program would make it. */
static void make(struct rig *r, const char *schema)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(r->path, &db), SQLITE_OK);
	if (sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	assert_int_equal(sql_connect(r->path, &r->db), TM_OK);
}

static void each_result_has_one_meaning(void **state)
{
	static const struct {
		int rc, err;
	} rows[] = {
		{SQLITE_OK, TM_OK},
		{SQLITE_ROW, TM_OK},
		{SQLITE_DONE, TM_OK},
		{SQLITE_NOMEM, TM_ENOMEM},
		{SQLITE_BUSY_SNAPSHOT, TM_EBUSY},
		{SQLITE_LOCKED, TM_EBUSY},
		{SQLITE_CORRUPT_INDEX, TM_ECORRUPT},
		{SQLITE_NOTADB, TM_ECORRUPT},
		{SQLITE_FULL, TM_ENOSPACE},
		{SQLITE_READONLY_DBMOVED, TM_EPERM},
		{SQLITE_CONSTRAINT_CHECK, TM_EEXIST},
		{SQLITE_TOOBIG, TM_ERANGE},
		{SQLITE_IOERR_FSYNC, TM_EIO},
		{SQLITE_INTERNAL, TM_EIO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (sql_error(NULL, rows[i].rc) != rows[i].err)
			fail_msg("%d: %d", rows[i].rc, sql_error(NULL, rows[i].rc));
}

static void a_statement_fails_for_what_is_wrong_with_it(void **state)
{
	static const struct {
		const char *sql;
		int err;
	} rows[] = {
		{"INSERT INTO t VALUES (2, 'two')", TM_OK},
		{"INSERT INTO t VALUES (2, 'three')", TM_EEXIST},
		{"INSERT INTO t VALUES (3, 'two')", TM_EEXIST},
		{"INSERT INTO t VALUES (3, NULL)", TM_EEXIST},
		{"INSERT INTO t VALUES ('x', 'four')", TM_ECORRUPT},
		{"INSERT INTO u VALUES (1)", TM_ECORRUPT},
		{"INSERT INTO t (other) VALUES (1)", TM_ECORRUPT},
		{"PRAGMA max_page_count = 5; INSERT INTO t VALUES (9, zeroblob(100000))", TM_ENOSPACE},
		{"PRAGMA query_only = 1; DELETE FROM t", TM_EPERM},
	};
	struct rig *r = *state;

	make(r, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int err = sql_exec(r->db, rows[i].sql);

		if (err != rows[i].err)
			fail_msg("%s: %d", rows[i].sql, err);
	}
}

static void a_file_is_not_made_by_opening_it(void **state)
{
	struct rig *r = *state;

	assert_int_equal(sql_connect(r->path, &r->db), TM_EIO);
	assert_null(r->db);
	assert_int_equal(access(r->path, F_OK), -1);
}

static void what_a_foreign_file_wants_to_run_does_not_run(void **state)
{
	struct rig *r = *state;
	int n = -1;

	make(r, "CREATE TABLE t (n INTEGER); CREATE TRIGGER more AFTER INSERT ON t WHEN new.n = 1"
		" BEGIN INSERT INTO t VALUES (2); END");
	assert_int_equal(sql_exec(r->db, "INSERT INTO t VALUES (1)"), TM_OK);
	assert_int_equal(sql_read_int(r->db, "SELECT count(*) FROM t", &n), TM_OK);
	assert_int_equal(n, 1);
	assert_int_not_equal(sql_exec(r->db, "PRAGMA writable_schema = 1; DELETE FROM sqlite_schema"), TM_OK);
}

static void a_number_is_read_or_left_alone(void **state)
{
	struct rig *r = *state;
	int n = -1;

	make(r, "PRAGMA user_version = 7; CREATE TABLE t (n INTEGER)");
	assert_int_equal(sql_read_int(r->db, "PRAGMA user_version", &n), TM_OK);
	assert_int_equal(n, 7);
	assert_int_equal(sql_read_int(r->db, "SELECT n FROM t", &n), TM_ENOENT);
	assert_int_equal(sql_read_int(r->db, "SELECT n FROM u", &n), TM_ECORRUPT);
	assert_int_equal(n, 7);
}

static void statements_are_prepared_up_to_the_one_that_does_not_fit(void **state)
{
	static const char *const sql[] = {"INSERT INTO t VALUES (?)", "SELECT n FROM u", "SELECT n FROM t"};
	struct rig *r = *state;
	sqlite3_stmt *st[3] = {NULL};

	make(r, "CREATE TABLE t (n INTEGER)");
	assert_int_equal(sql_prepare(r->db, sql, 3, st), TM_ECORRUPT);
	assert_non_null(st[0]);
	assert_null(st[2]);
	sqlite3_bind_int(st[0], 1, 5);
	assert_int_equal(sql_run(st[0]), TM_OK);
	assert_int_equal(sql_run(st[0]), TM_OK); /* its binding is forgotten: NULL */
	sql_finalize(st, 3);
	assert_null(st[0]);
	assert_int_equal(sql_prepare(r->db, &sql[2], 1, st), TM_OK);
	assert_int_equal(sql_row(st[0]), TM_OK);
	assert_int_equal(sqlite3_column_int(st[0], 0), 5);
	assert_int_equal(sql_row(st[0]), TM_OK);
	assert_int_equal(sqlite3_column_type(st[0], 0), SQLITE_NULL);
	assert_int_equal(sql_row(st[0]), TM_ENOENT);
	sql_finalize(st, 3);
}

static void a_value_fits_its_place_or_is_refused(void **state)
{
	static const struct {
		const char *value;
		int text, blob; /* into four bytes */
	} rows[] = {
		{"'abc'", TM_OK, TM_ECORRUPT},
		{"'abcd'", TM_ECORRUPT, TM_OK},
		{"''", TM_OK, TM_ECORRUPT},
		{"NULL", TM_ECORRUPT, TM_ECORRUPT},
		{"x'616200'", TM_ECORRUPT, TM_ECORRUPT},
		{"x'01020304'", TM_ECORRUPT, TM_OK},
		{"x'0102030405'", TM_ECORRUPT, TM_ECORRUPT},
	};
	struct rig *r = *state;

	make(r, "");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char sql[64], text[4] = "-";
		uint8_t blob[4] = {0xee};
		sqlite3_stmt *st;

		snprintf(sql, sizeof(sql), "SELECT %s", rows[i].value);
		assert_int_equal(sqlite3_prepare_v2(r->db, sql, -1, &st, NULL), SQLITE_OK);
		assert_int_equal(sql_row(st), TM_OK);
		if (column_blob(st, 0, blob, sizeof(blob)) != rows[i].blob ||
			column_text(st, 0, text, sizeof(text)) != rows[i].text)
			fail_msg("%s", rows[i].value);
		assert_true(rows[i].blob == TM_OK || blob[0] == 0xee);
		assert_true(rows[i].text == TM_OK || text[0] == '-');
		sqlite3_finalize(st);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_result_has_one_meaning, setup, teardown),
		cmocka_unit_test_setup_teardown(a_statement_fails_for_what_is_wrong_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_is_not_made_by_opening_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_a_foreign_file_wants_to_run_does_not_run, setup, teardown),
		cmocka_unit_test_setup_teardown(a_number_is_read_or_left_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			statements_are_prepared_up_to_the_one_that_does_not_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_value_fits_its_place_or_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
