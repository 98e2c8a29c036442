/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON of node records, netmaps and candidates; the formats are in model.h. */
#include "base/encode.h"
#include "base/jsonout.h"
#include "base/secret.h"
#include "mesh/jsonin.h"
#include "mesh/model.h"

#include <string.h>

/* A host number of the mesh, and the addresses that follow. */
static int get_host(const json_t *j, const struct mesh_info *mesh, struct node_rec *r)
{
	int64_t host;

	int err = jsonin_int(j, "host", 1, mesh_hosts_max(&mesh->net4, &mesh->net6), &host);
	if (err)
		return err;

	r->host = (uint32_t)host;
	mesh_addresses(mesh, r->host, &r->ip4, &r->ip6);
	return TM_OK;
}

/* Tags decide what a node may do: a record whose tags we cannot all take is not taken at all. */
static int tags_from_json(const json_t *j, struct node_rec *r)
{
	size_t n = json_array_size(j);

	if (!j)
		return TM_OK;
	if (!json_is_array(j) || n > NODE_TAGS_MAX)
		return TM_EBADMSG;

	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(j, i);
		const char *s = json_string_value(v);

		if (!s || strlen(s) != json_string_length(v) || !node_tag_valid(s))
			return TM_EBADMSG;
		memcpy(r->tags[i], s, strlen(s) + 1);
	}
	r->n_tags = (uint8_t)n;
	return TM_OK;
}

static void tags_put(struct jsonout *o, const struct node_rec *r)
{
	jsonout_list(o, "tags");
	for (size_t i = 0; i < r->n_tags; i++)
		jsonout_text(o, NULL, r->tags[i]);
	jsonout_list_end(o);
}

void node_rec_put(struct jsonout *o, const char *key, const struct node_rec *r)
{
	jsonout_object(o, key);
	jsonout_text(o, "id", r->id);
	jsonout_text(o, "name", r->name);
	jsonout_int(o, "host", r->host);
	jsonout_base64(o, "key", r->key, sizeof(r->key));
	if (r->aliases.text[0])
		node_aliases_put(o, "aliases", &r->aliases);
	if (r->n_tags)
		tags_put(o, r);
	if (r->coordinator)
		jsonout_bool(o, "coordinator", true);
	if (r->kind == NODE_CLIENT) {
		jsonout_text(o, "kind", "client");
		jsonout_text(o, "via", r->via);
	}
	node_routes_put(o, &r->routes);
	jsonout_object_end(o);
}

void node_rec_put_shown(struct jsonout *o, const struct node_rec *r)
{
	char ip4[IP_STR_LEN], ip6[IP_STR_LEN];

	jsonout_text(o, "id", r->id);
	jsonout_text(o, "name", r->name);
	node_aliases_put(o, "aliases", &r->aliases);
	jsonout_text(o, "ip4", ip_format(&r->ip4, ip4));
	jsonout_text(o, "ip6", ip_format(&r->ip6, ip6));
	jsonout_base64(o, "key", r->key, sizeof(r->key));
	tags_put(o, r);
	jsonout_bool(o, "coordinator", r->coordinator);
	jsonout_text(o, "kind", r->kind == NODE_CLIENT ? "client" : "node");
	if (r->kind == NODE_CLIENT)
		jsonout_text(o, "via", r->via);
	else
		jsonout_null(o, "via");
}

/* TM_EUNSUPPORTED: a kind of a later version; such a record is skipped, not mistaken for a node. */
static int kind_from_json(const json_t *j, struct node_rec *r)
{
	const char *kind = jsonin_string(json_object_get(j, "kind"));

	if (!json_object_get(j, "kind") || (kind && strcmp(kind, "node") == 0)) {
		r->kind = NODE_MESH;
		return TM_OK;
	}
	if (!kind || strcmp(kind, "client") != 0)
		return TM_EUNSUPPORTED;

	r->kind = NODE_CLIENT;
	int err = jsonin_word(j, "via", node_id_valid, r->via, sizeof(r->via));
	if (err)
		return err;
	return strcmp(r->via, r->id) == 0 ? TM_EBADMSG : TM_OK;
}

/* They give nobody a right: what is wrong, or of a later version, is left out. */
static void aliases_from_json(const json_t *list, struct node_aliases *ret_a)
{
	struct node_aliases a = {.text = ""};

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = jsonin_string(json_array_get(list, i));

		if (name && node_name_allowed(name) && node_aliases_add(&a, name) != TM_OK)
			break;
	}
	*ret_a = a;
}

int node_rec_from_json(const json_t *j, const struct mesh_info *mesh, struct node_rec *ret_rec)
{
	struct node_rec r = {0};
	int err;

	if (!json_is_object(j))
		return TM_EBADMSG;

	err = jsonin_word(j, "id", node_id_valid, r.id, sizeof(r.id));
	if (!err)
		err = jsonin_word(j, "name", node_name_valid, r.name, sizeof(r.name));
	if (!err)
		err = get_host(j, mesh, &r);
	if (!err)
		err = jsonin_key(j, "key", r.key);
	if (!err)
		err = tags_from_json(json_object_get(j, "tags"), &r);
	if (!err)
		err = jsonin_bool(j, "coordinator", &r.coordinator);
	if (!err)
		err = kind_from_json(j, &r);
	if (!err && r.kind == NODE_MESH)
		err = node_routes_from_json(j, &r.routes);
	if (err)
		return err;

	aliases_from_json(json_object_get(j, "aliases"), &r.aliases);
	*ret_rec = r;
	return TM_OK;
}

