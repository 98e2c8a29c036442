/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The queue of what leaves, over sockets that write down what they are given. */
#include "unit/unit.h"

#include "data/link/out.h"

enum { SENT_MAX = 4 * OUT_MAX };

struct udp {
	unsigned offloads;
	size_t payload; /* larger ones are refused; 0 = none */
	bool gone; /* the source address that is asked for */
};

static struct udp first, second;
static struct numbered_socket other;
static struct sockets others;
static struct out out;
static struct {
	unsigned calls, fragmented;
	size_t n;
	const struct udp *by[SENT_MAX];
	uint8_t what[SENT_MAX], bytes[SENT_MAX][16];
	size_t len[SENT_MAX];
	uint16_t segment[SENT_MAX];
	bool no_wait[SENT_MAX];
} sent;
static struct {
	size_t n;
	uint32_t tag[OUT_MAX];
	int err[OUT_MAX];
	bool refused[OUT_MAX];
	struct way_to by[OUT_MAX];
	uint8_t first[OUT_MAX];
	size_t len[OUT_MAX];
	unsigned pushes; /* what a failure leads to */
} failures;

/* --- os/udp.h --- */

static void note(const struct udp *u, const struct datagram *dg)
{
	assert_true(sent.n < SENT_MAX);
	sent.by[sent.n] = u;
	memcpy(sent.bytes[sent.n], dg->data, MIN(dg->n, sizeof(sent.bytes[0])));
	sent.len[sent.n] = dg->n;
	sent.segment[sent.n] = dg->segment;
	sent.no_wait[sent.n] = dg->no_wait;
	sent.what[sent.n++] = dg->data[0];
}

size_t udp_send(struct udp *u, struct datagram *v, size_t n)
{
	size_t failed = 0;

	sent.calls++;
	for (size_t i = 0; i < n; i++) {
		v[i].err = u->payload && v[i].n > u->payload ? TM_ERANGE : TM_OK;
		v[i].local_refused = u->gone && v[i].local.family != IP_NONE;
		if (v[i].err)
			failed++;
		else
			note(u, &v[i]);
	}
	return failed;
}

int udp_send_fragmented(struct udp *u, struct datagram *dg)
{
	sent.fragmented++;
	note(u, dg);
	return dg->err = TM_OK;
}

size_t udp_path_payload(const struct udp *u, const struct endpoint *ep)
{
	(void)ep;
	return u->payload;
}

unsigned udp_offloads(const struct udp *u)
{
	return u->offloads;
}

/* --- the tests --- */

static struct way way_by(unsigned socket, enum way_kind kind)
{
	return (struct way){
		.to = {.kind = kind, .socket = socket, .remote = {.ip = {IP_V4, {192, 0, 2, 7}}, .port = 9}},
		.payload_max = 1000,
	};
}

static int set_up(void **state)
{
	(void)state;
	memset(&sent, 0, sizeof(sent));
	memset(&failures, 0, sizeof(failures));
	first = second = (struct udp){.offloads = UDP_OFFLOAD_GSO | UDP_OFFLOAD_GRO};
	others = (struct sockets){0};
	other = (struct numbered_socket){.udp = &second};
	assert_int_equal(sockets_put(&others, &other), TM_OK);
	assert_int_equal(other.number, 1);
	out_init(&out, &first, &others);
	return 0;
}

static void push(const struct way *way, uint8_t what, size_t n)
{
	static uint8_t bytes[256][2048];

	bytes[what][0] = what;
	out_push(&out, way, bytes[what], n, 0, what);
}

