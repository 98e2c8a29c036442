/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The responder with its thread, on loopback. The test's thread is the control thread: it turns the event
 * loop when somebody connects. */
#include "fake/proc.h"
#include "unit/unit.h"

#include "base/log.h"
#include "base/time.h"
#include "bench/codec.h"
#include "bench/responder.h"
#include "bench/session.h"
#include "os/sockaddr.h"

#include <dirent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct fixture {
	struct event_base *base;
	struct responder *responder;
	struct responder_config cfg;
	bool strangers; /* nobody is a member */
	unsigned asked; /* for how many connections is_member was called */
	unsigned lines; /* logged by the control thread */
	unsigned descriptors; /* before there was a responder */
};

static bool is_member(void *ctx, const struct ip *from)
{
	struct fixture *f = ctx;

	assert_true(ip_is_loopback(from));
	f->asked++;
	return !f->strangers;
}

/* By name: a sanitizer has threads of its own. */
static unsigned count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	char path[300], name[32];
	unsigned n = 0;

	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", e->d_name);
		FILE *f = fopen(path, "r");

		if (!f)
			continue;
		n += fgets(name, sizeof(name), f) && strcmp(name, "tm-bench\n") == 0;
		fclose(f);
	}
	closedir(d);
	return n;
}

/* The same port must be free four times over: tried until one is. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct diag d = {0};
	int err = TM_EBUSY;

	assert_non_null(f);
	f->base = event_base_new();
	f->descriptors = proc_count("/proc/self/fd");
	f->cfg = (struct responder_config){.addrs = {ip_v4_host(INADDR_LOOPBACK), ip_v6(&in6addr_loopback)},
		.ctx = f,
		.is_member = is_member};
	for (uint16_t port = 20000 + (uint16_t)(getpid() % 10000); err == TM_EBUSY; port++) {
		f->cfg.port = port;
		err = responder_new(f->base, &f->cfg, &f->responder, &d);
	}
	if (err)
		fail_msg("%s", d.what);
	*state = f;
	return 0;
}

/* However a test ended, nothing of the responder is left. */
static int teardown(void **state)
{
	struct fixture *f = *state;

	responder_free(f->responder);
	assert_int_equal(proc_count("/proc/self/fd"), f->descriptors);
	assert_int_equal(count_threads(), 0);
	event_base_free(f->base);
	free(f);
	return 0;
}

static int connect_only(struct fixture *f, size_t side, int type)
{
	const struct endpoint ep = {.ip = f->cfg.addrs[side], .port = f->cfg.port};
	struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	int fd = socket(ss.ss_family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&ss, len), 0);
	return fd;
}

/* TCP: accepted and handed over, or hung up on, even if the responder has to pause first. */
static int client(struct fixture *f, size_t side, int type)
{
	unsigned asked = f->asked;
	int fd = connect_only(f, side, type);

	while (type == SOCK_STREAM && f->asked == asked)
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	return fd;
}

static bool hung_up(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, 0);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static struct bench_reply ask(int fd, enum bench_type type, const uint8_t *id, uint32_t ms)
{
	struct bench_request r = {.type = type, .duration_ms = ms};
	uint8_t out[BENCH_REQUEST_LEN], in[BENCH_REPLY_LEN];
	struct bench_reply reply;

	if (id)
		memcpy(r.id, id, BENCH_ID);
	bench_request_encode(&r, out);
	/* In two pieces: a request is what has 32 bytes, not what comes in one packet. */
	assert_int_equal(send(fd, out, 7, 0), 7);
	assert_int_equal(send(fd, out + 7, sizeof(out) - 7, 0), sizeof(out) - 7);
	assert_int_equal(recv(fd, in, sizeof(in), MSG_WAITALL), sizeof(in));
	assert_int_equal(bench_reply_decode(in, sizeof(in), &reply), TM_OK);
	return reply;
}

static struct bench_reply open_session(struct fixture *f, size_t side, int *ret_fd)
{
	*ret_fd = client(f, side, SOCK_STREAM);
	return ask(*ret_fd, BENCH_OPEN, NULL, 0);
}

