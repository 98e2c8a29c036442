/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whatever object comes in: what is taken from it is valid, and comes out again as it was. */
#include "fuzz/fuzz.h"
#include "wire/msg/report.h"
#include "wire/msg/request.h"

static json_t *again(struct jsonout *o)
{
	char *text = jsonout_take(o, NULL);

	assert(text);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert(j);
	free(text);
	return j;
}

static void check_hello(const json_t *j)
{
	struct msg_hello m, back;
	struct jsonout o = {0};

	msg_hello_get(j, &m);
	msg_hello_put(&o, &m);
	json_t *copy = again(&o);
	msg_hello_get(copy, &back);
	assert(m.netmap == back.netmap && strcmp(m.os, back.os) == 0 && strcmp(m.version, back.version) == 0);
	assert(candidates_eq(&m.candidates, &back.candidates));
	assert(strcmp(m.policy, back.policy) == 0);
	json_decref(copy);
}

static void check_policy(const json_t *j)
{
	struct msg_policy m, back;
	struct jsonout o = {0};

	if (msg_policy_get(j, &m))
		return;
	msg_policy_put(&o, &m);
	json_t *copy = again(&o);
	assert(msg_policy_get(copy, &back) == TM_OK && m.version == back.version);
	assert(strcmp(m.text, back.text) == 0 && strcmp(m.nodes, back.nodes) == 0 &&
		strcmp(m.digest, back.digest) == 0);
	json_decref(copy);
}

static void check_enrol(const json_t *j)
{
	struct msg_enrol m, back;
	struct jsonout o = {0};
	struct diag d = {0};

	int err = msg_enrol_get(j, &m, &d);
	assert(node_name_valid(m.name));
	if (err)
		return;
	msg_enrol_put(&o, &m);
	json_t *copy = again(&o);
	assert(msg_enrol_get(copy, &back, &d) == TM_OK && memcmp(&m, &back, sizeof(m)) == 0);
	json_decref(copy);
}

static void check_welcome(const json_t *j)
{
	struct msg_welcome m, back;
	struct msg_enrolled e;
	struct jsonout o = {0};

	assert(msg_enrolled_get(j, &e) == msg_welcome_get(j, &m));
	if (msg_welcome_get(j, &m))
		return;
	msg_welcome_put(&o, &m);
	json_t *copy = again(&o);
	assert(msg_welcome_get(copy, &back) == TM_OK);
	assert(memcmp(&m.node, &back.node, sizeof(m.node)) == 0 && m.addresses.n == back.addresses.n);
	assert(m.data_port == back.data_port && m.time == back.time && m.pace_ms == back.pace_ms);
	json_decref(copy);
}

static void check_relays(const struct msg_relays *m)
{
	struct msg_relays back;
	struct jsonout o = {0};

	assert(m->relays.n <= RELAYS_MAX);
	msg_relays_put(&o, m);
	json_t *copy = again(&o);
	assert(msg_relays_get(copy, &back) == TM_OK);
	assert(relays_eq(&m->relays, &back.relays) && m->partial == back.partial);
	json_decref(copy);
}

static void check_report(const json_t *j)
{
	struct msg_report m, back;
	struct msg_report_ask ask;
	struct jsonout o = {0};

	msg_report_get(j, &m);
	assert(m.n_peers <= REPORT_PEERS_MAX);
	msg_report_put(&o, &m);
	json_t *copy = again(&o);
	msg_report_get(copy, &back);
	assert(m.whole == back.whole && m.has_self == back.has_self && m.n_peers == back.n_peers);
	assert(m.over_ms == back.over_ms && memcmp(&m.self, &back.self, sizeof(m.self)) == 0);
	for (size_t i = 0; i < m.n_peers; i++)
		assert(memcmp(&m.peers[i], &back.peers[i], sizeof(m.peers[i])) == 0);
	json_decref(copy);
	if (msg_report_ask_get(j, &ask) == TM_OK)
		assert(ask.every_ms >= REPORT_EVERY_MIN_MS && ask.for_ms <= REPORT_EVERY_MAX_MS);
}

static void check_others(const json_t *j)
{
	char id[NODE_ID_LEN + 1];
	struct msg_removed r;
	struct msg_candidates c;
	struct candidates mine;
	struct msg_relays relays;

	msg_removed_get(j, &r);
	assert(r.why[0] && strlen(r.why) <= MSG_WHY_MAX);
	for (const char *at = r.why; *at; at++)
		assert((unsigned char)*at >= ' ' && *at != 0x7f);
	if (msg_want_get(j, id) == TM_OK)
		assert(node_id_valid(id));
	if (msg_candidates_get(j, &c) == TM_OK)
		assert(node_id_valid(c.node) && c.candidates.n <= CANDIDATES_MAX);
	if (msg_own_candidates_get(j, &mine) == TM_OK)
		assert(mine.n <= CANDIDATES_MAX && mine.nat.n_ports <= NAT_PORTS_MAX);
	if (msg_relays_get(j, &relays) == TM_OK)
		check_relays(&relays);
}

static void check_requests(const json_t *j)
{
	msg_request_get_fn *const gets[] = {msg_nothing_get, msg_token_create_get, msg_token_revoke_get,
		msg_list_get, msg_node_list_get, msg_node_rename_get, msg_node_alias_get, msg_node_remove_get,
		msg_client_add_get, msg_client_remove_get, msg_policy_version_get, msg_policy_text_get,
		msg_policy_add_get, msg_policy_remove_get, msg_policy_explain_get, msg_policy_prove_get,
		msg_event_list_get, msg_report_list_get, msg_report_node_get};
	union msg_request r;

	for (size_t i = 0; i < ARRAY_LEN(gets); i++) {
		struct diag d = {0};

		assert(gets[i](j, &r, &d) == TM_OK || (d.what[0] && d.hint[0]));
	}
	struct diag d = {0};
	if (msg_node_rename_get(j, &r, &d) == TM_OK)
		assert(node_name_valid(r.rename.name));
	if (msg_node_alias_get(j, &r, &d) == TM_OK)
		assert(node_aliases_count(&r.alias.add) + node_aliases_count(&r.alias.remove) > 0);
	if (msg_client_add_get(j, &r, &d) == TM_OK)
		assert(node_name_valid(r.client_add.name));
	if (msg_event_list_get(j, &r, &d) == TM_OK)
		assert((!r.events.before || r.events.newest) && r.events.before <= INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *j = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(j)) {
		json_decref(j);
		return 0;
	}
	assert(strlen(msg_type(j).text) <= MSG_TYPE_MAX);
	check_hello(j);
	check_policy(j);
	check_enrol(j);
	check_welcome(j);
	check_report(j);
	check_others(j);
	check_requests(j);
	json_decref(j);
	return 0;
}
