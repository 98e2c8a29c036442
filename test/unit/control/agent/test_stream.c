/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The stream to the relay: as long as it is wanted it is looked for, whatever happens. */
#include "fake.h"

#include "control/agent/stream.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "net/listen.h"
#include "net/release.h"
#include "os/tcp.h"

/* Who is in no map is the coordinator's. */
#define HUB "00000000000000ff"

struct rig {
	struct fake f;
	struct stream_taker taker;
	unsigned proved, taken, up;
	bool refuse;
	struct net_released relay, node;
};

static bool on_prove(void *ctx, const struct endpoint *from UNUSED, const uint8_t *p, size_t n,
	uint8_t *answer, size_t answer_max UNUSED, size_t *ret_n)
{
	struct rig *r = ctx;

	r->proved++;
	assert_int_equal(n, 2);
	assert_memory_equal(p, "me", 2);
	answer[0] = 'y';
	*ret_n = 1;
	return !r->refuse;
}

static void on_take(void *ctx, struct net_released *r_take)
{
	struct rig *r = ctx;

	r->taken++;
	net_released_deinit(&r->relay);
	r->relay = *r_take;
}

static size_t on_question(void *ctx UNUSED, uint8_t *out, size_t max UNUSED)
{
	memcpy(out, "me", 2);
	return 2;
}

static bool on_answer(void *ctx UNUSED, const uint8_t *p, size_t n)
{
	return n == 1 && p[0] == 'y';
}

static void on_up(void *ctx, struct net_released *r_take)
{
	struct rig *r = ctx;

	r->up++;
	net_released_deinit(&r->node);
	r->node = *r_take;
	assert_true(endpoint_is_set(&r->node.remote));
}

static void rig_open(struct rig *r)
{
	*r = (struct rig){.relay.fd = -1, .node.fd = -1};
	r->taker = (struct stream_taker){.ctx = r, .prove = on_prove, .take = on_take};
	fake_open(&r->f);
	r->f.streams = &r->taker;
}

static void rig_close(struct rig *r)
{
	fake_stop(&r->f);
	fake_stop_serving(&r->f);
	net_released_deinit(&r->relay);
	net_released_deinit(&r->node);
	fake_close(&r->f);
}

static void open_stream(struct rig *r)
{
	const struct agent_stream_events ev = {
		.asker = {.ctx = r, .question = on_question, .answer = on_answer}, .ctx = r, .up = on_up};

	assert_int_equal(agent_stream_open(r->f.agent, HUB, &ev), TM_OK);
}

static void rig_up(struct rig *r)
{
	fake_link(&r->f);
	open_stream(r);
	fake_run_until(&r->f, &r->up, 1);
}

static void a_stream_comes_up_and_one_is_enough(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	fake_link(&r.f);
	open_stream(&r);
	open_stream(&r);
	fake_run_until(&r.f, &r.up, 1);
	agent_reconnect_now(r.f.agent); /* it is no reason for a second one */
	fake_run_ms(&r.f, 50);
	assert_int_equal(r.up, 1);
	assert_int_equal(r.taken, 1);
	rig_close(&r);
}

static void one_that_is_lost_is_made_again_for_ever(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	fake_link(&r.f);
	open_stream(&r);
	for (unsigned i = 1; i < 8; i++) {
		fake_run_until(&r.f, &r.up, i);
		agent_stream_lost(r.f.agent, HUB);
		agent_stream_lost(r.f.agent, HUB); /* told twice it is looked for once */
	}
	fake_run_until(&r.f, &r.up, 8);
	assert_int_equal(r.taken, 8);
	rig_close(&r);
}

static void neither_a_missing_relay_nor_one_that_refuses_ends_the_search(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.f.tuning.connect_ms = 300; /* a refusal does not end the race */
	fake_start(&r.f); /* nobody serves */
	open_stream(&r);
	fake_run_ms(&r.f, 100);
	r.refuse = true;
	fake_serve(&r.f);
	fake_run_until(&r.f, &r.proved, 3);
	r.refuse = false;
	fake_run_until(&r.f, &r.up, 1);
	rig_close(&r);
}

