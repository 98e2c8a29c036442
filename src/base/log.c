/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "base/log.h"

#include "base/err.h"
#include "base/logsite.h"
#include "base/plain.h"

#include "os/low/calendar.h"
#include "os/low/errno_text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const char cut_mark[] = " ...\n";
static const char object_cut_mark[] = ",\"cut\":true}\n";

static const char *const level_names[LOG_LEVEL_N] = {"error", "warn", "info", "debug"};

/* The one process-wide setting that everything may read: helpers log too, so it is atomic. */
static _Atomic(enum log_level) threshold = LOG_INFO;
static _Atomic(enum log_format) log_format;
static enum log_style log_style; /* set before there are threads, like the sink */
static log_sink_fn *sink;
static void *sink_ctx;
static _Atomic(log_tap_fn *) tap;
static void *tap_ctx; /* of whoever is there, once one is */

struct log_kv kv_str(const char *key, const char *value)
{
	return (struct log_kv){.key = key, .text = value ? value : "-"};
}

struct log_kv kv_int(const char *key, int64_t value)
{
	struct log_kv kv = {.key = key, .number = true};

	snprintf(kv.own, sizeof(kv.own), "%lld", (long long)value);
	return kv;
}

struct log_kv kv_ms(const char *key, ns_t value)
{
	struct log_kv kv = {.key = key};

	snprintf(kv.own, sizeof(kv.own), "%.1fms", (double)value / (double)MS);
	return kv;
}

struct log_kv kv_ip(const char *key, const struct ip *value)
{
	struct log_kv kv = {.key = key};

	ip_format(value, kv.own);
	return kv;
}

struct log_kv kv_endpoint(const char *key, const struct endpoint *value)
{
	struct log_kv kv = {.key = key};

	endpoint_format(value, kv.own);
	return kv;
}

struct log_kv kv_prefix(const char *key, const struct prefix *value)
{
	struct log_kv kv = {.key = key};

	prefix_format(value, kv.own);
	return kv;
}

struct log_kv kv_err(int err)
{
	return kv_str("err", tm_strerror(err));
}

struct log_kv kv_errno(int errno_value)
{
	struct log_kv kv = {.key = "err"};

	errno_text(errno_value, kv.own, sizeof(kv.own));
	return kv;
}

struct line {
	char s[LOG_LINE_MAX];
	size_t n, room; /* room: what is kept free behind it is for its end */
	bool cut;
};

/* As a whole or not at all, so that no character is torn. */
static void line_add_bytes(struct line *l, const char *s, size_t n)
{
	if (n > l->room - l->n)
		l->cut = true;
	if (l->cut)
		return;
	memcpy(l->s + l->n, s, n);
	l->n += n;
}

static void line_add(struct line *l, const char *s)
{
	line_add_bytes(l, s, strlen(s));
}

/* Values may come from strangers: nothing in them looks like the end of one, or steers a terminal. */
static void line_add_plain(struct line *l, const char *s)
{
	while (*s) {
		size_t n = plain_char(s);

		if (*s == '"' || *s == '\\')
			line_add(l, "\\");
		line_add_bytes(l, n ? s : "?", n ? n : 1);
		s += n ? n : 1;
	}
}

static void line_add_quoted(struct line *l, const char *s)
{
	line_add(l, "\"");
	line_add_plain(l, s);
	line_add(l, "\"");
}

static void line_add_value(struct line *l, const char *s)
{
	if (s[0] == '\0' || strpbrk(s, " =\"\\") != NULL)
		line_add_quoted(l, s);
	else
		line_add_plain(l, s);
}

static void line_add_time(struct line *l)
{
	char stamp[40], ms[8];
	ns_t now = time_real();
	struct tm tm;

	calendar_utc(now / SEC, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ms, sizeof(ms), ".%03uZ", (unsigned)(now % SEC / MS) % 1000);
	line_add(l, stamp);
	line_add(l, ms);
}

static const char *value_of(const struct log_kv *kv)
{
	return kv->text ? kv->text : kv->own;
}

static void add_pairs(struct line *l, const struct log_kv *kv, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		line_add(l, " ");
		line_add(l, kv[i].key);
		line_add(l, "=");
		line_add_value(l, value_of(&kv[i]));
	}
}

static void end_line(struct line *l, const char *end)
{
	memcpy(l->s + l->n, end, strlen(end));
	l->n += strlen(end);
}

static void make_text(
	struct line *l, enum log_level level, const char *text, const struct log_kv *kv, size_t n)
{
	l->room = sizeof(l->s) - sizeof(cut_mark);
	if (log_style != LOG_STYLE_JOURNAL) {
		line_add_time(l);
		line_add(l, " ");
		line_add(l, level_names[level]);
		line_add(l, " ");
	}
	line_add(l, text);
	add_pairs(l, kv, n);
	end_line(l, l->cut ? cut_mark : "\n");
}

