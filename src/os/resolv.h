/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How this machine's programs come to ask our server for names of the mesh, and go on asking others for the
 * rest. By which of its ways a system does that is its own business, and so is what it has to look at for it.
 * What outlives us is told before it is done, as a text that undoes it, after a crash as well. (All names,
 * while an exit is in use, are the exit's: os_exit_set.) Everything here blocks: a helper thread, or the
 * command line. No clock but of programs that are run.
 */
#ifndef TM_OS_RESOLV_H
#define TM_OS_RESOLV_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"

/* Ways: to find out which one fits, to change nothing, and from here on those of this system. */
enum { OS_RESOLV_AUTO, OS_RESOLV_NONE, OS_RESOLV_OWN };
/* What they are called, by value; ends with NULL. */
extern const char *const os_resolv_ways[];

enum { OS_RESOLV_PLACE = 512, OS_RESOLV_NOTE_MAX = (1 << 16) + 1024 };

struct os_resolv {
	/* what is wanted */
	unsigned wish; /* a way; one that cannot be gone is not taken, wished for or not */
	char ifname[16]; /* our interface */
	struct ip server; /* that answers there, at port 53 */
	/* What it answers for: "mesh", "101.100.in-addr.arpa", ..., that of the names first; ends with NULL.
	 * Borrowed. */
	const char *const *zones;
	bool search; /* names of one word are looked for in the first of them as well */
	/* Keeps the text for os_resolv_undo, in the place of the one before. */
	int (*note)(void *ctx, const char *text, struct diag *d);
	void *ctx;
	/* what came of it */
	unsigned way;
	const char *why; /* it is that one; static */
	const char *doubt; /* what the machine's owner should know; static; NULL: nothing */
	bool changed; /* something was done: it was not so before */
	char place[OS_RESOLV_PLACE]; /* where it is done: the system's own */
	struct diag problem; /* of an error */
};

/* Which way, and where. Nothing is changed yet. */
void os_resolv_look(struct os_resolv *r);
/* What this text undoes is what would be done now. */
bool os_resolv_is_noted(const struct os_resolv *r, const char *text);
/* After a look: does what is missing. may_write false: what somebody else took away stays away (TM_EBUSY). */
NODISCARD int os_resolv_apply(struct os_resolv *r, bool may_write);
/* TM_ECORRUPT: the text makes no sense. */
NODISCARD int os_resolv_undo(const char *text, struct diag *d);

enum { OS_RESOLV_WATCHED = 3 };
/* The files by whose changes others undo it, and how many they are: 0 where that is not seen. Borrowed from
 * r, which was looked at. */
size_t os_resolv_watched(const struct os_resolv *r, const char *ret_paths[static OS_RESOLV_WATCHED]);

/*
 * Of each family, IPv4's first, the server that this machine's programs ask for names, or else who asks on
 * their behalf: neither this machine, nor of the link alone, nor in one of these n networks, which are the
 * mesh's own. False, and IP_NONE: there is none.
 */
bool os_resolv_servers(const struct prefix *not_in, size_t n, struct ip ret_v[static 2]);

#endif
