/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files of this folder share: portmap.c (what comes in and goes out), side.c (what is done when),
 * owed.c (what has to be taken back), lease.c (PCP and NAT-PMP: one datagram each way), upnp.c (a
 * conversation over HTTP). Private to control/portmap.
 */
#ifndef TM_CONTROL_PORTMAP_PORTMAP_PRIVATE_H
#define TM_CONTROL_PORTMAP_PORTMAP_PRIVATE_H

#include "control/portmap/portmap.h"

enum side_state {
	SIDE_OFF, /* nothing to be asked */
	SIDE_PROBING, /* which protocols are there? */
	SIDE_ASKING, /* for a mapping by `asked`: a new one, or the one that there is once more */
	SIDE_MAPPED, /* until it is to be renewed */
	SIDE_CLEARING, /* the same, and what an earlier run owes is taken back */
	SIDE_WAITING, /* nobody, or nobody who is willing: until we try again */
	SIDE_RELEASING, /* the end: the mapping is given back */
};

/* Messages that are due, in the order in which they go out. */
enum side_message {
	SAY_ANNOUNCE,
	SAY_ADDRESS,
	SAY_SEARCH_GATEWAY,
	SAY_SEARCH_ALL,
	SAY_SEARCH_IGD,
	SAY_PCP_MAP,
	SAY_NATPMP_MAP,
	SAY_UPNP,
	SAY_N,
};

enum {
	SIDES = 2, /* IPv4, IPv6 */
	SIDE_PROBES = 3, /* rounds of looking for a service */
	SIDE_TRIES = 5, /* of a datagram: at 0, 250, 750 ms, 1.75 s, 3.75 s; the answer to the last has 4 s */
	UPNP_PLACES = 4, /* descriptions at one gateway */
	UPNP_PORTS = 4, /* that are tried when others have them */
	UPNP_MISSES = 3, /* then the mapping is given up */
};

#define SIDE_RTO (250 * MS) /* RFC 6886 3.1 */
#define SIDE_RENEW_MIN (4 * SEC) /* RFC 6887 11.2.1 */
#define SIDE_LEASE_MAX (86400 * SEC) /* whatever a gateway grants */
#define SIDE_WAIT_MIN (60 * SEC)
#define SIDE_WAIT_MAX (3600 * SEC)
#define SIDE_LOST_GRACE                                                                                      \
	(10 * SEC) /* a gateway that restarted: the mapping is gone, but may be back at once */

/* How far a gateway's clock was, and ours then. */
struct epoch {
	bool known;
	uint32_t server_s;
	ns_t at;
};

enum upnp_step {
	UPNP_DESCRIPTION,
	UPNP_STATUS,
	UPNP_ADDRESS,
	UPNP_MAP,
	UPNP_CHECK,
	UPNP_DELETE,
	UPNP_FIREWALL,
	UPNP_OPEN,
	UPNP_CLOSE
};

struct upnp {
	/* found by searching */
	struct igd_place places[UPNP_PLACES];
	size_t n_places;
	/* what they describe */
	struct upnp_service {
		struct igd_service at;
		bool connected;
		struct ip external; /* IP_NONE: not told, or of no use */
	} services[IGD_SERVICES_MAX];
	size_t n_services;
	bool chosen; /* `at` is the one that is used */
	/* the conversation */
	enum upnp_step step;
	size_t at; /* place or service that it is about */
	unsigned fetch; /* number of the question under way */
	bool permanent; /* it takes no leases */
	uint16_t port; /* external, asked for or taken back */
	uint16_t pinhole, closing; /* numbers: of ours, of the one to be closed */
	unsigned ports_tried;
	unsigned misses; /* renewals without an answer, in a row */
};

struct side {
	struct portmap *whole;
	/* the network */
	struct endpoint gateway; /* IP_NONE: none */
	struct ip own;
	/* what is going on */
	enum side_state state;
	enum portmap_problem problem;
	enum portmap_protocol asked;
	unsigned tries;
	ns_t due, wait; /* the next step; how long the last SIDE_WAITING was */
	uint32_t say; /* bits of enum side_message */
	/* what the gateway speaks */
	struct service {
		bool seen, missing; /* missing: it said that it does not speak that */
		ns_t seen_at, refused_until;
	} services[PORTMAP_PROTOCOL_N];
	struct epoch epochs[PORTMAP_PROTOCOL_N];
	struct ip natpmp_external; /* IP_NONE: to be asked */
	struct {
		uint16_t port; /* 0: to be asked */
		uint32_t lifetime_s;
	} natpmp_map;
	struct upnp upnp;
	/* the mapping */
	struct {
		enum portmap_protocol by; /* NONE: there is none */
		struct endpoint external;
		ns_t lease, until, renew_at;
	} mapping;
	struct portmap_owed back; /* RELEASING, CLEARING: what is taken back */
};

