/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* In a mount namespace of its own, with resolv.conf and nsswitch.conf mounted over the machine's; resolvectl
 * and resolvconf are scripts that note how they are called. */
#include "../os/host.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "node/hosting.h"
#include "os/linux/resolv_text.h"
#include "os/os.h"

static const char *const zones[] = {"mesh", "101.100.in-addr.arpa", NULL};

struct scene {
	struct host *host;
	struct hosting h;
	char conf[HOST_PATH], nss[HOST_PATH], calls[HOST_PATH], journal[HOST_PATH], path[HOST_PATH + 32],
		old_path[1024];
};

static void put(const char *path, const char *text)
{
	assert_int_equal(os_write_file(path, text, strlen(text), 0644, NULL), TM_OK);
}

/* Into the file that is mounted: another one in its place would not be seen. */
static void put_in_place(const char *path, const char *text)
{
	assert_int_equal(os_rewrite_file(path, text, strlen(text), NULL), TM_OK);
}

static void expect(const char *path, const char *text)
{
	char *now = NULL;

	assert_int_equal(os_read_file(path, 65536, &now, NULL, NULL), TM_OK);
	assert_string_equal(now, text);
	free(now);
}

static void expect_call(const struct scene *s, const char *call)
{
	char *now = NULL;

	assert_int_equal(os_read_file(s->calls, 65536, &now, NULL, NULL), TM_OK);
	if (!strstr(now, call))
		fail_msg("not called: %s\n%s", call, now);
	free(now);
}

static void script(const struct scene *s, const char *name, const char *text)
{
	char whole[1024], path[HOST_PATH + 32];

	snprintf(path, sizeof(path), "%s/%s", s->host->dir, name);
	snprintf(whole, sizeof(whole), "#!/bin/sh\necho \"%s $*\" >> %s\n%s\n", name, s->calls, text);
	assert_int_equal(os_write_file(path, whole, strlen(whole), 0755, NULL), TM_OK);
}

static void scene_open(struct scene *s, void **state, const char *conf, const char *nss)
{
	*s = (struct scene){.host = *state};
	host_unshare(CLONE_NEWNS, "mount");
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	snprintf(s->conf, sizeof(s->conf), "%s", host_path(s->host, "resolv.conf"));
	snprintf(s->nss, sizeof(s->nss), "%s", host_path(s->host, "nsswitch.conf"));
	snprintf(s->calls, sizeof(s->calls), "%s", host_path(s->host, "calls"));
	snprintf(s->journal, sizeof(s->journal), "%s", host_path(s->host, "journal"));
	put(s->conf, conf);
	put(s->nss, nss);
	put(s->calls, "");
	assert_int_equal(mount(s->conf, "/etc/resolv.conf", NULL, MS_BIND, NULL), 0);
	assert_int_equal(mount(s->nss, "/etc/nsswitch.conf", NULL, MS_BIND, NULL), 0);
	snprintf(s->old_path, sizeof(s->old_path), "%s", getenv("PATH"));
	snprintf(s->path, sizeof(s->path), "%s", s->host->dir);
	setenv("PATH", s->path, 1);
	setenv("INVOCATION_ID", "as systemd starts us", 1);
	s->h = (struct hosting){.host = {.ifname = "tm7", .server = ip_v4_host(0x64650002), .zones = zones}};
	snprintf(s->h.journal, sizeof(s->h.journal), "%s", s->journal);
}

static void scene_close(struct scene *s)
{
	umount2("/etc/resolv.conf", MNT_DETACH);
	umount2("/etc/nsswitch.conf", MNT_DETACH);
	setenv("PATH", s->old_path, 1);
	unsetenv("INVOCATION_ID");
}

static int apply(struct scene *s, bool may_write)
{
	return hosting_apply(&s->h, may_write);
}

