/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "base/log.h"
#include "fake/quiet.h"
#include "fake/settings.h"
#include "node/host_settings.h"
#include "os/os.h"

#include <unistd.h>

static char path[64];
static bool disk_is_full;

int __real_os_write_file(const char *p, const void *data, size_t n, unsigned mode, struct diag *d);
int __wrap_os_write_file(const char *p, const void *data, size_t n, unsigned mode, struct diag *d);

int __wrap_os_write_file(const char *p, const void *data, size_t n, unsigned mode, struct diag *d)
{
	return disk_is_full ? diag_what(d, TM_ENOSPACE, "full") : __real_os_write_file(p, data, n, mode, d);
}

#define A "net/ipv4/conf/tm0/forwarding"
#define B "net/ipv4/conf/lan0/forwarding"
#define C "net/ipv6/conf/all/forwarding"
#define ALL "net/ipv4/conf/all/forwarding"

static int set_up(void **state)
{
	static const char *const names[] = {A, B, C, ALL};

	(void)state;
	log_set_sink(quiet_log, NULL);
	kernel_empty();
	disk_is_full = false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		kernel_has(names[i], "0");
	snprintf(path, sizeof(path), "/tmp/tm-settings-XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/settings");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

static struct host_settings *begin(void)
{
	struct host_settings *s;

	assert_int_equal(host_settings_new(path, &s), TM_OK);
	return s;
}

static int want(struct host_settings *s, const char *first, const char *second)
{
	struct diag d = {0};

	host_settings_begin(s);
	if (first)
		host_settings_want(s, first, "1");
	if (second)
		host_settings_want(s, second, "1");
	return host_settings_end(s, &d);
}

static void expect(const char *a, const char *b, const char *c)
{
	assert_string_equal(kernel_value(A), a);
	assert_string_equal(kernel_value(B), b);
	assert_string_equal(kernel_value(C), c);
}

static void what_is_not_wanted_any_more_is_as_it_was(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	kernel_write(C, "1"); /* somebody else's */
	assert_int_equal(want(s, A, B), TM_OK);
	expect("1", "1", "1");
	assert_int_equal(want(s, B, C), TM_OK);
	expect("0", "1", "1");
	host_settings_free(s);
	expect("0", "0", "1");
}

static void what_a_crash_has_left_the_next_start_takes_back(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	assert_int_equal(want(s, A, B), TM_OK);
	free(s); /* killed */
	kernel_write(B, "2"); /* and somebody has an opinion since */
	host_settings_free(begin());
	expect("0", "2", "0");
	kernel_write(A, "1");
	host_settings_free(begin()); /* once is enough */
	expect("1", "2", "0");
}

static void nothing_is_changed_that_could_not_be_written_down_first(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	disk_is_full = true;
	assert_int_equal(want(s, A, NULL), TM_ENOSPACE);
	expect("0", "0", "0");
	disk_is_full = false;
	assert_int_equal(want(s, A, NULL), TM_OK);
	expect("1", "0", "0");
	host_settings_free(s);
	expect("0", "0", "0");
}

static void one_that_cannot_be_set_is_said_until_it_can(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	kernel_locks(A, true);
	assert_int_equal(want(s, A, B), TM_EPERM);
	expect("0", "1", "0"); /* the others are */
	assert_int_equal(want(s, A, B), TM_EPERM);
	kernel_locks(A, false);
	assert_int_equal(want(s, A, B), TM_OK);
	expect("1", "1", "0");
	assert_int_equal(want(s, "net/ipv4/conf/gone/forwarding", B), TM_OK); /* there is none: as good */
	expect("0", "1", "0");
	host_settings_free(s);
}

static void what_was_never_set_is_not_taken_back(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	kernel_locks(A, true);
	assert_int_equal(want(s, A, NULL), TM_EPERM);
	kernel_locks(A, false);
	kernel_write(A, "1"); /* somebody else did */
	host_settings_free(s);
	expect("1", "0", "0");
}

static char warned[256];

static void keep_line(void *ctx UNUSED, const char *line, size_t n)
{
	snprintf(warned, sizeof(warned), "%.*s", (int)n, line);
}

static void what_somebody_undoes_meanwhile_is_set_again(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	log_set_sink(keep_line, NULL);
	warned[0] = '\0';
	assert_int_equal(want(s, A, B), TM_OK);
	assert_int_equal(want(s, A, B), TM_OK);
	assert_string_equal(warned, "");
	kernel_write(A, "0");
	assert_int_equal(want(s, A, B), TM_OK);
	expect("1", "1", "0");
	assert_non_null(strstr(warned, "somebody changed a setting of the kernel"));
	assert_non_null(strstr(warned, A));
	/* An interface that is unplugged, and another of its name. */
	kernel_loses(B);
	assert_int_equal(want(s, A, B), TM_OK);
	kernel_has(B, "0");
	assert_int_equal(want(s, A, B), TM_OK);
	expect("1", "1", "0");
	host_settings_free(s);
	expect("0", "0", "0");
}

/* Docker switches forwarding on for all interfaces when it starts, and ours were on already. */
static void what_somebody_sets_for_all_interfaces_is_theirs(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	assert_int_equal(want(s, A, B), TM_OK);
	kernel_write(ALL, "1");
	assert_int_equal(want(s, A, NULL), TM_OK);
	expect("1", "1", "0");
	free(s); /* killed */
	host_settings_free(begin());
	expect("1", "1", "0");
	/* And what was so for all before is no reason. */
	kernel_write(A, "0");
	s = begin();
	assert_int_equal(want(s, A, NULL), TM_OK);
	host_settings_free(s);
	expect("0", "1", "0");
}

static void it_is_known_what_is_so_because_of_us(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	kernel_write(B, "1"); /* somebody else's */
	assert_true(host_settings_ours(s, A, "1") && !host_settings_ours(s, B, "1")); /* it would be */
	assert_int_equal(want(s, A, B), TM_OK);
	assert_true(host_settings_ours(s, A, "1") && !host_settings_ours(s, B, "1"));
	kernel_write(ALL, "1");
	assert_false(host_settings_ours(s, A, "1"));
	kernel_write(ALL, "0");
	host_settings_free(s);
}

static void two_hundred_interfaces_are_no_trouble(void **state)
{
	struct host_settings *s = begin();
	struct diag d = {0};
	char name[64];

	(void)state;
	host_settings_begin(s);
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "net/ipv6/conf/veth%d/accept_ra", i);
		kernel_has(name, "1");
		host_settings_want(s, name, "2");
	}
	assert_int_equal(host_settings_end(s, &d), TM_OK);
	assert_string_equal(kernel_value(name), "2");
	free(s); /* killed */
	host_settings_free(begin());
	assert_string_equal(kernel_value(name), "1");
}

