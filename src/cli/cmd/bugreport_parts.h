/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a bug report consists of, and where each piece is from. Private to cli/cmd. */
#ifndef TM_CLI_CMD_BUGREPORT_PARTS_H
#define TM_CLI_CMD_BUGREPORT_PARTS_H

#include "base/strbuf.h"
#include "cli/core/cli.h"
#include "os/report.h"

struct gathering {
	struct cli *c;
	int silent; /* why the daemon is not asked any more; TM_OK: it answers */
	struct diag why;
};

struct bugreport_part {
	const char *file; /* its name */
	const char *about;
	int (*gather)(
		struct gathering *g, const struct bugreport_part *p, struct strbuf *out, struct diag *d);
	const char *ask, *list; /* of the daemon; an array that comes in pages, or NULL */
	enum os_report shown; /* by programs of the system, one after the other */
};

enum { BUGREPORT_PARTS = 18 };
extern const struct bugreport_part bugreport_parts[BUGREPORT_PARTS];

#endif
