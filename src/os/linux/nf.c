/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * nfnetlink by hand: messages of one transaction lie one behind the other in a buffer, between a begin and an
 * end (linux/netfilter/nfnetlink.h). The kernel works them off within the send, and what it does not like
 * waits in the socket when that returns. That it liked the others it is not asked to say: of some 220 answers
 * a socket is full. Numbers in attributes are big-endian.
 */
#include "os/linux/nf.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "os/linux/nf_private.h"

enum { NAME_MAX_LEN = 32 };

struct nf_table {
	char name[NAME_MAX_LEN];
	int fd;
	/* set once */
	bool lasting;
	uint8_t family; /* NFPROTO_* */
	/* changes */
	bool there, looked, unowned;
};

/* --- attributes --- */

static bool grow(struct nf_batch *b, size_t n)
{
	const size_t room = MAX((size_t)8192, 2 * n);
	uint8_t *buf = n <= NF_BATCH_MAX ? realloc(b->buf, room) : NULL;

	if (!buf) {
		b->err = n <= NF_BATCH_MAX ? TM_ENOMEM : TM_EFULL;
		return false;
	}
	b->buf = buf;
	b->room = room;
	return true;
}

/* Good until the next one. */
static void *room(struct nf_batch *b, size_t n)
{
	const size_t aligned = NLMSG_ALIGN(n);

	if (b->err || (b->n + aligned > b->room && !grow(b, b->n + aligned)))
		return NULL;
	void *at = b->buf + b->n;
	memset(at, 0, aligned);
	b->n += aligned;
	return at;
}

void nf_put(struct nf_batch *b, unsigned type, const void *p, size_t n)
{
	struct nlattr *a = room(b, NLA_HDRLEN + n);

	if (!a)
		return;
	a->nla_type = (uint16_t)type;
	a->nla_len = (uint16_t)(NLA_HDRLEN + n);
	if (n)
		memcpy((uint8_t *)a + NLA_HDRLEN, p, n);
}

void nf_put_text(struct nf_batch *b, unsigned type, const char *s)
{
	nf_put(b, type, s, strlen(s) + 1);
}

void nf_put_u32(struct nf_batch *b, unsigned type, uint32_t v)
{
	uint8_t be[4];

	put_be32(be, v);
	nf_put(b, type, be, sizeof(be));
}

size_t nf_nest(struct nf_batch *b, unsigned type)
{
	const size_t at = b->n;

	nf_put(b, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nf_nest_end(struct nf_batch *b, size_t at)
{
	if (!b->err)
		((struct nlattr *)(void *)(b->buf + at))->nla_len = (uint16_t)(b->n - at);
}

/* --- messages --- */

void nf_message(struct nf_batch *b, unsigned type, unsigned family, unsigned flags, uint16_t resource)
{
	struct nlmsghdr *h;
	struct nfgenmsg *g;

	b->message = b->n;
	h = room(b, NLMSG_HDRLEN + sizeof(*g));
	if (!h)
		return;
	h->nlmsg_type = (uint16_t)type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++b->seq;
	g = NLMSG_DATA(h);
	g->nfgen_family = (uint8_t)family;
	g->version = NFNETLINK_V0;
	put_be16((uint8_t *)&g->res_id, resource);
}

static void message_end(struct nf_batch *b)
{
	if (!b->err)
		((struct nlmsghdr *)(void *)(b->buf + b->message))->nlmsg_len = (uint32_t)(b->n - b->message);
}

void nf_begin(struct nf_batch *b, unsigned what, unsigned flags)
{
	nf_message(b, NFNL_SUBSYS_NFTABLES << 8 | what, b->family, flags, 0);
}

void nf_end(struct nf_batch *b)
{
	message_end(b);
}

static void bracket(struct nf_batch *b, unsigned type)
{
	nf_message(b, type, AF_UNSPEC, 0, NFNL_SUBSYS_NFTABLES);
	message_end(b);
}

int nf_send(int fd, const void *p, size_t n)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	const int room = (int)n; /* the kernel makes it twice that */

	/* A transaction is one message to the socket, and by default 208 KiB are its longest. */
	if (n > 64 * 1024)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return sendto(fd, p, n, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0 ? errno : 0;
}

/* The first error among what the kernel said, 0 = there is none. */
static int answers(int fd)
{
	_Alignas(struct nlmsghdr) uint8_t buf[8192];
	ssize_t n;
	int first = 0;

	for (;;) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0)
			break;

		size_t left = (size_t)n;

		for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, left);
			h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type == NLMSG_ERROR && e->error && !first)
				first = -e->error;
		}
	}
	return n < 0 && errno != EAGAIN && !first ? errno : first;
}

/* --- the table --- */

static void table_begin(struct nf_batch *b, const struct nf_table *t, unsigned what, unsigned flags)
{
	nf_begin(b, what, flags);
	nf_put_text(b, NFTA_TABLE_NAME, t->name);
}