/* Another session is possible as soon as the thread has seen the end of the one before. */
static void expect_free_again(struct fixture *f)
{
	ns_t deadline = time_monotonic() + PATIENCE_MS * MS;
	enum bench_code code;

	do {
		int fd;

		code = open_session(f, 0, &fd).code;
		close(fd);
	} while (code == BENCH_BUSY && time_monotonic() < deadline);
	assert_int_equal(code, BENCH_OK);
}

static void there_is_no_thread_until_somebody_comes(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_int_equal(count_threads(), 0);
	assert_int_equal(open_session(f, 0, &fd).code, BENCH_OK);
	assert_int_equal(count_threads(), 1);
	close(fd);
}

static void a_session_is_for_one_at_a_time_and_ids_are_not_repeated(void **state)
{
	struct fixture *f = *state;
	int first, second;
	struct bench_reply a = open_session(f, 0, &first), b = open_session(f, 1, &second);

	assert_int_equal(a.code, BENCH_OK);
	assert_int_equal(b.code, BENCH_BUSY);
	assert_memory_equal(b.id, (uint8_t[BENCH_ID]){0}, BENCH_ID);
	assert_true(hung_up(second));
	close(second);
	close(first);
	expect_free_again(f);
	b = open_session(f, 1, &second);
	assert_memory_not_equal(a.id, b.id, BENCH_ID);
	close(second);
}

static void a_stranger_is_hung_up_on_before_it_has_said_anything(void **state)
{
	struct fixture *f = *state;

	f->strangers = true;
	int fd = client(f, 0, SOCK_STREAM);
	assert_true(hung_up(fd));
	close(fd);
	assert_int_equal(count_threads(), 0);
}

static void send_echo_request(int fd, const uint8_t id[static BENCH_ID], uint32_t seq)
{
	struct bench_echo e = {.type = BENCH_ECHO_REQUEST, .seq = seq};
	uint8_t msg[BENCH_ECHO_LEN];

	memcpy(e.id, id, BENCH_ID);
	bench_echo_encode(&e, msg);
	assert_int_equal(send(fd, msg, sizeof(msg), 0), sizeof(msg));
}

static void echoes_come_back_for_the_holder_and_for_nobody_else(void **state)
{
	struct fixture *f = *state;

	for (size_t side = 0; side < 2; side++) {
		int holder, udp = client(f, side, SOCK_DGRAM), elsewhere = client(f, !side, SOCK_DGRAM);
		struct bench_echo e = {.type = BENCH_ECHO_REQUEST, .seq = 1};
		uint8_t msg[BENCH_ECHO_LEN + 1] = {0}, want[BENCH_ECHO_LEN], got[2048];

		bench_echo_encode(&e, msg);
		assert_int_equal(send(udp, msg, BENCH_ECHO_LEN, 0), BENCH_ECHO_LEN); /* no session yet */
		memcpy(e.id, open_session(f, side, &holder).id, BENCH_ID);
		bench_echo_encode(&e, msg);
		assert_int_equal(send(elsewhere, msg, BENCH_ECHO_LEN, 0), BENCH_ECHO_LEN);
		assert_int_equal(send(udp, msg, BENCH_ECHO_LEN + 1, 0), BENCH_ECHO_LEN + 1);
		assert_int_equal(send(udp, msg, BENCH_ECHO_LEN - 1, 0), BENCH_ECHO_LEN - 1);
		assert_int_equal(send(udp, "", 0, 0), 0);
		send_echo_request(udp, e.id, 4711);
		e.seq = 4711;
		e.type = BENCH_ECHO_REPLY;
		bench_echo_encode(&e, want);
		assert_int_equal(recv(udp, got, sizeof(got), 0), BENCH_ECHO_LEN);
		assert_memory_equal(got, want, BENCH_ECHO_LEN);
		/* An answer to the reply would come before the one to the request after it. */
		assert_int_equal(send(udp, want, BENCH_ECHO_LEN, 0), BENCH_ECHO_LEN);
		send_echo_request(udp, e.id, 4712);
		e.seq = 4712;
		bench_echo_encode(&e, want);
		assert_int_equal(recv(udp, got, sizeof(got), 0), BENCH_ECHO_LEN);
		assert_memory_equal(got, want, BENCH_ECHO_LEN);
		/* The thread looks at echoes before it looks at connections: now it has seen all of them. */
		assert_int_equal(ask(holder, BENCH_RESULT, e.id, 0).code, BENCH_OK);
		assert_int_equal(recv(elsewhere, got, sizeof(got), MSG_DONTWAIT), -1);
		assert_int_equal(recv(udp, got, sizeof(got), MSG_DONTWAIT), -1);
		close(holder);
		close(udp);
		close(elsewhere);
		expect_free_again(f);
	}
}

