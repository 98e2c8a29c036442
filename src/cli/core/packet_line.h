/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A captured packet in a line, as `capture` shows it. Pure. */
#ifndef TM_CLI_CORE_PACKET_LINE_H
#define TM_CLI_CORE_PACKET_LINE_H

#include "wire/pcapng.h"

enum { PACKET_LINE_LEN = 512 };

/*
 * "out  TCP 100.101.0.1:50000 > 100.101.0.2:22 SYN, 60 bytes", with what became of it where that is told.
 * Nothing in it steers a terminal. Returns buf.
 */
const char *packet_line(const struct pcapng_packet *p, char buf[static PACKET_LINE_LEN]);

#endif
