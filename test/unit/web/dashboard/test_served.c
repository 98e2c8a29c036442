/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The dashboard on the server that it is made for. */
#include "unit/unit.h"

#include "unit/web/rig.h"
#include "web/assets/assets.h"
#include "web/dashboard/dashboard.h"

static const char *ask(struct rig *rig, const char *path)
{
	char request[256];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
	return rig_ask(rig, request);
}

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
	const char *a = ask(&rig, web_asset_url("style.css"));
	assert_memory_equal(a, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(a, "Content-Type: text/css; charset=utf-8\r\n"));
	assert_non_null(strstr(a, "Cache-Control: public, max-age=31536000, immutable\r\n"));
	assert_non_null(strstr(a, "prefers-color-scheme: dark"));
	/* What a page of another version asks for it gets, and does not keep. */
	a = ask(&rig, "/assets/0123456789abcdef/style.css");
	assert_memory_equal(a, "HTTP/1.1 200 ", 13);
	assert_non_null(strstr(a, "Cache-Control: no-store\r\n"));
	a = ask(&rig, "/assets/0123456789abcdef/style");
	assert_memory_equal(a, "HTTP/1.1 404 ", 13);
	a = rig_ask(&rig, "GET /nodes HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	assert_memory_equal(a, "HTTP/1.1 403 ", 13);
	rig_close(&rig);
	dashboard_free(dash);
}

static enum web_role role;

static void who(void *ctx UNUSED, const struct web_caller *c UNUSED, struct web_viewer *ret_viewer)
{
	ret_viewer->role = role;
}

static void refuse_to_be_asked(void *ctx UNUSED, const struct web_viewer *by UNUSED, const char *request,
	dashboard_reply_fn *reply UNUSED, void *reply_ctx UNUSED)
{
	fail_msg("%s", request);
}

/* The address of a route, with something in the places of its pluses. */
static void put_path(const struct web_route *route, char *out, size_t n)
{
	size_t len = 0;

	for (const char *p = route->path; *p && len + 1 < n; p++)
		out[len++] = *p == '+' ? 'x' : *p;
	out[len] = '\0';
}

/* All of the table: a form that is new there, too. */
static void every_form_is_refused_to_whoever_is_no_administrator(void **state UNUSED)
{
	static const struct dashboard_config dash_cfg = {
		.mesh = "home", .zone = "mesh", .ask = refuse_to_be_asked};
	struct dashboard *dash;
	struct rig rig;
	unsigned n = 0;

	assert_int_equal(dashboard_new(&dash_cfg, &dash), TM_OK);
	rig_serve(&rig, &(struct web_config){.routes = dashboard_routes,
				.n_routes = dashboard_routes_n,
				.routes_ctx = dash,
				.who = who,
				.what = "dashboard"});
	for (role = WEB_ANYONE; role < WEB_ADMIN; role++) {
		for (size_t i = 0; i < dashboard_routes_n; i++) {
			char path[WEB_PATH_MAX], text[2 * WEB_PATH_MAX];

			if (!dashboard_routes[i].post)
				continue;
			put_path(&dashboard_routes[i], path, sizeof(path));
			snprintf(text, sizeof(text),
				"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
				"application/x-www-form-urlencoded\r\nContent-Length: 5\r\n\r\nid=a1",
				path);
			const char *a = rig_ask(&rig, text);
			if (strncmp(a, "HTTP/1.1 403 ", 13) != 0 ||
				!strstr(a, "those who look after the mesh"))
				fail_msg("%s as role %d: %s", path, role, a);
			n++;
		}
	}
	assert_true(n >= 2 * 11);
	rig_close(&rig);
	dashboard_free(dash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_pages_load_is_served_to_everybody_and_pages_to_members),
		cmocka_unit_test(every_form_is_refused_to_whoever_is_no_administrator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
