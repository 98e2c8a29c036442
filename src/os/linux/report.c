/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "os/report.h"

#include <string.h>

#define RUN(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUNS(...) ((const char *const *const[]){__VA_ARGS__, NULL})

static const char *const *const *const programs[OS_REPORT_N] = {
	[OS_REPORT_SYSTEM] = RUNS(RUN("uname", "-srvm"), RUN("cat", "/etc/os-release")),
	[OS_REPORT_ADDRESSES] = RUNS(RUN("ip", "-statistics", "link"), RUN("ip", "address")),
	[OS_REPORT_ROUTES] = RUNS(RUN("ip", "-4", "rule"), RUN("ip", "-4", "route", "show", "table", "all"),
		RUN("ip", "-6", "rule"), RUN("ip", "-6", "route", "show", "table", "all")),
	[OS_REPORT_FIREWALL] = RUNS(RUN("nft", "--stateless", "list", "ruleset")),
	[OS_REPORT_RESOLVER] = RUNS(RUN("cat", "/etc/resolv.conf"), RUN("resolvectl", "status")),
};

const char *const *const *os_report_programs(enum os_report about)
{
	return programs[about];
}

void os_report_log(const char *unit, const char *ret_argv[static OS_REPORT_LOG_ARGS])
{
	const char *const argv[] = {"journalctl", "--no-pager", "--output", "short-iso", "--lines", "4000",
		"--reverse", /* what is too much is the oldest */
		"--unit", unit, NULL};

	_Static_assert(ARRAY_LEN(argv) <= OS_REPORT_LOG_ARGS, "room for all");
	memcpy(ret_argv, argv, sizeof(argv));
}
