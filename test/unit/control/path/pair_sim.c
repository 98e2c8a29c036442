/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pair_sim.h"

#include "base/bytes.h"
#include "unit/unit.h"

static uint32_t rnd(struct sim *s)
{
	s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(s->seed >> 33);
}

void sim_init(struct sim *s, uint64_t seed)
{
	*s = (struct sim){.now = 1000 * SEC, .seed = seed, .coordinator_delay = 10 * MS};
	for (unsigned i = 0; i < 2; i++) {
		path_init(&s->host[i].path);
		s->host[i].next = NS_NEVER;
		s->host[i].exchange = true;
	}
}

struct route *sim_route(struct sim *s, enum candidate_type type, const char *a, const char *b, ns_t delay)
{
	struct route *r = &s->routes[s->n_routes++];

	assert_true(s->n_routes <= ROUTES_MAX);
	*r = (struct route){.type = type, .delay = delay};
	assert_int_equal(endpoint_parse(a, &r->end[A]), 0);
	assert_int_equal(endpoint_parse(b, &r->end[B]), 0);
	return r;
}

struct candidates sim_candidates(const struct sim *s, unsigned of)
{
	struct candidates c = {.n = 0};

	for (unsigned i = 0; i < s->n_routes; i++)
		c.v[c.n++] = (struct candidate){s->routes[i].type, s->routes[i].end[of]};
	return c;
}

static void transmit(
	struct sim *s, unsigned from, const struct endpoint *to, const uint8_t *txid, bool answer)
{
	for (unsigned i = 0; i < s->n_routes; i++) {
		struct route *r = &s->routes[i];
		unsigned dest = !from;

		if (!endpoint_eq(&r->end[dest], to))
			continue;
		r->opened[from] = true;
		if (r->cut || rnd(s) % 100 < r->loss_percent)
			return;
		assert_true(s->n_packets < PACKETS_MAX);
		struct packet *p = &s->packets[s->n_packets++];
		*p = (struct packet){.at = s->now + r->delay, .to = dest, .route = i, .answer = answer};
		memcpy(p->txid, txid, 12);
		return;
	}
}

static void new_txid(void *ctx, uint8_t txid[static 12])
{
	struct sim_host *h = ctx;

	memset(txid, 0, 12);
	put_be64(txid, ++h->stamp);
}

static void exchange(struct sim *s)
{
	for (unsigned i = 0; i < 2; i++) {
		struct candidates c = sim_candidates(s, !i);

		path_candidates(&s->host[i].path, &c, s->now);
		s->host[i].next = s->now;
	}
}

void sim_step(struct sim *s, unsigned host)
{
	struct sim_host *h = &s->host[host];
	struct path_out out;

	path_step(&h->path, s->now, new_txid, h, &out);
	h->next = out.next;
	h->largest_burst = MAX(h->largest_burst, (unsigned)out.n_send);
	for (size_t i = 0; i < out.n_send; i++) {
		h->sent++;
		transmit(s, host, &out.send[i].to, out.send[i].txid, false);
	}
	if (out.chosen_changed) {
		const struct path_pair *chosen = path_chosen(&h->path);

		h->changes++;
		h->last_choice = chosen ? chosen->remote.ep : (struct endpoint){{0}};
		h->chosen_at = s->now;
	}
	if (out.ask_candidates) {
		h->asked++;
		if (h->exchange)
			exchange(s);
	}
}

static void deliver(struct sim *s, const struct packet *p)
{
	struct route *r = &s->routes[p->route];
	struct sim_host *h = &s->host[p->to];
	const struct endpoint *from = &r->end[!p->to];

	if (r->cut || (r->firewall[p->to] && !r->opened[p->to]))
		return;

	if (p->answer) {
		path_check_answered(&h->path, p->txid, from, s->now);
	} else {
		transmit(s, p->to, from, p->txid, true);
		path_check_received(&h->path, from, s->now);
	}
	h->next = s->now;
}

void sim_want(struct sim *s, unsigned host)
{
	path_want(&s->host[host].path, s->now);
	sim_step(s, host);
}

static ns_t next_event(const struct sim *s)
{
	ns_t next = ns_min(s->host[A].next, s->host[B].next);

	for (unsigned i = 0; i < s->n_packets; i++)
		next = ns_min(next, s->packets[i].at);
	return next;
}

void sim_run(struct sim *s, ns_t how_long)
{
	const ns_t end = s->now + how_long;
	ns_t next, last = 0;
	unsigned turns = 0;

	while ((next = next_event(s)) <= end) {
		s->now = MAX(next, s->now);
		turns = s->now == last ? turns + 1 : 0;
		last = s->now;
		if (turns > 1000)
			fail_msg("time stands still");

		for (unsigned i = 0; i < s->n_packets; i++)
			if (s->packets[i].at <= s->now) {
				struct packet p = s->packets[i];

				s->packets[i--] = s->packets[--s->n_packets];
				deliver(s, &p);
			}
		for (unsigned i = 0; i < 2; i++)
			if (s->host[i].next <= s->now)
				sim_step(s, i);
	}
	s->now = end;
}

const struct route *sim_chosen(const struct sim *s, unsigned host)
{
	const struct path_pair *chosen = path_chosen(&s->host[host].path);

	for (unsigned i = 0; chosen && i < s->n_routes; i++)
		if (endpoint_eq(&s->routes[i].end[!host], &chosen->remote.ep))
			return &s->routes[i];
	return NULL;
}

void sim_run_with_traffic(struct sim *s, unsigned host, bool both_ways, ns_t how_long)
{
	const ns_t end = s->now + how_long;

	while (s->now < end) {
		const struct route *chosen = sim_chosen(s, host);
		struct route *r = chosen ? &s->routes[chosen - s->routes] : NULL;

		path_sending(&s->host[host].path, s->now);
		if (r)
			r->opened[host] = true;
		if (r && !r->cut && (!r->firewall[!host] || r->opened[!host])) {
			path_heard(&s->host[!host].path, s->now);
			if (both_ways)
				path_heard(&s->host[host].path, s->now);
		}
		sim_step(s, host);
		sim_run(s, 100 * MS);
	}
}
