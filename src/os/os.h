/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The only door to the platform for everything but the data plane (os/tun.h, os/udp.h are the workers'
 * doors). Implemented once per system in os/linux/ (os/posix/ for what all Unixes share). Control thread or
 * CLI.
 */
#ifndef TM_OS_OS_H
#define TM_OS_OS_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/time.h"
#include "os/process.h"

struct event_base;

/* --- interface configuration: os/linux/ifconf.c, iflook.c (libnl-route-3) --- */
/* Sets addresses (with the mesh prefixes' lengths, so the kernel adds the on-link routes) and brings the link
 * up. Everything vanishes with the TUN. */
NODISCARD int os_if_configure(const char *ifname, const struct prefix *addrs, size_t n, struct diag *d);
/*
 * Puts back what somebody took away of it: the link being up, its addresses, the routes of their prefixes.
 * What others added stays. ret_restored says what was missing, also after a failure; IPv6 that is disabled is
 * none.
 */
struct os_if_restored {
	bool link;
	unsigned addresses, routes;
};
NODISCARD int os_if_restore(const char *ifname, const struct prefix *addrs, size_t n,
	struct os_if_restored *ret_restored, struct diag *d);
/* Whether IPv6 is not disabled there, or on this host: by which os_if_configure carries on without. */
bool os_if_has_ip6(const char *ifname);
/* Does a route or address of this host, other than on interface `except` (may be NULL), overlap p? Default
   routes do not count, nor those to single addresses in other tables than the main one. TM_EEXIST with a
   sentence naming the route and the interface. */
NODISCARD int os_prefix_in_use(const struct prefix *p, const char *except, struct diag *d);
/*
 * Usable unicast addresses of this host for candidates: up, not loopback, not deprecated or tentative, not on
 * `except`, nor on the interface of another node of ours on this host (known by its alias, set by
 * os_if_configure), nor on anything that sends through either, nor of the networks of this host's containers
 * and virtual machines. mark: of the sockets that they are for. First those by which most others reach us,
 * both families in turn: os/linux/useful.h.
 */
size_t os_local_addresses(const char *except, uint32_t mark, struct ip *out, size_t max);

/* All that this host takes as its own, broadcast and anycast too, but what is on `except`. To be freed. */
NODISCARD int os_own_addresses(const char *except, struct ip **ret_v, size_t *ret_n, struct diag *d);

/* --- routes: os/linux/route.c --- */
struct os_routes;
/* `own`: our TUN; mark: that of the sockets whose packets the answers are about. */
NODISCARD int os_routes_new(const char *own, uint32_t mark, struct os_routes **ret_routes, struct diag *d);
void os_routes_free(struct os_routes *r);
/* Interfaces have changed: look at them again. */
void os_routes_forget(struct os_routes *r);

enum os_route_kind {
	OS_ROUTE_NONE, /* there is none */
	OS_ROUTE_PLAIN,
	OS_ROUTE_TUNNEL, /* through a tunnel of somebody else */
	OS_ROUTE_MESH, /* through a TunnelMesh of this host, or what lies on it: a VXLAN between mesh
			  addresses */
};
struct os_route {
	enum os_route_kind kind;
	uint32_t ifindex; /* by which a packet would leave; 0 = none */
	struct ip source; /* that it would have, IP_NONE = unknown */
};
/* As the kernel would send a packet now; `from`: with that source, IP_NONE or NULL = of its choice. Some
 * microseconds. */
void os_route_to(struct os_routes *r, const struct ip *to, const struct ip *from, struct os_route *ret_route);

/* Do packets to the internet leave by this host itself, or by a tunnel of somebody else, but not by the mesh?
 * By which interface: ret_ifindex, if not NULL. */
bool os_internet(struct os_routes *r, enum ip_family family, uint32_t *ret_ifindex);
/*
 * The next hop of packets to the internet, with the interface where it takes that to say which is meant, and
 * the source that they have. IP_NONE: there is none, as on a point-to-point link, or it is a tunnel's.
 */
void os_gateway(
	struct os_routes *r, enum ip_family family, struct endpoint *ret_gateway, struct ip *ret_source);

/* --- routes of ours into networks behind members: os/linux/ownroutes.c --- */
struct os_own_route {
	struct prefix prefix;
	bool barred; /* before: no route shall lead there */
	bool there; /* afterwards: it leads through our interface */
	/* It does not because this machine is in that network itself, or has another route there. */
	struct prefix conflict; /* family IP_NONE: there is none */
	char conflict_if[16];
};
/*
 * From now on the routes of ours through that interface, known by their protocol number, are these, but for
 * those that would take from this machine what it has itself: a network that it is in and which holds all of
 * theirs, or a route of the very same prefix. Routes inside of theirs stay in force, being more specific.
 * They vanish with the interface.
 */
