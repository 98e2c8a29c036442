/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/tell.h"

#include "base/bytes.h"
#include "base/encode.h"
#include "base/secret.h"
#include "control/path/core_private.h"
#include "crypto/kdf.h"

#include <string.h>

_Static_assert((size_t)TELL_MAX <= STUN_CANDIDATES_MAX, "the longest list fits into a question");

/* --- sealed lists --- */

/* Each direction has a key of its own: the two ends' stamps may be the same. */
static int list_key(
	const uint8_t check_key[static STUN_KEY], const char *sender, uint8_t ret_key[static AEAD_KEY])
{
	return hkdf_sha256(
		check_key, STUN_KEY, sender, strlen(sender), "tunnelmesh candidates 1", ret_key, AEAD_KEY);
}

static size_t put_list(const struct candidates *c, bool away, uint8_t *out, size_t room)
{
	struct wr w = wr_over(out, room);

	wr_u8(&w, away);
	for (size_t i = 0; i < c->n; i++) {
		const struct candidate *v = &c->v[i];
		uint8_t relay[NODE_ID_LEN / 2];

		wr_u8(&w, (uint8_t)v->type);
		wr_u8(&w, v->ep.ip.family);
		wr_be16(&w, v->ep.port);
		wr_bytes(&w, v->ep.ip.bytes, ip_len(&v->ep.ip));
		if (v->type == CAND_RELAY && hex_decode(v->relay, NODE_ID_LEN, relay, sizeof(relay)) == TM_OK)
			wr_bytes(&w, relay, sizeof(relay));
	}
	return w.bad ? 0 : wr_len(&w);
}

static void get_candidate(struct rd *r, struct candidates *c)
{
	struct candidate v = {.type = (enum candidate_type)rd_u8(r)};
	uint8_t family = rd_u8(r), relay[NODE_ID_LEN / 2], ip[16] = {0};

	v.ep.port = rd_be16(r);
	rd_copy(r, ip, family == IP_V4 ? 4 : 16);
	v.ep.ip = family == IP_V4 ? ip_v4(ip) : ip_unmapped(ip_v6(ip));
	r->bad |= family != IP_V4 && family != IP_V6;
	if (v.type == CAND_RELAY) {
		rd_copy(r, relay, sizeof(relay));
		hex_encode(relay, sizeof(relay), v.relay);
	}
	if (!r->bad && v.type < CAND_TYPE_N && c->n < CANDIDATES_MAX)
		c->v[c->n++] = v;
}

size_t tell_seal(struct aead *a, const uint8_t check_key[static STUN_KEY], const char *sender, uint64_t stamp,
	const struct candidates *c, bool away, uint8_t out[static TELL_MAX])
{
	uint8_t key[AEAD_KEY], list[TELL_MAX - AEAD_TAG];
	size_t n = put_list(c, away, list, sizeof(list));
	int err = list_key(check_key, sender, key);

	if (!err)
		err = aead_seal(a, key, stamp, NULL, 0, list, n, out);
	wipe(key, sizeof(key));
	return err ? 0 : n + AEAD_TAG;
}

int tell_open(struct aead *a, const uint8_t check_key[static STUN_KEY], const char *sender, uint64_t stamp,
	const uint8_t *p, size_t n, struct candidates *ret_c, bool *ret_away)
{
	uint8_t key[AEAD_KEY], list[TELL_MAX];
	struct candidates c = {.n = 0};

	if (n < AEAD_TAG || n > sizeof(list))
		return TM_EBADMSG;
	int err = list_key(check_key, sender, key);
	if (!err)
		err = aead_open(a, key, stamp, NULL, 0, p, n, list);
	wipe(key, sizeof(key));
	if (err)
		return err;
	struct rd r = rd_over(list, n - AEAD_TAG);
	const bool away = rd_u8(&r) & 1;
	while (rd_left(&r) && !r.bad)
		get_candidate(&r, &c);
	if (r.bad)
		return TM_EBADMSG;
	*ret_c = c;
	*ret_away = away;
	return TM_OK;
}

/* --- in the core --- */

/* Made when it is first needed: most nodes never lose their coordinator for long. */
static struct aead *sealer(struct core *c)
{
	if (!c->aead && aead_new_with(AEAD_LIBCRYPTO, &c->aead) != TM_OK)
		return NULL;
	return c->aead;
}

static void step_all(struct core *c)
{
	LIST_FOREACH (l, &c->live, struct live, all)
		heap_set(&c->heap, &l->due, 0);
}

void tell_link(struct core *c, bool up)
{
	c->away = !up;
	if (c->away)
		step_all(c);
}

void tell_changed(struct core *c)
{
	c->mine_version++;
	step_all(c);
}

static bool is_needed(const struct core *c, const struct live *l, ns_t now)
{
	return c->mine.n && l->path.state == PATH_UP && path_chosen(&l->path) &&
	       l->tell.has != c->mine_version && (c->away || now < l->tell.back_until);
}

static void send_list(struct core *c, struct live *l, struct turn *t)
{
	const struct path *p = &l->path;
	uint8_t sealed[TELL_MAX];
	struct aead *a = sealer(c);
	struct stun_msg ask = {.candidates = sealed};

	ask.candidates_len = a ? tell_seal(a, t->check_key, c->self.id, stun_next_stamp(&c->self), &c->mine,
					 c->away, sealed)
			       : 0;
	if (!ask.candidates_len)
		return;
	struct core_out *out = queue_push(&c->queue, CORE_SEND, WHY_TELL);
	out->peer = l->record->member;
	out->way = path_chosen(p)->way;
	out->n = stun_ask(&c->self, out->peer.id, t->check_key, &ask, out->msg, sizeof(out->msg),
		&l->tell.stamps[l->tell.tries]);
}

ns_t tell_step(struct core *c, struct live *l, struct turn *t)
{
	struct tell *tell = &l->tell;

	if (!t->check_key || !is_needed(c, l, t->now)) {
		tell->telling = 0; /* a path that comes up again is another attempt */
		return NS_NEVER;
	}
	if (tell->telling != c->mine_version) {
		tell->telling = c->mine_version;
		tell->tries = 0;
		tell->due = t->now + TELL_WAIT;
	}
	if (tell->tries == TELL_TRIES)
		return NS_NEVER;
	if (tell->due <= t->now) {
		send_list(c, l, t);
		tell->due = t->now + (TELL_RTO << tell->tries++);
	}
	return tell->tries == TELL_TRIES ? NS_NEVER : tell->due;
}

bool tell_answered(struct live *l, uint64_t stamp)
{
	for (unsigned i = 0; i < l->tell.tries; i++)
		if (l->tell.telling && l->tell.stamps[i] == stamp) {
			l->tell.has = l->tell.telling;
			return true;
		}
	return false;
}

void tell_received(struct core *c, struct live *l, const struct stun_msg *m, ns_t now)
{
	struct candidates told;
	struct aead *a = sealer(c);
	bool away;

	if (!a || tell_open(a, l->record->check_key, l->record->member.id, stun_stamp(m), m->candidates,
			  m->candidates_len, &told, &away) != TM_OK)
		return;
	l->tell.back_until = away ? now + TELL_BACK : 0;
	core_candidates(c, l, &told, false, now); /* it asks us itself, if it wants us */
}
