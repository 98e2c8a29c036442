/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The coordinator's end: accepts control links and bounds what strangers can hold.
 *
 * A link that is not established has a seat. When all seats are taken nobody is thrown out who makes
 * progress: the listener pauses, newcomers wait in the kernel's queue, and whoever has not come one step
 * further for patience_ms, without a Noise message for silent_ms, makes room (docs/decisions/0006). When only
 * one source has none left, its own that have not begun the handshake make room for its newcomers. What costs
 * is charged to the link's source (control/link/admission.h), unless the key is a member's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/loglimit.h"
#include "control/link/clink_private.h"
#include "control/link/ports.h"
#include "loop/timer.h"
#include "net/release.h"
#include "net/tls.h"
#include "net/tls_files.h"
#include "net/websocket.h"
#include "os/os.h"
#include "os/tcp.h"

enum {
	/* Descriptors that links leave to the daemon: 32 for administration, the others are its own sockets
	 * and files. */
	DESCRIPTORS_KEPT = 32 + 96,
	/* Without descriptors: accepting again at once would spin. */
	RETRY_MS = 250,
	STAGES = 3,
	LOOK_AT_MAX = 64, /* links, for one accepted */
};

struct clink_server {
	struct dh_key *key;
	const struct stream_taker *streams;
	bool streams_only;
	struct clink_events events;
	struct clink_tuning tuning;
	unsigned max_links;
	size_t receive_max, receive_first;
	struct event_base *base;
	struct aead *aead;
	struct admission *admission;
	struct ports *ports;
	struct tls_files *tls; /* NULL: TLS is not spoken here */
	struct tls_door door;
	struct loop_timer *resume; /* while the ports are paused */
	size_t descriptors; /* most links of any kind */
	/* struct clink.in_server; half-open ones by stage, who has been there longest first; ended ones:
	 * `closed` is still due */
	struct list half_open[STAGES], links, ended;
	unsigned n_links;
	struct log_limit log_crowd, log_accept, log_tls; /* strangers can provoke them */
};

/* --- seats --- */

static struct list *stage_list(struct clink_server *s, enum clink_state state)
{
	return &s->half_open[state == CLINK_UPGRADE ? 0 : state == CLINK_GREET ? 1 : 2];
}

static bool no_room(const struct clink_server *s)
{
	return admission_full(s->admission) || s->n_links + admission_seated(s->admission) >= s->descriptors;
}

/* Enough that pausing again at once is unlikely. */
static bool much_room(const struct clink_server *s)
{
	unsigned seats = s->tuning.admission.seats, seated = admission_seated(s->admission);

	return seated <= seats - seats / 8 && s->n_links + seated < s->descriptors;
}

static void link_leave(struct clink *l)
{
	struct clink_server *s = l->server;

	if (l->seat == SEAT_HALF_OPEN)
		admission_stand(s->admission, &l->peer.ip);
	s->n_links -= l->seat == SEAT_ESTABLISHED;
	l->seat = SEAT_NONE;
	list_remove(&l->in_server);
	if (s->ports && ports_paused(s->ports) && much_room(s))
		loop_timer_in(s->resume, 0);
}

void server_forget(struct clink *l)
{
	link_leave(l);
	list_push_back(&l->server->ended, &l->in_server);
}

bool server_admit(struct clink *l)
{
	struct clink_server *s = l->server;

	if (s->n_links >= s->max_links)
		return false;

	link_leave(l);
	l->seat = SEAT_ESTABLISHED;
	s->n_links++;
	list_push_back(&s->links, &l->in_server);
	clink_limit_receive(l, s->receive_max);
	return true;
}

void server_progressed(struct clink *l)
{
	list_remove(&l->in_server);
	list_push_back(stage_list(l->server, l->state), &l->in_server);
	l->progressed = time_monotonic();
}

bool server_take_stream(struct clink *l, const uint8_t *p, size_t n)
{
	const struct stream_taker *taker = l->server->streams;
	uint8_t answer[STREAM_PROOF_MAX];
	struct net_released r;
	size_t len;

	if (!taker || !taker->prove(taker->ctx, &l->peer, p, n, answer, sizeof(answer), &len))
		return false;
	if (net_output(&l->layer, answer, len) != TM_OK || clink_release(l, &r) != TM_OK)
		return false; /* who does not take the answer is gone */
	taker->take(taker->ctx, &r);
	return true;
}

