/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Random policies and packets: the filter and its slow twin agree about every one. TM_FILTER_PACKETS=n does
 * that many (make slow: ten million), TM_FILTER_SEED=n begins elsewhere.
 */
#include "fake/random.h"
#include "unit/data/filter/bed.h"
#include "unit/data/filter/model.h"

enum { PACKETS = 300000, WORLD = 4000, CLASSES = 4, ENDS = 2 };
enum { S = TCP_SYN, A = TCP_ACK, F = TCP_FIN, R = TCP_RST, P = TCP_PSH };

static uint64_t seed;
static struct bed bed;
static struct model model;

static uint32_t rnd(uint32_t n)
{
	return fake_random(&seed) % n;
}

/* --- who is who, as the bed has it --- */

static int end_of(uint32_t host)
{
	return host == BED_SELF ? 0 : host >= 200 && host < 210 ? 1 : -1;
}

static int class_of(uint32_t host, uint32_t peer)
{
	if (host >= PKT_OUTSIDE)
		return peer == 2 ? 1 : -1;
	return host < 100 ? (int)host / 10 : -1;
}

static uint32_t peer_of(uint32_t remote)
{
	return remote >= PKT_OUTSIDE || remote == 30 ? 2 : remote;
}

static const uint16_t ports[] = {22, 53, 80, 5000, 40000, 65535};

/* --- policies --- */

static void new_policy(void)
{
	static const struct {
		enum model_says model;
		enum verdict verdict;
	} verdicts[] = {
		{MODEL_PASS, VERDICT_PASS}, {MODEL_DENIED, VERDICT_DROP}, {MODEL_REJECTED, VERDICT_REJECT}};
	struct bed_rule rule[MODEL_RULES];
	const unsigned other = 1 + rnd(2), most = 1 + rnd(3);
	unsigned n = 0;

	for (unsigned list = 0; list < ENDS * CLASSES * 2 * 5; list++) {
		unsigned port = 0;

		/* The last list is of the last end and class, so that all lists are there. */
		for (unsigned k = rnd(most + 1) + (list == ENDS * CLASSES * 2 * 5 - 1); k > 0 && port < 65536;
			k--) {
			const unsigned first = port + rnd(3) * rnd(100), last = first + rnd(2) * rnd(6000),
				       v = rnd(4) ? 0 : 1 + rnd(2);

			rule[n] = (struct bed_rule){
				.dir = (enum rules_dir)(list % 2),
				.proto = (enum rules_proto)(list / 2 % 5),
				.first = (uint16_t)first,
				.last = (uint16_t)last,
				.verdict = verdicts[v].verdict,
				.class = list / 10 % CLASSES,
				.end = list / 10 / CLASSES,
			};
			model.rule[n++] = (struct model_rule){
				.inbound = list % 2 == RULES_IN,
				.end = list / 10 / CLASSES,
				.class = list / 10 % CLASSES,
				.proto = list / 2 % 5,
				.first = first,
				.last = last,
				.verdict = verdicts[v].model,
			};
			port = last + 1;
		}
	}
	model.n_rules = n;
	model.otherwise = verdicts[other].model;
	model.generation++;
	bed_rules(&bed, rule, n, verdicts[other].verdict);
}

/* --- packets --- */

/* Clearly inside a window, or clearly outside. */
static uint32_t near(uint32_t n, bool wild)
{
	static const uint32_t offsets[] = {0, 0, 1, 500, 0x40000000, 0x80000000, (uint32_t)-70000};

	return n + offsets[rnd(wild ? ARRAY_LEN(offsets) : 4)];
}

static void make_tcp(struct pkt *p, bool from_remote)
{
	static const uint8_t flags[] = {
		S, S, S | A, A, A, A, A, A | P, F | A, F | A, R, R | A, S | F, F, 0x20};

	p->proto = PROTO_TCP;
	p->flags = flags[rnd(ARRAY_LEN(flags))];
	/* What passes by the memo of a batch moves no edge, so acknowledgements make no leaps. */
	const struct model_flow *f = model_flow_of(&model, !from_remote, p);
	const unsigned side = f && f->by_remote == from_remote ? 0 : 1;

	p->seq = near(f ? f->side[side].edge : 1000, p->flags & (R | S));
	p->ack = near(f ? f->side[!side].edge : 5000, p->flags & (R | S));
	p->window = 1000;
	p->scale = (uint8_t)(rnd(3) ? 1 + rnd(9) : 0);
	p->payload = rnd(3) ? 0 : rnd(100);
}

