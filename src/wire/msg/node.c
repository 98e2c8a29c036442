/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a node says. */
#include "base/encode.h"
#include "base/secret.h"
#include "mesh/jsonin.h"
#include "wire/msg/msg.h"

#include <string.h>

static struct msg_type type_at(const json_t *m, const char *key)
{
	struct msg_type t = {{0}};

	if (jsonin_text(m, key, t.text, sizeof(t.text)) != TM_OK)
		t.text[0] = '\0';
	return t;
}

struct msg_type msg_type(const json_t *m)
{
	return type_at(m, "t");
}

struct msg_type msg_command(const json_t *m)
{
	return type_at(m, "cmd");
}

bool msg_request_id(const json_t *m, int64_t *ret_id)
{
	return jsonin_int(m, "id", INT64_MIN, INT64_MAX, ret_id) == TM_OK;
}

/* Texts for lists and people: one that is not fit for them counts as none. */
static void shown_get(const json_t *j, const char *key, char ret_text[static MSG_TEXT_MAX + 1])
{
	if (jsonin_text(j, key, ret_text, MSG_TEXT_MAX + 1) != TM_OK)
		ret_text[0] = '\0';
}

void msg_hello_put(struct jsonout *o, const struct msg_hello *m)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "hello");
	if (m->policy[0])
		jsonout_text(o, "policy", m->policy);
	jsonout_text(o, "version", m->version);
	jsonout_text(o, "os", m->os);
	jsonout_int(o, "netmap", (int64_t)m->netmap);
	if (m->run)
		jsonout_int(o, "run", (int64_t)m->run);
	candidates_put(o, "candidates", &m->candidates);
	nat_told_put(o, "nat", &m->candidates.nat);
	if (m->relay)
		jsonout_bool(o, "relay", true);
	if (m->n_relay_tcp) {
		jsonout_list(o, "relay_tcp");
		for (size_t i = 0; i < m->n_relay_tcp; i++)
			jsonout_int(o, NULL, m->relay_tcp[i]);
		jsonout_list_end(o);
	}
	jsonout_object_end(o);
}

static void ports_get(const json_t *list, struct msg_hello *m)
{
	for (size_t i = 0; i < json_array_size(list) && m->n_relay_tcp < RELAY_PORTS_MAX; i++) {
		json_int_t port = json_integer_value(json_array_get(list, i)); /* 0: it is no number */

		if (port > 0 && port <= UINT16_MAX)
			m->relay_tcp[m->n_relay_tcp++] = (uint16_t)port;
	}
}

void msg_hello_get(const json_t *j, struct msg_hello *ret_m)
{
	struct msg_hello m = {0};

	shown_get(j, "os", m.os);
	shown_get(j, "version", m.version);
	if (jsonin_u64(j, "netmap", &m.netmap) != TM_OK)
		m.netmap = 0;
	if (jsonin_u64(j, "run", &m.run) != TM_OK)
		m.run = 0;
	(void)msg_digest_get(j, "policy", m.policy);
	m.has_candidates = candidates_from_json(json_object_get(j, "candidates"), &m.candidates) == TM_OK;
	nat_told_from_json(json_object_get(j, "nat"), &m.candidates.nat);
	m.relay = json_is_true(json_object_get(j, "relay"));
	ports_get(json_object_get(j, "relay_tcp"), &m);
	*ret_m = m;
}

void msg_enrol_put(struct jsonout *o, const struct msg_enrol *m)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "enrol");
	jsonout_int(o, "id", m->id);
	jsonout_object(o, "token");
	jsonout_hex(o, "id", m->token, sizeof(m->token));
	jsonout_hex(o, "secret", m->secret, sizeof(m->secret));
	jsonout_object_end(o);
	jsonout_text(o, "name", m->name);
	jsonout_base64(o, "ed", m->ed, sizeof(m->ed));
	jsonout_text(o, "os", m->os);
	jsonout_text(o, "version", m->version);
	jsonout_object_end(o);
}

int msg_enrol_get(const json_t *j, struct msg_enrol *ret_m, struct diag *d)
{
	const json_t *token = json_object_get(j, "token");
	struct msg_enrol m = {0};
	char name[256] = "";
	int err = TM_OK;

	if (jsonin_int(j, "id", INT64_MIN, INT64_MAX, &m.id) != TM_OK)
		m.id = 0;
	if (jsonin_text(j, "name", name, sizeof(name)) == TM_OK && node_name_allowed(name))
		memcpy(m.name, name, strlen(name) + 1);
	else
		node_name_sanitize(name, m.name);
	shown_get(j, "os", m.os);
	shown_get(j, "version", m.version);
	if (jsonin_hex(token, "id", m.token, sizeof(m.token)) != TM_OK ||
		jsonin_hex(token, "secret", m.secret, sizeof(m.secret)) != TM_OK) {
		diag_hint(d, "copy the whole token, it starts with tm1_");
		err = diag_what(d, TM_EBADMSG, "the join token is malformed");
	} else if (jsonin_base64(j, "ed", m.ed, sizeof(m.ed)) != TM_OK) {
		diag_hint(d, "is this the newest version of the program?");
		err = diag_what(d, TM_EAUTH, "the identity does not belong to the key of this link");
	}
	*ret_m = m;
	wipe(m.secret, sizeof(m.secret));
	return err;
}

void msg_own_candidates_put(struct jsonout *o, const struct candidates *mine)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "candidates");
	candidates_put(o, "candidates", mine);
	nat_told_put(o, "nat", &mine->nat);
	jsonout_object_end(o);
}

int msg_own_candidates_get(const json_t *j, struct candidates *ret_c)
{
	int err = candidates_from_json(json_object_get(j, "candidates"), ret_c);

	if (!err)
		nat_told_from_json(json_object_get(j, "nat"), &ret_c->nat);
	return err;
}

void msg_want_put(struct jsonout *o, const char *id)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "want");
	jsonout_text(o, "node", id);
	jsonout_object_end(o);
}

int msg_want_get(const json_t *j, char ret_id[static NODE_ID_LEN + 1])
{
	return jsonin_word(j, "node", node_id_valid, ret_id, NODE_ID_LEN + 1);
}

void msg_leave_put(struct jsonout *o, int64_t id, bool undo)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "leave");
	jsonout_int(o, "id", id);
	if (undo)
		jsonout_bool(o, "undo", true);
	jsonout_object_end(o);
}
