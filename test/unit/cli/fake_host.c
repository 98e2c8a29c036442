/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/cli/fake_host.h"

#include "unit/unit.h"

#include <signal.h>

#include "control/coord/coord.h"
#include "os/os.h"
#include "os/tun.h"
#include "os/udp.h"

struct fake_host host;

int __wrap_os_check_privileges(struct diag *d);
int __wrap_os_check_tun(struct diag *d);
int __wrap_os_prefix_in_use(const struct prefix *p, const char *except, struct diag *d);
int __wrap_udp_open(const struct udp_config *cfg, struct udp **ret_udp, struct diag *d);
void __wrap_udp_close(struct udp *u);
int __wrap_tun_open(const char *name, unsigned queues, uint16_t mtu, unsigned offloads, struct tun **ret_tun,
	struct diag *d);
void __wrap_tun_close(struct tun *t);
bool __wrap_os_systemd_is_init(void);
bool __wrap_os_process_was_told(os_pid pid, const char *word);
int __wrap_os_spawn_daemon(
	char *const argv[], const char *log_path, int timeout_ms, struct diag *unlogged, struct diag *d);
void __wrap_os_daemon_failed(const char *sentence);
int __wrap_coord_create(const struct coord_init *init, struct diag *d);
int __wrap_enrol(const struct token *t, const struct identity *id, const char *name, const char *version,
	const struct proxy_choice *proxy, int timeout_ms, struct enrolment *ret_e, struct diag *d);
int __wrap_enrol_leave(const struct enrolment *e, const struct identity *id, const struct proxy_choice *proxy,
	int timeout_ms, struct diag *d);
int __wrap_enrol_undo(const struct enrolment *e, const struct identity *id, const struct proxy_choice *proxy,
	int timeout_ms, struct diag *d);

int __wrap_os_exit_undo(const char *ifname, struct os_exit_left *ret_left, struct diag *d);
bool __wrap_os_rules_left(const char *ifname);
bool __wrap_os_rules_undo(const char *ifname);

bool __wrap_os_rules_left(const char *ifname UNUSED)
{
	return false;
}

bool __wrap_os_rules_undo(const char *ifname UNUSED)
{
	return false;
}

int __wrap_os_exit_undo(const char *ifname UNUSED, struct os_exit_left *ret_left, struct diag *d UNUSED)
{
	*ret_left = (struct os_exit_left){.any = true};
	host.exits_cleared++;
	return TM_OK;
}

int __wrap_os_check_privileges(struct diag *d)
{
	return host.privileges ? diag_what(d, host.privileges, "needs root") : TM_OK;
}

int __wrap_os_check_tun(struct diag *d)
{
	return host.tun ? diag_what(d, host.tun, "no tun") : TM_OK;
}

int __wrap_os_prefix_in_use(const struct prefix *p, const char *except UNUSED, struct diag *d)
{
	if (host.in_use.ip.family == p->ip.family && prefix_overlaps(p, &host.in_use))
		return diag_what(d, TM_EEXIST, "range is in use on eth7");
	return TM_OK;
}

int __wrap_udp_open(const struct udp_config *cfg, struct udp **ret_udp, struct diag *d)
{
	if (host.port)
		return diag_what(d, host.port, "UDP port %u is taken", cfg->port);

	*ret_udp = NULL;
	return TM_OK;
}

void __wrap_udp_close(struct udp *u UNUSED)
{
}

int __wrap_tun_open(const char *name, unsigned queues UNUSED, uint16_t mtu UNUSED, unsigned offloads UNUSED,
	struct tun **ret_tun, struct diag *d)
{
	if (host.interface)
		return diag_what(d, host.interface, "interface %s is there already", name);

	*ret_tun = NULL;
	return TM_OK;
}

void __wrap_tun_close(struct tun *t UNUSED)
{
}

bool __wrap_os_systemd_is_init(void)
{
	return false;
}

bool __wrap_os_process_was_told(os_pid pid UNUSED, const char *word UNUSED)
{
	return host.told;
}

static const char *value_of(char *const argv[], const char *option)
{
	for (size_t i = 0; argv[i]; i++)
		if (strcmp(argv[i], option) == 0)
			return argv[i + 1];
	fail_msg("no %s", option);
	return "";
}

int __wrap_os_spawn_daemon(char *const argv[], const char *log_path, int timeout_ms UNUSED,
	struct diag *unlogged UNUSED, struct diag *d)
{
	char lock[256];
	size_t at = 0;
	int err = host.spawn;

	for (size_t i = 1; argv[i]; i++)
		at += (size_t)snprintf(
			host.spawned + at, sizeof(host.spawned) - at, "%s%s", i > 1 ? " " : "", argv[i]);
	assert_int_equal(os_write_file(log_path, "first\nAbort: 7\n", 15, 0600, NULL), TM_OK);
	if (host.interrupt)
		raise(SIGTERM);
	if (host.spawn_once)
		host.spawn = TM_OK;
	if (err == TM_ECLOSED) {
		diag_hint(d, "its log is %s", log_path);
		return diag_what(d, err, "the daemon crashed");
	}
	if (err)
		return diag_what(d, err, "port 51820 is taken");

	snprintf(lock, sizeof(lock), "%s/lock", value_of(argv, "--state-dir"));
	fake_daemon_start(&host.daemon, value_of(argv, "--socket"), lock, host.replies);
	return TM_OK;
}

void __wrap_os_daemon_failed(const char *sentence)
{
	snprintf(host.failed, sizeof(host.failed), "%s", sentence);
}

int __wrap_coord_create(const struct coord_init *init, struct diag *d)
{
	host.created++;
	if (host.create)
		return diag_what(d, host.create, "no room for the database");

	assert_false(init->secret[0] == 0 && memcmp(init->secret, init->secret + 1, 31) == 0);
	return os_write_file(init->db_path, "db", 2, 0600, d);
}

int __wrap_enrol(const struct token *t UNUSED, const struct identity *id, const char *name,
	const char *version UNUSED, const struct proxy_choice *proxy UNUSED, int timeout_ms UNUSED,
	struct enrolment *ret_e, struct diag *d)
{
	host.enrolled++;
	snprintf(host.enrol_name, sizeof(host.enrol_name), "%s", name);
	memcpy(host.enrol_key, id->ed_pub, sizeof(host.enrol_key));
	if (host.enrol)
		return diag_what(d, host.enrol, "this token was used already");

	*ret_e = host.enrolment;
	snprintf(ret_e->self.name, sizeof(ret_e->self.name), "%s", host.enrol_as ? host.enrol_as : name);
	memcpy(ret_e->self.key, id->x_pub, sizeof(ret_e->self.key));
	memcpy(ret_e->self.id, id->id, sizeof(ret_e->self.id));
	return TM_OK;
}

int __wrap_enrol_leave(const struct enrolment *e UNUSED, const struct identity *id UNUSED,
	const struct proxy_choice *proxy UNUSED, int timeout_ms UNUSED, struct diag *d)
{
	host.left++;
	return host.enrol_leave ? diag_what(d, host.enrol_leave, "the coordinator does not answer") : TM_OK;
}

int __wrap_enrol_undo(const struct enrolment *e UNUSED, const struct identity *id UNUSED,
	const struct proxy_choice *proxy UNUSED, int timeout_ms UNUSED, struct diag *d UNUSED)
{
	host.undone++;
	return TM_OK;
}
