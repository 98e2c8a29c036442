/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What is concluded from which answers, row by row. */
#include "unit/unit.h"

#include "control/path/nat.h"

enum { N = NAT_ON_NOTHING, A = NAT_ON_ADDRESS, P = NAT_ON_PORT };
enum { OUR_PORT = 51820 };

/* Outcome of a test: T1 answered at the first try, T2 at a later one, LOST not at all, UNABLE, PENDING. */
enum outcome { T1 = 1, T2, LOST, UNABLE, PENDING };

struct row {
	const char *name;
	struct {
		enum nat_test_kind kind;
		enum outcome outcome;
		const char *to, *mapped;
	} tests[8];
	struct nat_facts want; /* udp mapping filtering translated port_kept payload */
	unsigned want_seen;
};

#define S1 "192.0.2.1:51820"
#define S1B "192.0.2.1:51821"
#define S2 "192.0.2.2:51820"
#define OWN "192.168.1.5:51820"
#define KEPT "198.51.100.7:51820"
#define M1 "198.51.100.7:40001"
#define M2 "198.51.100.7:40002"
#define POOL2 "198.51.100.8:51820"
#define CGN "100.70.0.9:51820"

#define NEVER_LIMITED                                                                                        \
	{NAT_AGAIN, T1, S1, KEPT},                                                                           \
	{                                                                                                    \
		NAT_ASK_LONG, T1, S1, KEPT                                                                   \
	}

static const struct row rows[] = {
	{"nobody to ask", {{0}}, {.udp = NAT_UDP_UNTRIED, .mapping = N | A | P, .filtering = N | A | P}, 0},
	{"nothing yet", {{NAT_ASK, PENDING, S1, NULL}},
		{.udp = NAT_UDP_UNTRIED, .mapping = N | A | P, .filtering = N | A | P}, 0},
	{"nobody answers", {{NAT_ASK, LOST, S1, NULL}, {NAT_ASK, LOST, S2, NULL}},
		{.udp = NAT_UDP_SILENT, .mapping = N | A | P, .filtering = N | A | P}, 0},
	{"no translator", {{NAT_ASK, T1, S1, OWN}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N,
			.filtering = N | A | P,
			.port_kept = NAT_YES},
		1},
	{"one server with one port says nothing of mappings", {{NAT_ASK, T1, S1, KEPT}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"the same at another port", {{NAT_ASK, T1, S1, KEPT}, {NAT_ASK_PORT, T1, S1B, KEPT}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"another at another port", {{NAT_ASK, T1, S1, M1}, {NAT_ASK_PORT, T1, S1B, M2}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_NO},
		2},
	{"the same at another address", {{NAT_ASK, T1, S1, M1}, {NAT_ASK, T1, S2, M1}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_NO},
		1},
	{"another at another address, the port unknown",
		{{NAT_ASK, T1, S1, M1}, {NAT_ASK, T1, S2, M2}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_NO},
		2},
	{"by address alone",
		{{NAT_ASK, T1, S1, M1}, {NAT_ASK_PORT, T1, S1B, M1}, {NAT_ASK, T1, S2, M2}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = A,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_NO},
		2},
	{"an arbitrary pool contradicts itself: as bad as the worst",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_ASK_PORT, T1, S1B, POOL2}, {NAT_ASK, T1, S2, KEPT},
			NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		2},
	{"a server next door sees no translator",
		{{NAT_ASK, T1, S1, OWN}, {NAT_ASK, T1, S2, M1}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_NO},
		1},
	{"nor does one in the provider's network",
		{{NAT_ASK, T1, S1, CGN}, {NAT_ASK, T1, S2, M1}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_NO},
		1},
	{"everybody is let in",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_FROM_PORT, T1, S1, KEPT}, {NAT_FROM_ADDRESS, T2, S1, KEPT},
			NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"another port is let in, another address not known",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_FROM_PORT, T2, S1, KEPT}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N | A,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"another port is let in, another address is not",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_FROM_PORT, T1, S1, KEPT}, {NAT_FROM_ADDRESS, LOST, S1, NULL},
			NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = A,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"another port is not let in",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_FROM_PORT, LOST, S1, NULL}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"a server that cannot answer from elsewhere says nothing",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_FROM_PORT, UNABLE, S1, NULL}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"nor does a server that is gone",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_FROM_PORT, LOST, S1, NULL}, {NAT_ASK_LONG, T1, S1, KEPT},
			{NAT_AGAIN, LOST, S1, NULL}},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"only the first passes",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_AGAIN, LOST, S1, NULL}, {NAT_ASK_LONG, LOST, S1, NULL},
			{NAT_ASK_MEDIUM, LOST, S1, NULL}},
		{.udp = NAT_UDP_FIRST_ONLY,
			.payload = NAT_SHORT,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"only the first passes, and to the server's first port it was an hour ago",
		{{NAT_ASK, LOST, S1, NULL}, {NAT_ASK_PORT, T1, S1B, KEPT}, {NAT_AGAIN_PORT, LOST, S1B, NULL}},
		{.udp = NAT_UDP_FIRST_ONLY,
			.payload = NAT_SHORT,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"an answer to a second try is no first datagram",
		{{NAT_ASK, T2, S1, KEPT}, {NAT_AGAIN, LOST, S1, NULL}, {NAT_ASK_LONG, LOST, S1, NULL}},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_SHORT,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"short ones pass, up to 1280 bytes",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_AGAIN, T1, S1, KEPT}, {NAT_ASK_LONG, LOST, S1, NULL},
			{NAT_ASK_MEDIUM, T1, S1, KEPT}},
		{.udp = NAT_UDP_SHORT_ONLY,
			.payload = NAT_MEDIUM,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"short ones pass, and less than that",
		{{NAT_ASK, T1, S1, KEPT}, {NAT_AGAIN, T1, S1, KEPT}, {NAT_ASK_LONG, LOST, S1, NULL},
			{NAT_ASK_MEDIUM, LOST, S1, NULL}},
		{.udp = NAT_UDP_SHORT_ONLY,
			.payload = NAT_SHORT,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES},
		1},
	{"taken back inside", {{NAT_ASK, T1, S1, KEPT}, {NAT_ASK_SELF, T1, KEPT, NULL}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES,
			.hairpin = NAT_YES},
		1},
	{"not taken back inside", {{NAT_ASK, T1, S1, KEPT}, {NAT_ASK_SELF, LOST, KEPT, NULL}, NEVER_LIMITED},
		{.udp = NAT_UDP_WORKS,
			.payload = NAT_LONG,
			.mapping = N | A | P,
			.filtering = N | A | P,
			.translated = true,
			.port_kept = NAT_YES,
			.hairpin = NAT_NO},
		1},
};

