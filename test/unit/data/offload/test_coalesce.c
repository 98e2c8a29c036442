/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/offload/coalesce.h"
#include "unit/data/offload/craft.h"
#include "unit/unit.h"

#include <stdio.h>

enum { SEQ = 10000, SIZE = 100, ROOM = 4096 };

/* Packets in, and how many packets each write stood for, with the number of the first. */
struct rig {
	struct coalescer *c;
	uint8_t (*packets)[ROOM];
	unsigned n_in, n_out;
	struct {
		unsigned first, packets;
		struct vnet v;
		uint8_t bytes[CRAFT_MAX];
		size_t n;
	} out[COALESCE_MAX];
};

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig.n_in = 0;
	rig.packets = calloc(COALESCE_MAX, ROOM);
	assert_int_equal(coalescer_new(&rig.c), TM_OK);
	coalesce_allow(rig.c, true, true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	coalescer_free(rig.c);
	free(rig.packets);
	return 0;
}

static void add_bytes(const uint8_t *p, size_t n)
{
	struct ip_view v;

	memcpy(rig.packets[rig.n_in], p, n);
	assert_int_equal(ip_view_of(rig.packets[rig.n_in], n, &v), TM_OK);
	assert_int_equal(coalesce_add(rig.c, rig.packets[rig.n_in], &v), TM_OK);
	rig.n_in++;
}

static void add(const struct craft *c)
{
	uint8_t p[ROOM];

	add_bytes(p, craft_packet(c, p));
}

static void on_write(
	void *ctx, const struct vnet *v, const struct part *parts, size_t n_parts, unsigned packets)
{
	struct rig *r = ctx;

	assert_true(r->n_out < ARRAY_LEN(r->out));
	assert_true(n_parts >= 1 && n_parts <= COALESCE_PARTS_MAX);
	r->out[r->n_out].v = *v;
	r->out[r->n_out].packets = packets;
	r->out[r->n_out].first = (unsigned)((size_t)(parts[0].p - r->packets[0]) / ROOM);
	r->out[r->n_out].n = 0;
	for (size_t i = 0; i < n_parts; i++) {
		assert_true(r->out[r->n_out].n + parts[i].n <= CRAFT_MAX);
		memcpy(r->out[r->n_out].bytes + r->out[r->n_out].n, parts[i].p, parts[i].n);
		r->out[r->n_out].n += parts[i].n;
	}
	r->n_out++;
}

static void flush(void)
{
	rig.n_out = 0;
	coalesce_flush(rig.c, on_write, &rig);
	rig.n_in = 0;
}

/* The outcome as text: "0+2 3" are two writes, packet 0 with two more behind it, and packet 3. */
static const char *outcome(void)
{
	static char text[8 * COALESCE_MAX];
	size_t at = 0;

	flush();
	text[0] = 0;
	for (unsigned i = 0; i < rig.n_out; i++) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, i ? " %u" : "%u", rig.out[i].first);
		if (rig.out[i].packets > 1)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "+%u", rig.out[i].packets - 1);
	}
	return text;
}

static void four_kinds_of_traffic_become_one_super_packet_each(void **state)
{
	(void)state;

	for (unsigned kind = 0; kind < 4; kind++) {
		bool v6 = kind & 1, udp = kind & 2;
		struct craft c = craft_data(v6, udp, SEQ, SIZE);
		size_t l4 = v6 ? 40 : 20, header = l4 + (udp ? 8 : 32), n = header + 2 * SIZE + 50;
		uint8_t whole[ROOM];

		add(&c);
		c.seq += SIZE;
		c.id++;
		add(&c);
		c.seq += SIZE;
		c.id++;
		c.payload = 50;
		c.flags |= PSH;
		add(&c);
		assert_string_equal(outcome(), "0+2");

		struct vnet v = rig.out[0].v;
		assert_true(v.needs_csum);
		assert_false(v.gso_ecn);
		assert_int_equal(v.gso, udp ? VNET_GSO_UDP : v6 ? VNET_GSO_TCP6 : VNET_GSO_TCP4);
		assert_int_equal(v.gso_size, SIZE);
		assert_int_equal(v.hdr_len, header);
		assert_int_equal(v.csum_start, l4);
		assert_int_equal(v.csum_offset, udp ? 6 : 16);

		/* What the sender would have sent at once, but for the half checksum. */
		c.seq = SEQ;
		c.id = 1000;
		c.payload = 2 * SIZE + 50;
		assert_int_equal(craft_packet(&c, whole), n);
		put_be16(whole + l4 + v.csum_offset, slow_pseudo(whole, n - l4));
		assert_int_equal(rig.out[0].n, n);
		assert_memory_equal(rig.out[0].bytes, whole, n);
	}
}

