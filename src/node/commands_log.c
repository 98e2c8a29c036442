/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How much is logged, while the daemon runs: `log.level`. What is set so holds until the next reload, or for
 * as long as was asked. */
#include "node/commands_private.h"
#include "wire/msg/request.h"

static void on_over(void *ctx)
{
	struct node *n = ctx;

	node_log_configured(n);
	log_info("node: the log is as much as configured again",
		KV("level", log_level_name(n->config.log_level)));
}

void node_log_configured(struct node *n)
{
	loop_timer_free(TAKE(n->logging.over));
	n->logging.until = 0;
	log_set_level(n->config.log_level);
	log_set_format(n->config.log_format);
}

/* 0: no end. */
static int set(struct node *n, enum log_level level, int64_t seconds)
{
	struct loop_timer *over = NULL;
	int err = seconds ? loop_timer_new(n->base, on_over, n, &over) : TM_OK;

	if (err)
		return err;
	loop_timer_free(n->logging.over);
	n->logging.over = over;
	n->logging.until = seconds ? time_monotonic() + (ns_t)seconds * SEC : NS_NEVER;
	if (over)
		loop_timer_at(over, n->logging.until);
	log_set_level(level);
	return TM_OK;
}

static void show(const struct node *n, struct ctl_call *call)
{
	const ns_t until = n->logging.until, now = time_monotonic();
	struct jsonout o = {0};

	jsonout_object(&o, NULL);
	jsonout_bool(&o, "ok", true);
	jsonout_text(&o, "level", log_level_name(log_level_get()));
	jsonout_text(&o, "configured", log_level_name(n->config.log_level));
	if (until && until != NS_NEVER)
		jsonout_int(&o, "left_s", (int64_t)((until > now ? until - now : 0) / SEC));
	else
		jsonout_null(&o, "left_s");
	jsonout_object_end(&o);
	ctl_reply_text(call, jsonout_take(&o, NULL));
}

void command_log_level(struct node *n, const msg_object *req, struct ctl_call *call)
{
	struct msg_log_level q;
	struct diag d = {0};
	int err = msg_log_level_get(req, &q, &d);

	if (!err && q.given)
		err = set(n, q.level, q.seconds);
	if (err) {
		ctl_reply(call, msg_refusal(tm_err_word(err), d.what[0] ? d.what : tm_strerror(err), d.hint));
		return;
	}
	if (q.given)
		log_info("node: how much is logged was changed", KV("level", log_level_name(q.level)));
	show(n, call);
}
