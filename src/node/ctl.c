/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/ctl.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/list.h"
#include "base/secret.h"
#include "os/os.h"

struct ctl {
	/* set once */
	struct event_base *base;
	ctl_handler_fn *handler;
	void *ctx;
	char *path;
	bool for_group;
	dev_t dev;
	ino_t ino;
	int fd;
	/* control thread */
	struct event *on_client;
	struct event *on_resume; /* accepts again after the system ran out of descriptors */
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
	struct event *on_read, *on_write, *on_deadline;
	char *in;
	size_t in_len, in_cap;
	char *out;
	size_t out_len, out_at;
	struct ctl_call *call; /* WAIT only */
};

struct ctl_call {
	struct ctl_conn *conn; /* NULL once the connection is gone */
};

static struct timeval timeval_of(ns_t t)
{
	return (struct timeval){.tv_sec = t / SEC, .tv_usec = t % SEC / US};
}

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
	event_freep0(k->on_read);
	event_freep0(k->on_write);
	event_freep0(k->on_deadline);
	free_wiped(k->in, k->in_cap);
	free_wiped(k->out, k->out_len);
	close(k->fd);
	list_remove(&k->in_ctl);
	if (c->n_conns-- == CTL_CONNS_MAX && c->on_client)
		event_add(c->on_client, NULL);
	free(k);
}

/* True when all is sent; false when the socket is full or dead (*ret_dead). */
static bool conn_flush(struct ctl_conn *k, bool *ret_dead)
{
	*ret_dead = false;
	while (k->out_at < k->out_len) {
		ssize_t n =
			send(k->fd, k->out + k->out_at, k->out_len - k->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			*ret_dead = errno != EAGAIN;
			return false;
		}
		k->out_at += (size_t)n;
	}
	return true;
}

/* Frees k when the reply is out or the client has gone. */
static void conn_write(struct ctl_conn *k)
{
	bool dead;

	if (conn_flush(k, &dead) || dead || event_add(k->on_write, NULL) < 0)
		conn_free(k);
}

static void on_write(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	conn_write(arg);
}

/* Takes the text; frees k at once or when it is sent. */
static void conn_answer(struct ctl_conn *k, char *line_take, size_t n)
{
	struct timeval patience = timeval_of(k->ctl->patience);

	event_del(k->on_read);
	k->out = line_take;
	k->out_len = n;
	if (event_add(k->on_deadline, &patience) < 0)
		conn_free(k);
	else
		conn_write(k);
}

json_t *ctl_error(const char *error, const char *hint)
{
	return json_pack("{s:b, s:s, s:s}", "ok", 0, "error", error, "hint", hint ? hint : "");
}

static void conn_answer_json(struct ctl_conn *k, json_t *reply_take)
{
	char *line = NULL;
	size_t n;

	if (!reply_take)
		reply_take = ctl_error("the daemon could not put its answer together", NULL);
	if (reply_take)
		line = json_dumps(reply_take, JSON_COMPACT);
	json_decref(reply_take);
	if (!line) {
		conn_free(k);
		return;
	}

	n = strlen(line);
	line[n] = '\n'; /* in the place of the terminator: nothing reads it as a string */
	conn_answer(k, line, n + 1);
}

