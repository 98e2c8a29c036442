/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What tests of a coordinator's policy ask for and expect. Answers are the rig's until the next question. */
#ifndef TM_TEST_COORD_POLICY_RIG_H
#define TM_TEST_COORD_POLICY_RIG_H

#include "unit/control/coord/rig.h"

const char *rig_text(const json_t *j, const char *field);
json_int_t rig_number(const json_t *j, const char *field);
bool rig_is(const json_t *j, const char *field);
json_t *rig_ask(const char *cmd, const char *key, const char *value);
const json_t *rig_set(struct rig *r, const char *policy);
const json_t *rig_must_set(struct rig *r, const char *policy);
json_int_t rig_in_force(struct rig *r);
json_t *rig_rule(const char *id, const char *services, const char *from);
void rig_must(struct rig *r, json_t *request);
void rig_must_not(struct rig *r, json_t *request, const char *why);

#endif
