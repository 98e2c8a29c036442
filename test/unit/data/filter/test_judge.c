/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What passes and what does not, packet by packet. */
#include "unit/data/filter/bed.h"

#include "base/bytes.h"
#include "data/filter/track.h"

enum { S = TCP_SYN, A = TCP_ACK, F = TCP_FIN, R = TCP_RST };
enum { OUTSIDE = PKT_OUTSIDE };

static struct bed bed;

static int setup(void **state)
{
	(void)state;
	bed_start(&bed, 4096, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bed_stop(&bed);
	return 0;
}

#define ALL 0, UINT16_MAX, VERDICT_PASS

static void answers_pass_and_nothing_else_under_default_deny(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_OUT, RULES_UDP, 53, 53, VERDICT_PASS});
	for (uint8_t version = 4; version <= 6; version = (uint8_t)(version + 2)) {
		EXPECT(&bed, FILTER_DENIED, .version = version, .from = 2, .to = 1, .sport = 53,
			.dport = 5000);
		EXPECT(&bed, FILTER_PASS, .version = version, .from = 1, .to = 2, .sport = 5000, .dport = 53);
		EXPECT(&bed, FILTER_PASS, .version = version, .from = 2, .to = 1, .sport = 53, .dport = 5000);
		/* Another port, another host, another protocol. */
		EXPECT(&bed, FILTER_DENIED, .version = version, .from = 2, .to = 1, .sport = 54,
			.dport = 5000);
		EXPECT(&bed, FILTER_DENIED, .version = version, .from = 2, .to = 1, .sport = 53,
			.dport = 5001);
		EXPECT(&bed, FILTER_DENIED, .version = version, .from = 3, .to = 1, .sport = 53,
			.dport = 5000);
		EXPECT(&bed, FILTER_DENIED, .version = version, .from = 2, .to = 1, .sport = 53,
			.dport = 5000, .proto = 50);
	}
}

static void a_connection_works_in_both_directions_until_it_ends(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS});
	bed_connect(&bed, 2, 1);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = A,
		.payload = 100);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = R | A,
		.seq = 5000);
	bed.now += 12 * SEC;
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = R, .seq = 1000);
	/* We may begin nothing. */
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 40000, .dport = 22, .flags = S);
}

static void a_stray_packet_opens_nothing(void **state)
{
	static const uint8_t flags[] = {
		A, A | F, A | TCP_PSH, S | A, R, R | A, S | F, S | R, F, TCP_PSH, 0x29, 0x3f};
	(void)state;

	BED_RULES(&bed, {RULES_OUT, RULES_TCP, ALL});
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		for (int k = 0; k < 2; k++) {
			const enum filter_says says = bed_says(&bed,
				&(struct pkt){
					.from = 2, .to = 1, .sport = 22, .dport = 40000, .flags = flags[i]});

			if (says != FILTER_STRAY && says != FILTER_DENIED)
				fail_msg("flags %#x: %s", flags[i], bed_word(says));
			/* Nor does it help the other one. */
			EXPECT(&bed, FILTER_STRAY, .from = 1, .to = 2, .sport = 40000, .dport = 22,
				.flags = R);
		}
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 0, .echo = 5);
	EXPECT(&bed, FILTER_STRAY, .version = 6, .from = 2, .to = 1, .proto = PROTO_ICMP6, .type = 129,
		.echo = 5);
}

/* Also where everything is allowed: what begins nothing is no beginning. */
static void resets_and_answers_need_a_flow_even_where_everything_may_begin(void **state)
{
	(void)state;
	BED_RULES(
		&bed, {RULES_IN, RULES_TCP, ALL}, {RULES_IN, RULES_ICMP, ALL}, {RULES_IN, RULES_ICMP6, ALL});
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .sport = 1, .dport = 22, .flags = R, .seq = 7);
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .sport = 1, .dport = 22, .flags = S | A);
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 0);
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 5);
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 13);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 42);
	/* A redirect to a router whose address begins like the identifier of a ping that is answered. */
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 8, .echo = 0x0a4d);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .proto = PROTO_ICMP, .type = 0, .echo = 0x0a4d);
	EXPECT(&bed, FILTER_STRAY, .from = 1, .to = 2, .proto = PROTO_ICMP, .type = 5, .echo = 0x0a4d);
	EXPECT(&bed, FILTER_PASS, .version = 6, .from = 2, .to = 1, .proto = PROTO_ICMP6, .type = 135);
}

