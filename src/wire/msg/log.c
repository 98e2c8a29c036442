/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Requests to a node about what it logs and remembers. */
#include "mesh/jsonin.h"
#include "wire/msg/request.h"

enum { FOR_MAX_S = 30 * 86400 };

int msg_events_get(const msg_object *j, struct msg_events *ret_e, struct diag *d)
{
	struct msg_events e = {0};

	if ((json_object_get(j, "after") && jsonin_int(j, "after", 0, INT64_MAX, &e.after) != TM_OK) ||
		(json_object_get(j, "since") && jsonin_int(j, "since", 0, INT64_MAX, &e.since) != TM_OK) ||
		jsonin_bool(j, "wait", &e.wait) != TM_OK)
		return diag_what(d, TM_EINVAL, "after and since are numbers, and wait is true or false");
	*ret_e = e;
	return TM_OK;
}

int msg_log_level_get(const msg_object *j, struct msg_log_level *ret_l, struct diag *d)
{
	struct msg_log_level l = {.given = json_object_get(j, "level") != NULL};
	const char *level = jsonin_string(json_object_get(j, "level"));

	if (l.given && (!level || log_level_parse(level, &l.level) != TM_OK))
		return diag_what(d, TM_EINVAL, "a level is error, warn, info or debug");
	if (json_object_get(j, "seconds") && jsonin_int(j, "seconds", 1, FOR_MAX_S, &l.seconds) != TM_OK)
		return diag_what(d, TM_EINVAL, "a level holds for 1 second to 30 days");
	*ret_l = l;
	return TM_OK;
}
