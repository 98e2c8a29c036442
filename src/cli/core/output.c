/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* How commands speak: results on stdout, sentences on stderr, JSON when asked. */
#include "cli/core/cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/plain.h"
#include "cli/core/call.h"
#include "cli/core/daemon.h"
#include "os/files.h"
#include "os/terminal.h"
#include "os/words/words.h"

json_t *cli_error_json(const struct diag *d, int err)
{
	char what[sizeof(d->where) + sizeof(d->what)];
	struct diag bare = *d;
	char hint[sizeof(bare.hint)];

	/* What was typed may be no UTF-8, and what is long was cut at any byte. */
	snprintf(hint, sizeof(hint), "%s", d->hint);
	bare.hint[0] = '\0';
	diag_format(&bare, err, what, sizeof(what));
	return json_pack("{s:b, s:s, s:s, s:s?}", "ok", 0, "code", d->code[0] ? d->code : tm_err_word(err),
		"error", plain_make(what), "hint", hint[0] ? plain_make(hint) : NULL);
}

static void print_error(struct cli *c, const struct diag *d, int err)
{
	char text[sizeof(struct diag) + 16];

	cli_progress(c, NULL);
	fprintf(c->err, "%stunnelmesh: %s\n", c->err_journal ? "<3>" : "", /* sd-daemon(3): error */
		plain_make((char *)(uintptr_t)diag_format(d, err, text, sizeof(text))));
	if (!c->g.json)
		return;

	json_t *j = cli_error_json(d, err);
	if (j)
		(void)cli_json_take(c, j);
}

int cli_fail(struct cli *c, const struct diag *d, int err)
{
	print_error(c, d, err);
	return strcmp(d->code, "usage") == 0 ? CLI_USAGE : CLI_FAILED;
}

static void vfail(struct cli *c, const char *code, const char *hint, const char *fmt, va_list ap)
{
	struct diag d = {0};
	char what[sizeof(d.what)];

	diag_code(&d, code);
	vsnprintf(what, sizeof(what), fmt, ap);
	diag_what(&d, TM_EINVAL, "%s", what);
	if (hint && *hint)
		diag_hint(&d, "%s", hint);
	print_error(c, &d, TM_EINVAL);
}

int cli_failf(struct cli *c, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfail(c, "failed", hint, fmt, ap);
	va_end(ap);
	return CLI_FAILED;
}

int cli_usage(struct cli *c, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfail(c, "usage", hint, fmt, ap);
	va_end(ap);
	return CLI_USAGE;
}

void cli_note(struct cli *c, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	if (c->g.json)
		return;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cli_progress(c, NULL);
	fprintf(c->err, "tunnelmesh: %s\n", plain_make(text));
}

void cli_progress(struct cli *c, const char *text)
{
	if (!c->err_tty || c->g.json)
		return;

	fprintf(c->err, "\r\033[K"); /* back to the margin, clear the line */
	if (text)
		fprintf(c->err, "  %s ...", text);
	fflush(c->err);
}

int cli_json_take(struct cli *c, json_t *j)
{
	int r;

	if (!j)
		return cli_failf(c, NULL, "%s", tm_strerror(TM_ENOMEM));

	json_object_set_new(j, "schema", json_integer(CLI_JSON_SCHEMA));
	/*
	 * What could steer a terminal is escaped, and nothing is lost. 15 digits say a double as it was
	 * meant: 0.2419, not 0.24190000000000001.
	 */
	r = json_dumpf(j, c->out, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15));
	fputc('\n', c->out);
	json_decref(j);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}

bool cli_confirm(struct cli *c, const char *question)
{
	char answer[16] = "";
	size_t n;

	if (!c->in_tty)
		return false;

	cli_progress(c, NULL);
	fprintf(c->err, "%s [y/N] ", question);
	fflush(c->err);
	if (terminal_read(c->in_fd, answer, sizeof(answer) - 1, &n) != TM_OK)
		return false;
	return answer[0] == 'y' || answer[0] == 'Y';
}

void cli_read_line(struct cli *c, char *buf, size_t n)
{
	size_t at = 0;

	while (at < n - 1 && !memchr(buf, '\n', at)) {
		size_t got;
		int err = terminal_read(c->in_fd, buf + at, n - 1 - at, &got);

		if (err == TM_EAGAIN)
			continue;
		if (err)
			break;
		at += got;
	}
	buf[at] = '\0';
	buf[strcspn(buf, "\r\n")] = '\0';
}

