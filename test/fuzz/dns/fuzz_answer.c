/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever comes in: an answer is one to that question, is marked as one, and is as long as it may be. The
 * first octet says by what it came, and whether its sender is served. */
#include "dns/answer.h"
#include "fuzz/fuzz.h"

#include "base/bytes.h"

static struct mesh *mesh;
static struct dns_zone zone;
static struct dns_answerer answerer;

static void add(uint32_t host, const char *name)
{
	struct node_rec r = {.host = host, .key = {(uint8_t)host}};

	memcpy(r.id, "0000000000000000", NODE_ID_LEN);
	r.id[15] = (char)('0' + host);
	memcpy(r.name, name, strlen(name));
	assert(mesh_add(mesh, &r) == TM_OK);
}

static void begin(void)
{
	const struct mesh_info info = {
		.net4 = {{IP_V4, {100, 101}}, 16}, .net6 = {{IP_V6, {0xfd, 0x5c, [7] = 1}}, 64}};
	static const uint8_t key[32] = {1};

	assert(mesh_new(&info, &mesh) == TM_OK);
	add(1, "hub");
	add(2, "laptop");
	const struct dns_zone_config cfg = {.name = MESH_ZONE_DEFAULT,
		.mesh = mesh,
		.net4 = info.net4,
		.net6 = info.net6,
		.self_id = "0000000000000002",
		.coordinator_key = key};
	assert(dns_zone_init(&zone, &cfg) == TM_OK);
	assert(dns_answerer_init(&answerer, &zone) == TM_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[DNS_ANSWER_MAX];
	const struct mesh_node *m;

	if (!mesh)
		begin();
	if (size < 1)
		return 0;
	const struct dns_asker from = {.transport = data[0] & 1 ? DNS_TCP : DNS_UDP,
		.from = ip_v4_host(0x7f000001),
		.served = !(data[0] & 2),
		.own = true};
	uint8_t *question = fuzz_copy(data + 1, size - 1);
	const size_t n = dns_answer(&answerer, &from, question, size - 1, SEC, out, &m);
	if (n) {
		assert(n >= DNS_HEADER && size - 1 >= DNS_HEADER);
		assert(n <= (from.transport == DNS_TCP ? (size_t)DNS_ANSWER_MAX : (size_t)DNS_EDNS_SIZE));
		assert(memcmp(out, question, 2) == 0); /* id */
		assert(out[2] & 0x80 && !(question[2] & 0x80)); /* QR */
		assert((out[2] & 0x78) == (question[2] & 0x78)); /* opcode */
		assert(get_be16(out + 4) <= 1 && get_be16(out + 6) <= 1 && get_be16(out + 8) <= 1 &&
			get_be16(out + 10) <= 1);
	}
	assert(!m || (n && from.served && get_be16(out + 6) == 1));
	free(question);
	return 0;
}
