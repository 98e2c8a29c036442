/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/stun.h"

#include "base/secret.h"
#include "crypto/dh.h"
#include "crypto/kdf.h"

#include <stdio.h>
#include <string.h>

enum { BINDING = 1 };

int stun_pair_key(const struct dh_key *own, const uint8_t remote[static 32], uint8_t ret_key[static STUN_KEY])
{
	uint8_t shared[DH_KEY];
	int err = dh_key_exchange(own, remote, shared);

	if (!err)
		err = hkdf_sha256(shared, sizeof(shared), "", 0, "tunnelmesh stun 1", ret_key, STUN_KEY);
	wipe(shared, sizeof(shared));
	return err;
}

/* USERNAME is "<receiver>:<sender>". */
static void name_both(const struct stun_self *self, const char *to_id, struct stun_msg *m)
{
	snprintf(m->username, sizeof(m->username), "%s:%s", to_id, self->id);
}

uint64_t stun_next_stamp(const struct stun_self *self)
{
	return MAX((uint64_t)self->real, self->last_stamp + 1);
}

size_t stun_ask(struct stun_self *self, const char *to_id, const uint8_t key[static STUN_KEY],
	const struct stun_msg *ask, uint8_t *out, size_t out_len, uint64_t *ret_stamp)
{
	struct stun_msg m = *ask;
	bool plain = !m.has_lifetime && !m.change_ip && !m.change_port;

	m.class = STUN_REQUEST;
	m.method = BINDING;
	if (!m.pad_to && !m.candidates_len) /* with a list it is longer than any answer */
		m.pad_to = !plain ? STUN_ANSWER_WHOLE : m.guess.role ? STUN_ANSWER_GUESS : STUN_ANSWER;
	self->last_stamp = stun_next_stamp(self);
	put_be64(m.txid, self->last_stamp);
	put_be32(m.txid + 8, self->random(self->random_ctx));
	name_both(self, to_id, &m);
	*ret_stamp = self->last_stamp;
	return stun_encode(&m, key, out, out_len);
}

size_t stun_request(struct stun_self *self, const char *to_id, const uint8_t key[static STUN_KEY],
	uint32_t priority, uint8_t *out, size_t out_len, uint64_t *ret_stamp)
{
	return stun_ask(self, to_id, key, &(struct stun_msg){.priority = priority}, out, out_len, ret_stamp);
}

size_t stun_reply(const struct stun_self *self, const char *to_id, const uint8_t key[static STUN_KEY],
	const struct stun_msg *req, size_t req_len, const struct endpoint *from, const struct stun_msg *more,
	uint8_t *out, size_t out_len)
{
	struct stun_msg m = more ? *more : (struct stun_msg){0};

	m.class = STUN_SUCCESS;
	m.method = BINDING;
	m.mapped = *from;
	memcpy(m.txid, req->txid, STUN_TXID);
	name_both(self, to_id, &m);
	return stun_encode(&m, key, out, MIN(out_len, req_len));
}

int stun_open(const struct stun_self *self, const uint8_t *p, size_t n, struct stun_msg *ret_msg,
	char ret_sender[static NODE_ID_LEN + 1])
{
	size_t id_len = strlen(self->id);
	struct stun_msg m;
	int err = stun_decode(p, n, &m);

	if (err)
		return err;
	if (m.method != BINDING || !m.has_fingerprint || (m.class != STUN_REQUEST && m.class != STUN_SUCCESS))
		return TM_EBADMSG;
	if (strncmp(m.username, self->id, id_len) != 0 || m.username[id_len] != ':' ||
		!node_id_valid(m.username + id_len + 1))
		return TM_EAUTH;
	memcpy(ret_sender, m.username + id_len + 1, NODE_ID_LEN + 1);
	*ret_msg = m;
	return TM_OK;
}

uint64_t stun_stamp(const struct stun_msg *m)
{
	return get_be64(m->txid);
}

static bool is_empty(const struct stun_window *w)
{
	for (size_t i = 0; i < STUN_RECENT; i++)
		if (w->recent[i])
			return false;
	return true;
}

bool stun_window_accept(struct stun_window *w, uint64_t stamp)
{
	size_t oldest = 0;

	if (stamp <= w->floor)
		return false;

	for (size_t i = 0; i < STUN_RECENT; i++) {
		if (w->recent[i] == stamp)
			return false;
		if (w->recent[i] < w->recent[oldest])
			oldest = i;
	}
	/* The first one ever: nothing that left its sender much earlier can still be on its way. */
	if (is_empty(w) && stamp > STUN_SLACK_NS)
		w->floor = MAX(w->floor, stamp - STUN_SLACK_NS);

	/* Older than all that are remembered, and all places are taken: it can no longer be told from a
	 * replay. */
	if (stamp < w->recent[oldest])
		return false;
	if (w->recent[oldest] > w->floor)
		w->floor = w->recent[oldest];
	w->recent[oldest] = stamp;
	return true;
}

uint64_t stun_window_newest(const struct stun_window *w)
{
	uint64_t newest = w->floor;

	for (size_t i = 0; i < STUN_RECENT; i++)
		newest = MAX(newest, w->recent[i]);
	return newest;
}
