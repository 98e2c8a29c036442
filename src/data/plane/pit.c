/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "data/plane/pit.h"

#include "base/bytes.h"
#include "wire/relay.h"
#include "wire/stun.h"
#include "wire/wg.h"

#include <string.h>

/* The kernel makes it what is least. */
enum { PIT_BYTES = 1 };

/* For so long nobody looks again whether somebody of ours is there: that is a look at all members. */
#define REFUSAL (100 * MS)

#define FIRST_BYTE(type, is_free)                                                                            \
	{                                                                                                    \
		.at = 0, .mask = UINT32_MAX, .value = (uint32_t)(type) << 24, .free = (is_free)              \
	}

/* The most frequent first. */
static const struct udp_head heads[] = {
	FIRST_BYTE(WG_DATA, false),
	{.at = 0, .mask = UINT32_C(0xffff0000), .value = (uint32_t)RELAY_MAGIC << 16},
	{.at = 4, .mask = UINT32_MAX, .value = STUN_MAGIC, .free = true},
	FIRST_BYTE(WG_INIT, true),
	FIRST_BYTE(WG_RESPONSE, true),
	FIRST_BYTE(WG_COOKIE_REPLY, true),
};
_Static_assert(ARRAY_LEN(heads) <= (size_t)UDP_HEADS_MAX && (int)CAST_MAX <= (int)UDP_CAST_MAX,
	"the kernel can be told of all of them");
_Static_assert((int)STUN_HEADER < (int)WG_DATA_MIN && (int)STUN_HEADER >= 8,
	"the shortest, and all heads lie in it");

void pit_open(struct pit *p, const struct udp_config *beside, unsigned number)
{
	struct udp_config cfg = *beside;
	struct diag d;

	cfg.recv_bytes = PIT_BYTES;
	if (udp_open(&cfg, &p->udp, &d) == TM_OK)
		p->number = number;
}

void pit_close(struct pit *p)
{
	p->lost = pit_count(p);
	udp_close(TAKE(p->udp));
	p->n = 0;
}

/* Whoever moves about in there is one to us. */
bool pit_is_neighbour(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == IP_V4 ? 4 : 8) == 0;
}

struct endpoint pit_whole(const struct endpoint *who)
{
	struct endpoint all = {.ip = who->ip};

	if (all.ip.family == IP_V6)
		memset(all.ip.bytes + 8, 0, 8);
	return all;
}

static bool was_refused(const struct pit *p, const struct ip *at, ns_t now)
{
	for (size_t i = 0; i < ARRAY_LEN(p->refused); i++)
		if (now < p->refused[i].until && pit_is_neighbour(&p->refused[i].at, at))
			return true;
	return false;
}

static void note_refusal(struct pit *p, const struct ip *at, ns_t now)
{
	p->refused[p->n_refused++ % ARRAY_LEN(p->refused)] =
		(struct refusal){.at = *at, .until = now + REFUSAL};
}

bool pit_is_free(const uint8_t *msg, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(heads) && n >= (size_t)STUN_HEADER; i++)
		if ((get_be32(msg + heads[i].at) & heads[i].mask) == heads[i].value)
			return heads[i].free;
	return false;
}

static void take_out(struct pit *p, size_t i)
{
	p->n--;
	p->who[i] = p->who[p->n];
	p->until[i] = p->until[p->n];
}

bool pit_forgive(struct pit *p, const struct ip *at)
{
	const size_t before = p->n;

	for (size_t i = p->n; i-- > 0;)
		if (pit_is_neighbour(&p->who[i].from.ip, at))
			take_out(p, i);
	return p->n != before;
}

static bool is_of(const struct udp_cast *c, const struct endpoint *who)
{
	return c->from.port ? endpoint_eq(&c->from, who) : pit_is_neighbour(&c->from.ip, &who->ip);
}

bool pit_has(const struct pit *p, const struct endpoint *who)
{
	for (size_t i = 0; i < p->n; i++)
		if (is_of(&p->who[i], who))
			return true;
	return false;
}

/* Other ports of that address; all of it is as many as there may be. */
static size_t count_others(const struct pit *p, const struct endpoint *who)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		if (pit_is_neighbour(&p->who[i].from.ip, &who->ip) && !endpoint_eq(&p->who[i].from, who))
			n += p->who[i].from.port ? 1 : CAST_PORTS;
	return n;
}

static size_t longest_there(const struct pit *p)
{
	size_t first = 0;

	for (size_t i = 1; i < p->n; i++)
		if (p->until[i] < p->until[first])
			first = i;
	return first;
}

bool pit_cast(struct pit *p, const struct pit_ours *ours, const struct udp_cast *who, ns_t now)
{
	const bool all = !who->from.port || count_others(p, &who->from) >= CAST_PORTS;
	struct udp_cast c = {.from = all ? pit_whole(&who->from) : who->from, .rarely = who->rarely};

	if (!p->udp || was_refused(p, &c.from.ip, now))
		return false;
	if (ours && ours->is_there(ours->ctx, &c.from.ip)) {
		note_refusal(p, &c.from.ip, now);
		return false;
	}
	for (size_t i = p->n; i-- > 0;)
		if (is_of(&c, &p->who[i].from)) {
			c.rarely |= p->who[i].rarely;
			take_out(p, i);
		}
	if (p->n == CAST_MAX)
		take_out(p, longest_there(p));
	p->who[p->n] = c;
	p->until[p->n++] = now + CAST_TIME;
	return true;
}

bool pit_release(struct pit *p, ns_t now)
{
	const size_t before = p->n;

	for (size_t i = p->n; i-- > 0;)
		if (p->until[i] <= now)
			take_out(p, i);
	return p->n != before;
}

static unsigned heard_of(const struct pit *p)
{
	return p->heard_of ? p->heard_of : HEARD_OF;
}

static bool is_weighing(const struct pit *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->who[i].rarely)
			return true;
	return heard_of(p) != HEARD_OF;
}

/* Fewer than that are lost by chance, when a few trains come at once. */
enum { LOST_FEW = 16 };

bool pit_weigh(struct pit *p, uint64_t lost, ns_t now)
{
	const unsigned before = heard_of(p);

	if (!is_weighing(p) || now < p->weigh_at)
		return false;
	/* What was lost before the first look may be nobody's of these. */
	const bool is_first = now - p->weigh_at > 5 * WEIGH_EVERY;
	const bool is_much = !is_first && lost - p->weighed > LOST_FEW;

	p->weigh_at = now + WEIGH_EVERY;
	p->weighed = lost;
	if (is_first || is_much)
		p->calm_since = now;
	if (is_much) {
		p->heard_of = MIN(2 * before, (unsigned)HEARD_OF_MAX);
	} else if (now - p->calm_since >= WEIGH_CALM) {
		p->heard_of = MAX(before / 2, (unsigned)HEARD_OF);
		p->calm_since = now;
	}
	return heard_of(p) != before;
}

ns_t pit_next(const struct pit *p)
{
	const ns_t release = p->n ? p->until[longest_there(p)] : NS_NEVER;

	return is_weighing(p) ? ns_min(release, p->weigh_at) : release;
}

void pit_order(const struct pit *p, struct udp_steering *by)
{
	if (!p->udp)
		return;
	by->heads = heads;
	by->n_heads = ARRAY_LEN(heads);
	by->least = STUN_HEADER;
	by->free_most = STUN_MAX;
	by->nobodys = p->number;
	by->cast = p->who;
	by->n_cast = p->n;
	by->heard_of = heard_of(p);
}

uint64_t pit_count(const struct pit *p)
{
	return p->lost + (p->udp ? udp_overflows(p->udp) : 0);
}
