/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/path_history.h"

#include <string.h>

#include "base/text.h"

/* A ring once it has all that it may have; till then it grows. */
struct history {
	uint8_t key[32];
	uint8_t n, cap, oldest;
	struct path_change *v;
};

struct path_history {
	struct hashset peers; /* struct history */
};

static const void *key_of(const void *record, size_t *ret_len)
{
	*ret_len = sizeof(((const struct history *)record)->key);
	return ((const struct history *)record)->key;
}

int path_history_new(struct path_history **ret_h)
{
	struct path_history *h = calloc(1, sizeof(*h));

	if (!h)
		return TM_ENOMEM;

	int err = hashset_init(&h->peers, key_of);
	if (err) {
		free(h);
		return err;
	}
	*ret_h = h;
	return TM_OK;
}

static void history_free(struct history *p)
{
	if (p)
		free(p->v);
	free(p);
}

void path_history_free(struct path_history *h)
{
	struct history *p;

	if (!h)
		return;
	for (size_t i = 0; (p = hashset_next(&h->peers, &i));)
		history_free(p);
	hashset_deinit(&h->peers);
	free(h);
}

/* NULL: no memory. */
static struct history *of(struct path_history *h, const uint8_t *key)
{
	struct history *p = hashset_get(&h->peers, key, sizeof(p->key));

	if (p || hashset_reserve(&h->peers, 1) != TM_OK)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	memcpy(p->key, key, sizeof(p->key));
	hashset_put(&h->peers, p);
	return p;
}

/* Room for one more, in the place of the oldest if it must be; NULL: no memory. */
static struct path_change *place(struct history *p)
{
	if (p->n == PATH_HISTORY_KEPT) {
		struct path_change *oldest = &p->v[p->oldest];

		p->oldest = (uint8_t)((p->oldest + 1) % PATH_HISTORY_KEPT);
		return oldest;
	}
	if (p->n == p->cap) {
		const size_t cap = MIN(p->cap ? p->cap * 2 : 2, PATH_HISTORY_KEPT);
		struct path_change *v = array_resize(p->v, cap, sizeof(*v));

		if (!v)
			return NULL;
		p->v = v;
		p->cap = (uint8_t)cap;
	}
	return &p->v[p->n++];
}

void path_history_add(struct path_history *h, const struct reaching_change *c, ns_t real)
{
	struct history *p = of(h, c->key);
	struct path_change *at = p ? place(p) : NULL;

	if (at)
		*at = (struct path_change){.at_ms = real / MS,
			.at = *c->at,
			.from = (uint8_t)c->from,
			.to = (uint8_t)c->to,
			.why = (uint8_t)c->why};
}

void path_history_forget(struct path_history *h, const uint8_t key[static 32])
{
	history_free(hashset_remove(&h->peers, key, 32));
}

size_t path_history_of(const struct path_history *h, const uint8_t key[static 32],
	struct path_change ret_v[static PATH_HISTORY_KEPT])
{
	const struct history *p = hashset_get(&h->peers, key, 32);

	if (!p)
		return 0;
	for (size_t i = 0; i < p->n; i++)
		ret_v[i] = p->v[(p->oldest + i) % PATH_HISTORY_KEPT];
	return p->n;
}
