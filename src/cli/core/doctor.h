/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What is wrong with this machine's node: a table of checks, each of which looks at facts that somebody
 * gathered (cli/cmd/doctor.c) and says what it found and what to type against it. Pure.
 */
#ifndef TM_CLI_CORE_DOCTOR_H
#define TM_CLI_CORE_DOCTOR_H

#include <jansson.h>

#include "base/err.h"
#include "base/util.h"

/* A file or folder of the node's, and who may do what to it. */
struct doctor_file {
	const char *path; /* NULL: it is not looked at */
	unsigned exposed; /* os_exposed() */
};

/* Borrowed, all of it. */
struct doctor_facts {
	/* the daemon's answers (docs/json.md); NULL: there is none */
	const json_t *status, *netcheck, *dns, *nodes;
	const char *silent, *silent_fix; /* why there is no answer at all; NULL: there are */
	const char *overlap; /* what else of this machine leads into the mesh's ranges; NULL: nothing */
	const char *host; /* why no daemon could run here; NULL: one could */
	const char *version; /* of this program */
	/* The folder of keys, what is in it, and the configuration: these must be nobody else's to change,
	 * and the keys nobody else's to read: the identity, and the mesh's secret in the enrolment and in
	 * the coordinator's database. */
	struct doctor_file state_dir, secrets[4], config;
};

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_NOTE, /* it works, and could do better */
	DOCTOR_PROBLEM, /* something does not work, or will not for long */
};

enum { DOCTOR_TEXT = 768, DOCTOR_FINDINGS_MAX = 64, DOCTOR_CHECKS_MAX = 16 };

struct doctor_finding {
	const char *check; /* which one found it */
	enum doctor_level level;
	char text[DOCTOR_TEXT], fix[DOCTOR_TEXT]; /* a sentence, and what to type */
};

struct doctor_findings {
	struct doctor_finding v[DOCTOR_FINDINGS_MAX];
	size_t n;
	size_t more; /* for which there was no room */
	bool looked[DOCTOR_CHECKS_MAX]; /* each check: there was something to look at */
};

void doctor_examine(const struct doctor_facts *f, struct doctor_findings *ret_findings);

/* The checks by number, from 0; NULL: there are no more. */
const char *doctor_check(size_t i);
/* The worst of what a check found; check NULL: of what all did. */
enum doctor_level doctor_worst(const struct doctor_findings *f, const char *check);
const char *doctor_level_name(enum doctor_level level);
/* Of what the check of that number found; "unknown": there was nothing to look at. */
const char *doctor_result(const struct doctor_findings *f, size_t i);

#endif
