/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the coordinator says. */
#include "base/secret.h"
#include "base/time.h"
#include "mesh/jsonin.h"
#include "wire/msg/msg.h"

#include <string.h>

#define CLOCK_MAX (INT64_MAX / SEC / 2) /* s; differences of such times are nanoseconds that can be told */

static void addresses_put(struct jsonout *o, const struct msg_addresses *a)
{
	jsonout_list(o, "addresses");
	for (size_t i = 0; i < a->n; i++)
		jsonout_text(o, NULL, a->v[i]);
	jsonout_list_end(o);
}

void msg_addresses_get(const json_t *j, struct msg_addresses *ret_a)
{
	const json_t *list = json_object_get(j, "addresses");
	struct msg_addresses a = {.n = 0};
	char text[TOKEN_ADDR_LEN];

	for (size_t i = 0; i < json_array_size(list) && a.n < TOKEN_ADDRS_MAX; i++) {
		const char *s = jsonin_string(json_array_get(list, i));

		/* One without a port gets the impossible one. */
		if (s && token_address(s, 0, text) == TM_OK && strcmp(strrchr(text, ':'), ":0") != 0)
			memcpy(a.v[a.n++], text, strlen(text) + 1);
	}
	*ret_a = a;
}

static uint16_t port_get(const json_t *j, const char *key)
{
	int64_t port = 0;

	return jsonin_int(j, key, 1, UINT16_MAX, &port) == TM_OK ? (uint16_t)port : 0;
}

void msg_addresses_put(struct jsonout *o, const struct msg_addresses *a)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "addresses");
	addresses_put(o, a);
	jsonout_object_end(o);
}

void msg_welcome_put(struct jsonout *o, const struct msg_welcome *m)
{
	char observed[IP_STR_LEN];

	jsonout_object(o, NULL);
	jsonout_text(o, "t", "welcome");
	node_rec_put(o, "node", &m->node);
	mesh_info_put(o, "mesh", &m->mesh);
	jsonout_int(o, "data_port", m->data_port);
	addresses_put(o, &m->addresses);
	candidates_put(o, "data", &m->data);
	jsonout_text(o, "observed", ip_format(&m->observed, observed));
	jsonout_int(o, "time", m->time);
	jsonout_int(o, "pace_ms", m->pace_ms);
	jsonout_object_end(o);
}

int msg_welcome_get(const json_t *j, struct msg_welcome *ret_m)
{
	struct msg_welcome m = {.data_port = port_get(j, "data_port")};
	const char *observed = jsonin_string(json_object_get(j, "observed"));
	int64_t pace = 0;

	int err = mesh_info_from_json(json_object_get(j, "mesh"), &m.mesh);
	if (!err)
		err = node_rec_from_json(json_object_get(j, "node"), &m.mesh, &m.node);
	if (!observed || ip_parse(observed, &m.observed) != TM_OK)
		m.observed = (struct ip){0};
	if (jsonin_int(j, "time", 0, CLOCK_MAX, &m.time) != TM_OK)
		m.time = 0;
	if (jsonin_int(j, "pace_ms", 0, MSG_PACE_MAX_MS, &pace) == TM_OK)
		m.pace_ms = (uint32_t)pace;
	if (candidates_from_json(json_object_get(j, "data"), &m.data) != TM_OK)
		m.data.n = 0;
	msg_addresses_get(j, &m.addresses);
	if (!err)
		*ret_m = m;
	wipe(m.mesh.secret, sizeof(m.mesh.secret));
	return err;
}

void msg_enrolled_put(struct jsonout *o, const struct msg_enrolled *m)
{
	node_rec_put(o, "node", &m->node);
	mesh_info_put(o, "mesh", &m->mesh);
	addresses_put(o, &m->addresses);
	jsonout_int(o, "data_port", m->data_port);
	jsonout_bool(o, "existed", m->existed);
}

int msg_enrolled_get(const json_t *j, struct msg_enrolled *ret_m)
{
	struct msg_enrolled m = {.data_port = port_get(j, "data_port"),
		.existed = json_is_true(json_object_get(j, "existed"))};

	int err = mesh_info_from_json(json_object_get(j, "mesh"), &m.mesh);
	if (!err)
		err = node_rec_from_json(json_object_get(j, "node"), &m.mesh, &m.node);
	msg_addresses_get(j, &m.addresses);
	if (!err)
		*ret_m = m;
	wipe(m.mesh.secret, sizeof(m.mesh.secret));
	return err;
}

void msg_netmap_begin(struct jsonout *o, uint64_t version, uint64_t base)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "netmap");
	jsonout_object(o, "map");
	jsonout_int(o, "version", (int64_t)version);
	jsonout_int(o, "base", (int64_t)base);
	jsonout_list(o, "nodes");
}

