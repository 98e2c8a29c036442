/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node/outside_private.h"
#include "node/ports.h"

#include <string.h>

enum { CONNECTIONS = 128, CONNECTIONS_EACH = 32 };

/* --- for the server --- */

/* By whichever: no name proves anything here, and a browser gives the cookie of one name to no other, so that
 * a page of another site whose name leads here is as unknown as a stranger. */
static bool is_host(void *ctx UNUSED, const char *host UNUSED)
{
	return true;
}

/* What comes from this machine has crossed no network that we could know of. */
static bool may_be_plain(void *ctx, const struct web_caller *c)
{
	const struct outside *o = ctx;

	return o->node->config.dashboard_plain || ip_is_loopback(&c->from.ip);
}

static struct ssl_ctx_st *tls(void *ctx, const struct web_caller *c)
{
	struct outside *o = ctx;
	const ns_t now = time_monotonic();
	struct diag d = {0};

	if (!admission_charge(o->admission, ADMISSION_TLS, &c->from.ip, now))
		return NULL;
	struct ssl_ctx_st *context = tls_files_context(o->tls, now, time_real() / SEC, &d);
	if (d.what[0])
		LOG_LIMITED(LOG_WARN, &o->log_tls, LOG_WHO_ALL,
			"node: the dashboard keeps the last TLS certificate, the new one cannot be used",
			KV("why", d.what));
	return context;
}

/* Who is not known is asked for the password. */
static void refuse(void *ctx, struct web_request *r, unsigned status, const char *sentence)
{
	const struct outside *o = ctx;

	if (status == 403 && web_viewer(r)->role == WEB_ANYONE)
		web_see(r, DASHBOARD_LOGIN);
	else
		dashboard_refuse(o->pages, r, status, sentence);
}

/* --- the password --- */

/* One that cannot be read is none. */
static void load_password(struct outside *o)
{
	const char *path = o->node->paths.password;
	_cleanup_(freep) char *line = NULL;
	struct login_kept kept;
	struct diag d = {0};
	char why[sizeof(d) + 16];
	size_t n = 0;
	int err = os_read_file(path, LOGIN_KEPT_MAX, &line, &n, &d);

	if (err == TM_ENOENT)
		return;
	if (!err) {
		err = login_kept_parse(line, n, &kept);
		if (err)
			diag_what(&d, err, "%s makes no sense", path);
	}
	if (err)
		log_warn("node: the dashboard's password cannot be read: `tunnelmesh dashboard password` "
			 "makes "
			 "another one",
			KV("why", diag_format(&d, err, why, sizeof(why))));
	else
		login_set(&o->login, &kept);
}

int outside_keep(struct outside *o, const char *line, struct diag *d)
{
	struct login_kept kept;
	int err = login_kept_parse(line, strlen(line), &kept);

	if (err)
		return diag_what(d, err, "what is to be kept of the password makes no sense");
	err = os_write_file(o->node->paths.password, line, strlen(line), 0600, d);
	if (err)
		return err;
	login_set(&o->login, &kept);
	log_info("node: the dashboard has another password");
	outside_follow(o);
	return TM_OK;
}

/* --- where --- */

static bool is_there(const struct endpoint *at, size_t n, const struct endpoint *ep)
{
	for (size_t i = 0; i < n; i++)
		if (endpoint_eq(&at[i], ep))
			return true;
	return false;
}

/* What stands in the configuration has been checked: config_value.c. */
static size_t configured(const struct outside *o, struct endpoint ret_at[static CONFIG_LIST_MAX])
{
	const struct config *cfg = &o->node->config;
	const struct ip here = ip_v4_host(0x7f000001);
	struct endpoint ep;
	size_t n = 0;

	for (size_t i = 0; cfg->dashboard && i < cfg->n_dashboard_listen; i++)
		if (config_listen_parse(cfg->dashboard_listen[i], &here, &ep) == TM_OK &&
			!is_there(ret_at, n, &ep))
			ret_at[n++] = ep;
	return n;
}