static int get_prefix(const json_t *j, const char *field, enum ip_family family, struct prefix *ret_p)
{
	const char *s = jsonin_string(json_object_get(j, field));
	struct prefix p;

	if (!s || prefix_parse(s, &p) || p.ip.family != family)
		return TM_EBADMSG;

	*ret_p = prefix_mask(&p);
	return TM_OK;
}

void mesh_info_put(struct jsonout *o, const char *key, const struct mesh_info *m)
{
	char net4[PREFIX_STR_LEN], net6[PREFIX_STR_LEN];

	jsonout_object(o, key);
	jsonout_text(o, "name", m->name);
	jsonout_text(o, "net4", prefix_format(&m->net4, net4));
	jsonout_text(o, "net6", prefix_format(&m->net6, net6));
	if (m->zone[0])
		jsonout_text(o, "zone", m->zone);
	jsonout_base64(o, "secret", m->secret, sizeof(m->secret));
	jsonout_object_end(o);
}

int mesh_info_from_json(const json_t *j, struct mesh_info *ret_mesh)
{
	struct mesh_info m = {0};
	int err;

	err = jsonin_text(j, "name", m.name, sizeof(m.name));
	if (!err)
		err = get_prefix(j, "net4", IP_V4, &m.net4);
	if (!err)
		err = get_prefix(j, "net6", IP_V6, &m.net6);
	if (!err && json_object_get(j, "zone"))
		err = jsonin_word(j, "zone", mesh_zone_valid, m.zone, sizeof(m.zone));
	if (!err)
		err = jsonin_key(j, "secret", m.secret);
	if (!err)
		*ret_mesh = m;
	wipe(m.secret, sizeof(m.secret));
	return err;
}

static int nodes_from_json(const json_t *j, const struct mesh_info *mesh, struct netmap *m)
{
	size_t n = json_array_size(j);

	if (!json_is_array(j))
		return TM_EBADMSG;
	if (n > NETMAP_NODES_MAX)
		return TM_EFULL;

	m->nodes = calloc(n ? n : 1, sizeof(*m->nodes));
	if (!m->nodes)
		return TM_ENOMEM;

	for (size_t i = 0; i < n; i++) {
		if (node_rec_from_json(json_array_get(j, i), mesh, &m->nodes[m->n_nodes]))
			m->n_bad++;
		else
			m->n_nodes++;
	}
	return TM_OK;
}

static int removed_from_json(const json_t *j, struct netmap *m)
{
	size_t n = json_array_size(j);

	if (!j)
		return TM_OK;
	if (!json_is_array(j))
		return TM_EBADMSG;
	if (n > NETMAP_NODES_MAX)
		return TM_EFULL;

	m->removed = calloc(n ? n : 1, sizeof(*m->removed));
	if (!m->removed)
		return TM_ENOMEM;

	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(j, i));

		if (s && node_id_valid(s))
			memcpy(m->removed[m->n_removed++], s, NODE_ID_LEN + 1);
		else
			m->n_bad++;
	}
	return TM_OK;
}

int netmap_from_json(const json_t *j, const struct mesh_info *mesh, struct netmap *ret_map)
{
	_cleanup_(netmap_deinit) struct netmap m = {0};

	int err = jsonin_u64(j, "version", &m.version);
	if (!err)
		err = jsonin_u64(j, "base", &m.base);
	if (err)
		return err;
	if (m.base && m.base >= m.version)
		return TM_EBADMSG;

	err = nodes_from_json(json_object_get(j, "nodes"), mesh, &m);
	if (!err && m.base)
		err = removed_from_json(json_object_get(j, "removed"), &m);
	if (err)
		return err;

	*ret_map = m;
	m = (struct netmap){0};
	return TM_OK;
}

static const char *const candidate_types[] = {
	[CAND_HOST] = "host",
	[CAND_SRFLX] = "srflx",
	[CAND_PRFLX] = "prflx",
	[CAND_RELAY] = "relay",
};
_Static_assert(ARRAY_LEN(candidate_types) == CAND_TYPE_N, "a word for every candidate type");

const char *candidate_type_name(enum candidate_type t)
{
	return (unsigned)t < CAND_TYPE_N ? candidate_types[t] : "?";
}

int candidate_type_parse(const char *s, enum candidate_type *ret_type)
{
	for (size_t t = 0; t < CAND_TYPE_N; t++) {
		if (strcmp(s, candidate_types[t]) == 0) {
			*ret_type = (enum candidate_type)t;
			return TM_OK;
		}
	}
	return TM_EUNSUPPORTED;
}

