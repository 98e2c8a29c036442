/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the agent remembers of peers: candidates, the endpoint that worked, when it asked for them last. */
#include <event2/event.h>
#include <string.h>

#include "control/agent/agent_private.h"

struct memo *memo_get(struct agent *a, const char *id, bool create)
{
	struct memo *m = map_get(a->memos, id);

	if (m || !create || !netmap_find(&a->map, id))
		return m;

	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;

	memcpy(m->id, id, NODE_ID_LEN + 1);
	if (map_put(a->memos, id, m) != TM_OK) {
		free(m);
		return NULL;
	}
	return m;
}

void memo_forget(struct agent *a, const char *id)
{
	free(map_remove(a->memos, id));
}

void memos_free(struct agent *a)
{
	struct memo *m;

	if (!a->memos)
		return;

	for (size_t i = 0; (m = map_next(a->memos, &i));)
		free(m);
	map_free(TAKE(a->memos));
}

void memos_prune(struct agent *a)
{
	struct memo *m;
	bool again = true;

	/* The map must not change under map_next: one at a time; removals are rare. */
	while (again) {
		again = false;
		for (size_t i = 0; !again && (m = map_next(a->memos, &i));) {
			again = !netmap_find(&a->map, m->id);
			if (again)
				memo_forget(a, m->id);
		}
	}
}

bool memo_ask(struct agent *a, struct memo *m, ns_t now)
{
	if (a->state != AGENT_UP)
		return false;

	m->asked = now;
	m->ask_later = false;
	return session_send(a, json_pack("{s:s,s:s}", "t", "want", "node", m->id));
}

void memos_ask_later(struct agent *a)
{
	ns_t now = time_monotonic();
	struct memo *m;

	for (size_t i = 0; (m = map_next(a->memos, &i));)
		if (m->ask_later)
			(void)memo_ask(a, m, now);
}

/* The endpoint that worked comes first, as what it was: an address seen by ourselves. */
static void recall(const struct memo *m, struct candidates *ret_c)
{
	struct candidates c = {0};

	if (endpoint_is_set(&m->worked))
		c.v[c.n++] = (struct candidate){.type = CAND_PRFLX, .ep = m->worked};
	for (size_t i = 0; i < m->known.n && c.n < CANDIDATES_MAX; i++)
		if (!endpoint_eq(&m->known.v[i].ep, &m->worked))
			c.v[c.n++] = m->known.v[i];
	*ret_c = c;
}

bool memos_answer(struct agent *a)
{
	struct memo *m;

	for (size_t i = 0; a->answers_due && (m = map_next(a->memos, &i));) {
		struct candidates c;
		char id[NODE_ID_LEN + 1];

		if (!m->answer_due)
			continue;

		m->answer_due = false;
		recall(m, &c);
		memcpy(id, m->id, sizeof(id));
		event_active(a->soon, EV_TIMEOUT, 0); /* there may be more */
		if (a->events.candidates)
			a->events.candidates(a->events.ctx, id, &c);
		return true;
	}
	a->answers_due = false;
	return false;
}
