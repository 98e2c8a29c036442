/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * So that who sends much waits for himself alone. What a worker's socket receives waits in one buffer of the
 * kernel's, and when a relay cannot keep up, whoever fills it keeps all others out: nobody is limited who
 * sends least, and nobody is served who sends least either. So a worker whose buffer stays full looks at what
 * it reads for a moment, and if something is lost meanwhile, the source of most of it gets a siding: a socket
 * of its own behind the same port, with buffers of its own for both directions. The kernel leads there
 * whatever comes from that source (udp_steer), and the worker reads there in turn, for as long as anywhere
 * else (worker.c). What does not fit is lost in the kernel, at its sender's cost, before it has cost us more
 * than its arrival.
 *
 * No rate is set or measured anywhere. Who is alone has everything; who is not has as much as each of the
 * others, or what he needs, if that is less, and an eighth of it while nothing that he sends is of use. A
 * source is an address and a port, whoever it is: nothing is proved by it, and nothing depends on that.
 */
#ifndef TM_DATA_PLANE_SIDING_H
#define TM_DATA_PLANE_SIDING_H

#include "data/plane/pit.h"
#include "data/plane/worker.h"

/* In all: what cannot be led elsewhere any more stays where everybody is. */
enum { SIDINGS_MAX = 32 };
_Static_assert((int)SIDINGS_MAX <= (int)UDP_SOURCES_MAX, "the kernel can be told of all of them");

struct siding {
	/* set once */
	struct guest guest; /* of: */
	struct worker *reader;
	struct udp *udp;
	unsigned number; /* of its socket, behind the port */
	struct epoch_retired retired;
	/* worker: when something was read last, and how many slots since something was of use: all of them,
	 * and of junk */
	_Atomic(ns_t) last;
	unsigned useless, vain, asking; /* asking: of vain */
	/* a letter to the control thread: they were many (enum vain) */
	_Atomic(unsigned) is_vain;
	/* and one to the worker: it is another's now */
	_Atomic(bool) is_new;
	/* control thread: what comes from there is led here; not set: nothing is */
	struct endpoint source;
	unsigned *closing; /* the plane's, which counts it from when it is closed until it is freed */
};

enum vain { VAIN_NOT, VAIN_JUNK, VAIN_ASKING };

/* --- worker --- */

/* What w dropped so far of what nobody sends who has a session or a leg, and of which the pit relieves us; of
 * that, what looked like STUN or a handshake. */
struct junk {
	uint64_t all, asking;
};
struct junk siding_junk(const struct worker *w);
/* What a slot was. STUN and handshakes that pass are neither good nor junk: they prove nothing here. */
enum slot_is { SLOT_GOOD, SLOT_ASKS, SLOT_JUNK, SLOT_JUNK_ASKING };
/* After a batch of the worker's own socket, `n` of its slots filled: who fills it? */
void siding_watch(struct worker *w, size_t n);
/* guest.burst */
bool siding_burst(struct worker *w, struct guest *g, unsigned what);

/* --- who is heaviest, exact for whoever has more than a seventeenth of it (Misra and Gries 1982) --- */
void tally_add(struct tally *t, const struct endpoint *who, uint64_t cost);
const struct endpoint *tally_heaviest(const struct tally *t); /* NULL: nobody */

#endif