#define PLAIN "search lan\nnameserver 192.0.2.1\n"
#define OURS                                                                                                 \
	"search lan\n# tunnelmesh tm7: it removes these lines when it ends\nnameserver 100.101.0.2\n"        \
	"# tunnelmesh tm7 ends\nnameserver 192.0.2.1\n"

static void lines_in_the_file_come_and_go(void **state)
{
	struct scene s;

	scene_open(&s, state, PLAIN, "hosts: files dns\n");
	assert_int_equal(apply(&s, true), TM_OK);
	assert_int_equal(s.h.host.way, RESOLV_FILE);
	assert_true(s.h.host.changed);
	expect("/etc/resolv.conf", OURS);
	assert_int_equal(apply(&s, true), TM_OK);
	assert_false(s.h.host.changed);
	assert_int_equal(hosting_undo(s.journal, NULL), TM_OK);
	expect("/etc/resolv.conf", PLAIN);
	assert_false(os_exists(s.journal));
	assert_int_equal(hosting_undo(s.journal, NULL), TM_ENOENT);
	scene_close(&s);
}

/* The journal is there before the change: a crash between the two changes nothing. */
static void what_was_noted_and_not_done_undoes_nothing(void **state)
{
	struct scene s;

	scene_open(&s, state, PLAIN, "");
	assert_int_equal(apply(&s, true), TM_OK);
	put_in_place("/etc/resolv.conf", PLAIN);
	assert_int_equal(hosting_undo(s.journal, NULL), TM_OK);
	expect("/etc/resolv.conf", PLAIN);
	scene_close(&s);
}

static void what_others_wrote_meanwhile_stays(void **state)
{
	struct scene s;

	scene_open(&s, state, PLAIN, "");
	assert_int_equal(apply(&s, true), TM_OK);
	put_in_place("/etc/resolv.conf", OURS "nameserver 192.0.2.9\n");
	assert_int_equal(hosting_undo(s.journal, NULL), TM_OK);
	expect("/etc/resolv.conf", PLAIN "nameserver 192.0.2.9\n");
	scene_close(&s);
}

static void a_file_that_a_crash_emptied_is_what_it_was(void **state)
{
	struct scene s;

	scene_open(&s, state, PLAIN, "");
	assert_int_equal(apply(&s, true), TM_OK);
	put_in_place("/etc/resolv.conf", "");
	assert_int_equal(hosting_undo(s.journal, NULL), TM_OK);
	expect("/etc/resolv.conf", PLAIN);
	scene_close(&s);
}

static void what_is_taken_away_is_put_back_where_that_is_allowed(void **state)
{
	struct scene s;

	scene_open(&s, state, PLAIN, "");
	assert_int_equal(apply(&s, true), TM_OK);
	put_in_place("/etc/resolv.conf", PLAIN);
	assert_int_equal(apply(&s, false), TM_EBUSY);
	assert_non_null(strstr(s.h.host.problem.what, "another program rewrites /etc/resolv.conf"));
	expect("/etc/resolv.conf", PLAIN);
	assert_int_equal(apply(&s, true), TM_OK);
	expect("/etc/resolv.conf", OURS);
	scene_close(&s);
}

static void resolved_is_told_of_our_zones_alone(void **state)
{
	struct scene s;

	scene_open(&s, state, "nameserver 127.0.0.53\n", "");
	script(&s, "resolvectl", "");
	assert_int_equal(apply(&s, true), TM_OK);
	assert_int_equal(s.h.host.way, RESOLV_RESOLVED);
	expect_call(&s, "resolvectl dns tm7 100.101.0.2\n");
	expect_call(&s, "resolvectl domain tm7 ~mesh ~101.100.in-addr.arpa\n");
	expect_call(&s, "resolvectl default-route tm7 no\n");
	expect_call(&s, "resolvectl dnssec tm7 no\n");
	expect("/etc/resolv.conf", "nameserver 127.0.0.53\n");
	assert_false(os_exists(s.journal)); /* it goes with the interface */

	/* Where it knows already nothing is said again. */
	script(&s, "resolvectl", "[ \"$2\" != domain ] || echo 'Link 7 (tm7): ~mesh'");
	put(s.calls, "");
	assert_int_equal(apply(&s, true), TM_OK);
	assert_false(s.h.host.changed);
	char *calls = NULL;
	assert_int_equal(os_read_file(s.calls, 65536, &calls, NULL, NULL), TM_OK);
	assert_null(strstr(calls, " dns "));
	free(calls);
	scene_close(&s);
}

