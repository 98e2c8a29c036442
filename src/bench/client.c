/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/client.h"

#include <errno.h>
#include <string.h>

#include "bench/phase.h"
#include "os/dgram.h"
#include "os/interrupt.h"
#include "os/tcp.h"
#include "os/wait.h"

#define RETRY (200 * MS) /* while there is no path yet, the tunnel answers with ICMP errors */

double bench_bits_per_second(const struct bench_measure *m)
{
	return m->elapsed > 0 ? (double)m->bytes * 8 * (double)SEC / (double)m->elapsed : 0;
}

/* --- sentences --- */

static int interrupted(struct diag *d)
{
	return diag_what(d, TM_EAGAIN, "interrupted before the end");
}

int bench_client_refused(const struct bench_client *c, enum bench_code code, struct diag *d)
{
	const char *name = c->target->name;

	switch (code) {
	case BENCH_OK:
		break;
	case BENCH_BUSY:
		diag_hint(d, "it serves one at a time: try again in a minute");
		return diag_what(d, TM_EBUSY, "%s is busy with somebody else's bench", name);
	case BENCH_OTHER_VERSION:
		diag_hint(d, "update the older one");
		return diag_what(d, TM_EVERSION,
			"%s runs a version of tunnelmesh whose bench does not fit this one's", name);
	case BENCH_NO_SESSION:
		return diag_what(d, TM_ECLOSED, "%s has given this bench up", name);
	case BENCH_REFUSED:
		return diag_what(d, TM_EPERM, "%s refuses this bench", name);
	}
	return TM_OK;
}

/* Somebody is there, and says no. */
static bool was_refused(int err)
{
	return err == TM_EUNREACH && errno == ECONNREFUSED;
}

static bool was_silent(int err)
{
	return err == TM_ETIMEOUT || (err == TM_EUNREACH && !was_refused(err));
}

int bench_client_lost(const struct bench_client *c, int err, struct diag *d)
{
	const char *name = c->target->name;

	if (err == TM_EAGAIN)
		return interrupted(d);
	if (was_silent(err))
		return diag_what(d, TM_ETIMEOUT, "%s stopped answering in the middle of the bench", name);

	diag_hint(d, "was tunnelmesh stopped there?");
	return diag_what(d, TM_ECLOSED, "%s ended the bench before it was through", name);
}

static int not_reached(const struct bench_target *t, int err, struct diag *d)
{
	if (err == TM_EAGAIN)
		return interrupted(d);
	if (was_refused(err)) {
		diag_hint(d, "bench_port there is 0 or another one, or its tunnelmesh is older");
		return diag_what(d, TM_EUNREACH, "%s answers no bench on port %u", t->name, t->port);
	}
	if (was_silent(err)) {
		if (!t->online) {
			diag_hint(d, "start tunnelmesh there, or see `tunnelmesh status` for the way to it");
			return diag_what(d, TM_ETIMEOUT, "%s does not answer, it is offline", t->name);
		}
		diag_hint(d,
			"`tunnelmesh ping %s` shows whether the tunnel works; a firewall there may "
			"block the port",
			t->name);
		return diag_what(d, TM_ETIMEOUT, "%s does not answer on TCP port %u", t->name, t->port);
	}
	return diag_what(d, err, "%s cannot be reached: %s", t->name, strerror(errno));
}

/* --- connections --- */

/* TM_ETIMEOUT at the deadline, TM_EAGAIN for an interrupt. */
static int wait_for(int fd, enum wait_what what, ns_t deadline)
{
	struct wait_set *waits = NULL;
	size_t place;
	int err = wait_set_new(&waits);

	if (!err)
		err = wait_add(waits, fd, what, &place);
	while (!err) {
		ns_t now = time_monotonic();

		if (now >= deadline)
			err = TM_ETIMEOUT;
		else if (interrupt_came())
			err = TM_EAGAIN;
		else
			wait_until_ready(waits, deadline - now);
		if (!err && wait_ready(waits, place))
			break;
	}
	wait_set_free(waits);
	return err;
}

struct endpoint bench_client_peer(const struct bench_target *t)
{
	return (struct endpoint){.ip = t->ip, .port = t->port};
}

