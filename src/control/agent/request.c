/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Questions to the coordinator. Each gets one answer, from the loop, never from within agent_request. */
#include <stdio.h>

#include "control/agent/agent_private.h"
#include "loop/timer.h"

struct request {
	struct list in_agent;
	struct agent *agent;
	int64_t id;
	agent_reply_fn *reply;
	void *ctx;
	struct loop_timer *timeout;
	json_t *answer; /* due when set */
};

static void request_free(struct request *r)
{
	list_remove(&r->in_agent);
	loop_timer_free(r->timeout);
	json_decref(r->answer);
	free(r);
}

static void answer(struct request *r, json_t *answer_take)
{
	if (r->answer) {
		json_decref(answer_take);
		return;
	}
	loop_timer_stop(r->timeout);
	r->answer = answer_take ? answer_take : json_null();
	loop_timer_in(r->agent->soon, 0);
}

static void on_timeout(void *ctx)
{
	answer(ctx,
		msg_refusal("timeout", "the coordinator did not answer in time", "try again in a moment"));
}

static int request_new(struct agent *a, agent_reply_fn *reply, void *ctx, struct request **ret_request)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;

	list_init(&r->in_agent);
	int err = loop_timer_new(a->base, on_timeout, r, &r->timeout);
	if (err) {
		free(r);
		return err;
	}
	r->agent = a;
	r->reply = reply;
	r->ctx = ctx;
	r->id = ++a->next_id;
	list_push_back(&a->pending, &r->in_agent);
	*ret_request = r;
	return TM_OK;
}

void agent_request(struct agent *a, const json_t *req, agent_reply_fn *reply, void *ctx, int timeout_ms)
{
	struct request *r;

	if (request_new(a, reply, ctx, &r) != TM_OK) {
		reply(ctx, msg_refusal("out_of_memory", "out of memory", ""));
		return;
	}
	if (a->removed) {
		answer(r, msg_refusal("no_link", a->removed_as.why,
				  a->removed_as.twin ? "" : "join again with a new token"));
		return;
	}
	if (a->state != AGENT_UP) {
		char why[RACE_WHY_MAX + 64];

		snprintf(why, sizeof(why), "there is no link to the coordinator: %s", a->last_error);
		answer(r, msg_refusal("no_link", why,
				  "try again once `tunnelmesh status` shows the coordinator as connected"));
		return;
	}
	json_t *m = json_copy((json_t *)(uintptr_t)req); /* shallow: borrows nothing that we change */
	if (m)
		json_object_set_new(m, "id", json_integer(r->id));
	loop_timer_in(r->timeout, timeout_ms * MS);
	if (!m || clink_send(a->link, m) != TM_OK)
		answer(r, msg_refusal("no_link", "the request cannot be sent to the coordinator",
				  "try again in a moment"));
	json_decref(m);
}

void request_reply(struct agent *a, const json_t *m)
{
	json_int_t id = json_integer_value(json_object_get(m, "id"));

	LIST_FOREACH (r, &a->pending, struct request, in_agent) {
		if (r->id != id)
			continue;

		json_t *copy = json_deep_copy(m);
		if (copy) {
			json_object_del(copy, "t");
			json_object_del(copy, "id");
		}
		answer(r, copy);
		return;
	}
}

void requests_fail(struct agent *a, const char *why)
{
	LIST_FOREACH (r, &a->pending, struct request, in_agent)
		answer(r, msg_refusal("no_link", why, "try again in a moment"));
}

void requests_settle(struct agent *a)
{
	struct list due, *first;

	/* What a callback asks next has its own turn. */
	list_init(&due);
	LIST_FOREACH_SAFE (r, &a->pending, struct request, in_agent) {
		if (!r->answer)
			continue;
		list_remove(&r->in_agent);
		list_push_back(&due, &r->in_agent);
	}
	while ((first = list_pop_front(&due))) {
		struct request *r = CONTAINER_OF(first, struct request, in_agent);
		agent_reply_fn *reply = r->reply;
		void *ctx = r->ctx;
		json_t *take = TAKE(r->answer);

		request_free(r);
		reply(ctx, take);
	}
}
