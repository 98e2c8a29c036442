/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When an alarm that a member reports begins and ends is an event of the mesh. What is known here is what the
 * store says: after a restart of the coordinator no alarm that lasts begins again, and one that has ended
 * meanwhile ends. A member may say what it likes as often as it likes: of each of its alarms the store takes
 * so many events an hour, and of all members so many a minute; then what is true when there is room again.
 */
#include "control/coord/reports_private.h"

#include <string.h>

enum {
	EACH_AN_HOUR = 4, /* of one alarm of one member: twice there and gone */
	ALL_A_MINUTE = 60,
	ALL_AT_ONCE = 500,
	LATE_PER_TICK = 64,
};
#define HOUR (3600 * SEC)

static bool may_store(struct reports *r, struct alarm_kept *a)
{
	const ns_t now = time_monotonic();

	if (!a->n || now - a->since >= HOUR) {
		a->since = now;
		a->n = 0;
	}
	if (a->n == EACH_AN_HOUR || !spend_message(&r->alarms_spent, ALL_A_MINUTE, ALL_AT_ONCE))
		return false;
	a->n++;
	return true;
}

static void note(struct coord *c, const struct member *m, enum report_alarm which, bool on)
{
	struct event e = {.kind = EVENT_NONE};
	const char *word = report_alarm_word(which);

	if (on)
		event_set_detail(&e, "%s: it %s", word, report_alarm_says(word));
	mesh_event_note(
		c, on ? EVENT_ALARM_BEGAN : EVENT_ALARM_ENDED, EVENT_REPORT, &m->s.rec, on ? e.detail : word);
}

static void settle(struct coord *c, struct member *m)
{
	struct reporter *rep = m->reporter;

	for (unsigned i = 0; i < REPORT_ALARM_N; i++) {
		const uint32_t bit = UINT32_C(1) << i;

		if (!((rep->self.alarms ^ rep->alarms_stored) & bit) ||
			!may_store(c->reports, &rep->alarms[i]))
			continue;
		rep->alarms_stored ^= bit;
		note(c, m, (enum report_alarm)i, rep->self.alarms & bit);
	}
	list_remove(&rep->in_late);
	if (rep->self.alarms != rep->alarms_stored)
		list_push_back(&c->reports->late, &rep->in_late);
}

void alarms_told(struct coord *c, struct member *m)
{
	settle(c, m);
}

void alarms_expire(struct coord *c)
{
	struct list *late = &c->reports->late, *const last = late->prev;
	bool more = !list_empty(late);

	/* Who has to wait on goes behind the others. */
	for (unsigned i = 0; i < LATE_PER_TICK && more; i++) {
		struct list *n = late->next;

		more = n != last;
		settle(c, CONTAINER_OF(n, struct reporter, in_late)->member);
	}
}

/* --- what the store says at the start --- */

static bool alarm_of(const struct event *e, uint32_t *ret_bit)
{
	const size_t n = strcspn(e->detail, ":");

	for (unsigned i = 0; i < REPORT_ALARM_N; i++) {
		const char *word = report_alarm_word((enum report_alarm)i);

		*ret_bit = UINT32_C(1) << i;
		if (strlen(word) == n && memcmp(word, e->detail, n) == 0)
			return true;
	}
	return false;
}

/* Who went and joined again has told nothing since. */
static int load_one(void *ctx, const struct event *e)
{
	struct coord *c = ctx;
	struct member *m = e->id[0] ? registry_by_id(c->reg, e->id) : NULL;
	const bool began = e->kind == EVENT_ALARM_BEGAN;
	uint32_t bit;

	if (m && e->kind == EVENT_JOINED && m->reporter)
		m->reporter->alarms_stored = 0;
	if (!m || !(began || e->kind == EVENT_ALARM_ENDED) || !alarm_of(e, &bit))
		return TM_OK;
	struct reporter *rep = reporter_of(m);
	if (!rep)
		return TM_ENOMEM;
	rep->alarms_stored = began ? rep->alarms_stored | bit : rep->alarms_stored & ~bit;
	return TM_OK;
}

int alarms_load(struct coord *c)
{
	const struct store_events all = {.after = 0};

	return store_event_each(c->store, &all, load_one, c);
}