NODISCARD int os_own_routes(const char *ifname, struct os_own_route *v, size_t n, struct diag *d);

uint32_t os_interface_index(const char *ifname); /* 0 = there is none */

/* --- being a router: os/linux/nat.c, forwarding.c --- */
struct os_nat;
/* What comes in by the tunnel for that network; one of no length: for whatever is in no other one. */
struct os_nat_net {
	struct prefix prefix;
	bool masquerade; /* leaves with an address of this host */
};
/* ifname: the tunnel's; mark: that of the daemon's sockets. There are no rules yet, nor those of an earlier
 * run. */
NODISCARD int os_nat_new(const char *ifname, uint32_t mark, struct os_nat **ret_nat);
void os_nat_free(struct os_nat *t); /* with all its rules; NULL is fine */
/*
 * Rules for these networks, and segments of TCP that fit the tunnel both ways; n = 0: no rules at all. Again
 * and again: the way to the internet leaves out the networks that this host is in by now, unless they are
 * among these. By the tunnel calls who is in one that is to be seen by its address, and this host.
 */
NODISCARD int os_nat_set(struct os_nat *t, const struct os_nat_net *v, size_t n, struct diag *d);
/*
 * For the next os_nat_set: the servers that resolve names for who asks at os_exit_resolver, of each family;
 * IP_NONE = none does.
 */
void os_nat_resolvers(struct os_nat *t, const struct ip *v4, const struct ip *v6);
/*
 * For the next os_nat_set: packets of the family that come in by this interface are forwarded on our account
 * alone, NULL: by whichever. So they are for the tunnel, or answers, or for guests of this host.
 */
void os_nat_opened(struct os_nat *t, enum ip_family family, const char *ifname);
/*
 * "ip filter FORWARD": a chain of somebody's that drops what is only passing through, unless a rule lets it;
 * and there is none that lets through what comes in by the interface, or none for what goes out by it.
 */
bool os_forward_drops(enum ip_family family, const char *ifname, char *buf, size_t n);

/*
 * Rules of os_nat and os_fence of a run with that interface, which one that was killed leaves where tables
 * have no owners (before Linux 5.12): whether there are any; and takes them away, true: there were any.
 */
bool os_rules_left(const char *ifname);
bool os_rules_undo(const char *ifname);

/* --- members come by the tunnel: os/linux/fence.c --- */
struct os_fence;
/* mark: that of the daemon's sockets. Nothing happens yet. */
NODISCARD int os_fence_new(const char *ifname, uint32_t mark, struct os_fence **ret_fence);
void os_fence_free(struct os_fence *f); /* with its rules; NULL is fine */
/*
 * From now on the addresses that this interface has are called by it, by this host and its guests, and from
 * the networks of `callers` by where these are: what else comes for them is dropped. Again and again: the
 * interface may have other addresses, the host other guests. TM_EUNSUPPORTED: the kernel lacks something.
 */
NODISCARD int os_fence_set(struct os_fence *f, const struct prefix *callers, size_t n, struct diag *d);

/*
 * The settings of the kernel (paths below /proc/sys) with which packets of a family that come in by these
 * interfaces may be forwarded, as narrowly as the kernel has them. value NULL: one that another, which is
 * said later, writes along.
 */
typedef void os_setting_fn(void *ctx, const char *name, const char *value);
void os_forwarding(enum ip_family family, const uint32_t *ifindexes, size_t n, os_setting_fn *fn, void *ctx);
/* TM_ENOENT: there is no such setting. What it holds goes to buf, without an end of line. */
NODISCARD int os_setting_get(const char *name, char *buf, size_t n);
NODISCARD int os_setting_set(const char *name, const char *value);

/* --- an exit in use: os/linux/exit.c --- */
struct os_exit;
/* The address at which an exit resolves names for those who use it: nobody's in the internet, and part of it
 * for every rule (docs/protocol.md). */
