/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/mapper.h"

#include <event2/event.h>
#include <string.h>

#include "base/log.h"
#include "crypto/init.h"
#include "loop/saver.h"
#include "loop/timer.h"
#include "node/fetch.h"
#include "node/undo.h"
#include "os/dgram.h"
#include "os/os.h"

enum {
	FAMILIES = 2,
	MESSAGE_MAX = 2048,
	BATCH = 16, /* datagrams per wake-up: anybody on the LAN can send them */
};
#define JOURNAL_AGAIN (60 * SEC)

/* A socket and what waits for it. */
struct ear {
	struct mapper *mapper;
	int fd; /* -1: none */
	struct event *event;
};

struct mapper {
	/* set once */
	struct event_base *base;
	struct mapper_config cfg;
	struct loop_timer *timer, *end_timer;
	/* changes */
	struct portmap *core; /* NULL: off */
	bool wanted; /* on, as soon as what is off has given everything back */
	bool busy; /* further up somebody hands on what the core says */
	struct side {
		struct endpoint gateway;
		struct ip own;
		struct ear ear, group;
	} side[FAMILIES];
	struct fetch *fetch[FAMILIES];
	struct {
		struct saver *saver;
		struct portmap_owed v[PORTMAP_OWED_MAX]; /* what is on disk, or will be */
		size_t n;
		bool writing; /* nothing is asked for meanwhile */
		bool failed; /* and that was said */
	} journal;
	void (*ended)(void *ctx);
	void *ended_ctx;
};

static void drain(void *ctx);

static enum ip_family family_of(size_t i)
{
	return i ? IP_V6 : IP_V4;
}

/* --- datagrams --- */

static void close_ear(struct ear *e)
{
	if (e->event)
		event_free(TAKE(e->event));
	if (e->fd >= 0)
		dgram_close(e->fd);
	e->fd = -1;
}

static void listen_with(struct mapper *m, struct ear *e, event_callback_fn fn)
{
	e->event = event_new(m->base, e->fd, EV_READ | EV_PERSIST, fn, e);
	if (!e->event || event_add(e->event, NULL) != 0)
		close_ear(e);
}

static void receive(const struct ear *e,
	void (*take)(struct portmap *m, const struct endpoint *from, const uint8_t *p, size_t n, ns_t now))
{
	struct mapper *m = e->mapper;
	uint8_t p[MESSAGE_MAX];
	struct endpoint from;
	size_t n;

	for (unsigned i = 0; i < BATCH; i++) {
		int err = dgram_recv(e->fd, p, sizeof(p), &n, &from);
		if (err == TM_EAGAIN)
			break;
		/* An error is what an ICMP message left behind: the gateway does not speak that. */
		if (!err && m->core)
			take(m->core, &from, p, n, time_monotonic());
	}
	drain(m);
}

static void on_datagram(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	receive(ctx, portmap_datagram);
}

static void on_announcement(evutil_socket_t fd UNUSED, short what UNUSED, void *ctx)
{
	receive(ctx, portmap_announced);
}

/* Everybody who is on the link, RFC 6886 3.2.1 and RFC 6887 14.1.1. */
static struct endpoint all_hosts(const struct endpoint *gateway)
{
	static const uint8_t v6[16] = {0xff, 0x02, [15] = 1};
	struct endpoint group = {.port = PCP_CLIENT_PORT, .scope = gateway->scope};

	group.ip = gateway->ip.family == IP_V4 ? ip_v4_host(0xe0000001) : ip_v6(v6);
	return group;
}

static void open_side(struct mapper *m, struct side *s)
{
	const struct endpoint group = all_hosts(&s->gateway);

	if (dgram_open(&s->own, m->cfg.mark, &s->ear.fd) == TM_OK)
		listen_with(m, &s->ear, on_datagram);
	/* Without it a restart of the gateway is noticed at the next renewal. */
	if (dgram_listen(&group, &s->group.fd) == TM_OK)
		listen_with(m, &s->group, on_announcement);
}

