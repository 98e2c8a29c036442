/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `bench`: its statistics, its report, and how it takes what may be at the other end of a connection. */
#include "unit/unit.h"

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/stats.h"
#include "cli/cmd/bench_report.h"
#include "unit/cli/fixture.h"
#include "unit/cli/run.h"
#include <netinet/in.h>

/* --- statistics --- */

static struct bench_latency summary_of(const ns_t *rtts, size_t n)
{
	struct echo_trail t;
	struct bench_latency l;
	uint32_t seq;

	assert_int_equal(echo_trail_init(&t, 7, (uint32_t)n), TM_OK);
	for (size_t i = 0; i < n; i++) {
		ns_t now = (ns_t)(i + 1) * SEC;

		assert_true(echo_trail_sent(&t, now, &seq));
		assert_int_equal(seq, 7 + i);
		if (rtts[i] >= 0)
			echo_trail_answered(&t, seq, now + rtts[i]);
	}
	echo_trail_summary(&t, &l);
	echo_trail_deinit(&t);
	return l;
}

static void percentiles_are_those_of_the_nearest_rank(void **state UNUSED)
{
	ns_t hundred[100];
	struct bench_latency l;

	for (size_t i = 0; i < 100; i++)
		hundred[(i * 37) % 100] = (ns_t)(i + 1) * MS;
	l = summary_of(hundred, 100);
	assert_int_equal(l.min, 1 * MS);
	assert_int_equal(l.p50, 50 * MS);
	assert_int_equal(l.p99, 99 * MS);
	assert_int_equal(l.max, 100 * MS);
	assert_int_equal(l.avg, 50 * MS + MS / 2);

	l = summary_of((const ns_t[]){3 * MS}, 1);
	assert_true(
		l.min == 3 * MS && l.p50 == 3 * MS && l.p99 == 3 * MS && l.max == 3 * MS && l.jitter == 0);
	l = summary_of((const ns_t[]){5, 1, 3}, 3);
	assert_true(l.p50 == 3 && l.p99 == 5);
}

static void jitter_is_the_mean_deviation_of_rfc_3550(void **state UNUSED)
{
	/* |D| = 16, 16, 0: J = 1, 1 + 15/16, ... in units of 16^n to stay whole. */
	const ns_t unit = 4096;
	struct bench_latency l = summary_of((const ns_t[]){0, 16 * unit, 0, 0}, 4);

	assert_int_equal(l.jitter, (unit + 15 * unit / 16) - (unit + 15 * unit / 16) / 16);
	l = summary_of((const ns_t[]){5 * MS, 5 * MS, 5 * MS}, 3);
	assert_int_equal(l.jitter, 0);
}

static void what_is_lost_counts_as_lost_only(void **state UNUSED)
{
	struct bench_latency l = summary_of((const ns_t[]){MS, -1, 3 * MS, -1}, 4);

	assert_true(l.sent == 4 && l.received == 2 && l.avg == 2 * MS && l.p99 == 3 * MS);
	l = summary_of((const ns_t[]){-1, -1}, 2);
	assert_true(l.sent == 2 && l.received == 0 && l.max == 0);
}

static void answers_that_come_twice_or_were_never_asked_for_do_not_count(void **state UNUSED)
{
	struct echo_trail t;
	uint32_t seq;

	assert_int_equal(echo_trail_init(&t, UINT32_MAX, 2), TM_OK); /* the numbers wrap */
	assert_true(echo_trail_complete(&t));
	assert_true(echo_trail_sent(&t, 10, &seq) && seq == UINT32_MAX);
	assert_true(echo_trail_sent(&t, 20, &seq) && seq == 0);
	assert_false(echo_trail_sent(&t, 30, &seq));
	echo_trail_answered(&t, 1, 100);
	echo_trail_answered(&t, UINT32_MAX - 1, 100);
	assert_int_equal(t.received, 0);
	echo_trail_answered(&t, 0, 25);
	echo_trail_answered(&t, 0, 500);
	assert_true(t.received == 1 && t.last_rtt == 5 && !echo_trail_complete(&t));
	echo_trail_answered(&t, UINT32_MAX, 30);
	assert_true(echo_trail_complete(&t));
	echo_trail_deinit(&t);
}

/* --- the report --- */

static const struct bench_target target = {.name = "nas", .port = 5209, .time = 5 * SEC, .streams = 2};
static const struct bench_subject subject = {
	&target, "cccccccccccccccc", "100.101.0.3", "direct", "203.0.113.7:51820"};
