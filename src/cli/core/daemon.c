/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/time.h"
#include "cli/core/call.h"
#include "control/agent/enrolment.h"
#include "node/config.h"
#include "node/ctl.h"
#include "node/exit_journal.h"
#include "node/host_settings.h"
#include "node/hosting.h"
#include "node/route_settings.h"
#include "os/files.h"
#include "os/interrupt.h"
#include "os/local.h"
#include "os/os.h"
#include "os/paths.h"
#include "os/words/words.h"

enum {
	START_TIMEOUT_MS = 20000,
	STOP_TIMEOUT_MS = 10000,
	STOP_POLL_MS = 20,
	STATE_PATH_MAX = 512,
	PROGRAM_PATH_MAX = 4096,
};

bool daemon_by_systemd(const struct cli *c)
{
	return c->paths.standard && os_systemd_is_init() && os_systemd_has_unit(c->paths.unit_file);
}

int daemon_check_host(struct diag *d)
{
	int err = os_check_privileges(d);

	return err ? err : os_check_tun(d);
}

static int start_by_systemd(const char *unit, bool at_boot, struct diag *d)
{
	int err = at_boot ? os_systemctl("enable", unit, START_TIMEOUT_MS, d) : TM_OK;

	if (!err)
		err = os_systemctl("start", unit, START_TIMEOUT_MS, d);
	if (err)
		diag_hint(d, OS_SEE_SERVICE_LOG, unit);
	return err;
}

/* The same binary, also when it was started by a relative path or has been replaced meanwhile. */
static int start_by_ourselves(struct cli *c, struct diag *d)
{
	char exe[PROGRAM_PATH_MAX];
	int err = os_own_program(exe, sizeof(exe));
	const char *argv[12] = {
		exe, "up", "--foreground", "--state-dir", c->paths.state_dir, "--socket", c->paths.socket};
	struct diag unlogged = {0};
	size_t at = 7;

	if (err)
		return diag_what(d, err, "cannot find our own program file: %s", strerror(errno));

	if (c->paths.config_explicit) {
		argv[at++] = "--config";
		argv[at++] = c->paths.config;
	}
	if (c->g.log_level) {
		argv[at++] = "--log-level";
		argv[at++] = c->g.log_level;
	}
	argv[at] = NULL;
	/* exec's argv is not const for historical reasons only */
	err = os_spawn_daemon((char *const *)(uintptr_t)argv, c->paths.log, START_TIMEOUT_MS, &unlogged, d);
	if (!err && unlogged.what[0])
		cli_note(c, "%s: nothing is logged until the next start", unlogged.what);
	return err;
}

int daemon_start(struct cli *c, bool at_boot, struct diag *d)
{
	int err;

	if (daemon_by_systemd(c) && c->g.log_level)
		cli_note(c,
			OS_SERVICE_MANAGER
			" starts this node, and --log-level does not get there: set log_level in %s",
			c->paths.config);
	cli_progress(c, "starting");
	/* Never beside systemd, which would start a second one at the next boot. */
	err = daemon_by_systemd(c) ? start_by_systemd(c->paths.unit, at_boot, d) : start_by_ourselves(c, d);
	cli_progress(c, NULL);
	return err;
}

/* Its lock is the proof (a zombie holds none); without access to the state directory the process table has to
 * do. */
static bool has_stopped(const struct cli *c, os_pid pid)
{
	struct diag ignored = {0};
	int fd = -1;
	int err = os_lock_file(c->paths.lock, &fd, &ignored);

	os_unlock_file(fd);
	if (!err || err == TM_EBUSY)
		return !err;

	return pid > 0 && !os_process_lives(pid);
}

static int wait_stopped(struct cli *c, os_pid pid, struct diag *d)
{
	ns_t deadline = time_monotonic() + STOP_TIMEOUT_MS * MS;

	while (!has_stopped(c, pid)) {
		if (time_monotonic() > deadline) {
			diag_hint(d, "`kill %" PRId64 "` ends it the hard way; see %s", pid, c->paths.log);
			return diag_what(
				d, TM_ETIMEOUT, "tunnelmesh (process %" PRId64 ") does not stop", pid);
		}
		interrupt_rest(STOP_POLL_MS * MS);
	}
	return TM_OK;
}

os_pid daemon_pid(const struct cli *c, bool *ret_deaf)
{
	os_pid pid = call_daemon_pid(c->paths.socket);
	bool deaf = !pid;

	if (deaf)
		pid = os_lock_holder(c->paths.lock);
	/* Others hold it for a moment, `join` or `backup`: what stays says so. */
	if (deaf && pid && !os_process_was_told(pid, "--foreground"))
		pid = 0;
	if (ret_deaf)
		*ret_deaf = pid && deaf;
	return pid;
}