void ctl_reply(struct ctl_call *call, json_t *reply_take)
{
	struct ctl_conn *k = call->conn;

	free(call);
	if (!k) {
		json_decref(reply_take);
		return;
	}
	k->call = NULL;
	conn_answer_json(k, reply_take);
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

/* The whole line is there. k may be gone afterwards. */
static void conn_request(struct ctl_conn *k, size_t line_len)
{
	struct ctl *c = k->ctl;
	struct diag d = {0};
	json_t *req = NULL;
	int err;

	event_del(k->on_deadline);
	event_del(k->on_read); /* the handler may take its time; a client that left is noticed when the reply
				  goes out */
	if (k->in_len > line_len + 1)
		err = diag_what(&d, TM_EBADMSG, "only one request fits on a connection");
	else
		err = ctl_request_parse(k->in, line_len, &req, &d);
	if (err) {
		conn_answer_json(k, ctl_error(d.what, NULL));
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
	size_t cap = k->in_cap ? k->in_cap * 2 : 1024;
	char *p = malloc(MIN(cap, (size_t)CTL_REQUEST_MAX));

	if (!p)
		return false;

	if (k->in_len)
		memcpy(p, k->in, k->in_len);
	free_wiped(k->in, k->in_cap);
	k->in = p;
	k->in_cap = MIN(cap, (size_t)CTL_REQUEST_MAX);
	return true;
}

static void on_read(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct ctl_conn *k = arg;

	if (k->in_len == CTL_REQUEST_MAX) {
		conn_answer_json(k, ctl_error("the request is longer than 1 MiB", NULL));
		return;
	}
	if (k->in_len == k->in_cap && !conn_grow(k)) {
		conn_free(k);
		return;
	}

	ssize_t n = recv(fd, k->in + k->in_len, k->in_cap - k->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_free(k);
		return;
	}

	const char *nl = memchr(k->in + k->in_len, '\n', (size_t)n);
	k->in_len += (size_t)n;
	if (nl)
		conn_request(k, (size_t)(nl - k->in));
}

static void on_deadline(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ctl_conn *k = arg;

	if (k->out)
		conn_free(k);
	else
		conn_answer_json(k, ctl_error("the request did not arrive in time", NULL));
}

/* The file's mode let the client connect; this is for a socket whose directory or mode someone loosened. */
static bool client_allowed(const struct ctl *c, int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return false;

	return peer.uid == 0 || peer.uid == geteuid() || c->for_group;
}

static void conn_open(struct ctl *c, int fd)
{
	struct timeval patience = timeval_of(c->patience);
	struct ctl_conn *k = calloc(1, sizeof(*k));

	if (!k) {
		close(fd);
		return;
	}
	k->ctl = c;
	k->fd = fd;
	list_push_back(&c->conns, &k->in_ctl);
	if (++c->n_conns == CTL_CONNS_MAX)
		event_del(c->on_client);
	k->on_read = event_new(c->base, fd, EV_READ | EV_PERSIST, on_read, k);
	k->on_write = event_new(c->base, fd, EV_WRITE, on_write, k);
	k->on_deadline = evtimer_new(c->base, on_deadline, k);
	if (!k->on_read || !k->on_write || !k->on_deadline || event_add(k->on_read, NULL) < 0 ||
		event_add(k->on_deadline, &patience) < 0)
		conn_free(k);
}

static void on_client(evutil_socket_t listener, short what UNUSED, void *arg)
{
	static const struct timeval pause = {.tv_usec = 200 * 1000};
	struct ctl *c = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		/* Out of descriptors: the pending client would wake us for ever. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			event_del(c->on_client);
			event_add(c->on_resume, &pause);
		}
		return;
	}
	if (!client_allowed(c, fd)) {
		close(fd);
		return;
	}
	conn_open(c, fd);
}

static void on_resume(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct ctl *c = arg;

	if (c->n_conns < CTL_CONNS_MAX)
		event_add(c->on_client, NULL);
}

/* Removes what a dead daemon left at the path. */
static int clear_path(const struct sockaddr_un *sa, struct diag *d)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return errno == ENOENT ? TM_OK
				       : diag_what(d, tm_err_from_errno(errno),
						 "cannot look at the control socket %s: %s", sa->sun_path,
						 strerror(errno));
	if (!S_ISSOCK(st.st_mode)) {
		diag_hint(d, "move it away or choose another path with --socket");
		return diag_what(d, TM_EEXIST, "%s is in the way: it is not a socket", sa->sun_path);
	}

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return tm_err_from_errno(errno);
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN) {
		diag_hint(d, "stop it with `tunnelmesh down`, or choose another --state-dir");
		return diag_what(d, TM_EBUSY, "another tunnelmesh answers on %s", sa->sun_path);
	}
	if (errno != ECONNREFUSED || unlink(sa->sun_path) < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot replace the control socket %s: %s",
			sa->sun_path, strerror(errno));

	return TM_OK;
}

static int group_find(const char *name, gid_t *ret_gid, struct diag *d)
{
	char buf[16384];
	struct group g, *found = NULL;

	if (getgrnam_r(name, &g, buf, sizeof(buf), &found) != 0 || !found) {
		diag_hint(d, "create it (groupadd %s) or change socket_group in the configuration", name);
		return diag_what(
			d, TM_ENOENT, "this system has no group \"%s\" for the control socket", name);
	}
	*ret_gid = g.gr_gid;
	return TM_OK;
}

static int make_parent(const char *path, struct diag *d)
{
	_cleanup_(freep) char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return TM_ENOMEM;

	const char *dir = dirname(copy);
	if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode))
		return TM_OK; /* whose it is and who may write there is the administrator's choice */

	return os_make_dir(dir, 0755, d);
}

