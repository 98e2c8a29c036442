/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/peer/ratelimit.h"

#include "base/list.h"
#include "base/map.h"

#include <string.h>

#define TOKEN (SEC / RATELIMIT_PER_SECOND)
#define BUCKET (RATELIMIT_BURST * TOKEN)

enum { SOURCE_KEY = 9, FORGET_PER_CALL = 4 };

struct source {
	uint8_t key[SOURCE_KEY]; /* family, then the IPv4 address or the IPv6 /64 */
	ns_t tokens, seen;
	struct list by_age;
};

struct ratelimit {
	struct map *sources;
	struct list oldest_first;
};

int ratelimit_new(struct ratelimit **ret_limit)
{
	_cleanup_(ratelimit_freep) struct ratelimit *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return TM_ENOMEM;

	list_init(&r->oldest_first);
	err = map_new(SOURCE_KEY, &r->sources);
	if (err < 0)
		return err;

	*ret_limit = TAKE(r);
	return TM_OK;
}

void ratelimit_free(struct ratelimit *r)
{
	if (!r)
		return;

	LIST_FOREACH_SAFE (s, &r->oldest_first, struct source, by_age)
		free(s);
	map_free(r->sources);
	free(r);
}

static void source_key(const struct ip *from, uint8_t key[static SOURCE_KEY])
{
	memset(key, 0, SOURCE_KEY);
	key[0] = from->family;
	memcpy(key + 1, from->bytes, from->family == IP_V4 ? 4 : 8);
}

/* A source that was quiet long enough for its bucket to fill up again is as good as unknown. A few per call
 * keep pace. */
static void forget_quiet(struct ratelimit *r, ns_t now)
{
	for (unsigned i = 0; i < FORGET_PER_CALL && !list_empty(&r->oldest_first); i++) {
		struct source *s = CONTAINER_OF(r->oldest_first.next, struct source, by_age);

		if (now - s->seen <= BUCKET)
			return;

		list_remove(&s->by_age);
		map_remove(r->sources, s->key);
		free(s);
	}
}

static struct source *source_add(struct ratelimit *r, const uint8_t key[static SOURCE_KEY])
{
	struct source *s;

	if (map_size(r->sources) >= RATELIMIT_SOURCES_MAX)
		return NULL;

	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;

	memcpy(s->key, key, SOURCE_KEY);
	s->tokens = BUCKET;
	list_init(&s->by_age);
	if (map_put(r->sources, key, s) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

bool ratelimit_allow(struct ratelimit *r, const struct ip *from, ns_t now)
{
	uint8_t key[SOURCE_KEY];
	struct source *s;

	forget_quiet(r, now);
	source_key(from, key);
	s = map_get(r->sources, key);
	if (s)
		s->tokens = ns_min(BUCKET, s->tokens + (now > s->seen ? now - s->seen : 0));
	else
		s = source_add(r, key);
	if (!s)
		return false;

	s->seen = now;
	list_remove(&s->by_age);
	list_push_back(&r->oldest_first, &s->by_age);
	if (s->tokens < TOKEN)
		return false;

	s->tokens -= TOKEN;
	return true;
}

size_t ratelimit_sources(const struct ratelimit *r)
{
	return map_size(r->sources);
}
