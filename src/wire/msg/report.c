/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "wire/msg/report.h"

#include "mesh/jsonin.h"

#include <string.h>

static const char *const path_words[REPORT_PATH_N] = {
#define X(name, word) [REPORT_##name] = word,
	REPORT_PATHS(X)
#undef X
};

static const char *const alarms[REPORT_ALARM_N] = {
#define X(name, word) [REPORT_ALARM_##name] = word,
	REPORT_ALARMS(X)
#undef X
};

static const char *const actions[REPORT_ACTION_N] = {
#define X(name, word) [REPORT_##name] = word,
	REPORT_ACTIONS(X)
#undef X
};

const char *report_path_word(enum report_path path)
{
	return path_words[path];
}

const char *report_alarm_word(enum report_alarm alarm)
{
	return alarms[alarm];
}

const char *report_alarm_says(const char *word)
{
	static const char *const says[REPORT_ALARM_N] = {
		[REPORT_ALARM_DNS] = "does not find names of the mesh",
		[REPORT_ALARM_CLOCK] = "has a clock that went back, or is not kept for the next start",
		[REPORT_ALARM_FIREWALL] = "drops by its own firewall what comes out of the tunnel",
		[REPORT_ALARM_OFFLOADS] =
			"has lost an offload that its kernel had promised, and is slower without",
		[REPORT_ALARM_PROGRAM] = "has a newer program installed, and waits for a restart",
		[REPORT_ALARM_UNSAVED] = "cannot save what it knows of the mesh for its next start",
		[REPORT_ALARM_ROUTER] = "offers networks that are not reached through it",
		[REPORT_ALARM_POLICY] = "cannot go by the policy in force",
	};

	for (unsigned i = 0; i < REPORT_ALARM_N; i++)
		if (strcmp(word, alarms[i]) == 0)
			return says[i];
	return NULL;
}

void report_alarms_put(struct jsonout *o, uint32_t set)
{
	jsonout_list(o, "alarms");
	for (unsigned i = 0; i < REPORT_ALARM_N; i++)
		if (set & UINT32_C(1) << i)
			jsonout_text(o, NULL, alarms[i]);
	jsonout_list_end(o);
}

/* --- putting --- */

/* Most of what is 0 most of the time is not told. */
static void put_count(struct jsonout *o, const char *key, uint64_t v)
{
	if (v)
		jsonout_int(o, key, (int64_t)MIN(v, (uint64_t)INT64_MAX));
}

static void put_word(struct jsonout *o, const char *key, const char *word)
{
	if (word[0])
		jsonout_text(o, key, word);
}

static void self_put(struct jsonout *o, const struct report_self *s)
{
	jsonout_object(o, "self");
	put_count(o, "uptime_s", s->uptime_s);
	put_count(o, "cpu", s->cpu_permille);
	put_count(o, "memory", s->memory);
	put_count(o, "drops", s->drops);
	put_count(o, "relayed", s->relayed);
	put_count(o, "relay_members", s->relay_members);
	put_count(o, "mtu", s->mtu);
	put_count(o, "workers", s->workers);
	put_count(o, "metrics_port", s->metrics_port);
	put_word(o, "offloads", s->offloads);
	if (s->alarms)
		report_alarms_put(o, s->alarms);
	jsonout_object_end(o);
}

static void peer_put(struct jsonout *o, const struct report_peer *p)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "node", p->node);
	jsonout_text(o, "path", path_words[p->path]);
	if (p->path != REPORT_GONE) {
		put_count(o, "family", p->family);
		put_word(o, "not_direct", path_not_word(p->not_direct));
		put_word(o, "relay", p->relay);
		put_count(o, "rtt_us", p->rtt_us);
		put_count(o, "mtu", p->mtu);
		put_count(o, "age_s", p->age_s);
		put_count(o, "rx", p->rx);
		put_count(o, "tx", p->tx);
	}
	jsonout_object_end(o);
}

static void rule_put(struct jsonout *o, const struct report_rule *r)
{
	jsonout_object(o, NULL);
	put_word(o, "rule", r->id);
	jsonout_text(o, "action", actions[r->action]);
	put_count(o, "hits", r->hits);
	jsonout_object_end(o);
}

void msg_report_put(struct jsonout *o, const struct msg_report *m)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "report");
	if (m->whole)
		jsonout_bool(o, "whole", true);
	put_count(o, "over_ms", m->over_ms);
	if (m->has_self)
		self_put(o, &m->self);
	if (m->n_peers) {
		jsonout_list(o, "peers");
		for (size_t i = 0; i < m->n_peers; i++)
			peer_put(o, &m->peers[i]);
		jsonout_list_end(o);
	}
	if (m->n_rules) {
		jsonout_list(o, "rules");
		for (size_t i = 0; i < m->n_rules; i++)
			rule_put(o, &m->rules[i]);
		jsonout_list_end(o);
	}
	jsonout_object_end(o);
}

/* --- getting --- */

/* What is wrong counts as not told. */
static uint64_t count(const json_t *j, const char *key, uint64_t max)
{
	uint64_t v;

	return jsonin_u64(j, key, &v) == TM_OK && v <= max ? v : 0;
}

static uint32_t alarms_get(const json_t *list)
{
	uint32_t set = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *word = jsonin_string(json_array_get(list, i));

		for (unsigned k = 0; word && k < REPORT_ALARM_N; k++)
			if (strcmp(word, alarms[k]) == 0)
				set |= UINT32_C(1) << k;
	}
	return set;
}

