/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include <unistd.h>

#include "os/paths.h"

static void a_name_in_a_folder_has_one_separator_before_it(void **state UNUSED)
{
	static const char *const rows[][3] = {
		{"/var/lib", "mesh.db", "/var/lib/mesh.db"},
		{"/", "mesh.db", "/mesh.db"},
		{"here/", "mesh.db", "here/mesh.db"},
		{"here", "sub/mesh.db", "here/sub/mesh.db"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char *joined = os_path_join(rows[i][0], rows[i][1]), buf[64];

		assert_string_equal(joined, rows[i][2]);
		os_path_in(buf, sizeof(buf), rows[i][0], rows[i][1]);
		assert_string_equal(buf, rows[i][2]);
		os_path_in(buf, 4, rows[i][0], rows[i][1]);
		assert_int_equal(strlen(buf), 3);
		assert_memory_equal(buf, rows[i][2], 3);
		free(joined);
	}
}

/* From the deepest to the root, and no further. */
static void one_goes_up_to_the_root_and_stays_there(void **state UNUSED)
{
	char path[] = "/srv//meshes/home", alone[] = "file", near[] = "./file";

	assert_true(os_path_up(path));
	assert_string_equal(path, "/srv//meshes");
	assert_true(os_path_up(path));
	assert_string_equal(path, "/srv");
	assert_true(os_path_up(path));
	assert_string_equal(path, "/");
	assert_false(os_path_up(path));
	assert_string_equal(path, "/");
	assert_false(os_path_up(alone));
	assert_string_equal(alone, "file");
	assert_true(os_path_up(near));
	assert_string_equal(near, ".");
}

static void separators_at_the_end_are_taken_off_and_the_root_is_left(void **state UNUSED)
{
	char folder[] = "/srv/mesh//", root[] = "///", none[] = "";

	os_path_trim(folder);
	assert_string_equal(folder, "/srv/mesh");
	os_path_trim(root);
	assert_string_equal(root, "/");
	os_path_trim(none);
	assert_string_equal(none, "");
}

static void what_is_not_from_the_root_on_is_from_here(void **state UNUSED)
{
	char here[4096], expected[4200];

	assert_non_null(getcwd(here, sizeof(here)));
	snprintf(expected, sizeof(expected), "%s/a/b", here);
	char *relative = os_path_absolute("a/b"), *absolute = os_path_absolute("/a/b");
	assert_string_equal(relative, expected);
	assert_string_equal(absolute, "/a/b");
	free(relative);
	free(absolute);

	assert_int_equal(chdir("/"), 0);
	char *below = os_path_absolute("a/b");
	assert_string_equal(below, "/a/b");
	free(below);
	assert_int_equal(chdir(here), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_in_a_folder_has_one_separator_before_it),
		cmocka_unit_test(one_goes_up_to_the_root_and_stays_there),
		cmocka_unit_test(separators_at_the_end_are_taken_off_and_the_root_is_left),
		cmocka_unit_test(what_is_not_from_the_root_on_is_from_here),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
