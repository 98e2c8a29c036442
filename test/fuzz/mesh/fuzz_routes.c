/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Networks behind a node, from a database's text: what is read is well-formed, and survives being written. */
#include "fuzz/fuzz.h"

#include "mesh/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1), again[ROUTES_TEXT_MAX];
	const struct prefix none = {.len = 0};
	struct node_routes r, back;
	struct prefix p;

	assert(text);
	if (n)
		memcpy(text, data, n);
	text[n] = '\0';
	if (node_routes_split(text, &r) == TM_OK) {
		assert(r.n <= NODE_ROUTES_MAX);
		for (size_t i = 0; i < r.n; i++) {
			const struct prefix masked = prefix_mask(&r.v[i].prefix);

			assert(prefix_eq(&masked, &r.v[i].prefix) &&
				node_routes_find(&r, &masked) == &r.v[i]);
			assert(route_check(&masked, &none, &none, NULL) == TM_OK);
		}
		node_routes_join(&r, again);
		assert(node_routes_split(again, &back) == TM_OK);
		assert(node_routes_eq(&r, &back));
	}
	if (route_parse(text, &none, &none, &p, NULL) == TM_OK)
		assert(p.len > 0 && p.len <= ip_bits(&p.ip));
	free(text);
	return 0;
}