static void on_failed(void *ctx, uint32_t tag, const struct way_to *by, const struct datagram *dg)
{
	const struct way answer = way_by(0, WAY_UDP);

	(void)ctx;
	failures.tag[failures.n] = tag;
	failures.err[failures.n] = dg->err;
	failures.refused[failures.n] = dg->local_refused;
	failures.first[failures.n] = dg->data[0];
	failures.len[failures.n] = dg->n;
	failures.by[failures.n++] = *by;
	for (unsigned i = 0; i < failures.pushes; i++) {
		if (out_full(&out))
			out_flush(&out, on_failed, NULL);
		push(&answer, 'A', 1);
	}
	out_flush(&out, on_failed, NULL);
}

static void what_leaves_by_one_socket_leaves_at_once_and_in_order(void **state)
{
	const struct way way = way_by(0, WAY_UDP);
	(void)state;

	for (uint8_t i = 0; i < OUT_MAX; i++)
		push(&way, i, 10);
	assert_true(out_full(&out));
	assert_int_equal(sent.calls, 0);
	out_flush(&out, on_failed, NULL);
	assert_int_equal(sent.calls, 1);
	assert_int_equal(sent.n, OUT_MAX);
	for (uint8_t i = 0; i < OUT_MAX; i++)
		assert_int_equal(sent.what[i], i);
	assert_false(out_full(&out));
	out_flush(&out, on_failed, NULL);
	assert_int_equal(sent.calls, 1);
	assert_int_equal(failures.n, 0);
}

static void each_datagram_leaves_by_the_socket_of_its_way(void **state)
{
	const struct way way[] = {way_by(0, WAY_UDP), way_by(1, WAY_UDP)};
	static const unsigned by[] = {0, 0, 1, 1, 1, 0};
	(void)state;

	for (uint8_t i = 0; i < ARRAY_LEN(by); i++)
		push(&way[by[i]], i, 10);
	out_flush(&out, on_failed, NULL);
	assert_int_equal(sent.calls, 3);
	for (uint8_t i = 0; i < ARRAY_LEN(by); i++) {
		assert_int_equal(sent.what[i], i);
		assert_ptr_equal(sent.by[i], by[i] ? &second : &first);
	}
}

