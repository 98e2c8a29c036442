/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "dns/zone.h"

#include <string.h>

#include "dns/reverse.h"

/* RFC 1035 3.3.13 wants a mailbox of whoever is responsible: there is none that we know of. RFC 2142 7. */
#define MAILBOX "hostmaster"

int dns_zone_init(struct dns_zone *z, const struct dns_zone_config *cfg)
{
	struct dns_zone zone = {.mesh = cfg->mesh, .net4 = cfg->net4, .net6 = cfg->net6};

	/* A name of ours must have room before it. */
	if (dns_name_parse(cfg->name, &zone.name) != TM_OK || zone.name.len == 1 ||
		1 + DNS_LABEL_MAX + zone.name.len > DNS_NAME_MAX ||
		dns_name_prepend(NODE_NAME_COORDINATOR, strlen(NODE_NAME_COORDINATOR), &zone.name,
			&zone.coordinator) != TM_OK ||
		dns_name_prepend(MAILBOX, strlen(MAILBOX), &zone.name, &zone.mailbox) != TM_OK)
		return TM_EINVAL;
	memcpy(zone.self_id, cfg->self_id, strnlen(cfg->self_id, NODE_ID_LEN));
	memcpy(zone.coordinator_key, cfg->coordinator_key, sizeof(zone.coordinator_key));
	*z = zone;
	return TM_OK;
}

/* --- records --- */

static struct dns_name name_of(const struct dns_zone *z, const struct mesh_node *m)
{
	struct dns_name n = z->coordinator;

	/* Names are labels (mesh/model.h), and the zone has room for one: dns_zone_init. */
	if (dns_name_prepend(m->name, strlen(m->name), &z->name, &n) != TM_OK)
		n = z->coordinator;
	return n;
}

static struct dns_record soa_of(const struct dns_zone *z, const struct dns_name *apex, uint32_t ttl)
{
	return (struct dns_record){
		.type = DNS_SOA,
		.ttl = ttl,
		.owner = *apex,
		.target = z->coordinator,
		.mailbox = z->mailbox,
		.serial = (uint32_t)mesh_version(z->mesh),
		.minimum = DNS_TTL_NEGATIVE_S,
	};
}

/* Whoever is asked answers for itself: every node is a server of the zone. */
static struct dns_record ns_of(const struct dns_zone *z, const struct dns_name *apex)
{
	const struct mesh_node *self = mesh_by_id(z->mesh, z->self_id);

	return (struct dns_record){.type = DNS_NS,
		.ttl = DNS_TTL_S,
		.owner = *apex,
		.target = self ? name_of(z, self) : z->coordinator};
}

static void add(struct dns_reply *r, const struct dns_record *record)
{
	r->answer[r->n_answer++] = *record;
}

/* RFC 2308 3 and 5: the zone's SOA says how long that holds. */
static void deny(
	const struct dns_zone *z, const struct dns_name *apex, enum dns_rcode rcode, struct dns_reply *r)
{
	r->rcode = rcode;
	r->authority = soa_of(z, apex, DNS_TTL_NEGATIVE_S);
	r->has_authority = true;
}

/* What is said at the top of a zone. RFC 8482 4.1: of whatever there is, one set is answer enough to ANY. */
static void ask_apex(
	const struct dns_zone *z, const struct dns_name *apex, uint16_t type, struct dns_reply *r)
{
	const struct dns_record soa = soa_of(z, apex, DNS_TTL_S), ns = ns_of(z, apex);

	if (type == DNS_SOA || type == DNS_ANY)
		add(r, &soa);
	else if (type == DNS_NS)
		add(r, &ns);
	else
		deny(z, apex, DNS_NOERROR, r);
}

/* --- forwards --- */

/* The label as a member's name; false when it cannot be one. */
static bool text_of(const uint8_t *label, char ret_text[static NODE_NAME_MAX + 1])
{
	_Static_assert((int)NODE_NAME_MAX == (int)DNS_LABEL_MAX, "a name is a label");
	for (size_t i = 0; i < label[0]; i++) {
		const char c = (char)label[1 + i];

		ret_text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if (c == '\0')
			return false;
	}
	ret_text[label[0]] = '\0';
	return node_name_valid(ret_text);
}

/* As for people (mesh_lookup): nobody hides another member by taking its id as a name. */
static const struct mesh_node *member_of(const struct dns_zone *z, const uint8_t *label)
{
	char text[NODE_NAME_MAX + 1];

	if (!text_of(label, text))
		return NULL;
	if (strcmp(text, NODE_NAME_COORDINATOR) == 0)
		return mesh_by_key(z->mesh, z->coordinator_key);
	const struct mesh_node *m = mesh_by_id(z->mesh, text);
	return m ? m : mesh_by_name(z->mesh, text);
}

