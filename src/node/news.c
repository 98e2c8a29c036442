/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/news.h"

#include "base/hashset.h"
#include "base/loglimit.h"

#include <string.h>

/* What was told of a peer last; those that were never used have no record. */
enum told { TOLD_NOTHING, TOLD_UP, TOLD_LOST, TOLD_OUT_OF_REACH };

struct peer_news {
	uint8_t key[32];
	enum told told;
	struct endpoint at;
};

struct news {
	struct hashset peers; /* struct peer_news */
	struct log_limit states, members; /* a peer may come and go as it likes */
	struct log_limit ports; /* a gateway as well */
	struct portmap_view port; /* as told last */
	news_event_fn *on_event; /* NULL: nobody wants to know */
	void *on_event_ctx;
};

static const void *key_of(const void *record, size_t *ret_len)
{
	*ret_len = sizeof(((const struct peer_news *)record)->key);
	return ((const struct peer_news *)record)->key;
}

int news_new(struct news **ret_news)
{
	struct news *w = calloc(1, sizeof(*w));

	if (!w)
		return TM_ENOMEM;

	int err = hashset_init(&w->peers, key_of);
	if (err) {
		free(w);
		return err;
	}
	w->states = LOG_LIMIT_STATES;
	w->members = LOG_LIMIT_STATES;
	w->ports = LOG_LIMIT_STATES;
	*ret_news = w;
	return TM_OK;
}

void news_free(struct news *w)
{
	struct peer_news *p;

	if (!w)
		return;
	for (size_t i = 0; (p = hashset_next(&w->peers, &i));)
		free(p);
	hashset_deinit(&w->peers);
	free(w);
}

/* NULL: no memory, and what it is about stays untold. */
static struct peer_news *of(struct news *w, const struct mesh_node *m)
{
	struct peer_news *p = hashset_get(&w->peers, m->key, sizeof(p->key));

	if (p || hashset_reserve(&w->peers, 1) != TM_OK)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	memcpy(p->key, m->key, sizeof(p->key));
	hashset_put(&w->peers, p);
	return p;
}

void news_on_event(struct news *w, news_event_fn *fn, void *ctx)
{
	w->on_event = fn;
	w->on_event_ctx = ctx;
}

static void remember(struct news *w, const struct mesh_node *m, enum event_kind kind,
	const struct endpoint *at, const char *why)
{
	struct event e = {.kind = kind};
	char text[ENDPOINT_STR_LEN];

	if (!w->on_event)
		return;
	memcpy(e.about, m->name, strlen(m->name) + 1);
	memcpy(e.id, m->id, sizeof(e.id));
	if (kind == EVENT_PEER_UP || kind == EVENT_PEER_MOVED)
		event_set_detail(&e, "at %s (%s)", endpoint_format(at, text), why);
	else
		event_set_detail(&e, "%s", why);
	w->on_event(w->on_event_ctx, &e);
}

static void tell(struct news *w, struct peer_news *p, const struct mesh_node *m, enum told now,
	const char *text, enum event_kind kind, const struct endpoint *at, const char *why)
{
	p->told = now;
	remember(w, m, kind, at, why);
	LOG_LIMITED(LOG_INFO, &w->states, log_who(m->key, sizeof(m->key)), text, KV("name", m->name),
		KV_EP("at", at), KV("why", why));
}

static void tell_reached(
	struct news *w, const struct mesh_node *m, const struct endpoint *at, const char *why)
{
	struct peer_news *p = of(w, m);

	if (!p || (p->told == TOLD_UP && endpoint_eq(&p->at, at)))
		return;
	const bool moved = p->told == TOLD_UP;
	p->at = *at;
	tell(w, p, m, TOLD_UP, moved ? "node: peer is reached by another way" : "node: peer is up",
		moved ? EVENT_PEER_MOVED : EVENT_PEER_UP, at, why);
}

void news_session(struct news *w, const struct mesh_node *m, const struct endpoint *at, bool up)
{
	struct peer_news *p;

	if (up) {
		tell_reached(w, m, at, "a handshake");
		return;
	}
	/* Whether a node is still there its path tells; a stock client has none. */
	p = m->kind == NODE_CLIENT ? hashset_get(&w->peers, m->key, sizeof(p->key)) : NULL;
	if (p && p->told == TOLD_UP)
		tell(w, p, m, TOLD_OUT_OF_REACH, "node: peer is down", EVENT_PEER_DOWN, &p->at,
			"no handshake for long");
}

