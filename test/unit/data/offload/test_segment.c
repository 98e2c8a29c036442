/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/offload/segment.h"
#include "unit/data/offload/craft.h"
#include "unit/unit.h"

static uint8_t packet[CRAFT_MAX], out[CRAFT_MAX], expected[CRAFT_MAX];

static int begin(struct segmenter *s, const struct vnet *v, const uint8_t *p, size_t n)
{
	struct ip_view view;
	int err = ip_view_of(p, n, &view);

	return err ? err : segment_begin(s, v, &view);
}

/* The header that a kernel puts before it, and the packet as the kernel leaves it: half a checksum. */
static struct vnet offloaded(uint8_t *p, size_t n, uint16_t size)
{
	size_t l4 = craft_l4(p);
	bool udp = craft_is_udp(p);
	uint16_t offset = udp ? 6 : 16;

	put_be16(p + l4 + offset, slow_pseudo(p, n - l4));
	return (struct vnet){
		.needs_csum = true,
		.gso = size == 0        ? VNET_GSO_NONE
		       : udp            ? VNET_GSO_UDP
		       : p[0] >> 4 == 4 ? VNET_GSO_TCP4
					: VNET_GSO_TCP6,
		.gso_size = size,
		.csum_start = (uint16_t)l4,
		.csum_offset = offset,
	};
}

static void a_super_packet_is_cut_into_the_packets_it_stands_for(void **state)
{
	static const struct {
		const char *what;
		bool v6, udp;
		size_t ip_options, options, payload;
		uint16_t size;
		uint8_t flags;
	} rows[] = {
		{"TCP over IPv4", false, false, 0, 12, 5000, 1368, ACK},
		{"TCP over IPv6", true, false, 0, 12, 5000, 1348, ACK},
		{"UDP over IPv4", false, true, 0, 0, 5000, 1372, 0},
		{"UDP over IPv6", true, true, 0, 0, 5000, 1352, 0},
		{"without TCP options", false, false, 0, 0, 3000, 1380, ACK},
		{"with 40 bytes of TCP options", false, false, 0, 40, 3000, 1000, ACK},
		{"with IP options", false, false, 40, 12, 3000, 1000, ACK},
		{"with an extension header", true, false, 16, 12, 3000, 1000, ACK},
		{"UDP with IP options", false, true, 4, 0, 3000, 1000, 0},
		{"PSH and FIN", false, false, 0, 12, 3000, 1000, ACK | PSH | FIN},
		{"CWR and ECE", true, false, 0, 12, 3000, 1000, ACK | CWR | ECE},
		{"URG", false, false, 0, 12, 3000, 1000, ACK | URG},
		{"a multiple of the size", false, false, 0, 12, 4000, 1000, ACK},
		{"one byte more", false, false, 0, 12, 4001, 1000, ACK | PSH},
		{"odd sizes", true, false, 0, 12, 4001, 999, ACK},
		{"one segment", false, false, 0, 12, 700, 1000, ACK | PSH | FIN | CWR},
		{"no payload", false, false, 0, 12, 0, 1000, ACK},
		{"bytes one by one", true, true, 0, 0, 100, 1, 0},
		{"as long as can be", false, false, 0, 12, 65535 - 52, 1368, ACK},
		{"as long as can be, IPv6", true, true, 0, 0, 65535 - 48, 1352, 0},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		/* Both the sequence number and the identification wrap. */
		struct craft c = craft_data(rows[i].v6, rows[i].udp, UINT32_MAX - 1500, rows[i].payload);
		struct segmenter s;

		c.ip_options = rows[i].ip_options;
		c.options = rows[i].options;
		c.flags = rows[i].flags;
		c.id = 65534;
		c.tos = 0xb9;
		size_t n = craft_packet(&c, packet);
		struct vnet v = offloaded(packet, n, rows[i].size);
		v.hdr_len = 7; /* nonsense, as nobody may look at it */
		v.gso_ecn = rows[i].flags & CWR;
		if (begin(&s, &v, packet, n) != TM_OK)
			fail_msg("%s is refused", rows[i].what);

		unsigned count = 0;
		for (size_t at = 0; at == 0 || at < rows[i].payload; at += rows[i].size, count++) {
			struct craft piece = c;
			bool last = at + rows[i].size >= rows[i].payload;

			piece.seq = c.seq + (uint32_t)at;
			piece.id = (uint16_t)(c.id + count);
			piece.payload = MIN(rows[i].size, rows[i].payload - at);
			piece.flags &= (uint8_t) ~((last ? 0 : PSH | FIN) | (at ? CWR : 0));
			size_t want = craft_packet(&piece, expected), got = segment_next(&s, out);
			if (got != want || memcmp(out, expected, want) != 0)
				fail_msg("%s: segment %u differs", rows[i].what, count);
			if (got > segment_max(&s))
				fail_msg("%s: segment %u exceeds the maximum", rows[i].what, count);
		}
		if (s.count != count || segment_next(&s, out) != 0)
			fail_msg("%s: %u segments, expected %u", rows[i].what, s.count, count);
	}
}

