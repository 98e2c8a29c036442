/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A batch is a list of items in the order of their first packets; an item is a packet, or the packets that
 * were merged behind it. A small table finds the item that a flow's next packet may still join. Since
 * whatever cannot join begins a new item at the end, and takes the flow's old item out of the table, nothing
 * is overtaken, and an entry that is missing from the table costs a merge, never the order. That is why its
 * buckets may be of fixed size, and why it does not matter that somebody could choose ports that fill one.
 */
#include "data/offload/coalesce.h"

#include "base/bytes.h"
#include "packet/csum.h"

#include <assert.h>

enum { DF = 0x40 };
enum { WAYS = 8, BUCKETS = 2 * COALESCE_MAX / WAYS };

/* A packet of which the flow is known. */
struct segment {
	uint8_t *p;
	uint16_t n;
	uint16_t l4; /* where the transport header starts */
	uint16_t header; /* where the payload starts; 0: not to be merged with anything */
	bool v6, udp;
};

struct item {
	struct segment first;
	uint32_t total; /* bytes of the super-packet */
	uint16_t count; /* its packets */
	uint16_t begin, last; /* slots of the first and the latest of them */
	bool psh; /* the last has it, and the super-packet gets it */
};

/* What a packet contributes, and the slot of the next one of its item. */
struct slot {
	struct part part;
	uint16_t next;
};

/* An open item: a piece of its flow's hash, and its number counted from 1; 0 is free. */
struct entry {
	uint16_t tag, item;
};

struct coalescer {
	/* set once */
	bool tcp, udp;
	/* this batch */
	uint16_t n_slots, n_items;
	uint16_t floor; /* items before this one are closed: a packet of an unknown flow came after them */
	bool indexed; /* the table is not empty */
	struct slot slots[COALESCE_MAX];
	struct item items[COALESCE_MAX];
	struct entry table[BUCKETS][WAYS];
};

int coalescer_new(struct coalescer **ret_c)
{
	struct coalescer *c = calloc(1, sizeof(*c));

	if (!c)
		return TM_ENOMEM;
	*ret_c = c;
	return TM_OK;
}

void coalescer_free(struct coalescer *c)
{
	free(c);
}

void coalesce_allow(struct coalescer *c, bool tcp, bool udp)
{
	assert(c->n_slots == 0);
	c->tcp = tcp;
	c->udp = udp;
}

/* False: a fragment, IP options, extension headers, another protocol, too short for it. */
static bool flow_known(const struct ip_view *v)
{
	return ip_plain(v) && (v->proto == PROTO_TCP || v->proto == PROTO_UDP);
}

/* The addresses lie right before the transport header, so the pseudo-header's sum is had with the rest. */
static bool sums_right(const struct segment *g)
{
	const uint8_t *from = ip_src(g->p);
	uint32_t l4_len = (uint32_t)g->n - g->l4;

	if (!g->v6 && csum_finish(csum_add(g->p, IP4_HEADER, 0)) != 0)
		return false;
	uint32_t rest = l4_len + (g->udp ? PROTO_UDP : PROTO_TCP);
	return csum_finish(csum_add(from, (size_t)(g->p + g->n - from), rest)) == 0;
}

/*
 * Where the payload of a packet starts that may be merged with others, else 0. Zero has two forms in a
 * checksum; cutting makes the usual one, so the other is left alone: 0xffff in TCP and IPv4, and for UDP
 * 0 says that there is no checksum.
 */
static uint16_t payload_start(const struct segment *g)
{
	const uint8_t *l4 = g->p + g->l4;
	size_t header;

	if (!g->v6 && get_be16(g->p + 10) == UINT16_MAX)
		return 0;
	if (g->udp) {
		header = UDP_HEADER;
		if (get_be16(l4 + 4) != g->n - g->l4 || get_be16(l4 + UDP_CSUM) == 0)
			return 0;
	} else {
		header = (size_t)(l4[12] >> 4) * 4;
		if (header < TCP_HEADER || (l4[13] & ~(TCP_PSH | TCP_ECE)) != TCP_ACK ||
			get_be16(l4 + TCP_CSUM) == UINT16_MAX)
			return 0;
	}
	if (g->l4 + header >= g->n)
		return 0;
	return sums_right(g) ? (uint16_t)(g->l4 + header) : 0;
}

