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
#include "os/words/words.h"

#define SOCKET "tunnelmesh.sock"

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

/* NAME of a state directory that belongs to a further mesh; NULL: it is another one. Fit for a unit's name.
 */
static const char *instance_of(const char *state_dir)
{
	static const char fit[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	const size_t n = strlen(os_dir_state());

	if (strncmp(state_dir, os_dir_state(), n) != 0 || state_dir[n] != '-' || !state_dir[n + 1])
		return NULL;
	const char *name = state_dir + n + 1;
	return name[strspn(name, fit)] ? NULL : name;
}

/* Where config, socket and unit are that were not named. */
struct standards {
	char *config, *socket, *unit;
	const char *unit_file;
};

static void standards_of(const char *state_dir, struct standards *ret_s)
{
	const char *name = instance_of(state_dir);

	_cleanup_(freep) char *file = name ? text_printf("%s.yaml", name) : strdup("config.yaml");
	_cleanup_(freep) char *run = name ? text_printf("%s-%s", os_dir_run(), name) : strdup(os_dir_run());
	*ret_s = (struct standards){
		.config = file ? os_path_join(os_dir_config(), file) : NULL,
		.socket = run ? os_path_join(run, SOCKET) : NULL,
		.unit = name ? text_printf(OS_SERVICE_FURTHER, name) : strdup(OS_SERVICE),
		.unit_file = name ? OS_SERVICE_FURTHER_FILE : OS_SERVICE,
	};
}

static char *take_or(const char *given, const char *otherwise)
{
	return given ? os_path_absolute(given) : otherwise ? strdup(otherwise) : NULL;
}

int paths_init(const char *config, const char *state_dir, const char *socket, struct paths *ret_paths)
{
	struct paths p = {.config_explicit = config, .socket_explicit = socket};
	struct standards std;

	p.state_dir = os_path_absolute(state_dir ? state_dir : os_dir_state());
	if (!p.state_dir)
		return TM_ENOMEM;
	os_path_trim(p.state_dir);
	standards_of(p.state_dir, &std);
	bool known = strcmp(p.state_dir, os_dir_state()) == 0 || instance_of(p.state_dir);
	_cleanup_(freep) char *inside = os_path_join(p.state_dir, SOCKET);
	p.config = take_or(config, std.config);
	p.socket = take_or(socket, known ? std.socket : inside);
	p.unit = std.unit;
	p.unit_file = std.unit_file;
	p.identity = os_path_join(p.state_dir, "identity");
	p.enrolment = os_path_join(p.state_dir, "node.json");
	p.password = os_path_join(p.state_dir, LOGIN_FILE);
	p.db = os_path_join(p.state_dir, "mesh.db");
	p.lock = os_path_join(p.state_dir, "lock");
	p.log = os_path_join(p.state_dir, "daemon.log");
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
