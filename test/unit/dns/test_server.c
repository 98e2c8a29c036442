/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Over loopback: who is answered from where, and what connections are worth. */
#include "rig.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/server.h"
#include "dns/stream.h"

struct scene {
	struct rig rig;
	struct event_base *base;
	struct dns_server *server;
	struct endpoint at;
	char asked[NODE_NAME_MAX + 1]; /* the last */
	unsigned n_asked;
};

static void on_asked(void *ctx, const struct mesh_node *m)
{
	struct scene *s = ctx;

	snprintf(s->asked, sizeof(s->asked), "%s", m->name);
	s->n_asked++;
}

static void scene_open(struct scene *s, const char *at)
{
	struct diag d = {0};

	memset(s, 0, sizeof(*s));
	rig_open(&s->rig);
	s->base = event_base_new();
	const struct dns_server_config cfg = {.zone = &s->rig.zone, .ctx = s, .asked = on_asked};
	assert_int_equal(dns_server_new(s->base, &cfg, &s->server), TM_OK);
	assert_int_equal(endpoint_parse(at, &s->at), TM_OK);
	if (dns_server_open(s->server, &s->at, &d) != TM_OK)
		fail_msg("%s", d.what);
	assert_true(s->at.port > 0);
}

static void scene_close(struct scene *s)
{
	dns_server_free(s->server);
	event_base_free(s->base);
	rig_close(&s->rig);
}

