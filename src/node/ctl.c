/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/ctl.h"

#include <event2/event.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/secret.h"
#include "loop/timer.h"
#include "node/ctl_users.h"
#include "os/local.h"
#include "wire/msg/msg.h"

#define RESUME_AFTER (200 * MS) /* out of descriptors: a client that waits would wake us for ever */

struct ctl {
	/* set once */
	struct event_base *base;
	ctl_handler_fn *handler;
	void *ctx;
	char *path, *group;
	bool open;
	size_t request_max; /* bytes */
	/* control thread */
	struct ctl_users users; /* of the open socket */
	struct os_local *local; /* NULL: there could be none so far */
	struct event *on_client; /* NULL likewise */
	bool complained; /* about that */
	struct loop_timer *look;
	struct loop_timer *resume; /* accepts again after the system ran out of descriptors */
	struct list conns;
	size_t n_conns;
	ns_t patience;
};

/* READ: collects the request. WAIT: the handler has it. WRITE: the reply goes out. Freed by its own event or
 * by ctl_free. */
struct ctl_conn {
	struct list in_ctl;
	struct ctl *ctl;
	int fd;
	struct ctl_user *user; /* of the open socket; else NULL */
	struct event *on_read, *on_write;
	struct loop_timer *deadline;
	char *in;
	size_t in_len, in_cap;
	char *out;
	size_t out_len, out_at;
	struct ctl_call *call; /* WAIT only */
};

struct ctl_call {
	struct ctl_conn *conn; /* NULL once the connection is gone */
};

/* Requests and replies may carry private matter (tokens, pre-shared keys). */
static void free_wiped(char *p, size_t n)
{
	if (p)
		wipe(p, n);
	free(p);
}

static void event_freep0(struct event *e)
{
	if (e)
		event_free(e);
}

static void conn_free(struct ctl_conn *k)
{
	struct ctl *c = k->ctl;

	if (k->call)
		k->call->conn = NULL;
	if (k->user)
		ctl_user_close(k->user);
	event_freep0(k->on_read);
	event_freep0(k->on_write);
	loop_timer_free(k->deadline);
	free_wiped(k->in, k->in_cap);
	free_wiped(k->out, k->out_len);
	if (k->fd >= 0)
		os_local_close(k->fd);
	list_remove(&k->in_ctl);
	if (c->n_conns-- == CTL_CONNS_MAX && c->on_client)
		event_add(c->on_client, NULL);
	free(k);
}

/* TM_OK when all is sent; TM_EAGAIN when the socket is full; else it is dead. */
static int conn_flush(struct ctl_conn *k)
{
	while (k->out_at < k->out_len) {
		size_t n = 0;
		int err = os_local_send(k->fd, k->out + k->out_at, k->out_len - k->out_at, &n);

		if (err)
			return err;
		k->out_at += n;
	}
	return TM_OK;
}

/* Frees k when the reply is out or the client has gone. */
static void conn_write(struct ctl_conn *k)
{
	if (conn_flush(k) != TM_EAGAIN || event_add(k->on_write, NULL) < 0)
		conn_free(k);
}

static void on_write(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	conn_write(arg);
}

/* Takes the text; frees k at once or when it is sent. */
static void conn_answer(struct ctl_conn *k, char *line_take, size_t n)
{
	event_del(k->on_read);
	if (k->user)
		ctl_user_answered(k->user, n);
	k->out = line_take;
	k->out_len = n;
	loop_timer_in(k->deadline, k->ctl->patience);
	conn_write(k);
}

static void conn_answer_text(struct ctl_conn *k, char *text_take)
{
	static const char failed[] = "{\"ok\":false,\"code\":\"out_of_memory\",\"error\":\"the daemon could "
				     "not put its answer together\"}";
	char *line = text_take ? text_take : strdup(failed);

	if (!line) {
		conn_free(k);
		return;
	}

	size_t n = strlen(line);
	line[n] = '\n'; /* in the place of the terminator: nothing reads it as a string */
	conn_answer(k, line, n + 1);
}

static char *text_of(json_t *reply_take)
{
	char *text = reply_take ? json_dumps(reply_take, JSON_COMPACT) : NULL;

	json_decref(reply_take);
	return text;
}

static void conn_answer_json(struct ctl_conn *k, json_t *reply_take)
{
	conn_answer_text(k, text_of(reply_take));
}

void ctl_reply_text(struct ctl_call *call, char *text_take)
{
	struct ctl_conn *k = call->conn;

	free(call);
	if (!k) {
		if (text_take)
			free_wiped(text_take, strlen(text_take));
		return;
	}
	k->call = NULL;
	conn_answer_text(k, text_take);
}

void ctl_reply(struct ctl_call *call, json_t *reply_take)
{
	ctl_reply_text(call, text_of(reply_take));
}

