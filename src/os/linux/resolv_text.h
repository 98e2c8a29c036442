/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which way of Linux's fits what was found on a machine, and resolv.conf(5) with our lines and without them.
 * Pure; os/linux/resolv.c does what follows.
 */
#ifndef TM_OS_LINUX_RESOLV_TEXT_H
#define TM_OS_LINUX_RESOLV_TEXT_H

#include "base/addr.h"
#include "os/resolv.h"

enum {
	RESOLV_RESOLVED =
		OS_RESOLV_OWN, /* systemd-resolved is told which zones are asked for at our interface */
	RESOLV_RESOLVCONF, /* resolvconf(8), Debian's or openresolv, is told of a server */
	RESOLV_FILE, /* lines of ours in resolv.conf */
};

/* What was found. Texts are borrowed. */
struct resolv_found {
	bool shared; /* this network is not the machine's, and resolv.conf perhaps is */
	const char *conf, *nsswitch; /* contents; NULL: there is no such file */
	bool resolved; /* systemd-resolved runs, and resolvectl reaches it */
	bool resolvconf; /* there is a program of that name */
	bool writable; /* resolv.conf, or where it would be */
};

/* The way, and a sentence why it is that one; what cannot be done is not chosen, wished for or not. */
unsigned resolv_choose(const struct resolv_found *f, unsigned wish, const char **ret_why);

/* What is ours in resolv.conf. */
struct resolv_ours {
	const char *who; /* an interface's name, by which our lines are marked */
	struct ip server;
	const char *search; /* a zone in which names of one word are looked for as well; NULL: none */
};
/*
 * The text with a server of ours before the others, in marked lines: programs ask it first, and go on to the
 * next when it refuses, as it does with names of others (RFC 1035 4.1.1). What is searched stands at the end,
 * as the last line of its kind is the one that counts (resolv.conf(5)): what was searched before, then ours.
 * NULL: no memory. What is ours in it already is replaced.
 */
char *resolv_with(const char *conf, const struct resolv_ours *ours);
/* The text without those lines, which is the one from before. NULL: no memory. */
char *resolv_without(const char *conf, const char *who);
bool resolv_names(const char *conf, const struct ip *server); /* one of its servers is that one */
/*
 * The first server of that family that is neither this machine, nor the link alone, nor in one of these n
 * networks, which are the mesh's own. False: there is none.
 */
bool resolv_server(const char *conf, enum ip_family family, const struct prefix *not_in, size_t n,
	struct ip *ret_server);
/* What the machine's owner should know of that file; NULL: nothing. */
const char *resolv_doubt(const char *conf);

#endif