static void what_no_socket_of_ours_can_send_is_refused_alone(void **state)
{
	const struct way way[] = {way_by(0, WAY_UDP), way_by(1, WAY_RELAY_TCP), way_by(0, WAY_RELAY_TCP),
		way_by(2, WAY_UDP), way_by(SOCKETS_MAX + 1, WAY_UDP), way_by(1, WAY_UDP),
		way_by(1, WAY_RELAY_TCP)};
	(void)state;

	for (uint8_t i = 0; i < ARRAY_LEN(way); i++)
		push(&way[i], i, 10);
	push(&way[0], 7, 1001); /* longer than the way takes */
	out_flush(&out, on_failed, NULL);
	assert_int_equal(sent.n, 2);
	assert_int_equal(failures.n, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(failures.err[i], i < 5 ? TM_EUNSUPPORTED : TM_ERANGE);
	assert_int_equal(failures.tag[0], 1);
	assert_int_equal(failures.tag[5], 7);
}

static void of_what_fails_its_sender_hears_by_its_own_word_for_it(void **state)
{
	struct way way[] = {way_by(0, WAY_UDP), way_by(1, WAY_UDP)};
	(void)state;

	second.payload = 500;
	first.gone = true;
	way[0].to.local = (struct ip){IP_V4, {10, 0, 0, 1}};
	push(&way[0], 1, 600);
	push(&way[1], 2, 501);
	push(&way[1], 3, 500);
	out_flush(&out, on_failed, NULL);
	assert_int_equal(sent.n, 2);
	assert_int_equal(failures.n, 2);
	assert_int_equal(failures.tag[0], 1);
	assert_int_equal(failures.err[0], TM_OK);
	assert_true(failures.refused[0]);
	assert_int_equal(failures.tag[1], 2);
	assert_int_equal(failures.err[1], TM_ERANGE);
	assert_int_equal(failures.by[1].socket, 1);
	assert_true(endpoint_eq(&failures.by[1].remote, &way[1].to.remote));
	assert_int_equal(out_payload(&out, &failures.by[1]), 500);
}

static void a_failure_may_lead_to_new_datagrams_and_the_others_are_told_all_the_same(void **state)
{
	const struct way way = way_by(0, WAY_UDP);
	(void)state;

	first.payload = 100;
	failures.pushes = 3;
	for (uint8_t i = 0; i < 20; i++)
		push(&way, i, i % 2 ? 200 : 50);
	out_flush(&out, on_failed, NULL);
	assert_int_equal(failures.n, 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(failures.tag[i], 2 * i + 1);
	assert_int_equal(sent.n, 10 + 10 * 3);
	assert_int_equal(out.room, OUT_MAX);
}

static void what_is_discarded_does_not_leave(void **state)
{
	const struct way way = way_by(0, WAY_UDP);
	(void)state;

	push(&way, 1, 10);
	push(&way, 2, 10);
	assert_int_equal(out_discard(&out), 2);
	out_flush(&out, on_failed, NULL);
	assert_int_equal(sent.calls + failures.n, 0);
}

static void a_single_datagram_passes_what_waits(void **state)
{
	struct way way = way_by(1, WAY_UDP);
	struct datagram dg = {.data = (uint8_t[200]){'!'}, .n = 1};
	(void)state;

	push(&way, 1, 10);
	assert_int_equal(out_now(&out, &way.to, &dg, false), TM_OK);
	assert_int_equal(sent.n, 1);
	assert_int_equal(sent.what[0], '!');
	assert_ptr_equal(sent.by[0], &second);

	second.payload = 100;
	dg.n = 200;
	assert_int_equal(out_now(&out, &way.to, &dg, false), TM_ERANGE);
	assert_int_equal(out_now(&out, &way.to, &dg, true), TM_OK);
	assert_int_equal(sent.fragmented, 1);

	way.to.kind = WAY_RELAY_TCP;
	assert_int_equal(out_now(&out, &way.to, &dg, false), TM_EUNSUPPORTED);
	way = way_by(2, WAY_UDP);
	assert_int_equal(out_now(&out, &way.to, &dg, false), TM_EUNSUPPORTED);
	assert_int_equal(out_payload(&out, &way.to), 0);
}

static struct way relayed_by(unsigned socket, uint32_t a, uint32_t b)
{
	struct way way = way_by(socket, WAY_RELAY_UDP);

	way.to.relay = relay_pair(a, b);
	way.headroom = RELAY_HEADER;
	return way;
}

static void what_goes_through_a_relay_has_its_header_before_it(void **state)
{
	const struct way way[] = {relayed_by(0, 1, 2), way_by(0, WAY_UDP), relayed_by(1, 3, 2)};
	uint8_t bytes[3][RELAY_HEADER + 40] = {0};
	(void)state;

	for (unsigned i = 0; i < 3; i++) {
		memset(bytes[i] + RELAY_HEADER, 'a' + (int)i, 40);
		out_push(&out, &way[i], bytes[i] + RELAY_HEADER, 40, 0, i);
	}
	out_flush(&out, on_failed, NULL);
	assert_int_equal(sent.n, 3);
	assert_memory_equal(sent.bytes[0], "T\1\0\0\1\0\0\2a", 9);
	assert_int_equal(sent.len[0], 48);
	assert_memory_equal(sent.bytes[1], "bbb", 3);
	assert_int_equal(sent.len[1], 40);
	assert_memory_equal(sent.bytes[2], "T\1\0\0\2\0\0\3c", 9);
	assert_ptr_equal(sent.by[2], &second);
}

static void what_fails_on_its_way_to_a_relay_is_told_as_it_was_pushed(void **state)
{
	const struct way way = relayed_by(0, 1, 2);
	uint8_t bytes[RELAY_HEADER + 100] = {[RELAY_HEADER] = 'm'};
	(void)state;

	first.payload = 107;
	out_push(&out, &way, bytes + RELAY_HEADER, 100, 0, 5);
	out_flush(&out, on_failed, NULL);
	assert_int_equal(failures.n, 1);
	assert_int_equal(failures.err[0], TM_ERANGE);
	assert_int_equal(failures.first[0], 'm');
	assert_int_equal(failures.len[0], 100);
	assert_true(way_to_eq(&failures.by[0], &way.to));
	/* What the kernel knows of the path is less the header, and less than what is known of the way. */
	assert_int_equal(out_payload(&out, &way.to), 99);
	failures.by[0].payload = 90;
	assert_int_equal(out_payload(&out, &failures.by[0]), 90);
	failures.by[0].payload = 100;
	assert_int_equal(out_payload(&out, &failures.by[0]), 99);
	first.payload = 0;
	assert_int_equal(out_payload(&out, &failures.by[0]), 100);
}

static void a_single_datagram_for_a_relay_needs_no_room_before_it(void **state)
{
	const struct way way = relayed_by(1, 1, 2);
	uint8_t byte = '!';
	struct datagram dg = {.data = &byte, .n = 1};
	(void)state;

	assert_int_equal(out_now(&out, &way.to, &dg, false), TM_OK);
	assert_memory_equal(sent.bytes[0], "T\1\0\0\1\0\0\2!", 9);
	assert_int_equal(sent.len[0], 9);
	assert_int_equal(dg.n, 1);
	assert_ptr_equal(dg.data, &byte);
	second.payload = 8;
	assert_int_equal(out_now(&out, &way.to, &dg, false), TM_ERANGE);
	assert_int_equal(dg.err, TM_ERANGE);
	dg.n = UDP_TRAIN_MAX;
	assert_int_equal(out_now(&out, &way.to, &dg, false), TM_ERANGE);
}

static void what_others_made_leaves_untouched_and_whole_and_waits_for_nothing(void **state)
{
	const struct way way = way_by(0, WAY_UDP);
	uint8_t train[250] = {'t'};
	(void)state;

	out_push_train(&out, &way, train, sizeof(train), 100, 3, 1);
	push(&way, 2, 10);
	out_flush(&out, on_failed, NULL);
	assert_int_equal(sent.n, 2);
	assert_int_equal(sent.len[0], 250);
	assert_int_equal(sent.segment[0], 100);
	assert_true(sent.no_wait[0]);
	assert_int_equal(sent.segment[1], 0);
	assert_false(sent.no_wait[1]);
}

static void the_offloads_are_those_of_the_own_socket(void **state)
{
	(void)state;
	second.offloads = 0;
	assert_int_equal(out_offloads(&out), UDP_OFFLOAD_GSO | UDP_OFFLOAD_GRO);
	first.offloads = UDP_OFFLOAD_GRO;
	assert_int_equal(out_offloads(&out), UDP_OFFLOAD_GRO);
}

#define CASE(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_leaves_by_one_socket_leaves_at_once_and_in_order),
		CASE(each_datagram_leaves_by_the_socket_of_its_way),
		CASE(what_no_socket_of_ours_can_send_is_refused_alone),
		CASE(of_what_fails_its_sender_hears_by_its_own_word_for_it),
		CASE(a_failure_may_lead_to_new_datagrams_and_the_others_are_told_all_the_same),
		CASE(what_is_discarded_does_not_leave),
		CASE(a_single_datagram_passes_what_waits),
		CASE(what_goes_through_a_relay_has_its_header_before_it),
		CASE(what_fails_on_its_way_to_a_relay_is_told_as_it_was_pushed),
		CASE(a_single_datagram_for_a_relay_needs_no_room_before_it),
		CASE(what_others_made_leaves_untouched_and_whole_and_waits_for_nothing),
		CASE(the_offloads_are_those_of_the_own_socket),
	};

	return cmocka_run_group_tests_name("data/link/out", tests, NULL, NULL);
}
