/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Packets in pieces, put together again by the receiver's rules. */
#include "packet/fragment.h"
#include "unit/wire/hex.h"

#include "base/bytes.h"
#include "packet/csum.h"

enum { PIECES = 256, ID = 0x11223344 };

static uint8_t piece[PIECES][2048];
static size_t len[PIECES], n_pieces;

/* The data of a packet with that header, all bytes different. */
static size_t packet(const char *header, size_t data, uint8_t *out)
{
	const size_t head = hex(header, out, 128);

	for (size_t i = 0; i < data; i++)
		out[head + i] = (uint8_t)(i * 7 + i / 256);
	if (out[0] >> 4 == 4) {
		put_be16(out + 2, (uint16_t)(head + data));
		put_be16(out + 10, 0);
		put_be16(out + 10, csum_finish(csum_add(out, ip_header_len(out), 0)));
	} else {
		put_be16(out + 4, (uint16_t)(head + data - IP6_HEADER));
	}
	return head + data;
}

static void cut(const uint8_t *p, size_t n, size_t max)
{
	struct fragmenter f;
	struct ip_view v;

	assert_int_equal(ip_view_of(p, n, &v), TM_OK);
	assert_int_equal(fragment_begin(&f, &v, max, ID), TM_OK);
	for (n_pieces = 0; (len[n_pieces] = fragment_next(&f, piece[n_pieces])); n_pieces++)
		assert_in_range(len[n_pieces], 1, max);
	assert_true(n_pieces < PIECES);
}

/* RFC 791 3.2: what each piece says of its place, after `head` bytes, is filled in. Returns how many. */
static size_t join4(size_t head, uint8_t *out)
{
	size_t end = 0;

	for (size_t i = 0; i < n_pieces; i++) {
		const uint16_t field = get_be16(piece[i] + 6);
		const size_t at = (size_t)(field & 0x1fff) * 8, n = len[i] - ip_header_len(piece[i]);

		assert_int_equal(get_be16(piece[i] + 2), len[i]);
		assert_int_equal(csum_finish(csum_add(piece[i], ip_header_len(piece[i]), 0)), 0);
		assert_int_equal(at, end);
		assert_int_equal(!(field & 0x2000), i + 1 == n_pieces);
		assert_true(n % 8 == 0 || i + 1 == n_pieces);
		memcpy(out + head + at, piece[i] + ip_header_len(piece[i]), n);
		end = at + n;
	}
	return end;
}

/* RFC 8200 4.5, with the fragment header at `head`. */
static size_t join6(size_t head, uint32_t id, uint8_t *out)
{
	size_t end = 0;

	for (size_t i = 0; i < n_pieces; i++) {
		const uint16_t field = get_be16(piece[i] + head + 2);
		const size_t at = field & 0xfff8, n = len[i] - head - 8;

		assert_int_equal(get_be16(piece[i] + 4), len[i] - IP6_HEADER);
		assert_int_equal(get_be32(piece[i] + head + 4), id);
		assert_int_equal(at, end);
		assert_int_equal(!(field & 1), i + 1 == n_pieces);
		assert_true(n % 8 == 0 || i + 1 == n_pieces);
		memcpy(out + head + at, piece[i] + head + 8, n);
		end = at + n;
	}
	return end;
}

static const char *const plain4 = "45 03 0000 1234 0000 40 11 0000 c0000201 c6336402";
static const char *const plain6 =
	"60000000 0000 11 40 20010db8000000000000000000000001 20010db8000000000000000000000002";

static void pieces_of_any_length_are_the_packet_again(void **state)
{
	uint8_t p[2048], q[2048];

	(void)state;
	for (size_t data = 1; data < 1500; data += data < 40 ? 1 : 97)
		for (size_t max = 68; max < 1500; max += 13) {
			size_t n = packet(plain4, data, p);

			cut(p, n, max);
			assert_int_equal(join4(20, q), data);
			assert_memory_equal(q + 20, p + 20, data);
			assert_int_equal(n_pieces == 1, n <= max);
			n = packet(plain6, data, p);
			cut(p, n, max);
			assert_int_equal(join6(40, ID, q), data);
			assert_memory_equal(q + 40, p + 40, data);
			for (size_t i = 0; i < n_pieces; i++) {
				assert_int_equal(piece[i][6], PROTO_FRAGMENT);
				assert_int_equal(piece[i][40], PROTO_UDP);
			}
		}
}

