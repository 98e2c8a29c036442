/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/relay/registrar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/heap.h"
#include "base/map.h"
#include "base/secret.h"
#include "control/relay/cookie.h"
#include "crypto/dh.h"

/* Of a member that has ever said anything plausible: as many as there are members. */
struct record {
	struct registrar_member m;
	uint8_t key[STUN_KEY];
	uint64_t stamp; /* of its newest registration: older ones, and itself, are replays */
	/* where it can be reached */
	struct way_to udp, stream; /* remote IP_NONE: not */
	ns_t udp_since; /* its last registration */
	bool prefers_stream;
	struct heap_node end; /* of `udp` */
	/* what the plane was told last */
	struct way_to leg;
	/* registrations that came and are not forgotten, in thousandths, as of spent_at */
	uint64_t spent;
	ns_t spent_at;
};

struct registrar {
	/* set once */
	struct registrar_config cfg;
	struct stun_self self;
	struct dh_key *key;
	struct cookie_key cookies;
	/* changes */
	struct map *records; /* by id */
	struct heap ends; /* of records with `udp` */
	size_t n_legs;
	uint64_t refused;
	ns_t claims_since;
	unsigned claims;
};

/* --- records --- */

static void record_free(struct registrar *r, struct record *rec)
{
	map_remove(r->records, rec->m.id);
	heap_remove(&r->ends, &rec->end);
	wipe(rec, sizeof(*rec));
	free(rec);
}

static bool may_compute(struct registrar *r, ns_t now)
{
	if (now - r->claims_since >= SEC) {
		r->claims_since = now;
		r->claims = 0;
	}
	return r->claims++ < REGISTRAR_CLAIMS;
}

static struct record *record_new(struct registrar *r, const struct registrar_member *m, ns_t now)
{
	struct record *rec;

	if (!may_compute(r, now))
		return NULL;
	rec = calloc(1, sizeof(*rec));
	if (!rec)
		return NULL;
	rec->m = *m;
	rec->stamp = m->stamp;
	rec->spent_at = now;
	if (heap_reserve(&r->ends, map_size(r->records) + 1) != TM_OK ||
		stun_pair_key(r->key, m->key, rec->key) != TM_OK ||
		map_put(r->records, m->id, rec) != TM_OK) {
		wipe(rec, sizeof(*rec));
		free(rec);
		return NULL;
	}
	return rec;
}

/* --- legs --- */

static bool is_set(const struct way_to *way)
{
	return endpoint_is_set(&way->remote);
}

static struct way_to best(const struct record *rec)
{
	bool stream = is_set(&rec->stream) && (rec->prefers_stream || !is_set(&rec->udp));

	return stream ? rec->stream : rec->udp;
}

/* A member whose UDP ended without a word is looked for in its stream as soon as it misses a registration. */
static void udp_ends(struct registrar *r, struct record *rec)
{
	ns_t patience = is_set(&rec->stream) ? REGISTRAR_PATIENCE : REGISTRAR_LIFETIME * SEC;

	if (is_set(&rec->udp))
		heap_set(&r->ends, &rec->end, rec->udp_since + patience);
}

/* Tells what has become of its leg. */
static void settle(struct registrar *r, struct record *rec, struct registrar_out *out)
{
	struct way_to way = best(rec);
	bool was = is_set(&rec->leg), is = is_set(&way);

	out->member = rec->m;
	if (was == is && (!is || way_to_eq(&way, &rec->leg)))
		return;
	r->n_legs = r->n_legs + is - was;
	rec->leg = way;
	out->what = is ? LEG_PUT : LEG_GONE;
	out->way = way;
}

static void end_udp(struct registrar *r, struct record *rec)
{
	rec->udp = (struct way_to){.kind = WAY_UDP};
	heap_remove(&r->ends, &rec->end);
}

/* --- registrations --- */

static bool within_rate(struct record *rec, ns_t now)
{
	uint64_t forgotten = (uint64_t)((now - rec->spent_at) / MS) * REGISTRAR_RATE;

	if (forgotten) {
		rec->spent -= MIN(rec->spent, forgotten);
		rec->spent_at = now;
	}
	if (rec->spent + 1000 > REGISTRAR_BURST * 1000)
		return false;
	rec->spent += 1000;
	return true;
}

/*
 * Whose registration that is: sealed by a member, newer than its last. NULL: nobody's. What cannot be new
 * costs nothing, what is not sealed a hash.
 */
