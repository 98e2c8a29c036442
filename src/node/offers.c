/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/offers.h"

#include <string.h>

#include "loop/timer.h"
#include "node/node_private.h"

#define ASK_AGAIN (30 * SEC) /* after trouble that passes */

struct offers {
	struct route_settings told, now;
	struct node_routes sent; /* the last that the coordinator was asked to take */
	bool asking; /* it has not answered yet */
	bool again; /* something changed meanwhile */
	char refused[512]; /* why it does not take `sent` */
	struct loop_timer *timer; /* until it is asked again */
	/* whoever waits for the answer, what was so before, and what they made of it */
	struct {
		offers_done_fn *done;
		void *ctx;
		struct route_settings before, wish;
	} asker;
};

const struct route_settings *offers_told(const struct node *n)
{
	return &n->offers->told;
}

const struct route_settings *offers_now(const struct node *n)
{
	return &n->offers->now;
}

const char *offers_refused(const struct node *n)
{
	return n->offers->refused;
}

/* The configuration first; a net of both is the configuration's. */
static void put_together(struct node *n)
{
	struct offers *o = n->offers;
	struct route_settings now = o->told;

	now.n = 0;
	for (size_t i = 0; i < n->config.n_route_advertise; i++) {
		const struct own_net net = {
			n->config.route_advertise[i], n->config.route_ha, n->config.route_snat};
		struct diag d = {0};

		if (route_check(&net.prefix, &n->mesh.net4, &n->mesh.net6, &d) != TM_OK)
			log_warn("node: a network of the configuration cannot be offered", KV("why", d.what));
		else if (!route_settings_net(&now, &net.prefix))
			now.nets[now.n++] = net;
	}
	for (size_t i = 0; i < o->told.n && now.n < NODE_ROUTES_MAX; i++)
		if (!route_settings_net(&now, &o->told.nets[i].prefix))
			now.nets[now.n++] = o->told.nets[i];
	o->now = now;
}

/* As the coordinator would have it: only what is offered. */
static void wanted(const struct node *n, struct node_routes *ret_r)
{
	const struct route_settings *now = &n->offers->now;

	*ret_r = (struct node_routes){.n = (uint8_t)now->n};
	for (size_t i = 0; i < now->n; i++)
		ret_r->v[i] = (struct node_route){
			.prefix = now->nets[i].prefix, .offered = true, .ha = now->nets[i].ha};
	if (now->exit_offer)
		ret_r->exit = (uint8_t)((os_internet(n->routes, IP_V4, NULL) ? EXIT_IP4 : 0) |
					(os_internet(n->routes, IP_V6, NULL) ? EXIT_IP6 : 0));
}

static bool knows(const struct mesh_node *self, const struct node_routes *want)
{
	size_t offered = 0;

	for (size_t i = 0; i < self->n_routes; i++) {
		const struct node_route *r = &self->routes[i];
		bool found = !r->offered;

		for (size_t k = 0; k < want->n; k++)
			found |= prefix_eq(&want->v[k].prefix, &r->prefix) && want->v[k].ha == r->ha;
		if (!found)
			return false;
		offered += r->offered;
	}
	return offered == want->n && (self->exit & EXIT_FAMILIES) == (want->exit & EXIT_FAMILIES);
}

static void finish(struct node *n, int err, const struct diag *d)
{
	struct offers *o = n->offers;
	offers_done_fn *done = TAKE(o->asker.done);

	if (done)
		done(o->asker.ctx, err, d);
}

static bool net_eq(const struct own_net *a, const struct own_net *b)
{
	return prefix_eq(&a->prefix, &b->prefix) && a->ha == b->ha && a->snat == b->snat;
}

/* A net as it was, or none where there was none. */
static void put_back(struct route_settings *s, const struct prefix *p, const struct own_net *was)
{
	struct own_net *now = route_settings_net(s, p);

	if (now && was)
		*now = *was;
	else if (now)
		*now = s->nets[--s->n];
	else if (was && s->n < NODE_ROUTES_MAX)
		s->nets[s->n++] = *was;
}

/* What the one who waits had changed is as before; what others changed meanwhile, or the coordinator has no
 * say in, stays. */
static void take_back(struct node *n)
{
	struct offers *o = n->offers;
	struct route_settings *before = &o->asker.before, *wish = &o->asker.wish;
	struct diag unsaved = {0};

	for (size_t i = 0; i < wish->n; i++) {
		const struct own_net *was = route_settings_net(before, &wish->nets[i].prefix);

		if (!was || !net_eq(was, &wish->nets[i]))
			put_back(&o->told, &wish->nets[i].prefix, was);
	}
	for (size_t i = 0; i < before->n; i++)
		if (!route_settings_net(wish, &before->nets[i].prefix))
			put_back(&o->told, &before->nets[i].prefix, &before->nets[i]);
	if (before->exit_offer != wish->exit_offer)
		o->told.exit_offer = before->exit_offer;
	if (route_settings_save(n->paths.routes, &o->told, &unsaved) != TM_OK)
		log_warn("node: what is offered cannot be saved", KV("why", unsaved.what));
	put_together(n);
}