int ctl_release(struct ctl_call *call, int *ret_fd)
{
	struct ctl_conn *k = call->conn;

	free(call);
	if (!k)
		return TM_ECLOSED;

	*ret_fd = k->fd;
	event_freep0(TAKE(k->on_read));
	event_freep0(TAKE(k->on_write));
	k->fd = -1;
	k->call = NULL;
	conn_free(k);
	return TM_OK;
}

bool ctl_waits(const struct ctl_call *call)
{
	size_t n;
	char c;

	return call->conn && os_local_recv(call->conn->fd, &c, 1, &n) != TM_ECLOSED;
}

int ctl_user(const struct ctl_call *call, uint32_t *ret_uid)
{
	os_pid pid;

	return call->conn ? os_local_peer(call->conn->fd, &pid, ret_uid) : TM_ECLOSED;
}

int ctl_request_parse(const char *line, size_t n, json_t **ret_req, struct diag *d)
{
	json_error_t e;
	json_t *j = json_loadb(line, n, JSON_REJECT_DUPLICATES, &e);

	if (!j)
		return diag_what(d, TM_EBADMSG, "the request is not JSON");

	if (!json_is_object(j)) {
		json_decref(j);
		return diag_what(d, TM_EBADMSG, "the request is not a JSON object");
	}
	*ret_req = j;
	return TM_OK;
}

static int too_much(struct diag *d)
{
	diag_hint(d, "wait a moment, or ask as root");
	return diag_what(d, TM_EFULL, "this user asks too much at once");
}

/* The whole line is there. k may be gone afterwards. */
static void conn_request(struct ctl_conn *k, size_t line_len)
{
	struct ctl *c = k->ctl;
	struct diag d = {0};
	json_t *req = NULL;
	int err;

	loop_timer_stop(k->deadline);
	event_del(k->on_read); /* the handler may take its time; a client that left is noticed when the reply
				  goes out */
	if (k->user && !ctl_user_ask(k->user, time_monotonic()))
		err = too_much(&d);
	else if (k->in_len > line_len + 1)
		err = diag_what(&d, TM_EBADMSG, "only one request fits on a connection");
	else
		err = ctl_request_parse(k->in, line_len, &req, &d);
	if (err) {
		conn_answer_json(k, msg_refusal(tm_err_word(err), d.what, d.hint));
		return;
	}

	struct ctl_call *call = calloc(1, sizeof(*call));
	if (!call) {
		json_decref(req);
		conn_free(k);
		return;
	}
	call->conn = k;
	k->call = call;
	free_wiped(k->in, k->in_cap);
	k->in = NULL;
	k->in_len = k->in_cap = 0;
	c->handler(c->ctx, req, call);
	json_decref(req);
}

static bool conn_grow(struct ctl_conn *k)
{
	size_t cap = MIN(k->in_cap ? k->in_cap * 2 : 1024, k->ctl->request_max);
	char *p = malloc(cap);

	if (!p)
		return false;

	if (k->in_len)
		memcpy(p, k->in, k->in_len);
	free_wiped(k->in, k->in_cap);
	k->in = p;
	k->in_cap = cap;
	return true;
}

static void on_read(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct ctl_conn *k = arg;

	if (k->in_len == k->ctl->request_max) {
		conn_answer_json(k, msg_refusal("bad_message", "the request is too long", NULL));
		return;
	}
	if (k->in_len == k->in_cap && !conn_grow(k)) {
		conn_free(k);
		return;
	}

	size_t n = 0;
	int err = os_local_recv(fd, k->in + k->in_len, k->in_cap - k->in_len, &n);
	if (err == TM_EAGAIN)
		return;
	if (err) {
		conn_free(k);
		return;
	}

	const char *nl = memchr(k->in + k->in_len, '\n', n);
	k->in_len += n;
	if (nl)
		conn_request(k, (size_t)(nl - k->in));
}

static void on_deadline(void *arg)
{
	struct ctl_conn *k = arg;

	if (k->out)
		conn_free(k);
	else
		conn_answer_json(k, msg_refusal("timeout", "the request did not arrive in time", NULL));
}

/* On the open socket each user has its own limits. k may be gone afterwards. */
static void conn_count(struct ctl_conn *k)
{
	struct diag d = {0};
	uint32_t uid;
	os_pid pid;

	if (os_local_peer(k->fd, &pid, &uid) == TM_OK)
		k->user = ctl_user_open(&k->ctl->users, uid, time_monotonic());
	if (k->user)
		return;

	int err = too_much(&d);
	conn_answer_json(k, msg_refusal(tm_err_word(err), d.what, d.hint));
}

