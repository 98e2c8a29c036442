/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When two sides guess ports, or meet at fresh ones (birthday.h), and what bounds it.
 *
 * While traffic takes a detour, one side is behind an easy translator and the other behind a hard one (or
 * both keep port numbers), and the candidates had their chance, either asks the other through the relay
 * whether it takes part (GUESS-PORTS in a request and in its answer). That way works, or there would be no
 * traffic; it says on both sides when to begin, half a round trip apart, and nobody sends a thousand
 * datagrams alone.
 *
 * What an attempt sends goes where the peer says that it is. So that no member can turn others into a flood,
 * it is whole only where somebody else says so, too: the coordinator, or an answer that came from there; else
 * a few datagrams. One attempt of a pair in five minutes, after one that found nothing twice as late each
 * time, to an hour. After one that found a way some seconds, should that die: translators exist that forget
 * all each half minute. A find is what was guessed, and no other address by which the peer lets itself be
 * found meanwhile. Two at once, and in an hour sixty that find nothing with all peers together, twelve with
 * one; never into networks of the kind that we are not seen in.
 *
 * A socket by which the peer was found stays open as long as the path needs it; only its translator's memory
 * of it makes it of use, so that is refreshed while the path is up.
 */
#include "base/secret.h"
#include "control/path/core_private.h"

#include <string.h>

/*
 * The chance of the candidates: two checks of each, because the first may have met a side that was still
 * closed, and the time in which the second is answered. The detour's round trip is longer than that of any
 * direct way that is worth having. Where both are easy candidates mostly do, and two more may.
 */
enum { CHANCES = 2, CHANCES_OF_EASY = 4 };
#define ANSWERED_IN (250 * MS) /* where the detour's is not known */
#define TOLD_IN (250 * MS) /* from the question for candidates until two checks of each have been sent */
#define OUTAGE (30 * SEC) /* who was reached directly so short ago will be again, without any guess */
#define OUTAGE_FOUND                                                                                         \
	(3 * SEC) /* the same, by what was found: that does not come back where it was forgotten */
#define FLOWS (3 * SEC) /* something was sent within this time */
#define ASK_AGAIN (500 * MS)
#define NEXT_SLACK                                                                                           \
	(5 * SEC) /* whoever asks waits longer than who is asked, by all that clocks and lines do */
/* A refusal may mean no more than that the peer has just been started, or heard of us: twice as long each
 * time. */
#define REFUSED_FIRST (250 * MS)
#define REFUSED_MAX (60 * SEC)
#define KEEP_EVERY (20 * SEC) /* translators forget after 30 s at the earliest, as far as is known */
#define KEEP_SPARE (30 * SEC) /* found as well, and not used by either side */
#define MEET_IN (150 * MS) /* after both know of it: 256 sockets take up to a third of that to open */
/* Who is asked to meet puts it off by up to this: who asks many does not make them send at one moment. */
enum { SPREAD_MS = 150 };

/* Done in one step, which also sends a batch of each attempt: what the queue has room for. */
enum { CLOSE_AT_ONCE = 24, KEEP_AT_ONCE = 16 };
_Static_assert(CLOSE_AT_ONCE + KEEP_AT_ONCE + CORE_GUESS_AT_ONCE * (BIRTHDAY_BATCH + 1) <= QUEUE_MAX,
	"one step fits");

/* --- attempts --- */

static struct attempt *attempt_of(struct core *c, const struct live *l)
{
	for (size_t i = 0; i < CORE_GUESS_AT_ONCE; i++)
		if (c->birthday.v[i].live == l)
			return &c->birthday.v[i];
	return NULL;
}

/* The same, but not while we only ask. */
static struct attempt *running(struct core *c, const struct live *l)
{
	struct attempt *a = attempt_of(c, l);

	return a && a->agreed ? a : NULL;
}