static void a_packet_alone_is_written_untouched_with_an_empty_header(void **state)
{
	static const struct vnet none = {0};
	(void)state;

	for (unsigned kind = 0; kind < 4; kind++) {
		struct craft c = craft_data(kind & 1, kind & 2, SEQ, SIZE);
		uint8_t p[ROOM];
		size_t n = craft_packet(&c, p);

		add_bytes(p, n);
		assert_string_equal(outcome(), "0");
		assert_int_equal(rig.out[0].n, n);
		assert_memory_equal(rig.out[0].bytes, p, n);
		assert_memory_equal(&rig.out[0].v, &none, sizeof(none));
	}
}

enum kind { TCP4, TCP6, UDP4, UDP6 };
enum merges { APART, MERGED };
enum sums { KEEP, FIX };

struct row {
	const char *what;
	enum kind kind;
	size_t at; /* in the second of two consecutive packets, */
	uint8_t flip; /* bits that are changed */
	enum sums sums; /* and whether the checksums are put right again */
	enum merges merges;
};

static void a_second_packet_is_merged_unless_something_differs(void **state)
{
	static const struct row rows[] = {
		{"the very next", TCP4, 0, 0, FIX, MERGED},
		{"the very next", TCP6, 0, 0, FIX, MERGED},
		{"the very next", UDP4, 0, 0, FIX, MERGED},
		{"the very next", UDP6, 0, 0, FIX, MERGED},
		{"another TOS", TCP4, 1, 0x10, FIX, APART},
		{"another ECN", TCP4, 1, 0x03, FIX, APART},
		{"another ECN", UDP4, 1, 0x01, FIX, APART},
		{"another identification with DF", TCP4, 4, 0x40, FIX, MERGED},
		{"without DF", TCP4, 6, 0x40, FIX, APART},
		{"the reserved flag of IPv4", TCP4, 6, 0x80, FIX, APART},
		{"more fragments", TCP4, 6, 0x20, FIX, APART},
		{"a fragment's offset", TCP4, 7, 0x01, FIX, APART},
		{"another TTL", TCP4, 8, 0x01, FIX, APART},
		{"another TTL", UDP4, 8, 0x01, FIX, APART},
		{"another source address", TCP4, 15, 0x01, FIX, APART},
		{"another destination", TCP4, 19, 0x01, FIX, APART},
		{"a wrong IP checksum", TCP4, 11, 0x01, KEEP, APART},
		{"a wrong IP checksum", UDP4, 10, 0x80, KEEP, APART},
		{"another source port", TCP4, 21, 0x01, FIX, APART},
		{"another destination port", TCP4, 23, 0x01, FIX, APART},
		{"a gap", TCP4, 27, 0x01, FIX, APART},
		{"a far gap", TCP4, 24, 0x80, FIX, APART},
		{"another acknowledgement", TCP4, 31, 0x01, FIX, APART},
		{"a shorter TCP header", TCP4, 32, 0xd0, FIX, APART},
		{"a header too short for TCP", TCP4, 32, 0xc0, FIX, APART},
		{"a header that leaves no payload", TCP4, 32, 0x70, FIX, APART},
		{"a reserved TCP bit", TCP4, 32, 0x02, FIX, APART},
		{"the AE bit", TCP4, 32, 0x01, FIX, APART},
		{"FIN", TCP4, 33, FIN, FIX, APART},
		{"SYN", TCP4, 33, SYN, FIX, APART},
		{"RST", TCP4, 33, RST, FIX, APART},
		{"PSH", TCP4, 33, PSH, FIX, MERGED},
		{"no ACK", TCP4, 33, ACK, FIX, APART},
		{"URG", TCP4, 33, URG, FIX, APART},
		{"ECE", TCP4, 33, ECE, FIX, APART},
		{"CWR", TCP4, 33, CWR, FIX, APART},
		{"another window", TCP4, 35, 0x01, FIX, APART},
		{"a wrong checksum", TCP4, 36, 0x01, KEEP, APART},
		{"an urgent pointer", TCP4, 39, 0x01, FIX, APART},
		{"other timestamps", TCP4, 45, 0x01, FIX, APART},
		{"a damaged payload", TCP4, 60, 0x01, KEEP, APART},
		{"another payload", TCP4, 60, 0x01, FIX, MERGED},
		{"another traffic class", TCP6, 0, 0x01, FIX, APART},
		{"another ECN", TCP6, 1, 0x30, FIX, APART},
		{"another flow label", TCP6, 3, 0x01, FIX, APART},
		{"another hop limit", TCP6, 7, 0x01, FIX, APART},
		{"another source address", TCP6, 23, 0x01, FIX, APART},
		{"another destination", TCP6, 39, 0x01, FIX, APART},
		{"another source port", TCP6, 41, 0x01, FIX, APART},
		{"a gap", TCP6, 47, 0x01, FIX, APART},
		{"another window", TCP6, 55, 0x01, FIX, APART},
		{"a damaged payload", TCP6, 80, 0x01, KEEP, APART},
		{"another source port", UDP4, 21, 0x01, FIX, APART},
		{"another destination port", UDP4, 23, 0x01, FIX, APART},
		{"a length that is not the packet's", UDP4, 25, 0x01, FIX, APART},
		{"a wrong checksum", UDP4, 26, 0x01, KEEP, APART},
		{"a damaged payload", UDP4, 40, 0x01, KEEP, APART},
		{"another payload", UDP4, 40, 0x01, FIX, MERGED},
		{"another flow label", UDP6, 3, 0x01, FIX, APART},
		{"another hop limit", UDP6, 7, 0x01, FIX, APART},
		{"another destination port", UDP6, 43, 0x01, FIX, APART},
		{"a length that is not the packet's", UDP6, 45, 0x01, FIX, APART},
		{"a damaged payload", UDP6, 60, 0x01, KEEP, APART},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct craft c = craft_data(r->kind & 1, r->kind & 2, SEQ, SIZE);
		uint8_t p[ROOM];

		add(&c);
		c.seq += SIZE;
		size_t n = craft_packet(&c, p);
		p[r->at] ^= r->flip;
		if (r->sums == FIX)
			craft_sums(p, n);
		add_bytes(p, n);
		const char *got = outcome();
		if (strcmp(got, r->merges == MERGED ? "0+1" : "0 1") != 0)
			fail_msg("row %zu, %s: %s", i, r->what, got);
	}
}

