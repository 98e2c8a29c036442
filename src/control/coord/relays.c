/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Who hands on the datagrams of others: members that say so in hello, as far as the administrator lets them
 * (relay_allowed). All links are told the same list, after the welcome and when it changes.
 *
 * What a change costs is the number of links. So changes are told together, so far apart that the messages
 * stay few in a second; and of a relay whose addresses change again and again each change waits twice as long
 * as the one before. Offers are not stored: after a restart they come back with the links of those who made
 * them, and until then nodes are told that the list may be incomplete (`partial`).
 */
#include "control/coord/coord_private.h"
#include "control/link/clink.h"

#include <stdio.h>
#include <string.h>

struct relay_offer {
	struct member *m;
	struct list in_offers;
	uint16_t ports[RELAY_PORTS_MAX]; /* where it takes streams */
	size_t n_ports;
	struct relay_rec told; /* node "": nothing yet */
	ns_t next, wait; /* no change of its addresses is told before; the time from the last one to there */
	ns_t gone_at; /* its link, 0 = it has one */
};

/* --- what is to be told --- */

static void add_addresses(const struct member *m, bool private, struct relay_rec *r)
{
	for (size_t i = 0; i < m->n_candidates && r->n_addrs < RELAY_ADDRS_MAX; i++) {
		const struct candidate *c = &m->candidates[i];
		const struct prefix host = {c->ep.ip, c->ep.ip.family == IP_V6 ? 128 : 32};

		if ((c->type == CAND_HOST || c->type == CAND_SRFLX) && prefix_is_private(&host) == private)
			r->addrs[r->n_addrs++] = c->ep;
	}
}

/* Each port at each of its addresses. */
static void add_ports(const struct relay_offer *o, struct relay_rec *r)
{
	for (size_t i = 0; i < r->n_addrs; i++) {
		struct endpoint at = {.ip = r->addrs[i].ip};
		bool twice = false;

		for (size_t k = 0; k < i; k++)
			twice |= ip_eq(&r->addrs[k].ip, &at.ip);
		for (size_t k = 0; !twice && k < o->n_ports && r->n_tcp < RELAY_TCP_MAX; k++) {
			at.port = o->ports[k];
			endpoint_format(&at, r->tcp[r->n_tcp++]);
		}
	}
}

/* Where it says that it is reached, public addresses first; by streams the coordinator is where its control
 * port is. */
static struct relay_rec record_of(const struct coord *c, const struct relay_offer *o)
{
	const struct member *m = o->m;
	struct relay_rec r = {.n_addrs = 0};

	memcpy(r.node, m->s.rec.id, sizeof(r.node));
	add_addresses(m, false, &r);
	add_addresses(m, true, &r);
	add_ports(o, &r); /* the coordinator's own node says none */
	for (size_t i = 0; m->s.rec.coordinator && i < c->addresses.n && r.n_tcp < RELAY_TCP_MAX; i++)
		snprintf(r.tcp[r.n_tcp++], RELAY_TCP_LEN, "%s", c->addresses.v[i]);
	return r;
}

/* Takes over what has changed of it, if that may be told already; else says when. */
static ns_t settle(struct coord *c, struct relay_offer *o, ns_t now)
{
	const struct relay_rec next = record_of(c, o);

	if (o->told.node[0] && !relay_rec_eq(&next, &o->told)) {
		if (now < o->next)
			return o->next;
		bool quiet = now - o->next > c->tuning.relay_settle_max;
		o->wait = quiet || !o->wait ? c->tuning.relay_settle
					    : ns_min(2 * o->wait, c->tuning.relay_settle_max);
		o->next = now + o->wait;
	}
	o->told = next;
	return NS_NEVER;
}

static bool is_before(const struct relay_offer *a, const struct relay_offer *b)
{
	const struct node_rec *x = &a->m->s.rec, *y = &b->m->s.rec;

	return x->coordinator != y->coordinator ? x->coordinator : x->host < y->host;
}

/* The coordinator's first, then by host number: those that have no room are always the same. */
static size_t gather(struct coord *c, struct relay_offer *v[static RELAYS_MAX])
{
	size_t n = 0, left_out = 0;

	LIST_FOREACH (o, &c->relays.offers, struct relay_offer, in_offers) {
		size_t at = n;

		if (!relay_allowed(&o->m->s.rec))
			continue;
		while (at && is_before(o, v[at - 1]))
			at--;
		left_out += n == RELAYS_MAX;
		if (at == RELAYS_MAX)
			continue;
		n = MIN(n + 1, (size_t)RELAYS_MAX);
		memmove(&v[at + 1], &v[at], (n - at - 1) * sizeof(*v));
		v[at] = o;
	}
	if (left_out)
		LOG_LIMITED(LOG_WARN, &c->log.relays, LOG_WHO_ALL,
			"coord: more relays than nodes are told of, leaving the last ones out",
			KV_INT("told", RELAYS_MAX), KV_INT("left_out", left_out));
	return n;
}

