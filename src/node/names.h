/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The names of the mesh on this machine: a server of them (dns/server.h) at our own mesh addresses that this
 * machine has (own_doors.h), and at others that the configuration has. Where a port cannot be had the node is
 * as good as ever without it: it is said once, shown by `dns status`, and tried again each minute. Control
 * thread. Private to node/.
 */
#ifndef TM_NODE_NAMES_H
#define TM_NODE_NAMES_H

#include "base/err.h"
#include "base/util.h"

struct dns_counters;
struct node;

NODISCARD int names_open(struct node *n); /* the directory of members is there */
void names_start(struct node *n); /* the interface has its addresses */
void names_close(struct node *n);

/* What became of questions; NULL: names are not served. ret_connections: by TCP, now. */
const struct dns_counters *names_counters(const struct node *n, size_t *ret_connections);

/* Somewhere they are not served although they should be. */
bool names_failing(const struct node *n);
/* Programs of this machine may not find them: somebody else has its resolver, or it cannot be told. */
bool names_resolver_failing(const struct node *n);
/* Answers of the control socket, JSON that the caller frees; NULL: no memory. */
char *names_status(const struct node *n);
/* type "": both addresses, or the name of an address. */
char *names_query(const struct node *n, const char *name, const char *type);

#endif
