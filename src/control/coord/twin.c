/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two machines with one identity: a copied disk, a cloned virtual machine. Newest link wins, so each would
 * push the other out for ever. What tells them from one machine that links again is the number of the run of
 * its program, which every hello carries: a run whose place another one has taken, and which then comes back,
 * was alive all along. Addresses say nothing: both may be behind the same one, and one machine may come from
 * two.
 *
 * The run that was there first keeps the place, and the other is refused as long as that one is linked. Which
 * of the two was copied from the other nobody knows here; a copy is most often started later.
 */
#include "control/coord/coord_private.h"

#include <stdio.h>

enum { RUNS_MAX = 4 }; /* machines that are known to be further ones; a fifth takes the place of the first */

struct twin {
	struct member *member;
	struct list in_twins;
	uint64_t runs[RUNS_MAX];
	size_t next;
	struct ip from; /* of the last that tried */
	ns_t at; /* when it did */
};

static bool is_twin(const struct member *m, uint64_t run)
{
	for (size_t i = 0; m->twin && i < RUNS_MAX; i++)
		if (m->twin->runs[i] == run)
			return true;
	return false;
}

/* It is there, and tries. Without memory it stays unknown until it tries again. */
static void note(struct coord *c, struct member *m, const struct ip *from)
{
	struct twin *t = m->twin ? m->twin : calloc(1, sizeof(*t));

	if (!t)
		return;
	if (!m->twin) {
		t->member = m;
		m->twin = t;
		list_init(&t->in_twins);
	}
	t->from = *from;
	t->at = time_monotonic();
	list_remove(&t->in_twins);
	list_push_back(&c->twins, &t->in_twins);
}

static void note_run(
	struct coord *c, struct member *m, uint64_t run, const struct conn *here, const struct ip *there)
{
	bool news = !m->twin;
	char text[IP_STR_LEN];

	note(c, m, there);
	if (!m->twin)
		return;
	m->twin->runs[m->twin->next++ % RUNS_MAX] = run;
	if (news)
		mesh_event_note(c, EVENT_TWIN, EVENT_OF_ITSELF, &m->s.rec, ip_format(there, text));
	if (news)
		LOG_LIMITED(LOG_WARN, &c->log.presence, log_who(m->s.rec.key, sizeof(m->s.rec.key)),
			"coord: two machines run with the identity of one node", KV("node", m->s.rec.name),
			KV_IP("linked", &here->from.ip), KV_IP("refused", there));
}

static void refuse(struct conn *n, const struct ip *other)
{
	char why[MSG_WHY_MAX + 1], ip[IP_STR_LEN];

	snprintf(why, sizeof(why),
		"another machine, seen at %s, runs with this node's identity: `tunnelmesh leave` and `join` "
		"here give this one its own",
		ip_format(other, ip));
	conn_twin(n, why);
}

bool twin_admit(struct conn *n, struct member *m, uint64_t run)
{
	struct coord *c = n->c;
	struct conn *linked = m->conn;

	if (linked && run && is_twin(m, run)) {
		note(c, m, &n->from.ip);
		refuse(n, &linked->from.ip);
		return false;
	}
	if (linked && run && run == m->run_before) {
		note_run(c, m, m->run, n, &linked->from.ip);
		refuse(linked, &n->from.ip);
		m->run_before = 0;
	} else if (run != m->run) {
		m->run_before = m->run;
	}
	m->run = run;
	return true;
}

struct ip twin_address(const struct member *m)
{
	return m->twin ? m->twin->from : (struct ip){0};
}

void twin_forget(struct member *m)
{
	if (!m->twin)
		return;
	list_remove(&m->twin->in_twins);
	free(TAKE(m->twin));
}

void twin_expire(struct coord *c, ns_t now)
{
	while (!list_empty(&c->twins)) {
		struct twin *t = CONTAINER_OF(c->twins.next, struct twin, in_twins);

		if (now - t->at < c->tuning.twin_for)
			return;
		twin_forget(t->member);
	}
}

size_t coord_twins(const struct coord *c)
{
	size_t n = 0;

	for (const struct list *l = c->twins.next; l != &c->twins; l = l->next)
		n++;
	return n;
}
