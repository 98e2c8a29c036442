/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The coordinator asks how we are, and the owner answers as often as it wants to be told. */
#include "control/agent/agent_private.h"

void report_asked(struct agent *a, const msg_object *m)
{
	struct msg_report_ask ask;

	if (a->state == AGENT_UP && msg_report_ask_get(m, &ask) == TM_OK && a->events.report)
		a->events.report(a->events.ctx, &ask);
}

void agent_report(struct agent *a, const struct msg_report *m)
{
	struct jsonout o = {0};

	if (a->state != AGENT_UP)
		return;
	msg_report_put(&o, m);
	(void)session_send(a, &o); /* who links again is asked again */
}
