/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * bench_link [LINKS]: a coordinator's port in a process of its own, and as many nodes in this one that link,
 * say one thing and stay. Prints handshakes per second, the CPU of either end per handshake, and the memory
 * of the coordinator's end per idle link.
 */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "control/link/clink.h"
#include "control/link/tuning.h"
#include "crypto/init.h"
#include "os/os.h"

enum { LINKS = 5000, AT_ONCE = 200 };

static struct identity hub, node;

static void check(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_link: %s\n", what);
		exit(1);
	}
}

/* --- the coordinator's end --- */

static void on_hub_message(void *ctx UNUSED, struct clink *l, const json_t *m)
{
	check(clink_send(l, m) == TM_OK, "cannot answer");
}

static bool everybody(void *ctx UNUSED, const uint8_t *key UNUSED)
{
	return true;
}

static void serve(int port_out)
{
	struct event_base *base = event_base_new();
	struct clink_server_config cfg = {.identity = &hub, .max_links = 1 << 20};
	const struct clink_events ev = {.message = on_hub_message, .known = everybody};
	struct clink_server *s;
	struct diag d = {0};

	check(endpoint_parse("127.0.0.1:0", &cfg.listen) == TM_OK, "address");
	check(clink_server_new(base, &cfg, &ev, &s, &d) == TM_OK, d.what);
	uint16_t port = clink_server_port(s);
	check(write(port_out, &port, sizeof(port)) == sizeof(port), "pipe");
	event_base_dispatch(base);
}

/* --- the nodes --- */

struct nodes {
	struct event_base *base;
	char address[32];
	unsigned wanted, begun, linked;
};

static void begin(struct nodes *n);

static void on_node_up(void *ctx UNUSED, struct clink *l)
{
	json_t *m = json_pack("{s:s}", "t", "hello");

	check(clink_send(l, m) == TM_OK, "cannot greet");
	json_decref(m);
}

static void on_node_message(void *ctx, struct clink *l UNUSED, const json_t *m UNUSED)
{
	struct nodes *n = ctx;

	if (++n->linked == n->wanted)
		event_base_loopbreak(n->base);
	begin(n);
}

static void on_node_closed(void *ctx UNUSED, struct clink *l UNUSED, int err UNUSED, const char *why)
{
	check(false, why);
}

static void begin(struct nodes *n)
{
	const struct clink_events ev = {
		.ctx = n, .up = on_node_up, .message = on_node_message, .closed = on_node_closed};
	const struct clink_config cfg = {.address = n->address,
		.remote_key = hub.x_pub,
		.identity = &node,
		.connect_timeout_ms = 60000};
	struct clink *l;

	if (n->begun == n->wanted)
		return;
	n->begun++;
	check(clink_connect(n->base, &cfg, &ev, &l) == TM_OK, "cannot connect");
}

/* --- what it costs --- */

static double cpu_s(pid_t pid)
{
	char path[64];
	unsigned long long ns = 0;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	FILE *f = fopen(path, "r");
	check(f && fscanf(f, "%llu", &ns) == 1, path);
	fclose(f);
	return (double)ns / 1e9;
}

static double rss_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");
	check(f, path);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	fclose(f);
	return (double)kb;
}

static void measure(struct nodes *n, pid_t hub_pid)
{
	double hub_cpu = cpu_s(hub_pid), own_cpu = cpu_s(getpid()), rss = rss_kb(hub_pid);
	ns_t began = time_monotonic();

	for (unsigned i = 0; i < AT_ONCE; i++)
		begin(n);
	event_base_dispatch(n->base);

	double s = (double)(time_monotonic() - began) / 1e9, links = n->wanted;
	usleep(300000); /* the last answers are out */
	printf("%u links in %.2f s: %.0f/s; CPU per link: coordinator %.0f us, node %.0f us; "
	       "coordinator's memory: %.2f kB per link (%.1f MB in all)\n",
		n->wanted, s, links / s, (cpu_s(hub_pid) - hub_cpu) * 1e6 / links,
		(cpu_s(getpid()) - own_cpu) * 1e6 / links, (rss_kb(hub_pid) - rss) / links,
		rss_kb(hub_pid) / 1000);
}

int main(int argc, char **argv)
{
	struct nodes n = {.wanted = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : LINKS};
	struct diag d = {0};
	uint16_t port = 0;
	int port_pipe[2];

	os_raise_descriptors();
	check(crypto_init(&d) == TM_OK, d.what);
	check(identity_generate(&hub) == TM_OK && identity_generate(&node) == TM_OK, "identities");
	check(pipe(port_pipe) == 0, "pipe");
	pid_t pid = fork();
	check(pid >= 0, "fork");
	if (pid == 0) {
		serve(port_pipe[1]);
		_exit(0);
	}
	check(read(port_pipe[0], &port, sizeof(port)) == sizeof(port), "no port");
	snprintf(n.address, sizeof(n.address), "127.0.0.1:%u", port);
	n.base = event_base_new();
	measure(&n, pid);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return 0;
}
