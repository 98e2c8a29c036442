/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "web/server.h"

#define PATIENCE (40 * SEC) /* of the machine's clock: longer than anything takes where much else runs */

/* --- the clock, which stands still unless it is moved --- */

static ns_t now = 1000 * SEC;

static struct {
	struct loop_timer *t;
	ns_t due;
} waiting[16];
static size_t n_waiting;

ns_t __real_time_monotonic(void);
ns_t __wrap_time_monotonic(void);
void __real_loop_timer_in(struct loop_timer *t, ns_t in);
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in);
void __real_loop_timer_free(struct loop_timer *t);
void __wrap_loop_timer_free(struct loop_timer *t);

ns_t __wrap_time_monotonic(void)
{
	return now;
}

static void forget(const struct loop_timer *t)
{
	for (size_t i = 0; i < n_waiting; i++)
		if (waiting[i].t == t)
			waiting[i--] = waiting[--n_waiting];
}

/* However long the machine takes, it is not due before (loop/timer.c asks the same clock). */
void __wrap_loop_timer_in(struct loop_timer *t, ns_t in)
{
	forget(t);
	if (in > 0) {
		assert_true(n_waiting < ARRAY_LEN(waiting));
		waiting[n_waiting].t = t;
		waiting[n_waiting++].due = now + in;
	}
	__real_loop_timer_in(t, in);
}

void __wrap_loop_timer_free(struct loop_timer *t)
{
	forget(t);
	__real_loop_timer_free(t);
}

/* The one that is due first, at that time at the latest; NULL: none. */
static struct loop_timer *take_due(ns_t until)
{
	size_t first = 0;

	for (size_t i = 1; i < n_waiting; i++)
		if (waiting[i].due < waiting[first].due)
			first = i;
	if (n_waiting == 0 || waiting[first].due > until)
		return NULL;
	struct loop_timer *t = waiting[first].t;
	now = waiting[first].due;
	forget(t);
	return t;
}

void rig_pass(struct rig *g, ns_t time)
{
	const ns_t until = now + time;

	for (struct loop_timer *t; (t = take_due(until));) {
		if (loop_timer_is_set(t))
			__real_loop_timer_in(t, 0);
		rig_turn(g);
	}
	now = until;
	rig_turn(g);
}

void rig_turn(struct rig *g)
{
	event_base_loop(g->base, EVLOOP_NONBLOCK);
}

ns_t rig_deadline(void)
{
	return __real_time_monotonic() + PATIENCE;
}

bool rig_wait(ns_t deadline)
{
	(void)poll(NULL, 0, 1);
	return __real_time_monotonic() < deadline;
}

/* --- the server's side --- */

static void who(void *ctx, const struct web_caller *c, struct web_viewer *ret_viewer)
{
	const struct rig *g = ctx;

	assert_true(ip_is_loopback(&c->from.ip) || g->pretends);
	assert_true(endpoint_eq(&c->at, &g->at));
	ret_viewer->role = g->role;
	snprintf(ret_viewer->name, sizeof(ret_viewer->name), "%s", c->cookie ? c->cookie : "alpha");
}

static bool is_host(void *ctx UNUSED, const char *host)
{
	return strcmp(host, "this.mesh") == 0;
}

static void answer(struct web_request *r, const char *text)
{
	web_answer(r, 200, &(struct web_body){.type = "text/plain", .p = text, .n = strlen(text)});
}

static void on_hello(void *ctx, struct web_request *r)
{
	struct rig *g = ctx;
	const char *q = web_query(r, "q");

	g->handled++;
	snprintf(g->said, sizeof(g->said), "%s", q ? q : "-");
	answer(r, "hello");
}

static void on_post(void *ctx, struct web_request *r)
{
	struct rig *g = ctx;

	g->handled++;
	snprintf(g->said, sizeof(g->said), "%s=%s", web_param(r, 0), web_form(r, "value"));
	web_see(r, "/hello");
}

static void on_token(void *ctx UNUSED, struct web_request *r)
{
	answer(r, web_token(r));
}

static void on_gone(void *ctx)
{
	struct rig *g = ctx;

	g->gone++;
	g->kept = NULL;
	g->stream = NULL;
}

static void on_later(void *ctx, struct web_request *r)
{
	struct rig *g = ctx;

	g->kept = r;
	web_keep(r, on_gone, g);
}

static void on_watch(void *ctx, struct web_request *r)
{
	struct rig *g = ctx;
	struct web_stream *st = web_stream_begin(r, on_gone, g);

	if (st)
		g->stream = st;
}