int server_greet(struct clink *l)
{
	return secure_init(
		&l->secure, l->aead, NOISE_RESPONDER, l->server->key, NULL, l->server->receive_first);
}

int server_read_hello(struct clink *l, const uint8_t *p, size_t n)
{
	struct clink_server *s = l->server;
	struct secure *secure = &l->secure;
	const struct ip *from = &l->peer.ip;
	ns_t now = time_monotonic();

	if (!secure_hello_meant_for_us(secure, p, n))
		return TM_EAUTH;
	if (!admission_charge(s->admission, ADMISSION_LOOK, from, now))
		return TM_EBUSY;

	int err = secure_hello_look(secure, p, n);
	if (err)
		return err;
	bool known = s->events.known && s->events.known(s->events.ctx, secure->remote);
	if (!known && !admission_charge(s->admission, ADMISSION_HANDSHAKE, from, now))
		return TM_EBUSY;
	err = secure_hello_read(secure, p, n);
	if (!known)
		return err;
	if (err) { /* somebody else, who knows a member's public key */
		(void)admission_charge(s->admission, ADMISSION_HANDSHAKE, from, now);
		return err;
	}
	admission_refund(s->admission, ADMISSION_LOOK, from);
	if (s->events.greeted)
		s->events.greeted(s->events.ctx, secure->remote);
	return TM_OK;
}

const struct websocket_server *server_websocket(const struct clink_server *s)
{
	static const char *const paths[] = {CLINK_PATH, CLINK_STREAM_PATH, NULL};
	static const struct websocket_server control = {.paths = paths, .page = "TunnelMesh control port\n"},
					     relay = {.paths = paths + 1, .page = "TunnelMesh relay\n"};

	return s->streams_only ? &relay : &control;
}

bool server_is_stream(const struct clink *l)
{
	return l->server->streams_only || websocket_path(&l->layer) != 0;
}

/* --- making room --- */

static ns_t patience(const struct clink_server *s, size_t stage)
{
	return (stage < 2 ? s->tuning.silent_ms : s->tuning.patience_ms) * MS;
}

/* The half-open link that has not come further for longest, the earliest stage first; NULL: all make
 * progress. */
static struct clink *laggard(struct clink_server *s, ns_t now)
{
	for (size_t i = 0; i < STAGES; i++) {
		struct clink *l = CONTAINER_OF(s->half_open[i].next, struct clink, in_server);

		if (!list_empty(&s->half_open[i]) && now - l->progressed >= patience(s, i))
			return l;
	}
	return NULL;
}

/*
 * One of this source that has not begun a handshake. Whose source has three quarters of all seats is soon
 * found among those who are here for longest.
 */
static struct clink *silent_one(struct clink_server *s, const struct ip *from, ns_t now)
{
	for (size_t i = 0; i < 2; i++) {
		unsigned looked_at = 0;

		LIST_FOREACH_SAFE (l, &s->half_open[i], struct clink, in_server) {
			if (now - l->progressed < patience(s, i) || looked_at++ == LOOK_AT_MAX)
				break;
			if (admission_together(s->admission, &l->peer.ip, from))
				return l;
		}
	}
	return NULL;
}

/* A seat for a newcomer; where its source has its share, that of a silent one. */
static bool find_seat(struct clink_server *s, const struct ip *from)
{
	struct clink *l;

	if (admission_sit(s->admission, from))
		return true;
	l = silent_one(s, from, time_monotonic());
	if (!l)
		return false;
	clink_fail(l, TM_EFULL, "its address has too many handshakes at once, and this one made no progress");
	return admission_sit(s->admission, from);
}

/* When the next one will have kept its seat for too long. */
static ns_t patience_ends(struct clink_server *s)
{
	ns_t at = NS_NEVER;

	for (size_t i = 0; i < STAGES; i++) {
		struct list *first = s->half_open[i].next;

		if (first != &s->half_open[i])
			at = ns_min(at,
				CONTAINER_OF(first, struct clink, in_server)->progressed + patience(s, i));
	}
	return at;
}

