/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Pairs of clients that send to each other through a relay, the same messages at the same moments whichever
 * relay that is: only how a pair comes to be connected differs, and what stands before each message.
 *
 *   turn      TURN over UDP (RFC 8656), without authentication: one end of the pair has an allocation and
 *             sends ChannelData, the other is its peer. A message crosses the relay once.
 *   member    our relay by UDP: both ends are registered members of the mesh
 *   stream    our relay by TCP, WebSocket in it
 *   proxy     any program that connects us to ourselves. The bytes are those of `stream`.
 *
 * A message looks like WireGuard's data, and has the run's mark. `burst` of them leave at once, as one train
 * or one frame; the next burst is the next pair's, and when all had their turn the other ends'. One thread,
 * which never waits for a socket: what a stream does not take yet is finished before its next burst, which is
 * left out then.
 */
#ifndef TM_TEST_BENCH_RELAY_RELAYLOAD_H
#define TM_TEST_BENCH_RELAY_RELAYLOAD_H

#include "base/addr.h"
#include "base/time.h"
#include "wire/relay.h"
#include "wire/ws.h"

struct ssl_st;

enum { PAIRS_MAX = 4096, BEFORE_MAX = RELAY_HEADER, MESSAGE_MIN = 32, MESSAGE_MAX = 1440 };

/* What is being read from a stream. */
struct reading {
	uint8_t head[WS_HEADER_MAX + RELAY_FRAME_HEAD];
	size_t have;
	uint64_t left; /* of its messages, once the head is whole */
};

struct end {
	int fd;
	struct ssl_st *ssl; /* NULL: none */
	/* datagrams: what stands before each message */
	uint8_t before_out[BEFORE_MAX], before_in[BEFORE_MAX];
	size_t n_out, n_in;
	/* streams */
	uint64_t pair;
	uint8_t *frame; /* the one that is sent again and again */
	size_t frame_len, unsent;
	struct reading reading;
};

struct load {
	/* set once */
	uint64_t pairs, bytes, burst, rate; /* messages a second, of all pairs together */
	uint64_t tls; /* streams: 1 = in TLS */
	struct endpoint at; /* the relay */
	const char *relay_id, *members; /* members.c */
	struct endpoint listen; /* proxy: where it connects to */
	const char *certificate; /* proxy, with TLS: file with certificate and key */
	bool streams;
	uint32_t mark;
	struct end (*ends)[2];
	/* counted, in messages */
	uint64_t sent, received, held_back, late;
};

/* Each connects all pairs, or ends the program with a sentence. */
void turn_connect(struct load *l);
void turn_disconnect(struct load *l);
void member_connect(struct load *l);
void stream_connect(struct load *l);
void proxy_connect(struct load *l);

/* datagrams.c */
int datagram_socket(const struct load *l, const struct endpoint *to);
void connect_to(int fd, const struct endpoint *to);
struct endpoint own_endpoint(int fd);
/* Asks until it is answered: n bytes out, what comes back into `answer`, as accept() likes it. */
size_t ask(int fd, const uint8_t *question, size_t n, uint8_t *answer, size_t max,
	bool (*accept)(const uint8_t *question, const uint8_t *answer, size_t n));
void datagrams_send(struct load *l, struct end *e);
void datagrams_receive(struct load *l, struct end *e);

/* streams.c */
void stream_send(struct load *l, struct end *e);
void stream_receive(struct load *l, struct end *e);
void stream_finish(struct end *e); /* sends what is left of a frame, as far as it goes */

/* members.c: enrolled already; the file has a line each: node id, host number, key of its STUN with the relay
 */
struct members;
struct members *members_read(const struct load *l);
void members_free(struct members *m);
uint32_t members_host(const struct members *m, size_t i);
/* What member i says to be registered, with the cookie it has, or NULL; returns the length. */
size_t members_question(struct members *m, size_t i, const uint8_t *cookie, uint8_t *out, size_t max);
/* Is it registered now? Else *ret_cookie is what the relay wants to see; ends the program when it is neither.
 */
bool members_answered(struct members *m, size_t i, const uint8_t *p, size_t n, uint8_t ret_cookie[static 8]);

/* A message, to be filled in once: type and mark. */
void message_put(const struct load *l, uint8_t *p);
bool message_is_ours(const struct load *l, const uint8_t *p, size_t n);

#endif
