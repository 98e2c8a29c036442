/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Programs of the system that are its interface for something, as systemctl and resolvectl are. Blocks, with
 * a deadline: CLI, and helper threads. */
#ifndef TM_OS_RUN_H
#define TM_OS_RUN_H

#include "base/diag.h"
#include "base/err.h"
#include "base/strbuf.h"

enum { OS_RUN_ARGS = 256, OS_RUN_INPUT = 4096 };

struct os_run {
	const char *const *argv; /* ends with NULL; OS_RUN_ARGS at most; the program is found on PATH, and no
				    shell is in between */
	const char *shown; /* how it is called in sentences; NULL: as argv says */
	const char *input; /* what it reads, OS_RUN_INPUT octets at most; NULL: nothing */
	int timeout_ms;
	char *out; /* the first line that it printed; NULL: of no interest */
	size_t out_size;
	struct strbuf
		*whole; /* all that it printed is appended, whatever comes of it; NULL: of no interest */
	size_t whole_max; /* bytes of that; the rest is dropped */
};

/* TM_ENOENT: there is no such program; TM_ETIMEOUT: it was ended; TM_EIO: it failed, with its first line of
 * output. */
NODISCARD int os_run(const struct os_run *r, struct diag *d);
/* Becomes that program, in this process: comes back only where that failed, and errno says why. */
void os_become(const char *const *argv);
/* Is there a program of that name on PATH? */
bool os_has_program(const char *name);

#endif