/* A table that is new, in the midst of connections: after a restart. */
static void connections_are_picked_up_where_they_may_begin(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS},
		{RULES_OUT, RULES_TCP, 80, 80, VERDICT_PASS});
	/* The other one's, towards us. */
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = A);
	/* Ours. */
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 80, .dport = 40001, .flags = A);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 40001, .dport = 80, .flags = A);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 80, .dport = 40001, .flags = A);
	/* Our answers in the other one's, before he says anything: they are his flow. */
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = 40002, .flags = A);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40002, .dport = 22, .flags = A);
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 40002, .dport = 22, .flags = A);
	/* UDP has no midst. */
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 22, .dport = 40002);
}

/* Until hosts have had time to say something: filter_new says that it began at 0. */
static void at_first_our_hosts_hear_what_may_be_their_own_connections(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_OUT, RULES_TCP, 80, 80, VERDICT_PASS},
		{RULES_OUT, RULES_UDP, 80, 80, VERDICT_PASS});
	bed.now = 10 * SEC;
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 80, .dport = 40000, .flags = A);
	/* Nothing is remembered: a host that knows nothing of it is not heard. */
	EXPECT(&bed, FILTER_STRAY, .from = 1, .to = 2, .sport = 40000, .dport = 80, .flags = R);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 80, .dport = 40000, .flags = A);
	/* One that does, is, and then it passes later, too. */
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 40000, .dport = 80, .flags = A);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 81, .dport = 40000, .flags = A);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 80, .dport = 40000, .flags = S);
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .sport = 80, .dport = 40001, .flags = S | A);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 80, .dport = 40000);
	bed.now = 301 * SEC;
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 80, .dport = 40000, .flags = A);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 80, .dport = 40002, .flags = A);
}

static void pings_are_answered_and_no_one_elses(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_OUT, RULES_ICMP, 8, 8, VERDICT_PASS},
		{RULES_IN, RULES_ICMP6, 128, 128, VERDICT_PASS});
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .proto = PROTO_ICMP, .type = 8, .echo = 5);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 0, .echo = 5);
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 0, .echo = 6);
	EXPECT(&bed, FILTER_STRAY, .from = 3, .to = 1, .proto = PROTO_ICMP, .type = 0, .echo = 5);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 8, .echo = 5);
	EXPECT(&bed, FILTER_STRAY, .from = 1, .to = 2, .proto = PROTO_ICMP, .type = 0, .echo = 5);
	EXPECT(&bed, FILTER_PASS, .version = 6, .from = 2, .to = 1, .proto = PROTO_ICMP6, .type = 128,
		.echo = 5);
	EXPECT(&bed, FILTER_PASS, .version = 6, .from = 1, .to = 2, .proto = PROTO_ICMP6, .type = 129,
		.echo = 5);
	EXPECT(&bed, FILTER_DENIED, .version = 6, .from = 1, .to = 2, .proto = PROTO_ICMP6, .type = 128,
		.echo = 5);
}

