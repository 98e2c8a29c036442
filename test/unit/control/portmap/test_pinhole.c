/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Holes in a firewall for IPv6 by UPnP, at a gateway made by hand from WANIPv6FirewallControl:1. */
#include "gateway.h"

#define URN "urn:schemas-upnp-org:service:"

enum { HOLES = 4 };

static struct {
	bool pcp, deaf; /* it speaks that as well; it answers nothing over HTTP */
	const char *enabled, *allowed;
	unsigned fault, old_fault; /* of AddPinhole: for our port, for another */
	const char *number; /* instead of the hole's */
	/* what it was asked */
	unsigned searches, opens, closes;
	unsigned lease_s, old_lease_s; /* of our port, of another */
	/* its holes, by number - 1: the port inside, 0 = none */
	uint16_t holes[HOLES];
} six;

static struct endpoint gateway;
static struct ip own;

static int setup(void **state)
{
	int err = gateway_set_up(state);

	memset(&six, 0, sizeof(six));
	six.enabled = six.allowed = "1";
	gateway = (struct endpoint){.ip = ip_of("fe80::1"), .scope = 2};
	own = ip_of("2001:db8::7");
	return err;
}

static unsigned said(const char *msg, const char *name)
{
	char tag[64];

	snprintf(tag, sizeof(tag), "<%s>", name);
	const char *at = strstr(msg, tag);
	assert_non_null(at);
	return (unsigned)strtoul(at + strlen(tag), NULL, 10);
}

/* The same hole is found again (2.5.2). */
static unsigned hole_for(uint16_t port)
{
	unsigned i = 0, number = 0;

	while (number < HOLES && six.holes[number] != port)
		number++;
	if (number < HOLES)
		return number + 1;
	while (i < HOLES && six.holes[i])
		i++;
	assert_true(i < HOLES);
	six.holes[i] = port;
	return i + 1;
}

static int add(const char *msg, char *body, size_t room)
{
	char number[8];

	assert_non_null(strstr(msg, "<InternalClient>2001:db8::7</InternalClient>"));
	assert_non_null(strstr(msg, "<RemoteHost></RemoteHost>"));
	assert_int_equal(said(msg, "RemotePort"), 0);
	assert_int_equal(said(msg, "Protocol"), 17);
	six.opens++;
	const bool ours = said(msg, "InternalPort") == OUR_PORT;
	const unsigned fault = ours ? six.fault : six.old_fault;
	*(ours ? &six.lease_s : &six.old_lease_s) = said(msg, "LeaseTime");
	if (fault) {
		snprintf(body, room, "<errorCode>%u</errorCode>", fault);
		return 500;
	}
	snprintf(number, sizeof(number), "%u", hole_for((uint16_t)said(msg, "InternalPort")));
	snprintf(body, room, "<UniqueID>%s</UniqueID>", six.number ? six.number : number);
	return 200;
}

static int call(const char *msg, char *body, size_t room)
{
	if (strncmp(msg, "GET ", 4) == 0) {
		snprintf(body, room,
			"<service><serviceType>" URN
			"WANIPConnection:2</serviceType><controlURL>/ip</controlURL></service>"
			"<service><serviceType>" URN
			"WANIPv6FirewallControl:1</serviceType><controlURL>/6fc</controlURL></service>");
		return 200;
	}
	assert_true(strncmp(msg, "POST /6fc ", 10) == 0);
	assert_non_null(strstr(msg, "\r\nHost: [fe80::1]:5000\r\n"));
	if (strstr(msg, "#GetFirewallStatus\"")) {
		snprintf(body, room,
			"<FirewallEnabled>%s</FirewallEnabled><InboundPinholeAllowed>%s</"
			"InboundPinholeAllowed>",
			six.enabled, six.allowed);
		return 200;
	}
	if (strstr(msg, "#AddPinhole\""))
		return add(msg, body, room);
	assert_non_null(strstr(msg, "#DeletePinhole\""));
	six.closes++;
	assert_in_range(said(msg, "UniqueID"), 1, HOLES);
	six.holes[said(msg, "UniqueID") - 1] = 0;
	return 200;
}