const char *cli_node_flags(const struct cli *c, char *buf, size_t n)
{
	size_t at = 0;
	const struct {
		const char *flag, *value;
	} flags[] = {{"--config", c->g.config}, {"--state-dir", c->g.state_dir}, {"--socket", c->g.socket}};

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(flags) && at < n; i++)
		if (flags[i].value)
			at += (size_t)snprintf(buf + at, n - at, " %s %s", flags[i].flag, flags[i].value);
	return buf;
}

/* Only someone who may look into the state directory can tell "not started" from "never enrolled". */
static void say_what_to_do(struct cli *c, int err, struct diag *d)
{
	char flags[160];

	if (err == TM_EPERM)
		diag_hint(d, OS_SUDO_HINT);
	if (err != TM_ENOENT)
		return;

	os_pid pid = daemon_pid(c, NULL);
	const bool enrolled = os_find(c->paths.enrolment) != TM_ENOENT;
	if (pid && !enrolled) {
		diag_code(d, "not_running");
		diag_what(d, err, "tunnelmesh has not come into a mesh yet (process %" PRId64 " is at it)",
			pid);
		diag_hint(d, "try again when it has");
		return;
	}
	if (pid) {
		diag_what(d, err, "tunnelmesh runs (process %" PRId64 "), but its control socket %s is gone",
			pid, c->paths.socket);
		diag_hint(d, "it is made again within seconds; if not, %s", daemon_why_deaf(c));
		return;
	}
	cli_node_flags(c, flags, sizeof(flags));
	if (!enrolled) {
		diag_code(d, "not_enrolled");
		diag_what(d, err, "tunnelmesh is not running, and this machine is in no mesh yet");
		diag_hint(d, OS_SUDO "tunnelmesh%s init, or join TOKEN", flags);
	} else {
		diag_code(d, "not_running");
		diag_hint(d, OS_SUDO "tunnelmesh%s up", flags);
	}
}

/* Names and reasons in it come from elsewhere, a damaged file perhaps. */
static void make_plain(json_t *j)
{
	const char *text = json_string_value(j), *key;
	json_t *v;
	size_t i;

	if (text && !plain_is(text)) {
		_cleanup_(freep) char *plain = strdup(text);

		(void)json_string_set(j, plain ? plain_make(plain) : "");
	}
	json_array_foreach (j, i, v)
		make_plain(v);
	json_object_foreach (j, key, v)
		make_plain(v);
}

int cli_ask(struct cli *c, const char *cmd, json_t *fields_take, int timeout_ms, json_t **ret_reply,
	struct diag *d)
{
	int err = cli_ask_exact(c, cmd, fields_take, timeout_ms, ret_reply, d);

	if (!err && !c->g.json)
		make_plain(*ret_reply);
	return err;
}

int cli_ask_exact(struct cli *c, const char *cmd, json_t *fields_take, int timeout_ms, json_t **ret_reply,
	struct diag *d)
{
	json_t *req = fields_take ? fields_take : json_object();
	int err = TM_ENOMEM;

	if (req && json_object_set_new(req, "cmd", json_string(cmd)) == 0) {
		err = call_daemon(c->paths.socket, req, timeout_ms, ret_reply, d);
		say_what_to_do(c, err, d);
	}
	json_decref(req);
	return err;
}

int cli_ask_open(
	struct cli *c, const char *cmd, json_t *fields_take, json_t **ret_reply, int *ret_fd, struct diag *d)
{
	json_t *req = fields_take ? fields_take : json_object();
	int err = TM_ENOMEM;

	if (req && json_object_set_new(req, "cmd", json_string(cmd)) == 0) {
		err = call_daemon_open(c->paths.socket, req, ASK_TIMEOUT_MS, ret_reply, ret_fd, d);
		say_what_to_do(c, err, d);
	}
	json_decref(req);
	return err;
}

json_t *cli_fetch(struct cli *c, const char *cmd, json_t *fields_take, int *ret_status)
{
	json_t *reply = NULL;
	struct diag d = {0};
	int err = cli_ask(c, cmd, fields_take, ASK_TIMEOUT_MS, &reply, &d);

	if (err) {
		*ret_status = cli_fail(c, &d, err);
		return NULL;
	}
	if (c->g.json) {
		*ret_status = cli_json_take(c, reply);
		return NULL;
	}
	return reply;
}

const char *json_text(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

int64_t json_number(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);

	return json_is_integer(v) ? json_integer_value(v) : (int64_t)json_number_value(v);
}

json_t *json_rounded(double v)
{
	return json_real(round(v * 1000) / 1000);
}