static void on_nothing(void *ctx UNUSED, struct web_request *r UNUSED)
{
}

static void on_large(void *ctx UNUSED, struct web_request *r)
{
	static char large[ANSWER_MAX / 2];

	memset(large, 'x', sizeof(large));
	web_answer(r, 200, &(struct web_body){.type = "text/plain", .p = large, .n = sizeof(large)});
}

static const struct web_route routes[] = {
	{"/hello", on_hello, NULL, WEB_ANYONE, 0},
	{"/token", on_token, NULL, WEB_MEMBER, 0},
	{"/set/+", NULL, on_post, WEB_ADMIN, 64},
	{"/large", on_large, NULL, WEB_ANYONE, 0},
	{"/later", on_later, NULL, WEB_ANYONE, 0},
	{"/nothing", on_nothing, NULL, WEB_ANYONE, 0},
	{"/watch", on_watch, NULL, WEB_ANYONE, 0},
};

void rig_open(struct rig *g, uint32_t connections, uint32_t each)
{
	const struct web_config cfg = {.routes = routes,
		.n_routes = ARRAY_LEN(routes),
		.ctx = g,
		.who = who,
		.is_host = is_host,
		.what = "test",
		.connections = connections,
		.each = each};

	rig_serve(g, &cfg);
}

void rig_serve(struct rig *g, const struct web_config *cfg)
{
	*g = (struct rig){.base = event_base_new(), .role = WEB_ADMIN};
	assert_int_equal(crypto_init(NULL), TM_OK);
	assert_int_equal(web_server_new(g->base, cfg, &g->server), TM_OK);
	assert_int_equal(endpoint_parse("127.0.0.1:0", &g->at), TM_OK);
	web_server_listen(g->server, &g->at, 1);
	assert_true(web_server_listens(g->server, 0, &g->at));
}

void rig_close(struct rig *g)
{
	web_server_free(g->server);
	event_base_free(g->base);
}

/* --- those who ask --- */

/* Changes with each that was let in, or was not. */
static uint64_t decided(const struct rig *g)
{
	return g->server->counters.connections + g->server->counters.crowded_out;
}

int rig_dial(struct rig *g)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_port = htons(g->at.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const uint64_t before = g->server ? decided(g) : 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	RIG_EXPECT(g, !g->server || decided(g) != before);
	return fd;
}

struct visit *rig_visit(struct rig *g)
{
	return CONTAINER_OF(g->server->visits.prev, struct visit, by_age);
}

int rig_dial_as(struct rig *g, const char *source)
{
	int fd = rig_dial(g);

	assert_int_equal(ip_parse(source, &rig_visit(g)->caller.from.ip), TM_OK);
	g->pretends = true;
	return fd;
}

void rig_say(struct rig *g, int fd, const char *text)
{
	const ns_t deadline = rig_deadline();
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno != EAGAIN)
			return; /* it has been hung up on: what is heard says so */
		if (sent > 0) {
			text += sent;
			n -= (size_t)sent;
		}
		rig_turn(g);
		if (sent < 0 && !rig_wait(deadline))
			fail_msg("nobody listens to: %s", text);
	}
}

static bool is_whole(const char *text, size_t n)
{
	const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");

	return end && length && length < end &&
	       n >= (size_t)(end + 4 - text) + strtoul(length + strlen("Content-Length: "), NULL, 10);
}

static char heard[ANSWER_MAX];

/* False: not within the time that anything takes. */
static bool hear(struct rig *g, int fd, bool end)
{
	const ns_t deadline = rig_deadline();
	size_t n = 0;

	for (heard[0] = '\0';;) {
		rig_turn(g);
		ssize_t got = recv(fd, heard + n, sizeof(heard) - 1 - n, MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return true;
		if (got > 0)
			heard[n += (size_t)got] = '\0';
		if (got > 0 && !end && is_whole(heard, n))
			return true;
		if (got < 0 && !rig_wait(deadline))
			return false;
	}
}

const char *rig_hear(struct rig *g, int fd)
{
	if (!hear(g, fd, false))
		fail_msg("no whole answer: %s", heard);
	return heard;
}

const char *rig_hear_end(struct rig *g, int fd)
{
	if (!hear(g, fd, true))
		fail_msg("no end: %s", heard);
	return heard;
}

bool rig_is_over(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char c;

	return poll(&p, 1, 0) == 1 && recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) <= 0;
}

const char *rig_ask(struct rig *g, const char *text)
{
	int fd = rig_dial(g);

	rig_say(g, fd, text);
	rig_hear(g, fd);
	close(fd);
	rig_turn(g);
	return heard;
}
