/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Databases that cannot be used: one clear sentence each, and the file stays as it was. */
#include "unit/unit.h"

#include "unit/control/store/sqlite/shelf.h"

#include "control/store/sqlite/sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A database with some pages of every kind. */
static void create_big(const struct shelf *sh)
{
	shelf_create(sh);
	struct store *s = shelf_open(sh);
	for (uint32_t i = 2; i < 150; i++) {
		struct store_node n = shelf_node(i);
		struct store_token t = shelf_token((uint8_t)i, 1, 100);

		assert_int_equal(shelf_insert_node(s, &n), TM_OK);
		if (i < 60)
			assert_int_equal(shelf_insert_token(s, &t), TM_OK);
	}
	store_free(s);
}

static void flip(const char *path, size_t at, uint8_t bits)
{
	size_t n;
	uint8_t *p = shelf_read(path, &n);

	assert_non_null(p);
	assert_true(at < n);
	p[at] ^= bits;
	shelf_write(path, p, n);
	free(p);
}

static void by_hand(const char *path, const char *sql)
{
	sqlite3 *db;
	char *why = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static void make_missing(const struct shelf *sh)
{
	(void)sh;
}

static void make_empty(const struct shelf *sh)
{
	shelf_write(sh->path, "", 0);
}

static void make_text(const struct shelf *sh)
{
	shelf_write(sh->path, "this is a letter to my aunt\n", 28);
}

static void make_noise(const struct shelf *sh)
{
	uint8_t noise[20000];

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 167 + i / 251);
	shelf_write(sh->path, noise, sizeof(noise));
}

static void make_folder(const struct shelf *sh)
{
	assert_int_equal(mkdir(sh->path, 0700), 0);
}

static void make_other_program(const struct shelf *sh)
{
	by_hand(sh->path, "CREATE TABLE recipes (cake TEXT); INSERT INTO recipes VALUES ('cheese')");
}

static void make_header_damage(const struct shelf *sh)
{
	create_big(sh);
	flip(sh->path, 3, 0xff);
}

static void make_page_size_damage(const struct shelf *sh)
{
	create_big(sh);
	flip(sh->path, 16, 0xff);
}

static void make_schema_damage(const struct shelf *sh)
{
	create_big(sh);
	flip(sh->path, 100, 0xff); /* type of the schema table's root page */
}

static void make_page_damage(const struct shelf *sh)
{
	create_big(sh);
	flip(sh->path, 4096 * 3, 0xff);
}

static void make_last_page_damage(const struct shelf *sh)
{
	struct stat st;

	create_big(sh);
	assert_int_equal(stat(sh->path, &st), 0);
	flip(sh->path, (size_t)st.st_size - 4096, 0xff);
}

static void make_cut_off(const struct shelf *sh)
{
	create_big(sh);
	assert_int_equal(truncate(sh->path, 4096 * 4 + 100), 0);
}

static void make_header_only(const struct shelf *sh)
{
	create_big(sh);
	assert_int_equal(truncate(sh->path, 100), 0);
}

static void make_newer(const struct shelf *sh)
{
	create_big(sh);
	by_hand(sh->path, "PRAGMA user_version = 99");
}

/* The newer program crashed: its version is in the write-ahead log only, and must not get into the file
 * through us. */
static void make_newer_in_log(const struct shelf *sh)
{
	int status;

	create_big(sh);
	pid_t child = fork();
	if (child == 0) {
		sqlite3 *db;

		_exit(sqlite3_open(sh->path, &db) ||
			sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL));
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
}

static void make_table_missing(const struct shelf *sh)
{
	create_big(sh);
	by_hand(sh->path, "DROP TABLE token");
}

static void make_column_missing(const struct shelf *sh)
{
	create_big(sh);
	by_hand(sh->path, "ALTER TABLE node DROP COLUMN os");
}

static void make_check_broken(const struct shelf *sh)
{
	create_big(sh);
	by_hand(sh->path, "PRAGMA ignore_check_constraints = 1; UPDATE token SET used = 7");
}

static void make_orphan(const struct shelf *sh)
{
	create_big(sh);
	by_hand(sh->path, "PRAGMA foreign_keys = 0; UPDATE node SET kind = 1, ed = NULL, via = "
			  "'ffffffffffffffff' WHERE host = 9");
}

