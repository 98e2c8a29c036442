/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Any packets in any order through a filter: whatever they hold, nobody reads beyond them, what must not pass
 * leaves no flow behind, nothing passes of which nobody knows the ports but pieces, and a batch at once is
 * judged as its packets are one after the other.
 *
 * Input: for each packet a byte (1 egress, 2 and 4 the peer, 8 the batch ends, 16 and time passes, 32 and the
 * policy changes), two of length, the packet.
 */
#include "base/bytes.h"
#include "data/filter/filter.h"
#include "fuzz/fuzz.h"

enum { EGRESS = 1, END = 8, TIME = 16, POLICY = 32 };

struct side {
	struct filter_worker w;
	uint64_t generation;
};

static struct rules *policy(uint64_t generation)
{
	/* By turns everything may begin, everything outwards, and little. */
	static const struct rules_span some[] = {
		{0, 22, VERDICT_PASS, 1}, {53, 53, VERDICT_PASS, 2}, {80, 128, VERDICT_REJECT, 3}};
	struct rules_builder *b;
	struct rules *r;
	struct rules_at at = {0};

	assert(rules_builder_new(&b) == TM_OK);
	for (at.dir = 0; at.dir < RULES_DIRS; at.dir++)
		for (at.proto = 0; at.proto < RULES_PROTOS; at.proto++) {
			const bool all = generation % 3 == 0 || (generation % 3 == 1 && at.dir == RULES_OUT);

			assert(rules_put(b, &at, all ? VERDICT_PASS : VERDICT_DROP, some,
				       all ? 0 : ARRAY_LEN(some)) == TM_OK);
		}
	for (uint32_t host = 2; host < 6; host++)
		assert(rules_put_class(b, host, 0) == TM_OK);
	const struct prefix world = {.ip = {.family = IP_V4}};
	assert(rules_put_prefix(b, &world, 2, 0) == TM_OK);
	assert(rules_build(b, &r) == TM_OK);
	rules_builder_free(b);
	return r;
}

static void set_policy(struct side *s)
{
	struct filter_space space = {.host = 1};
	struct filter *f;

	assert(prefix_parse("10.77.0.0/16", &space.net4) == TM_OK &&
		prefix_parse("fd77::/112", &space.net6) == TM_OK);
	assert(filter_new(&space, policy(s->generation++), 0, &f) == TM_OK);
	filter_free((struct filter *)(uintptr_t)s->w.filter);
	s->w.filter = f;
}

static void start(struct side *s)
{
	const struct filter_memory_config cfg = {.parts = 1, .flows = FILTER_FLOWS_MIN, .key = {3, 4}};

	*s = (struct side){0};
	assert(filter_memory_new(&cfg, &s->w.memory) == TM_OK);
	set_policy(s);
}

static void stop(struct side *s)
{
	filter_free((struct filter *)(uintptr_t)s->w.filter);
	filter_memory_free(s->w.memory);
}

static uint32_t flows(const struct side *s)
{
	return flows_count(s->w.memory->part[0].members) + flows_count(s->w.memory->part[0].routed);
}

struct batch {
	struct filter_question q;
	uint8_t *packet[FILTER_BATCH];
	struct ip_view v[FILTER_BATCH];
	size_t n;
};

static void judge(struct side *together, struct side *apart, struct batch *b)
{
	enum filter_says all[FILTER_BATCH], one;

	b->q.generation = together->generation;
	const unsigned refused = filter_judge(&together->w, &b->q, b->v, b->n, all);
	for (size_t i = 0; i < b->n; i++) {
		const uint32_t before = flows(apart);
		const bool no = filter_judge(&apart->w, &b->q, &b->v[i], 1, &one);

		assert(no == (refused >> i & 1) && (!no || one == all[i]));
		assert(no ? flows(apart) <= before : b->v[i].flags & (IP_UPPER | IP_LATER));
		free(b->packet[i]);
	}
	assert(flows(together) == flows(apart));
	b->n = 0;
	b->q.now++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_over(data, size);
	struct batch b = {.q = {.now = SEC}};
	struct side together, apart;

	start(&together);
	start(&apart);
	while (rd_left(&r) > 3) {
		const uint8_t what = rd_u8(&r);
		const size_t said = rd_be16(&r), n = MIN(said, rd_left(&r));
		const enum filter_dir dir = what & EGRESS ? FILTER_EGRESS : FILTER_INGRESS;
		const uint32_t peer = 2 + (what >> 1 & 3u);

		if (b.n && (dir != b.q.dir || peer != b.q.peer || what & END || b.n == FILTER_BATCH))
			judge(&together, &apart, &b);
		if (!b.n && what & TIME)
			b.q.now += 7 * SEC;
		if (!b.n && what & POLICY) {
			set_policy(&together);
			set_policy(&apart);
		}
		b.q.dir = dir;
		b.q.peer = peer;
		b.packet[b.n] = fuzz_copy(rd_bytes(&r, n), n);
		if (ip_view_of(b.packet[b.n], n, &b.v[b.n]) == TM_OK)
			b.n++;
		else
			free(b.packet[b.n]);
	}
	judge(&together, &apart, &b);
	stop(&together);
	stop(&apart);
	return 0;
}
