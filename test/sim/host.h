/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A host: the real device, the real path core if it is a member of a mesh (host_paths.c), and a data path
 * that does what workers do, one packet at a time (plane_lite.c). It has one UDP port, those of further
 * sockets, and up to HOST_FACES interfaces. Its keys follow from its number alone, so that they are computed
 * once per process.
 */
#ifndef TM_TEST_SIM_HOST_H
#define TM_TEST_SIM_HOST_H

#include "control/path/core.h"
#include "data/peer/device.h"
#include "sim/link.h"
#include "sim/nat.h"

enum {
	HOST_FACES = 4,
	HOST_PORT = 51820,
	HOST_STAGED = 128,
	HOST_PACKETS = 1 << 16,
	HOST_GRAVES = 512,
	HOST_SOCKETS = 520,
	HOST_KEPT = 1024 /* messages to another that may leave again */
};

/* An interface: where it is plugged in, its addresses there, the line out. */
struct face {
	struct node in;
	struct host *host;
	struct segment *segment; /* NULL: unplugged */
	struct ip ip4, ip6; /* IP_NONE: none of the family */
	struct link up;
};

/* What one host knows of another. */
struct friendship {
	struct host *self, *other;
	struct peer *p;
	struct way_to
		also; /* each datagram leaves by this one, too; remote IP_NONE: by the chosen one alone */
	uint64_t staged[HOST_STAGED];
	size_t n_staged;
	uint64_t sent; /* numbers handed out to packets towards other */
	uint64_t received; /* packets of other's that arrived here */
	uint64_t twice; /* of those, delivered a second time: must stay 0 */
	uint64_t garbage; /* of those, not what was sent: must stay 0 */
	uint8_t *seen; /* a bit per packet */
	struct kept_datagram *kept; /* HOST_KEPT, a ring; NULL: nothing was sent yet */
	uint64_t n_kept, again; /* put there so far; sent a second time */
	unsigned dropped; /* staged packets given up */
	unsigned ups, downs, want_way;
	ns_t noted_at; /* the core was last told that a way is wanted */
};

struct host {
	struct owned owned;
	struct sim *sim;
	const char *name;
	size_t number; /* in the world, from 0 */
	char id[NODE_ID_LEN + 1];
	uint8_t priv[32], pub[32];
	struct endpoint at; /* IPv4 address of the first face, and the port */
	struct face face[HOST_FACES];
	struct device *device;
	struct wg_limits limits;
	int leaves_by; /* face that everything leaves by; 0 = as routed, else the face's number + 1 */
	struct waker waker;
	ns_t next, clock_offset;
	size_t waiting; /* what device_receive is told */
	struct friendship *friends[SIM_HOSTS]; /* by the other's number */
	bool member; /* of a mesh; the rest is theirs */
	struct core *core;
	struct control_link *link; /* NULL: it is the coordinator itself */
	struct relay *relay; /* NULL: it hands nothing on (relay.h) */
	bool knows_relays; /* it has been told of them */
	struct ip in_mesh; /* what it sends there would go into a tunnel of the mesh; IP_NONE: nothing */
	unsigned last_stream; /* number of the last one in its plane */
	struct {
		uint32_t number; /* 0: none */
		uint16_t port;
	} sockets[HOST_SOCKETS];
	unsigned n_sockets, last_socket;
	/* counted */
	uint64_t sent[5], verdicts[DEV_VERDICT_N], keepalives;
	unsigned guesses, sockets_most; /* checks sent at random, sockets open at once */
	struct ip victim; /* of those: */
	unsigned guesses_there;
	/* of the path core: other checks sent, ways told to be used, those that led elsewhere, lists of
	 * candidates
	 */
	unsigned checks, uses, moves, told;
	unsigned probes; /* checks that were padded, to find out what passes */
	struct datagram last[5]; /* last one sent, by message type; 0 = all else */
	struct ip last_local; /* source address asked for in the last handshake message */
	/* retired, freed between two events */
	void *grave[HOST_GRAVES];
	void (*grave_free[HOST_GRAVES])(void *);
	size_t n_graves;
};