static int candidate_from_json(const json_t *j, struct candidate *ret_c)
{
	const char *type = jsonin_string(json_object_get(j, "type")),
		   *addr = jsonin_string(json_object_get(j, "addr"));
	struct candidate c = {0};

	if (!type || !addr || strchr(addr, '%') || endpoint_parse(addr, &c.ep))
		return TM_EBADMSG;

	int err = candidate_type_parse(type, &c.type);
	if (!err && c.type == CAND_RELAY)
		err = jsonin_word(j, "relay", node_id_valid, c.relay, sizeof(c.relay));
	if (!err)
		*ret_c = c;
	return err;
}

void candidates_put(struct jsonout *o, const char *key, const struct candidates *c)
{
	char text[ENDPOINT_STR_LEN];

	jsonout_list(o, key);
	for (size_t i = 0; i < c->n; i++) {
		struct endpoint ep = c->v[i].ep;

		ep.scope = 0; /* an interface index means nothing to another host */
		jsonout_object(o, NULL);
		jsonout_text(o, "type", candidate_type_name(c->v[i].type));
		jsonout_text(o, "addr", endpoint_format(&ep, text));
		if (c->v[i].type == CAND_RELAY)
			jsonout_text(o, "relay", c->v[i].relay);
		jsonout_object_end(o);
	}
	jsonout_list_end(o);
}

int candidates_from_json(const json_t *j, struct candidates *ret_c)
{
	struct candidates c = {0};

	if (!json_is_array(j))
		return TM_EBADMSG;

	for (size_t i = 0; i < json_array_size(j) && c.n < CANDIDATES_MAX; i++)
		if (candidate_from_json(json_array_get(j, i), &c.v[c.n]) == TM_OK)
			c.n++;
	*ret_c = c;
	return TM_OK;
}

void candidates_seen_put(struct jsonout *o, const char *key, const struct candidates *c)
{
	char text[IP_STR_LEN];

	if (!c->n_seen)
		return;
	jsonout_list(o, key);
	for (size_t i = 0; i < c->n_seen; i++)
		jsonout_text(o, NULL, ip_format(&c->seen[i], text));
	jsonout_list_end(o);
}

void candidates_seen_from_json(const json_t *j, struct candidates *c)
{
	c->n_seen = 0;
	for (size_t i = 0; i < json_array_size(j) && c->n_seen < CANDIDATES_SEEN_MAX; i++) {
		const char *text = jsonin_string(json_array_get(j, i));

		if (text && ip_parse(text, &c->seen[c->n_seen]) == TM_OK)
			c->n_seen++;
	}
}

static const char *const nat_maps_words[] = {
	[NAT_UNKNOWN] = "unknown",
	[NAT_INDEPENDENT] = "independent",
	[NAT_DEPENDENT] = "dependent",
	[NAT_BLOCKED] = "blocked",
};
_Static_assert(ARRAY_LEN(nat_maps_words) == NAT_MAPS_N, "a word for every kind of mapping");

const char *nat_maps_name(enum nat_maps m)
{
	return (unsigned)m < NAT_MAPS_N ? nat_maps_words[m] : "?";
}

void nat_told_put(struct jsonout *o, const char *key, const struct nat_told *t)
{
	if (t->mapping == NAT_UNKNOWN && !t->n_ports)
		return;
	jsonout_object(o, key);
	jsonout_text(o, "mapping", nat_maps_name(t->mapping));
	jsonout_list(o, "ports");
	for (size_t i = 0; i < t->n_ports; i++)
		jsonout_int(o, NULL, t->ports[i]);
	jsonout_list_end(o);
	jsonout_object_end(o);
}

void nat_told_from_json(const json_t *j, struct nat_told *ret_t)
{
	const char *mapping = jsonin_string(json_object_get(j, "mapping"));
	const json_t *ports = json_object_get(j, "ports");
	struct nat_told t = {.mapping = NAT_UNKNOWN};

	for (size_t m = 0; mapping && m < NAT_MAPS_N; m++)
		if (strcmp(mapping, nat_maps_words[m]) == 0)
			t.mapping = (enum nat_maps)m;
	for (size_t i = 0; i < json_array_size(ports) && t.n_ports < NAT_PORTS_MAX; i++) {
		json_int_t port = json_integer_value(json_array_get(ports, i)); /* 0 for what is none */

		if (port > 0 && port <= UINT16_MAX)
			t.ports[t.n_ports++] = (uint16_t)port;
	}
	*ret_t = t;
}

void presence_put(struct jsonout *o, const char *key, const struct presence *p)
{
	size_t n = sizeof(p->bits);

	while (n && !p->bits[n - 1])
		n--;
	jsonout_base64(o, key, p->bits, n);
}

int presence_from_json(const json_t *j, struct presence *ret_p)
{
	const char *s = json_string_value(j);
	struct presence p = {0};
	size_t n;

	if (!s || base64_decode(s, json_string_length(j), p.bits, sizeof(p.bits), &n) != TM_OK)
		return TM_EBADMSG;

	*ret_p = p;
	return TM_OK;
}
