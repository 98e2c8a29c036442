/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What gateways map to us, or may, for as long as it has not been given back. */
#include "control/portmap/portmap_private.h"

#include <string.h>

static bool same(const struct portmap_owed *a, const struct portmap_owed *b)
{
	return a->by == b->by && ip_eq(&a->gateway, &b->gateway) && ip_eq(&a->own, &b->own) &&
	       a->internal == b->internal && a->external == b->external;
}

static struct owed *find(struct portmap *m, const struct portmap_owed *what)
{
	for (size_t i = 0; i < m->owed.n; i++)
		if (same(&m->owed.v[i].what, what))
			return &m->owed.v[i];
	return NULL;
}

static void remove_at(struct portmap *m, size_t i)
{
	m->owed.n--;
	memmove(&m->owed.v[i], &m->owed.v[i + 1], (m->owed.n - i) * sizeof(m->owed.v[0]));
}

/* What was refused is hardly owed: that goes first, and otherwise the oldest. */
static size_t least(const struct portmap *m)
{
	for (size_t i = 0; i < m->owed.n; i++)
		if (m->owed.v[i].refused)
			return i;
	return 0;
}

static void add(struct portmap *m, const struct portmap_owed *what)
{
	if (find(m, what))
		return;
	if (m->owed.n == PORTMAP_OWED_MAX)
		remove_at(m, least(m));
	m->owed.v[m->owed.n++] = (struct owed){.what = *what};
	m->owed.changed = true;
}

void portmap_owe(struct portmap *m, const struct portmap_owed *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		add(m, &v[i]);
	m->owed.changed = false; /* it is on disk */
}

size_t portmap_owes(const struct portmap *m, struct portmap_owed ret_v[static PORTMAP_OWED_MAX])
{
	for (size_t i = 0; i < m->owed.n; i++)
		ret_v[i] = m->owed.v[i].what;
	return m->owed.n;
}

static struct portmap_owed asked_for(const struct side *s)
{
	return (struct portmap_owed){.by = s->asked,
		.gateway = s->gateway.ip,
		.own = s->own,
		.internal = s->whole->cfg.port,
		.external = s->asked == PORTMAP_UPNP && s->own.family == IP_V4 ? s->upnp.port : 0};
}

void owed_note(struct side *s)
{
	const struct portmap_owed what = asked_for(s);

	add(s->whole, &what);
	find(s->whole, &what)->refused = false;
}

void owed_refused(struct side *s)
{
	const struct portmap_owed what = asked_for(s);
	struct owed *o = find(s->whole, &what);

	if (o)
		o->refused = true;
}

void owed_forget(struct portmap *m, const struct portmap_owed *what)
{
	const struct owed *o = find(m, what);

	if (!o)
		return;
	remove_at(m, (size_t)(o - m->owed.v));
	m->owed.changed = true;
}

void owed_tried(struct portmap *m, const struct portmap_owed *what)
{
	struct owed *o = find(m, what);

	if (o)
		o->tried = true;
}

static bool is_here(const struct side *s, const struct portmap_owed *what)
{
	return ip_eq(&what->gateway, &s->gateway.ip) && ip_eq(&what->own, &s->own);
}

void owed_arrived(struct side *s)
{
	for (size_t i = 0; i < s->whole->owed.n; i++)
		s->whole->owed.v[i].tried &= !is_here(s, &s->whole->owed.v[i].what);
}

/* It leads to the port that we have now: taken over. By UPnP there may be two that do. */
static bool is_of_use(const struct side *s, const struct portmap_owed *what)
{
	return what->internal == s->whole->cfg.port && (!what->external || s->mapping.by != PORTMAP_UPNP ||
							       what->external == s->mapping.external.port);
}

bool owed_next(const struct side *s, struct portmap_owed *ret_what)
{
	for (size_t i = 0; i < s->whole->owed.n; i++) {
		const struct owed *o = &s->whole->owed.v[i];

		if (o->tried || !is_here(s, &o->what) || is_of_use(s, &o->what) ||
			(o->what.by == PORTMAP_UPNP && !s->upnp.n_places))
			continue;
		*ret_what = o->what;
		return true;
	}
	return false;
}

uint16_t owed_port(const struct side *s)
{
	for (size_t i = 0; i < s->whole->owed.n; i++) {
		const struct portmap_owed *what = &s->whole->owed.v[i].what;

		if (what->by == PORTMAP_UPNP && what->internal == s->whole->cfg.port && is_here(s, what))
			return what->external;
	}
	return 0;
}
