/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "rig.h"

#include <arpa/inet.h>

/* --- questions --- */

struct question question_of(const char *name, uint16_t type)
{
	struct question q = {.bytes = {0x12, 0x34, 0x01, 0x00, 0, 1}, .n = DNS_HEADER};

	for (const char *at = name; *at && strcmp(name, ".") != 0; at += *at == '.') {
		const size_t len = strcspn(at, ".");

		assert_in_range(len, 1, 63);
		q.bytes[q.n++] = (uint8_t)len;
		memcpy(q.bytes + q.n, at, len);
		q.n += len;
		at += len;
	}
	q.bytes[q.n++] = 0;
	put_be16(q.bytes + q.n, type);
	put_be16(q.bytes + q.n + 2, 1);
	q.n += 4;
	return q;
}

void question_edns(struct question *q, uint16_t size, uint8_t version, uint16_t flags)
{
	uint8_t *p = q->bytes + q->n;

	put_be16(p + 1, 41);
	put_be16(p + 3, size);
	p[6] = version;
	put_be16(p + 7, flags);
	q->n += 11;
	q->bytes[11]++;
}

/* --- answers --- */

struct reader {
	const uint8_t *p;
	size_t n, at;
};

static unsigned take(struct reader *r, size_t octets)
{
	unsigned v = 0;

	assert_in_range(r->at + octets, 0, r->n);
	while (octets--)
		v = v << 8 | r->p[r->at++];
	return v;
}

/* Follows pointers, each to something before it (RFC 1035 4.1.4). */
static void take_name(struct reader *r, char *out)
{
	size_t at = r->at, end = 0;

	if (r->p[at] == 0)
		*out++ = '.';
	while (assert_in_range(at, 0, r->n - 1), r->p[at]) {
		if (r->p[at] >= 0xc0) {
			const size_t to = (size_t)get_be16(r->p + at) & 0x3fff;

			assert_in_range(to, DNS_HEADER, at - 1);
			end = end ? end : at + 2;
			at = to;
			continue;
		}
		assert_in_range(at + r->p[at], 0, r->n - 1);
		memcpy(out, r->p + at + 1, r->p[at]);
		out += r->p[at];
		*out++ = '.';
		at += 1u + r->p[at];
	}
	*out = '\0';
	r->at = end ? end : at + 1;
}

static void take_data(struct reader *r, uint16_t type, size_t n, char *out)
{
	char first[DNS_NAME_TEXT], mailbox[DNS_NAME_TEXT];
	const size_t end = r->at + n;

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		assert_int_equal(n, type == DNS_A ? 4 : 16);
		assert_non_null(inet_ntop(type == DNS_A ? AF_INET : AF_INET6, r->p + r->at, out, 64));
		r->at += n;
		break;
	case DNS_SOA:
		take_name(r, first);
		take_name(r, mailbox);
		const unsigned serial = take(r, 4);
		r->at += 12;
		snprintf(out, 3 * DNS_NAME_TEXT, "%s %s %u %u", first, mailbox, serial, take(r, 4));
		break;
	default:
		take_name(r, out);
	}
	assert_int_equal(r->at, end);
}

static void take_record(struct reader *r, struct told *t, size_t *n)
{
	struct told_record *to = &t->record[*n];

	take_name(r, to->owner);
	to->type = (uint16_t)take(r, 2);
	to->class = (uint16_t)take(r, 2);
	to->ttl = take(r, 4);
	const size_t len = take(r, 2);
	if (to->type == DNS_OPT) {
		assert_string_equal(to->owner, ".");
		assert_false(t->edns);
		t->edns = true;
		t->edns_size = to->class;
		t->rcode |= to->ttl >> 24 << 4;
		t->edns_version = to->ttl >> 16 & 0xff;
		t->dnssec_ok = to->ttl & 0x8000;
		assert_int_equal(to->ttl & 0x7fff, 0);
		r->at += len;
		return;
	}
	take_data(r, to->type, len, to->data);
	assert_in_range(++*n, 0, ARRAY_LEN(t->record));
}