static const struct {
	const char *name;
	void (*make)(const struct shelf *sh);
	int err;
	const char *says; /* part of the sentence */
} bad_ones[] = {
	{"missing", make_missing, TM_ENOENT, "no mesh database"},
	{"empty", make_empty, TM_ECORRUPT, "is empty"},
	{"text", make_text, TM_ECORRUPT, "not a database"},
	{"noise", make_noise, TM_ECORRUPT, "not a database"},
	{"a folder", make_folder, TM_ECORRUPT, "not a file"},
	{"another program's", make_other_program, TM_ECORRUPT, "some other program"},
	{"magic damaged", make_header_damage, TM_ECORRUPT, "not a database"},
	{"page size damaged", make_page_size_damage, TM_ECORRUPT, "damaged"},
	{"schema damaged", make_schema_damage, TM_ECORRUPT, "damaged"},
	{"a page damaged", make_page_damage, TM_ECORRUPT, "damaged"},
	{"the last page damaged", make_last_page_damage, TM_ECORRUPT, "damaged"},
	{"cut off", make_cut_off, TM_ECORRUPT, "damaged"},
	{"header only", make_header_only, TM_ECORRUPT, "damaged"},
	{"newer", make_newer, TM_EVERSION, "newer TunnelMesh"},
	{"newer, in its log", make_newer_in_log, TM_EVERSION, "newer TunnelMesh"},
	{"a table missing", make_table_missing, TM_ECORRUPT, "damaged"},
	{"a column missing", make_column_missing, TM_ECORRUPT, "damaged"},
	{"a check broken", make_check_broken, TM_ECORRUPT, "damaged"},
	{"an orphan", make_orphan, TM_ECORRUPT, "damaged"},
};

static void unusable_databases_get_a_sentence_and_stay_as_they_are(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_ones); i++) {
		void *shelf;
		size_t n_before = 0, n_after = 0;
		struct diag d = {0};
		struct store *s = NULL;

		shelf_setup(&shelf);
		const struct shelf *sh = shelf;
		bad_ones[i].make(sh);
		uint8_t *before = shelf_read(sh->path, &n_before);
		int err = store_open(&store_sqlite, sh->path, &s, &d);
		if (err != bad_ones[i].err || !strstr(d.what, bad_ones[i].says) || !d.hint[0] || s)
			fail_msg("%s: %d \"%s\" (%s)", bad_ones[i].name, err, d.what, d.hint);
		if (strcmp(d.where, sh->path) != 0)
			fail_msg("%s: where is \"%s\"", bad_ones[i].name, d.where);
		uint8_t *after = shelf_read(sh->path, &n_after);
		if (!before != !after || n_before != n_after ||
			(before && memcmp(before, after, n_before) != 0))
			fail_msg("%s: the file changed", bad_ones[i].name);
		free(before);
		free(after);
		shelf_teardown(&shelf);
	}
}

static void a_flipped_byte_anywhere_is_noticed_or_harmless_and_never_written_over(void **state)
{
	struct shelf *sh = *state;
	size_t n, noticed = 0, tried = 0;

	create_big(sh);
	uint8_t *good = shelf_read(sh->path, &n);
	assert_non_null(good);
	for (size_t at = 0; at < n; at += n / 150 + 1, tried++) {
		struct diag d = {0};
		struct store *s;
		uint8_t *bad = malloc(n);

		assert_non_null(bad);
		memcpy(bad, good, n);
		bad[at] ^= 0x55;
		shelf_write(sh->path, bad, n);
		int err = store_open(&store_sqlite, sh->path, &s, &d);
		if (err) {
			size_t n_after;
			uint8_t *after = shelf_read(sh->path, &n_after);

			noticed++;
			if ((err != TM_ECORRUPT && err != TM_EVERSION) || !d.what[0])
				fail_msg("byte %zu: %d \"%s\"", at, err, d.what);
			assert_int_equal(n_after, n);
			assert_memory_equal(after, bad, n);
			free(after);
		} else {
			store_free(s);
		}
		free(bad);
	}
	assert_true(noticed * 4 > tried); /* the rest is free space and texts */
	free(good);
}

static void a_record_that_makes_no_sense_is_refused_at_loading(void **state)
{
	struct shelf *sh = *state;

	create_big(sh);
	by_hand(sh->path, "UPDATE node SET name = 'Not A Name' WHERE host = 7");
	struct store *s = shelf_open(sh);
	struct store_node seven = shelf_node(7), found;
	assert_int_equal(store_node_find_key(s, seven.rec.key, &found), TM_ECORRUPT);
	store_free(s);
}

static bool hold_open(const char *path)
{
	struct store *s;

	return store_open(&store_sqlite, path, &s, NULL) == TM_OK;
}

static bool hold_locked(const char *path)
{
	sqlite3 *db;

	return !sqlite3_open(path, &db) && !sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
}