static int tell_to_stop(struct cli *c, os_pid pid, bool deaf, struct diag *d)
{
	json_t *reply = NULL;
	int err = deaf ? os_process_stop(pid) : TM_OK;

	if (err && err != TM_ENOENT)
		return diag_what(
			d, err, "cannot stop tunnelmesh (process %" PRId64 "): %s", pid, strerror(errno));
	if (deaf)
		return TM_OK;

	err = cli_ask(c, "down", NULL, ASK_TIMEOUT_MS, &reply, d);
	json_decref(reply);
	/* It may have gone by itself between our question and its answer. */
	return err == TM_ECLOSED ? TM_OK : err;
}

int daemon_stop(struct cli *c, struct diag *d)
{
	bool deaf, was = daemon_pid(c, NULL);
	int err = TM_OK;

	cli_progress(c, "stopping");
	/* A unit that failed and waits for its next start, too. Who runs need not be systemd's. */
	if (daemon_by_systemd(c) && os_is_root())
		err = os_systemctl("stop", c->paths.unit, START_TIMEOUT_MS, d);
	os_pid pid = daemon_pid(c, &deaf);
	if (!err && (pid || !was))
		err = tell_to_stop(c, pid, deaf, d);
	if (!err)
		err = wait_stopped(c, pid, d);
	cli_progress(c, NULL);
	return err;
}

static void in_state(const struct cli *c, const char *name, char ret_path[static STATE_PATH_MAX])
{
	os_path_in(ret_path, STATE_PATH_MAX, c->paths.state_dir, name);
}

void daemon_interface(const struct cli *c, char ret_name[static 16])
{
	struct enrolment e = {0};
	struct diag ignored = {0};
	struct config cfg;
	const bool read = config_load(c->paths.config, c->paths.config_explicit, &cfg, &ignored) == TM_OK;

	if (!read)
		config_defaults(&cfg);
	memcpy(ret_name, cfg.tun, sizeof(cfg.tun));
	if (!config_has(&cfg, "tun") && enrolment_load(c->paths.enrolment, &e, &ignored) == TM_OK && e.tun[0])
		memcpy(ret_name, e.tun, sizeof(e.tun));
	enrolment_wipe(&e);
}

/*
 * What a run that used another node's way to the internet has left; by the files it wrote before it did. One
 * that cannot be read may have said that it holds.
 */
static bool undo_exit(const struct cli *c, const char *routes, bool whole)
{
	char journal[STATE_PATH_MAX], ifname[16];
	struct os_exit_left found = {.any = false};
	struct diag ignored = {0};
	struct route_settings s;
	const bool unknown = route_settings_load(routes, &s, NULL) != TM_OK;

	in_state(c, EXIT_JOURNAL, journal);
	if ((!unknown && !s.exit_use[0] && !os_exists(journal)) || ((unknown || s.exit_kill) && !whole))
		return false;
	daemon_interface(c, ifname);
	/* Without the right to it nothing else went either. */
	return exit_journal_undo(journal, ifname, &found, &ignored) == TM_OK && found.any;
}

bool daemon_cleanup(struct cli *c, bool whole, bool *ret_exit)
{
	char open_path[STATE_PATH_MAX], journal[STATE_PATH_MAX], settings[STATE_PATH_MAX],
		routes[STATE_PATH_MAX], undo[STATE_PATH_MAX];
	const char *const left[] = {c->paths.socket, open_path};
	const char *const notes[] = {journal, settings, routes, undo};
	struct diag ignored = {0};
	bool any = false, removed = false;
	char ifname[16];
	int fd = -1;

	/* Each may be there without the other: a socket is removed by whoever tidies up, one at a time. */
	snprintf(open_path, sizeof(open_path), "%s" CTL_OPEN_SUFFIX, c->paths.socket);
	in_state(c, HOSTING_JOURNAL, journal);
	in_state(c, HOST_SETTINGS_FILE, settings);
	in_state(c, ROUTE_SETTINGS_FILE, routes);
	in_state(c, EXIT_JOURNAL, undo);
	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		any |= os_local_at(left[i]);
	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		any |= os_exists(notes[i]);
	daemon_interface(c, ifname);
	any |= os_rules_left(ifname);
	*ret_exit = false;
	if (!any || call_daemon_pid(c->paths.socket))
		return false;

	/* One that starts right now has the lock but perhaps no ear yet. */
	if (os_lock_file(c->paths.lock, &fd, &ignored) != TM_OK)
		return false;

	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		if (os_local_at(left[i]))
			removed |= os_remove_file(left[i]) == TM_OK;
	removed |= hosting_undo(journal, &ignored) == TM_OK;
	removed |= host_settings_undo(settings);
	*ret_exit = undo_exit(c, routes, whole);
	removed |= os_rules_undo(ifname);
	os_unlock_file(fd);
	return removed || *ret_exit;
}

const char *daemon_why_deaf(const struct cli *c)
{
	bool logs = daemon_by_systemd(c) || os_may_write(c->paths.log) == TM_OK || errno == EACCES;

	return logs ? "its log says why" : "name another path, in /run, with --socket";
}
