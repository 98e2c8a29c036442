/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Enrolling and leaving: one question to the coordinator over a link of its own, blocking, in an event loop
 * of its own. All addresses are tried, each a little after the one before; the first link that comes up asks,
 * the others are given up.
 */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/secret.h"
#include "base/time.h"
#include "control/agent/enrolment.h"
#include "control/link/clink.h"

enum { STAGGER_MS = 500, AGAIN_MS = 300 };

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
	json_t *const *say; /* what to send when up, in order; the last one is the question, with id 1 */
	size_t n_say, n_attempts;
	struct diag *d;
	ns_t deadline;
	/* state */
	struct attempt attempts[TOKEN_ADDRS_MAX];
	size_t begun;
	struct event *next, *end;
	struct attempt *asking; /* its link is up; the others are gone */
	bool asked; /* the question was sent once: the coordinator may have acted, whatever we hear */
	json_t *reply;
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
		err = clink_send(l, e->say[i]);
	/* A failure to send ends in on_closed. */
}

static void on_message(void *ctx, struct clink *l UNUSED, const json_t *m)
{
	struct attempt *at = ctx;
	struct errand *e = at->errand;
	const char *type = json_string_value(json_object_get(m, "t"));

	if (!type || e->over)
		return;
	if (strcmp(type, "removed") == 0) {
		const char *why = json_string_value(json_object_get(m, "why"));

		e->removed = true;
		finish(e,
			diag_what(e->d, TM_EPERM, "%s", why ? why : "this node is not a member of the mesh"));
	} else if (strcmp(type, "reply") == 0 && json_integer_value(json_object_get(m, "id")) == 1) {
		e->reply = json_deep_copy(m);
		finish(e, e->reply ? TM_OK : TM_ENOMEM);
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
	if (e->base) {
		event_base_loop(
			e->base, EVLOOP_NONBLOCK); /* a name look-up that was given up ends in the loop */
		event_base_free(e->base);
	}
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

/* A refusal in the coordinator's words. */
static int refusal(const json_t *reply, struct diag *d)
{
	const char *error = json_string_value(json_object_get(reply, "error"));
	const char *hint = json_string_value(json_object_get(reply, "hint"));

	if (json_is_true(json_object_get(reply, "ok")))
		return TM_OK;

	if (d)
		*d = (struct diag){0};
	if (hint)
		diag_hint(d, "%s", hint);
	return diag_what(
		d, TM_EPERM, "%s", error ? error : "the coordinator refused without giving a reason");
}

static void address_add(struct enrolment *e, const char *address)
{
	if (!address || !address[0] || strlen(address) >= TOKEN_ADDR_LEN || e->n_addresses == TOKEN_ADDRS_MAX)
		return;
	for (size_t i = 0; i < e->n_addresses; i++)
		if (strcmp(e->addresses[i], address) == 0)
			return;
	memcpy(e->addresses[e->n_addresses++], address, strlen(address) + 1);
}

static int reply_read(const json_t *reply, const struct token *t, const struct identity *id,
	const char *worked, struct enrolment *ret_e, struct diag *d)
{
	struct enrolment e = {0};
	const json_t *list = json_object_get(reply, "addresses");
	size_t i;
	json_t *v;

	if (mesh_info_from_json(json_object_get(reply, "mesh"), &e.mesh) != TM_OK ||
		node_rec_from_json(json_object_get(reply, "node"), &e.mesh, &e.self) != TM_OK)
		return diag_what(d, TM_EBADMSG,
			"the coordinator's answer cannot be read: its version may be too different");
	if (strcmp(e.self.id, id->id) != 0 || !ct_eq(e.self.key, id->x_pub, sizeof(e.self.key))) {
		enrolment_wipe(&e);
		return diag_what(d, TM_EPROTO, "the coordinator enrolled another key than this machine's");
	}
	memcpy(e.coordinator_key, t->coordinator_key, sizeof(e.coordinator_key));
	address_add(&e, worked); /* it is proved to work from here */
	json_array_foreach (list, i, v)
		address_add(&e, json_string_value(v));
	for (size_t k = 0; k < t->n_addrs; k++)
		address_add(&e, t->addrs[k]);
	*ret_e = e;
	enrolment_wipe(&e);
	return TM_OK;
}

static json_t *enrol_question(
	const struct token *t, const struct identity *id, const char *name, const char *version)
{
	char token_id[HEX_LEN(TOKEN_ID) + 1], secret[HEX_LEN(TOKEN_SECRET) + 1], ed[BASE64_LEN(ED_KEY) + 1];

	hex_encode(t->id, TOKEN_ID, token_id);
	hex_encode(t->secret, TOKEN_SECRET, secret);
	base64_encode(id->ed_pub, ED_KEY, ed);
	json_t *j = json_pack("{s:s,s:i,s:{s:s,s:s},s:s,s:s,s:s,s:s}", "t", "enrol", "id", 1, "token", "id",
		token_id, "secret", secret, "name", name, "ed", ed, "os", "linux", "version", version);
	wipe(secret, sizeof(secret));
	return j;
}

int enrol(const struct token *t, const struct identity *id, const char *name, const char *version,
	int timeout_ms, struct enrolment *ret_e, struct diag *d)
{
	struct token copy = *t;
	json_t *question = enrol_question(t, id, name, version);
	struct errand e = {
		.identity = id, .coordinator_key = t->coordinator_key, .say = &question, .n_say = 1, .d = d};
	int err = question ? errand_addresses(&e, copy.addrs, copy.n_addrs)
			   : diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));

	if (!err)
		err = errand_run(&e, timeout_ms);
	if (err && e.asked)
		err = TM_EAGAIN;
	if (!err)
		err = refusal(e.reply, d);
	if (!err)
		err = reply_read(e.reply, t, id, e.asking->address, ret_e, d);
	json_decref(e.reply);
	json_decref(question);
	token_wipe(&copy);
	return err;
}

int enrol_leave(const struct enrolment *enrolment, const struct identity *id, int timeout_ms, struct diag *d)
{
	char addresses[TOKEN_ADDRS_MAX][TOKEN_ADDR_LEN];
	json_t *say[2] = {
		json_pack("{s:s,s:s,s:s,s:i,s:[]}", "t", "hello", "version", TM_VERSION, "os", "linux",
			"netmap", 0, "candidates"),
		json_pack("{s:s,s:i}", "t", "leave", "id", 1),
	};
	struct errand e = {.identity = id,
		.coordinator_key = enrolment->coordinator_key,
		.say = say,
		.n_say = ARRAY_LEN(say),
		.d = d};
	int err = say[0] && say[1] ? TM_OK : diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));

	memcpy(addresses, enrolment->addresses, sizeof(addresses));
	if (!err)
		err = errand_addresses(&e, addresses, enrolment->n_addresses);
	if (!err)
		err = errand_run(&e, timeout_ms);
	if (e.removed)
		err = TM_OK; /* gone already: what was asked for is the case */
	else if (!err)
		err = refusal(e.reply, d);
	json_decref(e.reply);
	json_decref(say[0]);
	json_decref(say[1]);
	return err;
}
