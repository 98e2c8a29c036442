/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What a router changes in the kernel, from one look to the next: os_forwarding and host_settings together,
 * over a table of settings. The test's machine has three interfaces; whether it knows force_forwarding says
 * each story. */
#include "unit/unit.h"

#include "base/log.h"
#include "fake/quiet.h"
#include "fake/settings.h"
#include "node/host_settings.h"
#include "os/os.h"

#include <net/if.h>
#include <unistd.h>

#define IF6(dev, leaf) "net/ipv6/conf/" dev "/" leaf

static struct if_nameindex interfaces[8];
static char path[64];

struct if_nameindex *__wrap_if_nameindex(void);
void __wrap_if_freenameindex(struct if_nameindex *v);
char *__wrap_if_indextoname(unsigned index, char *ret_name);

struct if_nameindex *__wrap_if_nameindex(void)
{
	return interfaces;
}

void __wrap_if_freenameindex(struct if_nameindex *v)
{
	assert_ptr_equal(v, interfaces);
}

char *__wrap_if_indextoname(unsigned index, char *ret_name)
{
	for (const struct if_nameindex *i = interfaces; i->if_index; i++)
		if (i->if_index == index)
			return strcpy(ret_name, i->if_name);
	return NULL;
}

static void plug_in(const char *name)
{
	static const char *const v4[] = {"forwarding"}, *const v6[] = {"forwarding", "accept_ra"};
	size_t n = 0;
	char setting[64], value[16];

	while (interfaces[n].if_index)
		n++;
	interfaces[n] = (struct if_nameindex){(unsigned)n + 1, (char *)(uintptr_t)name};
	for (size_t i = 0; i < ARRAY_LEN(v4); i++) {
		snprintf(setting, sizeof(setting), "net/ipv4/conf/%s/%s", name, v4[i]);
		kernel_has(setting, "0");
	}
	/* Born as `default` says. */
	for (size_t i = 0; i < ARRAY_LEN(v6); i++) {
		snprintf(setting, sizeof(setting), "net/ipv6/conf/default/%s", v6[i]);
		snprintf(value, sizeof(value), "%s", kernel_value(setting));
		snprintf(setting, sizeof(setting), "net/ipv6/conf/%s/%s", name, v6[i]);
		kernel_has(setting, value);
	}
}

