/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Planes on the fake network, packets to send through them, and waiting for what should happen (never for
 * time to pass). */
#ifndef TM_TEST_RIG_H
#define TM_TEST_RIG_H

#include "unit/unit.h"

#include "data/plane/plane.h"
#include "unit/data/plane/fake_io.h"

/* Host i of the rig: outer 192.0.2.<i>:51820, inner 10.77.0.<i> and fd77::<i>, TUN "tm<i>". */
struct host {
	unsigned i;
	struct plane *plane;
	uint8_t priv[32], pub[32];
	unsigned workers, offloads;
	uint16_t mtu; /* 0 = RIG_MTU */
	struct wg_limits limits;
	/* what it heard */
	unsigned n_stun, n_want, n_heard, n_up, n_down, n_lost;
	struct way_to heard_by, stun_by;
	unsigned n_streams_lost; /* and the last: */
	uint32_t stream_lost;
	int stream_err;
	uint8_t stun[1500];
	size_t stun_n;
};

enum { RIG_MTU = 1420 };
/* This run is the one with many datagrams in one receive (CMakeLists.txt). */
bool rig_trains(void);

void host_start(struct host *h, unsigned i); /* fields set before: workers, offloads, mtu, limits */
void host_stop(struct host *h);
int rig_teardown(void **state); /* stops all that run */
/* h chooses its ways as the control plane would: what it hears where nothing is chosen, it takes. */
/* h's peers from now on are these; their allowed addresses are the inner addresses (and what `extra` of the
 * same index says). */
struct peering {
	struct host *with;
	const char *extra;
	bool forwards, follows, no_endpoint;
};
void host_peers(struct host *h, const struct peering *v, size_t n);
void rig_connect(struct host *a, struct host *b);

/* Services all planes until cond(arg) holds; fails the test after some seconds. */
bool rig_until(struct host **hosts, size_t n, bool (*cond)(void *arg), void *arg);
#define EXPECT_SOON(hosts, cond, arg)                                                                        \
	do {                                                                                                 \
		if (!rig_until(hosts, ARRAY_LEN(hosts), cond, arg))                                          \
			fail_msg("%s did not happen", #cond);                                                \
	} while (0)

uint64_t host_drops(const struct host *h, enum plane_drop d);
/* Waits until h has counted `want` drops of this kind; on failure prints all counters. */
void expect_drops(struct host **hosts, size_t n, const struct host *h, enum plane_drop d, uint64_t want);

/* Packets that `from` has sent to `to`; waits until it is `want`. */
uint64_t host_sent(const struct host *from, const struct host *to);
void expect_sent(
	struct host **hosts, size_t n, const struct host *from, const struct host *to, uint64_t want);

/* An inner packet (UDP header and a recognisable body). IPv4 with DF. Returns its length. */
size_t packet_make(int family, unsigned from, unsigned to, uint16_t serial, size_t payload, uint8_t *out);
uint16_t packet_serial(const uint8_t *p);
/* Waits for a packet at h's TUN; returns its length. */
size_t expect_packet(struct host **hosts, size_t n, const struct host *h, uint8_t *out);
/* Sends one each way and waits for both: the sessions are up. */
void rig_warm(struct host *a, struct host *b);

/* Sends an inner packet from a host with a session, but lets nothing arrive; the sealed message and its
 * length. */
size_t rig_intercept(struct host *from, const uint8_t *inner, size_t n, uint8_t *sealed);

#endif
