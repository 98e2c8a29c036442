/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* By what our routes and rules are known to everybody, and to the next run of ours. */
#ifndef TM_OS_LINUX_OURS_H
#define TM_OS_LINUX_OURS_H

enum {
	OURS_PROTOCOL = 84, /* of routes and rules; `ip route show proto 84` lists them */
};

#endif
