/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cli/core/doctor.h"

#include <stdarg.h>
#include <string.h>

#include "base/format.h"
#include "base/plain.h"
#include "cli/core/cli.h"
#include "cli/core/peers.h"
#include "os/os.h"
#include "os/words/words.h"

enum {
	CLOCK_ODD_S = 5, /* beside an NTP client it is milliseconds */
	CLOCK_WRONG_S = 300, /* what Kerberos and signed packages bear as a rule */
	NAMES_MAX = 3,
};

#define RESTART OS_SUDO "tunnelmesh restart"
#define START_AGAIN OS_SUDO "tunnelmesh down && " OS_SUDO "tunnelmesh up"
#define NETCHECK "tunnelmesh netcheck"

struct examined {
	const struct doctor_facts *facts;
	struct doctor_findings *found;
	const char *check;
};

PRINTF(4, 5)
static void found(const struct examined *x, enum doctor_level level, const char *fix, const char *text, ...)
{
	struct doctor_findings *f = x->found;
	va_list ap;

	if (f->n == DOCTOR_FINDINGS_MAX) {
		f->more++;
		return;
	}
	struct doctor_finding *at = &f->v[f->n++];
	*at = (struct doctor_finding){.check = x->check, .level = level};
	va_start(ap, text);
	vsnprintf(at->text, sizeof(at->text), text, ap);
	va_end(ap);
	snprintf(at->fix, sizeof(at->fix), "%s", fix);
	/* Names of files are whatever was typed, and what is long was cut at any byte. */
	plain_make(at->text);
	plain_make(at->fix);
}

static const json_t *part(const json_t *j, const char *key)
{
	return json_object_get(j, key);
}

/* --- the checks, in the order in which they are shown --- */

static void check_daemon(const struct examined *x)
{
	const struct doctor_facts *f = x->facts;
	const char *running = json_text(f->status, "version");

	if (f->host)
		found(x, DOCTOR_PROBLEM, OS_GET_TUN, "%s", f->host);
	if (f->silent)
		found(x, DOCTOR_PROBLEM, f->silent_fix, "%s", f->silent);
	else if (json_is_true(part(f->status, "program_replaced")))
		found(x, DOCTOR_NOTE, RESTART, "another tunnelmesh is installed than the %s that runs",
			running);
	else if (strcmp(running, f->version) != 0) /* started from elsewhere, where it would begin again */
		found(x, DOCTOR_NOTE, START_AGAIN, "another tunnelmesh is installed than the %s that runs",
			running);
}

static void check_coordinator(const struct examined *x)
{
	const json_t *link = part(x->facts->status, "link");
	const char *error = json_text(link, "error"), *proxy = json_text(link, "proxy_failed");

	if (json_is_true(part(link, "twin")))
		found(x, DOCTOR_PROBLEM,
			OS_SUDO "tunnelmesh leave && " OS_SUDO "tunnelmesh join TOKEN, on one of the two",
			"another machine with this node's identity has its place: %s", error);
	else if (json_is_true(part(link, "removed")))
		found(x, DOCTOR_PROBLEM, OS_SUDO "tunnelmesh join TOKEN", "%s", error);
	else if (json_is_false(part(link, "up")))
		found(x, DOCTOR_PROBLEM, NETCHECK, "no link to the coordinator%s%s", *error ? ": " : "",
			error);
	if (*proxy)
		found(x, DOCTOR_NOTE, NETCHECK, "%s", proxy);
	if (json_number(x->facts->status, "twins"))
		found(x, DOCTOR_PROBLEM, "tunnelmesh node list",
			"nodes whose identity two machines have: %lld",
			(long long)json_number(x->facts->status, "twins"));
}

