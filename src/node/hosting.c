/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/hosting.h"

#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "os/os.h"
#include "os/run.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define NSSWITCH_CONF "/etc/nsswitch.conf"
#define BUS_SOCKET "/run/dbus/system_bus_socket"

enum { FILE_MAX = 1 << 16, PATIENCE_MS = 3000, JOURNAL_MAX = FILE_MAX + 1024 };

/* --- looking --- */

static bool run_quietly(const char *const *argv)
{
	return os_run(&(const struct os_run){.argv = argv, .timeout_ms = PATIENCE_MS}, NULL) == TM_OK;
}

/* Asking it starts it where it is started on demand, and then it writes resolv.conf: so this comes before
 * that is read. */
static bool has_resolved(void)
{
	static const char *const argv[] = {"resolvectl", "--no-pager", "status", NULL};

	return os_has_program(argv[0]) && !os_is_machines_own(BUS_SOCKET) && run_quietly(argv);
}

static enum resolv_mode look(struct hosting *h, char **ret_conf)
{
	_cleanup_(freep) char *nsswitch = NULL;
	char *conf = NULL;
	struct resolv_found f = {.shared = os_is_machines_own(RESOLV_CONF)};

	f.resolved = !f.shared && h->wish != RESOLV_WISH_NONE && has_resolved();
	(void)!os_read_file(RESOLV_CONF, FILE_MAX, &conf, NULL, NULL);
	(void)!os_read_file(NSSWITCH_CONF, FILE_MAX, &nsswitch, NULL, NULL);
	f.conf = conf;
	f.nsswitch = nsswitch;
	f.resolvconf = os_has_program("resolvconf");
	f.writable = os_can_rewrite(RESOLV_CONF);
	*ret_conf = conf;
	return resolv_choose(&f, h->wish, &h->why);
}

/* --- systemd-resolved --- */

static int call_resolvectl(
	const struct hosting *h, const char *verb, const char *const *values, struct diag *d)
{
	const char *argv[OS_RUN_ARGS] = {"resolvectl", verb, h->ifname};
	char shown[64];
	size_t n = 3;

	for (size_t i = 0; values[i] && n + 1 < OS_RUN_ARGS; i++)
		argv[n++] = values[i];
	snprintf(shown, sizeof(shown), "resolvectl %s %s", verb, h->ifname);
	return os_run(&(const struct os_run){.argv = argv, .shown = shown, .timeout_ms = PATIENCE_MS}, d);
}

/* Is what we said still what it does? After a restart it may have forgotten. */
static bool resolved_knows(const struct hosting *h)
{
	const char *argv[] = {"resolvectl", "--no-pager", "domain", h->ifname, NULL};
	char line[256] = "";

	return os_run(&(const struct os_run){.argv = argv,
			      .timeout_ms = PATIENCE_MS,
			      .out = line,
			      .out_size = sizeof(line)},
		       NULL) == TM_OK &&
	       strstr(line, h->zones[0]);
}

/*
 * Of this interface: which server, for which zones alone. It vanishes with the interface, so there is nothing
 * to undo. Old versions do not know all of the rest, and do not need it.
 */
static int tell_resolved(struct hosting *h)
{
	static const char *const extras[][2] = {{"default-route", "no"}, {"llmnr", "no"}, {"mdns", "no"},
		{"dnssec", "no"}, {"dnsovertls", "no"}};
	char server[IP_STR_LEN];
	const char *const servers[] = {ip_format(&h->server, server), NULL};

	if (resolved_knows(h))
		return TM_OK;
	h->changed = true;
	int err = call_resolvectl(h, "dns", servers, &h->problem);
	if (!err)
		err = call_resolvectl(h, "domain", h->zones, &h->problem);
	int extra = err; /* one that hangs will hang again */
	for (size_t i = 0; !extra && i < ARRAY_LEN(extras); i++)
		if (call_resolvectl(h, extras[i][0], (const char *const[]){extras[i][1], NULL}, NULL) ==
			TM_ETIMEOUT)
			extra = TM_ETIMEOUT;
	return err;
}

/* --- the journal --- */

/* "WAY WHO PATH", and behind the line what was there. */
static int note(const struct hosting *h, const char *way, const char *who, const char *path,
	const char *before, struct diag *d)
{
	struct strbuf b = {0};

	strbuf_printf(&b, "%s %s %s\n%s", way, who, path, before);
	_cleanup_(freep) char *text = strbuf_take(&b);
	return text ? os_write_file(h->journal, text, strlen(text), 0600, d) : TM_ENOMEM;
}

/* Both kinds list servers in the order of interfaces by their names, and those of tunnels first: tun* with
 * Debian's, tun[0-9]* with openresolv. */
static void record_name(const struct hosting *h, char *buf, size_t n)
{
	snprintf(buf, n, "tun0.%s", h->ifname);
}

/* What is noted is what would be done now. */
static bool is_noted(const struct hosting *h)
{
	_cleanup_(freep) char *text = NULL;
	char record[32], line[HOSTING_PATH + 64];

	record_name(h, record, sizeof(record));
	if (h->mode == RESOLV_FILE)
		snprintf(line, sizeof(line), "file %s %s\n", h->ifname, h->target);
	else
		snprintf(line, sizeof(line), "resolvconf %s -\n", record);
	return (h->mode == RESOLV_FILE || h->mode == RESOLV_RESOLVCONF) &&
	       os_read_file(h->journal, JOURNAL_MAX, &text, NULL, NULL) == TM_OK &&
	       strncmp(text, line, strlen(line)) == 0;
}

