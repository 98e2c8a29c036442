/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "wire/client_hello.h"

/* A record of that type and length that begins with these bytes. */
static size_t record(uint8_t *out, uint8_t type, size_t length, const void *begin, size_t n)
{
	memset(out, 0x55, 5 + length);
	memcpy(out, (uint8_t[]){type, 3, 1, (uint8_t)(length >> 8), (uint8_t)length}, 5);
	memcpy(out + 5, begin, n);
	return 5 + length;
}

static int read_all(const uint8_t *p, size_t n, size_t piece, unsigned *ret_hellos)
{
	struct client_hello g = {0};
	int err = TM_OK;

	for (size_t at = 0; at < n && !err; at += piece)
		err = client_hello_read(&g, p + at, MIN(piece, n - at));
	*ret_hellos = g.hellos;
	return err;
}

static void a_hello_passes_however_it_is_cut(void **state UNUSED)
{
	uint8_t text[4096];
	unsigned hellos;
	size_t n = record(text, 0x16, 517, "\x01\x00\x02\x01", 4);

	n += record(text + n, 0x14, 1, "\x01", 1); /* what a client in compatibility mode puts between */
	n += record(text + n, 0x16, 600, "\x01\x00\x02\x54", 4); /* after a HelloRetryRequest */
	n += record(text + n, 0x17, 69, "", 0);
	for (size_t piece = 1; piece <= n; piece += piece < 12 ? 1 : 97) {
		assert_int_equal(read_all(text, n, piece, &hellos), TM_OK);
		assert_int_equal(hellos, 2);
	}
}

static void what_no_client_begins_with_is_refused(void **state UNUSED)
{
	static const struct {
		const char *what;
		uint8_t type;
		size_t length;
		const char *begin;
		int err;
	} rows[] = {
		{"a hello of 128 KiB", 0x16, 200, "\x01\x02\x00\x00", TM_ERANGE},
		{"one byte too much", 0x16, 200, "\x01\x00\x40\x01", TM_ERANGE},
		{"as much as there may be", 0x16, 200, "\x01\x00\x40\x00", TM_OK},
		{"another message", 0x16, 200, "\x0b\x00\x00\x10", TM_EBADMSG},
		{"a head spread over records", 0x16, 3, "\x01\x00\x00", TM_EBADMSG},
		{"data before a hello", 0x17, 40, "\x01\x00\x00\x20", TM_EBADMSG},
		{"an alert before a hello", 0x15, 2, "\x01\x00", TM_EBADMSG},
		{"a record of nothing", 0x16, 0, "", TM_EBADMSG},
	};
	uint8_t text[4096];
	unsigned hellos;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = record(
			text, rows[i].type, rows[i].length, rows[i].begin, MIN(rows[i].length, (size_t)4));

		n += record(text + n, 0x17, 20, "", 0); /* so that a head that is too short is seen as one */
		if (read_all(text, n, n, &hellos) != rows[i].err ||
			read_all(text, n, 1, &hellos) != rows[i].err)
			fail_msg("%s", rows[i].what);
	}
	size_t n = record(text, 0x16, 200, "\x01\x00\x00\xc4", 4);

	n += record(text + n, 0x17, 0, "", 0); /* of which there could be any number */
	assert_int_equal(read_all(text, n, n, &hellos), TM_EBADMSG);
	assert_int_equal(read_all((const uint8_t *)"\x16\x02\x00\x00\x10\x01\x00\x00\x0c", 9, 9, &hellos),
		TM_EBADMSG); /* no TLS is of version 2 */
	assert_int_equal(
		read_all((const uint8_t *)"\x16\x03\x01\xff\xff\x01\x00\x00\x0c", 9, 9, &hellos), TM_EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_passes_however_it_is_cut),
		cmocka_unit_test(what_no_client_begins_with_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
