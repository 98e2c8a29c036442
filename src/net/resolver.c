/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A question is one name that the system is asked for. It lives until it is answered, also when nobody waits
 * for it any more: whoever comes back for the name has waited for it already. An address that came while
 * nobody waited is kept for a moment.
 */
#include "net/resolver.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "loop/helper.h"
#include "loop/timer.h"
#include "os/names.h"

enum { QUESTIONS_MAX = 64 };
#define KEPT (10 * SEC)
#define RENEW_AFTER (1 * SEC) /* bounds the threads that are left behind while the network flaps */

struct answer {
	int err;
	struct endpoint found[LOOKUP_MAX];
	size_t n;
};

/* What the helper thread works on. */
struct job {
	struct question *question; /* control thread; NULL: the answer is nobody's any more */
	resolver_find_fn *find;
	char host[LOOKUP_HOST_MAX + 1];
	struct answer answer; /* the thread's until `done` */
};

struct question {
	struct list in_resolver;
	struct resolver *resolver;
	struct list lookups;
	struct job *job; /* NULL: answered */
	ns_t since; /* asked, or answered */
	char host[LOOKUP_HOST_MAX + 1];
	struct answer answer;
};

struct lookup {
	struct list in_question;
	uint16_t port;
	lookup_done_fn *done;
	void *ctx;
};

struct resolver {
	/* set once */
	struct event_base *base;
	resolver_find_fn *find;
	/* state */
	struct helper *helper; /* NULL: nothing is asked */
	struct loop_timer *soon; /* an answered question has look-ups that wait for the next turn */
	struct list questions;
	size_t n_questions;
};

/* --- telling --- */

static const char *why_not(int err)
{
	switch (err) {
	case TM_ENOENT:
		return "the name is unknown to the system's resolver, or has no address";
	case TM_EAGAIN:
		return "the system's resolver does not answer";
	default:
		return tm_strerror(err);
	}
}

/* RFC 8305 4: the families take turns, so that one that does not work costs one attempt and not all. */
static size_t interleave(const struct answer *a, uint16_t port, struct endpoint out[static LOOKUP_MAX])
{
	bool taken[LOOKUP_MAX] = {false};
	unsigned family = a->n ? a->found[0].ip.family : 0;
	size_t n = 0;

	while (n < a->n) {
		size_t first_left = a->n, pick = a->n;

		for (size_t i = a->n; i-- > 0;) {
			if (taken[i])
				continue;
			first_left = i;
			if (a->found[i].ip.family == family)
				pick = i;
		}
		if (pick == a->n)
			pick = first_left;
		taken[pick] = true;
		family = a->found[pick].ip.family == IP_V6 ? IP_V4 : IP_V6;
		out[n] = a->found[pick];
		out[n++].port = port;
	}
	return n;
}

static void lookup_finish(struct lookup *l, const struct answer *a)
{
	struct endpoint found[LOOKUP_MAX];
	size_t n = interleave(a, l->port, found);
	lookup_done_fn *done = l->done;
	void *ctx = l->ctx;

	free(l);
	done(ctx, a->err, found, n, a->err ? why_not(a->err) : "");
}

/* --- questions --- */

static void question_free(struct question *q)
{
	list_remove(&q->in_resolver);
	q->resolver->n_questions--;
	if (q->job)
		q->job->question = NULL;
	free(q);
}

/* All who wait are told. What they ask in answer to it is a new question. */
static void question_settle(struct question *q)
{
	struct answer answer = q->answer;
	struct list due, *first;

	list_init(&due);
	while ((first = list_pop_front(&q->lookups)))
		list_push_back(&due, first);
	question_free(q);
	while ((first = list_pop_front(&due)))
		lookup_finish(CONTAINER_OF(first, struct lookup, in_question), &answer);
}

static void question_answered(struct question *q, const struct answer *a)
{
	q->job = NULL;
	q->answer = *a;
	q->since = time_monotonic();
	if (!list_empty(&q->lookups) || a->err)
		question_settle(q);
}

static void on_soon(void *ctx)
{
	struct resolver *r = ctx;
	struct question *due;

	do { /* from the start again: a call may have changed the list */
		due = NULL;
		LIST_FOREACH (q, &r->questions, struct question, in_resolver)
			if (!q->job && !list_empty(&q->lookups))
				due = q;
		if (due)
			question_settle(due);
	} while (due);
}

/* --- asking --- */

