/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/responder.h"

#include "base/loglimit.h"
#include "base/time.h"
#include "bench/worker.h"
#include "loop/timer.h"
#include "os/dgram.h"
#include "os/tcp.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>

enum {
	BACKLOG = 32,
	PORTION = 32, /* a test of 16 streams does not wait, a member's storm does */
};

#define PAUSE (250 * MS) /* from the first of a portion, or from a failure, until accepting goes on */

struct responder {
	struct responder_config cfg;
	int listeners[BENCH_SIDES], echo[BENCH_SIDES]; /* -1: the host lacks that family */
	struct event *callers[BENCH_SIDES]; /* somebody waits at the listener */
	bool paused;
	struct loop_timer *resume;
	unsigned accepted; /* of the portion */
	struct log_limit said_no_thread, said_no_accept; /* both can be provoked */
	struct bench_worker *worker; /* NULL until somebody came */
};

/* --- accepting --- */

static void pause_all(struct responder *r)
{
	r->paused = true;
	for (size_t i = 0; i < BENCH_SIDES; i++)
		if (r->callers[i])
			event_del(r->callers[i]);
}

/* Every connection costs the control thread a question about the netmap, and accepting would go on until
 * there are no more. Those who wait meanwhile fill the backlog, which is the kernel's to limit. */
static void count_accepted(struct responder *r)
{
	if (r->accepted++ == 0)
		loop_timer_in(r->resume, PAUSE);
	if (r->accepted >= PORTION)
		pause_all(r);
}

static bool hand_over(struct responder *r, int fd, const struct ip *from)
{
	int err = r->worker ? TM_OK : bench_worker_new(r->echo, &r->worker);

	if (err) {
		LOG_LIMITED(LOG_WARN, &r->said_no_thread, LOG_WHO_ALL, "bench: no thread for it, refusing",
			KV_IP("from", from), KV_ERR(err));
		return false;
	}
	return bench_worker_give(r->worker, fd, from);
}

static void accepted(struct responder *r, int fd, const struct ip *from)
{
	count_accepted(r);
	if (!r->cfg.is_member(r->cfg.ctx, from) || !hand_over(r, fd, from))
		tcp_close(fd);
}

/* Out of descriptors, most likely: accepting again at once would spin. */
static void not_accepted(struct responder *r, int e)
{
	LOG_LIMITED(LOG_WARN, &r->said_no_accept, LOG_WHO_ALL,
		"bench: connections cannot be accepted, trying again", KV_ERRNO(e));
	pause_all(r);
	loop_timer_in(r->resume, PAUSE);
}

static void on_callers(evutil_socket_t listener, short what UNUSED, void *ctx)
{
	struct responder *r = ctx;

	while (!r->paused) {
		struct endpoint from;
		int fd, err = tcp_accept((int)listener, &fd, &from);

		if (err == TM_EAGAIN)
			return;
		if (err)
			not_accepted(r, errno);
		else
			accepted(r, fd, &from.ip);
	}
}

static void on_resume(void *ctx)
{
	struct responder *r = ctx;

	r->accepted = 0;
	r->paused = false;
	for (size_t i = 0; i < BENCH_SIDES; i++)
		if (r->callers[i])
			(void)event_add(r->callers[i], NULL);
}

/* --- opening --- */

/* TM_EUNSUPPORTED, a host without IPv6 mostly: the other family is as good as ever. */
static int open_failed(const struct endpoint *at, int err, struct diag *d)
{
	int e = errno;
	char text[ENDPOINT_STR_LEN];

	if (err == TM_EBUSY)
		diag_hint(d, "choose another port with bench_port, or 0 for none");
	return diag_what(d, err, "%s cannot be opened: %s", endpoint_format(at, text), strerror(e));
}

static int open_side(struct responder *r, struct event_base *base, size_t i, struct diag *d)
{
	const struct endpoint at = {.ip = r->cfg.addrs[i], .port = r->cfg.port};
	int err = dgram_serve_at(r->cfg.ifname, &at, &r->echo[i]);

	if (!err)
		err = tcp_listen_at(r->cfg.ifname, &at, BACKLOG, &r->listeners[i]);
	if (err)
		return open_failed(&at, err, d);

	r->callers[i] = event_new(base, r->listeners[i], EV_READ | EV_PERSIST, on_callers, r);
	return r->callers[i] && event_add(r->callers[i], NULL) == 0 ? TM_OK : TM_ENOMEM;
}

/* One of them is enough. */
static int open_sides(struct responder *r, struct event_base *base, struct diag *d)
{
	int missing = TM_OK;
	bool any = false;

	for (size_t i = 0; i < BENCH_SIDES; i++) {
		int err = open_side(r, base, i, d);

		if (err && err != TM_EUNSUPPORTED)
			return err;
		any = any || !err;
		missing = err ? err : missing;
	}
	return any ? TM_OK : missing;
}

int responder_new(struct event_base *base, const struct responder_config *cfg,
	struct responder **ret_responder, struct diag *d)
{
	struct responder *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return TM_ENOMEM;

	r->cfg = *cfg;
	r->said_no_thread = r->said_no_accept = LOG_LIMIT_ONE;
	for (size_t i = 0; i < BENCH_SIDES; i++)
		r->listeners[i] = r->echo[i] = -1;
	err = loop_timer_new(base, on_resume, r, &r->resume);
	if (!err)
		err = open_sides(r, base, d);
	if (err) {
		responder_free(r);
		return err;
	}
	*ret_responder = r;
	return TM_OK;
}

void responder_free(struct responder *r)
{
	if (!r)
		return;

	for (size_t i = 0; i < BENCH_SIDES; i++) {
		if (r->callers[i])
			event_free(r->callers[i]);
		if (r->listeners[i] >= 0)
			tcp_close(r->listeners[i]);
	}
	loop_timer_free(r->resume);
	bench_worker_free(r->worker);
	for (size_t i = 0; i < BENCH_SIDES; i++)
		if (r->echo[i] >= 0)
			dgram_close(r->echo[i]);
	free(r);
}
