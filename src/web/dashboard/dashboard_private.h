/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Private to dashboard/. */
#ifndef TM_WEB_DASHBOARD_DASHBOARD_PRIVATE_H
#define TM_WEB_DASHBOARD_DASHBOARD_PRIVATE_H

#include "base/encode.h"
#include "base/list.h"
#include "crypto/dh.h"
#include "web/dashboard/dashboard.h"
#include "web/pages/page.h"
#include "wire/msg/request.h"

enum { KEY_TEXT = BASE64_LEN(DH_KEY) + 1 };
enum { PAGES_MAX = NETMAP_NODES_MAX / LIST_PAGE + 2 };

struct dashboard {
	struct dashboard_config cfg;
	struct list streams;
};

/* What pages want to know, in the order in which it is asked. */
enum want {
	WANT_NODES,
	WANT_ROUTES,
	WANT_REPORTS,
	WANT_CLIENTS,
	WANT_LISTS, /* those before come in pages */
	WANT_REPORT = WANT_LISTS,
	WANT_EVENTS,
	WANT_POLICY,
	WANT_HISTORY,
	WANT_TOKENS,
	WANT_EXPLAINED,
	WANT_PROVED,
	WANT_N,
};

/* A page, and what it cannot do without. */
struct sight {
	const char *path; /* as in its route */
	void (*put)(struct strbuf *out, const struct page *p);
	unsigned wants, needs; /* 1 << WANT_ */
};

enum field_kind { FIELD_TEXT, FIELD_LINES, FIELD_WORDS, FIELD_NUMBER, FIELD_FLAG, FIELD_PATH, FIELD_KEY };

/* What a form becomes: a request, and what is shown after it. */
struct action {
	const char *cmd;
	/* FIELD_KEY is in no form: a key pair is made, and its public half asked with. */
	struct action_field {
		const char *name, *key; /* in the form, in the request */
		enum field_kind kind;
	} fields[4];
	const struct sight *sight; /* shown with the refusal, and after it where there is no `back` */
	const char *back; /* looked at when it is done, as in its route */
	bool by; /* the request says who asks */
};

/* Someone waits for a page. */
struct showing {
	struct dashboard *d;
	struct web_request *r; /* NULL: has gone, and what still comes is dropped */
	const struct sight *sight;
	const struct action *action; /* NULL: nothing was posted */
	enum want next;
	bool refused; /* what it cannot do without, or the action */
	msg_object *lists[WANT_LISTS][PAGES_MAX];
	size_t n[WANT_LISTS];
	msg_object *answers[WANT_N]; /* of the other kinds */
	msg_object *done, *refusal; /* of the action; the first that was refused */
	char private_key[KEY_TEXT]; /* of FIELD_KEY, until it is shown */
};
/* Asks, shows, and frees itself. */
void showing_begin(
	struct dashboard *d, struct web_request *r, const struct sight *sight, const struct action *a);

/* dashboard.c: what every page needs, for who asks. */
void page_for(const struct dashboard *d, const struct web_request *r, struct page *ret_p);

/* login.c */
web_handler_fn login_show, login_do, login_out;

/* actions.c: the request of what was posted. NULL: out of memory. The caller's. ret_private: wiped by the
 * caller, and "" where the action has no key. */
NODISCARD char *action_request(
	const struct action *a, struct web_request *r, char ret_private[static KEY_TEXT]);

#endif
