/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/legstreams.h"

#include <string.h>

#include "base/map.h"
#include "control/relay/registrar.h"
#include "data/plane/stream.h"
#include "node/drive.h"
#include "node/node_private.h"
#include "node/relaying.h"
#include "node/streaming.h"

/* A member's stream. */
struct legstream {
	char id[NODE_ID_LEN];
	uint32_t number;
	struct endpoint remote;
};

struct legstreams {
	struct node *n;
	struct stream_taker taker;
	struct map *by_number, *by_id;
	/* Between its proof and its connection, which come in one turn of the loop. */
	struct registrar_out proved;
};

static struct way_to way_of(const struct legstream *l)
{
	return (struct way_to){.kind = WAY_RELAY_TCP, .socket = l->number, .remote = l->remote};
}

/* It is in no list any more. */
static void tell_down(struct legstreams *s, struct legstream *l)
{
	struct registrar *r = relaying_registrar(s->n);
	char id[NODE_ID_LEN + 1] = "";
	const struct way_to way = way_of(l);
	struct registrar_out out;

	memcpy(id, l->id, NODE_ID_LEN);
	if (r) {
		registrar_stream_down(r, id, &way, &out);
		relaying_act(s->n, &out);
	}
	drive_input(s->n, &(struct core_in){.kind = CORE_STREAM_GONE, .id = id, .gone = l->number});
	free(l);
}

static struct legstream *take_out(struct legstreams *s, struct legstream *l)
{
	(void)map_remove(s->by_number, &l->number);
	if (map_get(s->by_id, l->id) == l)
		(void)map_remove(s->by_id, l->id);
	return l;
}

bool legstreams_has(const struct legstreams *s, uint32_t stream)
{
	return map_get(s->by_number, &stream) != NULL;
}

bool legstreams_lost(struct legstreams *s, uint32_t stream)
{
	struct legstream *l = map_get(s->by_number, &stream);

	if (!l)
		return false;
	tell_down(s, take_out(s, l));
	return true;
}

static void end(struct legstreams *s, struct legstream *l)
{
	plane_stream_remove(s->n->plane, l->number);
	tell_down(s, take_out(s, l));
}

void legstreams_forget(struct legstreams *s, const char *id)
{
	struct legstream *l;

	if (id) {
		l = map_get(s->by_id, id);
		if (l)
			end(s, l);
		return;
	}
	for (size_t i = 0; (l = map_next(s->by_number, &i)); i = 0)
		end(s, l);
}

/* --- taking --- */

static bool on_prove(void *ctx, const struct endpoint *from, const uint8_t *p, size_t n, uint8_t *answer,
	size_t answer_max, size_t *ret_n)
{
	struct legstreams *s = ctx;
	struct registrar *r = relaying_registrar(s->n);

	if (!r || registrar_stream(r, from, p, n, time_monotonic(), &s->proved) != TM_OK ||
		s->proved.n > answer_max)
		return false;
	memcpy(answer, s->proved.answer, s->proved.n);
	*ret_n = s->proved.n;
	return true;
}

static int remember(struct legstreams *s, uint32_t number, const struct endpoint *remote)
{
	struct legstream *l = calloc(1, sizeof(*l));

	if (!l)
		return TM_ENOMEM;
	memcpy(l->id, s->proved.member.id, NODE_ID_LEN);
	l->number = number;
	l->remote = *remote;
	int err = map_put(s->by_number, &l->number, l);
	if (!err)
		err = map_put(s->by_id, l->id, l);
	if (err) {
		(void)map_remove(s->by_number, &l->number);
		free(l);
	}
	return err;
}

static void on_take(void *ctx, struct net_released *r_take)
{
	struct legstreams *s = ctx;
	const struct registrar_member *m = &s->proved.member;
	struct legstream *before = map_get(s->by_id, m->id);
	const struct endpoint remote = r_take->remote;
	struct registrar_out out;
	uint32_t number;

	if (before)
		end(s, before);
	if (streaming_give(s->n, WS_SERVER, m->host, r_take, &number) != TM_OK)
		return; /* the member sees the end, and comes again */
	if (remember(s, number, &remote) != TM_OK) {
		plane_stream_remove(s->n->plane, number);
		return;
	}
	const struct way_to way = {.kind = WAY_RELAY_TCP, .socket = number, .remote = remote};
	registrar_stream_up(relaying_registrar(s->n), m->id, &way, s->proved.wanted, &out);
	relaying_act(s->n, &out);
}

/* --- life --- */

int legstreams_new(struct node *n, struct legstreams **ret_s)
{
	struct legstreams *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;
	s->n = n;
	s->taker = (struct stream_taker){.ctx = s, .prove = on_prove, .take = on_take};
	int err = map_new(sizeof(uint32_t), &s->by_number);
	if (!err)
		err = map_new(NODE_ID_LEN, &s->by_id);
	if (err) {
		legstreams_free(s);
		return err;
	}
	*ret_s = s;
	return TM_OK;
}

void legstreams_free(struct legstreams *s)
{
	if (!s)
		return;

	for (size_t i = 0; s->by_number;) {
		struct legstream *l = map_next(s->by_number, &i);

		if (!l)
			break;
		free(l);
	}
	map_free(s->by_number);
	map_free(s->by_id);
	free(s);
}

const struct stream_taker *legstreams_taker(const struct legstreams *s)
{
	return &s->taker;
}
