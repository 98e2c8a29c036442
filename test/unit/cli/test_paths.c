/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include <unistd.h>

#include "cli/core/paths.h"

static void the_socket_follows_the_state_directory(void **state UNUSED)
{
	static const struct {
		const char *config, *state_dir, *socket;
		const char *got_state, *got_socket;
		bool standard;
	} rows[] = {
		{NULL, NULL, NULL, "/var/lib/tunnelmesh", "/run/tunnelmesh/tunnelmesh.sock", true},
		{NULL, "/var/lib/tunnelmesh/", NULL, "/var/lib/tunnelmesh", "/run/tunnelmesh/tunnelmesh.sock",
			true},
		{"/etc/tunnelmesh/config.yaml", NULL, NULL, "/var/lib/tunnelmesh",
			"/run/tunnelmesh/tunnelmesh.sock", true},
		{NULL, "/srv/m2", NULL, "/srv/m2", "/srv/m2/tunnelmesh.sock", false},
		{NULL, "/srv/m2//", "/run/m2", "/srv/m2", "/run/m2", false},
		{NULL, NULL, "/run/m2", "/var/lib/tunnelmesh", "/run/m2", false},
		{NULL, "/var/lib/tunnelmesh-work", NULL, "/var/lib/tunnelmesh-work",
			"/run/tunnelmesh-work/tunnelmesh.sock", true},
		{"/etc/tunnelmesh/work.yaml", "/var/lib/tunnelmesh-work/", NULL, "/var/lib/tunnelmesh-work",
			"/run/tunnelmesh-work/tunnelmesh.sock", true},
		{"/etc/tunnelmesh/config.yaml", "/var/lib/tunnelmesh-work", NULL, "/var/lib/tunnelmesh-work",
			"/run/tunnelmesh-work/tunnelmesh.sock", false},
		{NULL, "/var/lib/tunnelmesh-", NULL, "/var/lib/tunnelmesh-",
			"/var/lib/tunnelmesh-/tunnelmesh.sock", false},
		{NULL, "/var/lib/tunnelmesh-a b", NULL, "/var/lib/tunnelmesh-a b",
			"/var/lib/tunnelmesh-a b/tunnelmesh.sock", false},
		{NULL, "/var/lib/tunnelmesh-a/b", NULL, "/var/lib/tunnelmesh-a/b",
			"/var/lib/tunnelmesh-a/b/tunnelmesh.sock", false},
		{"/etc/other.yaml", NULL, NULL, "/var/lib/tunnelmesh", "/run/tunnelmesh/tunnelmesh.sock",
			false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct paths p;

		assert_int_equal(paths_init(rows[i].config, rows[i].state_dir, rows[i].socket, &p), TM_OK);
		assert_string_equal(p.state_dir, rows[i].got_state);
		assert_string_equal(p.socket, rows[i].got_socket);
		assert_int_equal(p.standard, rows[i].standard);
		assert_int_equal(p.config_explicit, rows[i].config != NULL);
		paths_deinit(&p);
	}
}

static void a_further_mesh_has_a_configuration_and_a_unit_of_its_own(void **state UNUSED)
{
	static const struct {
		const char *state_dir, *config, *unit, *file;
	} rows[] = {
		{NULL, "/etc/tunnelmesh/config.yaml", "tunnelmesh.service", "tunnelmesh.service"},
		{"/var/lib/tunnelmesh-work", "/etc/tunnelmesh/work.yaml", "tunnelmesh@work.service",
			"tunnelmesh@.service"},
		{"/srv/m2", "/etc/tunnelmesh/config.yaml", "tunnelmesh.service", "tunnelmesh.service"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct paths p;

		assert_int_equal(paths_init(NULL, rows[i].state_dir, NULL, &p), TM_OK);
		assert_string_equal(p.config, rows[i].config);
		assert_string_equal(p.unit, rows[i].unit);
		assert_string_equal(p.unit_file, rows[i].file);
		paths_deinit(&p);
	}
}

static void relative_paths_become_absolute(void **state UNUSED)
{
	char cwd[4096], expect[4200];
	struct paths p;

	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(paths_init("c.yaml", "state", "s", &p), TM_OK);
	snprintf(expect, sizeof(expect), "%s/state/node.json", strcmp(cwd, "/") == 0 ? "" : cwd);
	assert_string_equal(p.enrolment, expect);
	assert_true(p.config[0] == '/' && p.socket[0] == '/');
	paths_deinit(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_socket_follows_the_state_directory),
		cmocka_unit_test(a_further_mesh_has_a_configuration_and_a_unit_of_its_own),
		cmocka_unit_test(relative_paths_become_absolute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