static void fetch(const struct portmap_out *out)
{
	char body[1024] = "", text[2048] = "";

	/* From the address that the hole leads to. */
	assert_true(ip_eq(&out->from, &own) && ip_eq(&out->to.ip, &gateway.ip) && out->to.scope == 2);
	assert_int_equal(out->to.port, 5000);
	if (!six.deaf) {
		int status = call(out->msg, body, sizeof(body));
		snprintf(text, sizeof(text), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s", status,
			strlen(body), body);
	}
	assert_true(portmap_fetched(map, out->fetch, text, strlen(text), true, now));
}

static void search(const struct portmap_out *out)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nST: " URN "WANIPv6FirewallControl:1\r\n"
				     "LOCATION: http://[2001:db8::1]:5000/root.xml\r\n\r\n";
	const struct endpoint from = {.ip = ip_of("2001:db8::1"), .port = 1900};

	six.searches++;
	assert_true(
		out->to.scope == 2 && (ip_eq(&out->to.ip, &gateway.ip) ||
					      ip_eq(&out->to.ip, &(struct ip){IP_V6, {0xff, 2, [15] = 12}})));
	assert_non_null(strstr(out->msg, ip_eq(&out->to.ip, &gateway.ip) ? "\r\nHOST: [fe80::1]:1900\r\n"
									 : "\r\nHOST: [ff02::c]:1900\r\n"));
	portmap_datagram(map, &from, (const uint8_t *)answer, sizeof(answer) - 1, now);
}

static void waits(ns_t time)
{
	const ns_t end = now + time;
	struct portmap_out out;

	for (;;) {
		while (portmap_output(map, now, &out)) {
			if (out.kind == PORTMAP_FETCH)
				fetch(&out);
			else if (out.kind == PORTMAP_KEEP)
				keeps++;
			else if (out.kind == PORTMAP_SEND && out.to.port == 1900)
				search(&out);
			else if (out.kind == PORTMAP_SEND)
				assert_int_equal(out.msg[0], 2); /* of NAT-PMP there is none for IPv6 */
		}
		ns_t next = portmap_next(map);
		assert_true(next > now);
		if (next > end)
			break;
		now = next;
	}
	now = end;
}

static struct portmap_view arrive(void)
{
	struct portmap_view v;

	portmap_gateway(map, IP_V6, &gateway, &own, now);
	waits(PORTMAP_WINDOW);
	portmap_look(map, IP_V6, &v);
	return v;
}

static void a_hole_is_made_renewed_and_closed(void **state)
{
	struct portmap_view v = arrive();

	(void)state;
	assert_int_equal(six.searches, 3);
	assert_int_equal(v.protocol, PORTMAP_UPNP);
	assert_true(ip_eq(&v.external.ip, &own));
	assert_int_equal(v.external.port, OUR_PORT);
	assert_int_equal(six.lease_s, 7200);
	assert_int_equal(six.holes[0], OUR_PORT);
	six.holes[0] = 0; /* a restart that nobody told of */
	waits(PORTMAP_FRESH + SEC);
	assert_int_equal(six.opens, 2);
	assert_int_equal(six.holes[0], OUR_PORT);
	portmap_end(map, now);
	waits(0);
	assert_true(portmap_ended(map));
	assert_int_equal(six.closes, 1);
	assert_int_equal(six.holes[0], 0);
}