static int open_tls(struct outside *o, struct diag *d)
{
	struct ports p;
	int err = ports_configured(o->node, &p, d);

	if (err)
		return err;
	struct tls_files_config cfg = {.certificate = p.tls.certificate, .key = p.tls.key, .own = p.tls.own};
	for (; cfg.n_names < p.tls.n_hosts && cfg.n_names < TLS_FILES_NAMES_MAX; cfg.n_names++)
		cfg.names[cfg.n_names] = p.tls.hosts[cfg.n_names];
	return tls_files_new(&cfg, time_real() / SEC, &o->tls, d);
}

/* What a former try has opened is there already. */
static int open_all(struct outside *o, struct diag *d)
{
	const struct web_config cfg = {.routes = dashboard_routes,
		.n_routes = dashboard_routes_login_n,
		.routes_ctx = o->pages,
		.ctx = o,
		.who = outside_who,
		.is_host = is_host,
		.tls = tls,
		.may_be_plain = may_be_plain,
		.refuse = refuse,
		.what = "dashboard",
		.mark = o->node->config.fwmark,
		.connections = CONNECTIONS,
		.each = CONNECTIONS_EACH};
	int err = TM_OK;

	if (!o->admission)
		err = admission_new(&outside_limits, &o->admission);
	if (!err && !o->helper)
		err = helper_new(o->node->base, "password", &o->helper);
	if (!err && !o->tls)
		err = open_tls(o, d);
	if (!err && !o->server)
		err = web_server_new(o->node->base, &cfg, &o->server);
	return err;
}

static void say_what_is_missing(struct outside *o, bool lacks)
{
	if (lacks && !o->warned)
		log_warn("node: without a password the dashboard is served in the mesh alone: `tunnelmesh "
			 "dashboard password` makes one");
	o->warned = lacks;
}

void outside_follow(struct outside *o)
{
	struct endpoint at[CONFIG_LIST_MAX];
	struct diag d = {0};
	char why[sizeof(d) + 16];
	const size_t n = configured(o, at);
	const bool may = n && o->login.has_password;
	int err = may ? open_all(o, &d) : TM_OK;

	say_what_is_missing(o, n && !o->login.has_password);
	if (err)
		log_warn("node: the dashboard is served in the mesh alone",
			KV("why", diag_format(&d, err, why, sizeof(why))));
	if (o->server)
		web_server_listen(o->server, at, may && !err ? n : 0);
}

void outside_view(const struct outside *o, struct outside_view *ret_view)
{
	struct endpoint at[CONFIG_LIST_MAX], bound;
	struct outside_view v = {.n = configured(o, at)};

	v.lacks_password = v.n && !o->login.has_password;
	for (size_t i = 0; i < v.n; i++) {
		v.doors[i].at = at[i];
		v.doors[i].open = o->server && web_server_listens(o->server, i, &bound);
	}
	*ret_view = v;
}

size_t outside_connections(const struct outside *o)
{
	return o && o->server ? web_server_connections(o->server) : 0;
}

/* --- life --- */

int outside_new(struct node *n, struct dashboard *pages, struct outside **ret_outside)
{
	struct outside *o = calloc(1, sizeof(*o));

	if (!o)
		return TM_ENOMEM;
	*o = (struct outside){
		.node = n, .pages = pages, .log_guesses = LOG_LIMIT_FEW, .log_tls = LOG_LIMIT_ONE};
	load_password(o);
	*ret_outside = o;
	return TM_OK;
}

void outside_stop(struct outside *o)
{
	if (o)
		helper_free(TAKE(o->helper));
}

void outside_free(struct outside *o)
{
	if (!o)
		return;
	outside_stop(o);
	web_server_free(o->server);
	tls_files_free(o->tls);
	admission_free(o->admission);
	login_wipe(&o->login);
	free(o);
}