static void headers_are_what_they_were(void **state)
{
	uint8_t p[2048];

	(void)state;
	cut(p, packet(plain4, 1400, p), 1000);
	assert_int_equal(n_pieces, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_memory_equal(piece[i], p, 2);
		assert_memory_equal(piece[i] + 4, p + 4, 2);
		assert_memory_equal(piece[i] + 8, p + 8, 2);
		assert_memory_equal(piece[i] + 12, p + 12, 8);
	}
	cut(p, packet(plain6, 1200, p), 1000);
	assert_int_equal(n_pieces, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_memory_equal(piece[i], p, 4);
		assert_memory_equal(piece[i] + 7, p + 7, 33);
	}
}

static void options_go_into_every_piece_if_they_say_so(void **state)
{
	/* Record route (7), not copied; a source route (0x83), copied; nothing; the end. */
	static const char *const options = "49 00 0000 1234 0000 40 11 0000 c0000201 c6336402"
					   "07 03 04 83 07 04 c6336403 01 01 01 01 01 00";
	uint8_t p[2048], q[2048];

	(void)state;
	cut(p, packet(options, 1000, p), 500);
	assert_int_equal(n_pieces, 3);
	assert_memory_equal(piece[0] + 20, p + 20, 16);
	for (size_t i = 1; i < 3; i++) {
		assert_memory_equal(piece[i] + 20, "\1\1\1", 3);
		assert_memory_equal(piece[i] + 23, p + 23, 13);
	}
	assert_int_equal(join4(36, q), 1000);
	assert_memory_equal(q + 36, p + 36, 1000);
	/* An option that says that it is longer than the header, or nothing of its length. */
	static const char *const wrong[] = {"46 00 0000 1234 0000 40 11 0000 c0000201 c6336402 07 ff 04 00",
		"46 00 0000 1234 0000 40 11 0000 c0000201 c6336402 01 01 01 07",
		"46 00 0000 1234 0000 40 11 0000 c0000201 c6336402 07 00 07 00"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		cut(p, packet(wrong[i], 1000, p), 500);
		assert_int_equal(join4(24, q), 1000);
		assert_memory_equal(q + 24, p + 24, 1000);
	}
}

static void the_fragment_header_stands_behind_what_routers_look_at(void **state)
{
	static const struct {
		const char *header;
		size_t head, link;
		uint8_t next;
	} rows[] = {
		/* hop-by-hop options */
		{"60000000 0000 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
		 "1100 010400000000",
			48, 40, PROTO_UDP},
		/* destination options alone belong to the data */
		{"60000000 0000 3c 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
		 "1100 010400000000",
			40, 6, PROTO_DESTINATION},
		/* but before a routing header they are looked at on the way */
		{"60000000 0000 3c 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
		 "2b00 010400000000 3c00 000000000000 1100 010400000000",
			56, 48, PROTO_DESTINATION},
	};
	uint8_t p[2048], q[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const size_t n = packet(rows[i].header, 1000, p);

		cut(p, n, 600);
		assert_int_equal(join6(rows[i].head, ID, q), n - rows[i].head);
		assert_memory_equal(q + rows[i].head, p + rows[i].head, n - rows[i].head);
		for (size_t k = 0; k < n_pieces; k++) {
			assert_int_equal(piece[k][rows[i].link], PROTO_FRAGMENT);
			assert_int_equal(piece[k][rows[i].head], rows[i].next);
		}
	}
}

