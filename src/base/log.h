/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Structured log lines on stderr (or the file given): "2026-01-02T03:04:05.678Z warn path: text key=value",
 * or the same as logfmt or JSON.
 * Control thread, helpers and start-up only: workers count, they do not log. Error: a person must act; warn:
 * we carried on; info: state changed; debug: for who looks for a fault. What others can provoke goes through
 * base/loglimit.h; what nobody foresaw is bounded all the same (base/logsite.h). Messages are sentences with
 * the area first.
 * Values are quoted where they must be, and what could steer a terminal (base/plain.h) becomes '?' in them;
 * the line is cut where it would be longer than LOG_LINE_MAX, and says so. There is no printer for secrets;
 * do not make one. Lines written from a test are collected by log_set_sink.
 */
#ifndef TM_BASE_LOG_H
#define TM_BASE_LOG_H

#include "base/addr.h"
#include "base/time.h"

enum { LOG_LINE_MAX = 4096 }; /* with its end */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVEL_N };

struct log_kv {
	const char *key;
	bool number; /* `own` is one */
	const char *text; /* borrowed for the call; NULL: `own` */
	char own[ENDPOINT_STR_LEN];
};

struct log_kv kv_str(const char *key, const char *value);
struct log_kv kv_int(const char *key, int64_t value);
struct log_kv kv_ms(const char *key, ns_t value);
struct log_kv kv_ip(const char *key, const struct ip *value);
struct log_kv kv_endpoint(const char *key, const struct endpoint *value);
struct log_kv kv_prefix(const char *key, const struct prefix *value);
struct log_kv kv_err(int err); /* err="not found" */
struct log_kv kv_errno(int errno_value); /* err="No such file or directory" */

#define KV(key, value) kv_str(key, value)
#define KV_INT(key, value) kv_int(key, (int64_t)(value))
#define KV_MS(key, value) kv_ms(key, value)
#define KV_IP(key, value) kv_ip(key, value)
#define KV_EP(key, value) kv_endpoint(key, value)
#define KV_PREFIX(key, value) kv_prefix(key, value)
#define KV_ERR(err) kv_err(err)
#define KV_ERRNO(err) kv_errno(err)

void log_write(enum log_level level, const char *text, const struct log_kv *kv, size_t n);

#define LOG_AT(level, text, ...)                                                                             \
	do {                                                                                                 \
		if (log_enabled(level)) {                                                                    \
			const struct log_kv log_kv_[] = {{0}, ##__VA_ARGS__};                                \
			log_write(level, text, log_kv_ + 1, ARRAY_LEN(log_kv_) - 1);                         \
		}                                                                                            \
	} while (0)

#define log_error(text, ...) LOG_AT(LOG_ERROR, text, ##__VA_ARGS__)
#define log_warn(text, ...) LOG_AT(LOG_WARN, text, ##__VA_ARGS__)
#define log_info(text, ...) LOG_AT(LOG_INFO, text, ##__VA_ARGS__)
#define log_debug(text, ...) LOG_AT(LOG_DEBUG, text, ##__VA_ARGS__)

bool log_enabled(enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_level_get(void);
NODISCARD int log_level_parse(const char *s, enum log_level *ret_level);
const char *log_level_name(enum log_level level);
/* Who reads the lines: a person or a file, or systemd's journal, which has the time already and takes the
 * level as the priority that sd-daemon(3) describes ("<6>path: text"). */
enum log_style { LOG_STYLE_PLAIN, LOG_STYLE_JOURNAL };
void log_set_style(enum log_style style);
/* For people, or for programs: "level=warn msg=\"path: text\" key=value", {"level":"warn",...}. A value that
 * would make the line too long is left out of JSON whole, so that it stays JSON ("cut":true says so). */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
void log_set_format(enum log_format format);
typedef void log_sink_fn(void *ctx, const char *line, size_t n);
void log_set_sink(log_sink_fn *fn, void *ctx); /* NULL: stderr */
/* Who remembers warnings and errors beside the log: "path: text key=value". Called by whichever thread logs;
 * it must not log itself. Set while no other thread logs; NULL: nobody. */
typedef void log_tap_fn(void *ctx, enum log_level level, const char *line);
void log_set_tap(log_tap_fn *fn, void *ctx);

#endif
