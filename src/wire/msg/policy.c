/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The policy on its way to nodes, and requests about it. */
#include "mesh/jsonin.h"
#include "wire/msg/request.h"

#include <string.h>

static bool is_digest(const char *s)
{
	return strlen(s) == MSG_DIGEST_LEN && strspn(s, "0123456789abcdef") == MSG_DIGEST_LEN;
}

bool msg_digest_get(const json_t *j, const char *key, char ret_digest[static MSG_DIGEST_LEN + 1])
{
	return jsonin_word(j, key, is_digest, ret_digest, MSG_DIGEST_LEN + 1) == TM_OK;
}

void msg_policy_put(struct jsonout *o, const struct msg_policy *m)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "policy");
	jsonout_int(o, "version", (int64_t)m->version);
	if (m->version) {
		jsonout_text(o, "digest", m->digest);
		jsonout_text(o, "text", m->text);
		jsonout_text(o, "nodes", m->nodes);
	}
	jsonout_object_end(o);
}

int msg_policy_get(const json_t *j, struct msg_policy *ret_m)
{
	struct msg_policy m = {.text = jsonin_string(json_object_get(j, "text")),
		.nodes = jsonin_string(json_object_get(j, "nodes"))};

	int err = jsonin_u64(j, "version", &m.version);
	if (err)
		return err;
	if (!m.version && !m.text && !m.nodes) {
		*ret_m = m;
		return TM_OK;
	}
	if (!m.version || !m.text || !m.nodes || strlen(m.text) > MSG_POLICY_MAX ||
		strlen(m.nodes) > 2 * MSG_POLICY_MAX || !msg_digest_get(j, "digest", m.digest))
		return TM_EBADMSG;
	*ret_m = m;
	return TM_OK;
}

void msg_policy_held_put(struct jsonout *o, uint64_t version)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "policy_held");
	jsonout_int(o, "version", (int64_t)version);
	jsonout_object_end(o);
}

int msg_policy_held_get(const json_t *j, uint64_t *ret_version)
{
	return jsonin_u64(j, "version", ret_version);
}

/* --- requests --- */

static int wrong(struct diag *d, const char *what)
{
	diag_code(d, "usage");
	diag_hint(d, "see `tunnelmesh help filter`");
	return diag_what(d, TM_EINVAL, "%s", what);
}

static bool is_action(const char *s)
{
	return strcmp(s, "allow") == 0 || strcmp(s, "deny") == 0 || strcmp(s, "reject") == 0;
}

/* Absent: 0. */
static int version_get(const json_t *j, const char *key, uint64_t *ret_version, struct diag *d)
{
	*ret_version = 0;
	if (!json_object_get(j, key))
		return TM_OK;
	if (jsonin_u64(j, key, ret_version) != TM_OK || !*ret_version)
		return wrong(d, "a version of the policy is a number from 1 on");
	return TM_OK;
}

int msg_policy_version_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_policy_request r = {.text = NULL};

	int err = version_get(j, "version", &r.version, d);
	ret_r->policy = r;
	return err;
}

/* Absent: "". */
static int by_get(const json_t *j, struct msg_policy_request *r, struct diag *d)
{
	if (json_object_get(j, "by") && jsonin_text(j, "by", r->by, sizeof(r->by)) != TM_OK)
		return wrong(d, "whoever changes the policy is named with 1 to 64 characters");
	return TM_OK;
}

int msg_policy_text_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_policy_request r = {.text = jsonin_string(json_object_get(j, "text"))};

	if (!r.text)
		return wrong(d, "the text of the policy is missing, or holds a NUL character");
	if (strlen(r.text) > MSG_POLICY_MAX)
		return wrong(d, "a policy has at most 512 KiB");
	int err = by_get(j, &r, d);
	if (err)
		return err;
	if (json_object_get(j, "name") && jsonin_text(j, "name", r.name, sizeof(r.name)) != TM_OK)
		return wrong(d, "the name of the policy's file is too long");
	if (jsonin_bool(j, "rebind", &r.rebind) != TM_OK)
		return wrong(d, "rebind must be true or false");
	err = version_get(j, "if_version", &r.version, d);
	if (!err)
		ret_r->policy = r;
	return err;
}

