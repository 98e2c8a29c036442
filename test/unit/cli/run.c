/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/cli/run.h"

#include "unit/unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "cli/core/cli.h"

enum { WORDS = 32 };

/* Splits at spaces and puts dir in the place of DIR where a word begins (within one it may be chance: a
 * token's letters). The words point into buf. */
static int split(const char *args, const char *dir, char *buf, size_t n, const char *argv[WORDS])
{
	size_t at = 0;
	int argc = 0;

	at += (size_t)snprintf(buf, n, "tunnelmesh") + 1;
	argv[argc++] = buf;
	while (*args) {
		size_t len = strcspn(args, " ");

		if (len) {
			assert_true(argc < WORDS - 1 && at + len + strlen(dir) + 1 < n);
			argv[argc++] = buf + at;
			const size_t skip = strncmp(args, "DIR", 3) == 0 ? 3 : 0;

			at += (size_t)snprintf(
				buf + at, n - at, "%s%.*s", skip ? dir : "", (int)(len - skip), args + skip);
			buf[at++] = '\0';
		}
		args += len + (args[len] == ' ');
	}
	argv[argc] = NULL;
	return argc;
}

void run_cli(struct run *r, const char *dir, const char *args)
{
	struct cli c = {.screen = {.colour = r->tty, .width = r->width},
		.err_tty = r->tty,
		.err_journal = r->journal,
		.in_tty = r->tty,
		.run_node = r->run_node};
	const char *argv[WORDS];
	char buf[8192];
	int in[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	if (r->input)
		assert_int_equal(write(in[1], r->input, strlen(r->input)), (ssize_t)strlen(r->input));
	close(in[1]);
	c.in_fd = in[0];
	c.out = open_memstream(&r->out, &r->out_len);
	c.err = open_memstream(&r->err, &r->err_len);
	assert_true(c.out && c.err);
	r->status = cli_run(&c, split(args, dir, buf, sizeof(buf), argv), argv);
	fclose(c.out);
	fclose(c.err);
	close(in[0]);
}

void run_free(struct run *r)
{
	free(r->out);
	free(r->err);
	r->out = r->err = NULL;
}
