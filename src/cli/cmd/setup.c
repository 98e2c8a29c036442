/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/cmd/setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/secret.h"
#include "cli/core/daemon.h"
#include "control/agent/identity_file.h"
#include "os/files.h"
#include "os/interrupt.h"
#include "os/os.h"
#include "os/paths.h"
#include "os/tun.h"
#include "os/udp.h"
#include "os/words/words.h"

enum { LOG_MAX = 1 << 20, UNDO_TIMEOUT_MS = 10000 };

static void state_path(const struct cli *c, const char *name, char *buf, size_t n)
{
	os_path_in(buf, n, c->paths.state_dir, name);
}

static int check_name(struct setup *s, struct diag *d)
{
	char host[256], better[NODE_NAME_MAX + 1];

	if (!s->opts->name) {
		os_host_name(host, sizeof(host));
		node_name_sanitize(host, s->name);
		return TM_OK;
	}
	if (!node_name_allowed(s->opts->name)) {
		node_name_sanitize(s->opts->name, better);
		diag_code(d, "usage");
		diag_hint(d, "up to 63 of a-z, 0-9 and -, and not this: for example %s", better);
		return diag_what(d, TM_EINVAL, "\"%.80s\" is not a node name", s->opts->name);
	}
	snprintf(s->name, sizeof(s->name), "%s", s->opts->name);
	return TM_OK;
}

static int check_not_enrolled(struct setup *s, struct diag *d)
{
	const struct cli *c = s->c;
	struct enrolment e;
	char flags[160];
	int err;

	if (!os_exists(c->paths.enrolment)) {
		err = os_find(c->paths.enrolment);
		if (err == TM_ENOENT)
			return TM_OK;
		diag_hint(d, OS_SUDO_HINT);
		return diag_what(d, err, "cannot look into %s: %s", c->paths.state_dir, strerror(errno));
	}

	err = enrolment_load(c->paths.enrolment, &e, d);
	if (err)
		return err;

	diag_hint(d, "`tunnelmesh%s leave` first; a second mesh beside it wants another --state-dir",
		cli_node_flags(c, flags, sizeof(flags)));
	diag_what(d, TM_EEXIST, "this machine is already in the mesh \"%s\" as %s", e.mesh.name, e.self.name);
	enrolment_wipe(&e);
	return TM_EEXIST;
}

/* Remembers the topmost missing directory, to remove it and those below again. */
static int note_missing_dirs(struct setup *s)
{
	_cleanup_(freep) char *dir = strdup(s->c->paths.state_dir);

	if (!dir)
		return TM_ENOMEM;

	for (bool more = true; more && os_find(dir) != TM_OK; more = os_path_up(dir)) {
		free(s->made_dir);
		s->made_dir = strdup(dir);
		if (!s->made_dir)
			return TM_ENOMEM;
	}
	return TM_OK;
}

static bool state_file_exists(const struct cli *c, const char *name)
{
	char path[4096 + 32];

	state_path(c, name, path, sizeof(path));
	return os_find(path) == TM_OK;
}

/* A lock says nothing about that: a daemon starts without. */
static int check_writable(const struct setup *s, struct diag *d)
{
	int err = os_may_write(s->c->paths.state_dir);

	if (!err)
		return TM_OK;
	diag_hint(d, "make it writable, or choose another --state-dir");
	return diag_what(d, err, "cannot write to %s: %s", s->c->paths.state_dir, strerror(errno));
}

/* From here on the directory is ours: another init or join may have finished between the first check and the
 * lock. */
static int lock_state(struct setup *s, struct diag *d)
{
	bool had_lock = os_find(s->c->paths.lock) == TM_OK;
	int err = os_make_dir(s->c->paths.state_dir, 0700, d);

	if (!err)
		err = os_lock_file(s->c->paths.lock, &s->lock_fd, d);
	if (!err)
		err = check_writable(s, d);
	if (!err)
		err = check_not_enrolled(s, d);
	if (err)
		return err;

	for (size_t i = 0; state_files[i]; i++)
		s->existed[i] = strcmp(state_files[i], "lock") == 0 ? had_lock
								    : state_file_exists(s->c, state_files[i]);
	s->locked = true;
	return TM_OK;
}

/*
 * The file counts before the command line's options, which are only remembered: two that contradict each
 * other are refused, lest the option does nothing.
 */
