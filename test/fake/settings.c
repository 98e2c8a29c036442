/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "fake/settings.h"

#include "os/os.h"
#include "unit/unit.h"

static struct entry {
	char name[128], value[16];
	bool locked;
} table[256];
static size_t n_entries;

int __wrap_os_setting_get(const char *name, char *buf, size_t n);
int __wrap_os_setting_set(const char *name, const char *value);

static struct entry *find(const char *name)
{
	for (size_t i = 0; i < n_entries; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

void kernel_empty(void)
{
	n_entries = 0;
}

void kernel_has(const char *name, const char *value)
{
	struct entry *e = find(name);

	if (!e) {
		assert_true(n_entries < ARRAY_LEN(table));
		e = &table[n_entries++];
	}
	*e = (struct entry){.locked = false};
	snprintf(e->name, sizeof(e->name), "%s", name);
	snprintf(e->value, sizeof(e->value), "%s", value);
}

void kernel_loses(const char *name)
{
	struct entry *e = find(name);

	assert_non_null(e);
	*e = table[--n_entries];
}

void kernel_locks(const char *name, bool locked)
{
	find(name)->locked = locked;
}

const char *kernel_value(const char *name)
{
	const struct entry *e = find(name);

	return e ? e->value : "";
}

/* "net/ipv6/conf/all/forwarding" is one of all "net/ipv6/conf/…/forwarding". */
static bool is_written_with(const char *name, const char *all)
{
	static const char middle[] = "/conf/all/";
	const char *at = strstr(all, middle), *leaf = strrchr(name, '/');

	return at && strcmp(strrchr(all, '/'), "/forwarding") == 0 && strcmp(leaf, "/forwarding") == 0 &&
	       strncmp(name, all, (size_t)(at - all) + strlen("/conf/")) == 0;
}

void kernel_write(const char *name, const char *value)
{
	struct entry *e = find(name);

	assert_non_null(e);
	if (strcmp(e->value, value) == 0)
		return;
	snprintf(e->value, sizeof(e->value), "%s", value);
	for (size_t i = 0; i < n_entries; i++)
		if (is_written_with(table[i].name, name))
			snprintf(table[i].value, sizeof(table[i].value), "%s", value);
}

int __wrap_os_setting_get(const char *name, char *buf, size_t n)
{
	const struct entry *e = find(name);

	if (!e)
		return TM_ENOENT;
	snprintf(buf, n, "%s", e->value);
	return TM_OK;
}

int __wrap_os_setting_set(const char *name, const char *value)
{
	const struct entry *e = find(name);

	if (!e || e->locked)
		return e ? TM_EPERM : TM_ENOENT;
	kernel_write(name, value);
	return TM_OK;
}
