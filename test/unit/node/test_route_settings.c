/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "node/route_settings.h"
#include "os/os.h"

#include <unistd.h>

static char path[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/tm-routes-XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/routes");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

static struct prefix net(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), TM_OK);
	return p;
}

static void what_was_told_is_there_after_a_restart(void **state)
{
	struct route_settings s = {.n = NODE_ROUTES_MAX,
				      .exit_offer = true,
				      .exit_lan = true,
				      .exit_kill = true},
			      back;
	struct diag d = {0};

	(void)state;
	for (size_t i = 0; i < s.n; i++) {
		s.nets[i] = (struct own_net){
			net("2001:db8:ffff:ffff:ffff:ffff:ffff:ff00/128"), i % 2, i % 3 == 0};
		s.nets[i].prefix.ip.bytes[15] = (uint8_t)i;
	}
	memcpy(s.exit_use, "0123456789abcdef", sizeof(s.exit_use));
	assert_int_equal(route_settings_save(path, &s, &d), TM_OK);
	assert_int_equal(route_settings_load(path, &back, &d), TM_OK);
	assert_int_equal(back.n, s.n);
	for (size_t i = 0; i < s.n; i++) {
		const struct own_net *x = &s.nets[i], *y = route_settings_net(&back, &x->prefix);

		if (!y || x->ha != y->ha || x->snat != y->snat)
			fail_msg("net %zu", i);
	}
	assert_true(back.exit_offer && back.exit_lan && back.exit_kill);
	assert_string_equal(back.exit_use, s.exit_use);
}

static void without_a_file_nothing_was_told(void **state)
{
	struct route_settings s = {.n = 3, .exit_offer = true};
	struct diag d = {0};

	(void)state;
	assert_int_equal(route_settings_load(path, &s, &d), TM_OK);
	assert_int_equal(s.n, 0);
	assert_false(s.exit_offer || s.exit_use[0]);
}

static void lines_that_make_no_sense_are_left_out_and_said(void **state)
{
	static const char *const bad[] = {"nonsense\n", "advertise\n", "advertise lan\n",
		"advertise 0.0.0.0/0\n", "advertise 10.1.0.7/16\n", "advertise 127.0.0.0/8\n",
		"advertise 10.2.0.0/16\nadvertise 10.2.0.0/16 ha\n", "use laptop\n", "use\n", "\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct route_settings s;
		char text[256];

		snprintf(text, sizeof(text), "advertise 10.1.0.0/16 plain\n%soffer\n", bad[i]);
		assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), TM_OK);
		if (route_settings_load(path, &s, NULL) != TM_ECORRUPT || s.n < 1 || s.nets[0].snat ||
			!s.exit_offer)
			fail_msg("\"%s\"", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_was_told_is_there_after_a_restart),
		T(without_a_file_nothing_was_told),
		T(lines_that_make_no_sense_are_left_out_and_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
