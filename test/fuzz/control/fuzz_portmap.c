/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The core of port mapping, with a gateway that says anything: what our last datagram would be answered with,
 * bent, or raw bytes, or the answer to an HTTP request. What must hold: it comes to rest, asks nobody but the
 * gateway and the group of searches, and a mapping is at an address and a port that somebody could reach.
 *
 *   input: steps  kind 1 | argument 1 | length 1 | bytes
 *
 * Bit 1 of the argument: it is about IPv6, where the kind does not say.
 */
#include "control/portmap/portmap.h"
#include "fuzz/fuzz.h"

enum { WAIT, RAW, ANSWER, ANNOUNCE, HTTP, GATEWAY, END, OWE, KINDS };
enum { FAMILIES = 2, OLD_PORT = 40001 };

static const enum ip_family families[FAMILIES] = {IP_V4, IP_V6};
static const struct endpoint gateways[FAMILIES] = {
	{.ip = {IP_V4, {192, 168, 1, 1}}}, {.ip = {IP_V6, {0xfe, 0x80, [15] = 1}}, .scope = 2}};
static const struct ip owns[FAMILIES] = {
	{IP_V4, {192, 168, 1, 7}}, {IP_V6, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}}};

struct world {
	struct portmap *core;
	ns_t now;
	struct portmap_out last; /* the last datagram to port 5351 */
	unsigned fetch[FAMILIES];
	uint32_t dice;
};

static uint32_t dice(void *ctx)
{
	struct world *w = ctx;

	return w->dice = w->dice * 1664525 + 1013904223;
}

static void check(const struct world *w)
{
	struct portmap_owed owed[PORTMAP_OWED_MAX];
	struct portmap_view v;

	assert(portmap_owes(w->core, owed) <= PORTMAP_OWED_MAX);
	for (size_t i = 0; i < FAMILIES; i++) {
		portmap_look(w->core, families[i], &v);
		if (v.protocol == PORTMAP_NONE)
			continue;
		assert(v.external.port >= 1024);
		assert(!ip_is_unspecified(&v.external.ip) && !ip_is_loopback(&v.external.ip));
		assert(v.lease > 0 && v.problem == PORTMAP_FINE);
	}
}

static void drain(struct world *w)
{
	struct portmap_out out;

	for (unsigned n = 0; portmap_output(w->core, w->now, &out); n++) {
		assert(n < 64);
		if (out.kind == PORTMAP_CHANGED || out.kind == PORTMAP_KEEP)
			continue;
		const size_t six = out.to.ip.family == IP_V6;
		const struct ip group = igd_group(families[six]);
		assert(out.n > 0 && out.n <= sizeof(out.msg));
		assert(ip_eq(&out.to.ip, &gateways[six].ip) ||
			(ip_eq(&out.to.ip, &group) && out.to.port == IGD_PORT));
		assert(ip_eq(&out.from, &owns[six]) && out.to.scope == gateways[six].scope);
		if (out.kind == PORTMAP_FETCH)
			w->fetch[six] = out.fetch;
		else if (out.to.port == PCP_PORT)
			w->last = out;
	}
	check(w);
}

/* What the gateway would say to the last datagram, with some of the bytes laid over it. */
static void answer(struct world *w, unsigned at, const uint8_t *p, size_t n)
{
	struct endpoint from = w->last.n ? w->last.to : gateways[0];
	uint8_t msg[64] = {0};
	size_t len = w->last.n < 24 ? 16 : 60;

	from.port = PCP_PORT;
	memcpy(msg, w->last.msg, w->last.n < sizeof(msg) ? w->last.n : sizeof(msg));
	msg[1] |= 0x80;
	if (w->last.n == 12) { /* NAT-PMP: the ports stand four bytes further back */
		memmove(msg + 8, w->last.msg + 4, 8);
		memset(msg + 2, 0, 6);
	}
	for (size_t i = 0; i < n; i++)
		msg[(at + i) % len] ^= p[i];
	portmap_datagram(w->core, &from, msg, len, w->now);
}

static void owe(struct world *w, uint8_t argument)
{
	const size_t six = argument >> 1 & 1;
	const enum portmap_protocol by = (enum portmap_protocol)(PORTMAP_PCP + argument / 4 % 3);

	portmap_owe(w->core,
		&(struct portmap_owed){.by = by,
			.gateway = gateways[six].ip,
			.own = owns[six],
			.internal = OLD_PORT,
			.external = by == PORTMAP_UPNP && !six ? OLD_PORT : 0},
		1);
}

static void step(struct world *w, uint8_t kind, uint8_t argument, const uint8_t *p, size_t n)
{
	const size_t six = argument >> 1 & 1;
	struct endpoint from = gateways[six];
	char *text;

	from.port = argument & 1 ? PCP_PORT : IGD_PORT;
	switch (kind % KINDS) {
	case WAIT:
		w->now += (ns_t)argument * argument * SEC / 64;
		break;
	case RAW:
		portmap_datagram(w->core, &from, p, n, w->now);
		break;
	case ANSWER:
		answer(w, argument, p, n);
		break;
	case ANNOUNCE:
		portmap_announced(w->core, &from, p, n, w->now);
		break;
	case HTTP:
		text = (char *)fuzz_copy(p, n);
		(void)portmap_fetched(w->core, w->fetch[six], text, n, argument & 1, w->now);
		free(text);
		break;
	case GATEWAY:
		portmap_gateway(w->core, families[six], argument & 1 ? &gateways[six] : &(struct endpoint){0},
			argument & 1 ? &owns[six] : &(struct ip){0}, w->now);
		break;
	case OWE:
		owe(w, argument);
		break;
	case END:
		portmap_end(w->core, w->now);
		break;
	}
	drain(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = {.now = 1000 * SEC, .dice = 1};
	const struct portmap_config cfg = {
		.port = 51820, .lease = PORTMAP_LEASE, .nonce = "a nonce, 12", .ctx = &w, .random = dice};

	if (portmap_new(&cfg, &w.core))
		abort();
	step(&w, GATEWAY, 1, NULL, 0);
	while (size >= 3) {
		const size_t n = data[2] < size - 3 ? data[2] : size - 3;

		step(&w, data[0], data[1], data + 3, n);
		data += 3 + n;
		size -= 3 + n;
	}
	/* Whatever was said, it ends by itself. */
	portmap_end(w.core, w.now);
	drain(&w);
	for (unsigned i = 0; i < 10 && !portmap_ended(w.core); i++) {
		char nothing[1];

		for (size_t k = 0; k < FAMILIES; k++)
			(void)portmap_fetched(w.core, w.fetch[k], nothing, 0, true, w.now);
		w.now += 4 * SEC;
		drain(&w);
	}
	assert(portmap_ended(w.core));
	portmap_free(w.core);
	return 0;
}