static void close_side(struct side *s)
{
	close_ear(&s->ear);
	close_ear(&s->group);
	s->gateway = (struct endpoint){0};
	s->own = (struct ip){0};
}

/* --- the journal --- */

struct journal_write {
	const char *path;
	char text[UNDO_TEXT_MAX];
	struct diag d;
};

static int journal_take(void *ctx, void **ret_job)
{
	struct mapper *m = ctx;
	struct journal_write *w = calloc(1, sizeof(*w));

	if (!w)
		return TM_ENOMEM;
	w->path = m->cfg.journal;
	undo_format(m->journal.v, m->journal.n, w->text);
	*ret_job = w;
	return TM_OK;
}

static int journal_write(void *job)
{
	struct journal_write *w = job;

	return os_write_file(w->path, w->text, strlen(w->text), 0600, &w->d);
}

/* A node that cannot write has a port mapped all the same: its lease ends it. */
static void journal_done(void *ctx, void *job, int result)
{
	struct mapper *m = ctx;

	if (result && result != TM_ECLOSED && !m->journal.failed)
		log_warn("mapper: what is mapped to us cannot be kept on disk, so after a crash it may stay "
			 "mapped",
			KV_ERR(result));
	m->journal.failed = result != TM_OK;
	m->journal.writing = false;
	free(job);
	drain(m);
}

static void keep(struct mapper *m)
{
	m->journal.n = portmap_owes(m->core, m->journal.v);
	m->journal.writing = true;
	saver_note(m->journal.saver);
}

static int open_journal(struct mapper *m)
{
	const struct saver_config cfg = {
		.thread = "tm-mapper",
		.again = JOURNAL_AGAIN,
		.ctx = m,
		.take = journal_take,
		.write = journal_write,
		.done = journal_done,
	};

	int err = undo_load(m->cfg.journal, m->journal.v, &m->journal.n);
	if (err)
		log_warn("mapper: what an earlier run has to give back cannot be read, so it may stay mapped",
			KV("file", m->cfg.journal), KV_ERR(err));
	return saver_new(m->base, &cfg, &m->journal.saver);
}

/* --- the loop --- */

static bool on_fetched(void *ctx, unsigned number, char *text, size_t n, bool closed)
{
	struct mapper *m = ctx;

	return !m->core || portmap_fetched(m->core, number, text, n, closed, time_monotonic());
}

static bool is_over(struct mapper *m)
{
	if (!m->core || !portmap_ended(m->core))
		return false;
	portmap_free(TAKE(m->core));
	for (size_t i = 0; i < FAMILIES; i++) {
		fetch_stop(m->fetch[i]);
		close_side(&m->side[i]);
	}
	loop_timer_stop(m->timer);
	return true;
}

static void send_out(struct mapper *m, const struct portmap_out *out)
{
	const struct ear *e = &m->side[out->to.ip.family == IP_V6].ear;

	/* What cannot be sent is not answered, and sent again. */
	if (e->fd >= 0)
		(void)!dgram_send(e->fd, &out->to, out->msg, out->n);
}

static void act(struct mapper *m, const struct portmap_out *out)
{
	switch (out->kind) {
	case PORTMAP_SEND:
		send_out(m, out);
		break;
	case PORTMAP_FETCH:
		fetch_start(m->fetch[out->to.ip.family == IP_V6], out);
		break;
	case PORTMAP_KEEP:
		keep(m);
		break;
	case PORTMAP_CHANGED:
		m->cfg.changed(m->cfg.ctx);
		break;
	}
}

static void after_the_end(struct mapper *m)
{
	m->cfg.changed(m->cfg.ctx);
	if (m->ended) {
		loop_timer_stop(m->end_timer);
		TAKE(m->ended)(m->ended_ctx);
	} else if (m->wanted) {
		mapper_switch(m, true);
	}
}

/* What is given back need not wait for the disk. */
static bool may_go_on(const struct mapper *m)
{
	return !m->journal.writing || !m->wanted;
}

