/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sim/relay.h"

#include "control/path/stun.h"
#include "crypto/dh.h"
#include "sim/coordinator.h"
#include "wire/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define LIFETIME (120 * SEC)
#define STREAM_DELAY (20 * MS) /* one way */
#define REDIAL (500 * MS)
enum { FIRST_NUMBER = 7, LEG_NUMBERS = 1000 };

struct stream {
	struct relay *relay;
	struct host *member;
	bool wanted, up;
	bool leg; /* the member registered through it, and by UDP not since */
	unsigned number; /* of the connection, in the member's plane: never used again */
	unsigned pieces; /* for others that came by it */
	ns_t last_up, last_down; /* arrivals: later messages do not overtake */
};

struct relay {
	struct owned owned;
	struct host *host;
	struct dh_key *key;
	bool running, takes_streams;
	uint64_t secret;
	unsigned asked;
	struct {
		struct endpoint at; /* IP_NONE: none proved */
		ns_t until;
		struct stream stream;
	} leg[SIM_HOSTS]; /* by the member's number */
};

/* --- legs --- */

static void cookie_of(
	const struct relay *r, const struct endpoint *at, size_t member, uint8_t out[STUN_COOKIE])
{
	uint64_t h = r->secret ^ member;
	const uint8_t *b = at->ip.bytes;

	for (unsigned i = 0; i < sizeof(at->ip.bytes); i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	put_be64(out, (h ^ at->port) * UINT64_C(0x100000001b3));
}

/* A member's registration, NULL: it is none. */
static struct host *author(
	struct relay *r, const uint8_t *p, size_t n, struct stun_msg *m, uint8_t key[static STUN_KEY])
{
	struct stun_self self = {.real = 0};
	char sender[NODE_ID_LEN + 1];
	struct host *member;

	memcpy(self.id, r->host->id, sizeof(self.id));
	if (!stun_classify(p, n) || stun_open(&self, p, n, m, sender) != TM_OK || m->class != STUN_REQUEST ||
		!m->has_lifetime || !(member = host_by_id(r->host->sim, sender)))
		return NULL;
	assert_int_equal(stun_pair_key(r->key, member->pub, key), TM_OK);
	return stun_verify(p, n, m, key) == TM_OK ? member : NULL;
}

static bool registered(struct relay *r, const struct datagram *dg)
{
	struct stun_self self = {.real = 0};
	uint8_t key[STUN_KEY], msg[STUN_MAX];
	struct stun_msg m, more = {.has_lifetime = true, .has_cookie = true};
	struct host *member = author(r, dg->bytes, dg->n, &m, key);
	size_t n;

	if (!member)
		return false;
	memcpy(self.id, r->host->id, sizeof(self.id));
	cookie_of(r, &dg->from, member->number, more.cookie);
	if (memcmp(m.cookie, more.cookie, sizeof(more.cookie)) == 0) {
		more.lifetime_s = LIFETIME / SEC;
		r->leg[member->number].at = dg->from;
		r->leg[member->number].until = r->host->sim->now + LIFETIME;
		r->leg[member->number].stream.leg = false;
	}
	n = stun_reply(&self, member->id, key, &m, dg->n, &dg->from, &more, msg, sizeof(msg));
	assert_true(n > 0);
	host_put_on_wire(r->host, &dg->from, &dg->to.ip, msg, n);
	return true;
}

static bool has_leg(const struct relay *r, size_t member)
{
	return r->leg[member].at.ip.family && r->host->sim->now < r->leg[member].until;
}

unsigned relay_members(const struct relay *r)
{
	unsigned n = 0;

	for (size_t i = 0; i < r->host->sim->n_hosts; i++)
		n += has_leg(r, i);
	return n;
}

unsigned relay_asked(const struct relay *r)
{
	return r->asked;
}

/* --- streams --- */

struct piece {
	struct stream *stream;
	unsigned number; /* of the connection that it travels on */
	uint64_t pair;
	size_t n;
	uint8_t bytes[];
};

static void drop_piece(struct sim *s, void *piece)
{
	(void)s;
	free(piece);
}

static void post(struct stream *st, ns_t *last, void (*arrive)(void *, void *), uint64_t pair,
	const uint8_t *msg, size_t n)
{
	struct sim *s = st->member->sim;
	struct piece *p = malloc(sizeof(*p) + n);

	assert_non_null(p);
	*p = (struct piece){.stream = st, .number = st->number, .pair = pair, .n = n};
	memcpy(p->bytes, msg, n);
	*last = MAX(*last, s->now + STREAM_DELAY);
	sim_at(s, *last, arrive, st, p, drop_piece);
}

static void at_member(void *stream, void *piece)
{
	struct stream *st = stream;
	struct piece *p = piece;
	const struct way_to by = {
		.kind = WAY_RELAY_TCP, .socket = st->number, .remote = st->relay->host->at, .relay = p->pair};

	if (st->up && p->number == st->number) {
		host_receive_by(st->member, &by, p->bytes, p->n);
		host_settle(st->member);
	}
	free(p);
}

/* Of the connection in the plane of the relay's host. */
static uint32_t number_at_relay(const struct stream *st, size_t member)
{
	return LEG_NUMBERS + (uint32_t)(st->number * SIM_HOSTS + member);
}

/* To the leg of the other end: UDP where it has one, else its stream. */
static void hand_on(struct relay *r, uint64_t pair, size_t from, uint8_t *msg, size_t n)
{
	uint32_t to = relay_other(pair, (uint32_t)from + 1);
	uint8_t relayed[SIM_MTU];

	if (!to || to > r->host->sim->n_hosts)
		return;
	if (to == r->host->number + 1) {
		const struct way_to by = {.kind = WAY_RELAY_TCP,
			.socket = number_at_relay(&r->leg[from].stream, from),
			.remote = r->host->at,
			.relay = pair};

		host_receive_by(r->host, &by, msg, n);
		host_settle(r->host);
	} else if (has_leg(r, to - 1) && !(r->leg[to - 1].stream.up && r->leg[to - 1].stream.leg)) {
		relay_put(relayed, pair);
		memcpy(relayed + RELAY_HEADER, msg, n);
		host_put_on_wire(r->host, &r->leg[to - 1].at, &r->host->at.ip, relayed, RELAY_HEADER + n);
	} else if (r->leg[to - 1].stream.up) {
		struct stream *st = &r->leg[to - 1].stream;

		post(st, &st->last_down, at_member, pair, msg, n);
	}
}

static void at_relay(void *stream, void *piece)
{
	struct stream *st = stream;
	struct piece *p = piece;

	uint8_t key[STUN_KEY];
	struct stun_msg m;

	if (!st->up || p->number != st->number || !st->relay->running)
		;
	else if (!p->pair)
		st->leg |= author(st->relay, p->bytes, p->n, &m, key) == st->member;
	else {
		st->pieces++;
		hand_on(st->relay, p->pair, st->member->number, p->bytes, p->n);
	}
	free(p);
}

unsigned relay_streamed(const struct host *member, const struct host *relay)
{
	return relay->relay->leg[member->number].stream.pieces;
}

static struct stream *stream_of(const struct host *member, uint32_t number)
{
	for (size_t i = 0; i < member->sim->n_hosts; i++) {
		struct relay *r = member->sim->hosts[i]->relay;

		if (r && r->leg[member->number].stream.number == number)
			return &r->leg[member->number].stream;
	}
	return NULL;
}

void relay_stream_put(struct host *h, const struct way_to *by, const uint8_t *msg, size_t n)
{
	/* On the relay's host, a member's stream has a number of its own. */
	bool ours = by->socket >= LEG_NUMBERS;
	size_t member = ours ? (by->socket - LEG_NUMBERS) % SIM_HOSTS : h->number;
	struct stream *st = ours ? &h->relay->leg[member].stream : stream_of(h, by->socket);

	if (!st || !st->up || (ours && by->socket != number_at_relay(st, member)))
		return;
	if (ours)
		post(st, &st->last_down, at_member, by->relay, msg, n);
	else
		post(st, &st->last_up, at_relay, by->relay, msg, n);
}

static void tell(struct stream *st)
{
	struct core_in in = {.kind = CORE_STREAM, .id = st->relay->host->id};

	if (st->up) {
		in.stream.socket = st->number;
		in.stream.remote = st->relay->host->at;
	}
	host_input(st->member, &in);
	host_settle(st->member);
}

static void dial(void *stream, void *unused)
{
	struct stream *st = stream;
	struct sim *s = st->member->sim;

	(void)unused;
	if (!st->wanted || st->up)
		return;
	if (!st->relay->running || !st->member->face[0].segment) {
		sim_at(s, s->now + REDIAL, dial, st, NULL, NULL);
		return;
	}
	st->up = true;
	st->leg = false;
	st->number = FIRST_NUMBER + ++st->member->last_stream;
	tell(st);
}

void relay_want_stream(struct host *member, struct host *relay, bool wanted)
{
	struct stream *st = &relay->relay->leg[member->number].stream;

	if (!st->relay)
		*st = (struct stream){.relay = relay->relay, .member = member};
	if (wanted && !st->wanted)
		sim_at(member->sim, member->sim->now + 3 * STREAM_DELAY, dial, st, NULL, NULL);
	st->wanted = wanted;
	st->up = st->up && wanted;
}

void relay_break_stream(struct host *member, struct host *relay)
{
	struct stream *st = &relay->relay->leg[member->number].stream;
	const struct core_in gone = {
		.kind = CORE_STREAM_GONE, .id = member->id, .gone = number_at_relay(st, member->number)};

	if (!st->up)
		return;
	st->up = false;
	tell(st);
	host_input(relay, &gone);
	host_settle(relay);
	sim_at(relay->sim, relay->sim->now + REDIAL, dial, st, NULL, NULL);
}

void relay_end_streams(struct host *member)
{
	for (size_t i = 0; i < member->sim->n_hosts; i++) {
		struct relay *r = member->sim->hosts[i]->relay;

		if (r) {
			r->leg[member->number].stream.wanted = false;
			r->leg[member->number].stream.up = false;
		}
	}
}

/* --- */

bool relay_takes(struct relay *r, const struct datagram *dg)
{
	uint64_t pair = relay_get(dg->bytes, dg->n);
	uint32_t ends[2] = {relay_lower(pair), relay_higher(pair)};

	r->asked += !pair;
	if (!r->running)
		return true;
	if (!pair)
		return registered(r, dg);
	for (unsigned i = 0; i < 2; i++) {
		size_t from = ends[i] - 1;
		uint8_t msg[SIM_MTU];

		if (from >= r->host->sim->n_hosts || !has_leg(r, from) ||
			!endpoint_eq(&r->leg[from].at, &dg->from))
			continue;
		memcpy(msg, dg->bytes + RELAY_HEADER, dg->n - RELAY_HEADER);
		hand_on(r, pair, from, msg, dg->n - RELAY_HEADER);
		return true;
	}
	return true;
}

void relay_stop(struct relay *r)
{
	r->running = false;
	for (size_t i = 0; i < r->host->sim->n_hosts; i++) {
		r->leg[i].at = (struct endpoint){.port = 0};
		relay_break_stream(r->host->sim->hosts[i], r->host);
	}
}

void relay_start(struct relay *r)
{
	r->running = true;
}

void relay_restart(struct relay *r)
{
	relay_stop(r);
	relay_start(r);
}

static void relay_free(struct owned *o)
{
	struct relay *r = CONTAINER_OF(o, struct relay, owned);

	dh_key_free(r->key);
	free(r);
}

struct relay *relay_new(struct host *h)
{
	struct relay *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->host = h;
	r->running = true;
	r->secret = sim_random(h->sim);
	assert_int_equal(dh_key_new(h->priv, &r->key), TM_OK);
	sim_own(h->sim, &r->owned, relay_free);
	r->takes_streams = !h->link;
	h->relay = r;
	return r;
}

void relay_take_streams(struct relay *r)
{
	r->takes_streams = true;
}

bool relay_takes_streams(const struct relay *r)
{
	return r->takes_streams;
}
