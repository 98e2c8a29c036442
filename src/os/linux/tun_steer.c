/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * TUNSETSTEERINGEBPF. It takes no classic filter as sockets do; the program is eBPF (RFC 9669) with the
 * packet loads that Linux carries over from classic filters (Documentation/bpf/linux-notes.rst).
 */
#include "os/linux/tun_steer.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The last two bytes of the destination address (RFC 791 3.1, RFC 8200 3). */
enum { AT_VERSION = 0, AT_V4 = 18, AT_V6 = 38 };

/* Into r0, from the network's byte order; overwrites r1 to r5, the packet is in r6. */
#define LOAD(size, at)                                                                                       \
	{                                                                                                    \
		.code = BPF_LD | (size) | BPF_ABS, .imm = (at)                                               \
	}

/* r0 = the last two bytes; the kernel takes it modulo the number of queues. A packet too short for them: 0.
 */
static const struct bpf_insn program[] = {
	{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_6, .src_reg = BPF_REG_1}, /* for the loads */
	LOAD(BPF_B, AT_VERSION),
	{.code = BPF_ALU64 | BPF_RSH | BPF_K, .dst_reg = BPF_REG_0, .imm = 4},
	{.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .imm = 6, .off = 2},
	LOAD(BPF_H, AT_V4),
	{.code = BPF_JMP | BPF_EXIT},
	LOAD(BPF_H, AT_V6),
	{.code = BPF_JMP | BPF_EXIT},
};

int tun_steer_by_destination(int fd)
{
	/* It calls no helper that is reserved for programs under the GPL. */
	static const char license[] = "AGPL-3.0-or-later";
	union bpf_attr attr;

	/* Not by an initializer: the kernel refuses bytes that are set beyond the member in use. */
	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)program;
	attr.insn_cnt = ARRAY_LEN(program);
	attr.license = (uintptr_t)license;

	_cleanup_(closep) int loaded = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	/* The device keeps the program, not this descriptor. */
	if (loaded < 0 || ioctl(fd, TUNSETSTEERINGEBPF, &loaded) < 0)
		return tm_err_from_errno(errno);
	return TM_OK;
}