static void wait_for_room(struct clink_server *s, const char *text)
{
	ns_t now = time_monotonic();

	LOG_LIMITED(LOG_WARN, &s->log_crowd, LOG_WHO_ALL, text, KV_INT("links", s->n_links),
		KV_INT("half_open", admission_seated(s->admission)), KV_INT("descriptors", s->descriptors));
	ports_pause(s->ports);
	loop_timer_at(s->resume, MAX(patience_ends(s), now + 10 * MS));
}

/* Drops laggards while there is no room; pauses accepting when that is not enough. */
static void make_room(struct clink_server *s)
{
	ns_t now = time_monotonic();
	struct clink *l;

	while (no_room(s) && (l = laggard(s, now)))
		clink_fail(l, TM_EFULL, "too many handshakes at once, and this one made no progress");
	if (!no_room(s))
		return;
	if (admission_full(s->admission))
		wait_for_room(s, "link: many handshakes at once, newcomers wait");
	else
		wait_for_room(s, "link: all descriptors are in use, newcomers wait");
}

static void on_resume(void *arg)
{
	struct clink_server *s = arg;

	ports_resume(s->ports);
	make_room(s);
}

/* --- accepting --- */

static void on_accepted(void *ctx, int fd, const struct endpoint *from)
{
	struct clink_server *s = ctx;
	struct clink *l;

	if (!find_seat(s, &from->ip)) {
		tcp_close(fd);
		return;
	}
	if (clink_new(s->base, false, &s->tuning, &s->events, &l) != TM_OK) {
		admission_stand(s->admission, &from->ip);
		tcp_close(fd);
		return;
	}
	l->server = s;
	l->aead = s->aead;
	l->peer = *from;
	l->seat = SEAT_HALF_OPEN;
	l->overall = time_monotonic() + s->tuning.half_open_ms * MS;
	clink_set_state(l, CLINK_UPGRADE, s->tuning.stage_ms);
	server_progressed(l);
	if (clink_attach(l, fd) != TM_OK) {
		clink_free(l);
		return;
	}
	net_begin(&l->conn);
	if (no_room(s))
		make_room(s);
}

static void on_accept_failed(void *ctx, int e)
{
	struct clink_server *s = ctx;

	ports_pause(s->ports);
	LOG_LIMITED(LOG_WARN, &s->log_accept, LOG_WHO_ALL, "link: cannot accept nodes, trying again",
		KV_ERRNO(e), KV_INT("links", s->n_links));
	loop_timer_in(s->resume, RETRY_MS * MS);
}

static int server_listen(struct clink_server *s, const struct clink_server_config *cfg, struct diag *d)
{
	const struct listener_events ev = {.ctx = s, .accepted = on_accepted, .failed = on_accept_failed};
	struct endpoint at[PORTS_MAX] = {cfg->listen};
	size_t n = MIN(cfg->n_also, (size_t)PORTS_MAX - 1);

	for (size_t i = 0; i < n; i++)
		at[1 + i] = cfg->also[i];
	int err = ports_new(s->base, at, 1 + n, cfg->mark, &ev, &s->ports);
	if (err)
		return diag_what(d, err, "%s", tm_strerror(err));
	/* Without some of its ports a relay is of use to those who come by the others. */
	err = ports_open(s->ports, s->streams_only ? NULL : d);
	return s->streams_only ? TM_OK : err;
}

/* --- TLS --- */

static struct ssl_ctx_st *on_knock(void *ctx, struct net_conn *c)
{
	struct clink_server *s = ctx;
	const struct ip *from = &CONTAINER_OF(c, struct clink, conn)->peer.ip;
	ns_t now = time_monotonic();
	struct diag d = {0};

	if (!admission_charge(s->admission, ADMISSION_TLS, from, now))
		return NULL;
	struct ssl_ctx_st *context = tls_files_context(s->tls, now, time_real() / SEC, &d);
	if (d.what[0])
		LOG_LIMITED(LOG_WARN, &s->log_tls, LOG_WHO_ALL,
			"link: keeping the last TLS certificate, the new one cannot be used",
			KV("why", d.what));
	return context;
}

