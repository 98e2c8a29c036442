/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sim/pairs.h"
#include "sim/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { SCOPES = 3, FIREWALLS = 1, NATS = FIREWALLS + SCOPES, NO_UDP = NATS + SCOPES * SCOPES };

static const char scope_letter[] = {'e', 'a', 'p'};

static void note(struct pair_run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct pair_run *r, const char *fmt, ...)
{
	size_t n = strlen(r->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->text + n, sizeof(r->text) - n, fmt, ap);
	va_end(ap);
}

/* --- places --- */

static struct nat_kind dice_kind(struct pair_run *r, enum nat_scope mapping, enum nat_scope filtering)
{
	static const char *const ports[] = {"preserving", "sequential", "random"};
	static const char *const hairpins[] = {"", " hairpin-internal", " hairpin"};
	struct sim *s = r->s;
	struct nat_kind k = {
		.mapping = mapping,
		.filtering = filtering,
		.ports = sim_random(s) % 3,
		.hairpin = sim_random(s) % 3,
		.parity = sim_chance(s, 200),
		.refresh_inbound = sim_chance(s, 500),
		.expiry = (ns_t)sim_between(s, 30, 300) * SEC,
	};

	if (sim_chance(s, 150)) {
		k.pool = (unsigned)sim_between(s, 2, 4);
		k.arbitrary_pool = sim_chance(s, 500);
	}
	note(r, "nat(%c%c %s%s%s)", scope_letter[mapping], scope_letter[filtering], ports[k.ports],
		hairpins[k.hairpin], k.arbitrary_pool ? " arbitrary" : "");
	return k;
}

static struct segment *dice_nat(struct pair_run *r, struct segment *outside, unsigned scopes)
{
	static const char *const lans[] = {
		"192.168.0.0/24", "192.168.1.0/24", "10.0.0.0/24", "172.16.0.0/24"};
	struct nat_kind k = dice_kind(r, scopes / SCOPES, scopes % SCOPES);

	return nat_new(r->s, outside, &k, lans[sim_random(r->s) % ARRAY_LEN(lans)])->inside;
}

static struct segment *provider(struct pair_run *r)
{
	struct nat_kind k;

	note(r, "provider's ");
	k = dice_kind(r, sim_random(r->s) % SCOPES, sim_random(r->s) % SCOPES);
	note(r, " > ");
	return nat_new(r->s, r->s->internet, &k, "100.64.0.0/10")->inside; /* RFC 6598 */
}

static struct segment *place(struct pair_run *r, struct segment *outside, unsigned which)
{
	if (which >= FIREWALLS && which < NATS) {
		const struct nat_kind k = {.filtering = which - FIREWALLS, .expiry = 60 * SEC};

		note(r, "firewall(%c)", scope_letter[which - FIREWALLS]);
		return firewall_new(r->s, outside, &k)->inside;
	}
	if (which >= NATS && which < NO_UDP)
		return dice_nat(r, outside, which - NATS);
	note(r, which == NO_UDP ? "no-udp" : "open");
	return outside;
}

static void dice_line(struct pair_run *r, struct host *h)
{
	struct link *l = host_line(h);

	l->delay = (ns_t)sim_between(r->s, 1, 100) * MS;
	l->jitter = (ns_t)sim_between(r->s, 0, 30) * MS;
	if (sim_chance(r->s, 700))
		return;
	l->loss = (unsigned)sim_between(r->s, 0, 100);
	l->duplicate = (unsigned)sim_between(r->s, 0, 50);
	l->corrupt = (unsigned)sim_between(r->s, 0, 20);
	r->lossy = true;
}