static void next(struct craft *c, uint32_t payload)
{
	c->seq += payload;
	c->id++;
}

/* A packet of no flow that can be told: ICMP, or a TCP segment made so. */
static void add_odd(char what)
{
	bool v6 = what == 'x';
	struct craft c = craft_data(v6, false, 0, SIZE);
	uint8_t p[ROOM];

	c.flow = 9;
	c.frag = what == 'f' ? FRAG_MF : FRAG_DF;
	c.ip_options = what == 'o' || what == 'x' ? 8 : 0;
	size_t n = craft_packet(&c, p);
	if (what == 'i') {
		p[9] = 1;
		craft_sums(p, n);
	}
	if (what == 's') {
		n = 39;
		put_be16(p + 2, (uint16_t)n);
		craft_sums(p, n);
	}
	add_bytes(p, n);
}

/*
 * A..D: a segment of that flow; a..d: a shorter one; P: PSH of flow A; F, Y: FIN, SYN with data; E: a pure
 * acknowledgement of flow A; W: flow A with a wrong checksum; L: a longer one of flow A; U: a datagram of
 * the addresses and ports of flow A. Others: add_odd.
 */
static void play(const char *letters)
{
	struct craft flow[4], udp = craft_data(false, true, 0, SIZE);

	for (unsigned i = 0; i < 4; i++) {
		flow[i] = craft_data(i == 1, false, SEQ, SIZE);
		flow[i].flow = i;
	}
	for (; *letters; letters++) {
		bool upper = *letters >= 'A' && *letters <= 'D', lower = *letters >= 'a' && *letters <= 'd';
		struct craft *f = &flow[upper ? *letters - 'A' : lower ? *letters - 'a' : 0], c = *f;

		c.payload = lower ? SIZE / 2 : *letters == 'L' ? 2 * SIZE : *letters == 'E' ? 0 : SIZE;
		c.flags |= *letters == 'P' ? PSH : *letters == 'F' ? FIN : *letters == 'Y' ? SYN : 0;
		if (*letters == 'U') {
			add(&udp);
		} else if (upper || lower || strchr("PFYEL", *letters)) {
			add(&c);
			next(f, (uint32_t)c.payload);
		} else if (*letters == 'W') {
			uint8_t p[ROOM];
			size_t n = craft_packet(&c, p);
			p[n - 1] ^= 1;
			add_bytes(p, n);
			next(f, SIZE);
		} else {
			add_odd(*letters);
		}
	}
}

