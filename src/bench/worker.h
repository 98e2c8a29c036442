/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The responder's thread: speaks with the connections that the control thread accepted, moves the bulk data
 * and answers the echo datagrams, for one session at a time. Everything in it is bounded: connections, time,
 * memory. It sleeps until one of its sockets has something, and ends as soon as it is freed. The functions
 * here are for the control thread.
 */
#ifndef TM_BENCH_WORKER_H
#define TM_BENCH_WORKER_H

#include "base/addr.h"
#include "base/err.h"

struct bench_worker;

enum { BENCH_SIDES = 2 /* IPv4 and IPv6 */ };

/* echo: bound UDP sockets, non-blocking, borrowed; -1 = none. */
NODISCARD int bench_worker_new(const int echo[static BENCH_SIDES], struct bench_worker **ret_worker);
/* Closes what it has and joins it; waits for nobody. NULL is fine. */
void bench_worker_free(struct bench_worker *w);

/* A connection from a member, non-blocking. False when the thread is not keeping up: it stays the caller's.
 */
NODISCARD bool bench_worker_give(struct bench_worker *w, int fd_take, const struct ip *from);

#endif