static void self_get(const json_t *j, struct report_self *ret_s)
{
	struct report_self s = {.uptime_s = (uint32_t)count(j, "uptime_s", UINT32_MAX),
		.cpu_permille = (uint32_t)count(j, "cpu", UINT32_MAX),
		.memory = count(j, "memory", INT64_MAX),
		.drops = count(j, "drops", INT64_MAX),
		.relayed = count(j, "relayed", INT64_MAX),
		.relay_members = (uint32_t)count(j, "relay_members", UINT32_MAX),
		.mtu = (uint16_t)count(j, "mtu", UINT16_MAX),
		.workers = (uint16_t)count(j, "workers", UINT16_MAX),
		.metrics_port = (uint16_t)count(j, "metrics_port", UINT16_MAX),
		.alarms = alarms_get(json_object_get(j, "alarms"))};

	if (jsonin_text(j, "offloads", s.offloads, sizeof(s.offloads)) != TM_OK)
		s.offloads[0] = '\0';
	*ret_s = s;
}

/* A path that is not known yet is none that could be shown. */
static bool path_get(const json_t *j, enum report_path *ret_path)
{
	const char *word = jsonin_string(json_object_get(j, "path"));

	for (unsigned i = 0; word && i < REPORT_PATH_N; i++)
		if (strcmp(word, path_words[i]) == 0) {
			*ret_path = (enum report_path)i;
			return true;
		}
	return false;
}

static bool peer_get(const json_t *j, struct report_peer *ret_p)
{
	struct report_peer p = {.path = REPORT_GONE};

	if (jsonin_word(j, "node", node_id_valid, p.node, sizeof(p.node)) || !path_get(j, &p.path))
		return false;
	if (p.path != REPORT_GONE) {
		uint64_t family = count(j, "family", 6);

		p.family = family == 4 || family == 6 ? (uint8_t)family : 0;
		p.not_direct = path_not_parse(jsonin_string(json_object_get(j, "not_direct")));
		if (jsonin_word(j, "relay", node_id_valid, p.relay, sizeof(p.relay)) != TM_OK)
			p.relay[0] = '\0';
		p.rtt_us = (uint32_t)count(j, "rtt_us", UINT32_MAX);
		p.mtu = (uint16_t)count(j, "mtu", UINT16_MAX);
		p.age_s = (uint32_t)count(j, "age_s", UINT32_MAX);
		p.rx = count(j, "rx", INT64_MAX);
		p.tx = count(j, "tx", INT64_MAX);
	}
	*ret_p = p;
	return true;
}

static bool rule_get(const json_t *j, struct report_rule *ret_r)
{
	struct report_rule r = {.hits = count(j, "hits", INT64_MAX)};
	const char *action = jsonin_string(json_object_get(j, "action"));
	unsigned i = 0;

	while (i < REPORT_ACTION_N && (!action || strcmp(action, actions[i]) != 0))
		i++;
	r.action = (enum report_action)i;
	if (i == REPORT_ACTION_N || !r.hits)
		return false;
	if (json_object_get(j, "rule") && jsonin_text(j, "rule", r.id, sizeof(r.id)) != TM_OK)
		return false;
	*ret_r = r;
	return true;
}

void msg_report_get(const json_t *j, struct msg_report *ret_m)
{
	const json_t *self = json_object_get(j, "self"), *peers = json_object_get(j, "peers"),
		     *rules = json_object_get(j, "rules");

	ret_m->whole = json_is_true(json_object_get(j, "whole"));
	ret_m->over_ms = (uint32_t)count(j, "over_ms", UINT32_MAX);
	ret_m->has_self = json_is_object(self);
	self_get(self, &ret_m->self);
	ret_m->n_peers = 0;
	for (size_t i = 0; i < json_array_size(peers) && ret_m->n_peers < REPORT_PEERS_MAX; i++)
		if (peer_get(json_array_get(peers, i), &ret_m->peers[ret_m->n_peers]))
			ret_m->n_peers++;
	ret_m->n_rules = 0;
	for (size_t i = 0; i < json_array_size(rules) && ret_m->n_rules < REPORT_RULES_MAX; i++)
		if (rule_get(json_array_get(rules, i), &ret_m->rules[ret_m->n_rules]))
			ret_m->n_rules++;
}

/* --- asking --- */

void msg_report_ask_put(struct jsonout *o, const struct msg_report_ask *m)
{
	jsonout_object(o, NULL);
	jsonout_text(o, "t", "report");
	jsonout_int(o, "every_ms", m->every_ms);
	put_count(o, "for_ms", m->for_ms);
	if (m->whole)
		jsonout_bool(o, "whole", true);
	jsonout_object_end(o);
}

int msg_report_ask_get(const json_t *j, struct msg_report_ask *ret_m)
{
	int64_t every, length = 0;
	int err = jsonin_int(j, "every_ms", REPORT_EVERY_MIN_MS, REPORT_EVERY_MAX_MS, &every);

	if (!err)
		err = jsonin_int_if(j, "for_ms", 1, REPORT_EVERY_MAX_MS, &length);
	if (err)
		return err;
	*ret_m = (struct msg_report_ask){.every_ms = (uint32_t)every,
		.for_ms = (uint32_t)length,
		.whole = json_is_true(json_object_get(j, "whole"))};
	return TM_OK;
}