static void is_due(struct core *c, ns_t now)
{
	ns_t next = c->birthday.n_closing ? now : NS_NEVER;

	for (size_t i = 0; i < CORE_GUESS_AT_ONCE; i++)
		if (c->birthday.v[i].live && c->birthday.v[i].agreed)
			next = ns_min(next, c->birthday.v[i].opens ? now : c->birthday.v[i].b.due);
	for (size_t i = 0; i < c->birthday.n_kept; i++)
		next = ns_min(next, c->birthday.kept[i].due);
	heap_set(&c->heap, &c->birthday.due, next);
}

static bool is_detour(const struct path *p)
{
	return p->state == PATH_UP && p->chosen >= 0 && pair_is_relayed(path_chosen(p));
}

/* Traffic has just begun, or goes on. */
static bool flows(const struct path *p, ns_t now)
{
	return now - MAX(p->last_sending, p->wanted_at) < FLOWS;
}

/* Where the world sees us, in the network that we are in now. */
static bool knows_itself(const struct core *c)
{
	return c->nat.outside.n && c->nat.began >= c->birthday.network_at;
}

/* A place for an attempt, and the ports that it will take. */
static void reserve(struct core *c, struct attempt *a, struct live *l, enum stun_guess_role role)
{
	if (a->live != l)
		*a = (struct attempt){.live = l};
	if (core_is_meeting(role) && !a->port)
		a->port = (uint16_t)(CORE_OFFERS_FROM + c->ops.random(c->ops.ctx) % CORE_OFFERS_RANGE);
}

/* False: nothing that it says may be sent to, or others are at it. told_ago: the other side begins so much
 * later than we, as it will be told. */
static bool begin(struct core *c, struct live *l, enum stun_guess_role role, const struct stun_guess *told,
	ns_t told_ago, ns_t now)
{
	struct attempt *a = attempt_of(c, l);
	struct stun_guess theirs;

	a = a ? a : attempt_of(c, NULL);
	const bool seen = core_luck_usable(c, l, told, now, &theirs);
	if (!a || !theirs.n)
		return false;
	reserve(c, a, l, role);
	a->agreed = true;
	if (core_is_meeting(role))
		birthday_meet(&a->b, role, &theirs.seen[0], now + told_ago + MEET_IN, now);
	else
		birthday_begin(&a->b, role, &theirs.seen[0],
			role == STUN_GUESS_OPENS ? &c->nat.outside : told, c->ops.random(c->ops.ctx), now);
	birthday_only_at(&a->b, &theirs);
	if (!seen)
		birthday_limit(&a->b, BIRTHDAY_UNSEEN);
	l->asking.n = l->asking.refused = 0;
	core_luck_tries(c, l, now);
	a->opens = role != STUN_GUESS_GUESSES;
	if (!a->opens)
		queue_push(&c->queue, CORE_NOTE, WHY_GUESS)->peer = l->record->member;
	is_due(c, now);
	return true;
}

static void close_later(struct core *c, struct live *l, uint32_t socket)
{
	path_forget_socket(&l->path, socket);
	c->birthday.closing[c->birthday.n_closing++] = socket;
}

/* What the peer was found by stays, also where it was found twice: which one it uses will show. */
static void keep_or_close(struct core *c, struct live *l, uint32_t socket, bool found, ns_t now)
{
	struct core_birthday *b = &c->birthday;

	if (!socket)
		return; /* that port could not be had */
	if (found)
		b->kept[b->n_kept++] = (struct kept_socket){
			.live = l, .number = socket, .since = now, .due = now + KEEP_EVERY};
	else
		close_later(c, l, socket);
}

static void end(struct core *c, struct attempt *a, ns_t now)
{
	struct live *l = a->live;
	bool direct = l->path.state == PATH_UP && !is_detour(&l->path);
	const bool found = direct && core_luck_is_find(&a->b, path_chosen(&l->path));
	struct core_out *out = queue_push(&c->queue, CORE_NOTE, found ? WHY_GUESSED : WHY_MISSED);
	bool kept[BIRTHDAY_SOCKETS];

	out->peer = l->record->member;
	birthday_kept(&a->b, kept);
	for (unsigned i = 0; i < a->b.n_sockets; i++) {
		const bool used = direct && path_chosen(&l->path)->way.socket == a->b.sockets[i];

		keep_or_close(c, l, a->b.sockets[i], used || (direct && kept[i]), now);
	}
	if (found)
		core_luck_found(c, l, now);
	a->live = NULL;
	is_due(c, now);
}