int msg_policy_add_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_policy_request r = {.text = NULL};
	struct msg_policy_rule *rule = &r.rule;

	if (jsonin_word(j, "action", is_action, rule->action, sizeof(rule->action)) != TM_OK)
		return wrong(d, "a rule can allow, deny or reject");
	if (jsonin_text(j, "services", rule->services, sizeof(rule->services)) != TM_OK ||
		jsonin_text(j, "from", rule->from, sizeof(rule->from)) != TM_OK ||
		jsonin_text(j, "to", rule->to, sizeof(rule->to)) != TM_OK)
		return wrong(d,
			"a rule says with up to 1023 characters each what it is about, from whom and to "
			"whom; a longer one can be written into the policy itself");
	if (json_object_get(j, "id") && jsonin_text(j, "id", rule->id, sizeof(rule->id)) != TM_OK)
		return wrong(d, "the id of a rule has 1 to 32 characters");
	int err = by_get(j, &r, d);
	if (!err)
		ret_r->policy = r;
	return err;
}

int msg_policy_remove_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_policy_request r = {.text = NULL};

	int err = msg_local_id_get(j, r.rule.id, d);
	if (!err)
		err = by_get(j, &r, d);
	if (!err)
		ret_r->policy = r;
	return err;
}

int msg_policy_explain_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_policy_request r = {.text = NULL};

	if (jsonin_text(j, "from", r.from, sizeof(r.from)) != TM_OK ||
		jsonin_text(j, "to", r.to, sizeof(r.to)) != TM_OK)
		return wrong(
			d, "who opens the connection, and to whom, is said by a name or an address each");
	if (jsonin_text(j, "service", r.service, sizeof(r.service)) != TM_OK)
		return wrong(d, "what is opened is said as tcp/22, udp/53 or icmp/echo");
	ret_r->policy = r;
	return TM_OK;
}

int msg_policy_prove_get(const json_t *j, union msg_request *ret_r, struct diag *d)
{
	struct msg_policy_request r = {.text = jsonin_string(json_object_get(j, "statement"))};

	if (!r.text || !r.text[0] || strlen(r.text) > MSG_STATEMENT_MAX)
		return wrong(d, "what is to be proved is said in one sentence");
	if (jsonin_bool(j, "transitive", &r.transitive) != TM_OK)
		return wrong(d, "transitive must be true or false");
	ret_r->policy = r;
	return TM_OK;
}

int msg_local_rule_get(const json_t *j, struct msg_local_rule *ret_r, struct diag *d)
{
	struct msg_local_rule r = {.outbound = false};

	if (jsonin_word(j, "action", is_action, r.action, sizeof(r.action)) != TM_OK)
		return wrong(d, "a rule can allow, deny or reject");
	if (jsonin_text(j, "services", r.services, sizeof(r.services)) != TM_OK ||
		jsonin_text(j, "who", r.who, sizeof(r.who)) != TM_OK)
		return wrong(d, "a rule says with up to 199 characters each what it is about, and who");
	if (jsonin_bool(j, "outbound", &r.outbound) != TM_OK)
		return wrong(d, "outbound must be true or false");
	if (jsonin_int(j, "ttl_s", 1, LOCAL_TTL_MAX_S, &r.ttl_s) != TM_OK)
		return wrong(d, "a node's own rule holds for a second to 30 days");
	*ret_r = r;
	return TM_OK;
}

int msg_local_id_get(const json_t *j, char ret_id[static 33], struct diag *d)
{
	if (jsonin_text(j, "id", ret_id, 33) != TM_OK)
		return wrong(d, "which rule is not said");
	return TM_OK;
}