/* Bound with mode 0600 and opened to the group only afterwards: there is no moment with too much access. */
static int ctl_bind(struct ctl *c, const struct sockaddr_un *sa, const gid_t *gid, struct diag *d)
{
	struct stat st;
	mode_t old;
	int r;

	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return diag_what(d, tm_err_from_errno(errno), "no control socket: %s", strerror(errno));

	old = umask(0177);
	r = bind(c->fd, (const struct sockaddr *)sa, sizeof(*sa));
	umask(old);
	if (r < 0)
		return diag_what(d, tm_err_from_errno(errno), "cannot create the control socket %s: %s",
			c->path, strerror(errno));
	if (lstat(c->path, &st) < 0)
		return tm_err_from_errno(errno);
	c->dev = st.st_dev;
	c->ino = st.st_ino;

	if (gid && (chown(c->path, (uid_t)-1, *gid) < 0 || chmod(c->path, 0660) < 0))
		return diag_what(d, tm_err_from_errno(errno),
			"cannot give the control socket %s to its group: %s", c->path, strerror(errno));
	if (listen(c->fd, 128) < 0)
		return diag_what(
			d, tm_err_from_errno(errno), "cannot listen on %s: %s", c->path, strerror(errno));

	return TM_OK;
}

DEFINE_CLEANUP(struct ctl, ctl_free)

int ctl_new(struct event_base *base, const char *path, const char *group, ctl_handler_fn *handler, void *ctx,
	struct ctl **ret_ctl, struct diag *d)
{
	_cleanup_(ctl_freep) struct ctl *c = NULL;
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	gid_t gid = 0;
	int err;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		diag_hint(d, "choose a shorter one with --socket");
		return diag_what(d, TM_EINVAL, "the path of the control socket is longer than %zu characters",
			sizeof(sa.sun_path) - 1);
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);

	c = calloc(1, sizeof(*c));
	if (!c)
		return TM_ENOMEM;

	*c = (struct ctl){.base = base, .handler = handler, .ctx = ctx, .fd = -1, .patience = CTL_PATIENCE};
	list_init(&c->conns);
	c->path = strdup(path);
	c->for_group = group && *group;
	if (!c->path)
		return TM_ENOMEM;

	if (c->for_group && (err = group_find(group, &gid, d)) < 0)
		return err;
	err = make_parent(path, d);
	if (!err)
		err = clear_path(&sa, d);
	if (!err)
		err = ctl_bind(c, &sa, c->for_group ? &gid : NULL, d);
	if (err)
		return err;

	c->on_client = event_new(base, c->fd, EV_READ | EV_PERSIST, on_client, c);
	c->on_resume = evtimer_new(base, on_resume, c);
	if (!c->on_client || !c->on_resume || event_add(c->on_client, NULL) < 0)
		return TM_ENOMEM;

	*ret_ctl = TAKE(c);
	return TM_OK;
}

void ctl_free(struct ctl *c)
{
	struct stat st;
	bool dead;

	if (!c)
		return;

	event_freep0(c->on_client);
	event_freep0(c->on_resume);
	c->on_client = NULL;
	LIST_FOREACH_SAFE (k, &c->conns, struct ctl_conn, in_ctl) {
		(void)conn_flush(k, &dead); /* the reply to `down` is often the last thing we say */
		conn_free(k);
	}
	if (c->fd >= 0)
		close(c->fd);
	if (c->ino && lstat(c->path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
		unlink(c->path);
	free(c->path);
	free(c);
}

void ctl_set_patience(struct ctl *c, ns_t patience)
{
	c->patience = patience;
}
