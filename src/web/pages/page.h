/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The dashboard's pages: from what the coordinator answers (docs/protocol.md, "Administration") to HTML that
 * is whole without a script. One function per page; each reads the answers that it is about, and says so
 * where one is not known. Who looks decides what is offered, never what is allowed: that is decided where the
 * request is answered. Pure.
 */
#ifndef TM_WEB_PAGES_PAGE_H
#define TM_WEB_PAGES_PAGE_H

#include "base/strbuf.h"
#include "wire/msg/shown.h"

/* The pages of one list (node.list, route.list, report.list, client.list), in their order. */
struct page_list {
	const msg_object *const *v;
	size_t n;
};

struct page {
	/* who looks, at what */
	const char *mesh, *zone; /* its name, and that of its names in the DNS */
	const char *viewer; /* name of the member; "": nobody knows who it is, and then there is nothing to
			       navigate */
	bool admin, session; /* session: has logged in, and may log out */
	const char *style, *script, *icon; /* where they are loaded from */
	const char *at; /* the page's own address, where it is shown at another one; NULL: it is not */
	const char *proof; /* goes with every form, or the action is refused */
	int64_t now; /* Unix seconds */
	/* the last action was refused; NULL: it was not */
	const char *error, *hint;
	/* answers; NULL or n == 0: not asked, or not known */
	struct page_list nodes, routes, reports, clients;
	const msg_object *report; /* page_node: report.node of it */
	const msg_object *events; /* page_events: event.list, newest first */
	const msg_object *tokens, *token; /* all of them; the one that was just made, with its secret */
	const msg_object *device; /* that was just added: client.add; ... */
	const char *device_key; /* ... its private key in base64 */
	const msg_object *policy, *history, *explained, *proved, *tested;
	/* what was asked for */
	const char *id; /* page_node, page_remove; page_map: around whom, "" = all */
	const char *peer; /* page_node: with whom alone, "" = all */
	const char *search; /* page_nodes: "" = all */
	const char *from, *to, *service, *statement; /* page_policy, "" = not asked */
	const char *text; /* page_policy_edit: the document as it was sent; NULL: the one in force */
};

void page_overview(struct strbuf *out, const struct page *p);
void page_nodes(struct strbuf *out, const struct page *p);
void page_node(struct strbuf *out, const struct page *p);
void page_remove(struct strbuf *out, const struct page *p); /* "are you sure?" */
void page_map(struct strbuf *out, const struct page *p);
void page_events(struct strbuf *out, const struct page *p);
void page_policy(struct strbuf *out, const struct page *p);
void page_policy_edit(struct strbuf *out, const struct page *p);
void page_tokens(struct strbuf *out, const struct page *p);
void page_devices(struct strbuf *out, const struct page *p);
void page_names(struct strbuf *out, const struct page *p);
void page_routes(struct strbuf *out, const struct page *p);
void page_login(struct strbuf *out, const struct page *p); /* nobody looks yet: viewer is "" */
/* Nothing is there, or not for who looks: p->error says which, p->hint what to do. */
void page_refusal(struct strbuf *out, const struct page *p);

/* --- list.c: over all pages of a list --- */
struct page_at {
	size_t page, i;
};
const msg_object *page_next(const struct page_list *l, const char *key, struct page_at *at);
const msg_object *page_find(const struct page_list *l, const char *key, const char *id); /* NULL: none */
/* Of a list that was asked for one alone, by any of its names: that one. */
const msg_object *page_one(const struct page_list *l, const char *key, const char *id);

#endif
