/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A database of an earlier version: what it was is kept before it is changed, and what an older program may
 * be told before it is tried. */
#include "unit/unit.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/store/sqlite/sqlite.h"
#include "control/store/sqlite/sqlite_private.h"
#include "unit/control/store/sqlite/shelf.h"

static void by_hand(const char *path, const char *sql)
{
	sqlite3 *db;
	char *why = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

/* As that version made it: a mesh, and a node. */
static void make_version(const char *path, int version)
{
	char application[64];
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	snprintf(application, sizeof(application), "PRAGMA application_id = %d", SCHEMA_APPLICATION_ID);
	assert_int_equal(sql_exec(db, application), TM_OK);
	assert_int_equal(schema_migrate(db, schema_steps, version, NULL), TM_OK);
	assert_int_equal(
		sql_exec(db,
			version < 2
				? "INSERT INTO mesh (one, name, net4, net6, secret, created, epoch) VALUES "
				  "(1, 'home', '100.101.0.0/16', 'fd5c::/64', randomblob(32), 1, 5)"
				: "INSERT INTO mesh (one, name, net4, net6, secret, created) VALUES "
				  "(1, 'home', '100.101.0.0/16', 'fd5c::/64', randomblob(32), 1)"),
		TM_OK);
	assert_int_equal(
		sql_exec(db,
			"INSERT INTO node (id, name, key, ed, host, kind, coordinator, ephemeral, tags, os, "
			"version, created, last_seen) VALUES ('00000000000000aa', 'hub', randomblob(32), "
			"randomblob(32), 1, 0, 1, 0, '', 'linux', '0', 1, 1)"),
		TM_OK);
	assert_int_equal(sql_exec(db, "PRAGMA journal_mode = WAL"), TM_OK);
	sqlite3_close(db);
}

static int version_of(const char *path)
{
	sqlite3 *db;
	int version = -1;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sql_read_int(db, "PRAGMA user_version", &version), TM_OK);
	sqlite3_close(db);
	return version;
}

static const char *beside(const struct shelf *sh, const char *suffix, char out[static 160])
{
	snprintf(out, 160, "%s%s", sh->path, suffix);
	return out;
}

