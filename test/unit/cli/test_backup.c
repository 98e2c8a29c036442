/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The form of a backup. What the commands do with one is in test_restore.c, and in test/lab/test_backup.py
 * with real nodes. */
#include "unit/unit.h"

#include "cli/core/backup.h"
#include "crypto/init.h"

#include <string.h>

#define CONTENT(text)                                                                                        \
	{                                                                                                    \
		(const uint8_t *)(text), sizeof(text) - 1                                                    \
	}

static struct backup of_coordinator(void)
{
	return (struct backup){
		.mesh = "home",
		.node = "hub",
		.coordinator = true,
		.made = 1700000000,
		.part = {[BACKUP_DB] = CONTENT("SQLite format 3"),
			[BACKUP_CLOCK] = CONTENT("1 2\n"),
			[BACKUP_IDENTITY] = CONTENT("-----BEGIN"),
			[BACKUP_ENROLMENT] = CONTENT("{}")},
	};
}

static struct backup of_node(void)
{
	struct backup b = of_coordinator();

	b.coordinator = false;
	b.part[BACKUP_DB] = b.part[BACKUP_CLOCK] = (struct backup_content){0};
	return b;
}

static uint8_t *packed(const struct backup *b, size_t *ret_n)
{
	uint8_t *bytes = NULL;

	assert_int_equal(crypto_init(NULL), TM_OK);
	assert_int_equal(backup_pack(b, &bytes, ret_n), TM_OK);
	return bytes;
}

static void assert_same(const struct backup *a, const struct backup *b)
{
	assert_string_equal(a->mesh, b->mesh);
	assert_string_equal(a->node, b->node);
	assert_int_equal(a->coordinator, b->coordinator);
	assert_int_equal(a->made, b->made);
	for (size_t i = 0; i < BACKUP_PARTS; i++) {
		assert_int_equal(a->part[i].n, b->part[i].n);
		assert_int_equal(!a->part[i].p, !b->part[i].p);
		if (a->part[i].p)
			assert_memory_equal(a->part[i].p, b->part[i].p, a->part[i].n);
	}
}

static void what_was_packed_is_unpacked(void **state)
{
	const struct backup all[] = {of_coordinator(), of_node()};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct backup b;
		struct diag d = {0};
		size_t n;
		uint8_t *bytes = packed(&all[i], &n);

		assert_true(n <= backup_file_max());
		assert_int_equal(backup_unpack(bytes, n, &b, &d), TM_OK);
		assert_same(&b, &all[i]);
		free(bytes);
	}
}

static void no_bit_may_differ_but_in_what_is_for_the_reader(void **state)
{
	const struct backup hub = of_coordinator();
	size_t n;
	uint8_t *bytes = packed(&hub, &n);
	unsigned accepted = 0;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct backup b;
		struct diag d = {0};

		bytes[i] ^= 1;
		if (backup_unpack(bytes, n, &b, &d) == TM_OK) {
			accepted++;
			for (size_t p = 0; p < BACKUP_PARTS; p++)
				assert_memory_equal(b.part[p].p, hub.part[p].p, hub.part[p].n);
		} else {
			assert_true(d.what[0] && d.hint[0]);
		}
		bytes[i] ^= 1;
	}
	/* Names, numbers and the sentence in backup.json are not sealed: about a third of its 500 bytes. */
	assert_in_range(accepted, 1, 250);
	free(bytes);
}

static void every_cut_is_refused(void **state)
{
	const struct backup hub = of_coordinator();
	size_t n;
	uint8_t *bytes = packed(&hub, &n);
	struct backup b;

	(void)state;
	for (size_t i = 0; i < n; i++) {
		struct diag d = {0};

		if (backup_unpack(bytes, i, &b, &d) == TM_OK)
			fail_msg("cut at %zu", i);
		assert_true(d.what[0] && d.hint[0]);
	}
	free(bytes);
}

static void a_backup_without_a_part_that_its_node_needs_is_refused(void **state)
{
	struct backup without[] = {of_coordinator(), of_coordinator(), of_coordinator(), of_node()};
	const enum backup_part missing[] = {BACKUP_DB, BACKUP_IDENTITY, BACKUP_ENROLMENT};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(missing); i++)
		without[i].part[missing[i]] = (struct backup_content){0};
	without[3].part[BACKUP_DB] = of_coordinator().part[BACKUP_DB]; /* a node with a mesh */
	for (size_t i = 0; i < ARRAY_LEN(without); i++) {
		struct backup b;
		struct diag d = {0};
		size_t n;
		uint8_t *bytes = packed(&without[i], &n);

		assert_int_equal(backup_unpack(bytes, n, &b, &d), TM_ECORRUPT);
		free(bytes);
	}
}

/* Archives that backup_pack does not make. */
static void strange_archives_are_refused(void **state)
{
	static const char newer[] =
		"{\"v\":2,\"mesh\":\"m\",\"node\":\"n\",\"made\":1,\"coordinator\":false}",
			  none[] = "[]", nodes[] = "{\"v\":1}";
	static const struct {
		int expect;
		size_t n;
		struct archive_file files[3];
	} rows[] = {
		{TM_EBADMSG, 0, {{.name = ""}}},
		{TM_EBADMSG, 1, {{"identity", (const uint8_t *)none, 2}}},
		{TM_EBADMSG, 1, {{"backup.json", (const uint8_t *)none, 2}}},
		{TM_EVERSION, 1, {{"backup.json", (const uint8_t *)newer, sizeof(newer) - 1}}},
		{TM_ECORRUPT, 1, {{"backup.json", (const uint8_t *)nodes, sizeof(nodes) - 1}}},
		{TM_ECORRUPT, 2,
			{{"backup.json", (const uint8_t *)nodes, sizeof(nodes) - 1},
				{"authorized_keys", (const uint8_t *)none, 2}}},
		{TM_ECORRUPT, 3,
			{{"backup.json", (const uint8_t *)nodes, sizeof(nodes) - 1},
				{"identity", (const uint8_t *)none, 2},
				{"identity", (const uint8_t *)none, 2}}},
	};
	static uint8_t bytes[8192];

	(void)state;
	assert_int_equal(crypto_init(NULL), TM_OK);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct backup b;
		struct diag d = {0};

		archive_write(rows[i].files, rows[i].n, 1, bytes);
		int err = backup_unpack(bytes, archive_size(rows[i].files, rows[i].n), &b, &d);
		if (err != rows[i].expect)
			fail_msg("row %zu: %d, %s", i, err, d.what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_packed_is_unpacked),
		cmocka_unit_test(no_bit_may_differ_but_in_what_is_for_the_reader),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(a_backup_without_a_part_that_its_node_needs_is_refused),
		cmocka_unit_test(strange_archives_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