static void a_download_moves_bytes_until_its_time_is_over(void **state)
{
	struct fixture *f = *state;
	static uint8_t buf[65536];
	int holder, fd;
	uint64_t sum = 0;
	ssize_t n;
	struct bench_reply s = open_session(f, 0, &holder);

	fd = client(f, 0, SOCK_STREAM);
	assert_int_equal(ask(fd, BENCH_DOWNLOAD, s.id, 100).code, BENCH_OK);
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		sum += (uint64_t)n;
	assert_int_equal(n, 0);
	assert_true(sum > sizeof(buf));
	struct bench_reply r = ask(holder, BENCH_RESULT, s.id, 0);
	assert_int_equal(r.code, BENCH_OK);
	assert_int_not_equal(r.retransmits, BENCH_RETRANSMITS_UNKNOWN);
	close(fd);
	close(holder);
}

static void an_upload_is_counted_to_the_byte(void **state)
{
	enum { BYTES = 300000 };
	struct fixture *f = *state;
	static const uint8_t buf[BYTES];
	int holder, fd[2];
	struct bench_reply s = open_session(f, 1, &holder), r;
	uint64_t sum = 0;

	for (size_t i = 0; i < 2; i++) {
		fd[i] = client(f, 1, SOCK_STREAM);
		assert_int_equal(ask(fd[i], BENCH_UPLOAD, s.id, 60000).code, BENCH_OK);
		assert_int_equal(send(fd[i], buf, BYTES, 0), BYTES);
		shutdown(fd[i], SHUT_WR);
		assert_true(hung_up(fd[i])); /* after the last byte */
		close(fd[i]);
	}
	r = ask(holder, BENCH_RESULT, s.id, 0);
	sum = r.bytes;
	assert_int_equal(sum, 2 * BYTES);
	assert_true(r.elapsed > 0);
	assert_int_equal(ask(holder, BENCH_RESULT, s.id, 0).bytes, 0);
	close(holder);
}

static void the_end_of_the_session_ends_its_streams(void **state)
{
	struct fixture *f = *state;
	int holder, fd = -1;
	struct bench_reply s = open_session(f, 0, &holder);

	fd = client(f, 0, SOCK_STREAM);
	assert_int_equal(ask(fd, BENCH_UPLOAD, s.id, 60000).code, BENCH_OK);
	close(holder);
	assert_true(hung_up(fd));
	close(fd);
	expect_free_again(f);
}

static void requests_at_the_wrong_moment_are_refused_and_end_the_connection(void **state)
{
	struct fixture *f = *state;
	int holder, fd;
	struct bench_reply s = open_session(f, 0, &holder);
	const struct {
		enum bench_type type;
		const uint8_t *id;
		uint32_t ms;
		enum bench_code code;
	} rows[] = {
		{BENCH_RESULT, s.id, 0, BENCH_REFUSED},
		{BENCH_DOWNLOAD, s.id, 60001, BENCH_REFUSED},
		{BENCH_UPLOAD, NULL, 1000, BENCH_NO_SESSION},
		{9, s.id, 0, BENCH_REFUSED},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fd = client(f, 0, SOCK_STREAM);
		if (ask(fd, rows[i].type, rows[i].id, rows[i].ms).code != rows[i].code)
			fail_msg("row %zu", i);
		assert_true(hung_up(fd));
		close(fd);
	}
	/* The holder's own mistake costs it the session. */
	assert_int_equal(ask(holder, BENCH_OPEN, NULL, 0).code, BENCH_REFUSED);
	assert_true(hung_up(holder));
	close(holder);
	expect_free_again(f);
}

