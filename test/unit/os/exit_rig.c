/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "exit_rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/linux/nf.h"
#include "os/sockaddr.h"

struct os_exit *x;
bool no_nftables;

int __real_nf_replace(struct nf_table *t, nf_build_fn *build, const void *ctx, struct diag *d);
int __wrap_nf_replace(struct nf_table *t, nf_build_fn *build, const void *ctx, struct diag *d);

int __wrap_nf_replace(struct nf_table *t, nf_build_fn *build, const void *ctx, struct diag *d)
{
	return no_nftables ? diag_what(d, TM_EUNSUPPORTED, "no nftables")
			   : __real_nf_replace(t, build, ctx, d);
}

int set_up(void **state)
{
	(void)state;
	host_unshare(CLONE_NEWNET, "network");
	host_ip("link set lo up");
	host_veth("wan0", "far0");
	host_ip("addr add 192.0.2.10/24 dev wan0");
	host_ip("addr add 2001:db8::10/64 dev wan0 nodad");
	host_ip("route add default via 192.0.2.1");
	host_ip("route add default via 2001:db8::1");
	host_ip("link add guests type bridge");
	host_ip("link set guests up");
	host_veth("port0", "guest0");
	host_ip("link set port0 master guests");
	host_ip("addr add 172.17.0.1/16 dev guests");
	host_veth("tm0", "other0");
	host_ip("addr add 100.101.0.5/16 dev tm0");
	host_ip("addr add fd00::5/64 dev tm0 nodad");
	return os_exit_new("tm0", MARK, &x) == TM_OK ? 0 : -1;
}

int tear_down(void **state)
{
	(void)state;
	os_exit_free(x);
	no_nftables = false;
	return 0;
}

char text[16384];
struct os_exit_left left;

const char *say(const char *args)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "ip %s 2>&1", args);
	FILE *f = popen(cmd, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	pclose(f);
	return text;
}

void expect_way(const char *to, bool marked, const char *dev)
{
	char args[128], wanted[32];

	snprintf(args, sizeof(args), "route get %s%s", to, marked ? " mark 0x54000000" : "");
	snprintf(wanted, sizeof(wanted), "dev %s", dev);
	if (!strstr(say(args), dev[0] ? wanted : "RTNETLINK answers"))
		fail_msg("%s%s: expected \"%s\", got %s", to, marked ? " (marked)" : "", dev, text);
}

void set(bool lan, bool hold)
{
	struct diag d = {0}, unguarded = {0};

	if (os_exit_set(x, lan, hold, &unguarded, &d) != TM_OK)
		fail_msg("%s", d.what);
	if (unguarded.what[0] && !no_nftables && system("nft list ruleset > /dev/null 2>&1") == 0)
		fail_msg("not guarded: %s", unguarded.what);
}

int send_by(const char *dev, const char *to, uint32_t mark)
{
	struct endpoint e = {.port = 4242};
	struct sockaddr_storage sa;
	assert_int_equal(ip_parse(to, &e.ip), TM_OK);
	socklen_t len = endpoint_to_sockaddr(&e, &sa);
	int s = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(s >= 0);
	if (dev)
		assert_int_equal(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, dev, (socklen_t)strlen(dev)), 0);
	if (mark)
		assert_int_equal(setsockopt(s, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	ssize_t n = sendto(s, "x", 1, 0, (struct sockaddr *)&sa, len);
	int e2 = n == 1 ? 0 : errno;
	close(s);
	return e2;
}

void needs_nftables(void)
{
	if (system("nft list ruleset > /dev/null 2>&1") != 0)
		skip();
}

const char *list_table(const char *name)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "nft list table inet %s 2>&1", name);
	FILE *f = popen(cmd, "r");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	pclose(f);
	return text;
}

void clear(void)
{
	struct diag d = {0};

	if (os_exit_clear(x, &d) != TM_OK)
		fail_msg("%s", d.what);
}

void expect_nothing_left(void)
{
	expect_way("203.0.113.7", false, "wan0");
	assert_null(strstr(say("rule"), "5379"));
	assert_null(strstr(say("rule"), "538"));
	assert_null(strstr(say("-6 rule"), "538"));
	static const char *const tables[] = {"8484", "8485"};
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		for (unsigned six = 0; six < 2; six++) {
			char args[64];

			snprintf(args, sizeof(args), "%sroute show table %s", six ? "-6 " : "", tables[i]);
			say(args);
			if (strstr(text, "default") || strstr(text, "throw"))
				fail_msg("%s: %s", args, text);
		}
}
