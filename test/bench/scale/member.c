/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "bench/scale/herd.h"

#include "base/encode.h"
#include "control/link/clink.h"
#include "crypto/init.h"
#include "loop/timer.h"

#include <stdio.h>
#include <string.h>

/* As control/agent has them. */
#define RETRY_MIN (300 * MS)
#define RETRY_MAX (4 * SEC)
#define STABLE (10 * SEC)
enum { CONNECT_MS = 10000, JOIN_FAILURES_MAX = 200 };
#define WELCOME_WAIT (10 * SEC)

static ns_t random_up_to(ns_t most)
{
	return (ns_t)random_below((uint32_t)(most / US) + 1) * US;
}

static void set_current(struct member *m, bool current)
{
	m->herd->n_current += current;
	m->herd->n_current -= m->current;
	m->current = current;
}

/* The link is gone: when to try again. */
static void plan(struct member *m, unsigned hint_ms)
{
	ns_t wait = m->backoff / 2 + random_up_to(m->backoff / 2);

	if (m->state == MEMBER_UP) {
		m->herd->n_up--;
		m->herd->count.downs++;
		if (time_monotonic() - m->up_since >= STABLE)
			m->backoff = RETRY_MIN;
		wait = random_up_to(MAX(m->pace, RETRY_MIN));
	} else {
		m->herd->count.refused++;
		m->backoff = ns_min(2 * m->backoff, RETRY_MAX);
	}
	if (hint_ms)
		wait = hint_ms * MS;
	m->link = NULL;
	m->state = MEMBER_WAIT;
	set_current(m, false);
	loop_timer_in(m->timer, wait);
}

static void drop(struct member *m)
{
	clink_free(TAKE(m->link));
	plan(m, 0);
}

/* --- joining --- */

static void join_ended(struct member *m, bool ok)
{
	if (m->begun && !m->ready) {
		m->ready = time_monotonic();
		herd_joined(m->herd, ok);
	}
}

static void send_enrol(struct member *m)
{
	const struct token *t = &m->herd->token;
	char id[HEX_LEN(TOKEN_ID) + 1], secret[HEX_LEN(TOKEN_SECRET) + 1], ed[BASE64_LEN(ED_KEY) + 1],
		name[32];

	hex_encode(t->id, TOKEN_ID, id);
	hex_encode(t->secret, TOKEN_SECRET, secret);
	base64_encode(m->id.ed_pub, ED_KEY, ed);
	snprintf(name, sizeof(name), "herd-%05u", m->index);
	json_t *j = json_pack("{s:s, s:i, s:{s:s, s:s}, s:s, s:s, s:s, s:s}", "t", "enrol", "id", 1, "token",
		"id", id, "secret", secret, "name", name, "ed", ed, "os", "linux", "version", TM_VERSION);
	(void)!clink_send(m->link, j);
	json_decref(j);
}

static void on_enrol_reply(struct member *m, const json_t *reply)
{
	clink_free(TAKE(m->link));
	if (!json_is_true(json_object_get(reply, "ok"))) {
		fprintf(stderr, "herd: enrolment refused: %s\n",
			json_string_value(json_object_get(reply, "error")));
		m->state = MEMBER_GONE;
		join_ended(m, false);
		return;
	}
	m->enrolled = time_monotonic();
	m->host = (uint32_t)json_integer_value(json_object_get(json_object_get(reply, "node"), "host"));
	member_start(m, 0);
}

/* --- greeting --- */

json_t *member_hello(unsigned index, uint64_t version)
{
	char host[32], outside[32];
	unsigned a = index >> 8 & 255, b = index & 255;

	snprintf(host, sizeof(host), "192.0.2.%u:%u", b, 1024 + a);
	snprintf(outside, sizeof(outside), "203.0.113.%u:%u", b, 1024 + a);
	return json_pack("{s:s, s:s, s:s, s:I, s:[{s:s, s:s}, {s:s, s:s}]}", "t", "hello", "version",
		TM_VERSION, "os", "linux", "netmap", (json_int_t)version, "candidates", "type", "host",
		"addr", host, "type", "srflx", "addr", outside);
}

static void send_hello(struct member *m)
{
	json_t *j = member_hello(m->index, m->version);

	m->state = MEMBER_GREET;
	(void)!clink_send(m->link, j);
	json_decref(j);
	loop_timer_in(m->timer, WELCOME_WAIT);
}

static void on_welcome(struct member *m, const json_t *welcome)
{
	json_int_t pace = json_integer_value(json_object_get(welcome, "pace_ms"));

	if (m->state != MEMBER_GREET)
		return;
	loop_timer_stop(m->timer);
	m->state = MEMBER_UP;
	m->up_since = time_monotonic();
	m->pace = pace > 0 && pace < 3600 * 1000 ? pace * MS : 0;
	m->failures = 0;
	m->herd->n_up++;
	m->herd->count.ups++;
	/* Whoever holds a map is told what is new, if anything is. */
	if (m->version)
		set_current(m, true);
}

