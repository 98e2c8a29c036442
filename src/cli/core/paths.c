/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/paths.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const state_files[] = {
	"identity",
	"node.json",
	"netmap.db",
	"netmap.db-wal",
	"netmap.db-shm",
	"netmap.db-journal",
	"clock",
	"mesh.db",
	"mesh.db-wal",
	"mesh.db-shm",
	"mesh.db-journal",
	"mesh.db.copy",
	"mesh.db.copy.new",
	"daemon.log",
	"daemon.log.1",
	"lock",
	NULL,
};

static char *absolute(const char *path)
{
	_cleanup_(freep) char *cwd = NULL;
	char *s;

	if (path[0] == '/')
		return strdup(path);

	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&s, "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, path) < 0)
		return NULL;

	return s;
}

static char *in_dir(const char *dir, const char *name)
{
	char *s;

	return dir && asprintf(&s, "%s/%s", dir, name) >= 0 ? s : NULL;
}

/* "/var/lib/tunnelmesh/" is the same directory. */
static void trim_slashes(char *s)
{
	for (size_t n = s ? strlen(s) : 0; n > 1 && s[n - 1] == '/'; n--)
		s[n - 1] = '\0';
}

int paths_init(const char *config, const char *state_dir, const char *socket, struct paths *ret_paths)
{
	struct paths p = {.config_explicit = config, .socket_explicit = socket};
	bool standard_state;

	p.config = absolute(config ? config : DEFAULT_CONFIG);
	p.state_dir = absolute(state_dir ? state_dir : DEFAULT_STATE_DIR);
	trim_slashes(p.state_dir);
	standard_state = p.state_dir && strcmp(p.state_dir, DEFAULT_STATE_DIR) == 0;
	if (socket)
		p.socket = absolute(socket);
	else
		p.socket = standard_state ? strdup(DEFAULT_SOCKET) : in_dir(p.state_dir, "tunnelmesh.sock");
	p.identity = in_dir(p.state_dir, "identity");
	p.enrolment = in_dir(p.state_dir, "node.json");
	p.db = in_dir(p.state_dir, "mesh.db");
	p.lock = in_dir(p.state_dir, "lock");
	p.log = in_dir(p.state_dir, "daemon.log");
	if (!p.config || !p.state_dir || !p.socket || !p.identity || !p.enrolment || !p.db || !p.lock ||
		!p.log) {
		paths_deinit(&p);
		return TM_ENOMEM;
	}
	p.standard = standard_state && strcmp(p.config, DEFAULT_CONFIG) == 0 &&
		     strcmp(p.socket, DEFAULT_SOCKET) == 0;
	*ret_paths = p;
	return TM_OK;
}

void paths_deinit(struct paths *p)
{
	free(p->config);
	free(p->state_dir);
	free(p->socket);
	free(p->identity);
	free(p->enrolment);
	free(p->db);
	free(p->lock);
	free(p->log);
	*p = (struct paths){0};
}
