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

static const struct endpoint *server_of_try(const struct mapping *m, unsigned try_no)
{
	return &m->servers[(m->first + try_no) % m->n_servers];
}

/* The same list; or one with the address that answered, which is asked on. */
static bool is_known(const struct mapping *m, const char *id, const struct endpoint *servers, size_t n)
{
	bool same = n == m->n_servers, answers = false;

	if (strcmp(m->id, id) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		same = same && endpoint_eq(&servers[i], &m->servers[i]);
		answers |= endpoint_is_set(&m->reflexive) && endpoint_eq(&servers[i], &m->servers[m->first]);
	}
	return same || answers;
}

/* With the address that answers, which stays the one that is asked; when it dies, the others of the new list
 * are. */
static void take_list(struct mapping *m, const struct endpoint *servers, size_t n)
{
	const struct endpoint answers = m->servers[m->first];

	m->n_servers = n;
	for (size_t i = 0; i < n; i++) {
		m->servers[i] = servers[i];
		if (endpoint_eq(&servers[i], &answers))
			m->first = i;
	}
}

int mapping_set_server(struct mapping *m, const char *id, const struct endpoint *servers, size_t n,
	const struct dh_key *own, const uint8_t key[static 32], ns_t spread, uint32_t random, ns_t now)
{
	size_t n_used = MIN(n, (size_t)MAPPING_SERVERS);
	bool known = is_known(m, id, servers, n_used);
	uint8_t pair_key[STUN_KEY];

	if (n == 0) {
		mapping_init(m);
		return TM_OK;
	}
	if (known && endpoint_is_set(&m->reflexive)) {
		take_list(m, servers, n_used);
		return TM_OK;
	}
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
	m->n_servers = n_used;
	m->first = 0;
	for (size_t i = 0; i < m->n_servers; i++)
		m->servers[i] = servers[i];
	m->tries = 0;
	m->due = now + part_of(spread, random);
	return TM_OK;
}

void mapping_restart(struct mapping *m, ns_t now)
{
	if (!m->n_servers)
		return;
	m->tries = 0;
	m->due = now;
}

bool mapping_step(struct mapping *m, struct stun_self *self, ns_t now, uint8_t *out, size_t out_len,
	size_t *ret_n, struct endpoint *ret_to)
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
	*ret_to = *server_of_try(m, m->tries);
	*ret_n = stun_request(self, m->id, m->key, 0, out, out_len, &m->stamps[m->tries]);
	m->due = now + (MAPPING_RTO << m->tries);
	m->tries++;
	return false;
}

bool mapping_asked(
	const struct mapping *m, const char *sender, const struct stun_msg *msg, const struct endpoint *from)
{
	if (msg->class != STUN_SUCCESS || strcmp(sender, m->id) != 0)
		return false;
	for (unsigned i = 0; i < m->tries; i++)
		if (m->stamps[i] == stun_stamp(msg))
			return endpoint_eq(from, server_of_try(m, i));
	return false;
}

bool mapping_answered(struct mapping *m, const struct endpoint *from, const struct endpoint *mapped, bool own,
	uint32_t random, ns_t now)
{
	bool changed = !endpoint_eq(mapped, &m->reflexive);

	for (size_t i = 0; i < m->n_servers; i++)
		if (endpoint_eq(&m->servers[i], from))
			m->first = i;

	m->tries = 0;
	m->reflexive = *mapped;
	m->due = now + (own ? MAPPING_OWN_EVERY : MAPPING_EVERY) - part_of(MAPPING_JITTER, random);
	return changed;
}