static void build(struct pair_run *r, bool relays)
{
	struct coordinator *c = r->c = coordinator_new(r->s, "coordinator");
	unsigned left = (unsigned)(r->s->seed % PAIR_PLACES);
	unsigned right = (unsigned)(r->s->seed / PAIR_PLACES % PAIR_PLACES), shape = sim_random(r->s) % 20;
	struct segment *at = r->s->internet, *bt = r->s->internet;

	if (shape < 4) { /* both behind one provider's NAT */
		at = bt = provider(r);
	} else if (shape < 6) { /* one of them behind one */
		at = provider(r);
	}
	if (relays) {
		relay_new(c->host);
		host_open_doors(c->host);
	}
	at = place(r, at, left);
	note(r, " <-> ");
	if (shape == 6) { /* in the same house */
		note(r, "beside it");
		bt = at;
	} else {
		bt = place(r, bt, right);
	}
	r->a = sim_member(at, c, "a");
	r->b = sim_member(bt, c, "b");
	dice_line(r, r->a);
	dice_line(r, r->b);
	host_line(r->a)->blocked = left == NO_UDP;
	host_line(r->b)->blocked = shape != 6 ? right == NO_UDP : left == NO_UDP;
	sim_meet(r->a, r->b);
}

/* --- the run --- */

static bool is_direct(struct pair_run *r)
{
	return sim_friend(r->a, r->b)->received && sim_friend(r->b, r->a)->received &&
	       host_path(r->a, r->b).state == PATH_UP && host_path(r->b, r->a).state == PATH_UP;
}

/* a speaks, b answers what it gets. */
static void talk(struct pair_run *r, ns_t pause)
{
	struct friendship *b = sim_friend(r->b, r->a);
	uint64_t had = b->received;

	host_send(r->a, r->b);
	sim_run(r->s, pause);
	if (b->received > had)
		host_send(r->b, r->a);
}

static void look_for_a_path(struct pair_run *r)
{
	const ns_t start = r->s->now;
	ns_t within = r->lossy ? PAIR_WITHIN_LOSSY : PAIR_WITHIN;

	if (r->predicted != DIRECT_ALWAYS)
		within = PAIR_NEVER_FOR;
	while (r->s->now - start < within && !is_direct(r))
		talk(r, 250 * MS);
	r->direct_after = is_direct(r) ? r->s->now - start : NS_NEVER;
	if (r->predicted == DIRECT_ALWAYS && r->direct_after == NS_NEVER)
		r->wrong = "a direct path had to appear, and did not";
	if (r->predicted == DIRECT_NEVER && r->direct_after != NS_NEVER)
		r->wrong = "a direct path appeared where none is possible";
}

/* Ten packets each way through a path that is up; on good lines all arrive. */
static void use_it(struct pair_run *r)
{
	struct friendship *ab = sim_friend(r->a, r->b), *ba = sim_friend(r->b, r->a);
	uint64_t sent = ab->sent + ba->sent, arrived;

	sim_run(r->s, 1 * SEC); /* what is under way comes to rest */
	sent = ab->sent + ba->sent;
	arrived = ab->received + ba->received;
	for (unsigned i = 0; i < 10; i++) {
		host_send(r->a, r->b);
		host_send(r->b, r->a);
		sim_run(r->s, 100 * MS);
	}
	sim_run(r->s, 1 * SEC);
	sent = ab->sent + ba->sent - sent;
	arrived = ab->received + ba->received - arrived;
	if (!r->lossy && arrived != sent)
		r->wrong = "packets were lost on a path that is up";
	if (ab->twice || ba->twice || ab->garbage || ba->garbage)
		r->wrong = "a packet arrived twice, or changed";
}

void pair_run(uint64_t seed, struct pair_run *ret)
{
	struct pair_run r = {.s = sim_new(seed)};
	const ns_t start = r.s->now;

	build(&r, false);
	r.predicted = direct_possible(r.a, r.b);
	sim_run(r.s, 3 * SEC); /* links are up, and everybody knows its outer address */
	look_for_a_path(&r);
	if (r.direct_after != NS_NEVER)
		use_it(&r);
	r.simulated = r.s->now - start;
	r.wire_hash = r.s->wire_hash;
	sim_free(r.s);
	r.s = NULL;
	r.a = r.b = NULL;
	*ret = r;
}

void pair_build(uint64_t seed, bool relays, struct pair_run *ret)
{
	*ret = (struct pair_run){.s = sim_new(seed)};
	build(ret, relays);
	ret->predicted = direct_possible(ret->a, ret->b);
	ret->guess = guess_possible(ret->a, ret->b);
}
