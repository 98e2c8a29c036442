/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/host_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "os/os.h"

enum { SETTINGS_MAX = 64, NAME_LEN = 128, VALUE_LEN = 16, SETTINGS_BYTES = SETTINGS_MAX * (NAME_LEN + 40) };

struct setting {
	char name[NAME_LEN], before[VALUE_LEN], ours[VALUE_LEN];
	bool wanted; /* since begin */
	bool set; /* it is so, or was tried */
};

struct host_settings {
	char path[512];
	struct setting v[SETTINGS_MAX];
	size_t n;
};

static int save(const struct host_settings *s, struct diag *d)
{
	char text[SETTINGS_BYTES] = "";
	size_t len = 0;

	for (size_t i = 0; i < s->n; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s %s\n", s->v[i].name,
			s->v[i].before, s->v[i].ours);
	return os_write_file(s->path, text, len, 0600, d);
}

static void take_back(const struct setting *v)
{
	char now[VALUE_LEN];

	if (os_setting_get(v->name, now, sizeof(now)) != TM_OK || strcmp(now, v->ours) != 0)
		return;
	if (os_setting_set(v->name, v->before) != TM_OK)
		log_warn("node: a setting of the kernel cannot be put back", KV("setting", v->name),
			KV("before", v->before));
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
	struct setting v = {.set = true};
	char line[NAME_LEN + 2 * VALUE_LEN + 8];

	if (os_read_file(s->path, SETTINGS_BYTES, &text, NULL, NULL) != TM_OK)
		return;
	for (const char *at = text; *at && s->n < SETTINGS_MAX;) {
		const size_t len = strcspn(at, "\n");

		_Static_assert(NAME_LEN == 128 && VALUE_LEN == 16, "as below");
		snprintf(line, sizeof(line), "%.*s", (int)MIN(len, sizeof(line) - 1), at);
		if (sscanf(line, "%127s %15s %15s", v.name, v.before, v.ours) == 3 && is_ours(v.name))
			s->v[s->n++] = v;
		at += len + (at[len] == '\n');
	}
}

/* In the reverse order: what was set last depends on what came before it. */
static void sweep(struct host_settings *s)
{
	struct diag d = {0};
	size_t kept = 0;
	const size_t n = s->n;

	for (size_t i = n; i-- > 0;)
		if (!s->v[i].wanted)
			take_back(&s->v[i]);
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

void host_settings_begin(struct host_settings *s)
{
	for (size_t i = 0; i < s->n; i++)
		s->v[i].wanted = false;
}

void host_settings_want(void *ctx, const char *name, const char *value)
{
	struct host_settings *s = ctx;
	struct setting v = {.wanted = true};

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].name, name) == 0) {
			s->v[i].wanted = true;
			return;
		}
	/* What is so already is not ours to take back. */
	if (s->n == SETTINGS_MAX || os_setting_get(name, v.before, sizeof(v.before)) != TM_OK ||
		strcmp(v.before, value) == 0)
		return;
	snprintf(v.name, sizeof(v.name), "%s", name);
	snprintf(v.ours, sizeof(v.ours), "%s", value);
	s->v[s->n++] = v;
}

int host_settings_end(struct host_settings *s, struct diag *d)
{
	bool news = false;
	int err = TM_OK;

	for (size_t i = 0; i < s->n; i++)
		news |= !s->v[i].set;
	if (news)
		err = save(s, d);
	for (size_t i = 0; i < s->n && !err; i++) {
		if (s->v[i].set || !s->v[i].wanted)
			continue;
		s->v[i].set = true;
		int e = os_setting_set(s->v[i].name, s->v[i].ours);
		if (e && !err)
			err = diag_what(d, e, "the kernel's setting %s cannot be changed: %s", s->v[i].name,
				tm_strerror(e));
	}
	sweep(s);
	return err;
}
