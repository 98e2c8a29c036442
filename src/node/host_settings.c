/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/host_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/loglimit.h"
#include "base/strbuf.h"
#include "os/os.h"

enum { SETTINGS_MAX = 1024, NAME_LEN = 128, VALUE_LEN = 16, LINE_LEN = NAME_LEN + 3 * VALUE_LEN + 8 };
#define NONE "-" /* in place of a value */
#define ALL "/conf/all/" /* in the name of a setting that is one of all interfaces */

struct setting {
	char name[NAME_LEN], before[VALUE_LEN];
	char ours[VALUE_LEN]; /* NONE: it is not changed by itself, but written with `all` of its kind */
	char all[VALUE_LEN]; /* what `all` of its kind held when this was changed; NONE = it has none */
	bool wanted; /* since begin */
	bool done; /* it is as we want it, by us */
};

struct host_settings {
	char path[512];
	struct setting v[SETTINGS_MAX];
	size_t n;
	bool full; /* since begin, one that was wanted had no room */
	struct log_limit undone;
};

static int save(const struct host_settings *s, struct diag *d)
{
	struct strbuf b = {0};

	for (size_t i = 0; i < s->n; i++)
		strbuf_printf(&b, "%s %s %s %s\n", s->v[i].name, s->v[i].before, s->v[i].ours, s->v[i].all);
	const size_t len = b.len;
	_cleanup_(freep) char *text = strbuf_take(&b);
	return text ? os_write_file(s->path, text, len, 0600, d) : TM_ENOMEM;
}

static bool holds(const char *name, const char *value)
{
	char now[VALUE_LEN];

	return os_setting_get(name, now, sizeof(now)) == TM_OK && strcmp(now, value) == 0;
}

/* "net/ipv6/conf/all/forwarding" of "net/ipv6/conf/eth0/forwarding": who changes it changes that of every
 * interface. false: there is none, as with most kinds. */
static bool all_of(const char *name, char ret_all[static NAME_LEN])
{
	static const char middle[] = "/conf/";
	const char *at = strstr(name, middle), *leaf = strrchr(name, '/');

	if (!at || (strcmp(leaf, "/forwarding") != 0 && strcmp(leaf, "/force_forwarding") != 0))
		return false;
	snprintf(ret_all, NAME_LEN, "%.*s/conf/all%s", (int)(at - name), name, leaf);
	return strcmp(ret_all, name) != 0;
}

/* Since it was changed somebody had his way with all interfaces, and ours is one. */
static bool is_anothers(const struct setting *v)
{
	char all[NAME_LEN];

	return strcmp(v->all, NONE) != 0 && all_of(v->name, all) && !holds(all, v->all);
}

/* True: it was changed. */
static bool take_back(const struct setting *v)
{
	if (!holds(v->name, v->ours) || is_anothers(v))
		return false;
	if (os_setting_set(v->name, v->before) == TM_OK)
		return true;
	log_warn("node: a setting of the kernel cannot be put back", KV("setting", v->name),
		KV("before", v->before));
	return false;
}

/* Names below /proc/sys that may be ours: the file is ours alone, but it would be a lever for who changes it.
 */
static bool is_ours(const char *name)
{
	return strncmp(name, "net/ipv", 7) == 0 && !strstr(name, "..");
}

static void load(struct host_settings *s)
{
	_cleanup_(freep) char *text = NULL;
	char line[LINE_LEN];

	if (os_read_file(s->path, (size_t)SETTINGS_MAX * LINE_LEN, &text, NULL, NULL) != TM_OK)
		return;
	for (const char *at = text; *at && s->n < SETTINGS_MAX;) {
		struct setting v = {.all = NONE, .done = true};
		const size_t len = strcspn(at, "\n");

		_Static_assert(NAME_LEN == 128 && VALUE_LEN == 16, "as below");
		snprintf(line, sizeof(line), "%.*s", (int)MIN(len, sizeof(line) - 1), at);
		if (sscanf(line, "%127s %15s %15s %15s", v.name, v.before, v.ours, v.all) >= 3 &&
			is_ours(v.name))
			s->v[s->n++] = v;
		at += len + (at[len] == '\n');
	}
}

/* In the reverse order: what was set last depends on what came before it, and what is written with `all` was
 * noted before that. */
static void undo(const struct host_settings *s)
{
	char all_taken[NAME_LEN] = "", all[NAME_LEN];

	for (size_t i = s->n; i-- > 0;) {
		const struct setting *v = &s->v[i];

		if (v->wanted || !v->done)
			continue;
		if (strcmp(v->ours, NONE) == 0) {
			if (all_of(v->name, all) && strcmp(all, all_taken) == 0)
				(void)!os_setting_set(v->name, v->before); /* gone meanwhile: as good */
		} else if (take_back(v) && strstr(v->name, ALL)) { /* not every one: several follow it */
			snprintf(all_taken, sizeof(all_taken), "%s", v->name);
		}
	}
}

