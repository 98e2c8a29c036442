/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Network interfaces by name: the zone of "fe80::1%eth0". Any thread. */
#ifndef TM_OS_LOW_IFINDEX_H
#define TM_OS_LOW_IFINDEX_H

enum { IFINDEX_NAME_LEN = 64 }; /* with NUL; of a longer name there is no interface */

unsigned ifindex_of(const char *name); /* 0: there is none */

#endif