/* --- agreeing --- */

/* Ours, if we ask. Where fresh ports of both are seen under their own numbers none need be guessed. */
static enum stun_guess_role role_of(const struct core *c, const struct live *l)
{
	const enum nat_maps ours = c->nat.told.mapping, theirs = l->record->maps;

	if ((ours != NAT_DEPENDENT && ours != NAT_INDEPENDENT) ||
		(theirs != NAT_DEPENDENT && theirs != NAT_INDEPENDENT))
		return STUN_GUESS_NONE;
	if (c->nat.keeps_ports && l->record->keeps_ports)
		return strcmp(c->self.id, l->record->member.id) < 0 ? STUN_GUESS_OFFERS : STUN_GUESS_MEETS;
	if (ours == theirs)
		return STUN_GUESS_NONE;
	return ours == NAT_DEPENDENT ? STUN_GUESS_OPENS : STUN_GUESS_GUESSES;
}

static enum stun_guess_role other_role(enum stun_guess_role role)
{
	static const enum stun_guess_role other[] = {
		[STUN_GUESS_OPENS] = STUN_GUESS_GUESSES,
		[STUN_GUESS_GUESSES] = STUN_GUESS_OPENS,
		[STUN_GUESS_OFFERS] = STUN_GUESS_MEETS,
		[STUN_GUESS_MEETS] = STUN_GUESS_OFFERS,
	};

	return role < ARRAY_LEN(other) ? other[role] : STUN_GUESS_NONE;
}

/* Can we play that part? */
static bool plays(const struct core *c, enum stun_guess_role role)
{
	if (core_is_meeting(role))
		return c->nat.keeps_ports;
	return role && c->nat.told.mapping == (role == STUN_GUESS_OPENS ? NAT_DEPENDENT : NAT_INDEPENDENT);
}

/* What we tell of ourselves in an attempt. */
static struct stun_guess tell_role(const struct core *c, const struct attempt *a, enum stun_guess_role role)
{
	struct stun_guess g = c->nat.outside;

	g.role = role;
	g.later_ms = a->later_ms;
	if (core_is_meeting(role)) {
		g.n = 1;
		g.seen[0].port = a->port;
	}
	return g;
}

static void ask(struct core *c, struct live *l, enum stun_guess_role role, ns_t now)
{
	const struct way_to *way = &path_chosen(&l->path)->way;
	const uint8_t *key = record_check_key(c, l->record);
	struct stun_msg m = {.guess = tell_role(c, attempt_of(c, l), role)};

	if (!key)
		return;
	struct core_out *out = queue_push(&c->queue, CORE_SEND, WHY_GUESS);
	out->peer = l->record->member;
	out->way = *way;
	out->n = stun_ask(&c->self, l->record->member.id, key, &m, out->msg, sizeof(out->msg),
		&l->asking.stamps[l->asking.n]);
	l->asking.n++;
	l->asking.again_at = now + ASK_AGAIN;
}

/* When the candidates had their chance; NS_NEVER: not before more of their checks were sent. Those that were
 * just asked for are waited for, and where there are none not for long. */
static ns_t had_chance(const struct path *p, bool easy)
{
	const unsigned chances = easy ? CHANCES_OF_EASY : CHANCES;
	const ns_t detour = path_chosen(p)->rtt;
	ns_t at = p->asked_at ? p->asked_at + TOLD_IN : 0;

	for (unsigned i = 0; i < p->n_pairs; i++) {
		const struct pair *pair = &p->pairs[i];

		if (pair_is_relayed(pair) || (!pair->tries && pair->next_check == NS_NEVER))
			continue;
		if (pair->tries < chances)
			return NS_NEVER;
		at = MAX(at, pair->began + pair->sent_us[chances - 1] * US);
	}
	return at + (detour ? detour : ANSWERED_IN);
}