static void on_map(struct member *m, const json_t *message)
{
	struct map_message map = text_map(message);

	if (map.base && map.base != m->version) {
		m->herd->count.misfits++;
		m->version = 0;
		drop(m);
		return;
	}
	m->version = map.version;
	m->herd->newest = MAX(m->herd->newest, map.version);
	set_current(m, true);
	join_ended(m, true);
	if (map.watched && m->herd->watch.active && !m->seen) {
		m->seen = herd_clock();
		herd_told(m->herd);
	}
}

/* --- the link --- */

static void on_up(void *ctx, struct clink *l UNUSED)
{
	struct member *m = ctx;

	if (m->state == MEMBER_ENROL)
		send_enrol(m);
	else
		send_hello(m);
}

static void on_message(void *ctx, struct clink *l UNUSED, const json_t *message)
{
	struct member *m = ctx;
	const char *type = json_string_value(json_object_get(message, "t"));

	if (!type)
		return;
	if (strcmp(type, "netmap") == 0)
		on_map(m, message);
	else if (strcmp(type, "welcome") == 0)
		on_welcome(m, message);
	else if (strcmp(type, "reply") == 0 && m->state == MEMBER_ENROL)
		on_enrol_reply(m, message);
	else if (strcmp(type, "candidates") == 0)
		m->herd->count.candidates++;
	else if (strcmp(type, "removed") == 0)
		m->version = 0;
}

static void on_closed(void *ctx, struct clink *l, int err UNUSED, const char *why)
{
	struct member *m = ctx;

	if (m->state != MEMBER_ENROL) {
		plan(m, clink_retry_ms(l));
		return;
	}
	m->link = NULL;
	m->herd->count.refused++;
	if (++m->failures > JOIN_FAILURES_MAX) {
		fprintf(stderr, "herd: %u gives up: %s\n", m->index, why);
		m->state = MEMBER_GONE;
		join_ended(m, false);
		return;
	}
	loop_timer_in(m->timer, MAX(clink_retry_ms(l) * MS, RETRY_MIN));
}

static void connect_now(struct member *m)
{
	const struct herd *h = m->herd;
	const struct clink_events ev = {.ctx = m, .up = on_up, .message = on_message, .closed = on_closed};
	const struct clink_config cfg = {
		.address = h->address[0] ? h->address : h->token.addrs[0],
		.remote_key = h->token.coordinator_key,
		.identity = &m->id,
		.connect_timeout_ms = CONNECT_MS,
	};

	m->herd->count.attempts++;
	if (clink_connect(h->base, &cfg, &ev, &m->link) != TM_OK)
		loop_timer_in(m->timer, RETRY_MIN);
	else if (m->state != MEMBER_ENROL)
		m->state = MEMBER_CONNECT;
}

static void on_timer(void *ctx)
{
	struct member *m = ctx;

	if (m->state == MEMBER_GREET)
		drop(m);
	else
		connect_now(m);
}

/* --- life --- */

int member_new(struct herd *h, struct member **ret_member)
{
	struct member *m = calloc(1, sizeof(*m));

	if (!m)
		return TM_ENOMEM;

	m->herd = h;
	m->index = (unsigned)h->n;
	m->backoff = RETRY_MIN;
	int err = identity_generate(&m->id);
	if (!err)
		err = loop_timer_new(h->base, on_timer, m, &m->timer);
	if (err) {
		member_free(m);
		return err;
	}
	*ret_member = m;
	return TM_OK;
}

void member_free(struct member *m)
{
	if (!m)
		return;

	clink_free(m->link);
	loop_timer_free(m->timer);
	identity_wipe(&m->id);
	free(m);
}

void member_join(struct member *m)
{
	m->begun = time_monotonic();
	m->state = MEMBER_ENROL;
	connect_now(m);
}

void member_start(struct member *m, ns_t wait)
{
	m->state = MEMBER_WAIT;
	m->failures = 0;
	loop_timer_in(m->timer, wait);
}

void member_cut(struct member *m)
{
	if (m->link)
		drop(m);
}

void member_end(struct member *m)
{
	if (m->state == MEMBER_UP)
		m->herd->n_up--;
	m->state = MEMBER_GONE;
	clink_free(TAKE(m->link));
	loop_timer_stop(m->timer);
}

void member_want(struct member *m, const struct member *target)
{
	char id[NODE_ID_STR_LEN];

	identity_node_id(target->id.ed_pub, id);
	json_t *j = json_pack("{s:s, s:s}", "t", "want", "node", id);
	if (m->state == MEMBER_UP)
		(void)!clink_send(m->link, j);
	json_decref(j);
}
