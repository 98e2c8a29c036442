/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The daemon's half of `tunnelmesh netcheck`: starts a report of the path core, and shows it as it grows. Who
 * asks while one is under way gets the same, so however many ask, one is made at a time. Control thread.
 * Private to node/.
 *
 *   {"cmd":"netcheck","full":false}     begins one; what is known at once
 *   {"cmd":"netcheck","after":STEP}     when more is known than at that step
 */
#ifndef TM_NODE_NETCHECK_H
#define TM_NODE_NETCHECK_H

#include "base/err.h"
#include "base/util.h"

struct ctl_call;
struct netcheck;
struct node;

NODISCARD int netcheck_new(struct node *n, struct netcheck **ret_check);
/* Whoever still waits gets what is known. NULL is fine. */
void netcheck_free(struct netcheck *c);
/* after: a step, -1 = begin. Answers the call now or later. */
void netcheck_ask(struct netcheck *c, bool full, int64_t after, struct ctl_call *call);
/* The report has grown, or is done. NULL is fine. */
void netcheck_grew(struct netcheck *c);

#endif
