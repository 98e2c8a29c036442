/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "gateway.h"

#include "base/bytes.h"

struct gateway gw;
struct portmap *map;
ns_t now;
unsigned changes, keeps;

#define START (1000 * SEC)
#define URN "urn:schemas-upnp-org:"

struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), TM_OK);
	return ip;
}

struct endpoint endpoint_of(const char *text)
{
	struct endpoint ep;

	assert_int_equal(endpoint_parse(text, &ep), TM_OK);
	return ep;
}

static uint32_t dice(void *ctx)
{
	(void)ctx;
	return gw.thrown += gw.chance;
}

static uint32_t clock_of_gateway(void)
{
	return (uint32_t)((now - gw.started) / SEC);
}

static void answer(uint16_t port, const void *p, size_t n)
{
	struct endpoint from = {.ip = ip_of(gw.answers_from ? gw.answers_from : "192.168.1.1"), .port = port};

	portmap_datagram(map, &from, p, n, now);
}

/* Is what is asked for owed, if it should not be given back? */
static void look_into_the_book(void)
{
	struct portmap_owed v[PORTMAP_OWED_MAX];
	size_t n = portmap_owes(map, v);
	bool owed = false;

	for (size_t i = 0; i < n; i++)
		owed |= v[i].internal == gw.asked_internal;
	gw.asked_unkept += !owed || (!keeps && !gw.left.client);
}

static bool delete_is_lost(uint32_t lifetime_s)
{
	if (lifetime_s || !gw.deaf_to_deletes)
		return false;
	gw.deaf_to_deletes--;
	return true;
}

/* Deletes what an earlier run left; false: that is not it. */
static bool takes_back(uint16_t internal)
{
	gw.deletes++;
	if (internal != gw.left.internal)
		return false;
	gw.left.internal = 0;
	return true;
}

/* --- NAT-PMP --- */

static uint32_t granted(void)
{
	if (gw.grant_s && gw.asked_lease_s)
		return gw.grant_s;
	return gw.grant_max_s ? MIN(gw.grant_max_s, gw.asked_lease_s) : gw.asked_lease_s;
}

static void natpmp(const uint8_t *p, size_t n)
{
	uint8_t a[16] = {0, (uint8_t)(0x80 + p[1]), 0, gw.natpmp_result};
	const struct ip external = ip_of(gw.external);

	put_be32(a + 4, clock_of_gateway());
	if (p[1] == 0) {
		assert_int_equal(n, 2);
		gw.addresses++;
		memcpy(a + 8, external.bytes, 4);
		if (gw.natpmp)
			answer(5351, a, gw.natpmp_result ? 8 : 12);
		return;
	}
	assert_int_equal(n, 12);
	assert_int_equal(p[1], 1);
	if (delete_is_lost(get_be32(p + 8)))
		return;
	gw.asked_internal = get_be16(p + 4);
	gw.asked_external = get_be16(p + 6);
	gw.asked_lease_s = get_be32(p + 8);
	gw.asked_at = now;
	put_be16(a + 8, gw.asked_internal);
	if (gw.asked_lease_s) {
		gw.maps[PORTMAP_NATPMP]++;
		look_into_the_book();
	} else if (!gw.natpmp) {
		gw.deletes++;
	} else if (takes_back(gw.asked_internal)) {
		answer(5351, a, sizeof(a));
		return;
	}
	if (!gw.natpmp)
		return;
	gw.mapped = gw.asked_lease_s && !gw.natpmp_result;
	gw.external_port = gw.port ? gw.port : gw.asked_external;
	put_be16(a + 10, gw.external_port);
	put_be32(a + 12, granted());
	answer(5351, a, gw.natpmp_result ? 8 : 16);
}

/* --- PCP --- */

static void pcp(const uint8_t *p, size_t n)
{
	uint8_t a[60];
	const struct ip external = ip_of(gw.external);

	if (p[1] == 0)
		gw.announces++;
	if (gw.old) {
		const uint8_t no[8] = {0, (uint8_t)(0x80 + p[1]), 0, 1};
		answer(5351, no, sizeof(no));
		return;
	}
	assert_int_equal(n, p[1] ? 60 : 24);
	if (p[1] == 1 && delete_is_lost(get_be32(p + 4)))
		return;
	memcpy(a, p, n);
	memset(a + 12, 0, 12);
	a[1] |= 0x80;
	a[3] = gw.pcp_result;
	put_be32(a + 8, clock_of_gateway());
	if (p[1] == 1) {
		gw.asked_internal = get_be16(p + 40);
		gw.asked_external = get_be16(p + 42);
		gw.asked_lease_s = get_be32(p + 4);
		gw.asked_at = now;
		bool old = false;
		if (gw.asked_lease_s) {
			gw.maps[PORTMAP_PCP]++;
			look_into_the_book();
		} else {
			old = takes_back(gw.asked_internal);
		}
		if (gw.pcp && !old)
			gw.mapped = gw.asked_lease_s && !gw.pcp_result;
		gw.external_port = gw.port ? gw.port : gw.asked_external;
		put_be32(a + 4, granted());
		put_be16(a + 42, gw.external_port);
		if (external.family == IP_V4)
			memcpy(a + 56, external.bytes, 4);
		else
			memcpy(a + 44, external.bytes, 16);
		a[24] ^= gw.wrong_nonce;
	}
	if (gw.pcp_result)
		put_be32(a + 4, gw.error_lifetime_s);
	if (gw.pcp)
		answer(5351, a, n);
}

