/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The command line of the traffic tools: words of the form name=value, and an address with its port. */
#ifndef TM_LAB_WORDS_H
#define TM_LAB_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct word {
	const char *name;
	uint64_t *number; /* one of the two */
	const char **text;
};

/* Ends the program with a sentence when a word is unknown or has no such value. The table ends with a NULL
 * name. */
void words_read(char *const *argv, const struct word *table);
/* A numeric address; also ends the program. Returns the length. */
socklen_t words_address(const char *host, uint64_t port, struct sockaddr_storage *ret_address);
/* Prints "what: reason", and the system's error unless errno is 0, and ends the program. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

#endif