struct portmap {
	struct portmap_config cfg;
	struct side side[SIDES];
	unsigned fetches;
	bool changed, ending;
	struct {
		struct owed {
			struct portmap_owed what;
			bool tried; /* in vain, at this gateway */
			bool refused; /* somebody else had that port, so it is ours only if it was before */
		} v[PORTMAP_OWED_MAX]; /* the oldest first */
		size_t n;
		bool changed;
	} owed;
};

/* --- side.c --- */

void side_start(struct side *s, ns_t now); /* at this gateway; what was known of the last one is forgotten */
void side_confirm(struct side *s, ns_t now); /* the network changed, the gateway did not */
void side_end(struct side *s, ns_t now);
void side_step(struct side *s, ns_t now); /* s->due has come */
ns_t side_next(const struct side *s);
void side_seen(struct side *s, enum portmap_protocol p, ns_t now);
void side_missing(struct side *s, enum portmap_protocol p, ns_t now); /* it is not spoken there */
/* What the gateway's clock says: did it lose what it knew of us? */
bool side_clock(struct side *s, enum portmap_protocol p, uint32_t server_s, ns_t now);
/* It did, or an announcement says that something is new there. */
void side_restarted(struct side *s, ns_t now);
/* Ends of what was asked by s->asked. hold: so long it need not be asked again. */
void side_mapped(struct side *s, const struct endpoint *external, ns_t lease, ns_t now);
void side_refused(struct side *s, enum portmap_problem why, ns_t hold, ns_t now);
/* What was to be taken back is gone; answered false: as far as is known it is not. */
void side_taken_back(struct side *s, bool answered, ns_t now);
/* The renewal failed, and may be tried again: for one minute at most a gateway starts anew. */
void side_postpone(struct side *s, ns_t now);

/* --- owed.c --- */

void owed_note(struct side *s); /* what is asked for now */
void owed_refused(struct side *s); /* what is asked for now: somebody else has it */
void owed_forget(struct portmap *m, const struct portmap_owed *what);
/* What is to be taken back here, beside the mapping that we have; false: nothing that can be. */
bool owed_next(const struct side *s, struct portmap_owed *ret_what);
void owed_tried(struct portmap *m, const struct portmap_owed *what);
void owed_arrived(struct side *s); /* at this gateway: all may be tried again */
/* The external port that UPnP gave us before, 0 = none is known. */
uint16_t owed_port(const struct side *s);

/* --- lease.c --- */

void lease_ask(struct side *s, ns_t now); /* by s->asked, for the first time or once more */
size_t lease_write(struct side *s, enum side_message what, uint8_t *out, size_t out_len);
void lease_read(struct side *s, const uint8_t *p, size_t n, ns_t now);
void lease_announced(struct side *s, const uint8_t *p, size_t n, ns_t now);

/* --- upnp.c --- */

void upnp_found(struct side *s, const struct igd_place *place, ns_t now);
void upnp_ask(struct side *s);
void upnp_take_back(struct side *s); /* s->back */
void upnp_go(struct side *s, enum upnp_step step, size_t at);
size_t upnp_write(struct side *s, char *out, size_t out_len, uint16_t *ret_port);
/* a NULL: there was no answer */
void upnp_read(struct side *s, const struct igd_answer *a, ns_t now);

/* --- pinhole.c --- */

size_t pinhole_write(const struct side *s, char *out, size_t out_len);
void pinhole_read(struct side *s, const struct igd_answer *a, ns_t now);

/* --- all --- */

static inline bool side_takes_back(const struct side *s)
{
	return s->state == SIDE_RELEASING || s->state == SIDE_CLEARING;
}

/* An address that a gateway may say it has: one that somebody could reach. */
bool external_usable(const struct ip *ip);
/* May be asked for or taken: port 0 means all of them to some gateways, and the first thousand are others'.
 */
static inline bool port_usable(uint16_t port)
{
	return port >= 1024;
}

static inline bool ip_is_private(const struct ip *ip)
{
	const struct prefix p = prefix_host(ip);

	return prefix_is_private(&p);
}

#endif
