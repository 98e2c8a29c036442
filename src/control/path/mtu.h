/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The longest message that passes by one pair in our direction, found by probes (RFC 8899, Datagram PLPMTUD):
 * checks padded to the length of a message of the tunnel. Their answers are short, so that one says of this
 * direction alone that it passes; the peer finds out about the other. Pure.
 *
 * At first everything that the tunnel sends is believed to pass, or what was used last. The longest is asked
 * at once, and the base beside it. When there is no answer in time, all lengths that networks are known for
 * are asked together, so that what follows is known after a few round trips and told to senders once: they
 * keep what they are told for minutes. A length that was asked three times in vain does not pass (MAX_PROBES
 * of RFC 8899 5.1.2), if a shorter one did; then it is narrowed down to one step of WireGuard's padding.
 *
 * What passed may stop to (RFC 8899 4.3): it is asked again while much is sent, and at once when data goes
 * unanswered although checks do not. Every ten minutes longer ones are tried. Nothing is sent, and no time
 * passes, without traffic. A probe that is lost says nothing about whether the pair lives.
 */
#ifndef TM_CONTROL_PATH_MTU_H
#define TM_CONTROL_PATH_MTU_H

#include "base/time.h"
#include "base/util.h"

enum {
	MTU_TRIES = 3,
	MTU_SIZES = 12, /* asked for together, at most */
	MTU_SENT = 32, /* probes that may be answered still */
	MTU_STEP = 16, /* messages differ by so many bytes */
	MTU_LEAST = 128, /* as long as any check is */
	MTU_BASE = 1280, /* bytes of an IP packet that nearly all networks carry (RFC 8899 5.1.2) */
};

#define MTU_RAISE (600 * SEC) /* until longer ones are tried again: PMTU_RAISE_TIMER, RFC 8899 5.1.1 */
/* What is in use is asked again after so long, and so many bytes. */
#define MTU_CONFIRM (10 * SEC)
enum { MTU_CONFIRM_BYTES = 16384 };
#define MTU_DOUBT (2 * SEC) /* or when something speaks against it, but not sooner */

struct mtu_size {
	uint16_t n;
	uint8_t tries;
};

struct mtu {
	uint16_t use; /* the longest message to be sent; 0 = all that the tunnel has */
	bool found; /* by asking, not by belief */
	/* set by mtu_begin */
	uint16_t full; /* the longest message to ask for; 0 = nothing is searched */
	uint16_t headers; /* that the network sees before a message */
	/* what is known */
	uint16_t passes; /* the longest that was answered; 0 = none */
	uint16_t fails; /* the shortest above that does not pass; 0 = none */
	uint16_t top; /* the one in use or believed in, while it is asked for; 0 = that is decided */
	/* what is asked now, the longest first */
	struct mtu_size v[MTU_SIZES];
	uint8_t n, rounds;
	ns_t round_at; /* NS_NEVER: nothing is asked */
	/* and what then */
	ns_t asked_at; /* the last round */
	ns_t raise_at;
	uint64_t bytes; /* that had been sent by then */
	struct {
		uint64_t stamp;
		uint16_t size; /* 0: of another pair */
	} sent[MTU_SENT];
	uint8_t next_sent;
};

/*
 * For another pair, from `at` on. full: of whatever the tunnel sends, or a check can be padded to; headers:
 * bytes before a message, IP's included; use: as in struct mtu, until more is known.
 */
void mtu_begin(struct mtu *m, uint16_t full, uint16_t headers, uint16_t use, ns_t at);
void mtu_end(struct mtu *m); /* there is no pair */

/* Traffic flows; `bytes` were sent to the peer so far. One that counts from 0 again costs a question. */
void mtu_traffic(struct mtu *m, uint64_t bytes, ns_t now);
/* Data is not answered, and a check just was. */
void mtu_doubt(struct mtu *m, ns_t now);

/*
 * Lengths to be asked for now; how many. Each is told to mtu_sent. rtt: of the pair, 0 = unknown. m->use may
 * have changed.
 */
size_t mtu_round(struct mtu *m, ns_t rtt, ns_t now, uint16_t ret_sizes[static MTU_SIZES]);
void mtu_sent(struct mtu *m, uint16_t size, uint64_t stamp);
/* When that is due. */
static inline ns_t mtu_next(const struct mtu *m)
{
	return m->full ? m->round_at : NS_NEVER;
}

/* Is that the stamp of a probe that is not answered yet, of this pair or of one before? */
bool mtu_knows(const struct mtu *m, uint64_t stamp);
/* False: it is none of this pair. m->use may have changed. */
bool mtu_answered(struct mtu *m, uint64_t stamp, ns_t now);

#endif