static void check_clock(const struct examined *x)
{
	const json_t *clock = part(x->facts->status, "clock"), *ahead = part(clock, "ahead_s");
	const int64_t off = json_integer_value(ahead), back = json_number(clock, "set_back_s");
	char span[FORMAT_LEN];

	if (json_is_integer(ahead) && llabs(off) >= CLOCK_ODD_S)
		found(x, llabs(off) >= CLOCK_WRONG_S ? DOCTOR_PROBLEM : DOCTOR_NOTE, OS_SET_CLOCK,
			"this machine's clock is %s %s the coordinator's: one of the two is wrong",
			format_span(llabs(off), span), off > 0 ? "ahead of" : "behind");
	if (back >= CLOCK_ODD_S)
		found(x, DOCTOR_NOTE, OS_SET_CLOCK,
			"this machine's clock went back by %s: handshakes go on from what it had been",
			format_span(back, span));
}

/* "hub, nas, attic and 4 more". */
static void name_one(char *buf, size_t n, size_t *count, const char *name)
{
	const size_t at = strlen(buf);

	if ((*count)++ < NAMES_MAX && at < n)
		snprintf(buf + at, n - at, "%s%s", at ? ", " : "", name);
}

static const char *more_of(size_t count, char buf[static FORMAT_LEN])
{
	snprintf(buf, FORMAT_LEN, count > NAMES_MAX ? " and %zu more" : "", count - NAMES_MAX);
	return buf;
}

static void check_mtu(const struct examined *x)
{
	const int64_t mtu = json_number(x->facts->status, "mtu");
	char names[256] = "", more[FORMAT_LEN];
	int64_t least = mtu;
	size_t count = 0, i;
	json_t *p;

	json_array_foreach (part(x->facts->status, "peers"), i, p) {
		const int64_t fits = json_number(p, "mtu");

		if (!fits || fits >= mtu)
			continue;
		least = MIN(least, fits);
		name_one(names, sizeof(names), &count, json_text(p, "name"));
	}
	if (count)
		found(x, DOCTOR_NOTE, "mtu: SIZE in the configuration spares the cutting",
			"packets of %lld bytes do not fit the way to %s%s: they are cut, the smallest to "
			"%lld",
			(long long)mtu, names, more_of(count, more), (long long)least);
}

static void check_firewall(const struct examined *x)
{
	const json_t *status = x->facts->status;
	char ranges[PEER_TEXT_LEN], fix[128];

	snprintf(fix, sizeof(fix), OS_FIREWALL_LET_IN, json_text(status, "tun"));
	if (peers_firewalled(status, ranges))
		found(x, DOCTOR_PROBLEM, fix, "this machine's firewall drops what comes from %s", ranges);
}

/* Neither family lets anything through, and somebody was asked. */
static bool is_silent(const json_t *net)
{
	static const char *const families[] = {"ipv4", "ipv6"};
	bool silent = false;

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const char *udp = json_text(part(net, families[i]), "udp");

		if (strcmp(udp, "no_answer") == 0)
			silent = true;
		else if (strcmp(udp, "no_address") != 0 && strcmp(udp, "untried") != 0)
			return false;
	}
	return silent;
}

/* In the words of `netcheck`, which knows best. */
static void check_ports(const struct examined *x)
{
	const json_t *net = x->facts->netcheck, *advice = part(net, "advice"), *one;
	const char *first = json_string_value(json_array_get(advice, 0));
	size_t i;

	if (is_silent(net)) {
		found(x, DOCTOR_PROBLEM, first ? first : NETCHECK, "%s", json_text(net, "verdict"));
		return;
	}
	json_array_foreach (advice, i, one)
		found(x, DOCTOR_NOTE, NETCHECK, "%s", json_string_value(one) ? json_string_value(one) : "");
}