static void a_super_packet_with_right_checksums_needs_no_help_to_find_its_transport(void **state)
{
	(void)state;

	for (unsigned kind = 0; kind < 4; kind++) {
		struct craft c = craft_data(kind & 1, kind & 2, 1, 2000);
		struct craft piece = c;
		struct segmenter s;

		size_t n = craft_packet(&c, packet);
		struct vnet v = {.gso = c.udp  ? VNET_GSO_UDP
					: c.v6 ? VNET_GSO_TCP6
					       : VNET_GSO_TCP4,
			.gso_size = 1500};
		assert_int_equal(begin(&s, &v, packet, n), TM_OK);
		assert_int_equal(s.count, 2);
		piece.payload = 1500;
		assert_int_equal(segment_next(&s, out), craft_packet(&piece, expected));
		assert_memory_equal(out, expected, s.header + 1500);
	}
}

static void a_checksum_left_to_the_hardware_is_completed(void **state)
{
	(void)state;

	for (unsigned kind = 0; kind < 8; kind++) {
		struct craft c = craft_data(kind & 1, kind & 2, 1, 333);
		struct segmenter s;

		c.ip_options = kind & 4 ? 8 : 0;
		size_t n = craft_packet(&c, packet);
		memcpy(expected, packet, n);
		struct vnet v = offloaded(packet, n, 0);
		assert_int_equal(begin(&s, &v, packet, n), TM_OK);
		assert_int_equal(s.count, 1);
		assert_int_equal(segment_max(&s), n);
		assert_int_equal(segment_next(&s, out), n);
		assert_memory_equal(out, expected, n);
		assert_int_equal(segment_next(&s, out), 0);
	}
}

/* 16 bits of payload can make any sum: here the one that comes out as zero. */
static void a_checksum_of_zero_is_written_as_ffff_in_udp_only(void **state)
{
	(void)state;

	for (unsigned kind = 0; kind < 4; kind++) {
		bool udp = kind & 1, super = kind & 2;
		struct craft c = craft_data(false, udp, 1, 100);
		struct segmenter s;

		size_t n = craft_packet(&c, packet), offset = udp ? 6 : 16;
		uint8_t *last = packet + n - 2;
		put_be16(last, (uint16_t)(slow_sum(last, 2, get_be16(packet + 20 + offset))));
		struct vnet v = offloaded(packet, n, super ? 100 : 0);
		assert_int_equal(begin(&s, &v, packet, n), TM_OK);
		assert_int_equal(segment_next(&s, out), n);
		assert_int_equal(get_be16(out + 20 + offset), udp ? 0xffff : 0);
	}
}

