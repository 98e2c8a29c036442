/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How this machine's programs come to ask our server for names of the mesh, and go on asking others for the
 * rest: which way fits what was found here, and resolv.conf(5) with our lines and without them. Pure; what is
 * done about it is the node's (node/resolving.h).
 */
#ifndef TM_DNS_RESOLV_H
#define TM_DNS_RESOLV_H

#include "base/addr.h"
#include "base/err.h"
#include "base/time.h"

enum resolv_mode {
	RESOLV_NONE, /* nothing is changed */
	RESOLV_RESOLVED, /* systemd-resolved is told which zones are asked for at our interface */
	RESOLV_RESOLVCONF, /* resolvconf(8), Debian's or openresolv, is told of a server */
	RESOLV_FILE, /* lines of ours in resolv.conf */
	RESOLV_MODE_N,
};
const char *resolv_mode_name(enum resolv_mode m); /* "none", "resolved", "resolvconf", "file" */

/* What was found. Texts are borrowed. */
struct resolv_found {
	bool shared; /* this network is not the machine's, and resolv.conf perhaps is */
	const char *conf, *nsswitch; /* contents; NULL: there is no such file */
	bool resolved; /* systemd-resolved runs, and resolvectl reaches it */
	bool resolvconf; /* there is a program of that name */
	bool writable; /* resolv.conf, or where it would be */
};

enum resolv_wish {
	RESOLV_AUTO,
	RESOLV_WISH_NONE,
	RESOLV_WISH_RESOLVED,
	RESOLV_WISH_RESOLVCONF,
	RESOLV_WISH_FILE
};

/* The way, and a sentence why it is that one; what cannot be done is not chosen, wished for or not. */
enum resolv_mode resolv_choose(const struct resolv_found *f, enum resolv_wish wish, const char **ret_why);

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

/*
 * How often what somebody else rewrote is put back: a few times, and again after it was left alone a while.
 * Who does not put it back may write it later, and is then as impatient as before, until that was left alone.
 */
struct resolv_patience {
	unsigned times;
	ns_t last;
};
enum { RESOLV_PUT_BACK_MAX = 5 };
#define RESOLV_QUIET (5 * SEC)
bool resolv_may_put_back(struct resolv_patience *p, ns_t now); /* and notes it */
void resolv_wrote(struct resolv_patience *p, ns_t now); /* without having been asked to put it back */

#endif