static int connected(const struct scene *s, int type)
{
	const struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_port = htons(s->at.port),
		.sin_addr.s_addr = htonl(get_be32(s->at.ip.bytes))};
	int fd = socket(AF_INET, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* Lets the server work until there is something to read, or the end of it. */
static bool turn_until_readable(struct scene *s, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (int i = 0; i < 1000; i++) {
		event_base_loop(s->base, EVLOOP_NONBLOCK);
		if (poll(&p, 1, 2) == 1)
			return true;
	}
	return false;
}

/* A connected socket hears nobody but whom it asked. */
static void a_datagram_is_answered_from_where_it_was_sent_to(void **state UNUSED)
{
	const struct question q = question_of("n3.mesh", DNS_A);
	uint8_t out[2048];
	struct scene s;

	scene_open(&s, "127.0.0.5:0");
	int fd = connected(&s, SOCK_DGRAM);
	assert_int_equal(send(fd, q.bytes, q.n, 0), q.n);
	assert_true(turn_until_readable(&s, fd));
	const ssize_t n = recv(fd, out, sizeof(out), 0);
	assert_string_equal(told_read(out, (size_t)n).record[0].data, "100.101.0.4");
	assert_string_equal(s.asked, "n3");
	assert_int_equal(dns_server_counters(s.server)->answered, 1);
	close(fd);
	scene_close(&s);
}

static void a_crowd_of_datagrams_is_answered_turn_by_turn(void **state UNUSED)
{
	const struct question q = question_of("n3.mesh", DNS_A);
	struct scene s;

	scene_open(&s, "127.0.0.5:0");
	int fd = connected(&s, SOCK_DGRAM);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(send(fd, q.bytes, q.n, 0), q.n);
	assert_int_equal(event_base_loop(s.base, EVLOOP_ONCE | EVLOOP_NONBLOCK), 0);
	assert_int_equal(s.n_asked, 32);
	for (unsigned i = 0; i < 100; i++) {
		uint8_t out[2048];

		assert_true(turn_until_readable(&s, fd));
		assert_true(recv(fd, out, sizeof(out), 0) > 0);
	}
	assert_int_equal(s.n_asked, 100);
	close(fd);
	scene_close(&s);
}

static void put_framed(uint8_t *at, size_t *n, const struct question *q)
{
	put_be16(at + *n, (uint16_t)q->n);
	memcpy(at + *n + 2, q->bytes, q->n);
	*n += 2 + q->n;
}

static struct told take_framed(struct scene *s, int fd)
{
	uint8_t out[2 + DNS_ANSWER_MAX];
	size_t have = 0;

	while (have < 2 || have < 2u + get_be16(out)) {
		assert_true(turn_until_readable(s, fd));
		const ssize_t n = recv(fd, out + have, have < 2 ? 2 - have : 2u + get_be16(out) - have, 0);
		assert_true(n > 0);
		have += (size_t)n;
	}
	return told_read(out + 2, have - 2);
}

static void questions_of_one_connection_are_answered_in_order(void **state UNUSED)
{
	const struct question q[] = {question_of("n3.mesh", DNS_A), question_of("n9.mesh", DNS_A),
		question_of("n3.mesh", DNS_AAAA)};
	uint8_t bytes[3 * QUESTION_ROOM];
	size_t n = 0;
	struct scene s;

	scene_open(&s, "127.0.0.5:0");
	int fd = connected(&s, SOCK_STREAM);
	for (size_t i = 0; i < ARRAY_LEN(q); i++)
		put_framed(bytes, &n, &q[i]);
	/* In pieces, the first of which does not even hold a length. */
	for (size_t at = 0; at < n;) {
		const size_t piece = MIN(at == 0 ? 1u : 40u, n - at);

		assert_int_equal(send(fd, bytes + at, piece, 0), piece);
		event_base_loop(s.base, EVLOOP_NONBLOCK);
		at += piece;
	}
	assert_string_equal(take_framed(&s, fd).record[0].data, "100.101.0.4");
	assert_int_equal(take_framed(&s, fd).rcode, DNS_NXDOMAIN);
	assert_string_equal(take_framed(&s, fd).record[0].data, "fd5c:0:0:1::4");
	close(fd);
	scene_close(&s);
}

static bool is_hung_up(struct scene *s, int fd)
{
	uint8_t byte;

	return turn_until_readable(s, fd) && recv(fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static void whoever_sends_no_question_is_hung_up_on(void **state UNUSED)
{
	static const uint8_t too_long[] = {0xff, 0xff, 1}, answer[] = {0, 12, 0, 0, 0x80, [13] = 0};
	struct scene s;

	scene_open(&s, "127.0.0.5:0");
	int fd = connected(&s, SOCK_STREAM), fd2 = connected(&s, SOCK_STREAM);
	assert_int_equal(send(fd, too_long, sizeof(too_long), 0), sizeof(too_long));
	assert_int_equal(send(fd2, answer, sizeof(answer), 0), sizeof(answer));
	assert_true(is_hung_up(&s, fd));
	assert_true(is_hung_up(&s, fd2));
	assert_int_equal(dns_server_connections(s.server), 0);
	close(fd);
	close(fd2);
	scene_close(&s);
}

/* The attacker holds all places, and the honest program still gets its answer. */
static void who_has_been_silent_longest_makes_room(void **state UNUSED)
{
	const struct question q = question_of("n3.mesh", DNS_A);
	int held[DNS_STREAMS_MAX], honest;
	uint8_t bytes[QUESTION_ROOM];
	size_t n = 0;
	struct scene s;

	scene_open(&s, "127.0.0.5:0");
	for (size_t i = 0; i < ARRAY_LEN(held); i++) {
		held[i] = connected(&s, SOCK_STREAM);
		event_base_loop(s.base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(dns_server_connections(s.server), DNS_STREAMS_MAX);
	honest = connected(&s, SOCK_STREAM);
	put_framed(bytes, &n, &q);
	assert_int_equal(send(honest, bytes, n, 0), n);
	assert_int_equal(take_framed(&s, honest).n_answer, 1);
	assert_int_equal(dns_server_connections(s.server), DNS_STREAMS_MAX);
	assert_true(is_hung_up(&s, held[0]));
	assert_false(poll(&(struct pollfd){.fd = held[1], .events = POLLIN}, 1, 0));
	for (size_t i = 0; i < ARRAY_LEN(held); i++)
		close(held[i]);
	close(honest);
	scene_close(&s);
}

/* Who came first and asked at once is answered, however many come behind it before anybody looks. */
static void a_question_that_is_there_is_answered_before_its_place_is_taken(void **state UNUSED)
{
	const struct question q = question_of("n3.mesh", DNS_A);
	int crowd[3 * DNS_STREAMS_MAX];
	uint8_t bytes[QUESTION_ROOM];
	size_t n = 0;
	struct scene s;

	scene_open(&s, "127.0.0.5:0");
	const int honest = connected(&s, SOCK_STREAM);
	put_framed(bytes, &n, &q);
	assert_int_equal(send(honest, bytes, n, 0), n);
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
		crowd[i] = connected(&s, SOCK_STREAM);
	assert_int_equal(take_framed(&s, honest).n_answer, 1);
	for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
		close(crowd[i]);
	close(honest);
	scene_close(&s);
}

static void an_address_that_is_taken_is_said_in_a_sentence(void **state UNUSED)
{
	struct diag d = {0};
	struct scene s, other;

	scene_open(&s, "127.0.0.5:0");
	scene_open(&other, "127.0.0.6:0");
	struct endpoint at = s.at;
	assert_int_equal(dns_server_open(other.server, &at, &d), TM_EBUSY);
	assert_non_null(strstr(d.what, "another program serves names at 127.0.0.5"));
	scene_close(&other);
	scene_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_is_answered_from_where_it_was_sent_to),
		cmocka_unit_test(a_crowd_of_datagrams_is_answered_turn_by_turn),
		cmocka_unit_test(questions_of_one_connection_are_answered_in_order),
		cmocka_unit_test(whoever_sends_no_question_is_hung_up_on),
		cmocka_unit_test(who_has_been_silent_longest_makes_room),
		cmocka_unit_test(a_question_that_is_there_is_answered_before_its_place_is_taken),
		cmocka_unit_test(an_address_that_is_taken_is_said_in_a_sentence),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
