/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/streaming.h"

#include <stdio.h>
#include <string.h>

#include "node/drive.h"
#include "node/node_private.h"

static struct node_stream *find(struct node *n, const char *relay)
{
	for (size_t i = 0; i < ARRAY_LEN(n->streams.v); i++)
		if (strcmp(n->streams.v[i].relay, relay) == 0)
			return &n->streams.v[i];
	return NULL;
}

static size_t question(void *ctx, uint8_t *out, size_t max)
{
	const struct node_stream *s = ctx;
	ns_t now = time_monotonic();

	return core_stream_question(
		s->n->path_core, s->relay, now, node_clock_read(&s->n->clock, time_real(), now), out, max);
}

static bool answer(void *ctx, const uint8_t *p, size_t len)
{
	const struct node_stream *s = ctx;

	return core_stream_answered(s->n->path_core, s->relay, p, len);
}

static void tell(struct node_stream *s, const struct endpoint *remote)
{
	struct core_in in = {.kind = CORE_STREAM, .id = s->relay, .stream = {.socket = s->number}};

	if (remote)
		in.stream.remote = *remote;
	drive_input(s->n, &in);
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
	struct node_stream *s = ctx;
	struct node *n = s->n;
	const struct endpoint remote = r_take->remote;

	int err = streaming_give(n, WS_CLIENT, 0, r_take, &s->number);
	if (err) {
		LOG_LIMITED(LOG_WARN, &n->log.path, LOG_WHO_ALL,
			"node: the stream to the relay cannot be used, trying again", KV_ERR(err));
		agent_stream_lost(n->agent, s->relay);
		return;
	}
	s->up = true;
	log_debug("node: the stream to the relay is up", KV_EP("at", &remote));
	tell(s, &remote);
}

void streaming_open(struct node *n, const char *relay)
{
	struct node_stream *s = find(n, "");
	struct agent_stream_events ev = {
		.asker = {.ctx = s, .question = question, .answer = answer}, .ctx = s, .up = on_up};

	if (!s || find(n, relay))
		return;
	s->n = n;
	snprintf(s->relay, sizeof(s->relay), "%s", relay);
	if (agent_stream_open(n->agent, relay, &ev) != TM_OK)
		s->relay[0] = '\0'; /* the core wants fewer than there may be */
}

void streaming_close(struct node *n, const char *relay)
{
	struct node_stream *s = find(n, relay);

	if (!s)
		return;
	agent_stream_close(n->agent, relay);
	if (s->up)
		plane_stream_remove(n->plane, s->number);
	*s = (struct node_stream){.up = false};
}

/* The place of the one that is up by that number; AGENT_STREAMS_MAX: there is none. */
static size_t place_of(const struct node *n, uint32_t number)
{
	size_t i = 0;

	while (i < ARRAY_LEN(n->streams.v) && !(n->streams.v[i].up && n->streams.v[i].number == number))
		i++;
	return i;
}

bool streaming_has(const struct node *n, uint32_t number)
{
	return place_of(n, number) < AGENT_STREAMS_MAX;
}

bool streaming_lost(struct node *n, uint32_t number)
{
	const size_t at = place_of(n, number);

	if (at == AGENT_STREAMS_MAX)
		return false;
	struct node_stream *s = &n->streams.v[at];
	s->up = false;
	agent_stream_lost(n->agent, s->relay);
	tell(s, NULL);
	return true;
}
