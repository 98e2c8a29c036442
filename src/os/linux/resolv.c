/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Three ways: systemd-resolved, which forgets with the interface; resolvconf; lines in resolv.conf. */
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "os/linux/resolv_text.h"
#include "os/os.h"
#include "os/run.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define NSSWITCH_CONF "/etc/nsswitch.conf"
#define BUS_SOCKET "/run/dbus/system_bus_socket"
#define STUB_CONF "/run/systemd/resolve/stub-resolv.conf" /* systemd-resolved writes it when it starts */
#define BEHIND_STUB_CONF "/run/systemd/resolve/resolv.conf" /* whom it asks */

enum { FILE_MAX = 1 << 16, PATIENCE_MS = 3000, ZONES_MAX = OS_RUN_ARGS - 4 };

_Static_assert((int)OS_RESOLV_NOTE_MAX > (int)FILE_MAX, "room for what was there");

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

void os_resolv_look(struct os_resolv *r)
{
	_cleanup_(freep) char *conf = NULL, *nsswitch = NULL;
	struct resolv_found f = {.shared = os_is_machines_own(RESOLV_CONF)};

	r->changed = false;
	r->doubt = NULL;
	r->problem = (struct diag){0};
	f.resolved = !f.shared && r->wish != OS_RESOLV_NONE && has_resolved();
	(void)!os_read_file(RESOLV_CONF, FILE_MAX, &conf, NULL, NULL);
	(void)!os_read_file(NSSWITCH_CONF, FILE_MAX, &nsswitch, NULL, NULL);
	f.conf = conf;
	f.nsswitch = nsswitch;
	f.resolvconf = os_has_program("resolvconf");
	f.writable = os_can_rewrite(RESOLV_CONF);
	r->way = resolv_choose(&f, r->wish, &r->why);
	os_real_path(RESOLV_CONF, r->place, sizeof(r->place));
}

/* --- systemd-resolved --- */

static int call_resolvectl(
	const struct os_resolv *r, const char *verb, const char *const *values, struct diag *d)
{
	const char *argv[OS_RUN_ARGS] = {"resolvectl", verb, r->ifname};
	char shown[64];
	size_t n = 3;

	for (size_t i = 0; values[i] && n + 1 < OS_RUN_ARGS; i++)
		argv[n++] = values[i];
	snprintf(shown, sizeof(shown), "resolvectl %s %s", verb, r->ifname);
	return os_run(&(const struct os_run){.argv = argv, .shown = shown, .timeout_ms = PATIENCE_MS}, d);
}

/* A zone to be asked for here, and nowhere else: "~mesh" (systemd.network(5), Domains=); without the sign it
 * is searched as well. To be freed; NULL: no memory. */
static char *domain(const struct os_resolv *r, size_t i)
{
	const bool search = r->search && i == 0;
	char *s;

	return asprintf(&s, "%s%s", search ? "" : "~", r->zones[i]) < 0 ? NULL : s;
}

/* Is what we said still what it does? After a restart it may have forgotten. */
static bool resolved_knows(const struct os_resolv *r)
{
	const char *argv[] = {"resolvectl", "--no-pager", "domain", r->ifname, NULL};
	_cleanup_(freep) char *first = domain(r, 0);
	char line[256] = "";

	return first &&
	       os_run(&(const struct os_run){.argv = argv,
			      .timeout_ms = PATIENCE_MS,
			      .out = line,
			      .out_size = sizeof(line)},
		       NULL) == TM_OK &&
	       strstr(line, first);
}

static int tell_domains(struct os_resolv *r)
{
	char *domains[ZONES_MAX + 1] = {NULL};
	int err = TM_OK;

	for (size_t i = 0; !err && r->zones[i] && i < ZONES_MAX; i++) {
		domains[i] = domain(r, i);
		err = domains[i] ? TM_OK : TM_ENOMEM;
	}
	if (!err)
		err = call_resolvectl(r, "domain", (const char *const *)domains, &r->problem);
	for (size_t i = 0; domains[i]; i++)
		free(domains[i]);
	return err;
}

/*
 * Of this interface: which server, for which zones alone. It vanishes with the interface, so there is nothing
 * to undo. Old versions do not know all of the rest, and do not need it.
 */
static int tell_resolved(struct os_resolv *r)
{
	static const char *const extras[][2] = {{"default-route", "no"}, {"llmnr", "no"}, {"mdns", "no"},
		{"dnssec", "no"}, {"dnsovertls", "no"}};
	char server[IP_STR_LEN];
	const char *const servers[] = {ip_format(&r->server, server), NULL};

	if (resolved_knows(r))
		return TM_OK;
	r->changed = true;
	int err = call_resolvectl(r, "dns", servers, &r->problem);
	if (!err)
		err = tell_domains(r);
	int extra = err; /* one that hangs will hang again */
	for (size_t i = 0; !extra && i < ARRAY_LEN(extras); i++)
		if (call_resolvectl(r, extras[i][0], (const char *const[]){extras[i][1], NULL}, NULL) ==
			TM_ETIMEOUT)
			extra = TM_ETIMEOUT;
	return err;
}

/* --- what is noted --- */

/* "WAY WHO PATH", and behind the line what was there. */
static int note(struct os_resolv *r, const char *way, const char *who, const char *path, const char *before)
{
	struct strbuf b = {0};

	strbuf_printf(&b, "%s %s %s\n%s", way, who, path, before);
	_cleanup_(freep) char *text = strbuf_take(&b);
	return text ? r->note(r->ctx, text, &r->problem) : TM_ENOMEM;
}

