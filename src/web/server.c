/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "web/server.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "crypto/init.h"
#include "loop/timer.h"
#include "net/listen.h"
#include "os/tcp.h"

#define ACCEPT_AGAIN (250 * MS)

/* One address that is listened on, or shall be. */
struct web_door {
	struct web_server *server;
	struct endpoint wanted, at; /* at: what was bound */
	struct listener *listener; /* NULL: it cannot be listened on yet */
	bool told; /* why not */
};

/* --- who comes in --- */

/* Strangers first, and of them who has been longest at what it does: who never is through with a handshake,
 * with asking or with reading keeps no place, and who has just come has some time for it. */
static bool goes_before(const struct visit *a, const struct visit *b)
{
	return a->known == b->known ? a->since < b->since : !a->known;
}

/* Of that source, or of all; NULL: none of them may go. */
static struct visit *least_missed(struct web_server *s, const struct ip *source)
{
	struct visit *found = NULL;

	LIST_FOREACH (v, &s->visits, struct visit, by_age)
		if (visit_may_go(v) && (!source || visit_is_from(v, source)) &&
			(!found || goes_before(v, found)))
			found = v;
	return found;
}

/* Room for one more, of a source that has its share or when all places are taken: somebody makes it. */
static bool make_room(struct web_server *s, const struct ip *source)
{
	struct visit *out = NULL;
	size_t n = 0;

	LIST_FOREACH (v, &s->visits, struct visit, by_age)
		n += visit_is_from(v, source);
	if (n < s->cfg.each && s->n_visits < s->cfg.connections)
		return true;
	s->counters.crowded_out++;
	out = least_missed(s, n < s->cfg.each ? NULL : source);
	if (out)
		visit_end(out, true);
	return out != NULL;
}

static void on_accepted(void *ctx, int fd, const struct endpoint *from)
{
	const struct web_door *door = ctx;
	struct web_server *s = door->server;

	if (!make_room(s, &from->ip)) {
		tcp_close(fd);
		return;
	}
	visit_begin(s, door, &door->at, fd, from);
	if (!loop_timer_is_set(s->tick))
		loop_timer_in(s->tick, WEB_TICK);
}

/* No descriptor is left, most likely. */
static void on_accept_failed(void *ctx, int e UNUSED)
{
	const struct web_door *door = ctx;

	loop_timer_in(door->server->accept_again, ACCEPT_AGAIN);
}

static void on_accept_again(void *ctx)
{
	struct web_server *s = ctx;

	for (size_t i = 0; i < s->n_doors; i++)
		if (s->doors[i]->listener && listener_is_paused(s->doors[i]->listener))
			listener_resume(s->doors[i]->listener);
}

/* --- time --- */

/* A look a second at all of them, while there are any: they are few, and each has several deadlines. */
static void on_tick(void *ctx)
{
	struct web_server *s = ctx;
	const ns_t now = time_monotonic();

	LIST_FOREACH_SAFE (v, &s->visits, struct visit, by_age)
		visit_tick(v, now);
	if (s->n_visits > 0)
		loop_timer_in(s->tick, WEB_TICK);
}

static void on_soon(void *ctx)
{
	struct web_server *s = ctx;

	LIST_FOREACH_SAFE (v, &s->visits, struct visit, by_age)
		visit_settle(v);
}

/* --- listening --- */

static void door_open(struct web_door *door)
{
	struct web_server *s = door->server;
	const struct listener_events ev = {.ctx = door, .accepted = on_accepted, .failed = on_accept_failed};

	door->at = door->wanted;
	int err = listener_new(s->base, &door->at, s->cfg.mark, &ev, &door->listener);
	if (!err) {
		if (door->told)
			log_info("web: listens now", KV("what", s->cfg.what), KV_EP("at", &door->at));
		door->told = false;
		return;
	}
	const int e = errno;
	if (!door->told)
		log_warn("web: cannot listen, trying again", KV("what", s->cfg.what),
			KV_EP("at", &door->wanted), KV_ERRNO(e), KV_MS("retry_in", WEB_LISTEN_AGAIN));
	door->told = true;
	loop_timer_in(s->listen_again, WEB_LISTEN_AGAIN);
}

