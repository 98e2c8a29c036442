/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Enrolling and leaving: one question to the coordinator over a link of its own, blocking, in an event loop
 * of its own.
 */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "base/time.h"
#include "control/agent/enrolment.h"
#include "control/link/race.h"
#include "loop/timer.h"
#include "os/words/words.h"
#include "wire/msg/msg.h"

enum { QUESTION = 1 };
#define AGAIN (300 * MS)

struct errand {
	/* set once */
	struct event_base *base;
	const struct identity *identity;
	const uint8_t *coordinator_key;
	const struct proxy_choice *proxy;
	const char (*addresses)[TOKEN_ADDR_LEN];
	size_t n_addresses;
	struct clink_text *say[2]; /* what to send when up, in order; the last one is the question */
	size_t n_say;
	struct msg_enrolled *answer; /* NULL: a yes is enough */
	struct diag *d;
	ns_t deadline;
	/* state */
	struct resolver *resolver;
	struct race *race;
	struct clink *link; /* it is up, and the question was sent */
	struct loop_timer *next, *end; /* the next race begins; no more patience */
	char worked[TOKEN_ADDR_LEN]; /* which address led to the link, or "" */
	bool proxied; /* by the proxy */
	char proxy_failed[256]; /* it was not, though there is one: why; "" = it was, or need not be */
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

static void note(struct errand *e, int err, const char *why)
{
	e->err = err;
	diag_what(e->d, err, "%s", why);
	if (err == TM_EAUTH)
		diag_hint(e->d, "ask for a new token, or check what listens at that address");
	else if (err == TM_EPROTO)
		diag_hint(e->d, "check what listens at that address");
	else if (err == TM_ENOENT)
		diag_hint(e->d, "check the name and this machine's DNS");
	else if (err == TM_EPERM && e->proxy && e->proxy->proxy.host[0])
		diag_hint(e->d,
			"check the proxy: `proxy` in the configuration, or https_proxy in the environment");
	else
		diag_hint(e->d, "check that the coordinator runs and that this machine can reach it");
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
	struct errand *e = ctx;
	const struct msg_type type = msg_type(m);
	int64_t id;

	if (e->over)
		return;
	if (strcmp(type.text, "removed") == 0) {
		struct msg_removed r;

		msg_removed_get(m, &r);
		e->removed = true;
		finish(e, diag_what(e->d, TM_EPERM, "%s", r.why));
	} else if (strcmp(type.text, "reply") == 0 && msg_request_id(m, &id) && id == QUESTION) {
		e->answered = true;
		finish(e, take_answer(e, m));
	}
}

/* The answer was lost, perhaps after the coordinator had acted: asking again is safe by protocol, and giving
 * up while it restarts is not. Until the deadline. */
static void on_closed(void *ctx, struct clink *l UNUSED, int err, const char *why)
{
	struct errand *e = ctx;

	e->link = NULL;
	if (e->over)
		return;
	note(e, err, why);
	loop_timer_in(e->next, AGAIN);
}

static void on_won(void *ctx, struct clink *link_take, const char *address)
{
	const struct clink_events ev = {.ctx = ctx, .message = on_message, .closed = on_closed};
	struct errand *e = ctx;
	int err = TM_OK;

	snprintf(e->worked, sizeof(e->worked), "%s", address ? address : "");
	snprintf(e->proxy_failed, sizeof(e->proxy_failed), "%s",
		clink_is_proxied(link_take) ? "" : race_proxy_failed(e->race));
	race_free(TAKE(e->race));
	e->link = link_take;
	e->proxied = clink_is_proxied(link_take);
	clink_set_events(e->link, &ev);
	e->asked = true;
	for (size_t i = 0; i < e->n_say && !err; i++)
		err = clink_send_text(e->link, e->say[i]);
	/* A failure to send ends in on_closed. */
}

static void on_lost(void *ctx, int err, const char *why, unsigned retry_ms)
{
	struct errand *e = ctx;

	note(e, err, why);
	race_free(TAKE(e->race)); /* not before: it owns `why` */
	/* One that has too much to do counts, whatever was wrong with the addresses before it. */
	if (e->asked || err == TM_EBUSY || retry_ms)
		loop_timer_in(e->next, MAX(AGAIN, retry_ms * MS));
	else
		finish(e, err);
}

static void on_next(void *ctx)
{
	struct errand *e = ctx;
	const struct race_events ev = {.ctx = e, .won = on_won, .lost = on_lost};
	struct race_config cfg = {
		.n = e->n_addresses,
		.resolver = e->resolver,
		.remote_key = e->coordinator_key,
		.identity = e->identity,
		.proxy = e->proxy,
		.timeout_ms = (int)(MAX(e->deadline - time_monotonic(), MS) / MS * 9 / 10) + 1,
	};

	for (size_t i = 0; i < cfg.n; i++)
		cfg.addresses[i] = e->addresses[i];
	int err = race_new(e->base, &cfg, &ev, &race_tuning_default, &e->race);
	if (err) {
		note(e, err, tm_strerror(err));
		finish(e, err);
	}
}

static void on_end(void *ctx)
{
	struct errand *e = ctx;

	if (e->link)
		note(e, TM_ETIMEOUT, "the coordinator did not answer in time");
	else if (!e->err)
		note(e, TM_ETIMEOUT, "the coordinator does not answer: connecting timed out");
	finish(e, e->err);
}

static void errand_end(struct errand *e)
{
	race_free(e->race);
	clink_free(e->link);
	resolver_free(e->resolver);
	loop_timer_free(e->next);
	loop_timer_free(e->end);
	if (e->base)
		event_base_free(e->base);
}

/* TM_OK: the reply, of whatever content, was taken. */
static int errand_run(struct errand *e, const char (*addresses)[TOKEN_ADDR_LEN], size_t n, int timeout_ms)
{
	if (n == 0)
		return diag_what(e->d, TM_EINVAL, "no address of the coordinator is known");

	e->addresses = addresses;
	e->n_addresses = MIN(n, (size_t)TOKEN_ADDRS_MAX);
	e->deadline = time_monotonic() + timeout_ms * MS;
	e->base = event_base_new();
	int err = e->base ? TM_OK : TM_ENOMEM;
	if (!err)
		err = resolver_new(e->base, NULL, &e->resolver);
	if (!err)
		err = loop_timer_new(e->base, on_next, e, &e->next);
	if (!err)
		err = loop_timer_new(e->base, on_end, e, &e->end);
	if (err) {
		diag_what(e->d, err, "%s", tm_strerror(err));
	} else {
		loop_timer_in(e->next, 0);
		loop_timer_at(e->end, e->deadline);
		event_base_dispatch(e->base);
		err = e->err;
	}
	errand_end(e);
	return err;
}

static int enrolment_make(const struct msg_enrolled *m, const struct token *t, const struct identity *id,
	const char *worked, struct enrolment *ret_e, struct diag *d)
{
	struct enrolment e = {.mesh = m->mesh, .self = m->node, .existed = m->existed};

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
	const struct proxy_choice *proxy, int timeout_ms, struct enrolment *ret_e, struct diag *d)
{
	struct msg_enrolled answer;
	struct errand e = {.identity = id,
		.coordinator_key = t->coordinator_key,
		.proxy = proxy,
		.answer = &answer,
		.d = d};
	int err = say_enrol(&e, t, name, version);

	if (!err)
		err = errand_run(&e, t->addrs, t->n_addrs, timeout_ms);
	if (err && e.asked && !e.answered)
		err = TM_EAGAIN;
	else if (err == TM_EPERM && !e.answered) /* this machine's firewall */
		err = TM_EUNREACH;
	if (!err)
		err = enrolment_make(&answer, t, id, e.worked, ret_e, d);
	if (!err) {
		ret_e->proxied = e.proxied;
		memcpy(ret_e->proxy_failed, e.proxy_failed, sizeof(e.proxy_failed));
	}
	errand_deinit(&e);
	wipe(&answer, sizeof(answer));
	return err;
}

static int say_leave(struct errand *e, bool undo)
{
	const struct msg_hello hello = {.os = OS_NAME, .version = TM_VERSION};
	struct jsonout o = {0};

	msg_hello_put(&o, &hello);
	int err = errand_say(e, &o);
	if (err)
		return err;

	msg_leave_put(&o, QUESTION, undo);
	return errand_say(e, &o);
}

static int leave(const struct enrolment *enrolment, const struct identity *id, bool undo,
	const struct proxy_choice *proxy, int timeout_ms, struct diag *d)
{
	struct errand e = {
		.identity = id, .coordinator_key = enrolment->coordinator_key, .proxy = proxy, .d = d};
	int err = say_leave(&e, undo);

	if (!err)
		err = errand_run(&e, enrolment->addresses, enrolment->n_addresses, timeout_ms);
	errand_deinit(&e);
	return e.removed ? TM_OK : err; /* gone already: what was asked for is the case */
}

int enrol_leave(const struct enrolment *e, const struct identity *id, const struct proxy_choice *proxy,
	int timeout_ms, struct diag *d)
{
	return leave(e, id, false, proxy, timeout_ms, d);
}

int enrol_undo(const struct enrolment *e, const struct identity *id, const struct proxy_choice *proxy,
	int timeout_ms, struct diag *d)
{
	return leave(e, id, true, proxy, timeout_ms, d);
}