struct told told_read(const uint8_t *p, size_t n)
{
	struct reader r = {p, n, 0};
	struct told t = {0};
	size_t count = 0;

	t.id = (uint16_t)take(&r, 2);
	t.flags = (uint16_t)take(&r, 2);
	assert_true(t.flags & 0x8000);
	t.aa = t.flags & 0x400;
	t.tc = t.flags & 0x200;
	t.rd = t.flags & 0x100;
	t.ra = t.flags & 0x80;
	t.ad = t.flags & 0x20;
	t.cd = t.flags & 0x10;
	t.rcode = t.flags & 0xf;
	t.n_question = take(&r, 2);
	t.n_answer = take(&r, 2);
	t.n_authority = take(&r, 2);
	t.n_additional = take(&r, 2);
	assert_in_range(t.n_question, 0, 1);
	if (t.n_question) {
		take_name(&r, t.name);
		t.type = (uint16_t)take(&r, 2);
		take(&r, 2);
	}
	for (unsigned i = 0; i < t.n_answer + t.n_authority + t.n_additional; i++)
		take_record(&r, &t, &count);
	assert_int_equal(r.at, n);
	return t;
}

/* --- the mesh --- */

static const uint8_t coordinator_key[32] = {1};

static void add(struct rig *r, const char *name, uint32_t host, bool is_client)
{
	struct node_rec rec = {.host = host, .key = {1, (uint8_t)(host - 1), (uint8_t)((host - 1) >> 8)}};

	snprintf(rec.id, sizeof(rec.id), "%016x", host);
	snprintf(rec.name, sizeof(rec.name), "%s", name);
	snprintf(rec.aliases.text, sizeof(rec.aliases.text), host == 5 ? "files nas" : "");
	rec.coordinator = host == 1;
	if (is_client) {
		rec.kind = NODE_CLIENT;
		snprintf(rec.via, sizeof(rec.via), "%016x", 1);
	}
	assert_int_equal(mesh_add(r->mesh, &rec), TM_OK);
}

void rig_add(struct rig *r, const char *name, uint32_t host)
{
	add(r, name, host, false);
}

void rig_open_in(struct rig *r, const char *net4, const char *net6, bool empty)
{
	struct mesh_info info = {0};
	char name[8];

	*r = (struct rig){.now = 1000 * SEC, .from = {DNS_UDP, ip_v4_host(0x7f000001), true, true}};
	assert_int_equal(prefix_parse(net4, &info.net4), TM_OK);
	assert_int_equal(prefix_parse(net6, &info.net6), TM_OK);
	assert_int_equal(mesh_new(&info, &r->mesh), TM_OK);
	mesh_set_version(r->mesh, UINT64_C(0x700000007));
	for (uint32_t i = 0; i < 5 && !empty; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		add(r, name, i + 1, false);
	}
	if (!empty)
		add(r, "phone", 300, true);
	const struct dns_zone_config cfg = {
		.name = MESH_ZONE_DEFAULT,
		.mesh = r->mesh,
		.net4 = info.net4,
		.net6 = info.net6,
		.self_id = "0000000000000002",
		.coordinator_key = coordinator_key,
	};
	assert_int_equal(dns_zone_init(&r->zone, &cfg), TM_OK);
	assert_int_equal(dns_answerer_init(&r->answerer, &r->zone), TM_OK);
}

void rig_open(struct rig *r)
{
	rig_open_in(r, "100.101.0.0/16", "fd5c:0:0:1::/64", false);
}

void rig_close(struct rig *r)
{
	mesh_free(r->mesh);
}

struct told rig_ask(struct rig *r, const struct question *q)
{
	r->n = dns_answer(&r->answerer, &r->from, q->bytes, q->n, r->now, r->out, &r->member);
	assert_true(r->n > 0);
	const struct told t = told_read(r->out, r->n);
	assert_int_equal(t.id, 0x1234);
	return t;
}

struct told rig_ask_for(struct rig *r, const char *name, uint16_t type)
{
	const struct question q = question_of(name, type);
	const struct told t = rig_ask(r, &q);

	assert_int_equal(t.n_question, 1);
	assert_int_equal(t.type, type);
	return t;
}