/* --- resolvconf --- */

static int tell_resolvconf(struct hosting *h, const char *conf)
{
	char record[32], input[512], server[IP_STR_LEN];
	const char *const argv[] = {"resolvconf", "-a", record, NULL};

	ip_format(&h->server, server);
	if (conf && resolv_names(conf, &h->server))
		return TM_OK;
	h->changed = true;
	record_name(h, record, sizeof(record));
	int err = note(h, "resolvconf", record, "-", "", &h->problem);
	snprintf(input, sizeof(input), "nameserver %s\n%s%s%s", server, h->search ? "search " : "",
		h->search ? h->search : "", h->search ? "\n" : "");
	if (!err)
		err = os_run(&(const struct os_run){.argv = argv, .input = input, .timeout_ms = PATIENCE_MS},
			&h->problem);
	if (err)
		return err;
	/* As where it feeds a server of names on this machine: that one has to ask us. */
	_cleanup_(freep) char *now = NULL;
	if (os_read_file(RESOLV_CONF, FILE_MAX, &now, NULL, NULL) != TM_OK || !resolv_names(now, &h->server))
		return diag_what(&h->problem, TM_EUNSUPPORTED,
			"resolvconf took %s and did not write it into resolv.conf", server);
	return TM_OK;
}

/* --- resolv.conf --- */

static int edit_file(struct hosting *h, const char *conf, bool may_write)
{
	const char *before = conf ? conf : "";

	_cleanup_(freep) char *others = resolv_without(before, h->ifname);
	const struct resolv_ours ours = {.who = h->ifname, .server = h->server, .search = h->search};
	_cleanup_(freep) char *with = resolv_with(before, &ours);
	if (!others || !with)
		return TM_ENOMEM;
	h->doubt = resolv_doubt(with);
	if (strcmp(with, before) == 0)
		return TM_OK;
	if (!may_write)
		return diag_what(&h->problem, TM_EBUSY,
			"another program rewrites %s again and again, and our lines are not in it",
			h->target);
	h->changed = true;
	int err = note(h, "file", h->ifname, h->target, others, &h->problem);
	return err ? err : os_rewrite_file(h->target, with, strlen(with), &h->problem);
}

int hosting_apply(struct hosting *h, bool may_write)
{
	_cleanup_(freep) char *conf = NULL;

	h->changed = false;
	h->doubt = NULL;
	h->problem = (struct diag){0};
	h->mode = look(h, &conf);
	os_real_path(RESOLV_CONF, h->target, sizeof(h->target));
	/* Another way or another file than before: what was done there is not wanted any more. */
	if (os_exists(h->journal) && !is_noted(h)) {
		int err = hosting_undo(h->journal, &h->problem);
		if (err)
			return err;
		free(TAKE(conf));
		(void)!os_read_file(RESOLV_CONF, FILE_MAX, &conf, NULL, NULL);
	}
	switch (h->mode) {
	case RESOLV_RESOLVED:
		return tell_resolved(h);
	case RESOLV_RESOLVCONF:
		return tell_resolvconf(h, conf);
	case RESOLV_FILE:
		return edit_file(h, conf, may_write);
	case RESOLV_NONE:
	case RESOLV_MODE_N:
		break;
	}
	return TM_OK;
}

/* --- undoing --- */

/* A write of ours that was cut short left nothing: then all that was there is put back. */
static int undo_file(const char *who, const char *path, const char *before, struct diag *d)
{
	_cleanup_(freep) char *now = NULL;
	int err = os_read_file(path, FILE_MAX, &now, NULL, d);

	if (err)
		return err == TM_ENOENT ? TM_OK : err; /* whoever removed it took our lines with it */
	_cleanup_(freep) char *without = now[0] ? resolv_without(now, who) : strdup(before);
	if (!without)
		return TM_ENOMEM;
	return strcmp(without, now) == 0 ? TM_OK : os_rewrite_file(path, without, strlen(without), d);
}

static int undo_resolvconf(const char *record, struct diag *d)
{
	const char *const argv[] = {"resolvconf", "-d", record, NULL};
	int err = os_run(&(const struct os_run){.argv = argv, .timeout_ms = PATIENCE_MS}, d);

	return err == TM_ENOENT ? TM_OK : err; /* it was removed, and its records with it */
}

int hosting_undo(const char *journal, struct diag *d)
{
	_cleanup_(freep) char *text = NULL;
	char way[16], who[32], path[HOSTING_PATH];
	int err = os_read_file(journal, JOURNAL_MAX, &text, NULL, d);

	if (err)
		return err;
	_Static_assert(HOSTING_PATH == 512, "as below");
	const char *before = strchr(text, '\n');
	if (!before || sscanf(text, "%15s %31s %511s", way, who, path) != 3)
		err = diag_what(d, TM_ECORRUPT, "%s makes no sense", journal);
	else if (strcmp(way, "file") == 0)
		err = undo_file(who, path, before + 1, d);
	else if (strcmp(way, "resolvconf") == 0)
		err = undo_resolvconf(who, d);
	else
		err = diag_what(d, TM_ECORRUPT, "%s makes no sense", journal);
	/* What makes no sense will make none tomorrow; what could not be done now is tried at the next start.
	 */
	if (!err || err == TM_ECORRUPT)
		(void)remove(journal);
	return err;
}
