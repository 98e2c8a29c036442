/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Headers, EDNS, sizes and limits; and that nothing sent to the server does it any harm. */
#include "rig.h"

static void the_header_says_who_answers_whom(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	struct question q = question_of("n3.mesh", DNS_A);
	struct told t = rig_ask(&r, &q);
	assert_true(t.aa && t.rd);
	assert_false(t.ra || t.ad || t.cd || t.tc || t.edns);
	q.bytes[2] = 0; /* no RD */
	q.bytes[3] = 0x10; /* CD: RFC 4035 3.2.2 */
	t = rig_ask(&r, &q);
	assert_false(t.rd);
	assert_true(t.cd);
	t = rig_ask_for(&r, "n9.mesh", DNS_A);
	assert_true(t.aa);
	t = rig_ask_for(&r, "example.org", DNS_A);
	assert_false(t.aa);
	rig_close(&r);
}

static void edns_is_answered_in_edns(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	struct question q = question_of("n3.mesh", DNS_A);
	question_edns(&q, 4096, 0, 0);
	struct told t = rig_ask(&r, &q);
	assert_true(t.edns);
	assert_int_equal(t.edns_size, 1232);
	assert_int_equal(t.edns_version, 0);
	assert_false(t.dnssec_ok);
	assert_int_equal(t.n_answer, 1);

	q = question_of("n9.mesh", DNS_A);
	question_edns(&q, 512, 0, 0x8000);
	t = rig_ask(&r, &q);
	assert_true(t.edns && t.dnssec_ok);
	assert_int_equal(t.rcode, DNS_NXDOMAIN);
	rig_close(&r);
}

static void another_version_of_edns_is_refused_with_ours(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	struct question q = question_of("n3.mesh", DNS_A);
	question_edns(&q, 1232, 1, 0);
	const struct told t = rig_ask(&r, &q);
	assert_int_equal(t.rcode, DNS_BADVERS);
	assert_int_equal(t.edns_version, 0);
	assert_int_equal(t.n_answer + t.n_authority, 0);
	rig_close(&r);
}

static void what_is_not_done_is_said_to_be_so(void **state UNUSED)
{
	static const struct {
		const char *what;
		size_t at;
		uint8_t value;
		unsigned rcode;
		unsigned n_question;
	} rows[] = {
		{"STATUS", 2, 2 << 3, DNS_NOTIMP, 0},
		{"NOTIFY", 2, 4 << 3, DNS_NOTIMP, 0},
		{"UPDATE", 2, 5 << 3, DNS_NOTIMP, 0},
		{"no question", 5, 0, DNS_FORMERR, 0},
		{"two questions", 5, 2, DNS_FORMERR, 0},
		{"an answer", 7, 1, DNS_FORMERR, 0},
		{"an authority", 9, 1, DNS_FORMERR, 0},
		{"an additional record that is not there", 11, 1, DNS_FORMERR, 0},
		{"two additional records", 11, 2, DNS_FORMERR, 0},
		{"class CHAOS", 12 + 9 + 3, 3, DNS_REFUSED, 1},
		{"class ANY", 12 + 9 + 3, 255, DNS_REFUSED, 1},
		{"type 0", 12 + 9 + 1, 0, DNS_FORMERR, 1},
		{"type OPT", 12 + 9 + 1, DNS_OPT, DNS_FORMERR, 1},
		{"type TSIG", 12 + 9 + 1, DNS_TSIG, DNS_NOTIMP, 1},
		{"type MAILB", 12 + 9 + 1, DNS_MAILB, DNS_NOTIMP, 1},
		{"type AXFR", 12 + 9 + 1, DNS_AXFR, DNS_REFUSED, 1},
		{"type IXFR", 12 + 9 + 1, DNS_IXFR, DNS_REFUSED, 1},
	};
	struct rig r;

	rig_open(&r);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct question q = question_of("n3.mesh", DNS_A);
		q.bytes[rows[i].at] = rows[i].value;
		const struct told t = rig_ask(&r, &q);
		if (t.rcode != rows[i].rcode || t.n_question != rows[i].n_question || t.n_answer)
			fail_msg("%s: rcode %u", rows[i].what, t.rcode);
	}
	rig_close(&r);
}

static size_t ask_raw(struct rig *r, const void *p, size_t n)
{
	return dns_answer(&r->answerer, &r->from, p, n, r->now, r->out, &r->member);
}

