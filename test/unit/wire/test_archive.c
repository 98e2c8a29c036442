/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/archive.h"

#include "unit/unit.h"

enum { ROOM = 8192 };

static size_t two_files(uint8_t out[static ROOM])
{
	const struct archive_file files[] = {
		{"backup.json", (const uint8_t *)"{}", 2}, {"identity", (const uint8_t *)"secret", 6}};

	archive_write(files, 2, 1700000000, out);
	return archive_size(files, 2);
}

/* The error of the first member that is refused, or of the end. */
static int read_through(const uint8_t *p, size_t n)
{
	struct archive_reader r = {p, p + n};
	struct archive_file f;
	int err;

	while (!(err = archive_next(&r, &f)))
		;
	return err;
}

static void what_was_written_is_read(void **state)
{
	uint8_t bytes[ROOM];
	struct archive_reader r = {bytes, bytes + two_files(bytes)};
	struct archive_file f;

	(void)state;
	assert_int_equal(archive_next(&r, &f), TM_OK);
	assert_string_equal(f.name, "backup.json");
	assert_int_equal(archive_next(&r, &f), TM_OK);
	assert_string_equal(f.name, "identity");
	assert_int_equal(f.n, 6);
	assert_memory_equal(f.p, "secret", 6);
	assert_int_equal(archive_next(&r, &f), TM_ENOENT);
}

static void any_tar_unpacks_it(void **state)
{
	char dir[] = "/tmp/tm-archive-XXXXXX", command[256];
	uint8_t bytes[ROOM];
	size_t n = two_files(bytes);

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
		"cd %s && tar xf - && test \"$(cat identity)\" = secret && test \"$(stat -c %%a identity)\" "
		"= 600",
		dir);
	FILE *tar = popen(command, "w");
	assert_non_null(tar);
	assert_int_equal(fwrite(bytes, 1, n, tar), n);
	assert_int_equal(pclose(tar), 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void every_cut_is_noticed(void **state)
{
	uint8_t bytes[ROOM];
	size_t n = two_files(bytes);

	(void)state;
	for (size_t i = 0; i < n; i++)
		if (read_through(bytes, i) != TM_ESHORT)
			fail_msg("cut at %zu", i);
}

static void no_byte_of_a_header_may_differ(void **state)
{
	enum { HEADER = 512 };
	uint8_t bytes[ROOM];
	size_t n = two_files(bytes);

	(void)state;
	for (size_t i = 0; i < HEADER; i++) {
		bytes[i] ^= 1;
		if (read_through(bytes, n) == TM_ENOENT)
			fail_msg("byte %zu", i);
		bytes[i] ^= 1;
	}
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
	static const char *const names[] = {"", ".", "..", "../identity", "/etc/passwd", "a/b", ".profile",
		"Identity", "a b", "a\nb", "\xc3\xa4"};
	uint8_t bytes[ROOM];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct archive_file f = {.p = (const uint8_t *)"x", .n = 1};

		snprintf(f.name, sizeof(f.name), "%s", names[i]);
		archive_write(&f, 1, 1, bytes);
		if (read_through(bytes, archive_size(&f, 1)) != TM_EBADMSG)
			fail_msg("\"%s\"", names[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(any_tar_unpacks_it),
		cmocka_unit_test(every_cut_is_noticed),
		cmocka_unit_test(no_byte_of_a_header_may_differ),
		cmocka_unit_test(names_that_lead_elsewhere_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
