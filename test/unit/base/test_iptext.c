/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Texts of addresses, beside what this machine's libc makes of them: what was stored by it is read the same.
 */
#include "base/iptext.h"
#include "unit/unit.h"

#include <arpa/inet.h>

enum { ADDRESSES = 1000000, TEXTS = 500000, TEXT_LEN = 128 };

static uint64_t chance_state = 0x9e3779b97f4a7c15;

static uint32_t chance(uint32_t n)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return (uint32_t)(chance_state >> 32) % n;
}

/* Groups of which many are zero, and beginnings that are special. */
static void some_address(uint8_t bytes[16])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const uint32_t kind = chance(8);

	for (size_t i = 0; i < 16; i += 2) {
		const uint32_t group = chance(4);
		const uint32_t v = group == 0 ? chance(65536) : group == 1 ? chance(16) : 0;

		bytes[i] = (uint8_t)(v >> 8);
		bytes[i + 1] = (uint8_t)v;
	}
	if (kind == 0)
		memcpy(bytes, mapped, 12);
	if (kind == 1)
		memset(bytes, 0, 12);
	if (kind == 2)
		memset(bytes, 0, 10 + 2 * chance(4));
	for (size_t i = 0; kind == 3 && i < 16; i++)
		bytes[i] = (uint8_t)chance(256);
}

/* Both take it, as the same bytes, or neither. */
static void assert_read_alike(const char *s)
{
	uint8_t ours[16] = {1}, libc[16] = {1};

	bool read = iptext_parse4(s, ours);
	if (read != (inet_pton(AF_INET, s, libc) == 1) || (read && memcmp(ours, libc, 4) != 0))
		fail_msg("IPv4: \"%s\"", s);
	read = iptext_parse6(s, ours);
	if (read != (inet_pton(AF_INET6, s, libc) == 1) || (read && memcmp(ours, libc, 16) != 0))
		fail_msg("IPv6: \"%s\"", s);
}

static void addresses_are_written_as_libc_writes_them_and_read_back(void **state)
{
	char ours[IPTEXT_LEN], libc[IPTEXT_LEN];
	uint8_t bytes[16], back[16];
	(void)state;

	for (unsigned i = 0; i < ADDRESSES; i++) {
		some_address(bytes);
		iptext_format6(bytes, ours);
		assert_non_null(inet_ntop(AF_INET6, bytes, libc, sizeof(libc)));
		if (strcmp(ours, libc) != 0)
			fail_msg("\"%s\", and libc says \"%s\"", ours, libc);
		if (!iptext_parse6(ours, back) || memcmp(bytes, back, 16) != 0)
			fail_msg("\"%s\" is not read back", ours);
		iptext_format4(bytes + 12, ours);
		assert_non_null(inet_ntop(AF_INET, bytes + 12, libc, sizeof(libc)));
		assert_string_equal(ours, libc);
		if (!iptext_parse4(ours, back) || memcmp(bytes + 12, back, 4) != 0)
			fail_msg("\"%s\" is not read back", ours);
	}
}

static void write_at_length(const uint8_t bytes[16], char text[TEXT_LEN])
{
	const char *format = chance(2) ? "%x" : "%04X";
	const size_t groups = chance(2) ? 8 : 6;
	size_t n = 0;

	for (size_t i = 0; i < groups; i++) {
		char group[8];

		snprintf(group, sizeof(group), format[1] == 'x' ? "%x" : "%04X",
			bytes[2 * i] << 8 | bytes[2 * i + 1]);
		n += (size_t)snprintf(text + n, TEXT_LEN - n, "%s%s", i ? ":" : "", group);
	}
	if (groups == 6)
		snprintf(text + n, TEXT_LEN - n, ":%u.%u.%u.%u", bytes[12], bytes[13], bytes[14], bytes[15]);
}

/* A character more, less, or another; a piece twice or not at all. */
static void spoil(char text[TEXT_LEN])
{
	static const char letters[] = "0123456789abcdefABCDEF::::....:%/[] gxG-+\t\x80\xff";
	const size_t n = strlen(text), at = n ? chance((uint32_t)n) : 0;
	const char c = letters[chance(sizeof(letters) - 1)];
	char before[TEXT_LEN];

	memcpy(before, text, n + 1);
	switch (chance(5)) {
	case 0:
		snprintf(text, TEXT_LEN, "%.*s%c%.60s", (int)at, before, c, before + at);
		break;
	case 1:
		snprintf(text, TEXT_LEN, "%.*s%.60s", (int)at, before, n ? before + at + 1 : "");
		break;
	case 2:
		if (n)
			text[at] = c;
		break;
	case 3:
		text[at] = '\0';
		break;
	default:
		snprintf(text, TEXT_LEN, "%.*s%.60s", (int)at, before, before + chance((uint32_t)n + 1));
	}
}

static void texts_are_read_as_libc_reads_them_and_refused_where_it_does(void **state)
{
	char text[TEXT_LEN];
	uint8_t bytes[16];
	(void)state;

	for (unsigned i = 0; i < TEXTS; i++) {
		some_address(bytes);
		switch (chance(4)) {
		case 0:
			iptext_format4(bytes + 12, text);
			break;
		case 1:
			write_at_length(bytes, text);
			break;
		default:
			iptext_format6(bytes, text);
		}
		assert_read_alike(text);
		for (uint32_t times = 1 + chance(3); times > 0; times--) {
			spoil(text);
			assert_read_alike(text);
		}
	}
}

static void forms_that_libraries_differ_about_are_read_as_here(void **state)
{
	static const char *const texts[] = {"", "0", "1.2.3", "1.2.3.4", "01.2.3.4", "1.2.3.04", "0.0.0.0",
		"00.0.0.0", "1.2.3.256", "1.2.3.4.", ".1.2.3.4", "1..2.3", "1.2.3.4 ", " 1.2.3.4",
		"0x1.2.3.4", "1.2.3.4/8", "4294967296.1.1.1", ":", "::", ":::", "::1", "1::", ":1",
		"1:", "1:::2", "1::2::3", "::1:2:3:4:5:6:7", "1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:8",
		"1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "1:2:3:4:5:6:7",
		"1:2:3:4:5:6:7:8:9", "12345::", "00001::", "g::", "::1.2.3.4", "::1.2.3.4:1",
		"1.2.3.4::", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1:2:3:4:5:1.2.3.4",
		"::1:2:3:4:5:6:1.2.3.4", "::ffff:01.2.3.4", "::1.2.3", "::1.2.3.4.5", "::.1.2.3", "::f.1.2.3",
		"fe80::1%1", "[::1]", "::1 ", "::1/64", "2001:DB8::A"};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		assert_read_alike(texts[i]);
}

static void what_is_refused_is_left_alone(void **state)
{
	uint8_t bytes[16] = {7};
	(void)state;

	assert_false(iptext_parse4("1.2.3.400", bytes));
	assert_false(iptext_parse6("1::2::3", bytes));
	assert_int_equal(bytes[0], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_written_as_libc_writes_them_and_read_back),
		cmocka_unit_test(texts_are_read_as_libc_reads_them_and_refused_where_it_does),
		cmocka_unit_test(forms_that_libraries_differ_about_are_read_as_here),
		cmocka_unit_test(what_is_refused_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
