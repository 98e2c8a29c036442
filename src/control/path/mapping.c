/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/path/mapping.h"

#include <stdio.h>
#include <string.h>

#include "base/secret.h"

void mapping_init(struct mapping *m)
{
	*m = (struct mapping){.due = NS_NEVER};
}

static ns_t part_of(ns_t whole, uint32_t random)
{
	return (ns_t)((double)whole * random / UINT32_MAX);
}

int mapping_set_server(struct mapping *m, const char *id, const struct endpoint *server,
	const struct dh_key *own, const uint8_t key[static 32], ns_t spread, uint32_t random, ns_t now)
{
	bool known = strcmp(m->id, id) == 0 && endpoint_eq(&m->server, server);
	uint8_t pair_key[STUN_KEY];

	if (known && endpoint_is_set(&m->reflexive))
		return TM_OK;
	if (known) {
		/* It may be back. */
		m->tries %= MAPPING_TRIES;
		m->due = ns_min(m->due, now + part_of(MAX(spread, MAPPING_JITTER), random));
		return TM_OK;
	}
	int err = stun_pair_key(own, key, pair_key);
	if (!err)
		memcpy(m->key, pair_key, sizeof(m->key));
	wipe(pair_key, sizeof(pair_key));
	if (err)
		return err;

	snprintf(m->id, sizeof(m->id), "%s", id);
	m->server = *server;
	m->tries = 0;
	m->due = endpoint_is_set(server) ? now + part_of(spread, random) : NS_NEVER;
	return TM_OK;
}

void mapping_restart(struct mapping *m, ns_t now)
{
	if (!endpoint_is_set(&m->server))
		return;
	m->tries = 0;
	m->due = now;
}

bool mapping_step(
	struct mapping *m, struct stun_self *self, ns_t now, uint8_t *out, size_t out_len, size_t *ret_n)
{
	*ret_n = 0;
	if (m->due > now)
		return false;

	if (m->tries == MAPPING_TRIES) {
		bool lost = endpoint_is_set(&m->reflexive);

		m->reflexive = (struct endpoint){0};
		m->tries = 0;
		m->due = now + MAPPING_EVERY - part_of(MAPPING_JITTER, self->random(self->random_ctx));
		return lost;
	}
	*ret_n = stun_request(self, m->id, m->key, 0, out, out_len, &m->stamps[m->tries]);
	m->due = now + (MAPPING_RTO << m->tries);
	m->tries++;
	return false;
}

bool mapping_asked(
	const struct mapping *m, const char *sender, const struct stun_msg *msg, const struct endpoint *from)
{
	if (msg->class != STUN_SUCCESS || strcmp(sender, m->id) != 0 || !endpoint_eq(from, &m->server))
		return false;
	for (unsigned i = 0; i < m->tries; i++)
		if (m->stamps[i] == stun_stamp(msg))
			return true;
	return false;
}

bool mapping_answered(struct mapping *m, const struct endpoint *mapped, uint32_t random, ns_t now)
{
	bool changed = !endpoint_eq(mapped, &m->reflexive);

	m->tries = 0;
	m->reflexive = *mapped;
	m->due = now + MAPPING_EVERY - part_of(MAPPING_JITTER, random);
	return changed;
}
