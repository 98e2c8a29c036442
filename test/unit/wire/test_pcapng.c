/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Blocks of pcapng: as the format says, byte by byte, and what is written is read again. */
#include "unit/unit.h"

#include "wire/pcapng.h"

static const struct pcapng_about about = {
	.program = "test 1", .interface = "tm0", .description = "inside", .keep = 100};

/* The whole of a file as it is specified, from its first byte on. */
static void a_file_begins_as_the_format_says(void **state UNUSED)
{
	static const uint8_t want[] = {/* section header */
		0x0a, 0x0d, 0x0d, 0x0a, 44, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, /* 1.0 */
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* of any length */
		4, 0, 6, 0, 't', 'e', 's', 't', ' ', '1', 0, 0, /* shb_userappl */
		0, 0, 0, 0, 44, 0, 0, 0,
		/* interface: raw IP, 100 bytes of each packet */
		1, 0, 0, 0, 52, 0, 0, 0, 101, 0, 0, 0, 100, 0, 0, 0, 2, 0, 3, 0, 't', 'm', '0',
		0, /* if_name */
		3, 0, 6, 0, 'i', 'n', 's', 'i', 'd', 'e', 0, 0, /* if_description */
		9, 0, 1, 0, 9, 0, 0, 0, /* if_tsresol: nanoseconds */
		0, 0, 0, 0, 52, 0, 0, 0};
	uint8_t out[PCAPNG_HEAD_MAX];
	struct wr w = wr_over(out, sizeof(out));

	pcapng_begin(&w, &about);
	assert_false(w.bad);
	assert_int_equal(wr_len(&w), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

static void a_packet_is_as_the_format_says(void **state UNUSED)
{
	static const uint8_t bytes[] = {0x45, 1, 2, 3, 4};
	static const uint8_t want[] = {6, 0, 0, 0, 72, 0, 0, 0, 0, 0, 0, 0, /* of interface 0 */
		2, 0, 0, 0, 1, 0, 0, 0, /* the higher half of the time comes first */
		5, 0, 0, 0, 60, 0, 0, 0, 0x45, 1, 2, 3, 4, 0, 0, 0, /* 5 bytes of 60 */
		2, 0, 4, 0, 2, 0, 0, 0, /* epb_flags: outbound */
		4, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0, /* epb_dropcount */
		1, 0, 3, 0, 'w', 'h', 'y', 0, /* a comment */
		0, 0, 0, 0, 72, 0, 0, 0};
	const struct pcapng_packet p = {.at = (INT64_C(2) << 32) + 1,
		.out = true,
		.n = 60,
		.kept = 5,
		.lost = 7,
		.comment = "why",
		.p = bytes};
	uint8_t out[256];
	struct wr w = wr_over(out, sizeof(out));

	pcapng_packet_put(&w, &p);
	assert_false(w.bad);
	if (wr_len(&w) != sizeof(want))
		fail_msg("%zu bytes, not %zu", wr_len(&w), sizeof(want));
	assert_memory_equal(out, want, sizeof(want));
}

static void what_is_written_is_read_again(void **state UNUSED)
{
	uint8_t bytes[300], out[2048], *at = out;
	struct wr w = wr_over(out, sizeof(out));
	struct pcapng_block b;
	struct pcapng_packet p;
	struct pcapng_end e;
	size_t len;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	pcapng_begin(&w, &about);
	for (uint32_t n = 0; n < 5; n++)
		pcapng_packet_put(&w, &(struct pcapng_packet){.at = 1700000000 * INT64_C(1000000000) + n,
					      .out = n & 1,
					      .n = 1000,
					      .kept = n * 61,
					      .lost = n / 3,
					      .comment = n == 4 ? "dropped: denied" : "",
					      .p = bytes});
	pcapng_end_put(&w, &(struct pcapng_end){.began = 1, .ended = 2, .received = 9, .lost = 4});
	assert_false(w.bad);

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pcapng_next(at, (size_t)(w.at - at), &b, &len), TM_OK);
		assert_int_equal(b.type, i ? PCAPNG_INTERFACE : PCAPNG_SECTION);
		assert_int_equal(pcapng_packet_get(&b, &p), TM_EBADMSG);
		at += len;
	}
	for (uint32_t n = 0; n < 5; n++) {
		assert_int_equal(pcapng_next(at, (size_t)(w.at - at), &b, &len), TM_OK);
		assert_int_equal(pcapng_packet_get(&b, &p), TM_OK);
		assert_int_equal(p.at, 1700000000 * INT64_C(1000000000) + n);
		assert_int_equal(p.out, n & 1);
		assert_int_equal(p.n, 1000);
		assert_int_equal(p.kept, n * 61);
		assert_memory_equal(p.p, bytes, p.kept);
		assert_int_equal(p.lost, n / 3);
		assert_int_equal(p.comment_n, n == 4 ? strlen("dropped: denied") : 0);
		assert_int_equal(pcapng_end_get(&b, &e), TM_EBADMSG);
		at += len;
	}
	assert_int_equal(pcapng_next(at, (size_t)(w.at - at), &b, &len), TM_OK);
	assert_int_equal(pcapng_end_get(&b, &e), TM_OK);
	assert_true(e.began == 1 && e.ended == 2 && e.received == 9 && e.lost == 4);
	assert_ptr_equal(at + len, w.at);
}

static void what_is_not_all_there_yet_is_waited_for(void **state UNUSED)
{
	uint8_t out[PCAPNG_HEAD_MAX];
	struct wr w = wr_over(out, sizeof(out));
	struct pcapng_block b;
	size_t len;

	pcapng_begin(&w, &about);
	for (size_t n = 0; n < 44; n++)
		assert_int_equal(pcapng_next(out, n, &b, &len), TM_ESHORT);
	assert_int_equal(pcapng_next(out, 44, &b, &len), TM_OK);
	assert_int_equal(len, 44);
}

static void what_is_no_block_is_refused(void **state UNUSED)
{
	static const struct {
		uint32_t first, last;
	} lengths[] = {{8, 8}, {0, 0}, {11, 11}, {13, 13}, {16, 20}, {1 << 18, 1 << 18}, {UINT32_MAX, 0}};
	uint8_t p[64] = {0};
	struct pcapng_block b;
	size_t len;

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		put_le32(p + 4, lengths[i].first);
		put_le32(p + 12, lengths[i].last);
		if (pcapng_next(p, sizeof(p), &b, &len) != TM_EBADMSG)
			fail_msg("a length of %u is taken", lengths[i].first);
	}
}

static void a_longer_text_is_cut_and_too_little_room_writes_nothing_wrong(void **state UNUSED)
{
	char text[2 * PCAPNG_TEXT_MAX + 1];
	uint8_t out[PCAPNG_HEAD_MAX];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	const struct pcapng_about long_one = {.program = text, .interface = text, .description = text};
	struct wr w = wr_over(out, sizeof(out));
	pcapng_begin(&w, &long_one);
	assert_false(w.bad);
	for (size_t room = 0; room < wr_len(&w); room += 4) {
		uint8_t *less = malloc(room + 1);
		struct wr narrow = wr_over(less, room);

		assert_non_null(less);
		pcapng_begin(&narrow, &long_one);
		assert_true(narrow.bad);
		free(less);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_begins_as_the_format_says),
		cmocka_unit_test(a_packet_is_as_the_format_says),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_is_not_all_there_yet_is_waited_for),
		cmocka_unit_test(what_is_no_block_is_refused),
		cmocka_unit_test(a_longer_text_is_cut_and_too_little_room_writes_nothing_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