/* As after many losses. */
static void wait_long(struct rig *r)
{
	struct agent_tuning *t = &r->f.agent->tuning;

	r->f.agent->streams[0].backoff = t->stream_retry = t->stream_retry_max = 3600 * SEC;
}

static void after_a_loss_nobody_comes_at_once_but_after_a_change_of_the_network(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	rig_up(&r);
	wait_long(&r);
	agent_stream_lost(r.f.agent, HUB);
	fake_run_ms(&r.f, 50);
	assert_int_equal(r.up, 1);
	agent_reconnect_now(r.f.agent);
	fake_run_until(&r.f, &r.up, 2);
	rig_close(&r);
}

/* As after a coordinator that was away for long, with so many members. */
static void lose_link_and_stream(struct rig *r, uint32_t pace_ms)
{
	r->f.pace_ms = pace_ms;
	rig_up(r);
	fake_stop_serving(&r->f);
	fake_run_until(&r->f, &r->f.link_downs, 1);
	wait_long(r);
	agent_stream_lost(r->f.agent, HUB);
}

static void the_link_brings_the_stream_back(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	lose_link_and_stream(&r, 0);
	fake_serve(&r.f);
	fake_run_until(&r.f, &r.up, 2);
	rig_close(&r);
}

/* Whoever accepts and says nothing. */
struct silent {
	int fds[8];
	size_t n;
};

static void swallow(void *ctx, int fd, const struct endpoint *from UNUSED)
{
	struct silent *s = ctx;

	assert_true(s->n < ARRAY_LEN(s->fds));
	s->fds[s->n++] = fd;
}

static void one_that_hangs_since_before_the_link_is_begun_anew(void **state UNUSED)
{
	struct silent s = {.n = 0};
	const struct listener_events ev = {.ctx = &s, .accepted = swallow};
	struct listener *l;
	struct rig r;

	rig_open(&r);
	assert_int_equal(listener_new(r.f.base, &r.f.at, 0, &ev, &l), TM_OK);
	fake_start(&r.f);
	open_stream(&r);
	for (unsigned i = 0; s.n < 2; i++) {
		assert_true(i < 1000);
		fake_run_ms(&r.f, 1);
	}
	listener_free(l);
	fake_serve(&r.f);
	r.f.agent->attempt_since -= SESSION_STALE;
	r.f.agent->streams[0].race_since -= SESSION_STALE;
	session_look_again(r.f.agent);
	fake_run_until(&r.f, &r.up, 1);
	while (s.n)
		tcp_close(s.fds[--s.n]);
	rig_close(&r);
}

static void a_link_that_has_just_begun_is_not_begun_anew(void **state UNUSED)
{
	struct silent s = {.n = 0};
	const struct listener_events ev = {.ctx = &s, .accepted = swallow};
	struct listener *l;
	struct rig r;

	rig_open(&r);
	assert_int_equal(listener_new(r.f.base, &r.f.at, 0, &ev, &l), TM_OK);
	fake_start(&r.f);
	for (unsigned i = 0; s.n < 1; i++) {
		assert_true(i < 1000);
		fake_run_ms(&r.f, 1);
	}
	session_look_again(r.f.agent);
	fake_run_ms(&r.f, 30);
	assert_int_equal(s.n, 1);
	listener_free(l);
	while (s.n)
		tcp_close(s.fds[--s.n]);
	rig_close(&r);
}

/* On a slow line, by TLS, it takes seconds; a stream that comes and goes meanwhile would never let it end. */
static void a_link_on_its_way_is_not_begun_anew_by_a_stream(void **state UNUSED)
{
	struct silent s = {.n = 0};
	const struct listener_events ev = {.ctx = &s, .accepted = swallow};
	struct listener *l;
	struct rig r;

	rig_open(&r);
	assert_int_equal(listener_new(r.f.base, &r.f.at, 0, &ev, &l), TM_OK);
	fake_start(&r.f);
	for (unsigned i = 0; s.n < 1; i++) {
		assert_true(i < 1000);
		fake_run_ms(&r.f, 1);
	}
	listener_free(l);
	fake_serve(&r.f);
	ns_t begun = r.f.agent->attempt_since -= SESSION_STALE;
	open_stream(&r);
	fake_run_until(&r.f, &r.up, 1);
	fake_run_ms(&r.f, 30);
	assert_int_equal(r.f.agent->attempt_since, begun);
	while (s.n)
		tcp_close(s.fds[--s.n]);
	rig_close(&r);
}

