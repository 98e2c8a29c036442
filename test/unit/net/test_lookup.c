/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Looking names up against resolvers of our own on loopback, that know, do not know, refuse or are silent. */
#include "unit/unit.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/time.h"
#include "crypto/init.h"
#include "net/lookup.h"
#include "os/sockaddr.h"

enum manner { KNOWS, KNOWS_ONLY_V4, V6_IS_SILENT, UNKNOWN, REFUSES, SILENT, LIES_FIRST };

/* A resolver: knows the names that begin with "hub.", 2001:db8::1 and 192.0.2.1. */
struct resolver {
	enum manner manner;
	int fd;
	struct event *readable;
	unsigned asked;
	char last[256]; /* the name asked for last, its labels' lengths as dots */
};

static size_t record(uint8_t *out, uint16_t type)
{
	static const uint8_t v4[] = "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x01";
	static const uint8_t v6[] =
		"\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1";

	memcpy(out, type == 1 ? v4 : v6, type == 1 ? sizeof(v4) - 1 : sizeof(v6) - 1);
	return type == 1 ? sizeof(v4) - 1 : sizeof(v6) - 1;
}

static void on_question(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct resolver *r = arg;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t p[512];
	ssize_t got = recvfrom(fd, p, sizeof(p) - 64, 0, (struct sockaddr *)&from, &len);

	assert_true(got > 16);
	size_t n = (size_t)got;
	uint16_t type = get_be16(p + n - 4);
	bool known = memcmp(p + 12, "\3hub", 4) == 0;

	r->asked++;
	snprintf(r->last, sizeof(r->last), "%.200s", (const char *)p + 13);
	for (char *c = r->last; *c; c++)
		*c = *c < ' ' ? '.' : *c;
	if (r->manner == SILENT || (r->manner == V6_IS_SILENT && type == 28))
		return;
	put_be16(p + 2, r->manner == REFUSES ? 0x8185 : known && r->manner != UNKNOWN ? 0x8180 : 0x8183);
	if (known && (r->manner == KNOWS || r->manner == LIES_FIRST || type == 1) && r->manner != UNKNOWN &&
		r->manner != REFUSES) {
		put_be16(p + 6, 1);
		n += record(p + n, type);
	}
	if (r->manner == LIES_FIRST) { /* somebody guesses: another id */
		p[0] ^= 1;
		p[n - 1] ^= 0x55;
		(void)!sendto(fd, p, n, 0, (struct sockaddr *)&from, len);
		p[0] ^= 1;
		p[n - 1] ^= 0x55;
	}
	(void)!sendto(fd, p, n, 0, (struct sockaddr *)&from, len);
}

struct result {
	unsigned done;
	int err;
	size_t n;
	struct endpoint found[LOOKUP_MAX];
	char why[100];
};

struct net {
	struct event_base *base;
	struct resolver resolvers[2];
	struct lookup_system system;
	struct result result;
	ns_t took;
};

static void net_open(struct net *t, enum manner first, enum manner second)
{
	enum manner manners[] = {first, second};

	*t = (struct net){.base = event_base_new()};
	resolv_parse("search nowhere.example\noptions timeout:1", &t->system.resolv);
	t->system.resolv.timeout_ms = 150;
	t->system.resolv.n_servers = 2;
	for (size_t i = 0; i < 2; i++) {
		struct resolver *r = &t->resolvers[i];
		struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof(sa);

		r->manner = manners[i];
		r->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(r->fd, (struct sockaddr *)&sa, len), 0);
		assert_int_equal(getsockname(r->fd, (struct sockaddr *)&sa, &len), 0);
		assert_int_equal(
			endpoint_from_sockaddr((struct sockaddr *)&sa, &t->system.resolv.servers[i]), TM_OK);
		r->readable = event_new(t->base, r->fd, EV_READ | EV_PERSIST, on_question, r);
		event_add(r->readable, NULL);
	}
}

static void net_close(struct net *t)
{
	for (size_t i = 0; i < 2; i++) {
		event_free(t->resolvers[i].readable);
		close(t->resolvers[i].fd);
	}
	event_base_free(t->base);
}

static void on_done(void *ctx, int err, const struct endpoint *found, size_t n, const char *why)
{
	struct result *r = ctx;

	r->done++;
	r->err = err;
	r->n = n;
	memcpy(r->found, found, n * sizeof(*found));
	snprintf(r->why, sizeof(r->why), "%s", why);
}

static void look_up(struct net *t, const char *host)
{
	ns_t began = time_monotonic();
	struct lookup *l;

	t->result = (struct result){0};
	assert_int_equal(lookup_new_in(t->base, &t->system, host, 8443, on_done, &t->result, &l), TM_OK);
	assert_int_equal(t->result.done, 0);
	while (!t->result.done && time_monotonic() - began < 40 * SEC)
		event_base_loop(t->base, EVLOOP_ONCE);
	assert_int_equal(t->result.done, 1);
	t->took = time_monotonic() - began;
}