static int check_contradiction(
	const struct setup *s, const char *key, bool given, bool same, const char *option, struct diag *d)
{
	if (!given || same || !config_has(&s->config, key))
		return TM_OK;
	diag_hint(d, "change %s there, leave %s out, or name another file with --config", key, option);
	return diag_what(d, TM_EEXIST, "%s sets %s to another value than %s, and the file counts",
		s->c->paths.config, key, option);
}

static int check_contradictions(const struct setup *s, struct diag *d)
{
	const struct setup_opts *o = s->opts;
	int err = check_contradiction(s, "listen_port", o->listen_port,
		o->listen_port == s->config.listen_port, "--listen-port", d);

	if (!err)
		err = check_contradiction(
			s, "api_port", o->api_port, o->api_port == s->config.api_port, "--api-port", d);
	if (!err)
		err = check_contradiction(
			s, "tun", o->tun, o->tun && strcmp(o->tun, s->config.tun) == 0, "--tun", d);
	return err;
}

/*
 * The two things that most often stop a daemon at once, tried out before anybody is asked: a token is used up
 * by enrolling, also when this machine then cannot start.
 */
static int try_port_and_tun(const struct setup *s, struct diag *d)
{
	const struct udp_config cfg = {
		.port = s->opts->listen_port ? s->opts->listen_port : s->config.listen_port};
	struct udp *udp;
	struct tun *tun;
	int err = udp_open(&cfg, &udp, d);

	if (err)
		return err;

	udp_close(udp);
	err = tun_open(s->opts->tun ? s->opts->tun : s->config.tun, 1, s->config.mtu, 0, &tun, d);
	if (err)
		return err;

	tun_close(tun);
	return TM_OK;
}

static int check_tun_name(const struct setup_opts *o, struct diag *d)
{
	if (!o->tun || (*o->tun && strlen(o->tun) <= 15 && !strpbrk(o->tun, "/ %:")))
		return TM_OK;
	diag_code(d, "usage");
	return diag_what(
		d, TM_EINVAL, "--tun wants an interface name of up to 15 characters, not \"%.40s\"", o->tun);
}

/* What the command line and the configuration say, by themselves and together. */
static int check_settings(struct setup *s, struct diag *d)
{
	const struct cli *c = s->c;
	int err = check_name(s, d);

	if (!err)
		err = check_tun_name(s->opts, d);
	if (!err)
		err = config_load(c->paths.config, c->paths.config_explicit, &s->config, d);
	if (!err)
		err = config_check_host(&s->config, d);
	if (!err)
		err = check_contradictions(s, d);
	return err;
}

int setup_begin(struct setup *s, struct cli *c, const struct setup_opts *opts, struct diag *d)
{
	int err;

	*s = (struct setup){.c = c, .opts = opts, .lock_fd = -1};
	interrupt_hold(); /* one in the middle would leave half a node behind */
	err = opts->no_up ? TM_OK : daemon_check_host(d);
	if (!err)
		err = check_not_enrolled(s, d);
	if (!err)
		err = check_settings(s, d);
	if (!err && !opts->no_up)
		err = try_port_and_tun(s, d);
	if (!err)
		err = note_missing_dirs(s);
	if (!err)
		err = lock_state(s, d);
	return err;
}

int setup_begin_again(struct setup *s, struct cli *c, const struct setup_opts *opts, struct diag *d)
{
	*s = (struct setup){.c = c, .opts = opts, .lock_fd = -1, .committed = true};
	interrupt_hold();
	int err = opts->no_up ? TM_OK : daemon_check_host(d);
	return err ? err : check_settings(s, d);
}

int setup_lock(struct setup *s, struct diag *d)
{
	return os_lock_file(s->c->paths.lock, &s->lock_fd, d);
}

static int import_identity(struct setup *s, bool have, struct diag *d)
{
	struct identity there;
	int err = identity_load(s->opts->identity, &s->identity, d);

	if (err || !have)
		return err ? err : identity_save(&s->identity, s->c->paths.identity, d);

	err = identity_load(s->c->paths.identity, &there, d);
	if (!err && !ct_eq(there.ed_pub, s->identity.ed_pub, sizeof(there.ed_pub))) {
		diag_hint(d, "remove it first, or leave --identity out to use it");
		err = diag_what(d, TM_EEXIST, "%s holds another identity already", s->c->paths.identity);
	}
	identity_wipe(&there);
	return err;
}

