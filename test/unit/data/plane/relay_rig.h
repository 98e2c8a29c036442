/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Two nodes and their relay (host 9 of the mesh); streams between them, and ends of streams that the test
 * itself holds.
 */
#ifndef TM_TEST_RELAY_RIG_H
#define TM_TEST_RELAY_RIG_H

#include "unit/data/plane/rig.h"

#include "data/plane/stream.h"
#include "wire/relay.h"

#define A "192.0.2.1:51820"
#define B "192.0.2.2:51820"
#define R "192.0.2.9:51820"
#define R_TCP "192.0.2.9:443"
/* Members of whom there is nothing but a leg. */
#define C "192.0.2.3:51820"
#define D "192.0.2.4:51820"

extern struct host a, b, r;
extern struct host *all[3];

/* The three, each with so many workers. The relay relays, and nobody has a leg yet. */
void relay_rig_start(unsigned nodes, unsigned relay);
struct endpoint at(const char *text);
/* That member's leg by datagrams. key: NULL is fine. */
void register_at(uint32_t host, const char *where, const uint8_t *key);
void use_relay(struct host *h, struct host *peer); /* by datagrams */
/* cmocka's, state: how many workers the relay has; NULL = one. Both nodes use it, C is member 3, D 65536. */
int relaying_set_up(void **state);
/* A data message for this pair, with its header, of so many bytes without it. Its length. */
size_t message(uint32_t from, uint32_t to, size_t n, uint8_t *out);
void expect_drop(enum plane_drop why, uint64_t want); /* at the relay */
bool relayed(void *packets); /* uint64_t *: as many at least; for EXPECT_SOON */
void expect_relayed(uint64_t packets); /* in all */
/* Sends one and waits until it arrives. */
void pass(struct host *from, struct host *to, int family, uint16_t serial, size_t payload);

/* --- streams --- */

/* Of node a, of node b: its own number for its stream, the relay's. */
extern uint32_t ours[3], theirs[3];

void make_pair(int fd[2]);
uint32_t add_stream(struct host *h, int fd, enum ws_role role, uint32_t host);
void leg_by_stream(uint32_t host, uint32_t stream, const uint8_t *key);
struct way_to by_stream(const struct host *h, uint32_t peer);
void use_stream(struct host *h, struct host *peer);
void connect_node(struct host *h); /* its stream to the relay is its leg from now on */
/* cmocka's, state: how many workers each has; NULL = one. Both nodes are connected and use it. */
int stream_rig_set_up(void **state);

struct end {
	int fd;
	struct ws_decoder in;
};
/* A stream of the relay's to a member, whose other end is ours; its leg. */
uint32_t hold_as(struct end *e, const struct host *member);
void hold(struct end *e, uint32_t *ret_stream); /* member 1's */
void let_go(struct end *e);
/* May say it in pieces. */
void say(struct end *e, enum ws_opcode op, const uint8_t *p, size_t n);

/* What comes to an end, one message at a time: for EXPECT_SOON, which stands for waiting. */
struct hearing {
	struct end *e;
	enum ws_event_kind kind;
	size_t n;
	uint8_t bytes[RELAY_FRAME_MAX];
};
bool heard(void *hearing);

/* A frame of data messages; n bytes of them. Its length. */
size_t frame(uint64_t pair, uint16_t segment, size_t n, uint8_t *out);
/* The relay has told of n lost streams, the last of them this one. */
void expect_lost(unsigned n, uint32_t stream, int err);
bool stun_came(void *host);

#endif