/* When to ask. */
static ns_t first_try(const struct core *c, const struct live *l)
{
	const struct luck *luck = core_luck(c, l);
	ns_t direct = path_last_direct(&l->path);
	ns_t at = had_chance(
		&l->path, c->nat.told.mapping == NAT_INDEPENDENT && l->record->maps == NAT_INDEPENDENT);

	if (direct)
		at = MAX(at, direct + (luck->finds ? OUTAGE_FOUND : OUTAGE));
	if (luck->next_at)
		at = MAX(at, luck->next_at + NEXT_SLACK);
	return MAX(at, l->asking.not_before);
}

/* We do not ask any more. */
static void stop_asking(struct core *c, struct live *l, ns_t again)
{
	struct attempt *a = attempt_of(c, l);

	l->asking.n = 0;
	l->asking.not_before = again;
	if (a && !a->agreed)
		a->live = NULL;
}

static void refused(struct core *c, struct live *l, ns_t now)
{
	const ns_t wait = ns_min(REFUSED_FIRST << l->asking.refused, REFUSED_MAX);

	l->asking.refused = MIN(l->asking.refused + 1, 8U);
	stop_asking(c, l, now + wait);
}

/* Who asks has a place for the attempt already: what the other side opens is not to be in vain. */
static bool may_ask(struct core *c, struct live *l, enum stun_guess_role role, ns_t now)
{
	struct attempt *a = attempt_of(c, l);

	if (a)
		return true;
	a = attempt_of(c, NULL);
	if (!a || !core_luck_allows(c, l, now))
		return false;
	reserve(c, a, l, role);
	return true;
}

ns_t core_birthday_consider(struct core *c, struct live *l, ns_t now)
{
	enum stun_guess_role role = role_of(c, l);
	struct attempt *a = running(c, l);
	struct asking *asking = &l->asking;

	if (a && !is_detour(&l->path))
		end(c, a, now);
	if (l->path.state == PATH_IDLE)
		core_birthday_forget(c, l);
	if (a || !is_detour(&l->path) || !flows(&l->path, now)) {
		stop_asking(c, l, asking->not_before);
		return NS_NEVER;
	}
	if (role == STUN_GUESS_NONE || !knows_itself(c))
		return NS_NEVER;
	ns_t at = asking->n ? asking->again_at : first_try(c, l);
	if (at > now)
		return at;
	if (!may_ask(c, l, role, now))
		return now + NEXT_SLACK;
	if (asking->n == CORE_GUESS_TRIES) {
		stop_asking(c, l, now + REFUSED_MAX); /* silence is no refusal, and others want the place */
		return asking->not_before;
	}
	ask(c, l, role, now);
	return asking->again_at;
}

/* The moment is ours to put off. */
static bool begin_asked(
	struct core *c, struct live *l, enum stun_guess_role role, const struct stun_guess *told, ns_t now)
{
	const unsigned later = core_is_meeting(role) ? c->ops.random(c->ops.ctx) % (SPREAD_MS + 1) : 0;

	if (!begin(c, l, role, told, path_chosen(&l->path)->rtt / 2 + later * MS, now))
		return false;
	struct attempt *a = running(c, l);
	if (a)
		a->later_ms = (uint8_t)later;
	return true;
}