static void both_families_are_found_whoever_answers(void **state UNUSED)
{
	static const struct {
		enum manner first, second;
		size_t n;
	} rows[] = {
		{KNOWS, SILENT, 2},
		{SILENT, KNOWS, 2},
		{REFUSES, KNOWS, 2},
		{LIES_FIRST, SILENT, 2},
		{KNOWS_ONLY_V4, SILENT, 1},
		{V6_IS_SILENT, SILENT, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net t;

		net_open(&t, rows[i].first, rows[i].second);
		look_up(&t, "hub.example.org");
		if (t.result.err || t.result.n != rows[i].n)
			fail_msg("row %zu: %d, %zu addresses, %s", i, t.result.err, t.result.n, t.result.why);
		assert_int_equal(t.result.found[0].ip.family, rows[i].n == 2 ? IP_V6 : IP_V4);
		assert_int_equal(t.result.found[t.result.n - 1].ip.bytes[3], 1);
		assert_int_equal(t.result.found[0].port, 8443);
		assert_true(t.took < 20 * SEC);
		net_close(&t);
	}
}

static void why_a_name_is_not_found_is_told(void **state UNUSED)
{
	static const struct {
		enum manner first, second;
		const char *why;
	} rows[] = {
		{UNKNOWN, SILENT, "unknown"},
		{SILENT, SILENT, "does not answer"},
		{REFUSES, REFUSES, "cannot say"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct net t;

		net_open(&t, rows[i].first, rows[i].second);
		look_up(&t, "hub.example.org");
		assert_int_equal(t.result.err, TM_ENOENT);
		if (!strstr(t.result.why, rows[i].why))
			fail_msg("row %zu: %s", i, t.result.why);
		net_close(&t);
	}
}

static void a_resolver_that_is_not_there_is_passed_at_once(void **state UNUSED)
{
	struct net t;

	net_open(&t, KNOWS, KNOWS);
	t.system.resolv.timeout_ms = 30000;
	event_free(t.resolvers[0].readable);
	close(t.resolvers[0].fd);
	look_up(&t, "hub.example.org");
	assert_int_equal(t.result.n, 2);
	assert_true(t.took < 20 * SEC);
	t.resolvers[0].fd = dup(t.resolvers[1].fd);
	t.resolvers[0].readable = event_new(t.base, t.resolvers[0].fd, EV_READ, on_question, NULL);
	net_close(&t);
}

static void short_names_are_looked_for_in_the_search_domains(void **state UNUSED)
{
	struct net t;

	net_open(&t, UNKNOWN, SILENT);
	look_up(&t, "printer");
	assert_int_equal(t.result.err, TM_ENOENT);
	assert_int_equal(t.resolvers[0].asked, 4); /* with the domain and without, both families */
	assert_string_equal(t.resolvers[0].last, "printer");
	net_close(&t);
}

static void the_hosts_file_comes_first(void **state UNUSED)
{
	char hosts[] = "192.0.2.7 hub\n2001:db8::7 hub\n192.0.2.8 hub\n";
	struct net t;

	net_open(&t, SILENT, SILENT);
	t.system.hosts = hosts;
	look_up(&t, "hub");
	assert_int_equal(t.result.n, 3);
	assert_int_equal(t.result.found[0].ip.family, IP_V6);
	assert_int_equal(t.result.found[1].ip.bytes[3], 7);
	assert_int_equal(t.result.found[2].ip.bytes[3], 8);
	assert_int_equal(t.resolvers[0].asked + t.resolvers[1].asked, 0);
	net_close(&t);
}

static void one_that_is_given_up_says_nothing(void **state UNUSED)
{
	for (unsigned turns = 0; turns < 4; turns++) {
		struct net t;
		struct lookup *l;

		net_open(&t, SILENT, SILENT);
		assert_int_equal(
			lookup_new_in(t.base, &t.system, "hub.example.org", 1, on_done, &t.result, &l),
			TM_OK);
		for (unsigned i = 0; i < turns; i++)
			event_base_loop(t.base, EVLOOP_NONBLOCK);
		lookup_cancel(l);
		event_base_loop(t.base, EVLOOP_NONBLOCK);
		assert_int_equal(t.result.done, 0);
		net_close(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_families_are_found_whoever_answers),
		cmocka_unit_test(why_a_name_is_not_found_is_told),
		cmocka_unit_test(a_resolver_that_is_not_there_is_passed_at_once),
		cmocka_unit_test(short_names_are_looked_for_in_the_search_domains),
		cmocka_unit_test(the_hosts_file_comes_first),
		cmocka_unit_test(one_that_is_given_up_says_nothing),
	};
	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
