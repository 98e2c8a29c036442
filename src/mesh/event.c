/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mesh/event.h"

#include "base/plain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct kind {
	const char *word, *sentence;
	enum log_level level;
} kinds[EVENT_KINDS] = {[EVENT_NONE] = {"", "", LOG_DEBUG},
#define X(kind, word, level, sentence) [EVENT_##kind] = {word, sentence, level},
	MESH_EVENTS(X)
#undef X
};

static const char *const doors[EVENT_DOORS] = {
	[EVENT_OF_ITSELF] = "",
	[EVENT_SOCKET] = "socket",
	[EVENT_LINK] = "link",
	[EVENT_DASHBOARD] = "dashboard",
	[EVENT_REPORT] = "report",
};

const char *event_word(enum event_kind kind)
{
	return kinds[kind].word;
}

enum event_kind event_kind_of(const char *word)
{
	for (int i = EVENT_NONE + 1; i < EVENT_KINDS; i++)
		if (strcmp(word, kinds[i].word) == 0)
			return (enum event_kind)i;
	return EVENT_NONE;
}

static enum log_level event_level(enum event_kind kind)
{
	return kinds[kind].level;
}

const char *event_door_word(enum event_door door)
{
	return doors[door];
}

enum event_door event_door_of(const char *word)
{
	for (int i = EVENT_OF_ITSELF + 1; i < EVENT_DOORS; i++)
		if (strcmp(word, doors[i]) == 0)
			return (enum event_door)i;
	return EVENT_OF_ITSELF;
}

void event_set_detail(struct event *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->detail, sizeof(e->detail), fmt, ap);
	va_end(ap);
	plain_make(e->detail);
}

static bool put_field(const struct event *e, const char *at, size_t n, struct strbuf *b)
{
	if (n == 7 && memcmp(at, "{about}", n) == 0)
		strbuf_puts(b, e->about[0] ? e->about : "?");
	else if (n == 8 && memcmp(at, "{detail}", n) == 0)
		strbuf_puts(b, e->detail[0] ? e->detail : "none");
	else
		return false;
	return true;
}

void event_sentence(const struct event *e, struct strbuf *b)
{
	for (const char *at = kinds[e->kind].sentence; *at;) {
		const size_t words = strcspn(at, "{");
		const char *end = at[words] ? strchr(at + words, '}') : NULL;

		strbuf_add(b, at, words);
		at += words;
		if (end && put_field(e, at, (size_t)(end + 1 - at), b))
			at = end + 1;
		else if (*at)
			strbuf_add(b, at++, 1);
	}
	if (e->by[0])
		strbuf_printf(b, " (by %s)", e->by);
}

void event_put(struct jsonout *o, const struct event *e, bool own)
{
	struct strbuf sentence = {0};

	event_sentence(e, &sentence);
	jsonout_object(o, NULL);
	jsonout_text(o, "origin", own ? "node" : "mesh");
	jsonout_int(o, "number", (int64_t)e->number);
	jsonout_int(o, "happened_at", e->at);
	jsonout_text(o, "event", event_word(e->kind));
	jsonout_text(o, "level", log_level_name(event_level(e->kind)));
	jsonout_text_or_null(o, "about", e->about);
	jsonout_text_or_null(o, "id", e->id);
	jsonout_text_or_null(o, "detail", e->detail);
	jsonout_text_or_null(o, "by", e->by);
	jsonout_text_or_null(o, "by_id", e->by_id);
	jsonout_text_or_null(o, "door", event_door_word(e->door));
	jsonout_text(o, "text", sentence.s ? sentence.s : "");
	jsonout_object_end(o);
	strbuf_deinit(&sentence);
}
