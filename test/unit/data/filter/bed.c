/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/data/filter/bed.h"

void bed_start(struct bed *b, uint32_t flows, unsigned parts)
{
	const struct filter_memory_config cfg = {.parts = parts, .flows = flows, .key = {1, 2}};

	*b = (struct bed){.now = 1000 * SEC};
	assert_int_equal(filter_memory_new(&cfg, &b->w.memory), TM_OK);
	bed_rules(b, NULL, 0, VERDICT_DROP);
}

void bed_stop(struct bed *b)
{
	filter_free((struct filter *)(uintptr_t)b->w.filter);
	filter_memory_free(b->w.memory);
	hits_drop(b->hits);
}

/* All lists that any of the rules is of, and those of end and class 0. */
static void put_lists(struct rules_builder *rb, const struct bed_rule *v, size_t n, enum verdict otherwise)
{
	struct rules_at at;
	uint32_t ends = 1, classes = 1;

	for (size_t i = 0; i < n; i++) {
		ends = MAX(ends, v[i].end + 1);
		classes = MAX(classes, v[i].class + 1);
	}
	for (at.end = 0; at.end < ends; at.end++)
		for (at.class = 0; at.class < classes; at.class ++)
			for (at.dir = 0; at.dir < RULES_DIRS; at.dir++)
				for (at.proto = 0; at.proto < RULES_PROTOS; at.proto++) {
					struct rules_span span[64];
					size_t k = 0;

					for (size_t i = 0; i < n; i++)
						if (v[i].end == at.end && v[i].class == at.class &&
							v[i].dir == at.dir && v[i].proto == at.proto)
							span[k++] = (struct rules_span){v[i].first, v[i].last,
								(uint8_t)v[i].verdict, (uint32_t)i + 1};
					assert_int_equal(rules_put(rb, &at, otherwise, span, k), TM_OK);
				}
}

static void put_names(struct rules_builder *rb)
{
	struct prefix prefix;

	for (uint32_t host = 2; host < 100; host++)
		assert_int_equal(rules_put_class(rb, host, host / 10), TM_OK);
	for (uint32_t host = 200; host < 210; host++)
		assert_int_equal(rules_put_end(rb, host, 1), TM_OK);
	assert_int_equal(rules_put_end(rb, BED_CLIENT, 1), TM_OK);
	assert_int_equal(rules_put_class(rb, BED_CLIENT, 2), TM_OK);
	assert_int_equal(prefix_parse("192.0.2.0/24", &prefix), TM_OK);
	assert_int_equal(rules_put_prefix(rb, &prefix, 2, 1), TM_OK);
	assert_int_equal(prefix_parse("192.0.2.128/25", &prefix), TM_OK);
	assert_int_equal(rules_put_prefix_end(rb, &prefix, 1), TM_OK);
	assert_int_equal(prefix_parse("2001:db8::/32", &prefix), TM_OK);
	assert_int_equal(rules_put_prefix(rb, &prefix, 2, 1), TM_OK);
}

void bed_rules(struct bed *b, const struct bed_rule *v, size_t n, enum verdict otherwise)
{
	struct filter_space space = {.host = BED_SELF};
	struct rules_builder *rb;
	struct rules *r;
	struct filter *f;

	assert_int_equal(prefix_parse("10.77.0.0/16", &space.net4), TM_OK);
	assert_int_equal(prefix_parse("fd77::/112", &space.net6), TM_OK);
	assert_int_equal(rules_builder_new(&rb), TM_OK);
	put_lists(rb, v, n, otherwise);
	put_names(rb);
	assert_int_equal(rules_build(rb, &r), TM_OK);
	rules_builder_free(rb);
	hits_drop(b->hits);
	assert_int_equal(hits_new(b->w.memory->parts, (uint32_t)n + 1, &b->hits), TM_OK);
	rules_count(r, hits_hold(b->hits));
	assert_int_equal(filter_new(&space, r, 0, &f), TM_OK);
	filter_free((struct filter *)(uintptr_t)b->w.filter);
	b->w.filter = f;
	b->generation++;
}

enum filter_says bed_says_bytes(struct bed *b, enum filter_dir dir, uint32_t peer, const uint8_t *p, size_t n)
{
	const struct filter_question q = {
		.dir = dir,
		.peer = b->peer ? b->peer : peer,
		.generation = b->generation,
		.now = ++b->now,
	};
	enum filter_says says = FILTER_PASS;
	struct ip_view v;

	assert_int_equal(ip_view_of(p, n, &v), TM_OK);
	return filter_judge(&b->w, &q, &v, 1, &says) ? says : FILTER_PASS;
}

enum filter_says bed_says(struct bed *b, const struct pkt *p)
{
	const bool out = p->from == BED_SELF;
	uint8_t bytes[PKT_MAX];

	return bed_says_bytes(b, out ? FILTER_EGRESS : FILTER_INGRESS, (out ? p->to : p->from) % PKT_OUTSIDE,
		bytes, pkt_write(p, bytes));
}

const char *bed_word(enum filter_says s)
{
	static const char *const words[] = {
		[FILTER_PASS] = "pass",
		[FILTER_DENIED] = "denied",
		[FILTER_REJECTED] = "rejected",
		[FILTER_STRAY] = "stray",
		[FILTER_HIDDEN] = "hidden",
		[FILTER_PIECE] = "piece",
		[FILTER_FULL] = "full",
	};

	return words[s];
}

void bed_connect(struct bed *b, uint32_t from, uint32_t to)
{
	EXPECT(b, FILTER_PASS, .from = from, .to = to, .sport = 40000, .dport = 22, .flags = TCP_SYN,
		.seq = 999, .window = 64000, .scale = 1 + 7);
	EXPECT(b, FILTER_PASS, .from = to, .to = from, .sport = 22, .dport = 40000,
		.flags = TCP_SYN | TCP_ACK, .seq = 4999, .ack = 1000, .window = 64000, .scale = 1 + 7);
	EXPECT(b, FILTER_PASS, .from = from, .to = to, .sport = 40000, .dport = 22, .flags = TCP_ACK,
		.seq = 1000, .ack = 5000, .window = 500);
}
