/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Runs a command line inside the test and keeps what it printed. */
#ifndef TM_TEST_CLI_RUN_H
#define TM_TEST_CLI_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "node/node.h"

struct run {
	/* set before; zero = a pipe with nothing to read */
	const char *input; /* standard input; NULL = closed */
	bool tty; /* pretend to be a terminal */
	unsigned width; /* of it */
	bool journal; /* pretend that standard error is the journal's */
	int (*run_node)(const struct node_options *o, struct diag *d);
	/* results; run_free releases them */
	int status;
	char *out, *err;
	size_t out_len, err_len;
};

/* args: space-separated words after "tunnelmesh"; DIR at the beginning of one stands for dir. */
void run_cli(struct run *r, const char *dir, const char *args);
void run_free(struct run *r);

#define assert_contains(text, part)                                                                          \
	do {                                                                                                 \
		if (!strstr(text, part))                                                                     \
			fail_msg("\"%s\" is not in:\n%s", part, text);                                       \
	} while (0)

#endif