static void those_of_many_members_come_back_one_after_the_other(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.f.tuning.retry_min = r.f.tuning.retry_max = 10 * MS;
	lose_link_and_stream(&r, MSG_PACE_MAX_MS);
	agent_reconnect_now(r.f.agent); /* its link does not wait for its turn */
	loop_timer_in(r.f.agent->streams[0].timer, 3600 * SEC);
	fake_serve(&r.f);
	fake_run_until(&r.f, &r.f.link_ups, 2);
	fake_run_ms(&r.f, 20);
	assert_int_equal(r.up, 1); /* but its stream does, for a minute perhaps */
	rig_close(&r);
}

static void the_stream_brings_the_link_back(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.f.tuning.retry_min = r.f.tuning.retry_max = 3600 * SEC;
	fake_start(&r.f);
	fake_run_ms(&r.f, 30);
	fake_serve(&r.f);
	open_stream(&r);
	fake_run_until(&r.f, &r.f.link_ups, 1);
	rig_close(&r);
}

static void but_not_of_one_that_was_removed(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.f.tuning.removed_retry = 3600 * SEC;
	fake_link(&r.f);
	fake_say(&r.f, "{\"t\":\"removed\",\"why\":\"the test says so\"}");
	fake_run_until(&r.f, &r.f.removals, 1);
	open_stream(&r);
	fake_run_until(&r.f, &r.up, 1);
	fake_run_ms(&r.f, 30);
	assert_int_equal(r.f.hellos, 1);
	rig_close(&r);
}

#define RELAY_A                                                                                              \
	"{\"t\":\"netmap\",\"map\":{\"version\":6,\"base\":5,\"nodes\":[{\"id\":\"" PEER_A                   \
	"\",\"name\":\"a\",\"host\":3,\"key\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\","             \
	"\"tags\":[\"relay\"]}]}}"

static void one_to_another_relay_goes_where_the_list_says_and_has_nothing_to_do_with_the_link(
	void **state UNUSED)
{
	const struct agent_stream_events ev = {
		.asker = {.question = on_question, .answer = on_answer}, .up = on_up};
	struct clink_server_config cfg = {.max_links = 0, .streams_only = true};
	struct agent_stream_events to_a = ev;
	const struct clink_events nobody = {.ctx = NULL};
	struct clink_server *relay;
	struct rig r, other;
	char list[200];

	rig_open(&r);
	rig_open(&other); /* whose taker is the relay's */
	cfg.identity = &r.f.coordinator;
	cfg.streams = &other.taker;
	assert_int_equal(endpoint_parse("127.0.0.1:0", &cfg.listen), TM_OK);
	assert_int_equal(clink_server_new(r.f.base, &cfg, &nobody, &relay, NULL), TM_OK);
	r.f.tuning.retry_max = 3600 * SEC;
	fake_link(&r.f);
	fake_say(&r.f, RELAY_A);
	snprintf(list, sizeof(list),
		"{\"t\":\"relays\",\"relays\":[{\"node\":\"" PEER_A
		"\",\"addrs\":[\"192.0.2.1:1\"],\"tcp\":[\"127.0.0.1:%u\"]}]}",
		clink_server_port(relay));
	fake_say(&r.f, list);
	fake_run_until(&r.f, &r.f.relays_told, 1);
	to_a.ctx = &r;
	assert_int_equal(agent_stream_open(r.f.agent, PEER_A, &to_a), TM_OK);
	fake_run_until(&r.f, &r.up, 1);
	assert_int_equal(r.taken, 0); /* the coordinator takes streams, too */
	assert_int_equal(other.taken, 1);
	fake_stop_serving(&r.f); /* and may be away for good */
	fake_run_until(&r.f, &r.f.link_downs, 1);
	agent_stream_lost(r.f.agent, PEER_A);
	fake_run_until(&r.f, &r.up, 2);
	clink_server_free(relay);
	rig_close(&other);
	rig_close(&r);
}