static struct endpoint at(const char *text)
{
	struct endpoint ep = {.port = 0};

	if (text)
		assert_int_equal(endpoint_parse(text, &ep), TM_OK);
	return ep;
}

static struct ip our_ip(void)
{
	return at(OWN).ip;
}

static size_t tests_of(const struct row *row, struct nat_test v[static 8])
{
	size_t n = 0;

	for (; n < ARRAY_LEN(row->tests) && row->tests[n].outcome; n++) {
		enum outcome o = row->tests[n].outcome;

		v[n] = (struct nat_test){.kind = row->tests[n].kind,
			.to = at(row->tests[n].to),
			.mapped = at(row->tests[n].mapped),
			.answered = o == T1 || o == T2,
			.at_first = o == T1,
			.unable = o == UNABLE,
			.over = o != PENDING};
	}
	return n;
}

static void each_row_of_answers_has_its_conclusion(void **state)
{
	const struct ip own = our_ip();
	const struct nat_self self = {.local = &own, .n_local = 1, .port = OUR_PORT};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct nat_test v[8];
		struct nat_facts f;
		const struct nat_facts *w = &rows[i].want;

		nat_conclude(v, tests_of(&rows[i], v), &self, &f);
		if (f.udp != w->udp || f.mapping != w->mapping || f.filtering != w->filtering ||
			f.translated != w->translated || f.port_kept != w->port_kept ||
			f.payload != w->payload || f.hairpin != w->hairpin || f.n_seen != rows[i].want_seen)
			fail_msg("%s: udp %d mapping %d filtering %d translated %d kept %d payload %d "
				 "hairpin %d seen %zu",
				rows[i].name, f.udp, f.mapping, f.filtering, f.translated, f.port_kept,
				f.payload, f.hairpin, f.n_seen);
	}
}

static void the_address_that_most_servers_saw_comes_first(void **state)
{
	static const struct row row = {"",
		{{NAT_ASK, T1, S1, POOL2}, {NAT_ASK_PORT, T1, S1B, KEPT}, {NAT_ASK, T1, S2, KEPT}}, {0}, 0};
	const struct ip own = our_ip();
	const struct nat_self self = {.local = &own, .n_local = 1, .port = OUR_PORT};
	const struct endpoint kept = at(KEPT);
	struct nat_test v[8];
	struct nat_facts f;

	(void)state;
	nat_conclude(v, tests_of(&row, v), &self, &f);
	assert_int_equal(f.n_seen, 2);
	assert_true(endpoint_eq(&f.seen[0].ep, &kept));
	assert_int_equal(f.seen[0].times, 2);
	assert_int_equal(f.seen[1].times, 1);
}

static void easy_and_hard_are_said_only_of_what_is_known(void **state)
{
	static const struct {
		uint8_t mapping;
		bool easy, hard;
	} sets[] = {
		{N, true, false},
		{N | A, true, false},
		{A, false, true},
		{P, false, true},
		{A | P, false, true},
		{N | A | P, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		const struct nat_facts f = {.mapping = sets[i].mapping};

		if (nat_is_easy(&f) != sets[i].easy || nat_is_hard(&f) != sets[i].hard)
			fail_msg("row %zu", i);
	}
}

static void others_are_told_each_outside_port_once_and_what_they_may_expect(void **state)
{
	struct nat_report r = {.family[0] = {.mapping = A | P,
				       .seen = {{at(M1), 1}, {at(M2), 1}, {at("198.51.100.8:40001"), 1}},
				       .n_seen = 3}};
	struct nat_told told;

	(void)state;
	nat_tell(&r, &told);
	assert_int_equal(told.mapping, NAT_DEPENDENT);
	assert_int_equal(told.n_ports, 2);
	assert_int_equal(told.ports[0], 40001);
	assert_int_equal(told.ports[1], 40002);
	r.family[0] = (struct nat_facts){.mapping = N | A};
	nat_tell(&r, &told);
	assert_int_equal(told.mapping, NAT_INDEPENDENT);
	assert_int_equal(told.n_ports, 0);
	r.family[0].mapping = NAT_ON_ANYTHING;
	nat_tell(&r, &told);
	assert_int_equal(told.mapping, NAT_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_of_answers_has_its_conclusion),
		cmocka_unit_test(the_address_that_most_servers_saw_comes_first),
		cmocka_unit_test(others_are_told_each_outside_port_once_and_what_they_may_expect),
		cmocka_unit_test(easy_and_hard_are_said_only_of_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
