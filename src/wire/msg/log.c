/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Requests to a node about what it logs and remembers. */
#include "mesh/jsonin.h"
#include "wire/msg/request.h"

enum { FOR_MAX_S = 30 * 86400, WAIT_MAX_S = 3600, KEEP_MAX = 65535 };

int msg_events_get(const msg_object *j, struct msg_events *ret_e, struct diag *d)
{
	struct msg_events e = {0};

	if (jsonin_int_if(j, "after", 0, INT64_MAX, &e.after) != TM_OK ||
		jsonin_int_if(j, "since", 0, INT64_MAX, &e.since) != TM_OK ||
		jsonin_int_if(j, "for_s", 1, WAIT_MAX_S, &e.for_s) != TM_OK ||
		jsonin_bool(j, "wait", &e.wait) != TM_OK)
		return diag_what(
			d, TM_EINVAL, "after, since and for_s are numbers, and wait is true or false");
	*ret_e = e;
	return TM_OK;
}

int msg_log_level_get(const msg_object *j, struct msg_log_level *ret_l, struct diag *d)
{
	struct msg_log_level l = {.given = json_object_get(j, "level") != NULL};
	const char *level = jsonin_string(json_object_get(j, "level"));

	if (l.given && (!level || log_level_parse(level, &l.level) != TM_OK))
		return diag_what(d, TM_EINVAL, "a level is error, warn, info or debug");
	if (jsonin_int_if(j, "seconds", 1, FOR_MAX_S, &l.seconds) != TM_OK)
		return diag_what(d, TM_EINVAL, "a level holds for 1 second to 30 days");
	*ret_l = l;
	return TM_OK;
}

int msg_capture_get(const msg_object *j, struct msg_capture *ret_c, struct diag *d)
{
	int64_t count = 0, seconds = 0, keep = KEEP_MAX;

	if (jsonin_int_if(j, "count", 0, UINT32_MAX, &count) != TM_OK)
		return diag_what(d, TM_EINVAL, "count is a number of packets");
	if (jsonin_int_if(j, "seconds", 0, FOR_MAX_S, &seconds) != TM_OK)
		return diag_what(d, TM_EINVAL, "a capture lasts for 30 days at most");
	if (jsonin_int_if(j, "keep", 1, KEEP_MAX, &keep) != TM_OK)
		return diag_what(d, TM_EINVAL, "1 to %d bytes of each packet are kept", KEEP_MAX);
	*ret_c = (struct msg_capture){.count = (uint32_t)count, .seconds = seconds, .keep = (uint32_t)keep};
	return TM_OK;
}