static void what_resolved_says_against_it_is_told(void **state)
{
	struct scene s;

	scene_open(&s, state, "nameserver 127.0.0.53\n", "");
	script(&s, "resolvectl",
		"[ \"$1\" != dns ] || { echo 'Failed to set DNS configuration: no'; exit 1; }");
	assert_int_equal(apply(&s, true), TM_EIO);
	assert_string_equal(s.h.host.problem.what,
		"`resolvectl dns tm7` exited with status 1: Failed to set DNS configuration: no");
	scene_close(&s);
}

static void resolvconf_gets_a_record_of_ours_and_loses_it(void **state)
{
	struct scene s;

	scene_open(&s, state, "# Generated by resolvconf\nnameserver 192.0.2.1\n", "");
	script(&s, "resolvconf",
		"[ \"$1\" = -d ] || { read -r a b; echo \"read $a $b\" >> ${0%/*}/calls; echo \"$a $b\" >> "
		"/etc/resolv.conf; }");
	assert_int_equal(apply(&s, true), TM_OK);
	assert_int_equal(s.h.host.way, RESOLV_RESOLVCONF);
	expect_call(&s, "resolvconf -a tun0.tm7\n");
	expect_call(&s, "read nameserver 100.101.0.2\n");
	assert_int_equal(hosting_undo(s.journal, NULL), TM_OK);
	expect_call(&s, "resolvconf -d tun0.tm7\n");
	scene_close(&s);
}

static void another_way_undoes_the_one_before(void **state)
{
	struct scene s;

	scene_open(&s, state, PLAIN, "");
	assert_int_equal(apply(&s, true), TM_OK);
	expect("/etc/resolv.conf", OURS);
	s.h.host.wish = OS_RESOLV_NONE;
	assert_int_equal(apply(&s, true), TM_OK);
	expect("/etc/resolv.conf", PLAIN);
	assert_false(os_exists(s.journal));
	scene_close(&s);
}

static void what_lies_elsewhere_is_undone_before_it_is_done_here(void **state)
{
	char other[HOST_PATH], text[1024];
	struct scene s;

	scene_open(&s, state, PLAIN, "");
	/* resolvconf comes to a machine whose file nobody managed. */
	assert_int_equal(apply(&s, true), TM_OK);
	script(&s, "resolvconf", "[ \"$1\" = -d ] || { read -r a b; echo \"$a $b\" >> /etc/resolv.conf; }");
	s.h.host.wish = RESOLV_RESOLVCONF;
	assert_int_equal(apply(&s, true), TM_OK);
	expect("/etc/resolv.conf", PLAIN "nameserver 100.101.0.2\n");
	/* And goes again. */
	put_in_place("/etc/resolv.conf", PLAIN);
	s.h.host.wish = RESOLV_FILE;
	assert_int_equal(apply(&s, true), TM_OK);
	expect_call(&s, "resolvconf -d tun0.tm7\n");
	expect("/etc/resolv.conf", OURS);
	/* It was a link to another file before. */
	snprintf(other, sizeof(other), "%s", host_path(s.host, "other.conf"));
	put(other, OURS);
	put_in_place("/etc/resolv.conf", PLAIN);
	snprintf(text, sizeof(text), "file tm7 %s\n" PLAIN, other);
	put(s.journal, text);
	assert_int_equal(apply(&s, true), TM_OK);
	expect(other, PLAIN);
	expect("/etc/resolv.conf", OURS);
	assert_int_equal(hosting_undo(s.journal, NULL), TM_OK);
	expect("/etc/resolv.conf", PLAIN);
	scene_close(&s);
}