static void more_than_there_is_room_for_is_said(void **state)
{
	struct host_settings *s = begin();
	struct diag d = {0};
	char name[64];

	(void)state;
	host_settings_begin(s);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "net/ipv6/conf/veth%d/accept_ra", i);
		kernel_has(name, "1");
		host_settings_want(s, name, "2");
		kernel_loses(name);
	}
	assert_int_equal(host_settings_end(s, &d), TM_EFULL);
	assert_non_null(strstr(d.what, "more settings"));
	host_settings_free(s);
}

static void a_file_that_somebody_else_wrote_is_no_lever(void **state)
{
	static const char text[] =
		"kernel/core_pattern |evil 0\nnet/ipv4/../../kernel/x 7 0\nnonsense\n" A " 7 0\n";

	(void)state;
	assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), TM_OK);
	kernel_has("kernel/core_pattern", "0");
	host_settings_free(begin());
	assert_string_equal(kernel_value("kernel/core_pattern"), "0");
	expect("7", "0", "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_is_not_wanted_any_more_is_as_it_was),
		T(what_a_crash_has_left_the_next_start_takes_back),
		T(nothing_is_changed_that_could_not_be_written_down_first),
		T(one_that_cannot_be_set_is_said_until_it_can),
		T(what_was_never_set_is_not_taken_back),
		T(what_somebody_undoes_meanwhile_is_set_again),
		T(what_somebody_sets_for_all_interfaces_is_theirs),
		T(it_is_known_what_is_so_because_of_us),
		T(two_hundred_interfaces_are_no_trouble),
		T(more_than_there_is_room_for_is_said),
		T(a_file_that_somebody_else_wrote_is_no_lever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