static void on_answer(void *ctx, int err, const struct diag *d)
{
	struct node *n = ctx;
	struct offers *o = n->offers;

	if (!o) /* the agent's end fails what was asked of it */
		return;
	o->asking = false;
	o->refused[0] = '\0';
	if (o->again) { /* that was about something that is not so any more */
		o->again = false;
		offers_look(n);
		if (!o->asking)
			finish(n, TM_OK, d);
		return;
	}
	if (err == TM_EPERM && o->asker.done) {
		take_back(n);
		finish(n, err, d);
		offers_look(n); /* what was asked for together with it */
		return;
	}
	if (err == TM_EPERM) {
		snprintf(o->refused, sizeof(o->refused), "%s", d->what);
		log_warn("node: the coordinator does not take the networks that this machine offers",
			KV("why", d->what));
	} else if (err) {
		loop_timer_in(o->timer, ASK_AGAIN);
	}
	finish(n, err, d);
}

static void on_timer(void *ctx)
{
	offers_look(ctx);
}

void offers_look(struct node *n)
{
	struct offers *o = n->offers;
	const struct mesh_node *self = mesh_by_id(peers_mesh(n->peers), n->enrolment.self.id);
	struct node_routes want;

	wanted(n, &want);
	if (o->asking) {
		o->again = true;
		return;
	}
	if (!self || !agent_link_up(n->agent) || knows(self, &want)) {
		if (!self || knows(self, &want))
			o->refused[0] = '\0';
		return;
	}
	/* The same was refused: what changes that is told by a new link, or by somebody who tries. */
	if (o->refused[0] && node_routes_eq(&want, &o->sent))
		return;
	o->sent = want;
	o->asking = true;
	agent_offer_routes(n->agent, &o->sent, on_answer, n);
}

void offers_reload(struct node *n)
{
	put_together(n);
	n->offers->refused[0] = '\0';
	offers_look(n);
}

int offers_tell(
	struct node *n, const struct route_settings *next, offers_done_fn *done, void *ctx, struct diag *d)
{
	struct offers *o = n->offers;

	if (done && o->asker.done) {
		diag_hint(d, "try again in a moment");
		return diag_what(d, TM_EBUSY, "somebody else is just changing what this machine offers");
	}
	int err = route_settings_save(n->paths.routes, next, d);
	if (err)
		return err;
	if (done) {
		o->asker.done = done;
		o->asker.ctx = ctx;
		o->asker.before = o->told;
		o->asker.wish = *next;
	}
	o->told = *next;
	put_together(n);
	o->refused[0] = '\0';
	offers_look(n);
	if (!done)
		return TM_OK;
	if (!o->asking) { /* it knows already, or there is nobody to ask */
		const bool up = agent_link_up(n->agent);

		finish(n, up ? TM_OK : TM_ECLOSED,
			&(struct diag){.what = "there is no link to the coordinator"});
	}
	return TM_OK;
}

void offers_approved(const struct node *n, struct route_settings *ret_s)
{
	const struct mesh_node *self = mesh_by_id(peers_mesh(n->peers), n->enrolment.self.id);
	struct route_settings *now = &n->offers->now;

	*ret_s = (struct route_settings){.n = 0};
	for (size_t i = 0; self && i < self->n_routes; i++) {
		const struct own_net *net = route_settings_net(now, &self->routes[i].prefix);

		if (net && route_counts(&self->routes[i]))
			ret_s->nets[ret_s->n++] = *net;
	}
	ret_s->exit_families = now->exit_offer && self ? exit_families(self->exit) : 0;
	ret_s->exit_offer = ret_s->exit_families != 0;
}

int offers_open(struct node *n)
{
	struct offers *o = calloc(1, sizeof(*o));
	struct diag d = {0};
	char text[sizeof(struct diag) + 16];

	if (!o)
		return TM_ENOMEM;
	n->offers = o;
	int err = loop_timer_new(n->base, on_timer, n, &o->timer);
	if (err)
		return err;
	err = route_settings_load(n->paths.routes, &o->told, &d);
	if (err)
		log_warn("node: the file of what this machine offers cannot be read, or not all of it",
			KV("file", n->paths.routes), KV("why", diag_format(&d, err, text, sizeof(text))));
	put_together(n);
	return TM_OK;
}

void offers_close(struct node *n)
{
	if (!n->offers)
		return;
	finish(n, TM_ECLOSED, &(struct diag){.what = "the daemon is stopping"});
	loop_timer_free(n->offers->timer);
	free(TAKE(n->offers));
}
