/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A coordinator that is reached through TLS only, or through a proxy only, or better without. */
#include "gate.h"
#include "parrot.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/link/race.h"
#include "os/sockaddr.h"
#include "wire/proxy.h"

static int find(
	const char *host UNUSED, struct endpoint *found UNUSED, size_t max UNUSED, size_t *ret_n UNUSED)
{
	return TM_ENOENT; /* only the proxy knows names */
}

struct course {
	struct world w;
	struct gate gate;
	char at_gate[ENDPOINT_STR_LEN], address[128];
	struct resolver *resolver;
	struct race_tuning tuning;
	struct race_config cfg;
	struct proxy_choice proxy;
	struct race *race;
	unsigned over, won;
	bool tls, proxied;
	struct endpoint at;
	char by[128];
	int err;
	char why[RACE_WHY_MAX];
	char proxy_failed[RACE_WHY_MAX];
};

static void on_won(void *ctx, struct clink *link_take, const char *address)
{
	struct course *c = ctx;

	c->over++;
	c->won++;
	c->tls = clink_is_tls(link_take);
	c->proxied = clink_is_proxied(link_take);
	c->at = *clink_peer_address(link_take);
	snprintf(c->by, sizeof(c->by), "%s", address ? address : "");
	snprintf(c->proxy_failed, sizeof(c->proxy_failed), "%s", race_proxy_failed(c->race));
	race_free(TAKE(c->race));
	clink_free(link_take);
}

static void on_lost(void *ctx, int err, const char *why, unsigned retry_ms UNUSED)
{
	struct course *c = ctx;

	c->over++;
	c->err = err;
	snprintf(c->why, sizeof(c->why), "%s", why);
	race_free(TAKE(c->race));
}

static void course_open_tuned(struct course *c, enum gate_kind kind, const struct clink_tuning *t)
{
	*c = (struct course){.tuning = race_tuning_default};
	world_open_tls(&c->w, t);
	assert_int_equal(resolver_new(c->w.base, find, &c->resolver), TM_OK);
	c->gate.kind = kind;
	gate_open(&c->gate, c->w.base, c->w.address, c->at_gate);
	c->tuning.stagger_ms = 10;
	c->tuning.patience_ms = 20000; /* a busy machine takes its time */
	c->tuning.proxy_ms = 20000;
	c->cfg = (struct race_config){.resolver = c->resolver,
		.remote_key = c->w.coordinator.x_pub,
		.identity = &c->w.node,
		.proxy = &c->proxy,
		.timeout_ms = 20000};
}

static void course_open(struct course *c, enum gate_kind kind)
{
	course_open_tuned(c, kind, NULL);
}

static void course_address(struct course *c, const char *address)
{
	c->cfg.addresses[c->cfg.n++] = address;
}

static void course_proxy(struct course *c, const char *login)
{
	struct diag d = {0};
	char text[256];

	snprintf(text, sizeof(text), "http://%s%s", login, c->at_gate);
	assert_int_equal(proxy_parse(text, &c->proxy.proxy, &d), TM_OK);
}

static void course_run(struct course *c)
{
	const struct race_events ev = {.ctx = c, .won = on_won, .lost = on_lost};

	assert_int_equal(race_new(c->w.base, &c->cfg, &ev, &c->tuning, &c->race), TM_OK);
	world_run_until(&c->w, &c->over, 1);
}

static void course_close(struct course *c)
{
	race_free(c->race);
	resolver_free(c->resolver);
	gate_close(&c->gate);
	clink_server_free(TAKE(c->w.server));
	for (unsigned i = 0; i < 20; i++) /* what is left in the gate hears of the ends */
		world_run_ms(&c->w, 1);
	world_close(&c->w);
}

/* --- TLS or not --- */

static void a_box_that_lets_only_tls_through_is_passed_with_tls(void **state UNUSED)
{
	static const enum gate_kind kinds[] = {GATE_RESETS, GATE_HOLDS};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct course c;

		course_open(&c, kinds[i]);
		c.tuning.patience_ms = 50;
		course_address(&c, c.at_gate);
		course_run(&c);
		if (!c.won)
			fail_msg("%s", c.why);
		assert_true(c.tls);
		assert_int_equal(c.gate.accepted, 2);
		course_close(&c);
	}
}

static void where_tls_worked_last_time_it_comes_first(void **state UNUSED)
{
	struct course c;

	course_open(&c, GATE_HOLDS);
	course_address(&c, c.at_gate);
	assert_int_equal(endpoint_parse(c.at_gate, &c.cfg.first), TM_OK);
	c.cfg.first_tls = true;
	course_run(&c);
	assert_true(c.won && c.tls);
	assert_int_equal(c.gate.accepted, 1);
	course_close(&c);

	course_open(&c, GATE_PLAIN); /* and when that has changed, it is not for ever */
	course_address(&c, c.at_gate);
	assert_int_equal(endpoint_parse(c.at_gate, &c.cfg.first), TM_OK);
	c.cfg.first_tls = true;
	course_run(&c);
	assert_true(c.won && !c.tls);
	course_close(&c);
}

