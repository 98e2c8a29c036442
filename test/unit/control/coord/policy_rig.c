/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/control/coord/policy_rig.h"

#include "unit/unit.h"

const char *rig_text(const json_t *j, const char *field)
{
	const char *s = json_string_value(json_object_get(j, field));

	return s ? s : "";
}

json_int_t rig_number(const json_t *j, const char *field)
{
	return json_integer_value(json_object_get(j, field));
}

bool rig_is(const json_t *j, const char *field)
{
	return json_is_true(json_object_get(j, field));
}

json_t *rig_ask(const char *cmd, const char *key, const char *value)
{
	return key ? json_pack("{s:s, s:s}", "cmd", cmd, key, value) : json_pack("{s:s}", "cmd", cmd);
}

const json_t *rig_set(struct rig *r, const char *policy)
{
	return rig_admin(r, json_pack("{s:s, s:s, s:s}", "cmd", "policy.set", "text", policy, "by", "jo"));
}

const json_t *rig_must_set(struct rig *r, const char *policy)
{
	const json_t *answer = rig_set(r, policy);

	if (!rig_is(answer, "ok"))
		fail_msg("%s (%s)", rig_text(answer, "error"), rig_text(answer, "hint"));
	return answer;
}

json_int_t rig_in_force(struct rig *r)
{
	return rig_number(rig_admin(r, rig_ask("policy.get", NULL, NULL)), "version");
}

json_t *rig_rule(const char *id, const char *services, const char *from)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "cmd", "policy.add", "action", "allow",
		"services", services, "from", from, "to", "hub", "id", id, "by", "jo");
}

void rig_must(struct rig *r, json_t *request)
{
	const json_t *answer = rig_admin(r, request);

	if (!rig_is(answer, "ok"))
		fail_msg("%s (%s)", rig_text(answer, "error"), rig_text(answer, "hint"));
}

void rig_must_not(struct rig *r, json_t *request, const char *why)
{
	const json_t *answer = rig_admin(r, request);

	if (rig_is(answer, "ok") || !strstr(rig_text(answer, "error"), why))
		fail_msg("not \"%s\": %s", why, rig_text(answer, "error"));
}