static void check_dns(const struct examined *x)
{
	const json_t *dns = x->facts->dns, *resolver = part(dns, "resolver");
	const char *way = json_text(resolver, "way");
	json_t *at;
	size_t i;

	if (!json_is_true(part(dns, "enabled")))
		return;
	json_array_foreach (part(dns, "listen"), i, at)
		if (json_is_false(part(at, "open")))
			found(x, DOCTOR_PROBLEM, OS_SEE_NAME_SERVERS, "names are not answered at %s: %s",
				json_text(at, "address"), json_text(at, "why_not"));
	if (*json_text(resolver, "problem"))
		found(x, DOCTOR_PROBLEM, "tunnelmesh dns status",
			"programs of this machine do not ask for names of the mesh: %s",
			json_text(resolver, "problem"));
	else if (json_is_false(part(resolver, "in_force")) && *way && strcmp(way, "none") != 0)
		found(x, DOCTOR_PROBLEM, RESTART,
			"programs of this machine do not ask for names of the mesh any more: somebody undid "
			"it");
	if (*json_text(resolver, "doubt"))
		found(x, DOCTOR_NOTE, "tunnelmesh dns status", "%s", json_text(resolver, "doubt"));
}

static void check_routes(const struct examined *x)
{
	const json_t *routing = part(x->facts->status, "routing");
	const char *exit = json_text(part(routing, "exit"), "trouble");
	json_t *net;
	size_t i;

	if (x->facts->overlap)
		found(x, DOCTOR_NOTE, OS_SEE_ROUTES, "%s", x->facts->overlap);
	json_array_foreach (part(routing, "networks"), i, net)
		if (*json_text(net, "conflict"))
			found(x, DOCTOR_NOTE, OS_SEE_ROUTES,
				"%s behind %s is not reached: this machine has %s itself%s%s",
				json_text(net, "net"), json_text(net, "via"), json_text(net, "conflict"),
				*json_text(net, "conflict_if") ? ", on " : "", json_text(net, "conflict_if"));
	if (*json_text(routing, "refused"))
		found(x, DOCTOR_PROBLEM, "tunnelmesh route list",
			"the coordinator does not take the networks behind this machine: %s",
			json_text(routing, "refused"));
	if (*json_text(routing, "trouble"))
		found(x, DOCTOR_PROBLEM, "tunnelmesh route list", "%s", json_text(routing, "trouble"));
	if (*exit)
		found(x, DOCTOR_PROBLEM, OS_SUDO "tunnelmesh exit-node off", "%s", exit);
}

static void check_offloads(const struct examined *x)
{
	const char *left = json_text(x->facts->status, "offloads");

	if (json_number(x->facts->status, "offload_losses") > 0)
		found(x, DOCTOR_NOTE, RESTART,
			"the kernel refuses at run time what it promised, and packets cost more: left are %s",
			*left ? left : "none");
}

static void check_policy(const struct examined *x)
{
	const char *trouble = json_text(part(x->facts->status, "policy"), "trouble");

	if (*trouble)
		found(x, DOCTOR_PROBLEM, "tunnelmesh filter list", "%s", trouble);
}

static void check_versions(const struct examined *x)
{
	char names[256] = "", one[128], more[FORMAT_LEN];
	size_t count = 0, i;
	json_t *n;

	json_array_foreach (part(x->facts->nodes, "nodes"), i, n) {
		const char *version = json_text(n, "version");

		if (!*version || strcmp(version, x->facts->version) == 0)
			continue;
		snprintf(one, sizeof(one), "%.80s (%.32s)", json_text(n, "name"), version);
		name_one(names, sizeof(names), &count, one);
	}
	if (count)
		found(x, DOCTOR_NOTE, "install the same version everywhere, on the coordinator first",
			"this is version %s, and others have another one: %s%s", x->facts->version, names,
			more_of(count, more));
}