static void sequences_end_where_order_or_cutting_demands_it(void **state)
{
	static const struct {
		const char *what, *letters, *outcome;
	} rows[] = {
		{"a stream", "AAAA", "0+3"},
		{"two streams in turns", "ABABAB", "0+2 1+2"},
		{"four streams", "ABCDDCBA", "0+1 1+1 2+1 3+1"},
		{"a shorter segment may be the last", "AAaAA", "0+2 3+1"},
		{"a longer one begins anew", "AALLA", "0+1 2+2"},
		{"a shorter one first", "aAAA", "0 1+2"},
		{"PSH ends", "AAPAA", "0+2 3+1"},
		{"PSH first stays alone", "PAA", "0 1+1"},
		{"FIN stays alone and nothing overtakes it", "AAFAA", "0+1 2 3+1"},
		{"SYN likewise", "AYA", "0 1 2"},
		{"a pure acknowledgement likewise", "AAEAA", "0+1 2 3+1"},
		{"nor is another flow held up by it", "ABEAB", "0 1+1 2 3"},
		{"a wrong checksum stays alone and in its place", "AAWAA", "0+1 2 3+1"},
		{"a wrong checksum first", "WAA", "0 1+1"},
		{"a wrong checksum last", "AAW", "0+1 2"},
		{"ICMP is overtaken by nobody", "ABiABi", "0 1 2 3 4 5"},
		{"a fragment", "AAfAA", "0+1 2 3+1"},
		{"IP options", "AAoAA", "0+1 2 3+1"},
		{"an extension header", "AAxAA", "0+1 2 3+1"},
		{"a segment too short for TCP", "AAsAA", "0+1 2 3+1"},
		{"a flow after a packet of no flow begins anew once", "AiAAiA", "0 1 2+1 4 5"},
		{"the same ports in TCP and UDP are two flows", "AUAU", "0+1 1+1"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		play(rows[i].letters);
		const char *got = outcome();
		if (strcmp(got, rows[i].outcome) != 0)
			fail_msg("%s: %s gives %s", rows[i].what, rows[i].letters, got);
	}
}

static void only_what_the_tun_takes_is_merged(void **state)
{
	(void)state;

	coalesce_allow(rig.c, false, false);
	play("AAUUA");
	assert_string_equal(outcome(), "0 1 2 3 4");
	coalesce_allow(rig.c, true, false);
	play("AAUUA");
	assert_string_equal(outcome(), "0+2 2 3");
	coalesce_allow(rig.c, false, true);
	play("AAUUA");
	assert_string_equal(outcome(), "0 1 2+1 4");
}

static void without_df_identifications_have_to_count_up(void **state)
{
	static const struct {
		uint16_t id[3];
		const char *outcome;
	} rows[] = {
		{{7, 8, 9}, "0+2"},
		{{65534, 65535, 0}, "0+2"},
		{{7, 7, 7}, "0 1 2"},
		{{7, 8, 10}, "0+1 2"},
		{{7, 9, 10}, "0 1+1"},
		{{7, 6, 5}, "0 1 2"},
	};
	(void)state;

	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		struct craft c = craft_data(false, i % 2, UINT32_MAX - SIZE, SIZE);

		c.frag = 0;
		for (unsigned k = 0; k < 3; k++) {
			c.id = rows[i / 2].id[k];
			add(&c);
			c.seq += SIZE;
		}
		const char *got = outcome();
		if (strcmp(got, rows[i / 2].outcome) != 0)
			fail_msg("row %zu: %s", i / 2, got);
	}
}

static void empty_datagrams_stay_alone(void **state)
{
	struct craft c = craft_data(false, true, 0, 0);
	(void)state;

	add(&c);
	add(&c);
	c.payload = SIZE;
	add(&c);
	c.payload = 0;
	add(&c);
	assert_string_equal(outcome(), "0 1 2 3");
}

