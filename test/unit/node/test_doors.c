/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The further sockets of a coordinator: which are opened, and what the path core is told. */
#include "unit/unit.h"

#include "node/doors.h"
#include "node/drive.h"
#include "node/node_private.h"

static uint16_t data_port, opened[4], taken_port;
static unsigned n_opened, n_closed, n_told;
static int silent_fails;
static struct core_in told;

uint16_t __wrap_plane_port(const struct plane *p);
int __wrap_plane_socket_open(struct plane *p, uint16_t port, uint32_t *ret_socket, uint16_t *ret_port);
void __wrap_plane_socket_close(struct plane *p, uint32_t socket);
void __wrap_drive_input(struct node *n, const struct core_in *in);

uint16_t __wrap_plane_port(const struct plane *p UNUSED)
{
	return data_port;
}

int __wrap_plane_socket_open(struct plane *p UNUSED, uint16_t port, uint32_t *ret_socket, uint16_t *ret_port)
{
	if (port ? port == taken_port : silent_fails && n_opened)
		return TM_EBUSY;
	*ret_socket = n_opened + 1;
	*ret_port = port ? port : 40404;
	opened[n_opened++] = port;
	return TM_OK;
}

void __wrap_plane_socket_close(struct plane *p UNUSED, uint32_t socket UNUSED)
{
	n_closed++;
}

void __wrap_drive_input(struct node *n UNUSED, const struct core_in *in)
{
	told = *in;
	n_told++;
}

static void each_setting_opens_its_port_or_none(void **state)
{
	static const struct {
		bool coordinator, relays;
		uint32_t setting;
		uint16_t data_port, taken;
		int silent_fails;
		uint16_t second; /* 0: nothing is told */
		unsigned closed;
	} rows[] = {
		{true, false, CONFIG_PORT_AUTO, 51820, 0, 0, 51830, 0},
		{true, false, 3478, 51820, 0, 0, 3478, 0},
		{true, false, 0, 51820, 0, 0, 0, 0},
		{false, false, CONFIG_PORT_AUTO, 51820, 0, 0, 0, 0},
		{false, true, CONFIG_PORT_AUTO, 51820, 0, 0, 51830, 0},
		{true, false, CONFIG_PORT_AUTO, 65530, 0, 0, 0, 0},
		{true, false, CONFIG_PORT_AUTO, 51820, 51830, 0, 0, 0},
		{true, false, CONFIG_PORT_AUTO, 51820, 0, 1, 0, 1},
	};

	(void)state;
	log_set_level(LOG_ERROR);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node n = {.config.stun_port = rows[i].setting,
			.config.relay = rows[i].relays ? RELAY_OFFER : RELAY_USE,
			.coord = rows[i].coordinator ? (struct coord *)&n : NULL};

		n_opened = n_closed = n_told = 0;
		data_port = rows[i].data_port;
		taken_port = rows[i].taken;
		silent_fails = rows[i].silent_fails;
		doors_open(&n);
		if (n_told != 1 || n_closed != rows[i].closed)
			fail_msg("row %zu: told %u, closed %u", i, n_told, n_closed);
		assert_int_equal(told.kind, CORE_DOORS);
		assert_int_equal(told.doors.aside, 1);
		assert_int_equal(told.doors.second_port, rows[i].second);
		if (!rows[i].second)
			continue;
		assert_int_equal(told.doors.silent_port, 40404);
		assert_int_not_equal(told.doors.second, told.doors.silent);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_setting_opens_its_port_or_none)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