void msg_netmap_removed(struct jsonout *o)
{
	jsonout_list_end(o);
	jsonout_list(o, "removed");
}

void msg_netmap_end(struct jsonout *o)
{
	jsonout_list_end(o);
	jsonout_object_end(o);
	jsonout_object_end(o);
}

int msg_netmap_get(const json_t *j, const struct mesh_info *mesh, struct netmap *ret_map)
{
	return netmap_from_json(json_object_get(j, "map"), mesh, ret_map);
}

void msg_candidates_put(struct jsonout *o, const struct msg_candidates *m)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "candidates");
	jsonout_text(o, "node", m->node);
	candidates_put(o, "candidates", &m->candidates);
	nat_told_put(o, "nat", &m->candidates.nat);
	candidates_seen_put(o, "seen", &m->candidates);
	jsonout_bool(o, "online", m->online);
	if (m->looks)
		jsonout_bool(o, "looks", true);
	jsonout_object_end(o);
}

int msg_candidates_get(const json_t *j, struct msg_candidates *ret_m)
{
	struct msg_candidates m;

	int err = jsonin_word(j, "node", node_id_valid, m.node, sizeof(m.node));
	if (!err)
		err = candidates_from_json(json_object_get(j, "candidates"), &m.candidates);
	if (!err)
		nat_told_from_json(json_object_get(j, "nat"), &m.candidates.nat);
	if (!err)
		candidates_seen_from_json(json_object_get(j, "seen"), &m.candidates);
	if (!err)
		err = jsonin_bool(j, "online", &m.online);
	if (!err)
		err = jsonin_bool(j, "looks", &m.looks);
	if (!err)
		*ret_m = m;
	return err;
}

void msg_removed_put(struct jsonout *o, const struct msg_removed *m)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "removed");
	jsonout_text(o, "why", m->why);
	if (m->twin)
		jsonout_bool(o, "twin", true);
	jsonout_object_end(o);
}

void msg_removed_get(const json_t *j, struct msg_removed *ret_m)
{
	const char *s = json_string_value(json_object_get(j, "why"));
	struct msg_removed m = {
		.why = "removed from the mesh", .twin = json_is_true(json_object_get(j, "twin"))};
	size_t n = s ? strnlen(s, MSG_WHY_MAX) : 0;

	for (size_t i = 0; i < n; i++)
		m.why[i] = (unsigned char)s[i] < ' ' || s[i] == 0x7f ? '?' : s[i];
	if (n)
		m.why[n] = '\0';
	*ret_m = m;
}

void msg_reply_begin(struct jsonout *o, const int64_t *id, bool ok)
{
	jsonout_object(o, NULL);
	if (id) {
		jsonout_text(o, "t", "reply");
		jsonout_int(o, "id", *id);
	}
	jsonout_bool(o, "ok", ok);
}

void msg_refusal_put(
	struct jsonout *o, const int64_t *id, const char *code, const char *error, const char *hint)
{
	msg_reply_begin(o, id, false);
	jsonout_text(o, "code", code);
	jsonout_text(o, "error", error);
	if (hint && hint[0])
		jsonout_text(o, "hint", hint);
	jsonout_object_end(o);
}

json_t *msg_refusal(const char *code, const char *error, const char *hint)
{
	return json_pack("{s:b, s:s, s:s, s:s*}", "ok", 0, "code", code, "error", error, "hint",
		hint && hint[0] ? hint : NULL);
}

void msg_object_free(msg_object *m)
{
	json_decref(m);
}

msg_object *msg_object_read(const char *text)
{
	return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
}

int msg_reply_get(const json_t *j, struct diag *d)
{
	const char *error = jsonin_string(json_object_get(j, "error")),
		   *hint = jsonin_string(json_object_get(j, "hint"));
	bool ok;

	if (jsonin_bool(j, "ok", &ok) == TM_OK && ok)
		return TM_OK;

	if (hint)
		diag_hint(d, "%s", hint);
	return diag_what(
		d, TM_EPERM, "%s", error ? error : "the coordinator refused without giving a reason");
}

bool msg_reply_passes(const json_t *j)
{
	static const enum tm_err passing[] = {TM_ETIMEOUT, TM_EAGAIN, TM_EBUSY, TM_EFULL, TM_ENOMEM,
		TM_ENOSPACE, TM_EFILES, TM_EIO, TM_ECLOSED};
	const char *code = jsonin_string(json_object_get(j, "code"));

	if (!code || msg_reply_get(j, &(struct diag){0}) == TM_OK)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(passing); i++)
		if (strcmp(code, tm_err_word(passing[i])) == 0)
			return true;
	return strcmp(code, "no_link") == 0;
}
