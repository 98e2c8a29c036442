/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What several pages are made of. Private to pages/. Pure. */
#ifndef TM_WEB_PAGES_PARTS_H
#define TM_WEB_PAGES_PARTS_H

#include "web/pages/html.h"
#include "web/pages/page.h"

enum part_section {
	SECTION_OVERVIEW,
	SECTION_NODES,
	SECTION_MAP,
	SECTION_POLICY,
	SECTION_ROUTES,
	SECTION_NAMES,
	SECTION_EVENTS,
	SECTION_DEVICES,
	SECTION_TOKENS,
	SECTION_NONE,
};
/* All before and behind the content of a page. */
void part_begin(struct strbuf *out, const struct page *p, enum part_section s, const char *title);
void part_end(struct strbuf *out);

/* A table with heads (NULL-terminated) and a caption that screen readers say; it scrolls by itself. */
void part_table(struct strbuf *out, const char *caption, const char *const *heads);
void part_table_end(struct strbuf *out);
/* A fact of a list of such. */
void part_fact_begin(struct strbuf *out, const char *word);
void part_fact_end(struct strbuf *out);
void part_fact(struct strbuf *out, const char *word, const char *value, const char *css); /* "" = a dash */
/* A sentence in place of a table that would have no rows. */
void part_nothing(struct strbuf *out, const char *sentence);

/* A form that changes something: its way, and what proves that this page sent it. */
void part_form(struct strbuf *out, const struct page *p, const char *css, const char *action);
void part_form_end(struct strbuf *out);
void part_hidden(struct strbuf *out, const char *name, const char *value);
/* A line to write in, with its label; css: of both, "" = none. */
void part_field(struct strbuf *out, const char *css, const char *id, const char *label, const char *name,
	const char *value);

enum part_tone { TONE_QUIET, TONE_GOOD, TONE_RELAY, TONE_BAD };
/* A word with a mark before it: never by colour alone. */
void part_state(struct strbuf *out, enum part_tone tone, const char *word);
bool part_is_client(const msg_object *node);
/* "online", "online twice", or when it was seen last. */
void part_presence(struct strbuf *out, const struct page *p, const msg_object *node);
void part_words(struct strbuf *out, const msg_object *o, const char *key, const char *css);
/* What is wrong on a node, by the word of its report; as a sentence goes on behind its name. */
const char *part_alarm(const char *word);
void part_node_link(struct strbuf *out, const msg_object *node);
/* A moment: how long ago, and exactly when one points at it. */
void part_when(struct strbuf *out, const struct page *p, int64_t then);
/* The same, and exactly for all to read. */
void part_moment(struct strbuf *out, const struct page *p, int64_t then);

#endif
