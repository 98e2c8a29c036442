/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * udp_steer of os/udp.h on Linux: a classic BPF program (SO_ATTACH_REUSEPORT_CBPF, socket(7)), which sees the
 * UDP payload, and the headers before it at negative offsets. It has no tables, so the sources are in its
 * text, each by a hash of its address and port: a source costs one comparison of a number. Who has the hash
 * of another by chance (one in four thousand million) shares its socket, and nothing else.
 *
 * Where IPv4 has options the port is behind them. IPv6's extension headers stand where the port is looked
 * for: who sends with them is no source that anybody named, but may be of a /64 that is cast.
 */
#include "base/bytes.h"
#include "os/linux/udp_private.h"

#include <linux/filter.h>
#include <linux/if_ether.h>

enum { MIX_INSTRUCTIONS = 7, WORD_INSTRUCTIONS = 1 + MIX_INSTRUCTIONS };
enum { HEAD_INSTRUCTIONS = 3 };
enum {
	PROGRAM_MAX = 9 * WORD_INSTRUCTIONS + 2 * UDP_SOURCES_MAX + 4 * UDP_CAST_MAX +
		      HEAD_INSTRUCTIONS * UDP_HEADS_MAX + 50
};
_Static_assert((int)PROGRAM_MAX <= BPF_MAXINSNS, "the kernel takes it");
#define MULTIPLIER UINT32_C(0x9e3779b1)
enum { FOLD = 15 };
/* Cells of the scratch memory: hash of what is loaded so far, in the end of the source; of its address, or of
 * IPv6 of its /64; whether the head is free. */
enum { CELL_HASH, CELL_ADDRESS, CELL_FREE };

/* Where the source is in the packet: header of the network layer, then of UDP. */
enum { SADDR4 = 12, SADDR6 = 8, PORT6 = 40 };

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short n;
};

static void put(struct program *p, struct sock_filter instruction)
{
	p->code[p->n++] = instruction;
}

static uint32_t mix(uint32_t h, uint32_t word)
{
	h = (h ^ word) * MULTIPLIER;
	return h ^ h >> FOLD;
}

/* The same, of what is loaded. */
static void put_mix(struct program *p)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LDX | BPF_MEM, CELL_HASH));
	put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, MULTIPLIER));
	put(p, (struct sock_filter)BPF_STMT(BPF_MISC | BPF_TAX, 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, FOLD));
	put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_ST, CELL_HASH));
}

static void put_word(struct program *p, unsigned short width, uint32_t at)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | width | BPF_ABS, (uint32_t)SKF_NET_OFF + at));
	put_mix(p);
}

/* The port, by the length that IPv4's header says it has. */
static void put_port4(struct program *p)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, (uint32_t)SKF_NET_OFF));
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_IND, (uint32_t)SKF_NET_OFF));
	put_mix(p);
}

static uint32_t hash_of(const struct ip *ip, size_t bytes, uint32_t salt)
{
	uint32_t h = salt;

	for (size_t i = 0; i < bytes; i += 4)
		h = mix(h, get_be32(ip->bytes + i));
	return h;
}

static uint32_t hash_of_source(const struct endpoint *ep, uint32_t salt)
{
	return mix(hash_of(&ep->ip, ep->ip.family == IP_V4 ? 4 : 16, salt), ep->port);
}

static uint32_t hash_of_cast(const struct endpoint *ep, uint32_t salt)
{
	return ep->port ? hash_of_source(ep, salt) : hash_of(&ep->ip, ep->ip.family == IP_V4 ? 4 : 8, salt);
}

static void put_source(struct program *p, uint32_t hash, unsigned socket)
{
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, hash, 0, 1));
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, socket));
}

