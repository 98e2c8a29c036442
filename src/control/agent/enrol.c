/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Enrolling and leaving: one question to the coordinator over a link of its own, blocking, in an event loop
 * of its own. All addresses are tried, each a little after the one before; the first link that comes up asks,
 * the others are given up.
 */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/time.h"
#include "control/agent/enrolment.h"
#include "control/link/clink.h"
#include "os/os.h"
#include "wire/msg/msg.h"

enum { STAGGER_MS = 500, AGAIN_MS = 300, QUESTION = 1 };

struct errand;

struct attempt {
	struct errand *errand;
	const char *address;
	struct clink *link;
};

struct errand {
	/* set once */
	struct event_base *base;
	const struct identity *identity;
	const uint8_t *coordinator_key;
	struct clink_text *say[2]; /* what to send when up, in order; the last one is the question */
	size_t n_say, n_attempts;
	struct msg_enrolled *answer; /* NULL: a yes is enough */
	struct diag *d;
	ns_t deadline;
	/* state */
	struct attempt attempts[TOKEN_ADDRS_MAX];
	size_t begun;
	struct event *next, *end;
	struct attempt *asking; /* its link is up; the others are gone */
	bool asked; /* the question was sent once: the coordinator may have acted, whatever we hear */
	bool answered; /* with a yes or a no */
	bool removed; /* the coordinator does not know us */
	bool over;
	int err;
};

static void finish(struct errand *e, int err)
{
	e->err = err;
	e->over = true;
	event_base_loopbreak(e->base);
}

static void after(struct event *ev, unsigned ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)ms % 1000 * 1000};

	event_add(ev, &tv);
}

static bool any_open(const struct errand *e)
{
	for (size_t i = 0; i < e->begun; i++)
		if (e->attempts[i].link)
			return true;
	return false;
}

/* A coordinator with the wrong key tells more than an address where nobody answers; otherwise the first
 * failure counts. */
static void note(struct errand *e, int err, const char *why)
{
	if (e->err && (err != TM_EAUTH || e->err == TM_EAUTH))
		return;

	e->err = err;
	diag_what(e->d, err, "%s", why);
	if (err == TM_EAUTH)
		diag_hint(e->d, "ask for a new token, or check what listens at that address");
	else
		diag_hint(e->d, "check that the coordinator runs and that this machine can reach it");
}

static void on_up(void *ctx, struct clink *l)
{
	struct attempt *at = ctx;
	struct errand *e = at->errand;
	int err = TM_OK;

	e->asking = at;
	e->asked = true;
	event_del(e->next);
	for (size_t i = 0; i < e->begun; i++)
		if (&e->attempts[i] != at)
			clink_free(TAKE(e->attempts[i].link));
	for (size_t i = 0; i < e->n_say && !err; i++)
		err = clink_send_text(l, e->say[i]);
	/* A failure to send ends in on_closed. */
}

/* A refusal is in the coordinator's words; what was noted of attempts that failed is none of it. */
static int take_answer(struct errand *e, const json_t *m)
{
	if (e->d)
		*e->d = (struct diag){0};
	int err = msg_reply_get(m, e->d);

	if (!err && e->answer && msg_enrolled_get(m, e->answer) != TM_OK)
		err = diag_what(e->d, TM_EBADMSG,
			"the coordinator's answer cannot be read: its version may be too different");
	return err;
}

static void on_message(void *ctx, struct clink *l UNUSED, const json_t *m)
{
	struct attempt *at = ctx;
	struct errand *e = at->errand;
	const struct msg_type type = msg_type(m);
	int64_t id;

	if (e->over)
		return;
	if (strcmp(type.text, "removed") == 0) {
		char why[MSG_WHY_MAX + 1];

		msg_removed_get(m, why);
		e->removed = true;
		finish(e, diag_what(e->d, TM_EPERM, "%s", why));
	} else if (strcmp(type.text, "reply") == 0 && msg_request_id(m, &id) && id == QUESTION) {
		e->answered = true;
		finish(e, take_answer(e, m));
	}
}

