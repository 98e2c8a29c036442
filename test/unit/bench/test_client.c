/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The asking end against the responder, on loopback: a thread of the test's own turns the responder's loop,
 * as the control thread of the other node does. How fast anything goes is nobody's concern here. */
#include "fake/proc.h"
#include "unit/unit.h"

#include "bench/client.h"
#include "bench/responder.h"
#include "os/interrupt.h"
#include "os/low/bell.h"
#include "os/low/thread.h"
#include "os/wait.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

struct fixture {
	struct event_base *base;
	struct event *until; /* the loop turns until the bell rings */
	struct bell bell;
	struct thread thread;
	bool turning;
	struct responder *responder;
	struct responder_config cfg;
	atomic_bool strangers; /* nobody is a member */
	struct bench_target target;
	struct diag d;
	unsigned told[BENCH_PHASE_N];
	void (*cut)(struct fixture *f); /* once, in the middle of the download */
	unsigned descriptors;
};

static bool is_member(void *ctx, const struct ip *from UNUSED)
{
	struct fixture *f = ctx;

	return !atomic_load(&f->strangers);
}

static void turn_loop(void *arg)
{
	struct fixture *f = arg;

	event_base_dispatch(f->base);
}

static void on_bell(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct fixture *f = arg;

	event_base_loopbreak(f->base);
}

static void start_turning(struct fixture *f)
{
	assert_int_equal(thread_start(&f->thread, "test-loop", turn_loop, f), TM_OK);
	f->turning = true;
}

static void stop_turning(struct fixture *f)
{
	if (!f->turning)
		return;
	bell_ring(&f->bell);
	thread_join(&f->thread);
	bell_stop(&f->bell);
	f->turning = false;
}

/* The same port must be free twice over: tried until one is. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int err = TM_EBUSY;

	assert_non_null(f);
	f->descriptors = proc_count("/proc/self/fd");
	f->base = event_base_new();
	assert_int_equal(bell_init(&f->bell), TM_OK);
	f->until = event_new(f->base, bell_fd(&f->bell), EV_READ | EV_PERSIST, on_bell, f);
	assert_int_equal(event_add(f->until, NULL), 0);
	f->cfg = (struct responder_config){.addrs = {ip_v4_host(INADDR_LOOPBACK), ip_v6(&in6addr_loopback)},
		.ctx = f,
		.is_member = is_member};
	for (uint16_t port = 10000 + (uint16_t)(getpid() % 10000); err == TM_EBUSY; port++) {
		f->cfg.port = port;
		err = responder_new(f->base, &f->cfg, &f->responder, &f->d);
	}
	if (err)
		fail_msg("%s", f->d.what);
	f->d = (struct diag){0};
	f->target = (struct bench_target){.name = "hub",
		.ip = f->cfg.addrs[0],
		.port = f->cfg.port,
		.online = true,
		.time = 1 * SEC,
		.streams = 1};
	interrupt_catch();
	*state = f;
	return 0;
}

/* However a test ended, nothing is left open. */
static int teardown(void **state)
{
	struct fixture *f = *state;

	stop_turning(f);
	responder_free(f->responder);
	event_free(f->until);
	bell_deinit(&f->bell);
	event_base_free(f->base);
	assert_int_equal(proc_count("/proc/self/fd"), f->descriptors);
	free(f);
	return 0;
}

static void told(void *ctx, enum bench_phase phase, ns_t elapsed, ns_t of UNUSED,
	double bits_per_second_now UNUSED, ns_t last_rtt UNUSED)
{
	struct fixture *f = ctx;

	f->told[phase]++;
	if (f->cut && phase == BENCH_PHASE_DOWNLOAD && elapsed > 0)
		TAKE(f->cut)(f);
}

static int run(struct fixture *f, struct bench_results *r)
{
	const struct bench_watch watch = {f, told};
	struct bench_client c;
	int err = bench_client_open(&f->target, &c, &f->d);

	if (err)
		return err;
	err = bench_client_run(&c, &watch, r, &f->d);
	bench_client_close(&c);
	return err;
}