static void sweep(struct host_settings *s)
{
	struct diag d = {0};
	size_t kept = 0;
	const size_t n = s->n;

	undo(s);
	for (size_t i = 0; i < n; i++)
		if (s->v[i].wanted)
			s->v[kept++] = s->v[i];
	s->n = kept;
	if (kept != n && save(s, &d) != TM_OK)
		log_warn("node: the list of changed settings cannot be saved", KV("why", d.what));
}

int host_settings_new(const char *path, struct host_settings **ret_s)
{
	struct host_settings *s = calloc(1, sizeof(*s));

	if (!s)
		return TM_ENOMEM;
	s->undone = LOG_LIMIT_FEW;
	snprintf(s->path, sizeof(s->path), "%s", path);
	load(s);
	if (s->n)
		log_info("node: taking back settings of the kernel that the last run left",
			KV_INT("settings", (int64_t)s->n));
	sweep(s);
	*ret_s = s;
	return TM_OK;
}

void host_settings_free(struct host_settings *s)
{
	if (!s)
		return;
	host_settings_begin(s);
	sweep(s);
	free(s);
}

bool host_settings_undo(const char *path)
{
	struct host_settings *s = calloc(1, sizeof(*s));

	if (!s)
		return false;
	snprintf(s->path, sizeof(s->path), "%s", path);
	load(s);
	const bool any = s->n > 0;
	host_settings_free(s);
	return any;
}

void host_settings_begin(struct host_settings *s)
{
	s->full = false;
	for (size_t i = 0; i < s->n; i++)
		s->v[i].wanted = false;
}

/* What is so already is not ours to take back; what is written with `all`, only if that changes it. */
static bool is_of_interest(const struct setting *v, const char *value)
{
	char all[NAME_LEN];

	return value ? strcmp(v->before, value) != 0 : all_of(v->name, all) && !holds(all, v->before);
}

void host_settings_want(void *ctx, const char *name, const char *value)
{
	struct host_settings *s = ctx;
	struct setting v = {.wanted = true, .all = NONE};
	char all[NAME_LEN];

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0) {
			s->v[i].wanted = true;
			return;
		}
	snprintf(v.name, sizeof(v.name), "%s", name);
	if (os_setting_get(name, v.before, sizeof(v.before)) != TM_OK || !is_of_interest(&v, value))
		return;
	snprintf(v.ours, sizeof(v.ours), "%s", value ? value : NONE);
	if (value && all_of(name, all) && os_setting_get(all, v.all, sizeof(v.all)) != TM_OK)
		snprintf(v.all, sizeof(v.all), "%s", NONE);
	s->full |= s->n == SETTINGS_MAX;
	if (s->n < SETTINGS_MAX)
		s->v[s->n++] = v;
}

bool host_settings_ours(const struct host_settings *s, const char *name, const char *value)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0)
			return strcmp(s->v[i].ours, value) == 0 && !is_anothers(&s->v[i]);
	return !holds(name, value);
}

/* What somebody undid since is set again. An interface that is gone takes its row along. */
static int put(struct host_settings *s, struct setting *v)
{
	char now[VALUE_LEN];
	int err = os_setting_get(v->name, now, sizeof(now));

	if (!err && strcmp(v->ours, NONE) != 0 && strcmp(now, v->ours) != 0) {
		if (v->done)
			LOG_LIMITED(LOG_WARN, &s->undone, log_who(v->name, strlen(v->name)),
				"node: somebody changed a setting of the kernel on which those who are "
				"routed through this machine depend, setting it again",
				KV("setting", v->name), KV("found", now), KV("wanted", v->ours));
		err = os_setting_set(v->name, v->ours);
	}
	v->done |= !err;
	v->wanted = err != TM_ENOENT;
	return err == TM_ENOENT ? TM_OK : err;
}

int host_settings_end(struct host_settings *s, struct diag *d)
{
	bool news = false;
	int err = TM_OK;

	for (size_t i = 0; i < s->n; i++)
		news |= !s->v[i].done;
	int unsaved = news ? save(s, d) : TM_OK;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->v[i].wanted || (unsaved && !s->v[i].done))
			continue;
		int e = put(s, &s->v[i]);
		if (e && !err && !unsaved)
			err = diag_what(d, e, "the kernel's setting %s cannot be changed: %s", s->v[i].name,
				tm_strerror(e));
	}
	if (s->full && !err && !unsaved)
		err = diag_what(
			d, TM_EFULL, "more settings of the kernel are to be changed than %d", SETTINGS_MAX);
	sweep(s);
	return unsaved ? unsaved : err;
}