/* True when nodes are to be told something else now. *ret_again: when to look again. */
static bool collect(struct coord *c, ns_t now, ns_t *ret_again)
{
	struct relay_board *b = &c->relays;
	struct relay_offer *v[RELAYS_MAX];
	struct relays next = {.n = gather(c, v)};
	bool complete = b->told.partial && now >= b->complete_at;

	*ret_again = b->told.partial && !complete ? b->complete_at : NS_NEVER;
	for (size_t i = 0; i < next.n; i++) {
		*ret_again = ns_min(*ret_again, settle(c, v[i], now));
		next.v[i] = v[i]->told;
	}
	b->told.partial &= !complete;
	if (!complete && relays_eq(&next, &b->told.relays))
		return false;
	b->told.relays = next;
	clink_text_unref(TAKE(b->text));
	return true;
}

/* --- telling --- */

static struct clink_text *text_of(struct relay_board *b)
{
	struct jsonout o = {0};

	if (b->text)
		return b->text;
	msg_relays_put(&o, &b->told);
	if (conn_text(&o, &b->text) != TM_OK)
		b->text = NULL;
	return b->text;
}

/* Who misses it for want of memory is told at the next change, or when it links again. */
static void tell(struct conn *n)
{
	struct clink_text *t = text_of(&n->c->relays);

	if (t)
		(void)!conn_send_text(n, t);
}

static void run(void *ctx)
{
	struct coord *c = ctx;
	struct relay_board *b = &c->relays;
	ns_t now = time_monotonic(), again;
	unsigned n_links = 0;
	struct list *l;

	if (!list_empty(&b->behind)) {
		for (unsigned sent = 0; sent < c->tuning.push_slice && (l = list_pop_front(&b->behind));
			sent++)
			tell(CONTAINER_OF(l, struct conn, in_relays));
	} else if (collect(c, now, &again)) {
		LIST_FOREACH (n, &c->conns, struct conn, in_conns) {
			if (n->state != CONN_MEMBER)
				continue;
			list_push_back(&b->behind, &n->in_relays);
			n_links++;
		}
		b->not_before = now + (ns_t)n_links * SEC / c->tuning.relays_rate;
		b->again = again;
	} else {
		b->again = again;
	}
	if (!list_empty(&b->behind))
		loop_timer_in(b->timer, 0);
	else if (b->again != NS_NEVER)
		loop_timer_at(b->timer, ns_max(b->again, b->not_before));
}

static void changed(struct coord *c)
{
	struct relay_board *b = &c->relays;

	if (c->stopping)
		return;
	b->again = ns_min(b->again, time_monotonic() + c->tuning.relays_gap);
	if (list_empty(&b->behind))
		loop_timer_at(b->timer, ns_max(b->again, b->not_before));
}

/* --- what happened --- */

static void offer_free(struct relay_offer *o)
{
	list_remove(&o->in_offers);
	o->m->offer = NULL;
	free(o);
}

void relays_hello(struct coord *c, struct member *m, const struct msg_hello *hello)
{
	if (!hello->relay && m->offer) {
		offer_free(m->offer);
		changed(c);
	}
	if (!hello->relay)
		return;
	if (!m->offer) {
		struct relay_offer *o = calloc(1, sizeof(*o));

		if (!o)
			return;
		o->m = m;
		list_push_back(&c->relays.offers, &o->in_offers);
		m->offer = o;
	}
	memcpy(m->offer->ports, hello->relay_tcp, sizeof(m->offer->ports));
	m->offer->n_ports = hello->n_relay_tcp;
	m->offer->gone_at = 0;
	changed(c);
}

void relays_changed(struct coord *c, const struct member *m)
{
	if (!m || m->offer)
		changed(c);
}

/* It may be a relay without a link to us as well: a restart of ours, or a bad line in between. */
void relays_gone(struct member *m)
{
	if (m->offer)
		m->offer->gone_at = time_monotonic();
}

void relays_expire(struct coord *c, ns_t now)
{
	LIST_FOREACH_SAFE (o, &c->relays.offers, struct relay_offer, in_offers) {
		if (!o->gone_at || now - o->gone_at < c->tuning.relay_keep)
			continue;
		offer_free(o);
		changed(c);
	}
}

void relays_forget(struct coord *c, struct member *m)
{
	if (!m->offer)
		return;
	offer_free(m->offer);
	changed(c);
}

void relays_welcome(struct conn *n)
{
	tell(n);
}

void relays_leave(struct conn *n)
{
	list_remove(&n->in_relays);
}

int relays_init(struct coord *c)
{
	struct relay_board *b = &c->relays;

	list_init(&b->offers);
	list_init(&b->behind);
	b->told.partial = true;
	b->again = b->complete_at = time_monotonic() + c->tuning.relays_partial;
	int err = loop_timer_new(c->base, run, c, &b->timer);
	if (!err)
		loop_timer_at(b->timer, b->complete_at);
	return err;
}

void relays_deinit(struct coord *c)
{
	if (c->relays.offers.next)
		LIST_FOREACH_SAFE (o, &c->relays.offers, struct relay_offer, in_offers)
			offer_free(o);
	clink_text_unref(TAKE(c->relays.text));
	loop_timer_free(TAKE(c->relays.timer));
}
