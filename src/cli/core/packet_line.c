/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/packet_line.h"

#include <stdio.h>
#include <string.h>

#include "base/plain.h"
#include "packet/ip.h"

enum { PROTO_TEXT_LEN = 24, FLAGS_TEXT_LEN = 48, TCP_FLAGS_AT = 13 };

static const char *proto_text(uint8_t proto, char buf[static PROTO_TEXT_LEN])
{
	static const struct {
		uint8_t proto;
		const char *name;
	} rows[] = {{PROTO_TCP, "TCP"}, {PROTO_UDP, "UDP"}, {PROTO_ICMP, "ICMP"}, {PROTO_ICMP6, "ICMPv6"},
		{PROTO_SCTP, "SCTP"}, {PROTO_DCCP, "DCCP"}, {PROTO_UDP_LITE, "UDP-Lite"}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].proto == proto)
			return rows[i].name;
	snprintf(buf, PROTO_TEXT_LEN, "protocol %u", proto);
	return buf;
}

static const char *tcp_flags(uint8_t flags, char buf[static FLAGS_TEXT_LEN])
{
	static const struct {
		uint8_t flag;
		const char *name;
	} rows[] = {{TCP_SYN, " SYN"}, {TCP_FIN, " FIN"}, {TCP_RST, " RST"}, {TCP_ACK, " ACK"}};
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (flags & rows[i].flag)
			at += (size_t)snprintf(buf + at, FLAGS_TEXT_LEN - at, "%s", rows[i].name);
	return buf;
}

/* What more is said of what lies inside, "" = nothing. The fixed part of it has to be here. */
static const char *details(const struct ip_view *v, size_t here, char buf[static FLAGS_TEXT_LEN])
{
	const uint8_t *l4 = v->p + v->l4;

	buf[0] = '\0';
	if (!(v->flags & IP_UPPER))
		return buf;
	if (v->proto == PROTO_TCP && (size_t)v->l4 + TCP_FLAGS_AT < here)
		return tcp_flags(l4[TCP_FLAGS_AT], buf);
	if ((v->proto == PROTO_ICMP || v->proto == PROTO_ICMP6) && (size_t)v->l4 + 2 <= here)
		snprintf(buf, FLAGS_TEXT_LEN, " type %u code %u", l4[0], l4[1]);
	return buf;
}

static void ends(
	const struct ip_view *v, char from[static ENDPOINT_STR_LEN], char to[static ENDPOINT_STR_LEN])
{
	const struct endpoint src = {.ip = ip_src_of(v), .port = v->sport};
	const struct endpoint dst = {.ip = ip_dst_of(v), .port = v->dport};

	if (v->flags & IP_PORTS) {
		endpoint_format(&src, from);
		endpoint_format(&dst, to);
	} else {
		ip_format(&src.ip, from);
		ip_format(&dst.ip, to);
	}
}

/* False: it is no IP packet, or too little of it is here. */
static bool view(const struct pcapng_packet *p, struct ip_view *ret_v)
{
	return ip_view_of(p->p, p->kept, ret_v) == TM_OK ||
	       (p->kept < p->n && ip_view_of_quote(p->p, p->kept, ret_v) == TM_OK);
}

const char *packet_line(const struct pcapng_packet *p, char buf[static PACKET_LINE_LEN])
{
	char from[ENDPOINT_STR_LEN], to[ENDPOINT_STR_LEN], proto[PROTO_TEXT_LEN], more[FLAGS_TEXT_LEN];
	const char *way = p->out ? "out" : "in ";
	struct ip_view v;
	size_t at;

	if (view(p, &v)) {
		ends(&v, from, to);
		at = (size_t)snprintf(buf, PACKET_LINE_LEN, "%s  %s%s %s > %s%s, %u bytes", way,
			v.flags & IP_FRAGMENT ? "fragment of " : "", proto_text(v.proto, proto), from, to,
			details(&v, p->kept, more), p->n);
	} else {
		at = (size_t)snprintf(buf, PACKET_LINE_LEN, "%s  %u bytes", way, p->n);
	}
	if (p->comment_n && at < PACKET_LINE_LEN)
		snprintf(buf + at, PACKET_LINE_LEN - at, ", %.*s", (int)p->comment_n, p->comment);
	return plain_make(buf);
}
