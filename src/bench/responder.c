/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/responder.h"

#include "base/loglimit.h"
#include "base/time.h"
#include "bench/worker.h"
#include "loop/timer.h"
#include "os/os.h"
#include "os/sockaddr.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BACKLOG = 32,
	PORTION = 32, /* a test of 16 streams does not wait, a member's storm does */
};

#define PAUSE (250 * MS) /* from the first of a portion, or from a failure, until accepting goes on */

struct responder {
	struct responder_config cfg;
	struct evconnlistener *listeners[BENCH_SIDES]; /* NULL: the host lacks that family */
	struct loop_timer *resume;
	unsigned accepted; /* of the portion */
	struct log_limit said_no_thread, said_no_accept; /* both can be provoked */
	int echo[BENCH_SIDES];
	struct bench_worker *worker; /* NULL until somebody came */
};

/* --- accepting --- */

static void pause_all(struct responder *r)
{
	for (size_t i = 0; i < BENCH_SIDES; i++)
		if (r->listeners[i])
			evconnlistener_disable(r->listeners[i]);
}

/* Every connection costs the control thread a question about the netmap, and the listener would go on until
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

static void on_accept(struct evconnlistener *l UNUSED, evutil_socket_t fd, struct sockaddr *sa,
	int sa_len UNUSED, void *ctx)
{
	struct responder *r = ctx;
	struct endpoint from;

	count_accepted(r);
	if (endpoint_from_sockaddr(sa, &from) != TM_OK || !r->cfg.is_member(r->cfg.ctx, &from.ip) ||
		!hand_over(r, fd, &from.ip))
		close(fd);
}

/* Out of descriptors, most likely: accepting again at once would spin. */
static void on_accept_error(struct evconnlistener *l UNUSED, void *ctx)
{
	struct responder *r = ctx;
	int e = errno;

	LOG_LIMITED(LOG_WARN, &r->said_no_accept, LOG_WHO_ALL,
		"bench: connections cannot be accepted, trying again", KV_ERRNO(e));
	pause_all(r);
	loop_timer_in(r->resume, PAUSE);
}

static void on_resume(void *ctx)
{
	struct responder *r = ctx;

	r->accepted = 0;
	for (size_t i = 0; i < BENCH_SIDES; i++)
		if (r->listeners[i])
			evconnlistener_enable(r->listeners[i]);
}

/* --- opening --- */

/* A socket of that type, bound, or a negative errno. */
static int open_socket(const struct responder_config *cfg, const struct ip *addr, int type)
{
	const struct endpoint ep = {.ip = *addr, .port = cfg->port};
	struct sockaddr_storage ss;
	socklen_t len = endpoint_to_sockaddr(&ep, &ss);
	int one = 1;
	int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;

	/* After a restart, while connections of before are in TIME_WAIT. */
	if (type == SOCK_STREAM)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if ((!cfg->ifname || os_bind_to_device(fd, cfg->ifname) == TM_OK) &&
		bind(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;

	int e = errno;
	close(fd);
	return -e;
}

/* A host without IPv6, mostly: the other family is as good as ever. */
static bool family_is_missing(int e)
{
	return e == EAFNOSUPPORT || e == EADDRNOTAVAIL;
}

/* TM_EUNSUPPORTED: the host has no such addresses. */
static int open_failed(const struct responder_config *cfg, const struct ip *addr, int e, struct diag *d)
{
	const struct endpoint ep = {.ip = *addr, .port = cfg->port};
	char text[ENDPOINT_STR_LEN];

	if (e == EADDRINUSE)
		diag_hint(d, "choose another port with bench_port, or 0 for none");
	int err = e == EADDRINUSE ? TM_EBUSY : family_is_missing(e) ? TM_EUNSUPPORTED : tm_err_from_errno(e);
	return diag_what(d, err, "%s cannot be opened: %s", endpoint_format(&ep, text), strerror(e));
}

static int open_side(struct responder *r, struct event_base *base, size_t i, struct diag *d)
{
	const struct ip *addr = &r->cfg.addrs[i];
	int fd = open_socket(&r->cfg, addr, SOCK_DGRAM);

	if (fd < 0)
		return open_failed(&r->cfg, addr, -fd, d);
	r->echo[i] = fd;

	fd = open_socket(&r->cfg, addr, SOCK_STREAM);
	if (fd < 0)
		return open_failed(&r->cfg, addr, -fd, d);
	if (listen(fd, BACKLOG) < 0) {
		int e = errno;

		close(fd);
		return open_failed(&r->cfg, addr, e, d);
	}
	r->listeners[i] =
		evconnlistener_new(base, on_accept, r, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!r->listeners[i]) {
		close(fd);
		return TM_ENOMEM;
	}
	evconnlistener_set_error_cb(r->listeners[i], on_accept_error);
	return TM_OK;
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
		r->echo[i] = -1;
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

	for (size_t i = 0; i < BENCH_SIDES; i++)
		if (r->listeners[i])
			evconnlistener_free(r->listeners[i]);
	loop_timer_free(r->resume);
	bench_worker_free(r->worker);
	for (size_t i = 0; i < BENCH_SIDES; i++)
		closep(&r->echo[i]);
	free(r);
}