/* A round trip further than others who have not asked for the upgrade yet. */
static void on_entered(void *ctx UNUSED, struct net_conn *c)
{
	server_progressed(CONTAINER_OF(c, struct clink, conn));
}

const struct tls_door *server_door(const struct clink_server *s)
{
	return s->tls ? &s->door : NULL;
}

/* --- life --- */

static int server_certificate(struct clink_server *s, const struct clink_tls *t, struct diag *d)
{
	struct tls_files_config cfg = {.certificate = t->certificate, .key = t->key, .own = t->own};

	for (; cfg.n_names < t->n_hosts && cfg.n_names < TLS_FILES_NAMES_MAX; cfg.n_names++)
		cfg.names[cfg.n_names] = t->hosts[cfg.n_names];
	return tls_files_new(&cfg, time_real() / SEC, &s->tls, d);
}

static int server_fill(struct clink_server *s, const struct clink_server_config *cfg, struct diag *d)
{
	int err = aead_new_with(AEAD_LIBCRYPTO, &s->aead);

	if (!err)
		err = dh_key_new(cfg->identity->x_priv, &s->key);
	if (!err)
		err = admission_new(&s->tuning.admission, &s->admission);
	if (!err)
		err = loop_timer_new(s->base, on_resume, s, &s->resume);
	if (err)
		return diag_what(d, err, "%s", tm_strerror(err));
	if (cfg->tls)
		err = server_certificate(s, cfg->tls, d);
	return err ? err : server_listen(s, cfg, d);
}

int clink_server_new_tuned(struct event_base *base, const struct clink_server_config *cfg,
	const struct clink_events *ev, const struct clink_tuning *t, struct clink_server **ret_server,
	struct diag *d)
{
	struct clink_server *s = calloc(1, sizeof(*s));
	size_t may_open = os_descriptors();

	if (!s)
		return diag_what(d, TM_ENOMEM, "%s", tm_strerror(TM_ENOMEM));

	s->base = base;
	s->events = *ev;
	s->tuning = *t;
	s->streams = cfg->streams;
	s->streams_only = cfg->streams_only;
	s->max_links = cfg->max_links;
	s->receive_max = cfg->receive_max ? cfg->receive_max : CLINK_MSG_MAX;
	s->receive_first = cfg->receive_first ? cfg->receive_first : s->receive_max;
	s->descriptors = t->descriptors                    ? t->descriptors
			 : may_open > 2 * DESCRIPTORS_KEPT ? may_open - DESCRIPTORS_KEPT
							   : may_open / 2;
	s->log_crowd = s->log_accept = s->log_tls = LOG_LIMIT_ONE;
	s->door = (struct tls_door){.ctx = s, .knock = on_knock, .entered = on_entered};
	for (size_t i = 0; i < STAGES; i++)
		list_init(&s->half_open[i]);
	list_init(&s->links);
	list_init(&s->ended);

	int err = server_fill(s, cfg, d);
	if (err) {
		clink_server_free(s);
		return err;
	}
	*ret_server = s;
	return TM_OK;
}

int clink_server_new(struct event_base *base, const struct clink_server_config *cfg,
	const struct clink_events *ev, struct clink_server **ret_server, struct diag *d)
{
	return clink_server_new_tuned(base, cfg, ev, &clink_tuning_default, ret_server, d);
}

int clink_server_listen(struct clink_server *s, struct diag *d)
{
	return ports_open(s->ports, d);
}

uint16_t clink_server_port(const struct clink_server *s)
{
	return ports_first(s->ports);
}

/* A link whose callback runs right now outlives the server: it must not remember it. */
static void links_free(struct list *links)
{
	LIST_FOREACH_SAFE (l, links, struct clink, in_server) {
		list_remove(&l->in_server);
		l->server = NULL;
		clink_free(l);
	}
}

void clink_server_free(struct clink_server *s)
{
	if (!s)
		return;

	ports_free(TAKE(s->ports));
	for (size_t i = 0; i < STAGES; i++)
		links_free(&s->half_open[i]);
	links_free(&s->links);
	links_free(&s->ended);
	loop_timer_free(s->resume);
	admission_free(s->admission);
	tls_files_free(s->tls);
	aead_free(s->aead);
	dh_key_free(s->key);
	free(s);
}
