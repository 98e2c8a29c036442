/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One attempt to find a mapping of a translator that makes another one for each destination (the hard side),
 * from behind one that does not, but lets in only those who were written to (the easy side). No address that
 * anybody could tell is right there, so it is guessed, as two people of a company share a birthday sooner
 * than one thinks: the hard side writes to the one address of the easy side from many sockets, each of which
 * gets a mapping; the easy side writes to as many ports of the hard one. Where a guess is right, both have
 * opened to each other. Pure: what comes back, and whether it proves anything, is the path's business
 * (path.h).
 *
 * 256 mappings and 1,536 of 64,512 ports: 1 - (1 - 256/64512)^1536 = 99.8 %, and 98 of 100 attempts are over
 * with the first 1,000. Many providers give a subscriber one block of ports. If those seen so far lie in one,
 * it is guessed in first, and 64 sockets are enough: more could take all that the subscriber has. A provider
 * with several outside addresses gets its guesses at all of them in turn.
 *
 * Or one attempt to meet where both keep port numbers. A router that answers for itself what nobody inside
 * has asked for, as Linux without a firewall on its outside does, remembers that as a flow of its own; who is
 * inside and writes to the same remote side a moment later gets another port, which nobody knows, and keeps
 * that for others (docs/decisions/0051). Nothing helps but that both write before either arrives. So both
 * open a row of fresh ports, which no datagram has spoilt yet, and each pair of them is tried once, from both
 * sides at one moment.
 */
#ifndef TM_CONTROL_PATH_BIRTHDAY_H
#define TM_CONTROL_PATH_BIRTHDAY_H

#include "base/time.h"
#include "wire/stun.h"

enum {
	BIRTHDAY_SOCKETS = 256,
	BIRTHDAY_SOCKETS_IN_BLOCK = 64,
	BIRTHDAY_GUESSES = 1536,
	BIRTHDAY_IN_BLOCK = 256, /* of these, in the block and around it, of each address */
	BIRTHDAY_ROUNDS = 5, /* of the hard side: each socket sends so often */
	BIRTHDAY_BATCH = 10, /* datagrams in BIRTHDAY_PACE */
	BIRTHDAY_ADDRESSES = STUN_GUESS_MAX,
	BIRTHDAY_LOWEST = 1024, /* port that is guessed */
	BIRTHDAY_MEETINGS = 256, /* fresh ports of either side */
	BIRTHDAY_BURST = 192, /* of these at the moment, one right after the other, which takes some 5 ms */
	BIRTHDAY_MEETINGS_BATCH = 8, /* then at once */
	/* Datagrams of an attempt to where nobody but the peer says that the peer is: 98 of 100 blocks of 512
	 * ports are met by so many, and of all other ports one in eight. */
	BIRTHDAY_UNSEEN = 32,
};
/* 2,500 in a second, 3 Mbit/s: half of the guesses that are right are among the first 175, 95 of 100 among
 * the first 750, which is 300 ms. All is over in less time than a router needs to be bothered by it. */
#define BIRTHDAY_PACE (4 * MS)
/* Until each socket of the hard side sends again: what was lost, or met a translator that was not open yet,
 * gets through later. Twice as long each time. */
#define BIRTHDAY_AGAIN (150 * MS)
#define BIRTHDAY_FOR (2750 * MS) /* then it is over */
#define BIRTHDAY_HINT (600 * MS) /* something came: its check is waited for so long before the next guess */
/* The two sides may be wrong about the moment, and what their lines inside take is not the same. The batches
 * after the burst leave MEETS sooner and later by up to this: where the line between the routers takes some
 * milliseconds one of them crosses the other side's, and where one router alone is the cause it is enough
 * that its own inside is first. */
#define BIRTHDAY_LEAD (40 * MS)

/* Of an address of the hard side: where to guess first. */
struct birthday_block {
	struct ip ip;
	uint16_t base; /* aligned to: */
	uint16_t size; /* a power of two; 0: the ports seen do not suggest any */
};

struct birthday {
	enum stun_guess_role role; /* ours */
	ns_t began, due;
	unsigned most; /* datagrams; 0: as many as the role has */
	/* OPENS, OFFERS, MEETS */
	struct endpoint to;
	uint32_t sockets[BIRTHDAY_SOCKETS]; /* the plane's numbers */
	bool hit[BIRTHDAY_SOCKETS]; /* something came by it */
	uint8_t asked[BIRTHDAY_SOCKETS]; /* so many questions, to 2 */
	unsigned n_sockets, round, next;
	ns_t round_began; /* OFFERS, MEETS: the moment of the first batch */
	/* GUESSES */
	struct birthday_block blocks[BIRTHDAY_ADDRESSES];
	unsigned n_blocks, guessed;
	uint32_t dice;
};

/*
 * Begins. `seen`: where the world sees the hard side. OPENS: `to` is the easy side's address, and nothing is
 * sent before there are sockets. GUESSES: random is any number.
 */
void birthday_begin(struct birthday *b, enum stun_guess_role role, const struct endpoint *to,
	const struct stun_guess *seen, uint32_t random, ns_t now);
/* The same for OFFERS and MEETS. at: the moment that both agreed on; to: the first of the other side's ports.
 */
void birthday_meet(
	struct birthday *b, enum stun_guess_role role, const struct endpoint *to, ns_t at, ns_t now);
/* GUESSES: only at those addresses; what the others suggest of blocks stays. */
void birthday_only_at(struct birthday *b, const struct stun_guess *at);
/* No more datagrams than so many. */
void birthday_limit(struct birthday *b, unsigned most);
/* How many sockets whoever is seen there should open. */
unsigned birthday_sockets(const struct stun_guess *seen);
/* OFFERS and MEETS: in the order of their ports; 0: that one could not be had. */
void birthday_opened(struct birthday *b, const uint32_t *sockets, size_t n, ns_t now);

/* The next datagram (*ret_socket 0: by the socket that everybody has). False: nothing to be sent until
 * b->due. */
bool birthday_step(struct birthday *b, ns_t now, uint32_t *ret_socket, struct endpoint *ret_to);
/* Something authentic came by that socket; question: it was one. */
void birthday_hint(struct birthday *b, uint32_t socket, bool question, ns_t now);
/* At the end: is that one of the sockets by which the peer was found and that stay open,
 * BIRTHDAY_SOCKETS_IN_BLOCK at most besides the one in use? The peer may use those by which it has checked
 * its path. A guess is sent once, so a second question was such a check, and where its guess got lost the
 * only one was. */
void birthday_kept(const struct birthday *b, bool ret_kept[static BIRTHDAY_SOCKETS]);
bool birthday_is_over(const struct birthday *b, ns_t now);

/* The n-th guess, from 0; n < BIRTHDAY_GUESSES. For tests, too. */
struct endpoint birthday_guess(const struct birthday *b, unsigned n);

#endif