static void without_need_there_is_no_tls(void **state UNUSED)
{
	struct course c;

	course_open(&c, GATE_PLAIN);
	course_address(&c, c.at_gate);
	course_run(&c);
	assert_true(c.won && !c.tls);
	assert_int_equal(c.gate.accepted, 1);
	course_close(&c);
}

static void an_address_that_says_how_is_reached_like_that_and_under_its_prefix(void **state UNUSED)
{
	static const struct {
		const char *scheme;
		enum gate_kind kind;
		bool won;
	} rows[] = {{"https", GATE_RESETS, true}, {"https", GATE_PLAIN, false}, {"http", GATE_PLAIN, true},
		{"http", GATE_RESETS, false}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct course c;

		course_open(&c, rows[i].kind);
		snprintf(c.address, sizeof(c.address), "%s://%s/vpn", rows[i].scheme, c.at_gate);
		course_address(&c, c.address);
		course_run(&c);
		if (c.won != rows[i].won)
			fail_msg("row %zu: %s", i, c.why);
		assert_int_equal(c.gate.accepted, 1);
		if (c.won)
			assert_string_equal(c.by, c.address);
		course_close(&c);
	}
}

static void what_has_not_accepted_a_connection_is_not_asked_twice(void **state UNUSED)
{
	struct course c;

	course_open(&c, GATE_PLAIN);
	course_address(&c, "127.0.0.1:1");
	course_run(&c);
	assert_int_equal(c.err, TM_EUNREACH);
	assert_string_equal(c.why, "the coordinator at 127.0.0.1:1 cannot be reached: connection refused");
	course_close(&c);
}

/* --- what strangers may cost --- */

enum { MAY = 4, TRY = 10 };

/* Begins TLS handshakes from that address; how many of them the server hangs up on. */
static unsigned knock(struct course *c, const char *from)
{
	static const uint8_t begin[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc};
	struct endpoint at, source = {0};
	struct sockaddr_storage ss;
	int fd[TRY];
	unsigned refused = 0;

	assert_int_equal(endpoint_parse(c->w.address, &at), TM_OK);
	assert_int_equal(ip_parse(from, &source.ip), TM_OK);
	for (size_t i = 0; i < TRY; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM, 0);
		socklen_t len = endpoint_to_sockaddr(&source, &ss);
		assert_int_equal(bind(fd[i], (struct sockaddr *)&ss, len), 0);
		len = endpoint_to_sockaddr(&at, &ss);
		assert_int_equal(connect(fd[i], (struct sockaddr *)&ss, len), 0);
		assert_int_equal(send(fd[i], begin, sizeof(begin), MSG_NOSIGNAL), sizeof(begin));
	}
	world_run_ms(&c->w, 100);
	for (size_t i = 0; i < TRY; i++) {
		uint8_t byte;

		if (recv(fd[i], &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET)
			refused++;
		errno = 0;
		close(fd[i]);
	}
	return refused;
}

static void who_spends_the_budget_of_tls_spends_that_of_one_address(void **state UNUSED)
{
	struct clink_tuning t = world_tuning();
	struct course c;

	t.admission.budget[ADMISSION_TLS] = (struct admission_budget){1000, MAY, 1, 0, 100, 0};
	course_open_tuned(&c, GATE_PLAIN, &t);
	assert_int_equal(knock(&c, "127.0.0.2"), TRY - MAY);
	snprintf(c.address, sizeof(c.address), "https://%s", c.w.address);
	course_address(&c, c.address);
	course_run(&c);
	if (!c.won)
		fail_msg("%s", c.why);
	course_close(&c);

	/* Who shares the address of those has no TLS for a while, and comes in clear. */
	course_open_tuned(&c, GATE_PLAIN, &t);
	assert_int_equal(knock(&c, "127.0.0.1"), TRY - MAY);
	course_address(&c, c.w.address);
	assert_int_equal(endpoint_parse(c.w.address, &c.cfg.first), TM_OK);
	c.cfg.first_tls = true;
	course_run(&c);
	assert_true(c.won && !c.tls);
	course_close(&c);
}

/* --- a proxy --- */

static void a_proxy_is_told_the_name_and_the_port(void **state UNUSED)
{
	struct course c;

	course_open(&c, GATE_PROXY);
	course_proxy(&c, "");
	course_address(&c, "hub.example.org:8443");
	course_run(&c);
	assert_true(c.won && c.proxied && !c.tls);
	assert_string_equal(c.gate.asked, "hub.example.org:8443");
	assert_false(endpoint_is_set(&c.at)); /* only the proxy knows */
	course_close(&c);

	course_open(&c, GATE_PROXY);
	course_proxy(&c, "");
	course_address(&c, "https://[2001:db8::7]/vpn");
	course_run(&c);
	assert_true(c.won && c.proxied && c.tls);
	assert_string_equal(c.gate.asked, "[2001:db8::7]:443");
	course_close(&c);
}

