/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The request that changes how much is logged. */
#include "mesh/jsonin.h"
#include "wire/msg/request.h"

enum { FOR_MAX_S = 30 * 86400 };

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
