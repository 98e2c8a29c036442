/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The dashboard on the server that it is made for. */
#include "unit/unit.h"

#include "unit/web/rig.h"
#include "web/dashboard/dashboard.h"

static void what_pages_load_is_served_to_everybody_and_pages_to_members(void **state UNUSED)
{
	static const struct dashboard_config dash_cfg = {.mesh = "home", .zone = "mesh"};
	struct dashboard *dash;
	struct rig rig;

	assert_int_equal(dashboard_new(&dash_cfg, &dash), TM_OK);
	rig_serve(&rig, &(struct web_config){.routes = dashboard_routes,
				.n_routes = dashboard_routes_n,
				.ctx = dash,
				.what = "dashboard"});
	const char *a = rig_ask(&rig, "GET /style.css HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	assert_memory_equal(a, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(a, "Content-Type: text/css; charset=utf-8\r\n"));
	assert_non_null(strstr(a, "prefers-color-scheme: dark"));
	a = rig_ask(&rig, "GET /nodes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	assert_memory_equal(a, "HTTP/1.1 403 ", 13);
	rig_close(&rig);
	dashboard_free(dash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_pages_load_is_served_to_everybody_and_pages_to_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