/* Who came by it is hung up on by the next tick: `gone` is told from the loop alone. */
static void door_close(struct web_door *door)
{
	LIST_FOREACH (v, &door->server->visits, struct visit, by_age) {
		if (v->door == door) {
			v->door = NULL;
			v->broken = true;
		}
	}
	listener_free(door->listener);
	free(door);
}

static void on_listen_again(void *ctx)
{
	struct web_server *s = ctx;

	for (size_t i = 0; i < s->n_doors; i++)
		if (!s->doors[i]->listener)
			door_open(s->doors[i]);
}

/* Takes the door of that address out of the list; NULL: there is none. */
static struct web_door *door_take(struct web_server *s, const struct endpoint *at)
{
	for (size_t i = 0; i < s->n_doors; i++) {
		struct web_door *door = s->doors[i];

		if (!endpoint_eq(&door->wanted, at))
			continue;
		s->doors[i] = s->doors[--s->n_doors];
		return door;
	}
	return NULL;
}

void web_server_listen(struct web_server *s, const struct endpoint *at, size_t n)
{
	struct web_door *next[WEB_LISTEN_MAX];
	size_t n_next = 0;

	for (size_t i = 0; i < n && n_next < WEB_LISTEN_MAX; i++) {
		struct web_door *door = door_take(s, &at[i]);

		if (!door)
			door = calloc(1, sizeof(*door));
		if (!door)
			continue;
		door->server = s;
		door->wanted = at[i];
		next[n_next++] = door;
	}
	for (size_t i = 0; i < s->n_doors; i++)
		door_close(s->doors[i]);
	memcpy(s->doors, next, n_next * sizeof(next[0]));
	s->n_doors = n_next;
	on_listen_again(s);
}

bool web_server_listens(const struct web_server *s, size_t i, struct endpoint *ret_at)
{
	if (i >= s->n_doors || !s->doors[i]->listener)
		return false;
	*ret_at = s->doors[i]->at;
	return true;
}

/* --- life --- */

int web_server_new(struct event_base *base, const struct web_config *cfg, struct web_server **ret_server)
{
	struct web_server *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return TM_ENOMEM;
	s->base = base;
	s->cfg = *cfg;
	s->cfg.connections = cfg->connections ? cfg->connections : WEB_CONNECTIONS;
	s->cfg.each = cfg->each ? cfg->each : WEB_EACH;
	list_init(&s->visits);
	s->tls = (struct tls_door){.ctx = s, .knock = visit_knock, .entered = visit_entered};
	random_bytes(s->key, sizeof(s->key));
	err = loop_timer_new(base, on_tick, s, &s->tick);
	if (!err)
		err = loop_timer_new(base, on_soon, s, &s->soon);
	if (!err)
		err = loop_timer_new(base, on_listen_again, s, &s->listen_again);
	if (!err)
		err = loop_timer_new(base, on_accept_again, s, &s->accept_again);
	if (err) {
		web_server_free(s);
		return err;
	}
	*ret_server = s;
	return TM_OK;
}

void web_server_free(struct web_server *s)
{
	if (!s)
		return;
	LIST_FOREACH_SAFE (v, &s->visits, struct visit, by_age)
		visit_end(v, false);
	for (size_t i = 0; i < s->n_doors; i++)
		door_close(s->doors[i]);
	loop_timer_free(s->tick);
	loop_timer_free(s->soon);
	loop_timer_free(s->listen_again);
	loop_timer_free(s->accept_again);
	wipe(s->key, sizeof(s->key));
	free(s);
}

const struct web_counters *web_server_counters(const struct web_server *s)
{
	return &s->counters;
}

size_t web_server_connections(const struct web_server *s)
{
	return s->n_visits;
}
