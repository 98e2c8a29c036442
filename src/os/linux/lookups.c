/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * In a program that has libc in it: who resolves names of hosts, users and groups. /etc/nsswitch.conf may
 * name plug-ins of the system's libc, and ours would load them, although they belong to another version of
 * it: that ends in a crash or in nothing found. What libc has itself remains, files and the DNS.
 */
#include <nss.h>

static void __attribute__((constructor)) lookups_without_plugins(void)
{
	(void)__nss_configure_lookup("hosts", "files dns");
	(void)__nss_configure_lookup("passwd", "files");
	(void)__nss_configure_lookup("group", "files");
}
