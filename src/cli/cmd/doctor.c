/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* `doctor`: gathers what the daemon and this machine say, and shows what is wrong with it (core/doctor.h). */
#include <string.h>

#include "cli/cmd/doctor.h"
#include "cli/cmd/netcheck.h"
#include "cli/core/commands.h"
#include "cli/core/daemon.h"
#include "cli/core/doctor.h"
#include "cli/core/listing.h"
#include "os/os.h"

/* --- gathering --- */

/* What the facts borrow. */
struct gathered {
	json_t *status, *netcheck, *dns, *nodes;
	struct diag silent, overlap, host;
	char silent_text[sizeof(struct diag)];
};

static void gathered_deinit(struct gathered *g)
{
	json_decref(g->status);
	json_decref(g->netcheck);
	json_decref(g->dns);
	json_decref(g->nodes);
}

/* What one of them does not answer is not examined: the first has said why. */
static void ask_daemon(struct cli *c, struct gathered *g, struct doctor_facts *f)
{
	struct diag ignored = {0};
	int err = cli_ask(c, "status", NULL, ASK_TIMEOUT_MS, &g->status, &g->silent);

	if (err) {
		struct diag bare = g->silent;

		bare.hint[0] = '\0';
		f->silent = diag_format(&bare, err, g->silent_text, sizeof(g->silent_text));
		f->silent_fix = g->silent.hint;
		return;
	}
	if (!json_is_true(json_object_get(json_object_get(g->status, "link"), "removed")))
		(void)!netcheck_fetch(c, false, &g->netcheck, &ignored);
	(void)!cli_ask(c, "dns.status", NULL, ASK_TIMEOUT_MS, &g->dns, &ignored);
	(void)!listing_fetch(c, "node.list", "nodes", NULL, &g->nodes, &ignored);
}

/* Who else leads there: another VPN, a network of containers. */
static const char *look_for_overlap(struct gathered *g)
{
	const json_t *mesh = json_object_get(g->status, "mesh");
	static const char *const nets[] = {"net4", "net6"};
	struct prefix p;

	for (size_t i = 0; i < ARRAY_LEN(nets); i++)
		if (prefix_parse(json_text(mesh, nets[i]), &p) == TM_OK &&
			os_prefix_in_use(&p, json_text(g->status, "tun"), &g->overlap) == TM_EEXIST)
			return g->overlap.what;
	return NULL;
}

static void gather(struct cli *c, struct gathered *g, struct doctor_facts *f)
{
	const struct paths *p = &c->paths;
	int err;

	*f = (struct doctor_facts){.version = TM_VERSION,
		.state_dir = {p->state_dir, os_exposed(p->state_dir)},
		.secrets = {{p->identity, os_exposed(p->identity)}, {p->enrolment, os_exposed(p->enrolment)},
			{p->db, os_exposed(p->db)}, {p->password, os_exposed(p->password)}},
		.config = {p->config, os_exposed(p->config)}};
	ask_daemon(c, g, f);
	f->status = g->status;
	f->netcheck = g->netcheck;
	f->dns = g->dns;
	f->nodes = g->nodes;
	f->overlap = look_for_overlap(g);
	/* One that runs has its device. */
	err = g->status ? TM_OK : os_check_tun(&g->host);
	f->host = err && err != TM_EPERM ? g->host.what : NULL;
}

/* --- showing --- */

static void print_finding(struct cli *c, const struct doctor_finding *at, const char *label)
{
	static const char *const colours[] = {"", "\033[33m", "\033[31m"};
	const size_t width = fact_width(&c->screen);
	const bool colour = c->screen.colour;

	fprintf(c->out, "  %-*s%s%s%s: ", FACT_LABEL, label, colour ? colours[at->level] : "",
		doctor_level_name(at->level), colour ? "\033[0m" : "");
	text_wrapped(
		c->out, at->text, FACT_INDENT + strlen(doctor_level_name(at->level)) + 2, FACT_INDENT, width);
	if (*at->fix) {
		fprintf(c->out, "  %-*s-> ", FACT_LABEL, "");
		text_wrapped(c->out, at->fix, FACT_INDENT + 3, FACT_INDENT + 3, width);
	}
}

static void print_check(struct cli *c, const struct doctor_findings *f, size_t number)
{
	const char *check = doctor_check(number), *label = check;

	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->v[i].check, check) == 0) {
			print_finding(c, &f->v[i], label);
			label = "";
		}
	if (*label)
		fprintf(c->out, "  %-*s%s\n", FACT_LABEL, label, doctor_result(f, number));
}

static void print_all(struct cli *c, const struct doctor_findings *f)
{
	for (size_t i = 0; doctor_check(i); i++)
		print_check(c, f, i);
	if (f->more)
		fprintf(c->out, "  and %zu more\n", f->more);
}

static json_t *findings_json(const struct doctor_findings *f)
{
	json_t *checks = json_array(), *list = json_array();

	for (size_t i = 0; doctor_check(i); i++)
		json_array_append_new(checks,
			json_pack("{s:s, s:s}", "check", doctor_check(i), "level", doctor_result(f, i)));
	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s}", "check", f->v[i].check, "level",
				doctor_level_name(f->v[i].level), "text", f->v[i].text, "fix", f->v[i].fix));
	return json_pack("{s:b, s:b, s:o, s:o, s:I}", "ok", 1, "healthy",
		doctor_worst(f, NULL) < DOCTOR_PROBLEM, "checks", checks, "findings", list, "left_out",
		(json_int_t)f->more);
}

static void examine(struct cli *c, struct doctor_findings *ret_findings)
{
	struct gathered g = {0};
	struct doctor_facts f;

	gather(c, &g, &f);
	doctor_examine(&f, ret_findings);
	gathered_deinit(&g);
}

json_t *doctor_report(struct cli *c)
{
	_cleanup_(freep) struct doctor_findings *found = malloc(sizeof(*found));

	if (!found)
		return NULL;
	examine(c, found);
	return findings_json(found);
}

static int doctor_run(struct cli *c, const void *opts UNUSED, const struct opt_words *words UNUSED)
{
	_cleanup_(freep) struct doctor_findings *found = malloc(sizeof(*found));
	int status = CLI_DONE;

	if (!found)
		return cli_failf(c, NULL, "%s", tm_strerror(TM_ENOMEM));
	examine(c, found);
	if (c->g.json)
		status = cli_json_take(c, findings_json(found));
	else
		print_all(c, found);
	return status == CLI_DONE && doctor_worst(found, NULL) == DOCTOR_PROBLEM ? CLI_FAILED : status;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.summary = "examine this machine's node: what is wrong, and what to type against it",
	.details = "Looks at the daemon, its link, the clock, what this network does with UDP, the size of "
		   "packets, firewall, routes, DNS, policy, offloads, the versions in the mesh, and who may "
		   "read the keys. Changes nothing. A problem makes the exit status 1, a note does not.",
	.run = doctor_run,
};
