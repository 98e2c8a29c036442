/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/streaming.h"

#include <stdio.h>

#include "control/agent/stream.h"
#include "node/drive.h"
#include "node/node_private.h"

static size_t question(void *ctx, uint8_t *out, size_t max)
{
	struct node *n = ctx;
	ns_t now = time_monotonic();

	return core_stream_question(
		n->path_core, n->stream.relay, now, node_clock_read(&n->clock, time_real(), now), out, max);
}

static bool answer(void *ctx, const uint8_t *p, size_t len)
{
	const struct node *n = ctx;

	return core_stream_answered(n->path_core, n->stream.relay, p, len);
}

static void tell(struct node *n, const struct endpoint *remote)
{
	struct core_in in = {
		.kind = CORE_STREAM, .id = n->stream.relay, .stream = {.socket = n->stream.number}};

	if (remote)
		in.stream.remote = *remote;
	drive_input(n, &in);
}

int streaming_give(
	struct node *n, enum ws_role role, uint32_t host, struct net_released *r_take, uint32_t *ret_number)
{
	static const struct plane_stream_io tls = {
		.read = tls_io_read, .write = tls_io_write, .pending = tls_io_pending, .free = tls_io_free};
	const struct plane_stream s = {
		.fd = r_take->fd,
		.io = r_take->tls ? &tls : NULL,
		.ctx = r_take->tls,
		.role = role,
		.remote = r_take->remote,
		.host = host,
		.early = r_take->early,
		.n_early = r_take->n_early,
	};
	int err = plane_stream_add(n->plane, &s, ret_number);

	r_take->fd = -1; /* taken, whatever came of it */
	r_take->tls = NULL;
	net_released_deinit(r_take);
	return err;
}

static void on_up(void *ctx, struct net_released *r_take)
{
	struct node *n = ctx;
	const struct endpoint remote = r_take->remote;

	int err = streaming_give(n, WS_CLIENT, 0, r_take, &n->stream.number);
	if (err) {
		LOG_LIMITED(LOG_WARN, &n->log.path, LOG_WHO_ALL,
			"node: the stream to the relay cannot be used, trying again", KV_ERR(err));
		agent_stream_lost(n->agent);
		return;
	}
	n->stream.up = true;
	log_debug("node: the stream to the relay is up", KV_EP("at", &remote));
	tell(n, &remote);
}

void streaming_open(struct node *n, const char *relay)
{
	const struct agent_stream_events ev = {
		.asker = {.ctx = n, .question = question, .answer = answer}, .ctx = n, .up = on_up};

	snprintf(n->stream.relay, sizeof(n->stream.relay), "%s", relay);
	agent_stream_open(n->agent, &ev);
}

void streaming_close(struct node *n)
{
	agent_stream_close(n->agent);
	if (n->stream.up)
		plane_stream_remove(n->plane, n->stream.number);
	n->stream = (struct streaming_state){.up = false};
}

bool streaming_has(const struct node *n, uint32_t number)
{
	return n->stream.up && n->stream.number == number;
}

bool streaming_lost(struct node *n, uint32_t number)
{
	if (!streaming_has(n, number))
		return false;
	n->stream.up = false;
	agent_stream_lost(n->agent);
	tell(n, NULL);
	return true;
}
