/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* One program: the command line, and with `up --foreground` the node itself. */
#include "cli/core/cli.h"
#include "node/node.h"
#include "os/logfile.h"
#include "os/os.h"
#include "os/terminal.h"

int main(int argc, char **argv)
{
	struct cli c = {
		.out = stdout,
		.err = stderr,
		.screen = {.colour = terminal_is(TERMINAL_STDOUT) && !getenv("NO_COLOR"),
			.width = terminal_width(TERMINAL_STDOUT)},
		.err_tty = terminal_is(TERMINAL_STDERR),
		.err_journal = os_stderr_is_journal(),
		.in_fd = TERMINAL_STDIN,
		.in_tty = terminal_is(TERMINAL_STDIN),
		.run_node = node_main,
	};

	os_harden(); /* tokens and keys pass through here: no core dumps, files for us alone */
	return cli_run(&c, argc, (const char *const *)argv);
}