static void ask_member(const struct dns_zone *z, const struct dns_name *name, uint16_t type,
	const struct mesh_node *m, struct dns_reply *r)
{
	struct dns_record record = {.ttl = DNS_TTL_S, .owner = *name};
	struct ip ip4, ip6;

	mesh_node_addresses(z->mesh, m, &ip4, &ip6);
	if (type == DNS_AAAA) {
		record.type = DNS_AAAA;
		record.ip = ip6;
		add(r, &record);
	} else if (type == DNS_A || type == DNS_ANY) {
		record.type = DNS_A;
		record.ip = ip4;
		add(r, &record);
	} else {
		deny(z, &z->name, DNS_NOERROR, r);
	}
}

static bool ask_forwards(const struct dns_zone *z, const struct dns_name *name, uint16_t type,
	struct dns_reply *r, const struct mesh_node **ret_member)
{
	uint8_t at[DNS_LABELS_MAX];
	const size_t labels = dns_name_labels(name, at),
		     above = dns_name_labels(&z->name, (uint8_t[DNS_LABELS_MAX]){0});

	if (labels < above)
		return false;
	const struct dns_name tail = dns_name_tail(name, above);
	if (!dns_name_eq(&tail, &z->name))
		return false;
	if (labels == above) {
		ask_apex(z, &tail, type, r);
		return true;
	}
	const struct mesh_node *m = labels == above + 1 ? member_of(z, name->bytes) : NULL;
	if (!m) {
		deny(z, &tail, DNS_NXDOMAIN, r);
		return true;
	}
	ask_member(z, name, type, m, r);
	if (r->n_answer)
		*ret_member = m;
	return true;
}

/* --- backwards --- */

static void ask_address(const struct dns_zone *z, const struct dns_name *name, const struct dns_name *apex,
	const struct ip *ip, uint16_t type, struct dns_reply *r)
{
	const struct mesh_node *m = mesh_by_ip(z->mesh, ip);

	if (!m) {
		deny(z, apex, DNS_NXDOMAIN, r);
	} else if (type == DNS_PTR || type == DNS_ANY) {
		add(r, &(struct dns_record){
			       .type = DNS_PTR, .ttl = DNS_TTL_S, .owner = *name, .target = name_of(z, m)});
	} else {
		deny(z, apex, DNS_NOERROR, r);
	}
}

static bool ask_backwards(const struct dns_zone *z, const struct prefix *net, const struct dns_name *name,
	uint16_t type, struct dns_reply *r)
{
	struct dns_reverse v;

	if (!dns_reverse_read(name, net, &v))
		return false;
	const struct dns_name apex = dns_name_tail(name, dns_reverse_zone_labels(&v));
	if (v.strange)
		deny(z, &apex, DNS_NXDOMAIN, r);
	else if (v.whole)
		ask_address(z, name, &apex, &v.ip, type, r);
	else if (v.parts == v.zone_parts)
		ask_apex(z, &apex, type, r);
	else /* RFC 8020: what has names below it exists, and addresses come and go there */
		deny(z, &apex, DNS_NOERROR, r);
	return true;
}

size_t dns_reverse_zones(const struct prefix *net, struct dns_name *ret_zones, size_t max)
{
	const unsigned bits = net->ip.family == IP_V4 ? 8 : 4, parts = (net->len + bits - 1) / bits;
	const unsigned open = parts * bits - net->len; /* bits of the last part that are not the prefix's */
	struct ip ip = prefix_mask(net).ip;
	size_t n = 0;

	for (unsigned i = 0; i < 1u << open && n < max && parts; i++) {
		ret_zones[n++] = dns_reverse_write(&ip, parts);
		/* The next value of the last part, in the octet that it lies in. */
		ip.bytes[(parts * bits - 1) / 8] += (uint8_t)(parts * bits % 8 ? 16 : 1);
	}
	return n;
}

void dns_zone_ask(const struct dns_zone *z, const struct dns_name *name, uint16_t type,
	struct dns_reply *ret_reply, const struct mesh_node **ret_member)
{
	struct dns_reply *r = ret_reply;

	r->rcode = DNS_NOERROR;
	r->authoritative = true;
	r->truncated = r->has_authority = false;
	r->n_answer = 0;
	*ret_member = NULL;
	if (!ask_forwards(z, name, type, r, ret_member) && !ask_backwards(z, &z->net4, name, type, r) &&
		!ask_backwards(z, &z->net6, name, type, r)) {
		r->rcode = DNS_REFUSED;
		r->authoritative = false;
	} else if (mesh_size(z->mesh) == 0) {
		*r = (struct dns_reply){.rcode = DNS_SERVFAIL};
		*ret_member = NULL;
	}
}