static void more_connections_than_there_are_slots_are_hung_up_on(void **state)
{
	enum { MANY = 64 };
	struct fixture *f = *state;
	struct pollfd fds[MANY];
	unsigned closed = 0;

	for (size_t i = 0; i < MANY; i++)
		fds[i] = (struct pollfd){.fd = client(f, 0, SOCK_STREAM), .events = POLLIN};
	/* Those that came last; the first ones may still say what they want. */
	assert_true(hung_up(fds[MANY - 1].fd));
	assert_true(poll(fds, MANY, 0) > 0);
	for (size_t i = 0; i < MANY; i++)
		closed += fds[i].revents != 0;
	assert_in_range(closed, 1, MANY - 17);
	assert_int_equal(ask(fds[0].fd, BENCH_OPEN, NULL, 0).code, BENCH_OK);
	for (size_t i = 0; i < MANY; i++)
		close(fds[i].fd);
}

static void it_stops_at_once_in_the_middle_of_everything(void **state)
{
	struct fixture *f = *state;
	int holder, down, up, unsaid;
	struct bench_reply s = open_session(f, 0, &holder);

	down = client(f, 0, SOCK_STREAM);
	assert_int_equal(ask(down, BENCH_DOWNLOAD, s.id, 60000).code, BENCH_OK);
	up = client(f, 0, SOCK_STREAM);
	assert_int_equal(ask(up, BENCH_UPLOAD, s.id, 60000).code, BENCH_OK);
	unsaid = client(f, 0, SOCK_STREAM);

	responder_free(f->responder);
	f->responder = NULL;
	assert_int_equal(count_threads(), 0);
	for (int i = 0; i < 3; i++)
		assert_true(hung_up((int[]){holder, up, unsaid}[i]));
	for (int i = 0; i < 4; i++)
		close((int[]){holder, down, up, unsaid}[i]);
}

static void a_port_that_is_taken_is_a_sentence_and_nothing_stays_open(void **state)
{
	struct fixture *f = *state;
	unsigned before = proc_count("/proc/self/fd");
	struct responder *second = NULL;
	struct diag d = {0};

	assert_int_equal(responder_new(f->base, &f->cfg, &second, &d), TM_EBUSY);
	assert_non_null(strstr(d.what, "cannot be opened: Address already in use"));
	assert_non_null(strstr(d.hint, "bench_port"));
	assert_null(second);
	assert_int_equal(proc_count("/proc/self/fd"), before);
}

/* As where IPv6 is disabled: nothing can be bound to an address of that family. */
static void a_host_that_lacks_a_family_serves_the_other(void **state)
{
	enum { MANY = 40 }; /* it pauses in between */
	struct fixture *f = *state;
	const struct ip here = f->cfg.addrs[0], nowhere = ip_v4((uint8_t[]){192, 0, 2, 1});
	struct diag d = {0};

	for (size_t has = 0; has < 2; has++) {
		responder_free(TAKE(f->responder));
		f->cfg.addrs[has] = here;
		f->cfg.addrs[!has] = nowhere;
		if (responder_new(f->base, &f->cfg, &f->responder, &d) != TM_OK)
			fail_msg("%s", d.what);
		for (int i = 0; i < MANY; i++)
			close(client(f, has, SOCK_STREAM));
	}
	responder_free(TAKE(f->responder));
	f->cfg.addrs[1] = nowhere;
	assert_int_equal(responder_new(f->base, &f->cfg, &f->responder, &d), TM_EUNSUPPORTED);
	assert_non_null(strstr(d.what, "192.0.2.1"));
	assert_null(f->responder);
}

/* The responder's end of the connection: it is in this process. */
static int accepted_end_of(int fd)
{
	struct sockaddr_storage own, peer;
	socklen_t own_len = sizeof(own);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &own_len), 0);
	for (int i = 0; i < 1024; i++) {
		socklen_t len = sizeof(peer);

		if (i != fd && getpeername(i, (struct sockaddr *)&peer, &len) == 0 && len == own_len &&
			memcmp(&peer, &own, len) == 0)
			return i;
	}
	fail_msg("nobody has accepted it");
	return -1;
}