static void a_proxy_that_wants_a_login_gets_it(void **state UNUSED)
{
	struct course c;

	course_open(&c, GATE_PROXY);
	c.gate.login = "YW5uYTpzOmNyZXQ="; /* anna:s:cret */
	course_proxy(&c, "anna:s%3Acret@");
	course_address(&c, "hub.example.org:8443");
	course_run(&c);
	assert_true(c.won && c.proxied);
	course_close(&c);
}

static void what_a_proxy_has_against_it_is_one_sentence_and_said_once(void **state UNUSED)
{
	static const struct {
		const char *login, *answer, *says;
	} rows[] = {
		{"", NULL, "wants a user name and a password"},
		{"anna:wrong@", NULL, "does not accept its user name and password"},
		{"anna:s%3Acret@", "HTTP/1.1 403 Forbidden\r\n\r\n",
			"does not allow connections to 192.0.2.7:8443"},
		{"anna:s%3Acret@", "HTTP/1.1 503 Service Unavailable\r\n\r\n", "cannot reach 192.0.2.7:8443"},
		{"anna:s%3Acret@", "220 smtp.example.org ESMTP\r\n", "is not an HTTP proxy"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct course c;

		course_open(&c, GATE_PROXY);
		c.gate.login = "YW5uYTpzOmNyZXQ=";
		c.gate.answer = rows[i].answer;
		course_proxy(&c, rows[i].login);
		c.cfg.timeout_ms = 300; /* nobody answers at the address itself */
		course_address(&c, "192.0.2.7:8443");
		course_run(&c);
		assert_int_equal(c.won, 0);
		char *first = strstr(c.why, rows[i].says);
		if (!first || strstr(first + 1, rows[i].says))
			fail_msg("row %zu: %s", i, c.why);
		assert_null(strstr(c.why, "cret"));
		course_close(&c);
	}
}

static void a_proxy_that_works_is_taken_although_there_is_a_shorter_way(void **state UNUSED)
{
	struct course c;

	course_open(&c, GATE_PROXY);
	course_proxy(&c, "");
	course_address(&c, c.w.address);
	course_run(&c);
	assert_true(c.won && c.proxied);
	course_close(&c);
}

static void a_proxy_that_fails_or_is_silent_does_not_keep_the_coordinator_away(void **state UNUSED)
{
	static const char *const answers[] = {"HTTP/1.1 403 Forbidden\r\n\r\n", "", "nonsense"};

	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct course c;

		course_open(&c, GATE_PROXY);
		c.gate.answer = answers[i];
		if (!answers[i][0])
			c.tuning.proxy_ms = 20;
		course_proxy(&c, "");
		course_address(&c, c.w.address);
		course_run(&c);
		if (!c.won || c.proxied)
			fail_msg("\"%s\": %s", answers[i], c.why);
		assert_string_equal(c.by, c.w.address);
		assert_true(c.proxy_failed[0]);
		course_close(&c);
	}
}

static void what_is_excepted_never_sees_the_proxy(void **state UNUSED)
{
	struct course c;

	course_open(&c, GATE_PROXY);
	course_proxy(&c, "");
	snprintf(c.proxy.except, sizeof(c.proxy.except), "localhost,127.0.0.0/8");
	course_address(&c, c.w.address);
	course_run(&c);
	assert_true(c.won && !c.proxied);
	assert_int_equal(c.gate.accepted, 0);
	assert_string_equal(c.proxy_failed, "");
	course_close(&c);
}

static void a_proxy_whose_name_nobody_knows_is_said(void **state UNUSED)
{
	struct course c;
	struct diag d = {0};

	course_open(&c, GATE_PROXY);
	assert_int_equal(proxy_parse("http://anna:cret@proxy.example.org", &c.proxy.proxy, &d), TM_OK);
	course_address(&c, "127.0.0.1:1");
	course_run(&c);
	assert_contains(c.why, "the proxy's name proxy.example.org cannot be resolved");
	assert_null(strstr(c.why, "cret"));
	course_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_box_that_lets_only_tls_through_is_passed_with_tls),
		cmocka_unit_test(where_tls_worked_last_time_it_comes_first),
		cmocka_unit_test(without_need_there_is_no_tls),
		cmocka_unit_test(an_address_that_says_how_is_reached_like_that_and_under_its_prefix),
		cmocka_unit_test(what_has_not_accepted_a_connection_is_not_asked_twice),
		cmocka_unit_test(who_spends_the_budget_of_tls_spends_that_of_one_address),
		cmocka_unit_test(a_proxy_is_told_the_name_and_the_port),
		cmocka_unit_test(a_proxy_that_wants_a_login_gets_it),
		cmocka_unit_test(what_a_proxy_has_against_it_is_one_sentence_and_said_once),
		cmocka_unit_test(a_proxy_that_works_is_taken_although_there_is_a_shorter_way),
		cmocka_unit_test(a_proxy_that_fails_or_is_silent_does_not_keep_the_coordinator_away),
		cmocka_unit_test(what_is_excepted_never_sees_the_proxy),
		cmocka_unit_test(a_proxy_whose_name_nobody_knows_is_said),
	};

	return cmocka_run_group_tests(tests, world_setup_tls, world_teardown_tls);
}