struct ip os_exit_resolver(enum ip_family family);
/* mark: that of all sockets whose packets do not go into the tunnel. Nothing happens yet. */
NODISCARD int os_exit_new(const char *ifname, uint32_t mark, struct os_exit **ret_exit);
void os_exit_free(struct os_exit *x); /* leaves what is held; NULL is fine */
/*
 * From now on, what this host sends goes into the tunnel, and questions for names that are for the network
 * around to the exit's resolver. Again and again: puts back what others took away. lan: but for the networks
 * that it is in. hold: when the interface vanishes, or this process ends, nothing leaves any more, until
 * somebody clears. unguarded has a sentence where routes are all that there is: nothing holds back what names
 * an interface, and answers to callers are not marked. TM_EBUSY: another daemon of this host uses one, or has
 * left one to hold.
 */
NODISCARD int os_exit_set(struct os_exit *x, bool lan, bool hold, struct diag *unguarded, struct diag *d);
/* As if there had never been one, unless another daemon of this host uses it, or has left it to hold. */
NODISCARD int os_exit_clear(struct os_exit *x, struct diag *d);
/* The interface that an earlier run had: what it left is this one's, until the next set or clear is through.
 */
void os_exit_former(struct os_exit *x, const char *ifname);
struct os_exit_left {
	bool any; /* there was something, which is gone now */
	char other[16]; /* the interface of another daemon, which uses one or has left it to hold; "" = none
			 */
};
/* Clears what a run with that interface has left. */
NODISCARD int os_exit_undo(const char *ifname, struct os_exit_left *ret_left, struct diag *d);

/* --- change notification: os/linux/netmon.c --- */
struct os_netmon;
/* What has changed; the later ones include those before. */
enum os_network {
	OS_NETWORK_ROUTES, /* a link, route or rule: for those who depend on that one */
	OS_NETWORK_ADDRESSES, /* the set of usable addresses of links that run: os_local_addresses() tells
				 whether others would find us there; those of containers' bridges they do not
			       */
	OS_NETWORK_DEFAULT, /* where the internet is, or it is not known what */
};
struct os_netmon_events {
	void *ctx;
	/*
	 * 200 ms after the first change of links, addresses, routes or rules, but for those of our own
	 * interface.
	 */
	void (*changed)(void *ctx, enum os_network what);
	/* 50 ms after the first change of our own interface, whoever made it. */
	void (*own)(void *ctx);
};
NODISCARD int os_netmon_new(struct event_base *base, const char *own, const struct os_netmon_events *ev,
	struct os_netmon **ret_mon);
void os_netmon_free(struct os_netmon *m);

/* --- after a sleep: os/linux/resume.c --- */
struct os_resume;
/* The machine has slept that long, a second at least, and is awake again. */
typedef void os_resume_fn(void *ctx, ns_t slept);
NODISCARD int os_resume_new(
	struct event_base *base, os_resume_fn *fn, void *ctx, struct os_resume **ret_resume);
void os_resume_free(struct os_resume *r); /* NULL is fine */

/* --- sockets: os/linux/socket.c --- */
/* From now on the socket hears and speaks through this interface only. errno says more than the result. */
NODISCARD int os_bind_to_device(int fd, const char *ifname);
/* The firewall mark (SO_MARK) of what the socket sends; 0 = none, always permitted. errno says more. */
NODISCARD int os_mark_socket(int fd, uint32_t mark);
/*
 * Sends a datagram by that interface to the discard port there. The descriptor is readable when an answer
 * came, which an ICMP error is as well. TM_EUNREACH and others: it could not be sent, errno says more.
 */
NODISCARD int os_knock(const char *ifname, const struct ip *from, const struct ip *to, int *ret_fd);
void os_knock_end(int fd);
/* Lets the socket be bound to an address that this host has not got yet. Best effort. */
void os_bind_early(int fd);
struct os_tcp_stats {
	uint32_t retransmits; /* segments sent again, since the connection began */
	uint32_t unacked_bytes; /* written by us and not yet confirmed by the other side */
};
/* False where the system cannot say. Any thread. */
bool os_tcp_stats(int fd, struct os_tcp_stats *ret_stats);

/* --- process, privileges, files: os/posix/ --- */
NODISCARD int os_check_privileges(struct diag *d); /* root or CAP_NET_ADMIN; TM_EPERM with a sentence */
bool os_is_root(void); /* this process may do what is an administrator's */
NODISCARD int os_check_tun(struct diag *d); /* /dev/net/tun can be opened */
/* No core dumps (RLIMIT_CORE, PR_SET_DUMPABLE), umask 077; keeps the readiness socket from our children.
 * First thing in a daemon. */