static void conn_open(struct ctl *c, int fd)
{
	struct ctl_conn *k = calloc(1, sizeof(*k));

	if (!k) {
		os_local_close(fd);
		return;
	}
	k->ctl = c;
	k->fd = fd;
	list_push_back(&c->conns, &k->in_ctl);
	if (++c->n_conns == CTL_CONNS_MAX)
		event_del(c->on_client);
	k->on_read = event_new(c->base, fd, EV_READ | EV_PERSIST, on_read, k);
	k->on_write = event_new(c->base, fd, EV_WRITE, on_write, k);
	if (!k->on_read || !k->on_write || loop_timer_new(c->base, on_deadline, k, &k->deadline) != TM_OK ||
		event_add(k->on_read, NULL) < 0) {
		conn_free(k);
		return;
	}
	loop_timer_in(k->deadline, c->patience);
	if (c->open)
		conn_count(k);
}

static void on_client(evutil_socket_t listener UNUSED, short what UNUSED, void *arg)
{
	struct ctl *c = arg;
	int fd;
	int err = os_local_accept(c->local, &fd);

	if (err == TM_EFULL) {
		event_del(c->on_client);
		loop_timer_in(c->resume, RESUME_AFTER);
	}
	if (!err)
		conn_open(c, fd);
}

static void on_resume(void *arg)
{
	struct ctl *c = arg;

	if (c->n_conns < CTL_CONNS_MAX && c->on_client)
		event_add(c->on_client, NULL);
}

static void deafen(struct ctl *c)
{
	event_freep0(TAKE(c->on_client));
	os_local_free(TAKE(c->local));
}

static int listen_now(struct ctl *c, struct diag *d)
{
	const struct os_local_access access = {.everybody = c->open, .group = c->group};
	int err = os_local_listen(c->path, &access, &c->local, d);

	if (err)
		return err;

	c->on_client = event_new(c->base, os_local_fd(c->local), EV_READ | EV_PERSIST, on_client, c);
	if (!c->on_client || (c->n_conns < CTL_CONNS_MAX && event_add(c->on_client, NULL) < 0)) {
		deafen(c);
		return TM_ENOMEM;
	}
	return TM_OK;
}

static void complain(struct ctl *c, int err, const struct diag *d)
{
	char why[sizeof(struct diag) + 16];

	if (!c->complained)
		log_error("ctl: there is no control socket, trying again", KV("path", c->path),
			KV("why", diag_format(d, err, why, sizeof(why))));
	c->complained = true;
}

void ctl_look(struct ctl *c)
{
	struct diag d = {0};

	if (c->local && os_local_is_there(c->local))
		return;

	deafen(c);
	int err = listen_now(c, &d);
	if (err) {
		complain(c, err, &d);
		return;
	}
	c->complained = false;
	log_warn("ctl: the control socket was gone and is made again", KV("path", c->path));
}

static void on_look(void *arg)
{
	struct ctl *c = arg;

	ctl_look(c);
	loop_timer_in(c->look, CTL_LOOK_EVERY);
}

/* The first time: what only somebody else can put right later is no reason not to start. */
static int listen_first(struct ctl *c, struct diag *d)
{
	struct diag why = {0};
	int err = listen_now(c, &why);

	if (err == TM_ENOSPACE || err == TM_EPERM) {
		complain(c, err, &why);
		return TM_OK;
	}
	if (err && d)
		*d = why;
	return err;
}

DEFINE_CLEANUP(struct ctl, ctl_free)

int ctl_new(struct event_base *base, const struct ctl_config *cfg, struct ctl **ret_ctl, struct diag *d)
{
	_cleanup_(ctl_freep) struct ctl *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return TM_ENOMEM;

	*c = (struct ctl){.base = base,
		.handler = cfg->handler,
		.ctx = cfg->ctx,
		.path = strdup(cfg->path),
		.group = strdup(cfg->group ? cfg->group : ""),
		.open = cfg->open,
		.request_max = cfg->open ? CTL_OPEN_REQUEST_MAX : CTL_REQUEST_MAX,
		.patience = CTL_PATIENCE};
	list_init(&c->conns);
	err = c->path && c->group ? loop_timer_new(base, on_resume, c, &c->resume) : TM_ENOMEM;
	if (!err)
		err = loop_timer_new(base, on_look, c, &c->look);
	if (!err)
		err = listen_first(c, d);
	if (err)
		return err;

	loop_timer_in(c->look, CTL_LOOK_EVERY);
	*ret_ctl = TAKE(c);
	return TM_OK;
}

void ctl_free(struct ctl *c)
{
	if (!c)
		return;

	event_freep0(c->on_client);
	c->on_client = NULL;
	LIST_FOREACH_SAFE (k, &c->conns, struct ctl_conn, in_ctl) {
		(void)conn_flush(k); /* the reply to `down` is often the last thing we say */
		conn_free(k);
	}
	loop_timer_free(c->resume);
	loop_timer_free(c->look);
	os_local_free(c->local);
	free(c->path);
	free(c->group);
	free(c);
}

void ctl_set_patience(struct ctl *c, ns_t patience)
{
	c->patience = patience;
}