static int run_job(void *arg) /* helper thread */
{
	struct job *j = arg;

	j->answer.err = j->find(j->host, j->answer.found, LOOKUP_MAX, &j->answer.n);
	return j->answer.err;
}

static void job_done(void *arg, int result)
{
	struct job *j = arg;

	j->answer.err = result; /* also when it never ran */
	if (result)
		j->answer.n = 0;
	if (j->question)
		question_answered(j->question, &j->answer);
	free(j);
}

static int question_ask(struct question *q)
{
	struct resolver *r = q->resolver;
	struct job *j = calloc(1, sizeof(*j));
	int err = j ? TM_OK : TM_ENOMEM;

	if (!err && !r->helper)
		err = helper_new(r->base, "tm-names", &r->helper);
	if (!err) {
		j->question = q;
		j->find = r->find;
		memcpy(j->host, q->host, sizeof(j->host));
		err = helper_submit(r->helper, run_job, job_done, j);
	}
	if (err) {
		free(j);
		return err;
	}
	q->job = j;
	q->since = time_monotonic();
	return TM_OK;
}

static int question_new(struct resolver *r, const char *host, struct question **ret_question)
{
	if (r->n_questions >= QUESTIONS_MAX)
		return TM_EFULL;

	struct question *q = calloc(1, sizeof(*q));
	if (!q)
		return TM_ENOMEM;
	q->resolver = r;
	list_init(&q->lookups);
	memcpy(q->host, host, strlen(host) + 1);
	list_push_back(&r->questions, &q->in_resolver);
	r->n_questions++;
	int err = question_ask(q);
	if (err) {
		question_free(q);
		return err;
	}
	*ret_question = q;
	return TM_OK;
}

/* The question for this name, if there is one; those whose answer is too old go. */
static struct question *question_find(struct resolver *r, const char *host)
{
	ns_t now = time_monotonic();
	struct question *found = NULL;

	LIST_FOREACH_SAFE (q, &r->questions, struct question, in_resolver) {
		if (!q->job && list_empty(&q->lookups) && now - q->since > KEPT)
			question_free(q);
		else if (strcmp(q->host, host) == 0)
			found = q;
	}
	return found;
}

int lookup_new(struct resolver *r, const char *host, uint16_t port, lookup_done_fn *done, void *ctx,
	struct lookup **ret_lookup)
{
	if (strlen(host) > LOOKUP_HOST_MAX)
		return TM_EINVAL;

	struct lookup *l = malloc(sizeof(*l));
	if (!l)
		return TM_ENOMEM;

	struct question *q = question_find(r, host);
	int err = q ? TM_OK : question_new(r, host, &q);
	if (err) {
		free(l);
		return err;
	}
	*l = (struct lookup){.port = port, .done = done, .ctx = ctx};
	list_push_back(&q->lookups, &l->in_question);
	if (!q->job)
		loop_timer_in(r->soon, 0);
	*ret_lookup = l;
	return TM_OK;
}

void lookup_cancel(struct lookup *l)
{
	if (!l)
		return;
	list_remove(&l->in_question);
	free(l);
}

/* --- life --- */

int resolver_new(struct event_base *base, resolver_find_fn *find, struct resolver **ret_resolver)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;
	r->base = base;
	r->find = find ? find : os_names_find;
	list_init(&r->questions);
	int err = loop_timer_new(base, on_soon, r, &r->soon);
	if (err) {
		free(r);
		return err;
	}
	*ret_resolver = r;
	return TM_OK;
}

/* The thread and what it works on are left behind. */
static void leave_thread(struct resolver *r)
{
	LIST_FOREACH (q, &r->questions, struct question, in_resolver)
		if (q->job)
			TAKE(q->job)->question = NULL;
	helper_abandon(TAKE(r->helper), free);
}

void resolver_renew(struct resolver *r)
{
	ns_t now = time_monotonic();
	bool old = false;

	LIST_FOREACH (q, &r->questions, struct question, in_resolver)
		old |= q->job && now - q->since >= RENEW_AFTER;
	if (!old)
		return;

	leave_thread(r);
	LIST_FOREACH_SAFE (q, &r->questions, struct question, in_resolver) {
		if (list_empty(&q->lookups)) {
			question_free(q);
		} else if (question_ask(q) != TM_OK) {
			q->answer = (struct answer){.err = TM_EAGAIN};
			loop_timer_in(r->soon, 0);
		}
	}
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;

	leave_thread(r);
	LIST_FOREACH_SAFE (q, &r->questions, struct question, in_resolver)
		question_free(q);
	loop_timer_free(r->soon);
	free(r);
}