static void where_there_is_no_firewall_or_none_that_we_may_open_that_is_said(void **state)
{
	static const struct {
		const char *enabled, *allowed;
		unsigned fault;
		enum portmap_problem problem;
	} rows[] = {
		{"1", "1", 0, PORTMAP_FINE},
		{"true", "yes", 0, PORTMAP_FINE},
		{"0", "1", 0, PORTMAP_NOT_NEEDED},
		{"1", "0", 0, PORTMAP_REFUSED},
		{"", "", 0, PORTMAP_NOT_NEEDED},
		{"1", "1", 606, PORTMAP_REFUSED},
		{"1", "1", 701, PORTMAP_REFUSED},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		setup(state);
		six.enabled = rows[i].enabled;
		six.allowed = rows[i].allowed;
		six.fault = rows[i].fault;
		struct portmap_view v = arrive();
		if (v.problem != rows[i].problem ||
			(v.protocol == PORTMAP_UPNP) != (v.problem == PORTMAP_FINE))
			fail_msg("row %zu: %s", i, portmap_problem_text(v.problem));
		/* And it is not asked again at once. */
		unsigned opens = six.opens;
		waits(60 * SEC);
		assert_int_equal(six.opens, opens);
	}
}

static void a_number_that_is_none_is_no_hole(void **state)
{
	static const char *const numbers[] = {"", "x", "1x", "65536", "-1"};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		setup(state);
		six.number = numbers[i];
		if (arrive().protocol != PORTMAP_NONE)
			fail_msg("row %zu", i);
	}
}

static void one_that_falls_silent_is_given_up_and_found_again(void **state)
{
	struct portmap_view v;

	(void)state;
	assert_int_equal(arrive().protocol, PORTMAP_UPNP);
	six.deaf = true;
	waits(PORTMAP_FRESH + 130 * SEC);
	portmap_look(map, IP_V6, &v);
	assert_int_equal(v.protocol, PORTMAP_NONE);
	six.deaf = false;
	waits(130 * SEC);
	portmap_look(map, IP_V6, &v);
	assert_int_equal(v.protocol, PORTMAP_UPNP);
}

static void what_an_earlier_run_left_at_another_port_is_closed(void **state)
{
	enum { OLD_PORT = 40001 };
	const struct portmap_owed old = {
		.by = PORTMAP_UPNP, .gateway = gateway.ip, .own = own, .internal = OLD_PORT};
	struct portmap_owed v[PORTMAP_OWED_MAX];

	(void)state;
	six.holes[0] = OLD_PORT;
	portmap_owe(map, &old, 1);
	assert_int_equal(arrive().protocol, PORTMAP_UPNP);
	assert_int_equal(six.holes[0], 0);
	assert_int_equal(six.holes[1], OUR_PORT);
	assert_int_equal(portmap_owes(map, v), 1);
	assert_int_equal(v[0].internal, OUR_PORT);
	assert_int_equal(keeps, 2);
	assert_int_equal(six.old_lease_s, 1); /* in case that it cannot be closed */
	/* Ours is closed by its own number. */
	portmap_end(map, now);
	waits(0);
	assert_int_equal(six.holes[1], 0);
	assert_int_equal(portmap_owes(map, v), 0);
}

static void one_that_cannot_be_found_again_is_not_asked_for_again(void **state)
{
	const struct portmap_owed old = {
		.by = PORTMAP_UPNP, .gateway = gateway.ip, .own = own, .internal = 40001};
	struct portmap_owed v[PORTMAP_OWED_MAX];

	(void)state;
	six.old_fault = 606;
	portmap_owe(map, &old, 1);
	assert_int_equal(arrive().protocol, PORTMAP_UPNP);
	assert_int_equal(six.opens, 2);
	assert_int_equal(six.closes, 0);
	assert_int_equal(portmap_owes(map, v), 1);
	assert_int_equal(v[0].internal, OUR_PORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, gateway_tear_down)
		T(a_hole_is_made_renewed_and_closed),
		T(where_there_is_no_firewall_or_none_that_we_may_open_that_is_said),
		T(a_number_that_is_none_is_no_hole),
		T(one_that_falls_silent_is_given_up_and_found_again),
		T(what_an_earlier_run_left_at_another_port_is_closed),
		T(one_that_cannot_be_found_again_is_not_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