static int set_up(void **state)
{
	(void)state;
	log_set_sink(quiet_log, NULL);
	kernel_empty();
	memset(interfaces, 0, sizeof(interfaces));
	kernel_has("net/ipv4/conf/all/forwarding", "0");
	kernel_has(IF6("all", "forwarding"), "0");
	kernel_has(IF6("default", "forwarding"), "0");
	kernel_has(IF6("default", "accept_ra"), "1");
	plug_in("tm0");
	plug_in("eth0");
	plug_in("virbr0");
	kernel_write(IF6("tm0", "accept_ra"), "0");
	snprintf(path, sizeof(path), "/tmp/tm-forwarding-XXXXXX");
	assert_non_null(mkdtemp(path));
	strcat(path, "/settings");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

static struct host_settings *begin(void)
{
	struct host_settings *s;

	assert_int_equal(host_settings_new(path, &s), TM_OK);
	return s;
}

/* The router is to forward by tm0 and eth0; or nothing, n = 0. */
static void look(struct host_settings *s, enum ip_family family, size_t n)
{
	struct diag d = {0};

	host_settings_begin(s);
	os_forwarding(family, (const uint32_t[]){1, 2}, n, host_settings_want, s);
	assert_int_equal(host_settings_end(s, &d), TM_OK);
}

static void ip4_is_forwarded_by_what_leads_there_alone(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	for (int i = 0; i < 3; i++) {
		look(s, IP_V4, 2);
		assert_string_equal(kernel_value("net/ipv4/conf/eth0/forwarding"), "1");
		assert_string_equal(kernel_value("net/ipv4/conf/virbr0/forwarding"), "0");
		assert_string_equal(kernel_value("net/ipv4/conf/all/forwarding"), "0");
	}
	look(s, IP_V4, 0);
	assert_string_equal(kernel_value("net/ipv4/conf/eth0/forwarding"), "0");
	host_settings_free(s);
}

static void ip6_too_where_the_kernel_can(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	kernel_has(IF6("all", "force_forwarding"), "0");
	kernel_has(IF6("tm0", "force_forwarding"), "0");
	kernel_has(IF6("eth0", "force_forwarding"), "0");
	for (int i = 0; i < 3; i++) {
		look(s, IP_V6, 2);
		assert_string_equal(kernel_value(IF6("eth0", "force_forwarding")), "1");
		assert_string_equal(kernel_value(IF6("all", "forwarding")), "0");
		assert_string_equal(kernel_value(IF6("eth0", "accept_ra")), "1");
	}
	host_settings_free(s);
	assert_string_equal(kernel_value(IF6("eth0", "force_forwarding")), "0");
}

static void all_of_ip6_stays_on_from_look_to_look(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	for (int i = 0; i < 3; i++) {
		look(s, IP_V6, 2);
		assert_string_equal(kernel_value(IF6("all", "forwarding")), "1");
		assert_string_equal(kernel_value(IF6("eth0", "accept_ra")), "2");
		assert_string_equal(kernel_value(IF6("tm0", "accept_ra")), "0");
	}
	look(s, IP_V6, 0);
	assert_string_equal(kernel_value(IF6("all", "forwarding")), "0");
	assert_string_equal(kernel_value(IF6("eth0", "accept_ra")), "1");
	host_settings_free(s);
}

static void who_comes_while_all_of_ip6_is_forwarded_listens_too(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	look(s, IP_V6, 2);
	plug_in("wlan0");
	assert_string_equal(kernel_value(IF6("wlan0", "accept_ra")), "2");
	kernel_write(IF6("wlan0", "accept_ra"), "1"); /* as a manager has it */
	look(s, IP_V6, 2);
	assert_string_equal(kernel_value(IF6("wlan0", "accept_ra")), "2");
	host_settings_free(s);
	assert_string_equal(kernel_value(IF6("default", "accept_ra")), "1");
	assert_string_equal(kernel_value(IF6("wlan0", "accept_ra")), "1");
	assert_string_equal(kernel_value(IF6("wlan0", "forwarding")), "0");
}

static void what_single_interfaces_forwarded_before_they_do_afterwards(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	kernel_write(IF6("virbr0", "forwarding"), "1"); /* libvirt's */
	look(s, IP_V6, 2);
	look(s, IP_V6, 2);
	look(s, IP_V6, 0);
	assert_string_equal(kernel_value(IF6("all", "forwarding")), "0");
	assert_string_equal(kernel_value(IF6("eth0", "forwarding")), "0");
	assert_string_equal(kernel_value(IF6("virbr0", "forwarding")), "1");
	/* After a crash too. */
	look(s, IP_V6, 2);
	look(s, IP_V6, 2);
	free(s); /* killed */
	host_settings_free(begin());
	assert_string_equal(kernel_value(IF6("eth0", "forwarding")), "0");
	assert_string_equal(kernel_value(IF6("virbr0", "forwarding")), "1");
}

/* All of them, not only the one that was looked at last. */
static void each_interface_gets_its_own_back(void **state)
{
	struct host_settings *s = begin();

	(void)state;
	plug_in("docker0");
	kernel_write(IF6("eth0", "forwarding"), "1");
	kernel_write(IF6("eth0", "accept_ra"), "2");
	kernel_write(IF6("virbr0", "forwarding"), "1");
	kernel_write(IF6("docker0", "forwarding"), "1");
	kernel_write(IF6("docker0", "accept_ra"), "0");
	for (int crash = 0; crash < 2; crash++) {
		look(s, IP_V6, 2);
		look(s, IP_V6, 2);
		if (crash) {
			free(s); /* killed */
			s = begin();
		} else {
			look(s, IP_V6, 0);
		}
		assert_string_equal(kernel_value(IF6("all", "forwarding")), "0");
		assert_string_equal(kernel_value(IF6("tm0", "forwarding")), "0");
		assert_string_equal(kernel_value(IF6("eth0", "forwarding")), "1");
		assert_string_equal(kernel_value(IF6("virbr0", "forwarding")), "1");
		assert_string_equal(kernel_value(IF6("docker0", "forwarding")), "1");
		assert_string_equal(kernel_value(IF6("eth0", "accept_ra")), "2");
		assert_string_equal(kernel_value(IF6("virbr0", "accept_ra")), "1");
		assert_string_equal(kernel_value(IF6("docker0", "accept_ra")), "0");
	}
	host_settings_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		T(ip4_is_forwarded_by_what_leads_there_alone),
		T(ip6_too_where_the_kernel_can),
		T(all_of_ip6_stays_on_from_look_to_look),
		T(who_comes_while_all_of_ip6_is_forwarded_listens_too),
		T(what_single_interfaces_forwarded_before_they_do_afterwards),
		T(each_interface_gets_its_own_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