static struct record *author(struct registrar *r, const uint8_t *msg, size_t n, const struct stun_msg *m,
	const char *sender, ns_t now)
{
	struct record *rec = map_get(r->records, sender);
	struct registrar_member who;

	if (m->n_unknown || (rec && stun_stamp(m) <= rec->stamp) || !r->cfg.find(r->cfg.ctx, sender, &who) ||
		stun_stamp(m) <= who.stamp)
		return NULL;
	if (!rec)
		rec = record_new(r, &who, now);
	/* Of a key that it had before, whose end we have not been told yet. */
	else if (memcmp(rec->m.key, who.key, sizeof(who.key)) != 0 || rec->m.host != who.host)
		return NULL;
	if (!rec || stun_verify(msg, n, m, rec->key) != TM_OK || !within_rate(rec, now))
		return NULL;
	return rec;
}

/* The answer, in out; false: the question left no room for one. */
static bool answer(struct registrar *r, const struct record *rec, const struct stun_msg *m, size_t n,
	const struct endpoint *from, const struct stun_msg *more, struct registrar_out *out)
{
	out->n =
		stun_reply(&r->self, rec->m.id, rec->key, m, n, from, more, out->answer, sizeof(out->answer));
	return out->n != 0;
}

/* The same for all; 0 when there is no room for another member. */
static uint32_t granted(const struct registrar *r, const struct record *rec)
{
	return is_set(&rec->leg) || r->n_legs < r->cfg.members_max ? REGISTRAR_LIFETIME : 0;
}

static void put_udp(struct registrar *r, struct record *rec, const struct way_to *by, ns_t now)
{
	rec->udp = *by;
	rec->udp_since = now;
	rec->prefers_stream = false;
	udp_ends(r, rec);
}

static bool may_be_leg(const struct registrar *r, const struct way_to *by)
{
	const struct ip *ip = &by->remote.ip;

	return by->kind == WAY_UDP && is_set(by) && !ip_is_multicast(ip) && !ip_is_unspecified(ip) &&
	       !prefix_contains(&r->cfg.net4, ip) && !prefix_contains(&r->cfg.net6, ip);
}

static bool udp_taken(struct registrar *r, const struct way_to *by, const uint8_t *msg, size_t n,
	const struct stun_msg *m, const char *sender, ns_t now, ns_t real, struct registrar_out *out)
{
	struct stun_msg more = {.has_lifetime = true, .has_cookie = true};
	struct record *rec = may_be_leg(r, by) ? author(r, msg, n, m, sender, now) : NULL;

	if (!rec)
		return false;
	if (m->has_cookie && m->lifetime_s &&
		cookie_is_right(&r->cookies, rec->m.id, &by->remote, real, m->cookie))
		more.lifetime_s = granted(r, rec);
	cookie_make(&r->cookies, rec->m.id, &by->remote, real, more.cookie);
	if (!answer(r, rec, m, n, &by->remote, &more, out))
		return false;

	rec->stamp = stun_stamp(m);
	if (more.lifetime_s)
		put_udp(r, rec, by, now);
	else if (!m->lifetime_s)
		end_udp(r, rec);
	settle(r, rec, out);
	return true;
}

/* By its stream a member says whether it wants to be reached there now. */
static bool stream_taken(struct registrar *r, const struct way_to *by, const uint8_t *msg, size_t n,
	const struct stun_msg *m, const char *sender, ns_t now, struct registrar_out *out)
{
	const struct stun_msg more = {.has_lifetime = true, .lifetime_s = REGISTRAR_LIFETIME};
	struct record *rec = author(r, msg, n, m, sender, now);

	if (!rec || !is_set(&rec->stream) || rec->stream.socket != by->socket ||
		!answer(r, rec, m, n, &by->remote, &more, out))
		return false;
	rec->stamp = stun_stamp(m);
	rec->prefers_stream = m->lifetime_s != 0;
	settle(r, rec, out);
	return true;
}

bool registrar_stun(struct registrar *r, const struct way_to *by, const uint8_t *msg, size_t n, ns_t now,
	ns_t real, struct registrar_out *ret_out)
{
	char sender[NODE_ID_LEN + 1];
	struct stun_msg m;

	*ret_out = (struct registrar_out){.what = LEG_SAME};
	if (stun_open(&r->self, msg, n, &m, sender) != TM_OK || m.class != STUN_REQUEST || !m.has_lifetime)
		return false;
	bool taken = by->kind == WAY_RELAY_TCP ? stream_taken(r, by, msg, n, &m, sender, now, ret_out)
					       : udp_taken(r, by, msg, n, &m, sender, now, real, ret_out);
	r->refused += !taken;
	return true;
}

