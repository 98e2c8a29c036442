/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A captured packet in words. */
#include "unit/unit.h"

#include "base/encode.h"
#include "cli/core/packet_line.h"

#define V4(proto, len, more) "450000" len "0001000040" proto "0000c0000201c6336402" more
#define V6(next, len, more)                                                                                  \
	"6000000000" len next "40"                                                                           \
	"20010db8000000000000000000000001"                                                                   \
	"20010db8000000000000000000000002" more

static void each_kind_has_its_words(void **state UNUSED)
{
	static const struct {
		const char *hex;
		uint32_t n; /* of the whole; 0: all is here */
		const char *comment, *want;
	} rows[] = {
		{V4("06", "28",
			 "c3500016000000010000000050020000"
			 "00000000"),
			0, "", "in   TCP 192.0.2.1:50000 > 198.51.100.2:22 SYN, 40 bytes"},
		{V4("06", "28",
			 "0016c350000000010000000250120000"
			 "00000000"),
			0, "", "in   TCP 192.0.2.1:22 > 198.51.100.2:50000 SYN ACK, 40 bytes"},
		{V4("11", "1c", "c350003500080000"), 0, "dropped: denied by policy",
			"in   UDP 192.0.2.1:50000 > 198.51.100.2:53, 28 bytes, dropped: denied by policy"},
		{V4("01", "1c", "0800000000000001"), 0, "",
			"in   ICMP 192.0.2.1 > 198.51.100.2 type 8 code 0, 28 bytes"},
		{V4("2f", "18", "00000800"), 0, "", "in   protocol 47 192.0.2.1 > 198.51.100.2, 24 bytes"},
		{V6("3a", "08", "8100000000010001"), 0, "",
			"in   ICMPv6 2001:db8::1 > 2001:db8::2 type 129 code 0, 48 bytes"},
		{V6("11", "08", "c350003500080000"), 0, "",
			"in   UDP [2001:db8::1]:50000 > [2001:db8::2]:53, 48 bytes"},
		/* Cut: as much as is known. */
		{V4("11", "64", "c350003500500000"), 100, "",
			"in   UDP 192.0.2.1:50000 > 198.51.100.2:53, 100 bytes"},
		{"4500", 100, "", "in   100 bytes"},
		{"00112233", 0, "\x1b[2J", "in   4 bytes, ?[2J"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint8_t bytes[128];
		char line[PACKET_LINE_LEN];
		const size_t n = strlen(rows[i].hex) / 2;

		assert_int_equal(hex_decode(rows[i].hex, 2 * n, bytes, n), TM_OK);
		const struct pcapng_packet p = {.n = rows[i].n ? rows[i].n : (uint32_t)n,
			.kept = (uint32_t)n,
			.comment = rows[i].comment,
			.comment_n = strlen(rows[i].comment),
			.p = bytes};
		if (strcmp(packet_line(&p, line), rows[i].want) != 0)
			fail_msg("%s\nis shown as \"%s\",\nnot      as \"%s\"", rows[i].hex, line,
				rows[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_has_its_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
