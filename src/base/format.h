/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Numbers as people read them. Each writes into buf and returns it. Pure. */
#ifndef TM_BASE_FORMAT_H
#define TM_BASE_FORMAT_H

#include "base/util.h"

enum { FORMAT_LEN = 48 };

/* "0", "999", "1.2K", "340K", "5.0M": powers of 1000. */
const char *format_bytes(uint64_t n, char buf[static FORMAT_LEN]);
/* "0.42 ms", "3.1 ms", "11 ms", "1.2 s". */
const char *format_ms(double ms, char buf[static FORMAT_LEN]);
/* "0 bit/s", "9.41 Mbit/s", "94.1 Mbit/s", "941 Mbit/s": powers of 1000. */
const char *format_rate(double bits_per_second, char buf[static FORMAT_LEN]);
/* "45 s", "12 min", "24 h", "3 d": rounded down, hours up to two days. */
const char *format_span(int64_t seconds, char buf[static FORMAT_LEN]);
/* "34 s ago", "now", "-" for then = 0. A moment in the future (another machine's clock) is "now". */
const char *format_age(int64_t then, int64_t now, char buf[static FORMAT_LEN]);
/* "in 23 h", or "expired". */
const char *format_until(int64_t then, int64_t now, char buf[static FORMAT_LEN]);

#endif