static void run_whole(struct fixture *f)
{
	struct bench_results r;
	uint64_t echoes = 0;

	if (run(f, &r) != TM_OK)
		fail_msg("%s", f->d.what);
	for (size_t i = 0; i < BENCH_PHASE_N; i++) {
		assert_true(r.phases[i].begun && r.phases[i].whole && r.phases[i].elapsed > 0);
		assert_true(f->told[i] > 0);
		assert_int_equal(r.phases[i].bytes > 0, i != BENCH_PHASE_IDLE);
		echoes += r.phases[i].latency.received;
	}
	assert_true(echoes > 0);
	assert_int_not_equal(r.phases[BENCH_PHASE_DOWNLOAD].retransmits, BENCH_RETRANSMITS_UNKNOWN);
	assert_int_not_equal(r.phases[BENCH_PHASE_UPLOAD].retransmits, BENCH_RETRANSMITS_UNKNOWN);
}

static void bytes_move_both_ways_and_echoes_come_back_again_and_again(void **state)
{
	struct fixture *f = *state;

	start_turning(f);
	run_whole(f);
	f->target.ip = f->cfg.addrs[1];
	f->target.streams = BENCH_STREAMS_MAX;
	run_whole(f);
}

static void who_is_no_member_is_told_that_it_was_hung_up_on(void **state)
{
	struct fixture *f = *state;
	struct bench_results r;

	atomic_store(&f->strangers, true);
	start_turning(f);
	assert_int_equal(run(f, &r), TM_EPERM);
	assert_string_equal(f->d.what, "hub hung up");
}

/* Both are TM_EUNREACH at the socket, and only one of them is an answer. */
static void a_port_where_nobody_listens_is_not_a_node_that_is_silent(void **state)
{
	struct fixture *f = *state;
	struct bench_results r;

	responder_free(TAKE(f->responder));
	assert_int_equal(run(f, &r), TM_EUNREACH);
	assert_non_null(strstr(f->d.what, "hub answers no bench on port "));
}

static void who_asks_while_another_bench_is_under_way_is_told_so(void **state)
{
	struct fixture *f = *state;
	struct bench_client first;
	struct bench_results r;

	start_turning(f);
	assert_int_equal(bench_client_open(&f->target, &first, &f->d), TM_OK);
	assert_int_equal(run(f, &r), TM_EBUSY);
	bench_client_close(&first);
}

static void end_responder(struct fixture *f)
{
	stop_turning(f);
	responder_free(TAKE(f->responder));
}

static void interrupt(struct fixture *f UNUSED)
{
	assert_int_equal(raise(SIGINT), 0);
}

static void a_bench_that_is_cut_in_the_middle_leaves_what_there_is_and_says_why(void **state)
{
	static const struct {
		void (*cut)(struct fixture *f);
		int err;
		const char *says;
	} rows[] = {
		{interrupt, TM_EAGAIN, "interrupted before the end"},
		{end_responder, TM_ECLOSED, "hub ended the bench before it was through"},
	};
	struct fixture *f = *state;

	start_turning(f);
	f->target.time = 60 * SEC;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bench_results r;

		interrupt_catch(); /* and forget */
		f->d = (struct diag){0};
		f->cut = rows[i].cut;
		/* It is free again once it has seen the end of the one before. */
		int err = run(f, &r);
		while (err == TM_EBUSY)
			err = run(f, &r);
		assert_int_equal(err, rows[i].err);
		assert_string_equal(f->d.what, rows[i].says);
		assert_true(r.phases[BENCH_PHASE_IDLE].whole);
		assert_true(r.phases[BENCH_PHASE_DOWNLOAD].begun && !r.phases[BENCH_PHASE_DOWNLOAD].whole);
		assert_false(r.phases[BENCH_PHASE_UPLOAD].begun);
	}
}

/* Nobody turns the loop, so that nobody answers. */
static void an_interrupt_ends_the_wait_for_an_answer(void **state)
{
	struct fixture *f = *state;
	struct bench_results r;

	interrupt(f);
	assert_int_equal(run(f, &r), TM_EAGAIN);
	assert_string_equal(f->d.what, "interrupted before the end");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_move_both_ways_and_echoes_come_back_again_and_again),
		TEST(who_is_no_member_is_told_that_it_was_hung_up_on),
		TEST(a_port_where_nobody_listens_is_not_a_node_that_is_silent),
		TEST(who_asks_while_another_bench_is_under_way_is_told_so),
		TEST(a_bench_that_is_cut_in_the_middle_leaves_what_there_is_and_says_why),
		TEST(an_interrupt_ends_the_wait_for_an_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
