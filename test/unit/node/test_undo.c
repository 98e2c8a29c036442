/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/undo.h"

#include <unistd.h>

#include "os/os.h"
#include "unit/unit.h"

static char path[64];
static int load_error;

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/test_undo.%d", (int)getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static size_t load(const char *text, struct portmap_owed ret_v[static PORTMAP_OWED_MAX])
{
	size_t n;

	assert_int_equal(os_write_file(path, text, strlen(text), 0600, NULL), TM_OK);
	load_error = undo_load(path, ret_v, &n);
	return n;
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), TM_OK);
	return ip;
}

static void what_is_written_is_read_again(void **state)
{
	struct portmap_owed v[PORTMAP_OWED_MAX], got[PORTMAP_OWED_MAX];
	char text[UNDO_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < PORTMAP_OWED_MAX; i++)
		/* The longest there are. */
		v[i] = (struct portmap_owed){.by = (enum portmap_protocol)(PORTMAP_PCP + i % 3),
			.gateway = ip_of("fe80:1111:2222:3333:4444:5555:6666:7777"),
			.own = ip_of(i % 2 ? "192.168.1.7" : "2a11:1111:2222:3333:4444:5555:6666:7777"),
			.internal = UINT16_MAX,
			.external = (uint16_t)(i % 2 ? 51820 : 0)};
	for (size_t n = 0; n <= PORTMAP_OWED_MAX; n++) {
		undo_format(v, n, text);
		assert_true(strlen(text) < UNDO_TEXT_MAX);
		assert_int_equal(load(text, got), n);
		assert_int_equal(load_error, TM_OK);
		for (size_t i = 0; i < n; i++) {
			assert_int_equal(got[i].by, v[i].by);
			assert_true(ip_eq(&got[i].gateway, &v[i].gateway) && ip_eq(&got[i].own, &v[i].own));
			assert_int_equal(got[i].internal, v[i].internal);
			assert_int_equal(got[i].external, v[i].external);
		}
	}
}

static void what_makes_no_sense_is_left_out_and_told(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		bool whole;
	} rows[] = {
		{"", 0, true},
		{"\n\n", 0},
		{"pcp 192.168.1.1 192.168.1.7 51820 0", 1, true},
		{"pcp 192.168.1.1 192.168.1.7 51820\n", 0},
		{"smtp 192.168.1.1 192.168.1.7 51820 0\n", 0},
		{"none 192.168.1.1 192.168.1.7 51820 0\n", 0},
		{"pcp 192.168.1.x 192.168.1.7 51820 0\n", 0},
		{"pcp 192.168.1.1 somewhere 51820 0\n", 0},
		{"pcp 192.168.1.1 192.168.1.7 0 0\n", 0},
		{"pcp 192.168.1.1 192.168.1.7 65536 0\n", 0},
		{"pcp 192.168.1.1 192.168.1.7 51820 65536\n", 0},
		{"nonsense\nupnp 192.168.1.1 192.168.1.7 51820 51820\nmore\n", 1},
	};
	struct portmap_owed got[PORTMAP_OWED_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (load(rows[i].text, got) != rows[i].n ||
			load_error != (rows[i].whole ? TM_OK : TM_ECORRUPT))
			fail_msg("row %zu: %d", i, load_error);
}

static void a_file_that_is_not_there_is_told_from_one_that_cannot_be_read(void **state)
{
	struct portmap_owed got[PORTMAP_OWED_MAX];
	char large[UNDO_TEXT_MAX + 2] = "";
	size_t n = 1;

	(void)state;
	assert_int_equal(undo_load(path, got, &n), TM_OK);
	assert_int_equal(n, 0);
	memset(large, ' ', sizeof(large) - 1);
	assert_int_equal(load(large, got), 0);
	assert_int_equal(load_error, TM_ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_written_is_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(what_makes_no_sense_is_left_out_and_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_is_not_there_is_told_from_one_that_cannot_be_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