static int connect_until(const struct bench_target *t, ns_t deadline, int *ret_fd)
{
	const struct endpoint to = bench_client_peer(t);
	int fd, err = tcp_connect(&to, 0, &fd);

	if (err)
		return err;

	err = wait_for(fd, WAIT_WRITE, deadline);
	if (!err)
		err = tcp_connected(fd);
	if (err) {
		tcp_close(fd);
		return err;
	}
	*ret_fd = fd;
	return TM_OK;
}

static int connect_patiently(const struct bench_target *t, ns_t deadline, int *ret_fd)
{
	for (;;) {
		int err = connect_until(t, deadline, ret_fd);

		if (err != TM_EUNREACH || was_refused(err) || time_monotonic() + RETRY > deadline)
			return err;
		interrupt_rest(RETRY);
		if (interrupt_came())
			return TM_EAGAIN;
	}
}

/* --- the control connection --- */

static int exchange(int fd, const uint8_t request[static BENCH_REQUEST_LEN], ns_t deadline,
	uint8_t reply[static BENCH_REPLY_LEN])
{
	size_t have = 0, n;

	/* Nothing else is queued on this connection: it fits. */
	if (tcp_send(fd, request, BENCH_REQUEST_LEN, &n) != TM_OK || n != BENCH_REQUEST_LEN)
		return TM_ECLOSED;

	while (have < BENCH_REPLY_LEN) {
		int err = wait_for(fd, WAIT_READ, deadline);
		if (err)
			return err;

		err = tcp_recv(fd, reply + have, BENCH_REPLY_LEN - have, &n);
		if (err && err != TM_EAGAIN)
			return err;
		have += err ? 0 : n;
	}
	return TM_OK;
}

int bench_client_ask(struct bench_client *c, const struct bench_request *r, ns_t deadline,
	struct bench_reply *ret_reply, struct diag *d)
{
	uint8_t request[BENCH_REQUEST_LEN], reply[BENCH_REPLY_LEN];
	int err;

	bench_request_encode(r, request);
	err = exchange(c->control, request, deadline, reply);
	if (err == TM_ECLOSED && r->type == BENCH_OPEN) {
		/* It hangs up on strangers, before they have said anything. */
		diag_hint(d, "it may not have heard of this machine yet: try again in a moment");
		return diag_what(d, TM_EPERM, "%s hung up", c->target->name);
	}
	if (err)
		return bench_client_lost(c, err, d);

	err = bench_reply_decode(reply, sizeof(reply), ret_reply);
	if (err == TM_EVERSION)
		return bench_client_refused(c, BENCH_OTHER_VERSION, d);
	if (err)
		return diag_what(d, err, "the answer of %s on port %u is no answer to a bench",
			c->target->name, c->target->port);

	return bench_client_refused(c, ret_reply->code, d);
}

int bench_client_open(const struct bench_target *t, struct bench_client *ret_client, struct diag *d)
{
	struct bench_client c = {.target = t, .control = -1, .echo = -1};
	const struct bench_request open = {.type = BENCH_OPEN};
	const struct endpoint to = bench_client_peer(t);
	struct bench_reply reply;
	ns_t deadline = time_monotonic() + BENCH_OPEN_WAIT;
	int err = TM_ENOMEM;

	c.chunk = calloc(1, BENCH_CHUNK);
	if (!c.chunk)
		goto fail;
	err = connect_patiently(t, deadline, &c.control);
	if (err)
		err = not_reached(t, err, d);
	else
		err = bench_client_ask(&c, &open, deadline, &reply, d);
	if (err)
		goto fail;
	memcpy(c.id, reply.id, BENCH_ID);
	err = dgram_connect(&to, &c.echo);
	if (err) {
		err = not_reached(t, err, d);
		goto fail;
	}
	*ret_client = c;
	return TM_OK;

fail:
	bench_client_close(&c);
	return err;
}

void bench_client_close(struct bench_client *c)
{
	if (c->control >= 0)
		tcp_close(c->control);
	if (c->echo >= 0)
		dgram_close(c->echo);
	free(c->chunk);
	*c = (struct bench_client){.control = -1, .echo = -1};
}

int bench_client_run(struct bench_client *c, const struct bench_watch *watch, struct bench_results *results,
	struct diag *d)
{
	int err = TM_OK;

	*results = (struct bench_results){0};
	for (unsigned i = 0; i < BENCH_PHASE_N && !err; i++)
		err = bench_phase_run(c, i, watch, &results->phases[i], d);
	return err;
}
