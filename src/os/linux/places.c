/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* As the file system's standard has it (FHS 3.0: 3.7.4, 5.8.1, 3.15). */
#include "os/paths.h"
#include "os/words/words.h"

const char *os_dir_config(void)
{
	return OS_SHOWN_CONFIG_DIR;
}

const char *os_dir_state(void)
{
	return OS_SHOWN_STATE_DIR;
}

const char *os_dir_run(void)
{
	return OS_SHOWN_RUN_DIR;
}
