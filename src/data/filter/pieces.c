/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/filter/pieces.h"

enum { WAYS = 8, SETS = PIECES_MAX / WAYS };

/* A whole of which the first piece has passed. */
struct whole {
	uint8_t addr[32]; /* source and destination, as they are in the packet; of IPv4 eight bytes */
	uint32_t id;
	uint8_t proto, version; /* version 0: nobody */
	bool spoilt;
	uint16_t peer;
	uint32_t until; /* tick */
	uint32_t seen, end; /* bytes that came; all there are, 0: not known yet */
	uint16_t first; /* length of the first piece */
};

struct pieces {
	struct siphash_key key;
	struct whole whole[SETS][WAYS];
};

int pieces_new(const struct siphash_key *key, struct pieces **ret_p)
{
	struct pieces *p = calloc(1, sizeof(*p));

	if (!p)
		return TM_ENOMEM;

	p->key = *key;
	*ret_p = p;
	return TM_OK;
}

void pieces_free(struct pieces *p)
{
	free(p);
}

/* What it would be called; with a piece of it. */
static struct whole whole_of(const struct ip_view *v, const struct ip_piece *piece)
{
	struct whole w = {.id = piece->id, .proto = piece->proto, .version = v->version};

	memcpy(w.addr, ip_src(v->p), v->version == 4 ? 8 : 32);
	return w;
}

static bool same_whole(const struct whole *a, const struct whole *b)
{
	return a->id == b->id && a->proto == b->proto && a->version == b->version &&
	       memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

static struct whole *set_of(struct pieces *p, const struct whole *w)
{
	uint8_t name[sizeof(w->addr) + sizeof(w->id)];

	memcpy(name, w->addr, sizeof(w->addr));
	memcpy(name + sizeof(w->addr), &w->id, sizeof(w->id));
	return p->whole[siphash(&p->key, name, sizeof(name)) % SETS];
}

static bool is_over(const struct whole *w, uint32_t tick)
{
	return !w->version || (int32_t)(w->until - tick) <= 0;
}

static struct whole *find(struct whole *set, const struct whole *w, uint32_t tick)
{
	for (unsigned i = 0; i < WAYS; i++)
		if (!is_over(&set[i], tick) && same_whole(&set[i], w))
			return &set[i];
	return NULL;
}

static unsigned held_by(const struct whole *set, uint16_t peer)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WAYS; i++)
		n += set[i].peer == peer;
	return n;
}

/* One that is over, or the oldest of the peer that has most here. */
static struct whole *make_room(struct whole *set, uint32_t tick)
{
	struct whole *loser = &set[0];

	for (unsigned i = 0; i < WAYS; i++) {
		if (is_over(&set[i], tick))
			return &set[i];

		const unsigned held = held_by(set, set[i].peer), most = held_by(set, loser->peer);
		if (held > most || (held == most && (int32_t)(set[i].until - loser->until) < 0))
			loser = &set[i];
	}
	return loser;
}

/* All of it has come: its name may be used again, which of IPv4 happens soon. */
static void count(struct whole *w, const struct ip_view *v, const struct ip_piece *piece)
{
	w->seen += piece->len;
	if (!(v->flags & IP_MORE))
		w->end = (uint32_t)piece->first + piece->len;
	if (w->end && w->seen >= w->end && !w->spoilt)
		w->version = 0;
}

bool pieces_spoil(struct pieces *p, const struct ip_view *v, uint32_t tick)
{
	const struct ip_piece piece = ip_piece_of(v);
	const struct whole w = whole_of(v, &piece);
	struct whole *known = find(set_of(p, &w), &w, tick);

	if (known)
		known->spoilt = true;
	return known;
}

void pieces_begin(struct pieces *p, const struct ip_view *v, uint16_t peer, uint32_t tick)
{
	const struct ip_piece piece = ip_piece_of(v);
	struct whole w = whole_of(v, &piece), *place = make_room(set_of(p, &w), tick);

	w.peer = peer;
	w.until = tick + flow_ticks(PIECES_S * SEC);
	w.first = piece.len;
	*place = w;
	count(place, v, &piece);
}

bool pieces_pass(struct pieces *p, const struct ip_view *v, uint32_t tick)
{
	const struct ip_piece piece = ip_piece_of(v);
	const struct whole w = whole_of(v, &piece);
	struct whole *known = find(set_of(p, &w), &w, tick);

	if (!known)
		return false;
	if (piece.first < known->first || (uint32_t)piece.first + piece.len > UINT16_MAX)
		known->spoilt = true;
	if (known->spoilt)
		return false;

	count(known, v, &piece);
	return true;
}