static void a_piece_is_cut_again(void **state)
{
	uint8_t p[4096], q[4096], pieces[3][2048];
	size_t n[3], at = 0;

	(void)state;
	for (unsigned six = 0; six < 2; six++) {
		const size_t head = six ? 40 : 20, data = 3000;
		uint8_t all[PIECES][2048];
		size_t lens[PIECES], count = 0;

		cut(p, packet(six ? plain6 : plain4, data, p), 1200);
		assert_int_equal(n_pieces, 3);
		for (size_t i = 0; i < 3; i++)
			memcpy(pieces[i], piece[i], n[i] = len[i]);
		for (size_t i = 0; i < 3; i++) {
			cut(pieces[i], n[i], 500);
			for (size_t k = 0; k < n_pieces; k++) {
				memcpy(all[count], piece[k], lens[count] = len[k]);
				count++;
			}
		}
		memcpy(piece, all, sizeof(all));
		memcpy(len, lens, sizeof(lens));
		n_pieces = count;
		at = six ? join6(head, ID, q) : join4(head, q);
		assert_int_equal(at, data);
		assert_memory_equal(q + head, p + head, data);
	}
}

/* RFC 791 3.1, RFC 8200 4.5: an offset counts to 65,528, and a packet ends at 65,535 bytes. */
static void what_ends_behind_any_packet_is_refused(void **state)
{
	static const struct {
		const char *header;
		size_t data;
		int err;
	} rows[] = {
		{"45 00 0000 1234 1fff 40 11 0000 c0000201 c6336402", 7, TM_OK},
		{"45 00 0000 1234 1fff 40 11 0000 c0000201 c6336402", 8, TM_EBADMSG},
		{"45 00 0000 1234 3f80 40 11 0000 c0000201 c6336402", 1023, TM_OK},
		{"45 00 0000 1234 3f80 40 11 0000 c0000201 c6336402", 1024, TM_EBADMSG},
		{"60000000 0000 2c 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
		 "1100 fff8 01020304",
			7, TM_OK},
		{"60000000 0000 2c 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
		 "1100 fff8 01020304",
			8, TM_EBADMSG},
	};
	struct fragmenter f;
	struct ip_view v;
	uint8_t p[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(ip_view_of(p, packet(rows[i].header, rows[i].data, p), &v), TM_OK);
		if (fragment_begin(&f, &v, 600, ID) != rows[i].err)
			fail_msg("row %zu", i);
	}
}

static void what_cannot_be_cut_is_refused(void **state)
{
	static const char *const lead_nowhere[] = {
		/* options that are longer than the packet, and cut short */
		"60000000 0000 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
		"11ff 010400000000",
		"60000000 0000 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002 1100",
	};
	struct fragmenter f = {.end = 7};
	struct ip_view v;
	uint8_t p[2048];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lead_nowhere); i++) {
		size_t n = packet(lead_nowhere[i], 0, p);

		assert_int_equal(ip_view_of(p, n, &v), TM_OK);
		assert_int_equal(fragment_begin(&f, &v, 1000, ID), TM_EBADMSG);
	}
	assert_int_equal(ip_view_of(p, packet(plain4, 100, p), &v), TM_OK);
	assert_int_equal(fragment_begin(&f, &v, 27, ID), TM_ERANGE);
	assert_int_equal(f.end, 7);
	assert_int_equal(fragment_begin(&f, &v, 28, ID), TM_OK);
	assert_int_equal(ip_view_of(p, packet(plain6, 100, p), &v), TM_OK);
	assert_int_equal(fragment_begin(&f, &v, 55, ID), TM_ERANGE);
	assert_int_equal(fragment_begin(&f, &v, 56, ID), TM_OK);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_any_length_are_the_packet_again),
		cmocka_unit_test(headers_are_what_they_were),
		cmocka_unit_test(options_go_into_every_piece_if_they_say_so),
		cmocka_unit_test(the_fragment_header_stands_behind_what_routers_look_at),
		cmocka_unit_test(a_piece_is_cut_again),
		cmocka_unit_test(what_ends_behind_any_packet_is_refused),
		cmocka_unit_test(what_cannot_be_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