void core_birthday_asked(struct core *c, struct live *l, const struct core_in *in, const struct stun_msg *m,
	ns_t now, struct stun_guess *ret_ours)
{
	const enum stun_guess_role role = other_role(m->guess.role);
	const struct attempt *a = running(c, l);

	if (!plays(c, role) || in->stun.by.kind == WAY_UDP || !knows_itself(c))
		return;
	/* Both ask at once: the moment is told by whose question is answered, and that is the other's. */
	if (!a && role == STUN_GUESS_OFFERS && l->asking.n)
		return;
	/* Once more, where our answer got lost. */
	if (!a && (!is_detour(&l->path) || core_luck(c, l)->next_at > now || !core_luck_allows(c, l, now) ||
			  !begin_asked(c, l, role, &m->guess, now)))
		return;
	a = running(c, l);
	if (a && a->b.role == role)
		*ret_ours = tell_role(c, a, role);
}

bool core_birthday_answered(struct core *c, struct live *l, const struct stun_msg *m, ns_t now)
{
	const enum stun_guess_role role = other_role(m->guess.role);
	const ns_t later = MIN(m->guess.later_ms, SPREAD_MS) * MS;
	bool ours = false;

	for (size_t i = 0; i < c->birthday.n_kept; i++)
		if (c->birthday.kept[i].live == l && c->birthday.kept[i].stamp == stun_stamp(m))
			return true;
	for (unsigned i = 0; i < l->asking.n; i++)
		ours |= l->asking.stamps[i] == stun_stamp(m);
	if (!ours)
		return false;
	if (plays(c, role) && core_luck_allows(c, l, now) && begin(c, l, role, &m->guess, later, now))
		return true;
	refused(c, l, now);
	return true;
}

enum path_not core_birthday_not(const struct core *c, const struct live *l)
{
	for (size_t i = 0; i < CORE_GUESS_AT_ONCE; i++)
		if (c->birthday.v[i].live == l && c->birthday.v[i].agreed)
			return core_is_meeting(c->birthday.v[i].b.role) ? PATH_NOT_MEETING
									: PATH_NOT_GUESSING;
	if (!core_luck(c, l)->wait || !is_detour(&l->path))
		return PATH_NOT_NOTHING;
	return core_is_meeting(role_of(c, l)) ? PATH_NOT_UNMET : PATH_NOT_MISSED;
}

/* --- what comes of it --- */

void core_birthday_opened(struct core *c, const struct core_in *in, ns_t now)
{
	const struct record *rec = record_by_key(c, in->key);
	struct attempt *a = rec && rec->live ? running(c, rec->live) : NULL;

	if (a && a->b.role != STUN_GUESS_GUESSES && !a->b.n_sockets)
		birthday_opened(&a->b, in->sockets.v, in->sockets.n, now);
	else
		for (size_t i = 0;
			i < in->sockets.n && c->birthday.n_closing < ARRAY_LEN(c->birthday.closing); i++)
			if (in->sockets.v[i])
				c->birthday.closing[c->birthday.n_closing++] = in->sockets.v[i];
	is_due(c, now);
}

void core_birthday_hint(
	struct core *c, const struct live *l, const struct way_to *by, bool question, ns_t now)
{
	struct attempt *a = running(c, l);

	if (!a || by->kind != WAY_UDP)
		return;
	birthday_hint(&a->b, by->socket, question, now);
	is_due(c, now);
}

bool core_birthday_found(struct core *c, struct live *l, const struct way_to *by, ns_t now)
{
	struct turn t = live_turn(c, l, now);

	if (!running(c, l) || by->kind != WAY_UDP || !candidate_usable(&by->remote, &c->net4, &c->net6))
		return false;
	core_birthday_hint(c, l, by, false, now);
	path_check_received(&l->path, by, false, &t);
	return true;
}

/* Hundreds of sockets take their time, and the answer that agrees on the moment waits for nothing. */
static void open_sockets(struct core *c, struct attempt *a)
{
	const bool meets = core_is_meeting(a->b.role);
	struct core_out *out = queue_push(&c->queue, CORE_OPEN, meets ? WHY_MEET : WHY_GUESS);

	a->opens = false;
	out->peer = a->live->record->member;
	out->port = meets ? a->port : 0;
	out->n = meets ? BIRTHDAY_MEETINGS : birthday_sockets(&c->nat.outside);
	if (a->b.most)
		out->n = MIN(out->n, a->b.most);
}