static void what_nobody_acknowledges_is_given_up_when_a_stream_would_be(void **state)
{
	struct fixture *f = *state;

	for (size_t side = 0; side < 2; side++) {
		int holder, ms = -1;
		socklen_t len = sizeof(ms);

		assert_int_equal(open_session(f, side, &holder).code, BENCH_OK);
		assert_int_equal(
			getsockopt(accepted_end_of(holder), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &len), 0);
		assert_int_equal(ms, BENCH_STREAM_IDLE / MS);
		close(holder);
		expect_free_again(f);
	}
}

static void many_that_come_at_once_are_accepted_in_portions(void **state)
{
	enum { EACH = 30, PORTION = 32 };
	struct fixture *f = *state;
	int fds[2 * EACH];

	f->strangers = true;
	for (size_t i = 0; i < 2 * EACH; i++)
		fds[i] = connect_only(f, i % 2, SOCK_STREAM);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->asked, PORTION);
	/* The others are kept waiting, not lost. */
	while (f->asked < 2 * EACH)
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	for (size_t i = 0; i < 2 * EACH; i++) {
		assert_true(hung_up(fds[i]));
		close(fds[i]);
	}
}

/* So many more can be opened; what was the limit. */
static struct rlimit leave_descriptors(rlim_t n)
{
	struct rlimit before, now;
	int next = dup(STDIN_FILENO); /* descriptors are given out from the lowest free one */

	assert_true(next >= 0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	now = (struct rlimit){.rlim_cur = (rlim_t)next + n, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return before;
}

static void count_line(void *ctx, const char *line UNUSED, size_t n UNUSED)
{
	struct fixture *f = ctx;

	f->lines++;
}

static void a_node_out_of_descriptors_says_so_once_and_accepts_when_it_has_some(void **state)
{
	enum { TURNS = 6 }; /* of the loop: a failure and a pause each two */
	struct fixture *f = *state;
	int fd = connect_only(f, 0, SOCK_STREAM);
	struct rlimit before = leave_descriptors(0);

	log_set_sink(count_line, f);
	for (int i = 0; i < TURNS; i++)
		event_base_loop(f->base, EVLOOP_ONCE);
	log_set_sink(NULL, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(f->asked, 0);
	assert_int_equal(f->lines, 1);
	while (!f->asked)
		event_base_loop(f->base, EVLOOP_ONCE);
	assert_int_equal(ask(fd, BENCH_OPEN, NULL, 0).code, BENCH_OK);
	close(fd);
}

static void a_member_that_no_thread_can_be_had_for_does_not_fill_the_log(void **state)
{
	enum { TIMES = 3 };
	struct fixture *f = *state;
	int fds[TIMES];

	for (size_t i = 0; i < TIMES; i++)
		fds[i] = connect_only(f, 0, SOCK_STREAM);
	struct rlimit before = leave_descriptors(1); /* enough to accept, not for the thread's bell */
	log_set_sink(count_line, f);
	while (f->asked < TIMES)
		event_base_loop(f->base, EVLOOP_ONCE);
	log_set_sink(NULL, NULL);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(f->lines, 1);
	for (size_t i = 0; i < TIMES; i++) {
		assert_true(hung_up(fds[i]));
		close(fds[i]);
	}
	expect_free_again(f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(there_is_no_thread_until_somebody_comes),
		TEST(a_session_is_for_one_at_a_time_and_ids_are_not_repeated),
		TEST(a_stranger_is_hung_up_on_before_it_has_said_anything),
		TEST(echoes_come_back_for_the_holder_and_for_nobody_else),
		TEST(a_download_moves_bytes_until_its_time_is_over),
		TEST(an_upload_is_counted_to_the_byte),
		TEST(the_end_of_the_session_ends_its_streams),
		TEST(requests_at_the_wrong_moment_are_refused_and_end_the_connection),
		TEST(more_connections_than_there_are_slots_are_hung_up_on),
		TEST(what_nobody_acknowledges_is_given_up_when_a_stream_would_be),
		TEST(many_that_come_at_once_are_accepted_in_portions),
		TEST(a_node_out_of_descriptors_says_so_once_and_accepts_when_it_has_some),
		TEST(a_member_that_no_thread_can_be_had_for_does_not_fill_the_log),
		TEST(it_stops_at_once_in_the_middle_of_everything),
		TEST(a_host_that_lacks_a_family_serves_the_other),
		TEST(a_port_that_is_taken_is_a_sentence_and_nothing_stays_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