/* Both kinds list servers in the order of interfaces by their names, and those of tunnels first: tun* with
 * Debian's, tun[0-9]* with openresolv. */
static void record_name(const struct os_resolv *r, char *buf, size_t n)
{
	snprintf(buf, n, "tun0.%s", r->ifname);
}

bool os_resolv_is_noted(const struct os_resolv *r, const char *text)
{
	char record[32], line[OS_RESOLV_PLACE + 64];

	record_name(r, record, sizeof(record));
	if (r->way == RESOLV_FILE)
		snprintf(line, sizeof(line), "file %s %s\n", r->ifname, r->place);
	else
		snprintf(line, sizeof(line), "resolvconf %s -\n", record);
	return (r->way == RESOLV_FILE || r->way == RESOLV_RESOLVCONF) &&
	       strncmp(text, line, strlen(line)) == 0;
}

/* --- resolvconf --- */

static int tell_resolvconf(struct os_resolv *r, const char *conf)
{
	char record[32], input[512], server[IP_STR_LEN];
	const char *const argv[] = {"resolvconf", "-a", record, NULL};

	ip_format(&r->server, server);
	if (conf && resolv_names(conf, &r->server))
		return TM_OK;
	r->changed = true;
	record_name(r, record, sizeof(record));
	int err = note(r, "resolvconf", record, "-", "");
	snprintf(input, sizeof(input), "nameserver %s\n%s%s%s", server, r->search ? "search " : "",
		r->search ? r->zones[0] : "", r->search ? "\n" : "");
	if (!err)
		err = os_run(&(const struct os_run){.argv = argv, .input = input, .timeout_ms = PATIENCE_MS},
			&r->problem);
	if (err)
		return err;
	/* As where it feeds a server of names on this machine: that one has to ask us. */
	_cleanup_(freep) char *now = NULL;
	if (os_read_file(RESOLV_CONF, FILE_MAX, &now, NULL, NULL) != TM_OK || !resolv_names(now, &r->server))
		return diag_what(&r->problem, TM_EUNSUPPORTED,
			"resolvconf took %s and did not write it into resolv.conf", server);
	return TM_OK;
}

/* --- resolv.conf --- */

static int edit_file(struct os_resolv *r, const char *conf, bool may_write)
{
	const char *before = conf ? conf : "";

	_cleanup_(freep) char *others = resolv_without(before, r->ifname);
	const struct resolv_ours ours = {
		.who = r->ifname, .server = r->server, .search = r->search ? r->zones[0] : NULL};
	_cleanup_(freep) char *with = resolv_with(before, &ours);
	if (!others || !with)
		return TM_ENOMEM;
	r->doubt = resolv_doubt(with);
	if (strcmp(with, before) == 0)
		return TM_OK;
	if (!may_write)
		return diag_what(&r->problem, TM_EBUSY,
			"another program rewrites %s again and again, and our lines are not in it", r->place);
	r->changed = true;
	int err = note(r, "file", r->ifname, r->place, others);
	return err ? err : os_rewrite_file(r->place, with, strlen(with), &r->problem);
}

int os_resolv_apply(struct os_resolv *r, bool may_write)
{
	_cleanup_(freep) char *conf = NULL;

	(void)!os_read_file(RESOLV_CONF, FILE_MAX, &conf, NULL, NULL);
	switch (r->way) {
	case RESOLV_RESOLVED:
		return tell_resolved(r);
	case RESOLV_RESOLVCONF:
		return tell_resolvconf(r, conf);
	case RESOLV_FILE:
		return edit_file(r, conf, may_write);
	default:
		return TM_OK;
	}
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

int os_resolv_undo(const char *text, struct diag *d)
{
	char way[16], who[32], path[OS_RESOLV_PLACE];
	const char *before = strchr(text, '\n');

	_Static_assert(OS_RESOLV_PLACE == 512, "as below");
	if (!before || sscanf(text, "%15s %31s %511s", way, who, path) != 3)
		return TM_ECORRUPT;
	if (strcmp(way, "file") == 0)
		return undo_file(who, path, before + 1, d);
	return strcmp(way, "resolvconf") == 0 ? undo_resolvconf(who, d) : TM_ECORRUPT;
}

/* --- for others --- */

size_t os_resolv_watched(const struct os_resolv *r, const char *ret_paths[static OS_RESOLV_WATCHED])
{
	/* What programs read, what is behind it, and what systemd-resolved writes. */
	ret_paths[0] = RESOLV_CONF;
	ret_paths[1] = r->place;
	ret_paths[2] = STUB_CONF;
	return 3;
}

bool os_resolv_servers(const struct prefix *not_in, size_t n, struct ip ret_v[static 2])
{
	static const char *const files[] = {RESOLV_CONF, BEHIND_STUB_CONF};

	ret_v[0] = ret_v[1] = (struct ip){.family = IP_NONE};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		_cleanup_(freep) char *conf = NULL;

		if (os_read_file(files[i], FILE_MAX, &conf, NULL, NULL) != TM_OK)
			continue;
		bool any = resolv_server(conf, IP_V4, not_in, n, &ret_v[0]);
		any |= resolv_server(conf, IP_V6, not_in, n, &ret_v[1]);
		if (any)
			return true;
	}
	return false;
}