static void an_error_passes_if_it_is_about_a_packet_of_a_flow(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_OUT, RULES_UDP, 53, 53, VERDICT_PASS},
		{RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS}, {RULES_OUT, RULES_ICMP, 8, 8, VERDICT_PASS});
	const struct pkt asked = {.from = 1, .to = 2, .sport = 5000, .dport = 53};
	const struct pkt other = {.from = 1, .to = 2, .sport = 5001, .dport = 53};
	const struct pkt answer = {.from = 2, .to = 1, .sport = 53, .dport = 5000};
	const struct pkt theirs = {.from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = S};
	const struct pkt ping = {.from = 1, .to = 2, .proto = PROTO_ICMP, .type = 8, .echo = 9};
	const struct pkt error = {
		.from = 2, .to = 1, .proto = PROTO_ICMP, .type = 3, .code = 3, .about = &asked};

	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 3, .about = &asked);
	assert_int_equal(bed_says(&bed, &asked), FILTER_PASS);
	assert_int_equal(bed_says(&bed, &error), FILTER_PASS);
	/* Nothing of it counts as an answer, and nothing as one more of ours. */
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 3, .about = &other);
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 3, .about = &answer);
	/* By another peer: not by one who only says so. */
	EXPECT(&bed, FILTER_STRAY, .from = 3, .to = 1, .proto = PROTO_ICMP, .type = 3, .about = &asked);
	/* By somebody behind the same peer. */
	bed.peer = 2;
	EXPECT(&bed, FILTER_PASS, .from = OUTSIDE + 7, .to = 1, .proto = PROTO_ICMP, .type = 11,
		.about = &asked);
	EXPECT(&bed, FILTER_PASS, .from = 30, .to = 1, .proto = PROTO_ICMP, .type = 11, .about = &asked);
	bed.peer = 0;
	/* Ours about theirs. */
	EXPECT(&bed, FILTER_STRAY, .from = 1, .to = 2, .proto = PROTO_ICMP, .type = 3, .about = &theirs);
	assert_int_equal(bed_says(&bed, &theirs), FILTER_PASS);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .proto = PROTO_ICMP, .type = 3, .about = &theirs);
	/* About a ping, and not about an error. */
	assert_int_equal(bed_says(&bed, &ping), FILTER_PASS);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 11, .about = &ping);
	EXPECT(&bed, FILTER_STRAY, .from = 1, .to = 2, .proto = PROTO_ICMP, .type = 3, .about = &error);
	/* When the flow is over. */
	bed.now += 31 * SEC;
	assert_int_equal(bed_says(&bed, &error), FILTER_STRAY);
}

static void an_error_goes_to_the_sender_of_what_it_is_about(void **state)
{
	uint8_t p[PKT_MAX];
	(void)state;

	BED_RULES(&bed, {RULES_OUT, RULES_UDP, 53, 53, VERDICT_PASS});
	const struct pkt asked = {.version = 6, .from = 1, .to = 2, .sport = 5000, .dport = 53};
	const struct pkt error = {
		.version = 6, .from = 2, .to = 1, .proto = PROTO_ICMP6, .type = 1, .about = &asked};
	assert_int_equal(bed_says(&bed, &asked), FILTER_PASS);
	assert_int_equal(bed_says(&bed, &error), FILTER_PASS);
	const size_t n = pkt_write(&error, p);
	p[39] = 7; /* to somebody else here */
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_STRAY);
	pkt_write(&error, p);
	put_be16(p + 4, (uint16_t)(n - 40 - 1)); /* a quote that is too short */
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n - 1), FILTER_STRAY);
	pkt_write(&error, p);
	p[48] = 0x45; /* of the other family */
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_STRAY);
}

/* Nebula: extension headers with lies about their length, read beyond or for ever; unknown ones read as TCP.
 */
static void what_hides_its_ports_does_not_pass(void **state)
{
	uint8_t p[PKT_MAX];
	struct pkt udp = {.version = 6, .from = 2, .to = 1, .sport = 7, .dport = 53, .extensions = 2};
	(void)state;

	BED_RULES(&bed, {RULES_IN, RULES_UDP, ALL}, {RULES_IN, RULES_TCP, ALL});
	assert_int_equal(bed_says(&bed, &udp), FILTER_PASS);
	size_t n = pkt_write(&udp, p);
	p[49] = 0xff; /* the second header is 2,048 bytes long */
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_HIDDEN);
	udp.extensions = 9;
	assert_int_equal(bed_says(&bed, &udp), FILTER_HIDDEN);
	udp.extensions = 1;
	n = pkt_write(&udp, p);
	p[40] = 250; /* an unknown header, which holds what looks like UDP to port 53 */
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_DENIED);
	n = pkt_write(&udp, p);
	p[40] = PROTO_HOP_BY_HOP; /* not in its place */
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_HIDDEN);
	/* Cut in the midst of the upper layer's header. */
	n = pkt_write(&(struct pkt){.from = 2, .to = 1, .sport = 7, .dport = 22, .flags = S}, p);
	put_be16(p + 2, 39);
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_HIDDEN);
}