/* --- UPnP --- */

static void tell_place(const char *location)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
		"HTTP/1.1 200 OK\r\nST: " URN "device:InternetGatewayDevice:1\r\nLOCATION: %s\r\n\r\n",
		location);

	answer(gw.search_port ? gw.search_port : 1900, text, (size_t)n);
}

static void search(const struct portmap_out *out)
{
	gw.searches++;
	assert_non_null(strstr(out->msg, "M-SEARCH * HTTP/1.1\r\n"));
	if (!gw.upnp)
		return;
	if (gw.broken)
		tell_place(gw.broken);
	tell_place(gw.location ? gw.location : "http://192.168.1.1:5000/root.xml");
}

static void put_description(char *body, size_t room)
{
	size_t n = (size_t)snprintf(body, room, "<root><device>");

	for (size_t i = 0; i < gw.n_services; i++)
		n += (size_t)snprintf(body + n, room - n,
			"<service><serviceType>" URN "service:WANIPConnection:1</serviceType>"
			"<controlURL>/ctl%zu</controlURL></service>",
			i);
}

/* The text of an argument of the request; "" when it has none. */
static const char *said(const char *msg, const char *name, char value[static 64])
{
	char tag[64];
	size_t n = (size_t)snprintf(tag, sizeof(tag), "<%s>", name);
	const char *at = strstr(msg, tag);

	value[0] = '\0';
	if (at)
		snprintf(value, 64, "%.*s", (int)strcspn(at + n, "<"), at + n);
	return value;
}

static int add_mapping(const char *msg, char *body, size_t room)
{
	char text[64];
	unsigned fault = 0;

	assert_string_equal(said(msg, "NewProtocol", text), "UDP");
	assert_string_equal(said(msg, "NewRemoteHost", text), "");
	gw.maps[PORTMAP_UPNP]++;
	gw.asked_at = now;
	gw.asked_external = (uint16_t)strtoul(said(msg, "NewExternalPort", text), NULL, 10);
	gw.asked_internal = (uint16_t)strtoul(said(msg, "NewInternalPort", text), NULL, 10);
	gw.asked_lease_s = (uint32_t)strtoul(said(msg, "NewLeaseDuration", text), NULL, 10);
	said(msg, "NewInternalClient", gw.asked_client);
	look_into_the_book();
	if (gw.fault && gw.asked_lease_s) {
		fault = gw.fault;
	} else if (gw.taken) {
		gw.taken--;
		fault = 718;
	} else {
		gw.mapped = true;
		gw.external_port = gw.asked_external;
		return 200;
	}
	snprintf(body, room, "<s:Fault><detail><errorCode>%u</errorCode></detail></s:Fault>", fault);
	return 500;
}

/* WANIPConnection:1, 2.4.15 */
static int tell_of(uint16_t external, char *body, size_t room)
{
	const char *client = NULL;
	uint16_t internal = 0;

	if (external == gw.left.external && gw.left.client && gw.left.internal) {
		client = gw.left.client;
		internal = gw.left.internal;
	} else if (gw.mapped && external == gw.external_port) {
		client = gw.asked_client;
		internal = gw.asked_internal;
	}
	if (client)
		snprintf(body, room,
			"<NewInternalPort>%u</NewInternalPort><NewInternalClient>%s</NewInternalClient>",
			internal, client);
	else
		snprintf(body, room, "<s:Fault><detail><errorCode>714</errorCode></detail></s:Fault>");
	return client ? 200 : 500;
}

static void delete (uint16_t external)
{
	if (gw.left.external && external == gw.left.external)
		(void)takes_back(gw.left.internal);
	else
		(void)takes_back(0);
	gw.mapped &= external != gw.external_port;
}