/* A child that holds it until *ret_release is closed. */
static pid_t hold_in_child(const char *path, bool (*hold)(const char *path), int *ret_release)
{
	int to_child[2], to_parent[2];
	char c;

	assert_int_equal(pipe(to_child), 0);
	assert_int_equal(pipe(to_parent), 0);
	pid_t child = fork();
	if (child == 0) {
		close(to_child[1]);
		if (!hold(path) || write(to_parent[1], "o", 1) != 1)
			_exit(1);
		_exit(read(to_child[0], &c, 1) < 0);
	}
	close(to_parent[1]);
	close(to_child[0]);
	assert_int_equal(read(to_parent[0], &c, 1), 1);
	close(to_parent[0]);
	*ret_release = to_child[1];
	return child;
}

static void who_comes_second_is_told_that_the_database_is_in_use(void **state)
{
	static bool (*const holds[])(const char *path) = {hold_open, hold_locked};
	struct shelf *sh = *state;

	shelf_create(sh);
	for (size_t i = 0; i < ARRAY_LEN(holds); i++) {
		struct diag d = {0};
		struct store *s;
		int release;
		pid_t child = hold_in_child(sh->path, holds[i], &release);

		assert_int_equal(store_open(&store_sqlite, sh->path, &s, &d), TM_EBUSY);
		assert_non_null(strstr(d.what, "in use by another process"));
		assert_true(d.hint[0]);
		close(release);
		waitpid(child, NULL, 0);
		/* It died without closing: nothing is lost and nothing stays locked. */
		s = shelf_open(sh);
		assert_int_equal(shelf_count_nodes(s), 1);
		store_free(s);
	}
}

static void a_database_of_another_user_is_a_clear_error(void **state)
{
	struct shelf *sh = *state;
	int status;

	if (geteuid() != 0)
		skip();
	shelf_create(sh);
	assert_int_equal(chmod(sh->folder, 0755), 0);
	pid_t child = fork();
	if (child == 0) {
		struct diag d = {0};
		struct store *s;

		if (setgid(65534) || setuid(65534))
			_exit(2);
		int err = store_open(&store_sqlite, sh->path, &s, &d);
		_exit(err == TM_EPERM && strstr(d.what, "may not be read and written") && d.hint[0] ? 0 : 1);
	}
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_disk_fails_the_change_and_loses_nothing(void **state)
{
	struct shelf *sh = *state;
	uint32_t i = 2;
	int err;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	assert_int_equal(
		sqlite3_exec(sql_of(s)->db, "PRAGMA max_page_count = 20", NULL, NULL, NULL), SQLITE_OK);
	for (struct store_node n = shelf_node(i); !(err = shelf_insert_node(s, &n)); n = shelf_node(++i))
		;
	assert_int_equal(err, TM_ENOSPACE);
	struct diag d = {0};
	store_explain(err, &d);
	assert_non_null(strstr(d.what, "full"));
	assert_int_equal(shelf_count_nodes(s), i - 1);
	assert_int_equal(
		sqlite3_exec(sql_of(s)->db, "PRAGMA max_page_count = 2000", NULL, NULL, NULL), SQLITE_OK);
	struct store_node n = shelf_node(i);
	assert_int_equal(shelf_insert_node(s, &n), TM_OK);
	store_free(s);
	s = shelf_open(sh);
	assert_int_equal(shelf_count_nodes(s), i);
	store_free(s);
}

/* Fills the file system at folder. */
static void fill_up(const char *folder)
{
	char path[128];
	static const char block[4096];

	snprintf(path, sizeof(path), "%s/ballast", folder);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		;
	close(fd);
}

/* In a child with a mount namespace of its own; exits with the number of the step that failed. */
static void on_a_small_disk(const struct shelf *sh)
{
	struct shelf full = {0};
	struct store_mesh mesh = shelf_mesh();
	struct store_node first = shelf_node(1), two = shelf_node(2);
	struct store *s;
	struct diag d = {0};
	char ballast[128];

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("tm-test", sh->folder, "tmpfs", 0, "size=400k"))
		_exit(77);
	snprintf(ballast, sizeof(ballast), "%s/ballast", sh->folder);
	/* Creating on a full disk: an error, and no half database under the real name. */
	fill_up(sh->folder);
	if (store_create(&store_sqlite, sh->path, &mesh, &first, NULL, &d) != TM_ENOSPACE ||
		!strstr(d.what, "full"))
		_exit(1);
	if (access(sh->path, F_OK) == 0)
		_exit(2);
	unlink(ballast);
	d = (struct diag){0};
	if (store_create(&store_sqlite, sh->path, &mesh, &first, NULL, &d) != TM_OK ||
		store_open(&store_sqlite, sh->path, &s, &d) != TM_OK)
		_exit(3);
	fill_up(sh->folder);
	int err = TM_OK;
	for (uint32_t i = 2; !err && i < 500; i++) {
		struct store_node n = shelf_node(i);
		err = shelf_insert_node(s, &n);
	}
	if (err != TM_ENOSPACE)
		_exit(4);
	unsigned n = shelf_count_nodes(s);
	unlink(ballast);
	two = shelf_node(1000);
	if (shelf_insert_node(s, &two) != TM_OK || shelf_count_nodes(s) != n + 1)
		_exit(5);
	store_free(s);
	(void)full;
	_exit(store_open(&store_sqlite, sh->path, &s, &d) == TM_OK && shelf_count_nodes(s) == n + 1 ? 0 : 6);
}

