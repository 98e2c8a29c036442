/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/paths.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "node/exit_journal.h"
#include "node/host_settings.h"
#include "node/hosting.h"
#include "node/login.h"
#include "node/route_settings.h"
#include "os/paths.h"

const char *const state_files[] = {
	"identity",
	"node.json",
	"netmap.db",
	"netmap.db-wal",
	"netmap.db-shm",
	"netmap.db-journal",
	"clock",
	"undo",
	HOSTING_JOURNAL,
	ROUTE_SETTINGS_FILE,
	EXIT_JOURNAL,
	HOST_SETTINGS_FILE,
	"mesh.db",
	"mesh.db-wal",
	"mesh.db-shm",
	"mesh.db-journal",
	"mesh.db.before",
	"mesh.db.before.1",
	"mesh.db.before.new",
	"mesh.db.copy",
	"mesh.db.copy.new",
	"tls.pem",
	LOGIN_FILE,
	"daemon.log",
	"daemon.log.1",
	"lock",
	NULL,
};

static char *in_dir(const char *dir, const char *name)
{
	return dir ? text_printf("%s/%s", dir, name) : NULL;
}

/* "/var/lib/tunnelmesh/" is the same directory. */
static void trim_slashes(char *s)
{
	for (size_t n = s ? strlen(s) : 0; n > 1 && s[n - 1] == '/'; n--)
		s[n - 1] = '\0';
}

/* NAME of a state directory that belongs to a further mesh; NULL: it is another one. Fit for a unit's name.
 */
static const char *instance_of(const char *state_dir)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t n = strlen(INSTANCE_STATE_DIR);

	if (strncmp(state_dir, INSTANCE_STATE_DIR, n) != 0 || !state_dir[n])
		return NULL;
	return state_dir[n + strspn(state_dir + n, fit)] ? NULL : state_dir + n;
}

/* Where config, socket and unit are that were not named. */
struct standards {
	char *config, *socket, *unit;
	const char *unit_file;
};

static void standards_of(const char *state_dir, struct standards *ret_s)
{
	const char *name = instance_of(state_dir);

	if (name)
		*ret_s = (struct standards){.config = text_printf(DEFAULT_CONFIG_DIR "/%s.yaml", name),
			.socket = text_printf(DEFAULT_RUN_DIR "-%s/tunnelmesh.sock", name),
			.unit = text_printf("tunnelmesh@%s.service", name),
			.unit_file = "tunnelmesh@.service"};
	else
		*ret_s = (struct standards){.config = strdup(DEFAULT_CONFIG),
			.socket = strdup(DEFAULT_SOCKET),
			.unit = strdup("tunnelmesh.service"),
			.unit_file = "tunnelmesh.service"};
}

static char *take_or(const char *given, const char *otherwise)
{
	return given ? os_path_absolute(given) : otherwise ? strdup(otherwise) : NULL;
}

int paths_init(const char *config, const char *state_dir, const char *socket, struct paths *ret_paths)
{
	struct paths p = {.config_explicit = config, .socket_explicit = socket};
	struct standards std;

	p.state_dir = os_path_absolute(state_dir ? state_dir : DEFAULT_STATE_DIR);
	if (!p.state_dir)
		return TM_ENOMEM;
	trim_slashes(p.state_dir);
	standards_of(p.state_dir, &std);
	bool known = strcmp(p.state_dir, DEFAULT_STATE_DIR) == 0 || instance_of(p.state_dir);
	_cleanup_(freep) char *inside = in_dir(p.state_dir, "tunnelmesh.sock");
	p.config = take_or(config, std.config);
	p.socket = take_or(socket, known ? std.socket : inside);
	p.unit = std.unit;
	p.unit_file = std.unit_file;
	p.identity = in_dir(p.state_dir, "identity");
	p.enrolment = in_dir(p.state_dir, "node.json");
	p.password = in_dir(p.state_dir, LOGIN_FILE);
	p.db = in_dir(p.state_dir, "mesh.db");
	p.lock = in_dir(p.state_dir, "lock");
	p.log = in_dir(p.state_dir, "daemon.log");
	bool whole = std.config && std.socket && p.unit && p.config && p.socket && p.identity &&
		     p.enrolment && p.password && p.db && p.lock && p.log;
	p.standard = whole && known && strcmp(p.config, std.config) == 0 && strcmp(p.socket, std.socket) == 0;
	free(std.config);
	free(std.socket);
	if (!whole) {
		paths_deinit(&p);
		return TM_ENOMEM;
	}
	*ret_paths = p;
	return TM_OK;
}

void paths_deinit(struct paths *p)
{
	free(p->config);
	free(p->state_dir);
	free(p->socket);
	free(p->unit);
	free(p->identity);
	free(p->enrolment);
	free(p->password);
	free(p->db);
	free(p->lock);
	free(p->log);
	*p = (struct paths){0};
}
