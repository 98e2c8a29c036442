/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where things are, from the global flags. Absolute: the daemon does not keep our working directory. */
#ifndef TM_CLI_CORE_PATHS_H
#define TM_CLI_CORE_PATHS_H

#include "base/err.h"
#include "base/util.h"

#define STATE_REPLACED "replaced" /* in the state directory: what `restore --replace` put aside */

/*
 * Without anything said it is all where the system has such things (os/paths.h). Further meshes on one
 * machine: what lies in the state directory's name, with -NAME behind it, has its configuration, its socket
 * and its service under that name, too.
 */
struct paths {
	char *config, *state_dir, *socket;
	char *unit; /* the service: OS_SERVICE, or one of a further mesh */
	const char *unit_file; /* a template for all NAMEs */
	char *identity, *enrolment, *password, *db, *lock, *log; /* in state_dir */
	bool config_explicit, socket_explicit;
	bool standard; /* config, state and socket where the service has them */
};

/* NULL = not given. Without a socket given, a state directory of any other kind has its socket inside. */
NODISCARD int paths_init(
	const char *config, const char *state_dir, const char *socket, struct paths *ret_paths);
void paths_deinit(struct paths *p);

/* Every file a node may leave in its state directory, by base name; ends with NULL. */
extern const char *const state_files[];

#endif