static void drain(void *ctx)
{
	struct mapper *m = ctx;
	struct portmap_out out;

	if (m->busy || !m->core)
		return;
	m->busy = true;
	while (may_go_on(m) && portmap_output(m->core, time_monotonic(), &out))
		act(m, &out);
	m->busy = false;
	if (is_over(m))
		after_the_end(m);
	else if (may_go_on(m))
		loop_timer_at(m->timer, portmap_next(m->core));
}

/* --- what the owner says --- */

static void look_at_side(struct mapper *m, size_t i)
{
	struct side *s = &m->side[i];
	struct endpoint gateway = {0};
	struct ip own = {0};

	os_gateway(m->cfg.routes, family_of(i), &gateway, &own);
	if (!endpoint_eq(&gateway, &s->gateway) || !ip_eq(&own, &s->own)) {
		close_side(s);
		s->gateway = gateway;
		s->own = own;
		if (gateway.ip.family != IP_NONE)
			open_side(m, s);
	}
	portmap_gateway(m->core, family_of(i), &gateway, &own, time_monotonic());
}

void mapper_network(struct mapper *m)
{
	if (!m->core || !m->wanted)
		return;
	for (size_t i = 0; i < FAMILIES; i++)
		look_at_side(m, i);
	drain(m);
}

static uint32_t dice(void *ctx)
{
	(void)ctx;
	return random_u32();
}

void mapper_switch(struct mapper *m, bool on)
{
	struct portmap_config cfg = {.port = m->cfg.port, .lease = m->cfg.lease, .random = dice};

	m->wanted = on;
	if (!on && m->core) {
		portmap_end(m->core, time_monotonic());
		drain(m);
	} else if (on && !m->core) {
		memcpy(cfg.nonce, m->cfg.nonce, sizeof(cfg.nonce));
		if (portmap_new(&cfg, &m->core) != TM_OK)
			log_warn("mapper: no memory to have a port mapped");
		else
			portmap_owe(m->core, m->journal.v, m->journal.n);
		mapper_network(m);
	}
}

static void on_end_late(void *ctx)
{
	struct mapper *m = ctx;

	log_warn("mapper: the gateway does not answer, leaving the mapped port to its lease");
	if (m->ended)
		TAKE(m->ended)(m->ended_ctx);
}

void mapper_end(struct mapper *m, void (*ended)(void *ctx), void *ctx)
{
	if (!m->core) {
		m->wanted = false;
		ended(ctx);
		return;
	}
	m->ended = ended;
	m->ended_ctx = ctx;
	loop_timer_in(m->end_timer, MAPPER_END_WAIT);
	mapper_switch(m, false);
}

bool mapper_look(const struct mapper *m, enum ip_family family, struct portmap_view *ret_view)
{
	if (!m->core)
		return false;
	portmap_look(m->core, family, ret_view);
	return true;
}

/* --- life --- */

int mapper_new(struct event_base *base, const struct mapper_config *cfg, struct mapper **ret_mapper)
{
	struct mapper *m = calloc(1, sizeof(*m));
	const struct fetch_user user = {.ctx = m, .text = on_fetched, .over = drain};

	if (!m)
		return TM_ENOMEM;
	m->base = base;
	m->cfg = *cfg;
	for (size_t i = 0; i < FAMILIES; i++)
		m->side[i].ear = m->side[i].group = (struct ear){.mapper = m, .fd = -1};
	int err = open_journal(m);
	if (!err)
		err = loop_timer_new(base, drain, m, &m->timer);
	for (size_t i = 0; !err && i < FAMILIES; i++)
		err = fetch_new(base, cfg->mark, &user, &m->fetch[i]);
	if (!err)
		err = loop_timer_new(base, on_end_late, m, &m->end_timer);
	if (err) {
		mapper_free(m);
		return err;
	}
	*ret_mapper = m;
	return TM_OK;
}

void mapper_free(struct mapper *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < FAMILIES; i++) {
		fetch_free(m->fetch[i]);
		close_side(&m->side[i]);
	}
	portmap_free(TAKE(m->core)); /* what is written last asks no more */
	loop_timer_free(m->timer);
	loop_timer_free(m->end_timer);
	saver_free(m->journal.saver);
	free(m);
}