static bool flows_equal(const struct segment *a, const struct segment *b)
{
	if (a->v6 != b->v6 || a->udp != b->udp)
		return false;
	/* The ports follow the addresses, as neither has options. */
	return a->v6 ? memcmp(a->p + 8, b->p + 8, 36) == 0 : memcmp(a->p + 12, b->p + 12, 12) == 0;
}

static uint16_t tag_of(uint64_t hash)
{
	return (uint16_t)(hash >> 16);
}

static uint64_t flow_hash(const struct segment *g)
{
	const uint8_t *p = ip_src(g->p), *end = g->p + g->l4;
	uint32_t ports;
	uint64_t h;

	memcpy(&ports, end, sizeof(ports));
	h = ports | (uint64_t)g->udp << 32;
	for (; p < end; p += 8) {
		uint64_t word;

		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return h;
}

/* The entry of the flow's open item; if it has none (*ret_open NULL), the one to use: free or the oldest. */
static struct entry *table_find(
	struct coalescer *c, const struct segment *g, uint64_t hash, struct item **ret_open)
{
	struct entry *bucket = c->table[hash % BUCKETS], *oldest = bucket;
	uint16_t tag = tag_of(hash), least = UINT16_MAX;

	for (struct entry *e = bucket; e < bucket + WAYS; e++) {
		uint16_t number = e->item;

		if (e->tag == tag && number > c->floor && flows_equal(&c->items[number - 1].first, g)) {
			*ret_open = &c->items[number - 1];
			return e;
		}
		if (number < least) {
			least = number;
			oldest = e;
		}
	}
	*ret_open = NULL;
	return oldest;
}

static bool ip_continues(const struct item *i, const uint8_t *p)
{
	const uint8_t *q = i->first.p;

	if (i->first.v6)
		return memcmp(p, q, 4) == 0 && p[7] == q[7]; /* traffic class and flow label; hop limit */
	if (p[1] != q[1] || p[6] != q[6] || p[8] != q[8]) /* TOS, DF, TTL */
		return false;
	return p[6] & DF || get_be16(p + 4) == (uint16_t)(get_be16(q + 4) + i->count);
}

/* p and q have headers of equal lengths. */
static bool tcp_continues(const struct item *i, const uint8_t *p, size_t header)
{
	const uint8_t *q = i->first.p + i->first.l4;
	uint32_t sent = i->total - i->first.header;

	if (get_be32(p + 4) != get_be32(q + 4) + sent)
		return false;
	if (memcmp(p + 8, q + 8, 5) != 0 || (p[13] ^ q[13]) & ~TCP_PSH) /* acknowledgement, reserved; flags */
		return false;
	if (memcmp(p + 14, q + 14, 2) != 0 || memcmp(p + 18, q + 18, 2) != 0) /* window; urgent pointer */
		return false;
	return memcmp(p + TCP_HEADER, q + TCP_HEADER, header - TCP_HEADER) == 0; /* options */
}

/* Whether g is what comes out next when the item, longer by g's payload, is cut again. */
static bool item_continues(const struct item *i, const struct segment *g)
{
	const struct segment *first = &i->first;
	uint32_t payload = (uint32_t)g->n - g->header;

	if (g->header != first->header || payload > (uint32_t)first->n - first->header ||
		i->total + payload > UINT16_MAX)
		return false;
	if (!ip_continues(i, g->p))
		return false;
	return g->udp || tcp_continues(i, g->p + g->l4, (size_t)g->header - g->l4);
}

static bool has_psh(const struct segment *g)
{
	return !g->udp && g->p[g->l4 + 13] & TCP_PSH;
}

static uint16_t slot_take(struct coalescer *c, uint8_t *p, size_t n)
{
	c->slots[c->n_slots].part = (struct part){p, n};
	return c->n_slots++;
}

static void item_begin(struct coalescer *c, const struct segment *g)
{
	uint16_t slot = slot_take(c, g->p, g->n);

	c->items[c->n_items++] = (struct item){
		.first = *g,
		.total = g->n,
		.count = 1,
		.begin = slot,
		.last = slot,
	};
}

/* False: nothing more can follow. */
static bool item_extend(struct coalescer *c, struct item *i, const struct segment *g)
{
	uint16_t payload = (uint16_t)(g->n - g->header);
	uint16_t slot = slot_take(c, g->p + g->header, payload);

	c->slots[i->last].next = slot;
	i->last = slot;
	i->total += payload;
	i->count++;
	i->psh = has_psh(g);
	return !i->psh && payload == i->first.n - i->first.header && i->count < COALESCE_PARTS_MAX;
}

int coalesce_add(struct coalescer *c, uint8_t *packet, const struct ip_view *v)
{
	struct segment g = {
		.p = packet,
		.n = v->total,
		.l4 = v->l4,
		.v6 = v->version == 6,
		.udp = v->proto == PROTO_UDP,
	};
	struct item *open;

	if (c->n_slots == COALESCE_MAX)
		return TM_EFULL;
	if (!flow_known(v)) {
		item_begin(c, &g);
		c->floor = c->n_items;
		return TM_OK;
	}
	if (!(g.udp ? c->udp : c->tcp)) {
		item_begin(c, &g);
		return TM_OK;
	}

	g.header = payload_start(&g);
	uint64_t hash = flow_hash(&g);
	struct entry *e = table_find(c, &g, hash, &open);
	if (open && g.header && item_continues(open, &g)) {
		if (!item_extend(c, open, &g))
			e->item = 0;
		return TM_OK;
	}
	item_begin(c, &g);
	if (g.header && !has_psh(&g)) {
		*e = (struct entry){.tag = tag_of(hash), .item = c->n_items};
		c->indexed = true;
	} else if (open) {
		e->item = 0;
	}
	return TM_OK;
}

/* Makes the first packet's header that of the super-packet, with its checksum left to the kernel. */
static struct vnet item_finish(const struct item *i)
{
	const struct segment *g = &i->first;
	uint8_t *p = g->p, *l4 = g->p + g->l4;
	uint16_t l4_len = (uint16_t)(i->total - g->l4);
	uint8_t gso = VNET_GSO_UDP, proto = PROTO_UDP, csum_offset = UDP_CSUM;

	if (g->v6) {
		put_be16(p + 4, l4_len);
	} else {
		put_be16(p + 2, (uint16_t)i->total);
		put_be16(p + 10, 0);
		put_be16(p + 10, csum_finish(csum_add(p, IP4_HEADER, 0)));
	}
	if (g->udp) {
		put_be16(l4 + 4, l4_len);
	} else {
		gso = g->v6 ? VNET_GSO_TCP6 : VNET_GSO_TCP4;
		proto = PROTO_TCP;
		csum_offset = TCP_CSUM;
		l4[13] |= i->psh ? TCP_PSH : 0;
	}
	/* The kernel wants the pseudo-header's sum itself, not its complement. */
	uint32_t pseudo = csum_add(ip_src(p), g->v6 ? 32 : 8, (uint32_t)l4_len + proto);
	put_be16(l4 + csum_offset, (uint16_t)~csum_finish(pseudo));
	return (struct vnet){
		.needs_csum = true,
		.gso = gso,
		.gso_size = (uint16_t)(g->n - g->header),
		.hdr_len = g->header,
		.csum_start = g->l4,
		.csum_offset = csum_offset,
	};
}

static void item_write(struct coalescer *c, const struct item *i, coalesce_write *write, void *ctx)
{
	struct part parts[COALESCE_PARTS_MAX];
	struct vnet v = {0};
	uint16_t slot = i->begin;

	if (i->count > 1)
		v = item_finish(i);
	for (unsigned k = 0; k < i->count; k++) {
		parts[k] = c->slots[slot].part;
		slot = c->slots[slot].next;
	}
	write(ctx, &v, parts, i->count, i->count);
}

void coalesce_flush(struct coalescer *c, coalesce_write *write, void *ctx)
{
	for (unsigned k = 0; k < c->n_items; k++)
		item_write(c, &c->items[k], write, ctx);
	if (c->indexed)
		memset(c->table, 0, sizeof(c->table));
	c->indexed = false;
	c->n_slots = 0;
	c->n_items = 0;
	c->floor = 0;
}