/* Two servers that answer each other's answers never end. */
static void what_is_no_question_is_not_answered(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	struct question q = question_of("n3.mesh", DNS_A);
	for (size_t n = 0; n < DNS_HEADER; n++)
		assert_int_equal(ask_raw(&r, q.bytes, n), 0);
	q.bytes[2] |= 0x80;
	assert_int_equal(ask_raw(&r, q.bytes, q.n), 0);
	assert_int_equal(r.answerer.counters.dropped, DNS_HEADER + 1);
	rig_close(&r);
}

/* Cut anywhere a question is none: RFC 1035 4.1.1. */
static void a_question_that_is_cut_is_malformed(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	struct question q = question_of("n3.mesh", DNS_A);
	question_edns(&q, 1232, 0, 0);
	for (size_t n = DNS_HEADER; n < q.n; n++) {
		uint8_t *exact = malloc(n);

		memcpy(exact, q.bytes, n);
		const size_t len = ask_raw(&r, exact, n);
		assert_int_equal(told_read(r.out, len).rcode, DNS_FORMERR);
		free(exact);
	}
	rig_close(&r);
}

static void what_does_not_fit_is_cut_and_comes_whole_by_tcp(void **state UNUSED)
{
	char name[300] = "";
	struct dns_question q = {.header.id = 7, .type = DNS_A, .class = DNS_CLASS_IN};
	struct dns_reply reply = {.authoritative = true, .n_answer = 1};
	uint8_t out[DNS_ANSWER_MAX];
	size_t n = 0;

	for (int i = 0; i < 3; i++)
		strcat(name, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789.");
	assert_int_equal(dns_name_parse(name, &q.name), TM_OK);
	reply.answer[0] = (struct dns_record){.type = DNS_PTR, .owner = q.name, .target = q.name};
	assert_int_equal(dns_name_parse("abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz."
					"abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz",
				 &reply.answer[0].target),
		TM_OK);
	assert_int_equal(dns_reply_write(&q, &reply, out, sizeof(out), &n), TM_OK);
	assert_int_equal(told_read(out, n).n_answer, 1);
	const size_t whole = n;
	assert_int_equal(dns_reply_write(&q, &reply, out, whole - 1, &n), TM_OK);
	assert_true(n < whole);
	const struct told t = told_read(out, n);
	assert_true(t.tc && t.aa);
	assert_int_equal(t.n_answer + t.n_authority, 0);
	assert_int_equal(t.n_question, 1);
	assert_int_equal(dns_reply_write(&q, &reply, out, n - 1, &n), TM_ERANGE);
}

/* What is repeated is said once and pointed to, so that every answer of ours fits into 512 octets. */
static void no_answer_needs_more_than_everybody_has_room_for(void **state UNUSED)
{
	char name[300] = "";
	struct rig r;

	rig_open(&r);
	for (int i = 0; i < 3; i++)
		strcat(name, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz0123456789x.");
	strcat(name, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz.mesh");
	struct question q = question_of(name, DNS_A);
	question_edns(&q, 512, 0, 0x8000);
	const struct told t = rig_ask(&r, &q);
	assert_int_equal(t.rcode, DNS_NXDOMAIN);
	assert_int_equal(t.n_authority, 1);
	assert_false(t.tc);
	assert_in_range(r.n, 0, DNS_PLAIN_SIZE);
	rig_close(&r);
}

static void who_asks_too_often_is_sent_to_tcp_or_not_answered(void **state UNUSED)
{
	const struct question q = question_of("n3.mesh", DNS_A);
	unsigned whole = 0, cut = 0, none = 0;
	struct rig r;

	rig_open(&r);
	r.from = (struct dns_asker){.transport = DNS_UDP, .from = ip_v4_host(0x64650004), .served = true};
	for (unsigned i = 0; i < 3 * DNS_LIMIT_BURST; i++) {
		const size_t n = ask_raw(&r, q.bytes, q.n);

		if (!n) {
			none++;
			continue;
		}
		const struct told t = told_read(r.out, n);
		*(t.tc ? &cut : &whole) += 1;
		assert_true(!t.tc || (!t.n_answer && n <= q.n));
	}
	assert_int_equal(whole, DNS_LIMIT_BURST);
	assert_int_equal(cut, DNS_LIMIT_BURST);
	assert_int_equal(none, DNS_LIMIT_BURST);
	assert_int_equal(r.answerer.counters.limited, 2 * DNS_LIMIT_BURST);

	/* There it is answered, also when all of that was asked in its name; but not without a limit. */
	r.from.transport = DNS_TCP;
	for (unsigned i = 0; i < DNS_LIMIT_BURST; i++)
		assert_int_equal(rig_ask(&r, &q).n_answer, 1);
	assert_int_equal(ask_raw(&r, q.bytes, q.n), 0);
	assert_int_equal(r.answerer.counters.limited, 2 * DNS_LIMIT_BURST + 1);
	r.from.transport = DNS_UDP;

	/* By IPv6 members have one /64 together, and each an address of its own. */
	assert_int_equal(ip_parse("fd5c:0:0:1::4", &r.from.from), TM_OK);
	for (unsigned i = 0; i < 3 * DNS_LIMIT_BURST; i++)
		ask_raw(&r, q.bytes, q.n);
	assert_int_equal(r.answerer.counters.limited, 4 * DNS_LIMIT_BURST + 1);
	assert_int_equal(ip_parse("fd5c:0:0:1::5", &r.from.from), TM_OK);
	assert_int_equal(rig_ask(&r, &q).n_answer, 1);

	/* Nobody else is the poorer for it, nor is a program of this machine. */
	r.from.from = ip_v4_host(0x64650005);
	assert_int_equal(rig_ask(&r, &q).n_answer, 1);
	r.from = (struct dns_asker){DNS_UDP, ip_v4_host(0x7f000001), true, true};
	for (unsigned i = 0; i < 3 * DNS_LIMIT_BURST; i++)
		assert_int_equal(rig_ask(&r, &q).n_answer, 1);
	rig_close(&r);
}

static void whoever_is_not_served_is_refused(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.from = (struct dns_asker){.transport = DNS_UDP, .from = ip_v4_host(0xc0000201)};
	assert_int_equal(rig_ask_for(&r, "n3.mesh", DNS_A).rcode, DNS_REFUSED);
	assert_null(r.member);
	assert_int_equal(r.answerer.counters.refused, 1);
	rig_close(&r);
}

/* xorshift: the same messages in every run. */
static uint32_t dice(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void spoil(struct question *q, uint32_t *seed)
{
	const unsigned how = dice(seed) % 4;

	for (unsigned i = dice(seed) % 6 + 1; i; i--)
		q->bytes[dice(seed) % q->n] = (uint8_t)(dice(seed) % 3 ? dice(seed) : 0xc0);
	if (how == 0)
		q->n = dice(seed) % (q->n + 1);
	if (how == 1) /* something behind it */
		for (unsigned i = dice(seed) % 64; i; i--)
			q->bytes[q->n++] = (uint8_t)dice(seed);
	if (how == 2) /* nothing but noise */
		for (size_t i = 0; i < q->n; i++)
			q->bytes[i] = (uint8_t)dice(seed);
}

static void ten_thousand_spoilt_messages_do_no_harm(void **state UNUSED)
{
	static const char *const names[] = {"n3.mesh", "x.y.mesh", "4.0.101.100.in-addr.arpa", "."};
	uint32_t seed = 20261129;
	struct rig r;

	rig_open(&r);
	for (unsigned i = 0; i < 10000; i++) {
		struct question q = question_of(names[dice(&seed) % ARRAY_LEN(names)], DNS_A);
		if (dice(&seed) % 2)
			question_edns(&q, (uint16_t)dice(&seed), 0, 0);
		spoil(&q, &seed);

		uint8_t *exact = malloc(q.n ? q.n : 1); /* so that a sanitizer sees what is read behind it */
		memcpy(exact, q.bytes, q.n);
		const size_t n = ask_raw(&r, exact, q.n);
		free(exact);
		if (n) {
			told_read(r.out, n);
			assert_in_range(n, DNS_HEADER, DNS_EDNS_SIZE);
			assert_memory_equal(r.out, q.bytes, 2);
		}
	}
	assert_int_equal(rig_ask_for(&r, "n3.mesh", DNS_A).n_answer, 1);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_says_who_answers_whom),
		cmocka_unit_test(edns_is_answered_in_edns),
		cmocka_unit_test(another_version_of_edns_is_refused_with_ours),
		cmocka_unit_test(what_is_not_done_is_said_to_be_so),
		cmocka_unit_test(what_is_no_question_is_not_answered),
		cmocka_unit_test(a_question_that_is_cut_is_malformed),
		cmocka_unit_test(what_does_not_fit_is_cut_and_comes_whole_by_tcp),
		cmocka_unit_test(no_answer_needs_more_than_everybody_has_room_for),
		cmocka_unit_test(who_asks_too_often_is_sent_to_tcp_or_not_answered),
		cmocka_unit_test(whoever_is_not_served_is_refused),
		cmocka_unit_test(ten_thousand_spoilt_messages_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