static void make_icmp(struct pkt *p, struct pkt *about)
{
	static const uint8_t types4[] = {0, 3, 3, 4, 5, 8, 8, 0, 11, 12, 13, 14},
			     types6[] = {1, 1, 2, 3, 128, 128, 129, 129, 133, 200};

	p->proto = p->version == 6 ? PROTO_ICMP6 : PROTO_ICMP;
	p->type = p->version == 6 ? types6[rnd(ARRAY_LEN(types6))] : types4[rnd(ARRAY_LEN(types4))];
	p->echo = (uint16_t)(1 + rnd(4));
	if (p->version == 6 ? p->type < 128 : p->type == 3 || p->type > 10) {
		/* Of a flow mostly, and mostly of the right one. */
		const struct model_flow *f = model_flow_at(&model, rnd(MODEL_FLOWS));

		*about = (struct pkt){
			.version = p->version,
			.from = rnd(8) ? p->to : p->from,
			.to = rnd(3) ? p->from : 2 + rnd(2),
			.proto = rnd(2) ? PROTO_UDP : PROTO_TCP,
			.sport = ports[rnd(ARRAY_LEN(ports))],
			.dport = ports[rnd(ARRAY_LEN(ports))],
			.flags = A,
		};
		if (f && rnd(4)) {
			const bool out = rnd(2);

			about->version = (uint8_t)f->version;
			about->proto = (uint8_t)f->proto;
			about->from = out ? f->local : f->remote;
			about->to = out ? f->remote : f->local;
			about->sport = out ? f->local_port : f->remote_port;
			about->dport = out ? f->remote_port : f->local_port;
			if (f->proto == PROTO_ICMP || f->proto == PROTO_ICMP6) {
				about->type = f->version == 6 ? 128 : 8;
				about->echo = (uint16_t)(about->sport ? about->sport : about->dport);
				if (!about->sport)
					about->type = f->version == 6 ? 129 : 0;
			}
			p->version = about->version;
			p->proto = p->version == 6 ? PROTO_ICMP6 : PROTO_ICMP;
			p->type = p->version == 6 ? 1 : 3;
			p->to = about->from;
			p->from = about->to;
		}
		p->about = about;
	}
}

static void make_piece(struct pkt *p)
{
	p->piece = true;
	p->id = rnd(3);
	p->at = (uint16_t)(rnd(2) ? 0 : 8 * rnd(12));
	p->len = (uint16_t)(8 * (1 + rnd(10)));
	p->more = rnd(3);
	if (p->proto == PROTO_TCP) {
		/* What its header says is not what a piece has. */
		p->flags = rnd(2) ? S : A;
		p->scale = 0;
		p->payload = 0;
	}
}

static void make_packet(struct pkt *p, struct pkt *about)
{
	static const uint32_t remotes[] = {2, 3, 12, 30, 150, PKT_OUTSIDE + 9},
			      locals[] = {1, 1, 1, 200, 220};
	const struct model_flow *f = rnd(4) ? model_flow_at(&model, rnd(MODEL_FLOWS)) : NULL;
	const bool out = rnd(2);
	const uint32_t remote = f ? f->remote : remotes[rnd(ARRAY_LEN(remotes))],
		       local = f ? f->local : locals[rnd(ARRAY_LEN(locals))];
	const uint32_t what = f ? (f->proto == PROTO_TCP          ? 0u
					  : f->proto == PROTO_UDP ? 5u
								  : rnd(10))
				: rnd(10);

	*p = (struct pkt){
		.version = f        ? (uint8_t)f->version
			   : rnd(2) ? 6
				    : 4,
		.from = out ? local : remote,
		.to = out ? remote : local,
		.sport = ports[rnd(ARRAY_LEN(ports))],
		.dport = ports[rnd(ARRAY_LEN(ports))],
		.extensions = rnd(6) ? 0 : rnd(3),
		.proto = PROTO_UDP,
	};
	if (f && rnd(8)) {
		p->sport = out ? f->local_port : f->remote_port;
		p->dport = out ? f->remote_port : f->local_port;
	}
	if (what < 5)
		make_tcp(p, !out);
	else if (what == 7 || what == 8)
		make_icmp(p, about);
	else if (what == 9)
		p->proto = rnd(2) ? 47 : 50;
	if (what != 7 && what != 8 && rnd(12) == 0)
		make_piece(p);
}

/* --- both --- */

static const char *word(enum model_says s)
{
	static const char *const words[] = {"pass", "denied", "rejected", "stray", "hidden", "piece"};

	return words[s];
}