/* --- streams --- */

int registrar_stream(struct registrar *r, const struct endpoint *from, const uint8_t *msg, size_t n, ns_t now,
	struct registrar_out *ret_out)
{
	struct stun_msg more = {.has_lifetime = true};
	char sender[NODE_ID_LEN + 1];
	struct stun_msg m;

	*ret_out = (struct registrar_out){.what = LEG_SAME};
	int err = stun_open(&r->self, msg, n, &m, sender);
	if (err)
		return err;
	if (m.class != STUN_REQUEST || !m.has_lifetime)
		return TM_EBADMSG;
	struct record *rec = author(r, msg, n, &m, sender, now);
	if (!rec) {
		r->refused++;
		return TM_EAUTH;
	}
	more.lifetime_s = granted(r, rec);
	if (!more.lifetime_s || !answer(r, rec, &m, n, from, &more, ret_out))
		return TM_EFULL;
	rec->stamp = stun_stamp(&m);
	ret_out->member = rec->m;
	ret_out->wanted = m.lifetime_s != 0;
	return TM_OK;
}

void registrar_stream_up(struct registrar *r, const char *id, const struct way_to *way, bool wanted,
	struct registrar_out *ret_out)
{
	struct record *rec = map_get(r->records, id);

	*ret_out = (struct registrar_out){.what = LEG_SAME};
	if (!rec)
		return;
	rec->stream = *way;
	rec->prefers_stream = wanted;
	udp_ends(r, rec);
	settle(r, rec, ret_out);
}

void registrar_stream_down(
	struct registrar *r, const char *id, const struct way_to *way, struct registrar_out *ret_out)
{
	struct record *rec = map_get(r->records, id);

	*ret_out = (struct registrar_out){.what = LEG_SAME};
	if (!rec || !is_set(&rec->stream) || rec->stream.socket != way->socket)
		return; /* a newer one has its place */
	rec->stream = (struct way_to){.kind = WAY_UDP};
	rec->prefers_stream = false;
	udp_ends(r, rec);
	settle(r, rec, ret_out);
}

/* --- ends --- */

void registrar_forget(struct registrar *r, const char *id, struct registrar_out *ret_out)
{
	struct record *rec = map_get(r->records, id);

	*ret_out = (struct registrar_out){.what = LEG_SAME};
	if (!rec)
		return;
	ret_out->member = rec->m;
	if (is_set(&rec->leg)) {
		ret_out->what = LEG_GONE;
		r->n_legs--;
	}
	record_free(r, rec);
}

bool registrar_due(struct registrar *r, ns_t now, struct registrar_out *ret_out)
{
	*ret_out = (struct registrar_out){.what = LEG_SAME};
	if (registrar_next(r) > now)
		return false;
	struct record *rec = CONTAINER_OF(heap_top(&r->ends), struct record, end);
	end_udp(r, rec);
	settle(r, rec, ret_out);
	return true;
}

ns_t registrar_next(const struct registrar *r)
{
	return heap_next(&r->ends);
}

/* --- what is so --- */

uint64_t registrar_stamp(const struct registrar *r, const char *id)
{
	const struct record *rec = map_get(r->records, id);

	return rec ? rec->stamp : 0;
}

size_t registrar_size(const struct registrar *r)
{
	return r->n_legs;
}

uint64_t registrar_refused(const struct registrar *r)
{
	return r->refused;
}

/* --- life --- */

int registrar_new(const struct registrar_config *cfg, struct registrar **ret_registrar)
{
	struct registrar *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	r->cfg = *cfg;
	r->cfg.private_key = NULL;
	r->cfg.self_id = NULL;
	snprintf(r->self.id, sizeof(r->self.id), "%s", cfg->self_id);
	int err = map_new(NODE_ID_LEN, &r->records);
	if (!err)
		err = dh_key_new(cfg->private_key, &r->key);
	if (!err)
		err = cookie_key_init(&r->cookies, cfg->private_key);
	if (err) {
		registrar_free(r);
		return err;
	}
	*ret_registrar = r;
	return TM_OK;
}

void registrar_free(struct registrar *r)
{
	struct record *rec;

	if (!r)
		return;
	for (size_t i = 0; r->records && (rec = map_next(r->records, &i));) {
		wipe(rec, sizeof(*rec));
		free(rec);
	}
	map_free(r->records);
	heap_deinit(&r->ends);
	dh_key_free(r->key);
	cookie_key_deinit(&r->cookies);
	wipe(r, sizeof(*r));
	free(r);
}