static void any_protocol_gets_its_checksum_where_the_header_says(void **state)
{
	/* An ICMP echo whose checksum, 2 bytes in, is left to do. */
	struct vnet v = {.needs_csum = true, .csum_start = 20, .csum_offset = 2};
	struct segmenter s;
	(void)state;

	memset(packet, 0, 28);
	packet[0] = 0x45;
	packet[3] = 28;
	packet[9] = 1;
	packet[20] = 8;
	packet[25] = 0x17;
	assert_int_equal(begin(&s, &v, packet, 28), TM_OK);
	assert_int_equal(segment_next(&s, out), 28);
	assert_int_equal(slow_sum(out + 20, 8, 0), 0xffff);
	assert_int_equal(get_be16(out + 22), 0xffff - 0x0817);
}

static void what_asks_for_nothing_is_passed_on_whatever_it_is(void **state)
{
	/* IPv6 with nothing in it, said to be of a protocol that nobody has. */
	static const uint8_t odd[40] = {0x60, [6] = 253};
	const struct vnet v = {.hdr_len = 9, .gso_size = 3, .csum_start = 5, .csum_offset = 7};
	struct segmenter s;
	(void)state;

	assert_int_equal(begin(&s, &v, odd, sizeof(odd)), TM_OK);
	assert_int_equal(s.count, 1);
	assert_int_equal(segment_next(&s, out), sizeof(odd));
	assert_memory_equal(out, odd, sizeof(odd));
	assert_int_equal(segment_next(&s, out), 0);
}

struct lie {
	const char *what;
	bool v6, udp;
	size_t at; /* of the packet: gets `value` */
	uint8_t value;
	size_t n; /* cut to this; 0: not */
	struct vnet v; /* what is not 0 replaces the honest header's */
	bool bare; /* no needs_csum */
};

static void try_lie(const struct lie *l)
{
	struct craft c = craft_data(l->v6, l->udp, 1, 1000);
	struct segmenter s, before;

	memset(&s, 0x5a, sizeof(s));
	memcpy(&before, &s, sizeof(s));
	size_t n = craft_packet(&c, packet);
	struct vnet v = offloaded(packet, n, l->v.gso == 0xff ? 0 : 500);
	if (l->at || l->value)
		packet[l->at] = l->value;
	v.gso = l->v.gso && l->v.gso != 0xff ? l->v.gso : v.gso;
	v.gso_size = l->v.gso_size == UINT16_MAX ? 0 : v.gso_size;
	v.csum_start = l->v.csum_start ? l->v.csum_start : v.csum_start;
	v.csum_offset = l->v.csum_offset ? l->v.csum_offset : v.csum_offset;
	v.needs_csum = !l->bare;
	if (begin(&s, &v, packet, l->n ? l->n : n) != TM_EBADMSG)
		fail_msg("%s is accepted", l->what);
	if (memcmp(&s, &before, sizeof(s)) != 0)
		fail_msg("%s: the result was touched", l->what);
}