static void a_really_full_disk_is_told_and_nothing_is_lost(void **state)
{
	struct shelf *sh = *state;
	int status;

	pid_t child = fork();
	if (child == 0)
		on_a_small_disk(sh);
	waitpid(child, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* needs root */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void migrations_run_in_order_and_whole_or_not_at_all(void **state)
{
	struct shelf *sh = *state;
	static const struct schema_step steps[] = {
		{"CREATE TABLE a (x INTEGER)"},
		{"ALTER TABLE a ADD COLUMN y INTEGER; INSERT INTO a VALUES (1, 2)"},
		{"CREATE TABLE b (z INTEGER); INSERT INTO nowhere VALUES (1)"},
	};
	sqlite3 *db;
	int value;

	assert_int_equal(sqlite3_open(sh->path, &db), SQLITE_OK);
	assert_int_equal(schema_migrate(db, steps, 0, NULL), TM_OK);
	assert_int_equal(schema_migrate(db, steps, 1, NULL), TM_OK);
	assert_int_equal(sql_read_int(db, "PRAGMA user_version", &value), TM_OK);
	assert_int_equal(value, 1);
	struct diag d = {0};
	assert_true(schema_migrate(db, steps, 3, &d) < 0);
	assert_true(d.what[0]);
	/* Neither of the third step nor of the second is there a trace: a program of version 1 can go on. */
	assert_int_equal(sql_read_int(db, "PRAGMA user_version", &value), TM_OK);
	assert_int_equal(value, 1);
	assert_int_equal(
		sql_read_int(db, "SELECT count(*) FROM pragma_table_info('a') WHERE name = 'y'", &value),
		TM_OK);
	assert_int_equal(value, 0);
	assert_int_equal(
		sql_read_int(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'", &value), TM_OK);
	assert_int_equal(value, 0);
	assert_int_equal(schema_migrate(db, steps, 2, NULL), TM_OK);
	assert_int_equal(sql_read_int(db, "SELECT sum(y) FROM a", &value), TM_OK);
	assert_int_equal(value, 2);
	/* A program that knows only the first step refuses. */
	d = (struct diag){0};
	assert_int_equal(schema_migrate(db, steps, 1, &d), TM_EVERSION);
	assert_non_null(strstr(d.what, "newer"));
	sqlite3_close(db);
}

static void an_empty_database_becomes_the_current_version(void **state)
{
	struct shelf *sh = *state;
	sqlite3 *db;
	int value;

	assert_int_equal(sqlite3_open(sh->path, &db), SQLITE_OK);
	assert_int_equal(schema_migrate(db, schema_steps, schema_version, NULL), TM_OK);
	assert_int_equal(schema_migrate(db, schema_steps, schema_version, NULL), TM_OK);
	assert_int_equal(sql_read_int(db, "PRAGMA user_version", &value), TM_OK);
	assert_int_equal(value, schema_version);
	assert_int_equal(sql_read_int(db, "SELECT count(*) FROM node", &value), TM_OK);
	assert_int_equal(value, 0);
	sqlite3_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unusable_databases_get_a_sentence_and_stay_as_they_are),
		cmocka_unit_test_setup_teardown(
			a_flipped_byte_anywhere_is_noticed_or_harmless_and_never_written_over, shelf_setup,
			shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_record_that_makes_no_sense_is_refused_at_loading, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			who_comes_second_is_told_that_the_database_is_in_use, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_database_of_another_user_is_a_clear_error, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_full_disk_fails_the_change_and_loses_nothing, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_really_full_disk_is_told_and_nothing_is_lost, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			migrations_run_in_order_and_whole_or_not_at_all, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			an_empty_database_becomes_the_current_version, shelf_setup, shelf_teardown),
	};

	return cmocka_run_group_tests_name("store opening", tests, NULL, NULL);
}