static void drop_table(struct nf_batch *b, const struct nf_table *t)
{
	table_begin(b, t, NFT_MSG_DELTABLE, 0);
	nf_end(b);
}

static void make_table(struct nf_batch *b, const struct nf_table *t)
{
	table_begin(b, t, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
	if (!t->unowned)
		nf_put_u32(b, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	nf_end(b);
}

/* errno, 0 = done */
static int transact(struct nf_table *t, bool drop, nf_build_fn *build, const void *ctx)
{
	struct nf_batch b = {.table = t->name, .family = t->family};

	bracket(&b, NFNL_MSG_BATCH_BEGIN);
	if (drop)
		drop_table(&b, t);
	if (build) {
		make_table(&b, t);
		build(&b, ctx);
	}
	bracket(&b, NFNL_MSG_BATCH_END);
	int e = b.err == TM_EFULL ? EFBIG : b.err ? ENOMEM : nf_send(t->fd, b.buf, b.n);
	free(b.buf);
	return e ? e : answers(t->fd);
}

int nf_socket(int *ret_fd)
{
	const struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	const int on = 1;

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		return errno;
	/* Where one thing is wrong, all that builds on it is: the first matters, and what else there is no
	 * room for is lost in silence. Linux 2.6.30 and 4.3; without them, one sentence is a worse one. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int open_socket(struct nf_table *t)
{
	return t->fd >= 0 ? 0 : nf_socket(&t->fd);
}

static int explain(struct diag *d, int e)
{
	if (e == EPERM || e == EACCES)
		return diag_what(d, TM_EPERM, "nftables may not be used by this process");
	if (e == EPROTONOSUPPORT || e == ENOENT || e == EOPNOTSUPP || e == EAFNOSUPPORT) {
		diag_hint(d,
			"it needs nf_tables with NAT (CONFIG_NF_TABLES_INET, CONFIG_NFT_MASQ, for some of it "
			"CONFIG_NFT_FIB_INET and CONFIG_NFT_REJECT_INET), Linux 5.7 or later");
		return diag_what(
			d, TM_EUNSUPPORTED, "this kernel lacks something of nftables: %s", strerror(e));
	}
	if (e == EFBIG)
		return diag_what(d, TM_EFULL, "nftables: these are too many rules for one table");
	return diag_what(d, tm_err_from_errno(e), "nftables: %s", strerror(e));
}

int nf_replace(struct nf_table *t, nf_build_fn *build, const void *ctx, struct diag *d)
{
	int e;

	if (!build && !t->there && t->looked)
		return TM_OK;
	e = open_socket(t);
	if (!e)
		e = transact(t, t->there || !build, build, ctx);
	if (!build && e == ENOENT)
		e = 0;
	if (build && e == ENOENT && t->there) /* somebody flushed what is nobody's */
		e = transact(t, false, build, ctx);
	/* Left by a run of a kernel without owners, or by who made it by hand. */
	if (e == EEXIST && !t->there)
		e = transact(t, true, build, ctx);
	if ((e == EINVAL || e == EOPNOTSUPP) && build && !t->unowned && !t->there) {
		t->unowned = true;
		e = transact(t, false, build, ctx);
		if (e == EEXIST)
			e = transact(t, true, build, ctx);
	}
	if (e)
		return explain(d, e);
	t->there = build != NULL;
	t->looked = true;
	return TM_OK;
}

static int make(const char *name, bool lasting, uint8_t family, struct nf_table **ret_table)
{
	struct nf_table *t = calloc(1, sizeof(*t));

	if (!t)
		return TM_ENOMEM;
	t->fd = -1;
	t->lasting = t->unowned = lasting;
	t->family = family;
	memcpy(t->name, name, strnlen(name, NAME_MAX_LEN - 1));
	*ret_table = t;
	return TM_OK;
}

int nf_new(const char *name, struct nf_table **ret_table)
{
	return make(name, false, NFPROTO_INET, ret_table);
}

int nf_new_lasting(const char *name, struct nf_table **ret_table)
{
	return make(name, true, NFPROTO_INET, ret_table);
}

int nf_new_arp(const char *name, struct nf_table **ret_table)
{
	return make(name, false, NFPROTO_ARP, ret_table);
}

bool nf_is_there(struct nf_table *t)
{
	struct nf_batch b = {.family = t->family};

	if (open_socket(t) != 0)
		return false;
	table_begin(&b, t, NFT_MSG_GETTABLE, NLM_F_ACK);
	nf_end(&b);
	const bool there = !b.err && nf_send(t->fd, b.buf, b.n) == 0 && answers(t->fd) == 0;
	free(b.buf);
	return there;
}

void nf_free(struct nf_table *t)
{
	if (!t)
		return;
	if (t->there && !t->lasting)
		(void)!nf_replace(t, NULL, NULL, NULL); /* else the socket's end takes it along */
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}