static void an_address_that_begins_with_ours_is_another(void **state)
{
	struct scene s;

	scene_open(&s, state, "# Generated by resolvconf\nnameserver 100.101.0.20\n# 100.101.0.2\n", "");
	script(&s, "resolvconf", "read -r a b; echo \"$a $b\" >> /etc/resolv.conf");
	assert_int_equal(apply(&s, true), TM_OK);
	expect_call(&s, "resolvconf -a tun0.tm7\n");
	scene_close(&s);
}

static void that_ours_is_one_too_many_is_said_at_once(void **state)
{
	struct scene s;

	scene_open(&s, state, "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n", "");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(apply(&s, true), TM_OK);
		assert_non_null(s.h.host.doubt);
		assert_non_null(strstr(s.h.host.doubt, "three servers at most"));
	}
	scene_close(&s);
}

static void what_is_searched_is_told_to_each_way(void **state)
{
	struct scene s;

	scene_open(&s, state, PLAIN, "");
	s.h.host.search = true;
	assert_int_equal(apply(&s, true), TM_OK);
	expect("/etc/resolv.conf",
		OURS "# tunnelmesh tm7: it removes these lines when it ends\nsearch lan mesh\n"
		     "# tunnelmesh tm7 ends\n");
	script(&s, "resolvconf",
		"[ \"$1\" = -d ] || while read -r l; do echo \"$l\"; done > ${0%/*}/input; echo nameserver "
		"100.101.0.2 >> /etc/resolv.conf");
	s.h.host.wish = RESOLV_RESOLVCONF;
	assert_int_equal(apply(&s, true), TM_OK);
	expect(host_path(s.host, "input"), "nameserver 100.101.0.2\nsearch mesh\n");
	assert_int_equal(hosting_undo(s.journal, NULL), TM_OK);
	scene_close(&s);
}

/* As in `ip netns exec`, and in every laboratory of namespaces. */
static void the_file_of_a_machine_is_not_changed_from_another_network(void **state)
{
	struct hosting h = {.host = {.ifname = "tm7", .server = ip_v4_host(0x64650002), .zones = zones}};

	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	assert_true(os_is_machines_own("/etc/resolv.conf"));
	assert_int_equal(hosting_apply(&h, true), TM_OK);
	assert_int_equal(h.host.way, OS_RESOLV_NONE);
	assert_non_null(strstr(h.host.why, "namespace"));
}

static void a_journal_that_makes_no_sense_is_said_and_gone(void **state)
{
	struct host *host = *state;
	struct diag d = {0};

	put(host_path(host, "journal"), "paint the wall\nred\n");
	assert_int_equal(hosting_undo(host_path(host, "journal"), &d), TM_ECORRUPT);
	assert_non_null(strstr(d.what, "makes no sense"));
	assert_false(os_exists(host_path(host, "journal")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_journal_that_makes_no_sense_is_said_and_gone),
		TEST(lines_in_the_file_come_and_go),
		TEST(what_was_noted_and_not_done_undoes_nothing),
		TEST(what_others_wrote_meanwhile_stays),
		TEST(a_file_that_a_crash_emptied_is_what_it_was),
		TEST(what_is_taken_away_is_put_back_where_that_is_allowed),
		TEST(resolved_is_told_of_our_zones_alone),
		TEST(what_resolved_says_against_it_is_told),
		TEST(resolvconf_gets_a_record_of_ours_and_loses_it),
		TEST(another_way_undoes_the_one_before),
		TEST(what_lies_elsewhere_is_undone_before_it_is_done_here),
		TEST(an_address_that_begins_with_ours_is_another),
		TEST(that_ours_is_one_too_many_is_said_at_once),
		TEST(what_is_searched_is_told_to_each_way),
		TEST(the_file_of_a_machine_is_not_changed_from_another_network),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