static const struct bench_results results = {{
	{.begun = true,
		.whole = true,
		.latency = {200, 200, 1 * MS, 2 * MS, 2 * MS, 9 * MS, 12 * MS, MS / 2}},
	{.begun = true,
		.whole = true,
		.elapsed = 5 * SEC,
		.bytes = 625000000,
		.retransmits = 3,
		.latency = {500, 495, 1 * MS, 20 * MS, 18 * MS, 40 * MS, 1200 * MS, 2 * MS}},
	{.begun = true,
		.elapsed = 2 * SEC,
		.bytes = 25000000,
		.retransmits = BENCH_RETRANSMITS_UNKNOWN,
		.latency = {.sent = 20}},
}};

static void the_table_is_aligned_and_says_what_was_cut_short(void **state UNUSED)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	bench_report_head(&subject, f);
	assert_int_equal(bench_report_table(&results, f, &(struct screen){0}), TM_OK);
	fclose(f);
	assert_string_equal(text,
		"  bench nas (100.101.0.3) \u00b7 direct 203.0.113.7:51820 \u00b7 5 s each way, 2 streams\n"
		"  PHASE               THROUGHPUT   RESENT  LOSS     RTT MIN  AVG     P50     P99     MAX    "
		"JITTER\n"
		"  idle                -            -       0 %      1.0 ms   2.0 ms  2.0 ms  9.0 ms  12 ms  "
		"0.50 ms\n"
		"  download            1.00 Gbit/s  3       1.0 %    1.0 ms   20 ms   18 ms   40 ms   1.2 s  "
		"2.0 ms\n"
		"  upload (cut short)  100 Mbit/s   -       100.0 %  -        -       -       -       -      "
		"-\n");
	free(text);
}

static double number(const json_t *j, const char *key)
{
	assert_true(json_is_number(json_object_get(j, key)));
	return json_number_value(json_object_get(j, key));
}

static void the_json_has_units_in_its_names_and_null_for_what_is_not_known(void **state UNUSED)
{
	const struct diag d = {.what = "it broke", .hint = "mend it"};
	json_t *j = bench_report_json(&subject, &results, TM_ETIMEOUT, &d);
	const json_t *idle = json_object_get(j, "idle"), *down = json_object_get(j, "download"),
		     *up = json_object_get(j, "upload");

	assert_true(json_is_false(json_object_get(j, "ok")));
	assert_string_equal(json_string_value(json_object_get(j, "code")), tm_err_word(TM_ETIMEOUT));
	assert_string_equal(json_string_value(json_object_get(j, "error")), "it broke");
	assert_string_equal(json_string_value(json_object_get(j, "hint")), "mend it");
	assert_string_equal(json_string_value(json_object_get(j, "endpoint")), "203.0.113.7:51820");
	assert_true(number(j, "time_s") == 5 && number(j, "streams") == 2 && number(j, "port") == 5209);
	assert_true(number(idle, "rtt_p99_ms") == 9 && number(idle, "jitter_ms") == 0.5 &&
		    number(idle, "loss_percent") == 0);
	assert_true(json_is_true(json_object_get(down, "complete")));
	assert_true(number(down, "bits_per_second") == 1e9 && number(down, "duration_s") == 5 &&
		    number(down, "received_bytes") == 625000000 &&
		    number(down, "retransmitted_segments") == 3);
	assert_true(number(json_object_get(down, "latency"), "rtt_p50_ms") == 18);
	assert_true(json_is_false(json_object_get(up, "complete")));
	assert_true(json_is_null(json_object_get(up, "retransmitted_segments")));
	assert_true(json_is_null(json_object_get(json_object_get(up, "latency"), "rtt_min_ms")));
	json_decref(j);

	j = bench_report_json(&subject, &(struct bench_results){0}, TM_OK, NULL);
	assert_true(json_is_true(json_object_get(j, "ok")) && json_is_null(json_object_get(j, "upload")));
	assert_null(json_object_get(j, "error"));
	json_decref(j);
}

/* --- the other end --- */

/* Listens on loopback and answers the first request with what it was told to. */
struct other_end {
	int listener;
	uint16_t port;
	const uint8_t *say;
	size_t n;
	pthread_t thread;
};

static void *other_end_main(void *arg)
{
	struct other_end *o = arg;
	uint8_t request[BENCH_REQUEST_LEN];
	int fd = accept(o->listener, NULL, NULL);

	assert_true(fd >= 0);
	assert_int_equal(recv(fd, request, sizeof(request), MSG_WAITALL), sizeof(request));
	assert_int_equal(send(fd, o->say, o->n, MSG_NOSIGNAL), (ssize_t)o->n);
	close(fd);
	return NULL;
}

static void other_end_listen(struct other_end *o)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);

	o->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(o->listener, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(o->listener, 1), 0);
	assert_int_equal(getsockname(o->listener, (struct sockaddr *)&sa, &len), 0);
	o->port = ntohs(sa.sin_port);
}