/* Nebula swapped them for years. */
static void each_direction_has_its_own_verdicts(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_REJECT},
		{RULES_OUT, RULES_TCP, 22, 22, VERDICT_DROP}, {RULES_IN, RULES_TCP, 23, 23, VERDICT_DROP},
		{RULES_OUT, RULES_TCP, 23, 23, VERDICT_REJECT});
	EXPECT(&bed, FILTER_REJECTED, .from = 2, .to = 1, .sport = 9, .dport = 22, .flags = S);
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 9, .dport = 22, .flags = S);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 9, .dport = 23, .flags = S);
	EXPECT(&bed, FILTER_REJECTED, .from = 1, .to = 2, .sport = 9, .dport = 23, .flags = S);
}

/* Nebula: rules about ports above 65,535; here: about the last one. */
static void the_first_and_the_last_port_are_ports(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_UDP, 0, 0, VERDICT_PASS},
		{RULES_IN, RULES_UDP, 65535, 65535, VERDICT_PASS});
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 9, .dport = 0);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 9, .dport = 65535);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 9, .dport = 1);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 9, .dport = 65534);
}

static void new_rules_end_what_they_do_not_allow_with_its_next_packet(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS},
		{RULES_OUT, RULES_TCP, 22, 22, VERDICT_PASS});
	bed_connect(&bed, 2, 1);
	bed_connect(&bed, 1, 3);
	const struct bed_rule out = {RULES_OUT, RULES_TCP, 22, 22, VERDICT_PASS};
	bed_rules(&bed, &out, 1, VERDICT_REJECT);
	/* Each direction of it, and errors about it. */
	const struct pkt answer = {.from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = A};
	EXPECT(&bed, FILTER_STRAY, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 3, .about = &answer);
	assert_int_equal(bed_says(&bed, &answer), FILTER_REJECTED);
	EXPECT(&bed, FILTER_REJECTED, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	/* The other one goes on. */
	EXPECT(&bed, FILTER_PASS, .from = 3, .to = 1, .sport = 22, .dport = 40000, .flags = A);
	/* Back again: it goes on, too. */
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS});
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	EXPECT(&bed, FILTER_DENIED, .from = 3, .to = 1, .sport = 22, .dport = 40000, .flags = A);
}

/* Where everything is allowed the other way round, the next segment of that direction must not bring it back.
 */
static void what_new_rules_end_stays_ended_whoever_speaks_next(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS}, {RULES_OUT, RULES_TCP, ALL});
		bed_connect(&bed, 2, 1);
		BED_RULES(&bed, {RULES_OUT, RULES_TCP, ALL});
		for (int k = 0; k < 4; k++) {
			if ((first + k) % 2)
				EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 40000, .dport = 22,
					.flags = A);
			else
				EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 22, .dport = 40000,
					.flags = A);
			bed.now += 3600 * SEC;
		}
		/* What the rules are, is not what its two ends do: other rules, which forbid it as well. */
		BED_RULES(&bed, {RULES_OUT, RULES_TCP, ALL}, {RULES_IN, RULES_UDP, ALL});
		EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = A);
		/* A connection of the other side's own. */
		EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = S);
		EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = S | A,
			.ack = 1);
		bed.now += 31 * SEC;
	}
}

static void udp_that_rules_ended_comes_back_as_the_other_sides_own_after_a_while(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_UDP, 53, 53, VERDICT_PASS}, {RULES_OUT, RULES_UDP, ALL});
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 40000, .dport = 53);
	BED_RULES(&bed, {RULES_OUT, RULES_UDP, ALL});
	for (int k = 0; k < 3; k++) {
		EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 53, .dport = 40000);
		EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 40000, .dport = 53);
		bed.now += 59 * SEC;
	}
	bed.now += 5 * SEC;
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 40000, .dport = 53);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 53, .dport = 40000);
}

