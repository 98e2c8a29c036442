/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What bounds the attempts to guess a peer's ports: how often, to where, and what counts as found. */
#include "control/path/core_private.h"

#define NEXT (300 * SEC)
#define NEXT_MAX (3600 * SEC)
/* After an attempt that found a way: twice as long each time, up to half of what the most forgetful
 * translators remember. */
#define NEXT_FOUND (4 * SEC)
#define NEXT_FOUND_MAX (15 * SEC)
#define LATELY (600 * SEC) /* since a way was found: */
#define NEXT_LATELY (15 * SEC) /* after the first attempt that found nothing, instead of NEXT */
/* What the coordinator said holds so long without a newer word: it may be away, or restarted. */
#define SEEN_FOR (24 * 3600 * SEC)

/* With so many no attempt begins: there is room for what those that are under way find. */
enum { KEPT_BEFORE = CORE_GUESS_KEPT - CORE_GUESS_AT_ONCE * (BIRTHDAY_SOCKETS_IN_BLOCK + 1) };

/* --- how often --- */

/* What was before in another network says nothing, but for how often we were made to send in vain. */
struct luck *core_luck(const struct core *c, const struct live *l)
{
	struct luck *luck = &l->record->luck;

	if (luck->network_at != c->birthday.network_at)
		*luck = (struct luck){.network_at = c->birthday.network_at,
			.hour_since = luck->hour_since,
			.in_hour = luck->in_hour};
	return luck;
}

static void begin_hour(ns_t *since, unsigned *n, ns_t now)
{
	if (*n && now - *since < 3600 * SEC)
		return;
	*since = now;
	*n = 0;
}

bool core_luck_allows(struct core *c, const struct live *l, ns_t now)
{
	struct core_birthday *b = &c->birthday;
	struct luck *luck = core_luck(c, l);

	begin_hour(&b->hour_since, &b->in_hour, now);
	begin_hour(&luck->hour_since, &luck->in_hour, now);
	return b->in_hour < CORE_GUESS_PER_HOUR && luck->in_hour < CORE_GUESS_OF_ONE &&
	       b->n_kept < KEPT_BEFORE;
}

void core_luck_tries(struct core *c, const struct live *l, ns_t now)
{
	struct luck *luck = core_luck(c, l);
	const bool lately = luck->found_at && now - luck->found_at < LATELY;

	c->birthday.in_hour++;
	luck->in_hour++;
	luck->wait = luck->wait ? ns_min(2 * luck->wait, NEXT_MAX) : lately ? NEXT_LATELY : NEXT;
	luck->next_at = now + luck->wait;
}

/* What was found may die, as soon as a translator forgets it: then it is looked for again. */
void core_luck_found(struct core *c, const struct live *l, ns_t now)
{
	struct luck *luck = core_luck(c, l);

	if (luck->in_hour)
		luck->in_hour--;
	if (c->birthday.in_hour)
		c->birthday.in_hour--;
	if (!luck->found_at || now - luck->found_at >= LATELY)
		luck->finds = 0;
	luck->wait = 0;
	luck->found_at = now;
	luck->next_at = now + ns_min(NEXT_FOUND << luck->finds, NEXT_FOUND_MAX);
	luck->finds = MIN(luck->finds + 1, 8U);
}

/* --- to where --- */

bool core_is_meeting(enum stun_guess_role role)
{
	return role == STUN_GUESS_OFFERS || role == STUN_GUESS_MEETS;
}

static bool is_private(const struct ip *ip)
{
	const struct prefix host = prefix_host(ip);

	return prefix_is_private(&host);
}

/* Where nobody has fresh ports, or one to be found, there may be somebody's services. */
static bool port_is_plausible(enum stun_guess_role role, uint16_t port)
{
	if (core_is_meeting(role))
		return port >= CORE_OFFERS_FROM && port <= UINT16_MAX - BIRTHDAY_MEETINGS;
	return role != STUN_GUESS_GUESSES || port >= BIRTHDAY_LOWEST;
}

static bool may_be_sent_to(const struct core *c, enum stun_guess_role role, const struct endpoint *ep)
{
	const struct way_to way = {.remote = *ep};
	const enum reach reach = core_outlet(&c->ops, &way).reach;

	return port_is_plausible(role, ep->port) && candidate_usable(ep, &c->net4, &c->net6) &&
	       is_private(&ep->ip) == is_private(&c->nat.outside.seen[0].ip) && reach != REACH_MESH &&
	       reach != REACH_NONE;
}

/* A private address says something only in the network that we were in when we heard of it. */
static bool was_seen_at(const struct core *c, const struct seen *seen, const struct ip *ip, ns_t now)
{
	if (now - seen->at >= SEEN_FOR || (is_private(ip) && seen->at < c->birthday.network_at))
		return false;
	for (size_t i = 0; i < seen->n; i++)
		if (ip_eq(&seen->v[i], ip))
			return true;
	return false;
}

/* Does somebody else say so, too: the coordinator, or an answer from there that we have got ourselves? */
static bool is_seen_at(const struct core *c, const struct live *l, const struct ip *ip, ns_t now)
{
	if (was_seen_at(c, &l->record->seen, ip, now))
		return true;
	for (unsigned i = 0; i < l->path.n_pairs; i++) {
		const struct pair *pair = &l->path.pairs[i];

		if (pair->way.kind == WAY_UDP && pair->last_ok && ip_eq(&pair->way.remote.ip, ip))
			return true;
	}
	return false;
}

bool core_luck_usable(const struct core *c, const struct live *l, const struct stun_guess *told, ns_t now,
	struct stun_guess *ret_usable)
{
	struct stun_guess usable = {.role = told->role}, seen = usable;

	for (size_t i = 0; i < told->n; i++) {
		if (!may_be_sent_to(c, told->role, &told->seen[i]))
			continue;
		usable.seen[usable.n++] = told->seen[i];
		if (is_seen_at(c, l, &told->seen[i].ip, now))
			seen.seen[seen.n++] = told->seen[i];
	}
	*ret_usable = seen.n ? seen : usable;
	return seen.n > 0;
}

/* --- with what --- */

static bool has_socket(const struct birthday *b, uint32_t socket)
{
	for (unsigned i = 0; socket && i < b->n_sockets; i++)
		if (b->sockets[i] == socket)
			return true;
	return false;
}

static bool was_guessed_at(const struct birthday *b, const struct ip *ip)
{
	for (unsigned i = 0; i < b->n_blocks; i++)
		if (ip_eq(&b->blocks[i].ip, ip))
			return true;
	return false;
}

bool core_luck_is_find(const struct birthday *b, const struct pair *pair)
{
	const struct way_to *way = &pair->way;

	if (way->kind != WAY_UDP || pair->last_ok < b->began)
		return false;
	if (b->role == STUN_GUESS_GUESSES)
		return pair->type == CAND_PRFLX && !way->socket && was_guessed_at(b, &way->remote.ip);
	return has_socket(b, way->socket) && ip_eq(&way->remote.ip, &b->to.ip);
}