static void a_header_that_contradicts_the_packet_is_refused(void **state)
{
	/* .gso = 0xff asks for a single packet, .gso_size = 65535 for a size of 0. */
	static const struct lie rows[] = {
		{"an unknown type", .v.gso = 3},
		{"another unknown type", .v.gso = 2},
		{"TCP4 on IPv6", .v6 = true, .v.gso = VNET_GSO_TCP4},
		{"TCP6 on IPv4", .v.gso = VNET_GSO_TCP6},
		{"TCP on UDP", .udp = true, .v = {.gso = VNET_GSO_TCP4, .csum_offset = 16}},
		{"UDP on TCP", .v = {.gso = VNET_GSO_UDP, .csum_offset = 6}},
		{"UDP on TCP, IPv6", .v6 = true, .v = {.gso = VNET_GSO_UDP, .csum_offset = 6}},
		{"a size of nothing", .v.gso_size = UINT16_MAX},
		{"version 5", .value = 0x55},
		{"a fragment", .at = 6, .value = 0x20},
		{"a late fragment", .at = 7, .value = 1},
		{"an IP header of 16 bytes", .value = 0x44},
		{"an IP header longer than csum_start says", .value = 0x46},
		{"an IP header beyond the packet", .value = 0x4f, .n = 59},
		{"19 bytes", .n = 19},
		{"39 bytes of IPv6", .v6 = true, .n = 39},
		{"half a TCP header", .n = 39},
		{"half the TCP options", .n = 51},
		{"half a UDP header", .udp = true, .n = 27},
		{"half a UDP header, IPv6", .v6 = true, .udp = true, .n = 47},
		{"a TCP header of 16 bytes", .at = 32, .value = 0x40},
		{"csum_start elsewhere", .v.csum_start = 24},
		{"csum_start elsewhere, IPv6", .v6 = true, .v.csum_start = 48},
		{"csum_start beyond the packet", .v.csum_start = 5000},
		{"csum_offset of UDP", .v.csum_offset = 6},
		{"csum_offset of TCP", .udp = true, .v.csum_offset = 16},
		{"an unknown extension header", .v6 = true, .at = 6, .value = 44},
		{"extension headers beyond the packet", .v6 = true, .at = 6, .value = 60, .n = 47},
		{"single: a checksum before the end of the IP header", .v = {.gso = 0xff, .csum_start = 19}},
		{"single: before the end of the IP options", .value = 0x46, .v = {.gso = 0xff}},
		{"single: before the end of IPv6", .v6 = true, .v = {.gso = 0xff, .csum_start = 39}},
		{"single: a short IP header", .value = 0x41, .v = {.gso = 0xff, .csum_start = 8}},
		{"single: a checksum beyond the packet", .n = 37, .v.gso = 0xff},
		{"single: far beyond", .v = {.gso = 0xff, .csum_start = 65535, .csum_offset = 65535}},
		{"single: version 0", .value = 0x05, .v.gso = 0xff},
	};
	(void)state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		try_lie(&rows[i]);
}

static void options_without_a_checksum_to_start_from_are_refused(void **state)
{
	(void)state;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct craft c = craft_data(v6, false, 1, 1000);
		struct segmenter s;

		c.ip_options = 8;
		size_t n = craft_packet(&c, packet);
		const struct vnet v = {.gso = v6 ? VNET_GSO_TCP6 : VNET_GSO_TCP4, .gso_size = 500};
		assert_int_equal(begin(&s, &v, packet, n), TM_EBADMSG);
	}
}

static void an_extension_header_does_not_lead_out_of_the_packet(void **state)
{
	struct craft c = craft_data(true, false, 1, 1000);
	struct segmenter s;
	(void)state;

	c.ip_options = 8;
	size_t n = craft_packet(&c, packet);
	struct vnet v = offloaded(packet, n, 500);
	assert_int_equal(begin(&s, &v, packet, n), TM_OK);
	/* What lies behind the packet would even do as a TCP header. */
	memset(packet + n, 0x50, 2000);
	packet[CRAFT_IP6 + 1] = 255;
	v.csum_start = CRAFT_IP6 + 8 + 255 * 8;
	assert_int_equal(begin(&s, &v, packet, n), TM_EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_super_packet_is_cut_into_the_packets_it_stands_for),
		cmocka_unit_test(a_super_packet_with_right_checksums_needs_no_help_to_find_its_transport),
		cmocka_unit_test(a_checksum_left_to_the_hardware_is_completed),
		cmocka_unit_test(a_checksum_of_zero_is_written_as_ffff_in_udp_only),
		cmocka_unit_test(any_protocol_gets_its_checksum_where_the_header_says),
		cmocka_unit_test(what_asks_for_nothing_is_passed_on_whatever_it_is),
		cmocka_unit_test(a_header_that_contradicts_the_packet_is_refused),
		cmocka_unit_test(options_without_a_checksum_to_start_from_are_refused),
		cmocka_unit_test(an_extension_header_does_not_lead_out_of_the_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