/* The program has begun anew: nothing is remembered, and a rule forbids what its two ends go on with. */
static void what_a_rule_forbids_is_not_picked_up_as_the_other_sides_own(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_DROP}, {RULES_OUT, RULES_TCP, ALL});
	bed.now = 10 * SEC;
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 22, .dport = 40000, .flags = A);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 40000, .dport = 22, .flags = A);
	/* Our own, where theirs are forbidden, all of them. */
	BED_RULES(&bed, {RULES_IN, RULES_TCP, 0, UINT16_MAX, VERDICT_DROP}, {RULES_OUT, RULES_TCP, ALL});
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 40000, .dport = 80, .flags = A);
	/* Nor where the ports do not say whose it is. */
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 40000, .dport = 50000, .flags = A);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 50001, .dport = 40001, .flags = A);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .sport = 80, .dport = 80, .flags = A);
}

static void rules_are_those_of_the_members_class(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_UDP, 53, 53, VERDICT_PASS, .class = 1},
		{RULES_IN, RULES_UDP, 54, 54, VERDICT_PASS, .class = 0});
	EXPECT(&bed, FILTER_PASS, .from = 12, .to = 1, .dport = 53);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .dport = 53);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .dport = 54);
	/* A client of class 1 behind a node of class 0; a member that nobody has said anything about. */
	bed.peer = 2;
	EXPECT(&bed, FILTER_PASS, .from = 13, .to = 1, .dport = 53);
	bed.peer = 0;
	EXPECT(&bed, FILTER_DENIED, .from = 150, .to = 1, .dport = 53);
}

static void clients_behind_us_have_rules_of_their_own(void **state)
{
	uint8_t p[PKT_MAX];
	(void)state;

	BED_RULES(&bed, {RULES_IN, RULES_UDP, 53, 53, VERDICT_PASS, .end = 1},
		{RULES_IN, RULES_UDP, 54, 54, VERDICT_PASS});
	size_t n = pkt_write(&(struct pkt){.from = 2, .to = 200, .sport = 9, .dport = 53}, p);
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_PASS);
	n = pkt_write(&(struct pkt){.from = 200, .to = 2, .sport = 53, .dport = 9}, p);
	assert_int_equal(bed_says_bytes(&bed, FILTER_EGRESS, 2, p, n), FILTER_PASS);
	n = pkt_write(&(struct pkt){.from = 2, .to = 200, .sport = 9, .dport = 54}, p);
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_DENIED);
	/* Not another client's flow, and not ours; and nobody that is no end of ours. */
	n = pkt_write(&(struct pkt){.from = 201, .to = 2, .sport = 53, .dport = 9}, p);
	assert_int_equal(bed_says_bytes(&bed, FILTER_EGRESS, 2, p, n), FILTER_DENIED);
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .sport = 53, .dport = 9);
	n = pkt_write(&(struct pkt){.from = 2, .to = 220, .sport = 9, .dport = 54}, p);
	assert_int_equal(bed_says_bytes(&bed, FILTER_INGRESS, 2, p, n), FILTER_DENIED);
}

static void flows_with_addresses_behind_members_are_flows(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_OUT, RULES_UDP, 53, 53, VERDICT_PASS, .class = 1});
	bed.peer = 2;
	for (uint8_t version = 4; version <= 6; version = (uint8_t)(version + 2)) {
		EXPECT(&bed, FILTER_PASS, .version = version, .from = 1, .to = OUTSIDE + 9, .sport = 5000,
			.dport = 53);
		EXPECT(&bed, FILTER_PASS, .version = version, .from = OUTSIDE + 9, .to = 1, .sport = 53,
			.dport = 5000);
		EXPECT(&bed, FILTER_DENIED, .version = version, .from = OUTSIDE + 8, .to = 1, .sport = 53,
			.dport = 5000);
		EXPECT(&bed, FILTER_DENIED, .version = version, .from = OUTSIDE + 9, .to = 1, .sport = 53,
			.dport = 5001);
	}
	/* Behind another member there is no such thing. */
	bed.peer = 3;
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = OUTSIDE + 9, .sport = 5002, .dport = 53);
}

