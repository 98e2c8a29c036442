/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A temporary folder with a database in it, and values to put there. */
#ifndef TM_TEST_STORE_SHELF_H
#define TM_TEST_STORE_SHELF_H

#include "control/store/mesh.h"
#include "control/store/node.h"
#include "control/store/store.h"
#include "control/store/token.h"

struct shelf {
	char folder[64], path[96];
};

int shelf_setup(void **state); /* *state = struct shelf with an empty folder */
int shelf_teardown(void **state); /* removes the folder and what is in it */

struct store_mesh shelf_mesh(void);
struct store_node shelf_node(uint32_t number); /* host, names and keys follow from number */
struct store_node shelf_client(uint32_t number, const struct store_node *via);
struct store_token shelf_token(
	uint8_t number, uint32_t uses, int64_t expires); /* its secret is 16 x number */
void shelf_create(const struct shelf *sh); /* mesh and node 1 */
struct store *shelf_open(const struct shelf *sh); /* must succeed */

/* One call inside a transaction. */
int shelf_insert_next(struct store *s, struct store_node *n, uint32_t hosts_max); /* host 0: chosen */
int shelf_insert_node(struct store *s, const struct store_node *n);
int shelf_insert_token(struct store *s, const struct store_token *t);
int shelf_remove_node(struct store *s, const char *id);
unsigned shelf_count_nodes(struct store *s);

/* Whole file in memory; NULL when it cannot be read. */
uint8_t *shelf_read(const char *path, size_t *ret_n);
void shelf_write(const char *path, const void *p, size_t n);

#endif
