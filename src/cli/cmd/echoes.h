/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * When echo requests leave, and which of them are answered, late, or lost. Pure: the caller has the socket
 * and the clock.
 *
 *  - A request leaves at every interval, whatever came back: what is sent may be what mends the tunnel. With
 * an interval of 0 the next leaves when one is answered, at the latest after 10 ms.
 *  - Until anything came back a request is waited for as long as a handshake may take; after that twice the
 *    longest round trip, within bounds. Then it is told as lost, once.
 *  - An answer counts whenever it comes, as long as its request is remembered.
 *  - It is over when all have left and each was answered or told as lost.
 */
#ifndef TM_CLI_CMD_ECHOES_H
#define TM_CLI_CMD_ECHOES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

enum { ECHOES_REMEMBERED = 1024 }; /* a power of two, and less than a sequence number counts */

struct echoes {
	/* set once */
	uint32_t count; /* 0 = until they are stopped */
	ns_t interval;

	uint32_t sent, received;
	uint32_t settled; /* all up to this number are answered or told as lost */
	ns_t next; /* the next one leaves; 0: at once */
	ns_t min, max, sum; /* round trips of those received */
	struct {
		ns_t sent_at;
		bool answered;
	} recent[ECHOES_REMEMBERED]; /* by number */
};

struct echo {
	uint32_t n; /* from 1; its low 16 bits are the sequence number */
	ns_t took; /* from its leaving until now */
};

enum echoes_act {
	ECHOES_SEND, /* send number n now */
	ECHOES_LOST, /* tell that number n did not come back in the time it took */
	ECHOES_WAIT, /* for an answer, until *ret_until */
	ECHOES_DONE,
};

/* To be called until it says ECHOES_WAIT or ECHOES_DONE, and again then. */
enum echoes_act echoes_next(struct echoes *e, ns_t now, struct echo *ret_echo, ns_t *ret_until);
/* An answer came. False when it answers nothing that is remembered, or is a duplicate. */
bool echoes_answered(struct echoes *e, ns_t now, uint16_t seq, struct echo *ret_echo);
/* Interrupted: what is still waited for is neither answered nor lost and does not count as sent; but it does
 * when it is all there is to tell. */
void echoes_stop(struct echoes *e);

#endif
