/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/reaching.h"

#include <string.h>

/* From what a person takes for at once to what nobody waits for. */
static const ns_t bounds[] = {50 * MS, 100 * MS, 250 * MS, 500 * MS, SEC, 2500 * MS, 5 * SEC, 10 * SEC,
	30 * SEC, 60 * SEC, 300 * SEC};

struct reached {
	uint8_t key[32];
	enum reaching_by by;
	struct way_to way; /* BY_NOTHING: the last one */
	ns_t contact_since, direct_since; /* it is waited for; 0: not, or it is there */
};

static const void *key_of(const void *record, size_t *ret_len)
{
	*ret_len = sizeof(((const struct reached *)record)->key);
	return ((const struct reached *)record)->key;
}

const char *reaching_name(enum reaching_by by)
{
	static const char *const names[BY_N] = {
		[BY_NOTHING] = "none", [BY_DIRECT] = "direct", [BY_RELAY] = "relay", [BY_TCP] = "tcp"};

	return names[by];
}

int reaching_new(struct reaching **ret_r)
{
	struct reaching *r = calloc(1, sizeof(*r));

	if (!r)
		return TM_ENOMEM;

	int err = hashset_init(&r->peers, key_of);
	if (err) {
		free(r);
		return err;
	}
	r->contact.bounds = r->direct.bounds = bounds;
	r->contact.n = r->direct.n = ARRAY_LEN(bounds);
	*ret_r = r;
	return TM_OK;
}

void reaching_free(struct reaching *r)
{
	struct reached *p;

	if (!r)
		return;
	for (size_t i = 0; (p = hashset_next(&r->peers, &i));)
		free(p);
	hashset_deinit(&r->peers);
	free(r);
}

/* NULL: no memory, and what it is about is not counted. */
static struct reached *of(struct reaching *r, const uint8_t *key)
{
	struct reached *p = hashset_get(&r->peers, key, sizeof(p->key));

	if (p || hashset_reserve(&r->peers, 1) != TM_OK)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	memcpy(p->key, key, sizeof(p->key));
	hashset_put(&r->peers, p);
	return p;
}

static void forget(struct reaching *r, const uint8_t *key)
{
	free(hashset_remove(&r->peers, key, sizeof(((struct reached *)0)->key)));
}

void reaching_input(struct reaching *r, const struct core_in *in, ns_t now)
{
	struct reached *p;

	if (in->kind == CORE_REMOVE)
		forget(r, in->key);
	p = in->kind == CORE_WANT ? of(r, in->key) : NULL;
	if (p && p->by == BY_NOTHING && !p->contact_since)
		p->contact_since = p->direct_since = now;
}

static enum reaching_by by_of(const struct way_to *way)
{
	static const enum reaching_by kinds[] = {
		[WAY_UDP] = BY_DIRECT, [WAY_RELAY_UDP] = BY_RELAY, [WAY_RELAY_TCP] = BY_TCP};

	return kinds[way->kind];
}

/* Something came back by the way in use. */
static void lives(struct reaching *r, struct reached *p, ns_t now)
{
	if (p->contact_since)
		histogram_add(&r->contact, now - p->contact_since);
	p->contact_since = 0;
	if (p->direct_since && p->by == BY_DIRECT) {
		histogram_add(&r->direct, now - p->direct_since);
		p->direct_since = 0;
	}
}

/* Others are used because they may work. */
static bool is_proved(enum path_why why)
{
	return why == WHY_FIRST || why == WHY_BETTER || why == WHY_SUCCESSOR || why == WHY_HEARD;
}

void reaching_on_change(struct reaching *r, reaching_change_fn *fn, void *ctx)
{
	r->on_change = fn;
	r->on_change_ctx = ctx;
}

static void changed(struct reaching *r, const struct reached *p, enum reaching_by to,
	const struct endpoint *at, enum path_why why)
{
	const struct reaching_change c = {.key = p->key, .from = p->by, .to = to, .at = at, .why = why};

	r->changes[p->by][to][why]++;
	if (r->on_change)
		r->on_change(r->on_change_ctx, &c);
}

static void use(struct reaching *r, struct reached *p, const struct core_out *out, ns_t now)
{
	const enum reaching_by to = by_of(&out->way);

	if (p->by != to || !endpoint_eq(&p->way.remote, &out->way.remote))
		changed(r, p, to, &out->way.remote, out->why);
	p->by = to;
	p->way = out->way;
	if (is_proved(out->why))
		lives(r, p, now);
}

static void lose(struct reaching *r, struct reached *p, const struct core_out *out)
{
	if (p->by != BY_NOTHING)
		changed(r, p, BY_NOTHING, &p->way.remote, out->why);
	p->by = BY_NOTHING;
}

void reaching_output(struct reaching *r, const struct core_out *out, ns_t now)
{
	const bool some = endpoint_is_set(&out->way.remote);
	struct reached *p;

	switch (out->kind) {
	case CORE_USE:
		p = of(r, out->peer.key);
		if (p && some)
			use(r, p, out, now);
		else if (p)
			lose(r, p, out);
		if (out->why == WHY_IDLE || out->why == WHY_GIVEN_UP)
			forget(r, out->peer.key);
		break;
	case CORE_NOTE:
		p = hashset_get(&r->peers, out->peer.key, sizeof(p->key));
		if (p && out->why == WHY_DEAD)
			lose(r, p, out);
		else if (p && out->why == WHY_ANSWERED && p->by == by_of(&out->way) &&
			 endpoint_eq(&p->way.remote, &out->way.remote))
			lives(r, p, now);
		break;
	case CORE_LIVES:
		p = hashset_get(&r->peers, out->peer.key, sizeof(p->key));
		if (p)
			lives(r, p, now);
		break;
	case CORE_ASK:
		r->in_vain += out->why == WHY_RETRY;
		break;
	case CORE_SEND:
	case CORE_TELL:
	case CORE_AGAIN:
	case CORE_WORKS:
	case CORE_WAKE:
	case CORE_SAMPLE:
	case CORE_STREAM_OPEN:
	case CORE_STREAM_CLOSE:
	case CORE_PROBED:
	case CORE_REGISTERED:
	case CORE_OPEN:
	case CORE_CLOSE:
	case CORE_OUT_N:
		break;
	}
}