static void addresses_behind_us_have_rules_of_their_own(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_UDP, 53, 53, VERDICT_PASS},
		{RULES_IN, RULES_UDP, 99, 99, VERDICT_PASS, .end = 1});
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 5000, .dport = 53);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = OUTSIDE + 200, .sport = 5000, .dport = 53);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = OUTSIDE + 200, .sport = 5000, .dport = 99);
	/* Of these nobody has said anything. */
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = OUTSIDE + 9, .sport = 5000, .dport = 99);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = OUTSIDE + 9, .sport = 5000, .dport = 53);
}

static void other_protocols_pass_by_their_number(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_IN, RULES_OTHER, 47, 47, VERDICT_PASS});
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .proto = 50);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .proto = 47);
	EXPECT(&bed, FILTER_PASS, .from = 1, .to = 2, .proto = 47);
	bed.now += 601 * SEC;
	EXPECT(&bed, FILTER_DENIED, .from = 1, .to = 2, .proto = 47);
	/* ICMP inside IPv6 is none. */
	EXPECT(&bed, FILTER_DENIED, .version = 6, .from = 2, .to = 1, .proto = PROTO_ICMP, .type = 8);
}

static void the_other_end_of_a_flow_begins_one_only_by_the_rules(void **state)
{
	(void)state;
	BED_RULES(&bed, {RULES_OUT, RULES_TCP, 22, 22, VERDICT_PASS});
	bed_connect(&bed, 1, 2);
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 22, .dport = 40000, .flags = S, .seq = 9);
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 22, .dport = 40000, .flags = A, .seq = 5000);
	BED_RULES(&bed, {RULES_OUT, RULES_TCP, 22, 22, VERDICT_PASS}, {RULES_IN, RULES_TCP, ALL});
	EXPECT(&bed, FILTER_PASS, .from = 2, .to = 1, .sport = 22, .dport = 40000, .flags = S, .seq = 9);
	/* It is theirs now. */
	BED_RULES(&bed, {RULES_OUT, RULES_TCP, 22, 22, VERDICT_PASS});
	EXPECT(&bed, FILTER_DENIED, .from = 2, .to = 1, .sport = 22, .dport = 40000, .flags = A, .seq = 10);
}

static void a_peer_with_as_many_flows_as_there_is_room_for_begins_no_more(void **state)
{
	unsigned full = 0;
	(void)state;

	BED_RULES(&bed, {RULES_IN, RULES_UDP, ALL});
	/* Two peers share the table, so that neither may take from the other. */
	for (uint16_t i = 0; i < 4000; i++)
		for (uint32_t who = 2; who < 4; who++)
			full += bed_says(&bed, &(struct pkt){.from = who, .to = 1, .sport = i, .dport = 9}) ==
				FILTER_FULL;
	assert_in_range(full, 1, 4000);
	for (uint16_t i = 0; i < 20; i++)
		EXPECT(&bed, FILTER_PASS, .from = 5, .to = 1, .sport = i, .dport = 9);
}

