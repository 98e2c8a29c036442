/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The stream to the relay: as long as it is wanted it is looked for, whatever happens. */
#include "fake.h"

#include "control/agent/stream.h"
#include "crypto/init.h"
#include "net/release.h"
#include "os/tcp.h"

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

	agent_stream_open(r->f.agent, &ev);
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
		agent_stream_lost(r.f.agent);
		agent_stream_lost(r.f.agent); /* told twice it is looked for once */
	}
	fake_run_until(&r.f, &r.up, 8);
	assert_int_equal(r.taken, 8);
	rig_close(&r);
}

static void neither_a_missing_relay_nor_one_that_refuses_ends_the_search(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
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

static void after_a_loss_nobody_comes_at_once_but_after_a_change_of_the_network(void **state UNUSED)
{
	struct rig r;

	rig_open(&r);
	fake_link(&r.f);
	open_stream(&r);
	fake_run_until(&r.f, &r.up, 1);
	r.f.agent->streaming.backoff = 3600 * SEC; /* as after many losses */
	r.f.agent->tuning.stream_retry_max = 3600 * SEC;
	agent_stream_lost(r.f.agent);
	fake_run_ms(&r.f, 50);
	assert_int_equal(r.up, 1);
	agent_reconnect_now(r.f.agent);
	fake_run_until(&r.f, &r.up, 2);
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
		agent_stream_close(r.f.agent);
		unsigned up = r.up;
		agent_stream_lost(r.f.agent);
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
		cmocka_unit_test(one_that_is_not_wanted_any_more_is_not_looked_for),
	};

	struct diag d = {0};

	if (crypto_init(&d) != TM_OK) {
		fprintf(stderr, "%s\n", d.what);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