static void lost(struct news *w, const struct mesh_node *m, const struct core_out *out)
{
	struct peer_news *p = of(w, m);

	if (p && p->told == TOLD_UP)
		tell(w, p, m, TOLD_LOST, "node: peer is lost, looking for another way", EVENT_PEER_LOST,
			&out->way.remote, path_why_text(out->why));
}

static void out_of_reach(struct news *w, const struct mesh_node *m, const struct core_out *out)
{
	struct peer_news *p = of(w, m);

	if (p && p->told != TOLD_OUT_OF_REACH && p->told != TOLD_UP)
		tell(w, p, m, TOLD_OUT_OF_REACH, "node: peer is out of reach", EVENT_PEER_UNREACHED, &p->at,
			path_why_text(out->why));
}

void news_path(struct news *w, const struct mesh_node *m, const struct core_out *out, bool session)
{
	static const enum told means[WHY_N] = {
		[WHY_FIRST] = TOLD_UP,
		[WHY_BETTER] = TOLD_UP,
		[WHY_SUCCESSOR] = TOLD_UP,
		[WHY_HEARD] = TOLD_UP,
		[WHY_DEAD] = TOLD_LOST,
		[WHY_RETRY] = TOLD_OUT_OF_REACH,
		[WHY_GIVEN_UP] = TOLD_OUT_OF_REACH,
	};

	/* Without a session that is the way to a handshake, which tells by itself. */
	if (means[out->why] == TOLD_UP && out->kind == CORE_USE && session)
		tell_reached(w, m, &out->way.remote, path_why_text(out->why));
	else if (means[out->why] == TOLD_LOST && out->kind == CORE_NOTE)
		lost(w, m, out);
	else if (means[out->why] == TOLD_OUT_OF_REACH)
		out_of_reach(w, m, out);
}

static void forget(struct news *w, const uint8_t key[static 32])
{
	free(hashset_remove(&w->peers, key, 32));
}

/* Of those who come and go for good: only whom we had to do with, since thousands may. */
void news_mesh(struct news *w, const struct mesh_diff *d)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct mesh_node *before = d->v[i].before, *after = d->v[i].after;
		bool known = before && hashset_get(&w->peers, before->key, sizeof(before->key));

		if (d->v[i].what & MESH_NAME)
			LOG_LIMITED(LOG_INFO, &w->members, log_who(after->key, sizeof(after->key)),
				"node: member has another name", KV("from", before->name),
				KV("to", after->name));
		if (d->v[i].what & MESH_REMOVED && known)
			LOG_LIMITED(LOG_INFO, &w->members, LOG_WHO_ALL,
				"node: peer was removed from the mesh", KV("name", before->name));
		if (known && d->v[i].what & (MESH_REMOVED | MESH_KEY | MESH_KIND))
			forget(w, before->key);
	}
}

/* Of a gateway that maps no ports, as most machines have one, there is nothing to tell. */
static bool is_worth_telling(enum portmap_problem p)
{
	return p == PORTMAP_REFUSED || p == PORTMAP_NO_ADDRESS || p == PORTMAP_FAR;
}

void news_port(struct news *w, const struct portmap_view *v)
{
	const bool mapped = v->protocol != PORTMAP_NONE, was_mapped = w->port.protocol != PORTMAP_NONE;

	if (mapped && !(was_mapped && endpoint_eq(&v->external, &w->port.external)))
		LOG_LIMITED(LOG_INFO, &w->ports, LOG_WHO_ALL,
			v->nested ? "node: a port is mapped to us, behind one more router"
				  : "node: a port is mapped to us",
			KV_EP("at", &v->external), KV("by", portmap_protocol_name(v->protocol)),
			KV_IP("gateway", &v->gateway));
	else if (!mapped && was_mapped)
		LOG_LIMITED(LOG_INFO, &w->ports, LOG_WHO_ALL, "node: no port is mapped to us any more",
			KV("why", portmap_problem_text(v->problem)));
	else if (!mapped && v->problem != w->port.problem && is_worth_telling(v->problem))
		LOG_LIMITED(LOG_INFO, &w->ports, LOG_WHO_ALL, "node: no port can be mapped to us",
			KV("why", portmap_problem_text(v->problem)), KV_IP("gateway", &v->gateway));
	w->port = *v;
}