/* Goes on behind itself with what begins with one of them, and whether that is free in its cell. */
static void put_heads(struct program *p, const struct udp_steering *by)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0));
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, by->least, 1, 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, by->nobodys));
	for (size_t i = 0; i < by->n_heads; i++) {
		const struct udp_head *h = &by->heads[i];
		/* Over the heads that follow and the return, to what is for both kinds. */
		const size_t over = HEAD_INSTRUCTIONS * (by->n_heads - 1 - i) + 1 + (h->free ? 2 : 0);

		put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, h->at));
		put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, h->mask));
		put(p, (struct sock_filter)BPF_JUMP(
			       BPF_JMP | BPF_JEQ | BPF_K, h->value, (unsigned char)over, 0));
	}
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, by->nobodys));
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1));
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, 1));
	put(p, (struct sock_filter)BPF_STMT(BPF_ST, CELL_FREE));
}

/* The hash of the source, and that of its address. */
static void put_hash(struct program *p, uint32_t salt)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, salt));
	put(p, (struct sock_filter)BPF_STMT(BPF_ST, CELL_HASH));
	put(p, (struct sock_filter)BPF_STMT(
		       BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_AD_OFF + SKF_AD_PROTOCOL));
	put(p, (struct sock_filter)BPF_JUMP(
		       BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IP, 0, 2 * WORD_INSTRUCTIONS + 3));
	put_word(p, BPF_W, SADDR4);
	put(p, (struct sock_filter)BPF_STMT(BPF_ST, CELL_ADDRESS));
	put_port4(p);
	put(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 5 * WORD_INSTRUCTIONS + 1));
	for (uint32_t i = 0; i < 16; i += 4) {
		put_word(p, BPF_W, SADDR6 + i);
		if (i == 4)
			put(p, (struct sock_filter)BPF_STMT(BPF_ST, CELL_ADDRESS));
	}
	put_word(p, BPF_H, PORT6);
}

/* Of those that are cast all, or those who are heard rarely. */
static void put_cast_of(struct program *p, const struct udp_steering *by, bool rarely)
{
	for (int whole = 0; whole < 2; whole++) {
		put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_MEM, whole ? CELL_ADDRESS : CELL_HASH));
		for (size_t i = 0; i < by->n_cast; i++)
			if (whole == (by->cast[i].from.port == 0) && (!rarely || by->cast[i].rarely))
				put_source(p, hash_of_cast(&by->cast[i].from, by->salt), by->nobodys);
	}
}

static void put_cast(struct program *p, const struct udp_steering *by)
{
	const uint32_t all = 2 + 2 * (uint32_t)by->n_cast;
	uint32_t rarely = 2;

	for (size_t i = 0; i < by->n_cast; i++)
		rarely += by->cast[i].rarely ? 2 : 0;
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_MEM, CELL_FREE));
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0));
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, by->free_most, 0, 1));
	put(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 3 + rarely + 1));
	/* Free: the lot, then those who are heard rarely. */
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_AD_OFF + SKF_AD_RANDOM));
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, by->heard_of - 1, 1, 0));
	put(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, rarely + 1 + all));
	put_cast_of(p, by, true);
	put(p, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, all));
	put_cast_of(p, by, false);
}

static void put_sources(struct program *p, const struct udp_steering *by)
{
	put_hash(p, by->salt);
	if (by->n_cast)
		put_cast(p, by);
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_MEM, CELL_HASH));
	for (size_t i = 0; i < by->n_sources; i++)
		put_source(p, hash_of_source(&by->sources[i].from, by->salt), by->sources[i].socket);
}

/* What is too short to have a first word ends a program with 0. */
static void put_lanes(struct program *p, const struct udp_steering *by)
{
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0));
	put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)by->first_byte << 24, 0, 3));
	put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, by->lane_at));
	put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, by->lanes));
	put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0));
}

bool udp_steer(const struct udp *any, const struct udp_steering *by)
{
	struct program p = {.n = 0};

	if (by->n_heads)
		put_heads(&p, by);
	if (by->others)
		put_sources(&p, by);
	put_lanes(&p, by);
	if (by->others) {
		put(&p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_MEM, CELL_HASH));
		put(&p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, by->lanes));
		put(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0));
	} else {
		/* A number beyond the sockets: by the kernel's hash, as without a program. */
		put(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT16_MAX));
	}
	const struct sock_fprog program = {.len = p.n, .filter = p.code};

	return setsockopt(any->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) == 0;
}