/* Cutting would write the usual form of zero, so the bytes would differ. */
static void a_checksum_in_its_unusual_form_stays_alone(void **state)
{
	static const struct {
		const char *what;
		bool udp;
		size_t at;
		uint16_t usual, unusual;
		const char *outcome;
	} rows[] = {
		{"TCP, 0", false, 36, 0, 0, "0+1"},
		{"TCP, ffff for 0", false, 36, 0, 0xffff, "0 1"},
		{"UDP, ffff", true, 26, 0xffff, 0xffff, "0+1"},
		{"UDP without a checksum", true, 26, 0xffff, 0, "0 1"},
		{"IPv4, 0", false, 10, 0, 0, "0+1"},
		{"IPv4, ffff for 0", false, 10, 0, 0xffff, "0 1"},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct craft c = craft_data(false, rows[i].udp, SEQ, SIZE);
		uint8_t p[ROOM];

		add(&c);
		c.seq += SIZE;
		size_t n = craft_packet(&c, p), dial = rows[i].at == 10 ? 4 : n - 2;
		put_be16(p + dial, (uint16_t)slow_sum(p + dial, 2, get_be16(p + rows[i].at)));
		craft_sums(p, n);
		if (get_be16(p + rows[i].at) != rows[i].usual)
			fail_msg("%s: the checksum is %04x", rows[i].what, get_be16(p + rows[i].at));
		put_be16(p + rows[i].at, rows[i].unusual);
		add_bytes(p, n);
		const char *got = outcome();
		if (strcmp(got, rows[i].outcome) != 0)
			fail_msg("%s: %s", rows[i].what, got);
	}
}

static void a_super_packet_has_at_most_64_parts(void **state)
{
	struct craft c = craft_data(false, false, SEQ, SIZE);
	(void)state;

	for (unsigned i = 0; i < 3 * COALESCE_PARTS_MAX - 1; i++) {
		add(&c);
		c.seq += SIZE;
	}
	assert_string_equal(outcome(), "0+63 64+63 128+62");
}

static void a_super_packet_is_at_most_65535_bytes_long(void **state)
{
	(void)state;

	/* 52 or 72 bytes of header, and 17 payloads that fill it to the last byte, or exceed it by one. */
	for (unsigned v6 = 0; v6 < 2; v6++) {
		uint32_t room = 65535 - (v6 ? 72 : 52), size = room / 17 + 1, last = room - 16 * size;

		for (unsigned more = 0; more < 2; more++) {
			struct craft c = craft_data(v6, false, SEQ, size);

			for (unsigned i = 0; i < 17; i++) {
				c.payload = i < 16 ? size : last + more;
				add(&c);
				c.seq += size;
			}
			assert_string_equal(outcome(), more ? "0+15 16" : "0+16");
			assert_int_equal(rig.out[0].n, more ? 65535 - last : 65535);
		}
	}
}

static void a_full_batch_has_to_be_flushed_and_leaves_nothing_behind(void **state)
{
	struct craft c = craft_data(false, false, SEQ, 1);
	uint8_t p[ROOM], before[ROOM];
	struct ip_view v;
	(void)state;

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COALESCE_MAX; i++) {
			add(&c);
			c.seq++;
		}
		size_t n = craft_packet(&c, p);
		memcpy(before, p, n);
		assert_int_equal(ip_view_of(p, n, &v), TM_OK);
		assert_int_equal(coalesce_add(rig.c, p, &v), TM_EFULL);
		assert_memory_equal(p, before, n);
		flush();
		assert_int_equal(rig.n_out, COALESCE_MAX / COALESCE_PARTS_MAX);
		for (unsigned i = 0; i < rig.n_out; i++)
			assert_int_equal(rig.out[i].packets, COALESCE_PARTS_MAX);
		flush();
		assert_int_equal(rig.n_out, 0);
	}
}

static void a_flow_does_not_continue_in_the_next_batch(void **state)
{
	(void)state;

	play("AA");
	assert_string_equal(outcome(), "0+1");
	struct craft c = craft_data(false, false, SEQ + 2 * SIZE, SIZE);
	add(&c);
	assert_string_equal(outcome(), "0");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(four_kinds_of_traffic_become_one_super_packet_each),
		TEST(a_packet_alone_is_written_untouched_with_an_empty_header),
		TEST(a_second_packet_is_merged_unless_something_differs),
		TEST(sequences_end_where_order_or_cutting_demands_it),
		TEST(only_what_the_tun_takes_is_merged),
		TEST(without_df_identifications_have_to_count_up),
		TEST(empty_datagrams_stay_alone),
		TEST(a_checksum_in_its_unusual_form_stays_alone),
		TEST(a_super_packet_has_at_most_64_parts),
		TEST(a_super_packet_is_at_most_65535_bytes_long),
		TEST(a_full_batch_has_to_be_flushed_and_leaves_nothing_behind),
		TEST(a_flow_does_not_continue_in_the_next_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
