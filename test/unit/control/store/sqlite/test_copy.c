/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Copies of a database in use. */
#include "unit/unit.h"

#include "unit/control/store/sqlite/shelf.h"

#include "control/store/sqlite/sqlite.h"

#include <string.h>
#include <sys/stat.h>

static void copy_path(const struct shelf *sh, char path[static 112])
{
	snprintf(path, 112, "%s.copy", sh->path);
}

static bool holds(const char *path, const void *what, size_t n)
{
	size_t size;
	uint8_t *bytes = shelf_read(path, &size);

	assert_non_null(bytes);
	bool found = memmem(bytes, size, what, n);
	free(bytes);
	return found;
}

static void a_copy_has_what_lies_in_the_log_only(void **state)
{
	const struct shelf *sh = *state;
	char path[112], log[112];
	struct store *copy;
	struct stat st;
	struct diag d = {0};

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	for (uint32_t i = 2; i <= 9; i++) {
		struct store_node n = shelf_node(i);
		assert_int_equal(shelf_insert_node(s, &n), TM_OK);
	}
	snprintf(log, sizeof(log), "%s-wal", sh->path);
	assert_int_equal(stat(log, &st), 0);
	assert_true(st.st_size > 0 && !holds(sh->path, "node-9", 6)); /* or this proves nothing */

	copy_path(sh, path);
	assert_int_equal(store_copy(s, path), TM_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(store_open(&store_sqlite, path, &copy, &d), TM_OK);
	assert_int_equal(shelf_count_nodes(copy), 9);
	store_free(copy);
	store_free(s);
}

static void a_copy_replaces_an_older_one_and_the_store_goes_on(void **state)
{
	const struct shelf *sh = *state;
	struct store_node n = shelf_node(2), next = shelf_node(3);
	char path[112];
	struct store *copy;
	struct diag d = {0};

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	copy_path(sh, path);
	shelf_write(path, "older", 5);
	assert_int_equal(shelf_insert_node(s, &n), TM_OK);
	assert_int_equal(store_copy(s, path), TM_OK);
	assert_int_equal(shelf_insert_node(s, &next), TM_OK);
	assert_int_equal(store_open(&store_sqlite, path, &copy, &d), TM_OK);
	assert_int_equal(shelf_count_nodes(copy), 2);
	store_free(copy);
	store_free(s);
}

static void a_copy_is_as_safe_as_the_original_once_it_is_opened(void **state)
{
	const struct shelf *sh = *state;
	struct store_node n = shelf_node(2);
	char path[112], log[128];
	struct store *copy;
	struct diag d = {0};
	struct stat st;

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	copy_path(sh, path);
	assert_int_equal(store_copy(s, path), TM_OK);
	store_free(s);
	assert_int_equal(store_open(&store_sqlite, path, &copy, &d), TM_OK);
	assert_int_equal(shelf_insert_node(copy, &n), TM_OK);
	snprintf(log, sizeof(log), "%s-wal", path);
	assert_int_equal(stat(log, &st), 0); /* a write-ahead log, as store.h promises */
	store_free(copy);
}

static void a_place_that_cannot_be_written_is_an_error_and_leaves_nothing(void **state)
{
	const struct shelf *sh = *state;
	char path[112];

	shelf_create(sh);
	struct store *s = shelf_open(sh);
	snprintf(path, sizeof(path), "%s/none/copy", sh->folder);
	assert_int_equal(store_copy(s, path), TM_ENOENT);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_copy_has_what_lies_in_the_log_only, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_copy_replaces_an_older_one_and_the_store_goes_on, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(
			a_copy_is_as_safe_as_the_original_once_it_is_opened, shelf_setup, shelf_teardown),
		cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written_is_an_error_and_leaves_nothing,
			shelf_setup, shelf_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
