/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A network in virtual time. Nodes pass datagrams to each other: hosts (a WireGuard device with a small data
 * path of its own), links (loss, delay, jitter, duplication, corruption), NATs, and one internet that
 * delivers by address. Everything that is random comes from one seed, which is printed: the same seed gives
 * the same run.
 */
#ifndef TM_TEST_SIM_SIM_H
#define TM_TEST_SIM_SIM_H

#include "data/peer/device.h"

enum { SIM_HOSTS = 16, SIM_MTU = 256, SIM_STAGED = 128, SIM_PORT = 51820, SIM_PACKETS = 1 << 16 };

struct sim;
struct host;

struct datagram {
	struct endpoint from, to;
	size_t n;
	uint8_t bytes[SIM_MTU];
};

struct node {
	/* Takes the datagram over. */
	void (*forward)(struct node *n, struct datagram *dg);
};

/* Chances are out of 1000. */
struct link {
	struct node super, *next;
	struct sim *sim;
	unsigned loss, duplicate, corrupt;
	ns_t delay, jitter; /* jitter reorders */
};

/* Maps every inside endpoint to one outside port; lets in only who was written to, and forgets. */
struct nat {
	struct node super, *next; /* towards the internet */
	struct sim *sim;
	struct host *inside;
	struct ip outside;
	ns_t timeout;
	uint16_t port;
	ns_t used;
	struct endpoint written[8];
	size_t n_written;
};

/* What one host knows of another. */
struct friendship {
	struct host *self, *other;
	struct peer *p;
	uint64_t staged[SIM_STAGED];
	size_t n_staged;
	uint64_t sent; /* numbers handed out to packets towards other */
	uint64_t received; /* packets of other's that arrived here */
	uint64_t twice; /* of those, delivered a second time: must stay 0 */
	uint64_t garbage; /* of those, not what was sent: must stay 0 */
	uint8_t seen[SIM_PACKETS / 8];
	unsigned dropped; /* staged packets given up */
	unsigned ups, downs, want_endpoint;
};

struct host {
	struct node super;
	struct sim *sim;
	const char *name;
	uint8_t priv[32], pub[32];
	struct endpoint at;
	struct link up;
	struct nat nat;
	struct device *device;
	struct aead *aead;
	struct wg_limits limits;
	ns_t next, clock_offset;
	size_t waiting; /* what device_receive is told */
	struct friendship friends[SIM_HOSTS];
	size_t n_friends;
	/* counted */
	uint64_t sent[5], verdicts[DEV_VERDICT_N], keepalives;
	struct datagram last[5]; /* last one sent, by message type */
	struct ip last_local; /* source address asked for in the last handshake message */
	/* retired, freed between two events */
	void *grave[64];
	void (*grave_free[64])(void *);
	size_t n_grave;
};

struct sim {
	uint64_t seed, rng;
	ns_t now;
	struct node internet;
	struct host *hosts[SIM_HOSTS];
	size_t n_hosts;
	struct flight *flights; /* heap by time, then order */
	size_t n_flights, cap_flights;
	uint64_t order;
	uint64_t wire_datagrams; /* everything that any host or injector put on the wire */
	uint64_t wire_hash; /* over all of it: tells two runs apart */
};

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *s);
uint64_t sim_random(struct sim *s);
void sim_entropy(void *sim, void *out, size_t n);

/* A host with a fresh key, address and a perfect link of 10 ms. */
struct host *sim_host(struct sim *s, const char *name);
struct host *sim_host_with_limits(struct sim *s, const char *name, const struct wg_limits *l);
/* Both know each other's key, address and psk (NULL: none). */
void sim_befriend(struct host *a, struct host *b, const uint8_t *psk);
struct friendship *sim_friend(struct host *a, const struct host *b);
/* One side only; no endpoint when at is NULL. */
struct friendship *sim_add_friend(
	struct host *a, struct host *b, const uint8_t *psk, const struct endpoint *at);

void sim_run(struct sim *s, ns_t duration);
/* Deliver it to whoever has the address, now. */
void sim_inject(struct sim *s, const struct datagram *dg);

void host_send(struct host *a, struct host *b); /* one numbered packet */
void host_restart(struct host *h); /* a new process with the same key: all sessions forgotten */
void host_move(struct host *h); /* another address */
void host_behind_nat(struct host *h, ns_t timeout);
void host_set_link(struct host *h, unsigned loss, unsigned duplicate, unsigned corrupt, ns_t jitter);
void host_settle(struct host *h); /* runs what is due; call it after talking to h->device directly */
bool host_has_session(struct host *a, struct host *b);
uint64_t host_datagrams(const struct host *h);

/* Every packet between the two arrived, once, unharmed. */
void expect_nothing_lost(struct host *a, struct host *b);
/* A packet each way arrives within a second. */
void expect_connected(struct host *a, struct host *b);

#endif