static void step_attempt(struct core *c, struct attempt *a, ns_t now)
{
	struct turn t = live_turn(c, a->live, now);
	struct way_to way = {.kind = WAY_UDP};

	t.check_key = record_check_key(c, a->live->record);
	for (unsigned n = 0; n < BIRTHDAY_BATCH && birthday_step(&a->b, now, &way.socket, &way.remote); n++)
		(void)turn_check(&t, WHY_GUESS, &way, false);
	if (birthday_is_over(&a->b, now))
		end(c, a, now);
}

/* A question that is no check: its answer passes both translators, and moves nothing. */
static void keep(struct core *c, struct kept_socket *k, const struct way_to *way)
{
	const uint8_t *key = record_check_key(c, k->live->record);
	struct core_out *out;

	if (!key)
		return;
	out = queue_push(&c->queue, CORE_SEND, WHY_KEEP);
	out->peer = k->live->record->member;
	out->way = *way;
	out->n = stun_request(&c->self, out->peer.id, key, 0, out->msg, sizeof(out->msg), &k->stamp);
}

/* False: it is to be closed. */
static bool step_kept(struct core *c, struct kept_socket *k, ns_t now)
{
	const struct way_to *way = path_by_socket(&k->live->path, k->number, MAX(k->since, now - KEEP_SPARE));

	if (!way && now - k->since >= KEEP_SPARE)
		return false;
	if (way)
		keep(c, k, way);
	k->due = way ? now + KEEP_EVERY : k->since + KEEP_SPARE;
	return true;
}

static void step_all_kept(struct core *c, ns_t now)
{
	struct core_birthday *b = &c->birthday;
	unsigned sent = 0;

	for (size_t i = b->n_kept; i-- > 0 && sent < KEEP_AT_ONCE;) {
		if (b->kept[i].due > now)
			continue;
		sent++;
		if (step_kept(c, &b->kept[i], now))
			continue;
		close_later(c, b->kept[i].live, b->kept[i].number);
		b->kept[i] = b->kept[--b->n_kept];
	}
}

void core_birthday_step(struct core *c, ns_t now)
{
	struct core_birthday *b = &c->birthday;

	for (unsigned i = 0; b->n_closing && i < CLOSE_AT_ONCE; i++)
		queue_push(&c->queue, CORE_CLOSE, WHY_GUESS)->way.socket = b->closing[--b->n_closing];
	for (size_t i = 0; i < CORE_GUESS_AT_ONCE; i++)
		if (b->v[i].live && b->v[i].opens)
			open_sockets(c, &b->v[i]);
		else if (b->v[i].live && b->v[i].agreed && b->v[i].b.due <= now)
			step_attempt(c, &b->v[i], now);
	step_all_kept(c, now);
	is_due(c, now);
}

void core_birthday_network(struct core *c, ns_t now)
{
	for (size_t i = 0; i < CORE_GUESS_AT_ONCE; i++)
		if (c->birthday.v[i].live && c->birthday.v[i].agreed)
			end(c, &c->birthday.v[i], now);
		else
			c->birthday.v[i].live = NULL;
	c->birthday.network_at = now;
	LIST_FOREACH (l, &c->live, struct live, all)
		l->asking = (struct asking){.n = 0};
}

void core_birthday_forget(struct core *c, struct live *l)
{
	struct core_birthday *b = &c->birthday;
	struct attempt *a = attempt_of(c, l);
	size_t had = b->n_closing;

	for (unsigned i = 0; a && i < a->b.n_sockets; i++)
		if (a->b.sockets[i])
			close_later(c, l, a->b.sockets[i]);
	if (a)
		a->live = NULL;
	for (size_t i = b->n_kept; i-- > 0;)
		if (b->kept[i].live == l) {
			close_later(c, l, b->kept[i].number);
			b->kept[i] = b->kept[--b->n_kept];
		}
	if (a || b->n_closing != had)
		is_due(c, 0);
}
