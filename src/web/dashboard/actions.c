/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* From a form to a request. What is wrong in it, the request table says. */
#include "base/jsonout.h"
#include "base/secret.h"
#include "web/dashboard/dashboard_private.h"

#include <string.h>

static void put_words(struct jsonout *o, const char *key, const char *text)
{
	static const char between[] = " ,\t\r\n";
	struct strbuf word = {0};

	jsonout_list(o, key);
	for (text += strspn(text, between); *text; text += strspn(text, between)) {
		size_t n = strcspn(text, between);

		strbuf_add(&word, text, n);
		jsonout_text(o, NULL, word.s ? word.s : "");
		strbuf_deinit(&word);
		text += n;
	}
	jsonout_list_end(o);
}

/* Forms end lines with CR and LF (HTML standard, 4.10.21.4). */
static void put_lines(struct jsonout *o, const char *key, const char *text)
{
	struct strbuf lines = {0};

	while (*text) {
		size_t n = strcspn(text, "\r");

		strbuf_add(&lines, text, n);
		text += n;
		text += *text == '\r';
	}
	jsonout_text(o, key, lines.s ? lines.s : "");
	strbuf_deinit(&lines);
}

static void put_number(struct jsonout *o, const char *key, const char *text)
{
	char *end;
	long long v = strtoll(text, &end, 10);

	if (*text && !*end)
		jsonout_int(o, key, v);
	else
		jsonout_text(o, key, text);
}

/* No pair without memory alone. */
static void put_key(struct jsonout *o, const char *key, char ret_private[static KEY_TEXT])
{
	uint8_t priv[DH_KEY], pub[DH_KEY];
	char text[KEY_TEXT];

	if (dh_generate(priv, pub) == TM_OK) {
		base64_encode(priv, sizeof(priv), ret_private);
		base64_encode(pub, sizeof(pub), text);
		jsonout_text(o, key, text);
	} else {
		o->b.failed = true;
	}
	wipe(priv, sizeof(priv));
}

static void put_field(struct jsonout *o, const struct action_field *f, struct web_request *r)
{
	const char *value = f->kind == FIELD_PATH ? web_param(r, 0) : web_form(r, f->name);

	if (!value)
		return;
	switch (f->kind) {
	case FIELD_WORDS:
		put_words(o, f->key, value);
		break;
	case FIELD_LINES:
		put_lines(o, f->key, value);
		break;
	case FIELD_NUMBER:
		put_number(o, f->key, value);
		break;
	case FIELD_FLAG:
		jsonout_bool(o, f->key, true);
		break;
	case FIELD_TEXT:
	case FIELD_PATH:
		jsonout_text(o, f->key, value);
		break;
	case FIELD_KEY:
		break; /* in no form */
	}
}

char *action_request(const struct action *a, struct web_request *r, char ret_private[static KEY_TEXT])
{
	struct jsonout o = {0};

	ret_private[0] = '\0';
	jsonout_object(&o, NULL);
	jsonout_text(&o, "cmd", a->cmd);
	for (size_t i = 0; i < ARRAY_LEN(a->fields) && a->fields[i].key; i++)
		if (a->fields[i].kind == FIELD_KEY)
			put_key(&o, a->fields[i].key, ret_private);
		else
			put_field(&o, &a->fields[i], r);
	if (a->by)
		jsonout_text(&o, "by", web_viewer(r)->name);
	jsonout_object_end(&o);
	return jsonout_take(&o, NULL);
}