void os_harden(void);
/* Raises the soft limit of open descriptors to the hard one. */
void os_raise_descriptors(void);
unsigned os_cores(void); /* that are on; 1 at least */
size_t os_descriptors(void); /* how many this process may have open */
/* Free memory goes back to the system, from between what is in use too. Walks all of it: some milliseconds.
 */
void os_return_memory(void);
/* mkdir -p with mode; an existing directory must be ours and not group- or world-writable. */
NODISCARD int os_make_dir(const char *path, unsigned mode, struct diag *d);
/* Whole file (or pipe), at most max bytes (TM_ERANGE), NUL-terminated for convenience. Caller frees (and
 * wipes) *ret_text; ret_n may be NULL. */
NODISCARD int os_read_file(const char *path, size_t max, char **ret_text, size_t *ret_n, struct diag *d);
/* PATH.tmp in the same directory, fsync, rename, fsync of the directory. The old content survives every
 * failure, also a full disk. One writer at a time: whoever holds the directory's lock. */
NODISCARD int os_write_file(const char *path, const void *p, size_t n, unsigned mode, struct diag *d);
/* The same for one that must not be there yet: TM_EEXIST when it is, and then it is left as it is. errno says
 * more. */
NODISCARD int os_create_file(const char *path, const void *p, size_t n, unsigned mode, struct diag *d);
/*
 * Who beside its owner, and beside root, may do what to a file or folder. FOREIGN: its owner is neither root
 * nor who asks; UNSEEN: where it is may not be looked into. What is not there is exposed to nobody.
 */
enum { OS_OTHERS_READ = 1, OS_OTHERS_WRITE = 2, OS_FOREIGN = 4, OS_UNSEEN = 8 };
unsigned os_exposed(const char *path);
/* Another number after every change of the file (its time, its size, which one it is); 0: it is not there. */
uint64_t os_file_stamp(const char *path);
/*
 * Writes into the file that is there, or makes it, for everybody to read: what others mounted, linked,
 * labelled or watch stays what it is. At no moment is it empty. Not durable.
 */
NODISCARD int os_rewrite_file(const char *path, const void *p, size_t n, struct diag *d);
/* Would that work, and matter? Not through a link that leads nowhere, nor in a file that was replaced where
 * it is mounted from. */
bool os_can_rewrite(const char *path);
/* Where it is, links followed; the path itself where that cannot be said. */
void os_real_path(const char *path, char *buf, size_t n);
bool os_exists(const char *path); /* in whatever form; false when that cannot be seen */
/* Replaces what is at `to`; durable when it returns. Within one file system. */
NODISCARD int os_move_file(const char *from, const char *to, struct diag *d);
/*
 * Exclusive lock file, held until the descriptor closes; TM_EBUSY with the owner's pid in d. Where it can be
 * neither made nor written (a full disk, one that is read-only) the file as it is, or its directory, is
 * locked in its place: os/linux/lock.c.
 */
NODISCARD int os_lock_file(const char *path, int *ret_fd, struct diag *d);
/* The program that this process becomes (os/handover.h) has it from its first moment on. */
NODISCARD int os_lock_keep(int fd);
void os_unlock_file(int fd); /* -1 is fine */
/* The process that holds it; 0: nobody does, or the system does not say. */
os_pid os_lock_holder(const char *path);
/* This host's name made fit for a node: first label, lower case, letters, digits and inner hyphens; "node"
 * when nothing is left. */
void os_host_name(char *buf, size_t n);

/* --- service: os/linux/service.c --- */
bool os_systemd_is_init(void);
bool os_systemd_has_unit(const char *unit);
/* `systemctl VERB UNIT`, argument vector, no shell, within timeout. unit may be NULL. TM_EIO with its first
 * line of output when it fails. */
NODISCARD int os_systemctl(const char *verb, const char *unit, int timeout_ms, struct diag *d);
/*
 * Starts argv[0] as a daemon of its own session with stdin null and output appended to log_path, and waits
 * until it reports through os_daemon_ready or dies. A failure's sentence (os_daemon_failed) arrives in d. A
 * log that cannot be opened is no failure: unlogged says why nothing is written.
 */
NODISCARD int os_spawn_daemon(
	char *const argv[], const char *log_path, int timeout_ms, struct diag *unlogged, struct diag *d);
void os_daemon_ready(void); /* in the daemon: also sd_notify READY=1 when NOTIFY_SOCKET is set */
void os_daemon_failed(const char *sentence);
void os_daemon_stopping(void); /* sd_notify STOPPING=1 */

#endif
