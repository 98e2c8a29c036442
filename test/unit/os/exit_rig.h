/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A host that is about to use an exit: a network around (wan0), guests, and the tunnel tm0. In a network
 * namespace of its own, asked by ip(8); skipped where that is not allowed. */
#ifndef TM_TEST_UNIT_OS_EXIT_RIG_H
#define TM_TEST_UNIT_OS_EXIT_RIG_H

#include "host.h"

#include "os/os.h"

enum { MARK = 0x54000000 };

extern struct os_exit *x;
extern bool no_nftables; /* from now on */
extern char text[16384]; /* what say and list_table gave */
extern struct os_exit_left left;

int set_up(void **state);
int tear_down(void **state);
const char *say(const char *args); /* of ip(8) */
/* By which interface a packet of this host would leave; "" = by none. */
void expect_way(const char *to, bool marked, const char *dev);
void set(bool lan, bool hold);
void clear(void);
/* A program that names an interface for its socket; what came of its datagram: 0, or errno. */
int send_by(const char *dev, const char *to, uint32_t mark);
void needs_nftables(void);
const char *list_table(const char *name);
void expect_nothing_left(void);

#endif
