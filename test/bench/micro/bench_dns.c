/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_dns: nanoseconds per question answered, octets to octets, in a mesh of 10,000: an address, with and
 * without EDNS, a name that is not there, and the name of an address. And of that: reading the question, and
 * writing the answer.
 */
#include <string.h>

#include "base/bytes.h"
#include "bench/micro/micro.h"
#include "dns/answer.h"

enum { MEMBERS = 10000, QUESTIONS = 20000 };

static struct mesh *mesh;
static struct dns_zone zone;
static struct dns_answerer answerer;

static void begin(void)
{
	const struct mesh_info info = {
		.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd, 0x5c}}, 64}};
	static const uint8_t key[32] = {1};

	if (mesh_new(&info, &mesh) != TM_OK)
		abort();
	for (uint32_t i = 1; i <= MEMBERS; i++) {
		struct node_rec r = {.host = i, .key = {(uint8_t)i, (uint8_t)(i >> 8)}};

		snprintf(r.id, sizeof(r.id), "%016x", i);
		snprintf(r.name, sizeof(r.name), "member-%u", i);
		if (mesh_add(mesh, &r) != TM_OK)
			abort();
	}
	const struct dns_zone_config cfg = {.name = MESH_ZONE_DEFAULT,
		.mesh = mesh,
		.net4 = info.net4,
		.net6 = info.net6,
		.self_id = "0000000000000002",
		.coordinator_key = key};
	if (dns_zone_init(&zone, &cfg) != TM_OK || dns_answerer_init(&answerer, &zone) != TM_OK)
		abort();
}

static size_t question(uint8_t *out, const char *text, uint16_t type, bool edns)
{
	struct dns_name name;

	if (dns_name_parse(text, &name) != TM_OK)
		abort();
	memset(out, 0, DNS_HEADER);
	out[2] = 1;
	out[5] = 1;
	memcpy(out + DNS_HEADER, name.bytes, name.len);
	uint8_t *p = out + DNS_HEADER + name.len;
	put_be16(p, type);
	put_be16(p + 2, DNS_CLASS_IN);
	p += 4;
	if (edns) {
		static const uint8_t opt[11] = {0, 0, DNS_OPT, 0x04, 0xd0};

		memcpy(p, opt, sizeof(opt));
		p += sizeof(opt);
		out[11] = 1;
	}
	return (size_t)(p - out);
}

static void measure(const char *what, const char *name, uint16_t type, bool edns)
{
	struct micro all = {0}, reading = {0}, writing = {0};
	uint8_t q[512], out[DNS_ANSWER_MAX];
	const size_t n = question(q, name, type, edns);
	const struct dns_asker from = {DNS_UDP, ip_v4_host(0x7f000001), true, true};
	const struct mesh_node *m;
	struct dns_header h;
	struct dns_question read;
	struct dns_reply reply;
	size_t len = 0;

	if (dns_header_read(q, n, &h) != TM_OK || dns_question_read(&h, q, n, &read) != TM_OK)
		abort();
	dns_zone_ask(&zone, &read.name, type, &reply, &m);
	for (int round = 0; round < MICRO_ROUNDS; round++) {
		uint64_t t = micro_clock();
		for (unsigned i = 0; i < QUESTIONS; i++)
			len = dns_answer(&answerer, &from, q, n, SEC, out, &m);
		micro_add(&all, micro_clock() - t, QUESTIONS);
		t = micro_clock();
		for (unsigned i = 0; i < QUESTIONS; i++)
			if (dns_question_read(&h, q, n, &read) != TM_OK)
				abort();
		micro_add(&reading, micro_clock() - t, QUESTIONS);
		t = micro_clock();
		for (unsigned i = 0; i < QUESTIONS; i++)
			if (dns_reply_write(&read, &reply, out, DNS_PLAIN_SIZE, &len) != TM_OK)
				abort();
		micro_add(&writing, micro_clock() - t, QUESTIONS);
	}
	printf("%-22s", what);
	micro_print(&all);
	micro_print(&reading);
	micro_print(&writing);
	printf("   %zu octets\n", len);
}

int main(void)
{
	begin();
	printf("%-22s", "ns, best/median");
	micro_head("all");
	micro_head("reading");
	micro_head("writing");
	printf("\n");
	measure("A", "member-5000.mesh", DNS_A, false);
	measure("A, EDNS", "member-5000.mesh", DNS_A, true);
	measure("AAAA, EDNS", "member-5000.mesh", DNS_AAAA, true);
	measure("nobody, EDNS", "nobody.mesh", DNS_A, true);
	measure("PTR, EDNS", "136.19.101.100.in-addr.arpa", DNS_PTR, true);
	micro_load();
	return 0;
}