/* A batch at once says what one after the other does: same flows follow each other in it, and end in it. */
static void a_batch_is_judged_like_its_packets_one_by_one(void **state)
{
	static const struct pkt story[] = {
		{.from = 2, .to = 1, .sport = 1, .dport = 22, .flags = A, .seq = 1000},
		{.from = 2, .to = 1, .sport = 1, .dport = 22, .flags = A, .seq = 1000, .payload = 10},
		{.from = 2, .to = 1, .sport = 1, .dport = 22, .flags = A, .seq = 1010},
		{.from = 2, .to = 1, .sport = 2, .dport = 22, .flags = A},
		{.from = 2, .to = 1, .sport = 1, .dport = 22, .flags = S | F},
		{.from = 2, .to = 1, .sport = 1, .dport = 23, .flags = A},
		{.from = 2, .to = 1, .sport = 1, .dport = 22, .flags = A},
		{.from = 2, .to = 1, .sport = 1, .dport = 22, .flags = R, .seq = 5},
		{.from = 2, .to = 1, .sport = 1, .dport = 22},
		{.from = 2, .to = 1, .sport = 1, .dport = 22, .flags = R | A, .seq = 5},
		{.from = 2, .to = 1, .sport = 3, .dport = 22, .flags = R, .seq = 5},
		{.from = 2, .to = 1, .piece = true, .id = 5, .at = 64, .len = 64},
		{.from = 2,
			.to = 1,
			.sport = 3,
			.dport = 22,
			.flags = A,
			.piece = true,
			.id = 5,
			.len = 64,
			.more = true},
		{.from = 2, .to = 1, .piece = true, .id = 5, .at = 64, .len = 64},
		{.from = 2, .to = 1, .sport = 1, .dport = 22, .flags = A},
	};
	static uint8_t bytes[ARRAY_LEN(story)][PKT_MAX];
	struct ip_view v[ARRAY_LEN(story)];
	enum filter_says want[ARRAY_LEN(story)], got[ARRAY_LEN(story)] = {FILTER_PASS};
	(void)state;

	for (unsigned parts = 1; parts < 4; parts += 2) {
		bed_stop(&bed);
		bed_start(&bed, 4096, parts);
		BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS});
		for (size_t i = 0; i < ARRAY_LEN(story); i++) {
			want[i] = bed_says(&bed, &story[i]);
			assert_int_equal(ip_view_of(bytes[i], pkt_write(&story[i], bytes[i]), &v[i]), TM_OK);
		}
		bed_stop(&bed);
		bed_start(&bed, 4096, parts);
		BED_RULES(&bed, {RULES_IN, RULES_TCP, 22, 22, VERDICT_PASS});
		const struct filter_question q = {
			.dir = FILTER_INGRESS, .peer = 2, .generation = bed.generation, .now = bed.now};
		const unsigned refused = filter_judge(&bed.w, &q, v, ARRAY_LEN(story), got);
		for (size_t i = 0; i < ARRAY_LEN(story); i++)
			if ((refused >> i & 1 ? got[i] : FILTER_PASS) != want[i])
				fail_msg("packet %zu: not %s", i, bed_word(want[i]));
		/* All of one flow that passed: not even looked for. */
		assert_int_equal(filter_judge(&bed.w, &q, &v[14], 1, got), 0);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(answers_pass_and_nothing_else_under_default_deny),
		TEST(a_connection_works_in_both_directions_until_it_ends),
		TEST(a_stray_packet_opens_nothing),
		TEST(resets_and_answers_need_a_flow_even_where_everything_may_begin),
		TEST(connections_are_picked_up_where_they_may_begin),
		TEST(at_first_our_hosts_hear_what_may_be_their_own_connections),
		TEST(pings_are_answered_and_no_one_elses),
		TEST(an_error_passes_if_it_is_about_a_packet_of_a_flow),
		TEST(an_error_goes_to_the_sender_of_what_it_is_about),
		TEST(what_hides_its_ports_does_not_pass),
		TEST(each_direction_has_its_own_verdicts),
		TEST(the_first_and_the_last_port_are_ports),
		TEST(new_rules_end_what_they_do_not_allow_with_its_next_packet),
		TEST(what_new_rules_end_stays_ended_whoever_speaks_next),
		TEST(udp_that_rules_ended_comes_back_as_the_other_sides_own_after_a_while),
		TEST(what_a_rule_forbids_is_not_picked_up_as_the_other_sides_own),
		TEST(rules_are_those_of_the_members_class),
		TEST(clients_behind_us_have_rules_of_their_own),
		TEST(flows_with_addresses_behind_members_are_flows),
		TEST(addresses_behind_us_have_rules_of_their_own),
		TEST(other_protocols_pass_by_their_number),
		TEST(the_other_end_of_a_flow_begins_one_only_by_the_rules),
		TEST(a_peer_with_as_many_flows_as_there_is_room_for_begins_no_more),
		TEST(a_batch_is_judged_like_its_packets_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