/* On the internet, with a perfect line of 10 ms. */
struct host *sim_host(struct sim *s, const char *name);
struct host *sim_host_with_limits(struct sim *s, const char *name, const struct wg_limits *l);
struct host *sim_host_in(struct segment *g, const char *name);
/* Both know each other's key, address and psk (NULL: none), as two stock WireGuard peers do. */
void sim_befriend(struct host *a, struct host *b, const uint8_t *psk);
struct friendship *sim_friend(const struct host *a, const struct host *b);
/* One side only; no endpoint when at is NULL. */
struct friendship *sim_add_friend(
	struct host *a, struct host *b, const uint8_t *psk, const struct endpoint *at);

void host_send(struct host *a, struct host *b); /* one numbered packet */
void host_restart(struct host *h); /* a new process with the same key: all sessions forgotten */
/* Plugs a face in elsewhere (NULL: unplugs it); the line stays what it was. */
void host_plug(struct host *h, unsigned face, struct segment *g);
void host_move(struct host *h); /* another address in the same segment, another port */
struct link *host_line(struct host *h); /* of the first face */
void host_set_line(struct host *h, unsigned loss, unsigned duplicate, unsigned corrupt, ns_t jitter);
void host_settle(struct host *h); /* runs what is due; call it after talking to h->device directly */
bool host_has_session(const struct host *a, const struct host *b);
uint64_t host_datagrams(const struct host *h);

/* Every packet between the two arrived, once, unharmed. */
void expect_nothing_lost(struct host *a, struct host *b);
/* A packet each way arrives within a second. */
void expect_connected(struct host *a, struct host *b);

/* --- members of a mesh (host_paths.c) --- */

struct coordinator;
struct relay;
/* A host with a path core and a control link. */
struct host *sim_member(struct segment *g, struct coordinator *c, const char *name);
/* Both are members that know each other's keys, and no address. */
void sim_meet(struct host *a, struct host *b);
/* As the core sees the path; IDLE when it never heard of the other. */
struct core_view host_path(const struct host *h, const struct host *to);
const struct candidates *host_mine(const struct host *h);
struct host *host_by_id(const struct sim *s, const char *id); /* NULL: nobody */
/* What a member's control link brings. */
void host_server(struct host *h);
void host_recall(struct host *h); /* what it kept of that across a restart */
void host_candidates(struct host *h, const struct host *of, const struct candidates *c, bool looks);
void host_start_paths(struct host *h);
/* What a coordinator has by default: further ports, so that others learn what their NATs do. */
void host_open_doors(struct host *h);

/* --- between the files of a host only --- */

uint32_t host_socket_open(struct host *h, uint16_t port); /* port 0: any; 0: it is taken */
uint16_t host_socket_port(const struct host *h, uint32_t number); /* 0: there is none */
void host_socket_close(struct host *h, uint32_t number);
/* port 0: by the socket that everybody has */
void host_put_from(struct host *h, uint16_t port, const struct endpoint *to, const struct ip *local,
	const uint8_t *msg, size_t n);
void host_put_on_wire(
	struct host *h, const struct endpoint *to, const struct ip *local, const uint8_t *msg, size_t n);
void host_put_by(struct host *h, const struct way_to *by, const uint8_t *msg, size_t n);
void host_send_again(struct host *h, const struct peer *p, const struct way_to *by, ns_t since);
void host_receive(struct host *h, struct datagram *dg);
void host_receive_by(struct host *h, const struct way_to *by, uint8_t *msg, size_t n);
void host_boot_device(struct host *h);
ns_t host_real_time(const struct host *h);
bool host_run_paths(struct host *h); /* true: something was done */
void host_network_changed(struct host *h);
void host_want(struct host *h, const struct peer *p);
void host_heard(struct host *h, const struct peer *p, const struct way_to *by);
void host_stun(struct host *h, const struct way_to *by, const uint8_t *msg, size_t n);
void host_input(struct host *h, const struct core_in *in);

#endif