/* The answer was lost, perhaps after the coordinator had acted: asking again is safe by protocol, and giving
 * up while it restarts is not. Until the deadline. */
static void start_over(struct errand *e)
{
	e->begun = 0;
	e->err = 0;
	after(e->next, AGAIN_MS);
}

static void on_closed(void *ctx, struct clink *l UNUSED, int err, const char *why)
{
	struct attempt *at = ctx;
	struct errand *e = at->errand;

	at->link = NULL;
	if (e->over)
		return;

	note(e, err, why);
	if (e->asking == at) {
		e->asking = NULL;
		start_over(e);
	} else if (e->begun < e->n_attempts) {
		after(e->next, 0);
	} else if (!any_open(e) && e->asked) {
		start_over(e);
	} else if (!any_open(e)) {
		finish(e, e->err);
	}
}

static void on_next(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct errand *e = arg;
	struct attempt *at = &e->attempts[e->begun++];
	const struct clink_events ev = {.ctx = at, .up = on_up, .message = on_message, .closed = on_closed};
	ns_t left = MAX(e->deadline - time_monotonic(), MS);
	const struct clink_config cfg = {
		.address = at->address,
		.remote_key = e->coordinator_key,
		.identity = e->identity,
		/* A little before we give up: it knows better than we do what it waits for. */
		.connect_timeout_ms = (int)(left / MS * 9 / 10) + 1,
	};

	if (e->begun < e->n_attempts)
		after(e->next, STAGGER_MS);
	int err = clink_connect(e->base, &cfg, &ev, &at->link);
	if (err) {
		char why[TOKEN_ADDR_LEN + 64];

		snprintf(why, sizeof(why), "\"%s\" is not an address of a coordinator", at->address);
		note(e, err, why);
		if (e->begun == e->n_attempts && !any_open(e))
			finish(e, e->err);
	}
}

static void on_end(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct errand *e = arg;

	if (e->asking)
		note(e, TM_ETIMEOUT, "the coordinator did not answer in time");
	else
		note(e, TM_ETIMEOUT, "the coordinator does not answer: connecting timed out");
	finish(e, e->err);
}

static void errand_end(struct errand *e)
{
	for (size_t i = 0; i < e->n_attempts; i++)
		clink_free(TAKE(e->attempts[i].link));
	if (e->next)
		event_free(e->next);
	if (e->end)
		event_free(e->end);
	if (e->base)
		event_base_free(e->base);
}

/* TM_OK: the reply, of whatever content, is in e->reply. */
static int errand_run(struct errand *e, int timeout_ms)
{
	e->base = event_base_new();
	if (!e->base)
		return diag_what(e->d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));

	e->next = event_new(e->base, -1, EV_TIMEOUT, on_next, e);
	e->end = event_new(e->base, -1, EV_TIMEOUT, on_end, e);
	if (!e->next || !e->end) {
		errand_end(e);
		return diag_what(e->d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));
	}
	e->deadline = time_monotonic() + timeout_ms * MS;
	after(e->next, 0);
	after(e->end, (unsigned)timeout_ms);
	event_base_dispatch(e->base);
	errand_end(e);
	return e->err;
}

static int errand_addresses(struct errand *e, char (*addresses)[TOKEN_ADDR_LEN], size_t n)
{
	e->n_attempts = MIN(n, (size_t)TOKEN_ADDRS_MAX);
	for (size_t i = 0; i < e->n_attempts; i++)
		e->attempts[i] = (struct attempt){.errand = e, .address = addresses[i]};
	if (e->n_attempts)
		return TM_OK;
	return diag_what(e->d, TM_EINVAL, "no address of the coordinator is known");
}

