/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The relays of the state file: what is read of any text is well-formed, and survives being written. */
#include "fuzz/fuzz.h"

#include "base/strbuf.h"
#include "control/peers/db_private.h"

static void check(struct relays *r)
{
	assert(r->n <= RELAYS_MAX);
	for (size_t i = 0; i < r->n; i++) {
		const struct relay_rec *v = &r->v[i];

		assert(node_id_valid(v->node) && relays_find(r, v->node) == v);
		assert(v->n_addrs <= RELAY_ADDRS_MAX && v->n_tcp <= RELAY_TCP_MAX);
		for (size_t k = 0; k < v->n_tcp; k++)
			assert(v->tcp[k][0] && memchr(v->tcp[k], 0, RELAY_TCP_LEN));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = malloc(n + 1), *again;
	struct relays r, back;
	struct strbuf b = {0};

	assert(text);
	if (n)
		memcpy(text, data, n);
	text[n] = '\0';
	rows_relays_read(text, &r);
	check(&r);
	rows_relays_write(&b, &r);
	again = strbuf_take(&b);
	assert(again);
	rows_relays_read(again, &back);
	assert(relays_eq(&r, &back));
	free(again);
	free(text);
	return 0;
}