struct pair {
	struct pkt pkt, about;
	uint8_t bytes[256];
	bool out;
	uint32_t peer;
	enum model_says want;
};
static struct pair batch[FILTER_BATCH];
static uint64_t agreed, said[FILTER_FULL + 1];

static void describe(const struct pair *x)
{
	const struct pkt *p = &x->pkt;

	print_error(
		"IPv%u %u -> %u protocol %u ports %u %u flags %#x seq %u ack %u type %u echo %u payload %zu "
		"piece %d id %u at %u len %u more %d; through %u, at %.0f s\n",
		p->version, p->from, p->to, p->proto, p->sport, p->dport, p->flags, p->seq, p->ack, p->type,
		p->echo, p->payload, p->piece, p->id, p->at, p->len, p->more, x->peer,
		(double)model.now / SEC);
	if (p->about)
		print_error("about %u -> %u protocol %u ports %u %u type %u echo %u\n", p->about->from,
			p->about->to, p->about->proto, p->about->sport, p->about->dport, p->about->type,
			p->about->echo);
}

static void judge_batch(size_t n, uint64_t world)
{
	const struct filter_question q = {
		.dir = batch[0].out ? FILTER_EGRESS : FILTER_INGRESS,
		.peer = batch[0].peer,
		.generation = bed.generation,
		.now = model.now,
	};
	enum filter_says says[FILTER_BATCH];
	struct ip_view v[FILTER_BATCH] = {{0}};

	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			ip_view_of(batch[i].bytes, pkt_write(&batch[i].pkt, batch[i].bytes), &v[i]), TM_OK);
	const unsigned refused = filter_judge(&bed.w, &q, v, n, says);
	for (size_t i = 0; i < n; i++) {
		const enum filter_says s = refused >> i & 1 ? says[i] : FILTER_PASS;

		said[s]++;
		if (strcmp(bed_word(s), word(batch[i].want)) == 0) {
			agreed++;
			continue;
		}
		describe(&batch[i]);
		fail_msg("world %" PRIu64 ": the filter says %s, its twin %s (packet %zu of %zu)", world,
			bed_word(s), word(batch[i].want), i, n);
	}
}

static void new_world(uint64_t world)
{
	seed = 0xf117e2 + world * 0x9e3779b97f4a7c15u;
	for (int i = 0; i < 8; i++)
		rnd(2);
	bed_start(&bed, 1 << 17, world % 2 ? 1 : 3);
	memset(&model, 0, sizeof(model));
	model.end_of = end_of;
	model.class_of = class_of;
	model.now = 7 * SEC;
	new_policy();
}

/* Steps of seven seconds: no time that anything is remembered for is near a multiple of that. */
static void pass_time(void)
{
	static const ns_t steps[] = {7, 7, 14, 28, 35, 63, 245, 7441};

	model.now++;
	if (rnd(30) == 0)
		model.now += steps[rnd(ARRAY_LEN(steps) - (rnd(8) ? 1 : 0))] * SEC;
}

static void run_world(uint64_t world, unsigned packets)
{
	new_world(world);
	for (unsigned done = 0; done < packets;) {
		size_t n = 0;

		pass_time();
		if (rnd(300) == 0)
			new_policy();
		/* As many as happen to have the same way. */
		for (const size_t most = 1 + rnd(FILTER_BATCH); n < most; n++) {
			struct pair *x = &batch[n];

			make_packet(&x->pkt, &x->about);
			x->out = end_of(x->pkt.from) >= 0 || x->pkt.from == 220;
			x->peer = peer_of(x->out ? x->pkt.to : x->pkt.from);
			if (n && (x->out != batch[0].out || x->peer != batch[0].peer))
				break;
			x->want = model_judge(&model, x->out, x->peer, &x->pkt);
		}
		judge_batch(n, world);
		done += (unsigned)n;
	}
	bed_stop(&bed);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void the_filter_and_its_twin_agree(void **state)
{
	const uint64_t packets = number("TM_FILTER_PACKETS", PACKETS);
	uint64_t world = number("TM_FILTER_SEED", 0);
	(void)state;

	while (agreed < packets)
		run_world(world++, WORLD);
	print_message("%" PRIu64 " decisions agree, in %" PRIu64 " worlds:", agreed, world);
	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		print_message(" %s %" PRIu64, bed_word((enum filter_says)i), said[i]);
	print_message("\n");
	/* All of them are spoken of, but nobody's table was full. */
	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		assert_true(i == FILTER_FULL ? said[i] == 0 : said[i] > packets / 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_filter_and_its_twin_agree)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