static int call(const char *msg, char *body, size_t room)
{
	char text[64];

	assert_int_equal(sscanf(msg, "POST /ctl%u HTTP/1.1", &gw.asked_service), 1);
	assert_true(gw.asked_service < gw.n_services);
	if (strstr(msg, "#GetStatusInfo\""))
		snprintf(body, room, "<NewConnectionStatus>%s</NewConnectionStatus>",
			gw.services[gw.asked_service].connected ? "Connected" : "Disconnected");
	else if (strstr(msg, "#GetExternalIPAddress\""))
		snprintf(body, room, "<NewExternalIPAddress>%s</NewExternalIPAddress>",
			gw.services[gw.asked_service].external);
	else if (strstr(msg, "#AddPortMapping\""))
		return add_mapping(msg, body, room);
	else if (strstr(msg, "#GetSpecificPortMappingEntry\""))
		return tell_of((uint16_t)strtoul(said(msg, "NewExternalPort", text), NULL, 10), body, room);
	else if (strstr(msg, "#DeletePortMapping\""))
		delete ((uint16_t)strtoul(said(msg, "NewExternalPort", text), NULL, 10));
	else
		fail_msg("%s", msg);
	return 200;
}

static void fetch(const struct portmap_out *out)
{
	char body[2048] = "", text[4096] = "";
	int status = 200;

	gw.fetches++;
	assert_true(ip_eq(&out->to.ip, &(struct ip){.family = IP_V4, .bytes = {192, 168, 1, 1}}));
	if (gw.no_http || (gw.broken && out->to.port == 81)) {
		assert_true(portmap_fetched(map, out->fetch, text, 0, true, now));
		return;
	}
	if (strncmp(out->msg, "GET ", 4) == 0)
		put_description(body, sizeof(body));
	else
		status = call(out->msg, body, sizeof(body));
	snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
		body);
	assert_false(portmap_fetched(map, out->fetch, text, strlen(text) - 1, false, now));
	assert_true(portmap_fetched(map, out->fetch, text, strlen(text), false, now));
}

/* --- the node --- */

static void act(const struct portmap_out *out)
{
	assert_true(out->kind == PORTMAP_CHANGED || out->kind == PORTMAP_KEEP || out->n > 0);
	if (out->kind == PORTMAP_CHANGED)
		changes++;
	else if (out->kind == PORTMAP_KEEP)
		keeps++;
	else if (out->kind == PORTMAP_FETCH)
		fetch(out);
	else if (gw.deaf)
		gw.deaf--;
	else if (out->to.port == 1900)
		search(out);
	else if (out->msg[0] == 2)
		pcp((const uint8_t *)out->msg, out->n);
	else
		natpmp((const uint8_t *)out->msg, out->n);
}

void node_waits(ns_t time)
{
	const ns_t end = now + time;
	struct portmap_out out;

	for (;;) {
		unsigned n = 0;

		while (portmap_output(map, now, &out)) {
			act(&out);
			assert_true(++n < 100); /* it comes to rest */
		}
		ns_t next = portmap_next(map);
		assert_true(next > now);
		if (next > end)
			break;
		now = next;
	}
	now = end;
}

void node_arrives(void)
{
	const struct endpoint gateway = {.ip = ip_of("192.168.1.1")};
	const struct ip own = ip_of("192.168.1.7");

	portmap_gateway(map, IP_V4, &gateway, &own, now);
	node_waits(0);
}

struct portmap_view node_view(void)
{
	struct portmap_view v;

	portmap_look(map, IP_V4, &v);
	return v;
}

const char *node_shows(void)
{
	static char text[128];
	struct portmap_view v = node_view();
	char ep[ENDPOINT_STR_LEN];

	if (v.protocol == PORTMAP_NONE)
		snprintf(text, sizeof(text), "%s", portmap_problem_text(v.problem));
	else
		snprintf(text, sizeof(text), "%s %s%s", portmap_protocol_name(v.protocol),
			endpoint_format(&v.external, ep), v.nested ? " nested" : "");
	return text;
}

void gateway_announces(const char *from, const char *hex)
{
	uint8_t p[64];
	size_t n = 0;

	while (*hex) {
		if (strncmp(hex, "EPOCH", 5) == 0) {
			put_be32(p + n, clock_of_gateway());
			n += 4;
			hex += 5;
		} else {
			unsigned byte;
			assert_int_equal(sscanf(hex, "%2x", &byte), 1);
			p[n++] = (uint8_t)byte;
			hex += 2;
		}
	}
	struct endpoint ep = {.ip = ip_of(from), .port = 5351};
	portmap_announced(map, &ep, p, n, now);
	node_waits(0);
}

static int make_node(uint16_t port)
{
	struct portmap_config cfg = {.port = port, .lease = PORTMAP_LEASE, .random = dice};

	memcpy(cfg.nonce, "ours, 12 b.", PCP_NONCE);
	return portmap_new(&cfg, &map);
}

void node_listens_on(uint16_t port)
{
	portmap_free(map);
	assert_int_equal(make_node(port), TM_OK);
}

int gateway_tear_down(void **state)
{
	(void)state;
	portmap_free(TAKE(map));
	return 0;
}

int gateway_set_up(void **state)
{
	gateway_tear_down(state);
	gw = (struct gateway){
		.external = "203.0.113.9", .services = {{true, "203.0.113.9"}}, .n_services = 1};
	now = START;
	changes = keeps = 0;
	return make_node(OUR_PORT);
}