static void check_exposed(const struct examined *x, const struct doctor_file *f, unsigned must_not)
{
	const unsigned bad = f->path ? f->exposed & must_not : 0;
	char fix[DOCTOR_TEXT];

	if (!bad)
		return;
	if (bad & OS_FOREIGN)
		snprintf(fix, sizeof(fix), OS_OWN_FILE, f->path);
	else
		snprintf(fix, sizeof(fix), must_not & OS_OTHERS_READ ? OS_HIDE_FILE : OS_KEEP_FILE, f->path);
	found(x, DOCTOR_PROBLEM, fix, "others than root may %s %.500s",
		bad & (OS_FOREIGN | OS_OTHERS_WRITE) ? "change" : "read", f->path);
}

static void check_files(const struct examined *x)
{
	const struct doctor_facts *f = x->facts;
	bool unseen = false;
	json_t *what;
	size_t i;

	check_exposed(x, &f->state_dir, OS_FOREIGN | OS_OTHERS_WRITE);
	for (i = 0; i < ARRAY_LEN(f->secrets); i++) {
		check_exposed(x, &f->secrets[i], OS_FOREIGN | OS_OTHERS_WRITE | OS_OTHERS_READ);
		unseen |= f->secrets[i].path && f->secrets[i].exposed & OS_UNSEEN;
	}
	check_exposed(x, &f->config, OS_FOREIGN | OS_OTHERS_WRITE);
	if (unseen)
		found(x, DOCTOR_NOTE, OS_SUDO "tunnelmesh doctor", "who may read the keys was not looked at");
	json_array_foreach (part(f->status, "unsaved"), i, what)
		found(x, DOCTOR_PROBLEM, OS_SEE_DISKS, "not on disk is %s",
			json_string_value(what) ? json_string_value(what) : "");
}

#define NEEDS(answer) offsetof(struct doctor_facts, answer)
#define NOTHING SIZE_MAX
static const struct check {
	const char *name;
	void (*run)(const struct examined *x);
	size_t needs; /* that answer of the daemon's, or nothing of it */
} checks[] = {
	{"daemon", check_daemon, NOTHING},
	{"coordinator", check_coordinator, NEEDS(status)},
	{"clock", check_clock, NEEDS(status)},
	{"ports", check_ports, NEEDS(netcheck)},
	{"mtu", check_mtu, NEEDS(status)},
	{"firewall", check_firewall, NEEDS(status)},
	{"routes", check_routes, NEEDS(status)},
	{"dns", check_dns, NEEDS(dns)},
	{"policy", check_policy, NEEDS(status)},
	{"offloads", check_offloads, NEEDS(status)},
	{"versions", check_versions, NEEDS(nodes)},
	{"files", check_files, NOTHING},
};

_Static_assert(ARRAY_LEN(checks) <= DOCTOR_CHECKS_MAX, "each has its place in `looked`");

static bool has_answer(const struct doctor_facts *f, size_t needs)
{
	return needs == NOTHING || *(const json_t *const *)(const void *)((const char *)f + needs) != NULL;
}

void doctor_examine(const struct doctor_facts *f, struct doctor_findings *ret_findings)
{
	*ret_findings = (struct doctor_findings){0};
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		ret_findings->looked[i] = has_answer(f, checks[i].needs);
		if (ret_findings->looked[i])
			checks[i].run(&(const struct examined){f, ret_findings, checks[i].name});
	}
}

const char *doctor_check(size_t i)
{
	return i < ARRAY_LEN(checks) ? checks[i].name : NULL;
}

enum doctor_level doctor_worst(const struct doctor_findings *f, const char *check)
{
	enum doctor_level worst = DOCTOR_OK;

	for (size_t i = 0; i < f->n; i++)
		if (!check || strcmp(f->v[i].check, check) == 0)
			worst = MAX(worst, f->v[i].level);
	return worst;
}

const char *doctor_level_name(enum doctor_level level)
{
	static const char *const names[] = {"ok", "note", "problem"};

	return names[level];
}

const char *doctor_result(const struct doctor_findings *f, size_t i)
{
	return f->looked[i] ? doctor_level_name(doctor_worst(f, checks[i].name)) : "unknown";
}
