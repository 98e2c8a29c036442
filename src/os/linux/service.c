/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* systemd from outside: is it here, does it know our unit, tell it to do something. CLI; blocking with a
 * deadline. */
#include "os/os.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/run.h"

/* What sd_booted(3) looks at. */
bool os_systemd_is_init(void)
{
	struct stat st;
	return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode);
}

bool os_systemd_has_unit(const char *unit)
{
	/* systemd.unit(5), "System Unit Search Path" */
	static const char *const dirs[] = {
		"/etc/systemd/system",
		"/run/systemd/system",
		"/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system",
		"/lib/systemd/system",
	};
	char path[512];

	if (!unit[0] || strchr(unit, '/'))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], unit);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

int os_systemctl(const char *verb, const char *unit, int timeout_ms, struct diag *d)
{
	const char *const argv[] = {"systemctl", "--no-ask-password", "--no-pager", verb, unit, NULL};
	char shown[160];

	snprintf(shown, sizeof(shown), "systemctl %s%s%s", verb, unit ? " " : "", unit ? unit : "");
	return os_run(&(const struct os_run){.argv = argv, .shown = shown, .timeout_ms = timeout_ms}, d);
}
