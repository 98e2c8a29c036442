/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A port of our gateway's that leads to our data socket: asked for by PCP, NAT-PMP or UPnP IGD, whichever the
 * gateway speaks, kept while we run, and given back at the end. For IPv6, by PCP or UPnP, it is a hole in the
 * gateway's firewall. No I/O, clock or randomness of its own: what happened goes in, what to do comes out.
 *
 *   portmap_gateway, portmap_datagram, portmap_announced, portmap_fetched, portmap_end
 *   while (portmap_output(m, now, &out)) ...act...
 *   call portmap_output again at portmap_next(m) at the latest
 *
 * All three protocols are tried at once. PCP is taken when it answers, it says most; else NAT-PMP, else UPnP.
 * A mapping is renewed at half of its time, at once when the gateway's clock shows that it restarted (RFC
 * 6887 8.5, RFC 6886 3.6), and asked for anew at another gateway. What the same node asked for before a crash
 * is taken over: the gateway knows us by address, port and nonce, which are the same again.
 * What is left of another port of ours is taken back (struct portmap_owed).
 * docs/decisions/0031-port-mapping.md. One thread.
 */
#ifndef TM_CONTROL_PORTMAP_PORTMAP_H
#define TM_CONTROL_PORTMAP_PORTMAP_H

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"
#include "wire/igd.h"
#include "wire/pcp.h"

struct portmap;

enum portmap_protocol {
	PORTMAP_NONE,
	PORTMAP_PCP,
	PORTMAP_NATPMP,
	PORTMAP_UPNP,
	PORTMAP_PROTOCOL_N,
};

/* Why there is no mapping. */
enum portmap_problem {
	PORTMAP_FINE, /* there is one, or it is being looked for */
	PORTMAP_NO_GATEWAY,
	PORTMAP_NOT_NEEDED, /* our own address is one of the internet's, or IPv6 has none */
	PORTMAP_NO_SERVICE, /* the gateway answers in no protocol */
	PORTMAP_REFUSED,
	PORTMAP_NO_ADDRESS, /* the gateway has none itself that others could reach */
	PORTMAP_FAR, /* it sees us under another address: there is one more translator in between */
	PORTMAP_GIVEN_BACK, /* at the end */
	PORTMAP_PROBLEM_N,
};

#define PORTMAP_LEASE (7200 * SEC) /* RFC 6886 3.3 recommends two hours */
#define PORTMAP_WINDOW (250 * MS) /* within which the better protocols may answer */
/* A service that was seen so lately is asked without looking for all of them again. UPnP gateways are asked
 * again that often, because nothing tells of their restarts. */
#define PORTMAP_FRESH (600 * SEC)
/* The owner's deadline for an answer over TCP. */
#define PORTMAP_FETCH_WAIT (3 * SEC)

/*
 * What a gateway maps to us, or may: what another run of ours has to know to take it back. To be on disk
 * before it is asked for, until it has been given back (PORTMAP_KEEP).
 */
struct portmap_owed {
	enum portmap_protocol by;
	struct ip gateway, own;
	uint16_t internal;
	uint16_t external; /* UPnP by IPv4; all else is known by the internal one: 0 */
};
enum { PORTMAP_OWED_MAX = 8 };

struct portmap_config {
	uint16_t port; /* of our data socket */
	ns_t lease; /* to be asked for, in whole seconds */
	/* PCP: proves that a renewal or deletion is ours, also after a restart. Secret enough: the same of no
	 * two nodes. */
	uint8_t nonce[PCP_NONCE];
	void *ctx;
	uint32_t (*random)(void *ctx); /* spread of timers, other ports */
};

NODISCARD int portmap_new(const struct portmap_config *cfg, struct portmap **ret_portmap);
void portmap_free(struct portmap *m); /* NULL is fine */

/* What an earlier run owes. Of more than PORTMAP_OWED_MAX the first are forgotten. Before the first gateway.
 */
void portmap_owe(struct portmap *m, const struct portmap_owed *v, size_t n);

/* --- what happened --- */

/*
 * Where packets to the internet go now, and with which source: at first, and whenever the network changed.
 * The same again: a mapping is confirmed soon. gateway IP_NONE: there is none in that family.
 */
void portmap_gateway(struct portmap *m, enum ip_family family, const struct endpoint *gateway,
	const struct ip *own, ns_t now);
/* Came to the socket of that family, from which SEND goes out. Whoever it is from. */
void portmap_datagram(struct portmap *m, const struct endpoint *from, const uint8_t *p, size_t n, ns_t now);
/* Came to port PCP_CLIENT_PORT, where gateways tell everybody that they started. */
void portmap_announced(struct portmap *m, const struct endpoint *from, const uint8_t *p, size_t n, ns_t now);
/*
 * All that came so far of the answer to the FETCH of that number; closed: nothing more will. False: more is
 * needed. The text is changed. What fails, or takes longer than PORTMAP_FETCH_WAIT, is a closed answer
 * without text.
 */
bool portmap_fetched(struct portmap *m, unsigned fetch, char *text, size_t n, bool closed, ns_t now);
/* Nothing is mapped any more, from now on: what is mapped is given back. */
void portmap_end(struct portmap *m, ns_t now);

/* --- what to do --- */

enum portmap_out_kind {
	PORTMAP_SEND, /* this datagram, from the socket of its family */
	PORTMAP_FETCH, /* this request over TCP from `from`, and read until portmap_fetched has enough; ends
			  the one before of its family */
	PORTMAP_KEEP, /* portmap_owes says something else now: nothing further may be done before it is on
			 disk */
	PORTMAP_CHANGED, /* nothing: portmap_look says something else now */
};

struct portmap_out {
	enum portmap_out_kind kind;
	struct endpoint to;
	struct ip from; /* our source address */
	unsigned fetch; /* its number */
	char msg[IGD_REQUEST_MAX];
	size_t n;
};

/* The next thing to do; false when there is nothing now. */
bool portmap_output(struct portmap *m, ns_t now, struct portmap_out *ret_out);
/* When portmap_output has something again: 0 = already, NS_NEVER = not before an input. */
ns_t portmap_next(const struct portmap *m);
/* After portmap_end: everything is given back, or cannot be, and all that was told. */
bool portmap_ended(const struct portmap *m);

/* --- what is so --- */

size_t portmap_owes(const struct portmap *m, struct portmap_owed ret_v[static PORTMAP_OWED_MAX]);

struct portmap_view {
	enum portmap_protocol protocol; /* NONE: no mapping */
	struct endpoint external; /* leads to our data socket; IP_NONE = no mapping */
	bool nested; /* its address is a private one: only those behind the next translator reach it */
	ns_t lease, until; /* granted; monotonic, when it ends. NS_NEVER: for good */
	struct ip gateway; /* IP_NONE = none */
	bool seen[PORTMAP_PROTOCOL_N]; /* what the gateway spoke when it was last looked for */
	enum portmap_problem problem;
};

void portmap_look(const struct portmap *m, enum ip_family family, struct portmap_view *ret_view);
const char *portmap_protocol_name(enum portmap_protocol p); /* "pcp", "nat-pmp", "upnp", "none" */
const char *portmap_problem_text(enum portmap_problem p); /* "" = none */

#endif
