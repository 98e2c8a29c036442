/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Command-line options from tables: the same rows parse the options and print the help. Pure. */
#ifndef TM_CLI_CORE_OPTION_H
#define TM_CLI_CORE_OPTION_H

#include <stdio.h>

#include "base/diag.h"
#include "base/err.h"
#include "base/time.h"

enum { OPT_VALUES_MAX = 16, OPT_WORDS_MAX = 64 };

struct opt_list {
	const char *v[OPT_VALUES_MAX];
	size_t n;
};

/* What follows the option, and the type of the field it fills. */
enum opt_kind {
	OPT_FLAG, /* nothing; bool */
	OPT_TEXT, /* const char * */
	OPT_LIST, /* struct opt_list; may be repeated */
	OPT_PORT, /* uint16_t, 1-65535 */
	OPT_COUNT, /* uint32_t, min-max */
	OPT_SECONDS, /* ns_t; decimal seconds, min-max in milliseconds */
	OPT_DURATION, /* uint64_t seconds; "90s", "30m", "24h", "7d"; min-max in seconds */
};

/* A table ends with a row without a name. */
struct opt {
	const char *name; /* without the dashes */
	char letter; /* 0 = none */
	enum opt_kind kind;
	size_t at; /* offset of the field */
	const char *arg; /* what the usage calls the value */
	const char *help;
	uint32_t min, max;
};

/* One table and the struct it fills. */
struct opt_set {
	const struct opt *opts;
	void *into;
};

struct opt_words {
	const char *v[OPT_WORDS_MAX];
	size_t n;
};

/*
 * Reads argv[0..argc) by the tables. Words that are not options are collected; with words NULL parsing stops
 * at the first one. *ret_used = arguments consumed. TM_EINVAL with a sentence, and "did you mean", in d.
 * `command` only words the sentence, may be "".
 */
NODISCARD int opt_parse(const struct opt_set *sets, size_t n_sets, const char *command, int argc,
	const char *const *argv, struct opt_words *words, int *ret_used, struct diag *d);

void opt_print(const struct opt *opts, FILE *f);

/* "90s", "30m", "24h", "7d" or plain seconds. */
NODISCARD int duration_parse(const char *s, uint64_t *ret_seconds);

#endif