/* After ten tries in vain, whatever the backoff has grown to. */
static void one_that_has_just_been_lost_is_not_waited_for_long(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.f.tuning.stream_retry = 10 * MS;
	rig_up(&r);
	r.f.agent->streams[0].backoff = r.f.agent->tuning.stream_retry_max = 3600 * SEC;
	agent_stream_lost(r.f.agent, HUB);
	fake_run_until(&r.f, &r.up, 2);
	rig_close(&r);
}

/* All of them may have lost it, and each that comes brings its link along. */
static void one_of_many_members_does_not_come_back_at_once(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	r.f.tuning.stream_retry_max = 3600 * SEC;
	rig_up(&r);
	r.f.agent->known.pace_ms = 3600 * 1000;
	agent_stream_lost(r.f.agent, HUB);
	fake_run_ms(&r.f, 30);
	assert_int_equal(r.up, 1);
	rig_close(&r);
}

static void there_are_so_many_and_no_more(void **state UNUSED)
{
	const struct agent_stream_events ev = {.ctx = NULL};
	struct rig r;
	char id[NODE_ID_LEN + 1];

	rig_open(&r);
	fake_start(&r.f);
	for (unsigned i = 0; i < AGENT_STREAMS_MAX; i++) {
		snprintf(id, sizeof(id), "%016x", i + 1);
		assert_int_equal(agent_stream_open(r.f.agent, id, &ev), TM_OK);
	}
	assert_int_equal(agent_stream_open(r.f.agent, HUB, &ev), TM_EFULL);
	agent_stream_close(r.f.agent, id);
	assert_int_equal(agent_stream_open(r.f.agent, HUB, &ev), TM_OK);
	rig_close(&r);
}

static void one_that_is_not_wanted_any_more_is_not_looked_for(void **state UNUSED)
{
	for (unsigned turns = 0; turns < 8; turns++) {
		struct rig r;

		rig_open(&r);
		fake_link(&r.f);
		open_stream(&r);
		for (unsigned i = 0; i < turns; i++)
			fake_run_ms(&r.f, 0);
		agent_stream_close(r.f.agent, HUB);
		unsigned up = r.up;
		agent_stream_lost(r.f.agent, HUB);
		fake_run_ms(&r.f, 30);
		assert_int_equal(r.up, up);
		open_stream(&r); /* and may be wanted again */
		fake_run_until(&r.f, &r.up, up + 1);
		rig_close(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_comes_up_and_one_is_enough),
		cmocka_unit_test(one_that_is_lost_is_made_again_for_ever),
		cmocka_unit_test(neither_a_missing_relay_nor_one_that_refuses_ends_the_search),
		cmocka_unit_test(after_a_loss_nobody_comes_at_once_but_after_a_change_of_the_network),
		cmocka_unit_test(the_link_brings_the_stream_back),
		cmocka_unit_test(those_of_many_members_come_back_one_after_the_other),
		cmocka_unit_test(one_that_hangs_since_before_the_link_is_begun_anew),
		cmocka_unit_test(a_link_that_has_just_begun_is_not_begun_anew),
		cmocka_unit_test(a_link_on_its_way_is_not_begun_anew_by_a_stream),
		cmocka_unit_test(the_stream_brings_the_link_back),
		cmocka_unit_test(but_not_of_one_that_was_removed),
		cmocka_unit_test(
			one_to_another_relay_goes_where_the_list_says_and_has_nothing_to_do_with_the_link),
		cmocka_unit_test(one_that_has_just_been_lost_is_not_waited_for_long),
		cmocka_unit_test(one_of_many_members_does_not_come_back_at_once),
		cmocka_unit_test(there_are_so_many_and_no_more),
		cmocka_unit_test(one_that_is_not_wanted_any_more_is_not_looked_for),
	};

	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