static int enrolment_make(const struct msg_enrolled *m, const struct token *t, const struct identity *id,
	const char *worked, struct enrolment *ret_e, struct diag *d)
{
	struct enrolment e = {.mesh = m->mesh, .self = m->node};

	if (strcmp(e.self.id, id->id) != 0 || !ct_eq(e.self.key, id->x_pub, sizeof(e.self.key))) {
		enrolment_wipe(&e);
		return diag_what(d, TM_EPROTO, "the coordinator enrolled another key than this machine's");
	}
	memcpy(e.coordinator_key, t->coordinator_key, sizeof(e.coordinator_key));
	addresses_add(e.addresses, &e.n_addresses, worked); /* it is proved to work from here */
	for (size_t i = 0; i < m->addresses.n; i++)
		addresses_add(e.addresses, &e.n_addresses, m->addresses.v[i]);
	for (size_t k = 0; k < t->n_addrs; k++)
		addresses_add(e.addresses, &e.n_addresses, t->addrs[k]);
	*ret_e = e;
	enrolment_wipe(&e);
	return TM_OK;
}

/* One more thing to say. Ends `o`. */
static int errand_say(struct errand *e, struct jsonout *o)
{
	size_t n;
	char *text = jsonout_take(o, &n);
	int err = text ? clink_text_new(text, n, &e->say[e->n_say]) : TM_ENOMEM;

	if (text)
		wipe(text, n); /* it may hold a token's secret */
	free(text);
	if (err)
		return diag_what(e->d, err, "%s", tm_strerror(err));
	e->n_say++;
	return TM_OK;
}

static int say_enrol(struct errand *e, const struct token *t, const char *name, const char *version)
{
	struct msg_enrol m = {.id = QUESTION, .os = OS_NAME};
	struct jsonout o = {0};

	memcpy(m.token, t->id, sizeof(m.token));
	memcpy(m.secret, t->secret, sizeof(m.secret));
	memcpy(m.ed, e->identity->ed_pub, sizeof(m.ed));
	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.version, sizeof(m.version), "%s", version);
	msg_enrol_put(&o, &m);
	wipe(m.secret, sizeof(m.secret));
	return errand_say(e, &o);
}

static void errand_deinit(struct errand *e)
{
	for (size_t i = 0; i < e->n_say; i++)
		clink_text_unref(e->say[i]);
}

int enrol(const struct token *t, const struct identity *id, const char *name, const char *version,
	int timeout_ms, struct enrolment *ret_e, struct diag *d)
{
	struct token copy = *t;
	struct msg_enrolled answer;
	struct errand e = {.identity = id, .coordinator_key = t->coordinator_key, .answer = &answer, .d = d};
	int err = say_enrol(&e, t, name, version);

	if (!err)
		err = errand_addresses(&e, copy.addrs, copy.n_addrs);
	if (!err)
		err = errand_run(&e, timeout_ms);
	if (err && e.asked && !e.answered)
		err = TM_EAGAIN;
	if (!err)
		err = enrolment_make(&answer, t, id, e.asking->address, ret_e, d);
	errand_deinit(&e);
	wipe(&answer, sizeof(answer));
	token_wipe(&copy);
	return err;
}

static int say_leave(struct errand *e)
{
	const struct msg_hello hello = {.os = OS_NAME, .version = TM_VERSION};
	struct jsonout o = {0};

	msg_hello_put(&o, &hello);
	int err = errand_say(e, &o);
	if (err)
		return err;

	msg_leave_put(&o, QUESTION);
	return errand_say(e, &o);
}

int enrol_leave(const struct enrolment *enrolment, const struct identity *id, int timeout_ms, struct diag *d)
{
	char addresses[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
	struct errand e = {.identity = id, .coordinator_key = enrolment->coordinator_key, .d = d};
	int err = say_leave(&e);

	memcpy(addresses, enrolment->addresses, sizeof(addresses));
	if (!err)
		err = errand_addresses(&e, addresses, enrolment->n_addresses);
	if (!err)
		err = errand_run(&e, timeout_ms);
	errand_deinit(&e);
	return e.removed ? TM_OK : err; /* gone already: what was asked for is the case */
}
