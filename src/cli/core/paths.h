/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where things are, from the global flags. Absolute: the daemon does not keep our working directory. */
#ifndef TM_CLI_CORE_PATHS_H
#define TM_CLI_CORE_PATHS_H

#include "base/err.h"
#include "base/util.h"

#define DEFAULT_CONFIG "/etc/tunnelmesh/config.yaml"
#define DEFAULT_STATE_DIR "/var/lib/tunnelmesh"
#define DEFAULT_RUN_DIR "/run/tunnelmesh"
#define DEFAULT_SOCKET DEFAULT_RUN_DIR "/tunnelmesh.sock"
#define STATE_REPLACED "replaced" /* in the state directory: what `restore --replace` put aside */
#define SYSTEMD_UNIT "tunnelmesh.service"

struct paths {
	char *config, *state_dir, *socket;
	char *identity, *enrolment, *db, *lock, *log; /* in state_dir */
	bool config_explicit, socket_explicit;
	bool standard; /* config, state and socket where the systemd unit has them */
};

/* NULL = not given. Without a socket given, another state directory has its socket inside. */
NODISCARD int paths_init(
	const char *config, const char *state_dir, const char *socket, struct paths *ret_paths);
void paths_deinit(struct paths *p);

/* Every file a node may leave in its state directory, by base name; ends with NULL. */
extern const char *const state_files[];

#endif