static void make_logfmt(
	struct line *l, enum log_level level, const char *text, const struct log_kv *kv, size_t n)
{
	l->room = sizeof(l->s) - sizeof(cut_mark);
	if (log_style != LOG_STYLE_JOURNAL) {
		line_add(l, "time=");
		line_add_time(l);
		line_add(l, " ");
	}
	line_add(l, "level=");
	line_add(l, level_names[level]);
	line_add(l, " msg=");
	line_add_value(l, text);
	add_pairs(l, kv, n);
	end_line(l, l->cut ? cut_mark : "\n");
}

static void object_pair(struct line *l, const struct log_kv *kv)
{
	const size_t before = l->n;

	line_add(l, ",\"");
	line_add_plain(l, kv->key);
	line_add(l, "\":");
	if (kv->number)
		line_add(l, kv->own);
	else
		line_add_quoted(l, value_of(kv));
	if (l->cut)
		l->n = before;
}

static void make_object(
	struct line *l, enum log_level level, const char *text, const struct log_kv *kv, size_t n)
{
	const struct log_kv msg = KV("msg", text);

	l->room = sizeof(l->s) - sizeof(object_cut_mark);
	line_add(l, "{");
	if (log_style != LOG_STYLE_JOURNAL) {
		line_add(l, "\"time\":\"");
		line_add_time(l);
		line_add(l, "\",");
	}
	line_add(l, "\"level\":\"");
	line_add(l, level_names[level]);
	line_add(l, "\"");
	object_pair(l, &msg);
	for (size_t i = 0; i < n; i++)
		object_pair(l, &kv[i]);
	end_line(l, l->cut ? object_cut_mark : "}\n");
}

/* Standard error has no buffer and a lock: lines of several threads stay whole. A log that cannot be written
 * has nowhere to go. */
static void hand_over(const struct line *l)
{
	if (sink) {
		sink(sink_ctx, l->s, l->n);
		return;
	}
	(void)fwrite(l->s, 1, l->n, stderr);
}

static void write_line(enum log_level level, const char *text, const struct log_kv *kv, size_t n)
{
	static const char *const priorities[LOG_LEVEL_N] = {"<3>", "<4>", "<6>", "<7>"};
	struct line l = {.n = 0, .room = sizeof(l.s)};

	if (log_style == LOG_STYLE_JOURNAL)
		line_add(&l, priorities[level]);
	switch (atomic_load_explicit(&log_format, memory_order_relaxed)) {
	case LOG_FORMAT_LOGFMT:
		make_logfmt(&l, level, text, kv, n);
		break;
	case LOG_FORMAT_JSON:
		make_object(&l, level, text, kv, n);
		break;
	case LOG_FORMAT_TEXT:
	default:
		make_text(&l, level, text, kv, n);
	}
	hand_over(&l);
}

static void tell_tap(
	log_tap_fn *fn, enum log_level level, const char *text, const struct log_kv *kv, size_t n)
{
	struct line l = {.n = 0, .room = sizeof(l.s) - sizeof(cut_mark)};

	line_add(&l, text);
	add_pairs(&l, kv, n);
	l.s[l.n] = '\0';
	fn(tap_ctx, level, l.s);
}

void log_write(enum log_level level, const char *text, const struct log_kv *kv, size_t n)
{
	uint64_t missed;

	if (!log_site_allow(text, level == LOG_DEBUG, time_monotonic(), &missed))
		return;
	if (missed) {
		const struct log_kv said[] = {KV("line", text), KV_INT("left_out", missed)};

		write_line(level, "log: a line came too often, and was left out", said, ARRAY_LEN(said));
	}
	write_line(level, text, kv, n);
	log_tap_fn *fn = level <= LOG_WARN ? atomic_load_explicit(&tap, memory_order_acquire) : NULL;
	if (fn)
		tell_tap(fn, level, text, kv, n);
}

bool log_enabled(enum log_level level)
{
	return level <= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&threshold, level, memory_order_relaxed);
}

enum log_level log_level_get(void)
{
	return atomic_load_explicit(&threshold, memory_order_relaxed);
}

int log_level_parse(const char *s, enum log_level *ret_level)
{
	for (int i = 0; i < LOG_LEVEL_N; i++)
		if (strcmp(s, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return TM_OK;
		}
	return TM_EINVAL;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

void log_set_format(enum log_format format)
{
	atomic_store_explicit(&log_format, format, memory_order_relaxed);
}

void log_set_style(enum log_style style)
{
	log_style = style;
}

void log_set_sink(log_sink_fn *fn, void *ctx)
{
	sink = fn;
	sink_ctx = ctx;
}

void log_set_tap(log_tap_fn *fn, void *ctx)
{
	if (fn)
		tap_ctx = ctx;
	atomic_store_explicit(&tap, fn, memory_order_release);
}