static void each_earlier_version_is_kept_and_becomes_this_one(void **state)
{
	(void)state;
	for (int version = 1; version < schema_version; version++) {
		char before[160];
		struct store_mesh mesh;
		struct stat st;
		struct shelf *sh;
		void *shelf;

		shelf_setup(&shelf);
		sh = shelf;
		make_version(sh->path, version);
		struct store *s = shelf_open(sh);
		const struct store_migration *m = store_migrated(s);
		assert_int_equal(m->from, version);
		assert_int_equal(m->to, schema_version);
		assert_string_equal(m->before, beside(sh, ".before", before));
		assert_int_equal(store_mesh_load(s, &mesh), TM_OK);
		assert_string_equal(mesh.info.name, "home");
		assert_int_equal(shelf_count_nodes(s), 1);
		store_free(s);
		assert_int_equal(version_of(sh->path), schema_version);

		assert_int_equal(version_of(before), version);
		assert_int_equal(stat(before, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
		/* It is a whole database, and so is used as one. */
		assert_int_equal(rename(before, sh->path), 0);
		s = shelf_open(sh);
		assert_int_equal(store_migrated(s)->from, version);
		store_free(s);

		/* Once is enough. */
		assert_int_equal(unlink(before), 0);
		s = shelf_open(sh);
		assert_int_equal(store_migrated(s)->from, 0);
		store_free(s);
		assert_int_equal(access(before, F_OK), -1);
		shelf_teardown(&shelf);
	}
}

static void of_copies_the_last_two_are_kept(void **state)
{
	static const int versions[] = {2, 3, 4};
	struct shelf *sh = *state;
	char path[160];

	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		unlink(sh->path);
		make_version(sh->path, versions[i]);
		store_free(shelf_open(sh));
	}
	assert_int_equal(version_of(beside(sh, ".before", path)), 4);
	assert_int_equal(version_of(beside(sh, ".before.1", path)), 3);
	assert_int_equal(access(beside(sh, ".before.2", path), F_OK), -1);
	assert_int_equal(access(beside(sh, ".before.new", path), F_OK), -1);
}

static void trying_again_drives_no_copy_out(void **state)
{
	struct shelf *sh = *state;
	char path[160];

	make_version(sh->path, 2);
	store_free(shelf_open(sh));
	for (unsigned i = 0; i < 3; i++) { /* as starts that fail, each after it has made its copy */
		unlink(sh->path);
		make_version(sh->path, 4);
		store_free(shelf_open(sh));
	}
	assert_int_equal(version_of(beside(sh, ".before", path)), 4);
	assert_int_equal(version_of(beside(sh, ".before.1", path)), 2);
}

/* A step with which the process ends as by kill -9. */
static void end_here(sqlite3_context *ctx, int n, sqlite3_value **v)
{
	(void)ctx;
	(void)n;
	(void)v;
	raise(SIGKILL);
}

static void one_that_is_killed_in_the_middle_leaves_what_was_there(void **state)
{
	enum { FROM = 4 };
	struct shelf *sh = *state;
	char path[160];
	int status = 0;

	make_version(sh->path, FROM);
	const pid_t child = fork();
	if (child == 0) {
		struct schema_step steps[16] = {{NULL}};
		sqlite3 *db;

		memcpy(steps, schema_steps, (size_t)schema_version * sizeof(steps[0]));
		steps[schema_version].sql = "SELECT end_here()";
		if (sqlite3_open(sh->path, &db) != SQLITE_OK ||
			sqlite3_create_function(db, "end_here", 0, SQLITE_UTF8, NULL, end_here, NULL, NULL) !=
				SQLITE_OK)
			_exit(1);
		_exit(schema_migrate(db, steps, schema_version + 1, NULL) == TM_OK ? 2 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(version_of(sh->path), FROM);
	/* And of one that was killed while it copied. */
	shelf_write(beside(sh, ".before.new", path), "half", 4);
	struct store *s = shelf_open(sh);
	assert_int_equal(store_migrated(s)->from, FROM);
	store_free(s);
	assert_int_equal(version_of(beside(sh, ".before", path)), FROM);
	assert_int_equal(access(beside(sh, ".before.new", path), F_OK), -1);
}

enum { ROOM = 48 << 10 }; /* on the full disk: too little for a copy */

/* In a child with a mount namespace of its own; exits with the number of the step that failed. */
static void on_a_full_disk(const struct shelf *sh)
{
	static const char block[4096];
	struct diag d = {0};
	struct store *s = NULL;
	char ballast[160], path[160];

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("tm-test", sh->folder, "tmpfs", 0, "size=400k"))
		_exit(77);
	snprintf(ballast, sizeof(ballast), "%s/ballast", sh->folder);
	make_version(sh->path, 4);
	int fd = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
		;
	const off_t filled = lseek(fd, 0, SEEK_END);
	/* SQLite needs some room to open it at all: what is asked here is the copy. */
	if (filled < 0 || ftruncate(fd, filled - ROOM) < 0)
		_exit(1);
	close(fd);
	/* Who is to take the place of one that runs finds it out before. */
	if (store_look(&store_sqlite, sh->path, &d) != TM_ENOSPACE || !strstr(d.what, "no copy"))
		_exit(6);
	d = (struct diag){0};
	const int err = store_open(&store_sqlite, sh->path, &s, &d);
	if (err != TM_ENOSPACE || s || !strstr(d.what, "no copy of it can be kept before"))
		_exit(2);
	if (version_of(sh->path) != 4)
		_exit(3);
	if (access(beside(sh, ".before", path), F_OK) == 0 ||
		access(beside(sh, ".before.new", path), F_OK) == 0)
		_exit(4);
	unlink(ballast);
	if (store_look(&store_sqlite, sh->path, &d) != TM_OK)
		_exit(7);
	if (store_open(&store_sqlite, sh->path, &s, &d) != TM_OK || shelf_count_nodes(s) != 1)
		_exit(5);
	store_free(s);
	_exit(0);
}

static void on_a_full_disk_nothing_is_changed_and_half_a_copy_is_not_left(void **state)
{
	int status = 0;

	const pid_t child = fork();
	if (child == 0)
		on_a_full_disk(*state);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* needs root */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_cannot_be_kept_is_not_migrated(void **state)
{
	struct shelf *sh = *state;
	char path[160], in_it[200];
	struct diag d = {0};
	struct store *s = NULL;

	make_version(sh->path, 4);
	/* What the copy is to be written to. */
	assert_int_equal(mkdir(beside(sh, ".before.new", path), 0700), 0);
	snprintf(in_it, sizeof(in_it), "%s/file", path);
	shelf_write(in_it, "x", 1);
	assert_true(store_open(&store_sqlite, sh->path, &s, &d) < 0);
	assert_null(s);
	assert_non_null(strstr(d.what, "is of version 4 and has to become"));
	assert_non_null(strstr(d.what, "no copy of it can be kept before"));
	assert_int_equal(version_of(sh->path), 4);
	assert_int_equal(unlink(in_it), 0);
	assert_int_equal(rmdir(path), 0);
	store_free(shelf_open(sh));
}

static void a_newer_one_is_seen_while_another_program_has_it(void **state)
{
	struct shelf *sh = *state;
	struct diag d = {0};

	make_version(sh->path, 3);
	struct store *s = shelf_open(sh); /* and brings it to this version, in the file itself */
	assert_int_equal(store_look(&store_sqlite, sh->path, &d), TM_OK);
	uint8_t head[64];
	FILE *f = fopen(sh->path, "re");
	assert_non_null(f);
	assert_int_equal(fread(head, 1, sizeof(head), f), sizeof(head));
	assert_int_equal(head[63], schema_version);
	fclose(f);
	store_free(s);

	by_hand(sh->path, "PRAGMA user_version = 99");
	assert_int_equal(store_look(&store_sqlite, sh->path, &d), TM_EVERSION);
	assert_non_null(strstr(d.what, "from a newer TunnelMesh: its version is 99"));
	assert_non_null(strstr(d.hint, "use the newer program"));
	unlink(sh->path);
	assert_int_equal(store_look(&store_sqlite, sh->path, &d), TM_OK); /* for others to say */
}

#define T(f) cmocka_unit_test_setup_teardown(f, shelf_setup, shelf_teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_earlier_version_is_kept_and_becomes_this_one),
		T(of_copies_the_last_two_are_kept),
		T(trying_again_drives_no_copy_out),
		T(one_that_is_killed_in_the_middle_leaves_what_was_there),
		T(on_a_full_disk_nothing_is_changed_and_half_a_copy_is_not_left),
		T(what_cannot_be_kept_is_not_migrated),
		T(a_newer_one_is_seen_while_another_program_has_it),
	};

	return cmocka_run_group_tests_name("store migration", tests, NULL, NULL);
}