#define HUB                                                                                                  \
	"{\"ok\":true,\"name\":\"hub\",\"id\":\"bbbbbbbbbbbbbbbb\",\"ip4\":\"127.0.0.1\",\"ip6\":\"::1\","   \
	"\"kind\":\"%s\",\"online\":true,\"self\":%s,\"bench_port\":%u}"

static void expect_failure(
	struct fixture *f, const char *kind, const char *self, uint16_t port, const char *err)
{
	char reply[512];
	const struct fake_reply replies[] = {{"bench.resolve", reply}, {0}};
	struct run r = {0};

	snprintf(reply, sizeof(reply), HUB, kind, self, port);
	fake_daemon_start(&f->daemon, f->socket, NULL, replies);
	run_cli(&r, f->dir, "bench hub --state-dir DIR");
	fake_daemon_stop(&f->daemon);
	if (r.status != 1 || strcmp(r.err, err) != 0 || *r.out)
		fail_msg("%d: %s%s", r.status, r.err, r.out);
	run_free(&r);
}

static void what_cannot_be_measured_is_said_before_anything_is_tried(void **state)
{
	struct fixture *f = *state;

	expect_failure(f, "node", "true", 1,
		"tunnelmesh: hub is this machine itself (name another node: bench measures the tunnel "
		"between "
		"two)\n");
	expect_failure(f, "client", "false", 1,
		"tunnelmesh: hub is a device with a stock WireGuard client (bench needs tunnelmesh at both "
		"ends)\n");
}

static void every_answer_that_is_no_session_is_a_sentence(void **state)
{
	struct {
		uint8_t say[BENCH_REPLY_LEN];
		size_t n;
		const char *err;
	} rows[] = {
		{"", 0,
			"tunnelmesh: hub hung up (it may not have heard of this machine yet: try again in a "
			"moment)\n"},
		{"TMB\1\1", BENCH_REPLY_LEN,
			"tunnelmesh: hub is busy with somebody else's bench (it serves one at a time: try "
			"again "
			"in a minute)\n"},
		{"TMB\1\2", BENCH_REPLY_LEN,
			"tunnelmesh: hub runs a version of tunnelmesh whose bench does not fit this one's "
			"(update the older one)\n"},
		{"TMB\2", BENCH_REPLY_LEN,
			"tunnelmesh: hub runs a version of tunnelmesh whose bench does not fit this one's "
			"(update the older one)\n"},
		{"TMB\1\4", BENCH_REPLY_LEN, "tunnelmesh: hub refuses this bench\n"},
		{"TMB\1\xc8", BENCH_REPLY_LEN, "tunnelmesh: hub refuses this bench\n"},
		{"TMB\1", 5,
			"tunnelmesh: hub hung up (it may not have heard of this machine yet: try again in a "
			"moment)\n"},
		{"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", BENCH_REPLY_LEN, NULL},
	};
	struct fixture *f = *state;
	struct other_end o = {0};
	char garbage[160];

	other_end_listen(&o);
	snprintf(garbage, sizeof(garbage),
		"tunnelmesh: the answer of hub on port %u is no answer to a bench\n", o.port);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		o.say = rows[i].say;
		o.n = rows[i].n;
		assert_int_equal(pthread_create(&o.thread, NULL, other_end_main, &o), 0);
		expect_failure(f, "node", "false", o.port, rows[i].err ? rows[i].err : garbage);
		pthread_join(o.thread, NULL);
	}
	close(o.listener);
}

static void a_closed_port_is_said_to_be_no_bench(void **state)
{
	struct fixture *f = *state;
	struct other_end o = {0};
	char err[256];

	other_end_listen(&o);
	close(o.listener);
	snprintf(err, sizeof(err),
		"tunnelmesh: hub answers no bench on port %u (bench_port there is 0 or another one, or its "
		"tunnelmesh is older)\n",
		o.port);
	expect_failure(f, "node", "false", o.port, err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_those_of_the_nearest_rank),
		cmocka_unit_test(jitter_is_the_mean_deviation_of_rfc_3550),
		cmocka_unit_test(what_is_lost_counts_as_lost_only),
		cmocka_unit_test(answers_that_come_twice_or_were_never_asked_for_do_not_count),
		cmocka_unit_test(the_table_is_aligned_and_says_what_was_cut_short),
		cmocka_unit_test(the_json_has_units_in_its_names_and_null_for_what_is_not_known),
		cmocka_unit_test_setup_teardown(what_cannot_be_measured_is_said_before_anything_is_tried,
			fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			every_answer_that_is_no_session_is_a_sentence, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(
			a_closed_port_is_said_to_be_no_bench, fixture_setup, fixture_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