static int find_identity(struct setup *s, struct diag *d)
{
	const char *path = s->c->paths.identity;
	bool have = os_find(path) == TM_OK; /* kept by `leave --keep-identity` */
	int err;

	if (s->opts->identity)
		return import_identity(s, have, d);
	if (have)
		return identity_load(path, &s->identity, d);

	err = identity_generate(&s->identity);
	return err ? diag_what(d, err, "no identity key could be made: %s", tm_strerror(err))
		   : identity_save(&s->identity, path, d);
}

int setup_identity(struct setup *s, struct diag *d)
{
	int err = find_identity(s, d);

	if (!err)
		*d = (struct diag){0}; /* a loader says where it was even when all went well */
	if (err == TM_ENOSPACE)
		diag_hint(d, "free some space; nothing was changed");
	return err;
}

void setup_keep_identity(struct setup *s, struct diag *d)
{
	for (size_t i = 0; state_files[i]; i++)
		s->existed[i] |= strcmp(state_files[i], "identity") == 0;
	diag_hint(d,
		"the coordinator may have let this machine in: run the same command again, the token still "
		"works for it");
}

/* A daemon that the system starts has not got this environment. */
static void remember_proxy(const struct setup *s, struct enrolment *e)
{
	const char *text = e->proxied && s->proxy_from ? getenv(s->proxy_from) : NULL;

	if (text && strlen(text) < sizeof(e->proxy))
		memcpy(e->proxy, text, strlen(text) + 1);
}

int setup_save(struct setup *s, struct enrolment *e, struct diag *d)
{
	if (s->opts->listen_port)
		e->listen_port = s->opts->listen_port;
	if (s->opts->api_port)
		e->api_port = s->opts->api_port;
	remember_proxy(s, e);
	if (s->opts->tun)
		snprintf(e->tun, sizeof(e->tun), "%s", s->opts->tun);
	return enrolment_save(s->c->paths.enrolment, e, d);
}

static void unlock(struct setup *s)
{
	os_unlock_file(s->lock_fd);
	s->lock_fd = -1;
}

/* The log goes with everything else when we undo: its last line is saved into the hint. */
static void quote_log(const struct cli *c, struct diag *d)
{
	struct diag ignored = {0};
	char *text = NULL, *line;
	size_t n = 0;

	if (os_read_file(c->paths.log, LOG_MAX, &text, &n, &ignored) != TM_OK)
		return;

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	line = strrchr(text, '\n');
	if (n > 0)
		diag_hint(d, "its last words: %s", line ? line + 1 : text);
	free(text);
}

int setup_start(struct setup *s, struct diag *d)
{
	int err;

	unlock(s);
	s->started = true;
	err = daemon_start(s->c, true, d);
	if (err && strstr(d->hint, s->c->paths.log))
		quote_log(s->c, d);
	return err;
}

void setup_commit(struct setup *s)
{
	s->committed = true;
	unlock(s);
}

/* rmdir from the state directory up to the topmost one that was missing; one that is not empty stays. */
static void remove_made_dirs(struct setup *s)
{
	char *dir = s->made_dir ? strdup(s->c->paths.state_dir) : NULL;
	size_t keep = s->made_dir ? strlen(s->made_dir) : 0;

	while (dir && strlen(dir) >= keep && os_remove_dir(dir) == TM_OK && os_path_up(dir))
		;
	free(dir);
}

static void undo(struct setup *s)
{
	struct diag ignored = {0};
	bool ignored_exit;
	char path[4096 + 32];

	if (s->started) {
		(void)!daemon_stop(s->c, &ignored);
		if (daemon_by_systemd(s->c))
			(void)!os_systemctl("disable", s->c->paths.unit, UNDO_TIMEOUT_MS, NULL);
		daemon_cleanup(s->c, true, &ignored_exit);
	}
	for (size_t i = 0; s->locked && state_files[i]; i++) {
		state_path(s->c, state_files[i], path, sizeof(path));
		if (!s->existed[i])
			(void)os_remove_file(path);
	}
	unlock(s);
	remove_made_dirs(s);
}

void setup_end(struct setup *s)
{
	if (!s->committed)
		undo(s);
	unlock(s);
	free(s->made_dir);
	s->made_dir = NULL;
	identity_wipe(&s->identity);
	interrupt_release();
}
