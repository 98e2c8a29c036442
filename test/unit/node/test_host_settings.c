/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The kernel's settings are a table of the test's, which outlives the runs of the code. */
#include "unit/unit.h"

#include "base/log.h"
#include "fake/quiet.h"
#include "node/host_settings.h"
#include "os/os.h"

#include <unistd.h>

static struct {
	const char *name;
	char value[16];
	bool locked; /* cannot be changed */
} kernel[4];
static char path[64];
static bool disk_is_full;

int __wrap_os_setting_get(const char *name, char *buf, size_t n);
int __wrap_os_setting_set(const char *name, const char *value);
int __real_os_write_file(const char *p, const void *data, size_t n, unsigned mode, struct diag *d);
int __wrap_os_write_file(const char *p, const void *data, size_t n, unsigned mode, struct diag *d);

int __wrap_os_setting_get(const char *name, char *buf, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(kernel); i++)
		if (kernel[i].name && strcmp(kernel[i].name, name) == 0) {
			snprintf(buf, n, "%s", kernel[i].value);
			return TM_OK;
		}
	return TM_ENOENT;
}

int __wrap_os_setting_set(const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(kernel); i++)
		if (kernel[i].name && strcmp(kernel[i].name, name) == 0) {
			if (kernel[i].locked)
				return TM_EPERM;
			snprintf(kernel[i].value, sizeof(kernel[i].value), "%s", value);
			return TM_OK;
		}
	return TM_ENOENT;
}

int __wrap_os_write_file(const char *p, const void *data, size_t n, unsigned mode, struct diag *d)
{
	return disk_is_full ? diag_what(d, TM_ENOSPACE, "full") : __real_os_write_file(p, data, n, mode, d);
}

#define A "net/ipv4/conf/tm0/forwarding"
#define B "net/ipv4/conf/lan0/forwarding"
#define C "net/ipv6/conf/all/forwarding"

static int set_up(void **state)
{
	static const char *const names[] = {A, B, C};

	(void)state;
	log_set_sink(quiet_log, NULL);
	memset(kernel, 0, sizeof(kernel));
	disk_is_full = false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		kernel[i].name = names[i];
		memcpy(kernel[i].value, "0", 2);
	}
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
	assert_string_equal(kernel[0].value, a);
	assert_string_equal(kernel[1].value, b);
	assert_string_equal(kernel[2].value, c);
}

static void what_is_not_wanted_any_more_is_as_it_was(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	memcpy(kernel[2].value, "1", 2); /* somebody else's */
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
	memcpy(kernel[1].value, "2", 2); /* and somebody has an opinion since */
	host_settings_free(begin());
	expect("0", "2", "0");
	memcpy(kernel[0].value, "1", 2);
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

static void one_that_cannot_be_set_is_said(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	kernel[0].locked = true;
	assert_int_equal(want(s, A, NULL), TM_EPERM);
	assert_int_equal(want(s, "net/ipv4/conf/gone/forwarding", B), TM_OK); /* there is none: as good */
	expect("0", "1", "0");
	host_settings_free(s);
}

static void a_file_that_somebody_else_wrote_is_no_lever(void **state)
{
	static const char text[] =
		"kernel/core_pattern |evil 0\nnet/ipv4/../../kernel/x 7 0\nnonsense\n" A " 7 0\n";

	(void)state;
	assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), TM_OK);
	kernel[3].name = "kernel/core_pattern";
	memcpy(kernel[3].value, "0", 2);
	host_settings_free(begin());
	assert_string_equal(kernel[3].value, "0");
	expect("7", "0", "0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(what_is_not_wanted_any_more_is_as_it_was),
		T(what_a_crash_has_left_the_next_start_takes_back),
		T(nothing_is_changed_that_could_not_be_written_down_first),
		T(one_that_cannot_be_set_is_said),
		T(a_file_that_somebody_else_wrote_is_no_lever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
