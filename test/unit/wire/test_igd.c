/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"
#include "wire/igd.h"
#include "wire/xml.h"

#define TYPE "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"

static const struct ip gateway = {.family = IP_V4, .bytes = {192, 168, 1, 1}};

static void an_answer_to_a_search_says_where_the_description_lies(void **state)
{
	static const struct {
		const char *text;
		int err;
		unsigned port;
		const char *path;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\n" TYPE "LOCATION: http://192.168.1.1:5000/root.xml\r\n\r\n", TM_OK, 5000,
			"/root.xml"},
		/* Another host: the gateway is asked all the same. */
		{"HTTP/1.1 200 OK\r\n" TYPE "Location:http://10.9.9.9/\r\n\r\n", TM_OK, 80, "/"},
		{"HTTP/1.0 200\r\n" TYPE "LOCATION: HTTP://192.168.1.1:49152", TM_EUNSUPPORTED, 0, ""},
		{"HTTP/1.0 200\nUSN: uuid:1::urn:schemas-upnp-org:service:WANIPConnection:2\n"
		 "LOCATION: http://[fe80::1]:81\n",
			TM_OK, 81, "/"},
		{"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://192.168.1.9:80/tv\r\n\r\n",
			TM_EUNSUPPORTED, 0, ""},
		{"HTTP/1.1 200 OK\r\n" TYPE "LOCATION: https://192.168.1.1/root.xml\r\n\r\n", TM_EUNSUPPORTED,
			0, ""},
		{"HTTP/1.1 200 OK\r\n" TYPE "LOCATION: http://192.168.1.1:0/\r\n\r\n", TM_EUNSUPPORTED, 0,
			""},
		{"HTTP/1.1 200 OK\r\n" TYPE "LOCATION: http://192.168.1.1:65536/\r\n\r\n", TM_EUNSUPPORTED, 0,
			""},
		{"HTTP/1.1 200 OK\r\n" TYPE "LOCATION: http://\r\n\r\n", TM_EUNSUPPORTED, 0, ""},
		{"HTTP/1.1 200 OK\r\n" TYPE "LOCATION: http://192.168.1.1/a b\r\n\r\n", TM_EUNSUPPORTED, 0,
			""},
		{"HTTP/1.1 200 OK\r\n" TYPE "\r\n", TM_EUNSUPPORTED, 0, ""},
		{"HTTP/1.1 404 OK\r\n" TYPE "LOCATION: http://192.168.1.1/\r\n\r\n", TM_EBADMSG, 0, ""},
		{"NOTIFY * HTTP/1.1\r\n" TYPE "LOCATION: http://192.168.1.1/\r\n\r\n", TM_EBADMSG, 0, ""},
		{"", TM_EBADMSG, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct igd_place place = {0};

		if (igd_found(rows[i].text, strlen(rows[i].text), &place) != rows[i].err ||
			place.port != rows[i].port || strcmp(place.path, rows[i].path) != 0)
			fail_msg("row %zu: %u %s", i, place.port, place.path);
	}
}

#define IPC "urn:schemas-upnp-org:service:WANIPConnection:1"
#define SERVICE(type, url)                                                                                   \
	"<service><serviceType>" type "</serviceType><serviceId>x</serviceId><controlURL>" url               \
	"</controlURL><eventSubURL>/evt</eventSubURL></service>"

static void a_description_names_the_connections_to_the_world(void **state)
{
	static const struct {
		const char *xml;
		size_t n;
		unsigned port;
		const char *path;
		enum igd_service_kind kind;
	} rows[] = {
		{"<root><device>" SERVICE("urn:schemas-upnp-org:service:Layer3Forwarding:1", "/l3f")
				SERVICE(IPC, "/ctl/IPConn"),
			1, 5000, "/ctl/IPConn"},
		{SERVICE("urn:schemas-upnp-org:service:WANPPPConnection:1", "ppp?a=1&amp;b=2"), 1, 5000,
			"/dir/ppp?a=1&b=2"},
		{SERVICE(IPC, "http://10.0.0.1:81/x"), 1, 81, "/x"},
		{"<URLBase>http://192.168.1.1:1780/up/</URLBase>" SERVICE(IPC, "x"), 1, 1780, "/up/x"},
		{"<URLBase>nonsense</URLBase>" SERVICE(IPC, "/x"), 1, 5000, "/x"},
		{SERVICE(IPC, "/1") SERVICE(IPC, "/2") SERVICE(IPC, "/3") SERVICE(IPC, "/4")
				SERVICE(IPC, "/5"),
			4, 5000, "/1"},
		{SERVICE(IPC, "/x") SERVICE("urn:schemas-upnp-org:service:WANIPv6FirewallControl:1", "/6fc"),
			1, 5000, "/6fc", IGD_FIREWALL},
		{SERVICE("urn:schemas-upnp-org:service:WANIPv6FirewallControl:1", "/6fc"), 0, 0, ""},
		{SERVICE(IPC, ""), 0, 0, ""},
		{SERVICE(IPC, "/a b"), 0, 0, ""},
		{SERVICE("urn:schemas-upnp-org:service:WANIPConnection:1&quot;", "/x"), 0, 0, ""},
		{"<service><serviceType>" IPC "</serviceType></service>", 0, 0, ""},
		{"<html><body>Please log in</body></html>", 0, 0, ""},
		{"", 0, 0, ""},
	};
	const struct igd_place from = {5000, "/dir/root.xml"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct igd_service v[IGD_SERVICES_MAX] = {0};

		if (igd_services(rows[i].xml, strlen(rows[i].xml), &from, rows[i].kind, v) != rows[i].n ||
			v[0].control.port != rows[i].port || strcmp(v[0].control.path, rows[i].path) != 0)
			fail_msg("row %zu: %u %s", i, v[0].control.port, v[0].control.path);
	}
}

static void a_call_is_whole_and_says_its_length(void **state)
{
	static const struct igd_argument args[] = {{"NewProtocol", "UDP"}, {"NewRemoteHost", ""}};
	const struct igd_service s = {{5000, "/ctl"}, IPC};
	char out[IGD_REQUEST_MAX], value[16];
	size_t length = 0;

	(void)state;
	size_t n = igd_call(&gateway, &s, "DeletePortMapping", args, 2, out, sizeof(out));
	assert_int_equal(n, strlen(out));
	assert_non_null(strstr(out, "POST /ctl HTTP/1.1\r\nHost: 192.168.1.1:5000\r\n"));
	assert_non_null(strstr(out, "SOAPAction: \"" IPC "#DeletePortMapping\"\r\n"));
	const char *body = strstr(out, "\r\n\r\n") + 4;
	assert_int_equal(sscanf(strstr(out, "Content-Length: "), "Content-Length: %zu", &length), 1);
	assert_int_equal(length, strlen(body));
	assert_true(xml_value(body, length, "NewProtocol", value, sizeof(value)));
	assert_string_equal(value, "UDP");
	assert_int_equal(igd_call(&gateway, &s, "DeletePortMapping", args, 2, out, n), 0);

	n = igd_get(&gateway, &s.control, out, sizeof(out));
	assert_string_equal(out, "GET /ctl HTTP/1.1\r\nHost: 192.168.1.1:5000\r\nConnection: close\r\n\r\n");
	assert_int_equal(igd_get(&gateway, &s.control, out, n), 0);
	n = igd_search("ssdp:all", &gateway, out, sizeof(out));
	assert_int_equal(n, strlen(out));
	assert_non_null(strstr(out, "M-SEARCH * HTTP/1.1\r\nHOST: 192.168.1.1:1900\r\nST: ssdp:all\r\n"));
}

static void an_answer_is_taken_when_it_is_whole(void **state)
{
	static const struct {
		const char *text;
		bool closed;
		int err, status;
		const char *body;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, TM_OK, 200, "abc"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd", false, TM_OK, 200, "abc"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", false, TM_EAGAIN, 0, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", true, TM_EBADMSG, 0, ""},
		{"HTTP/1.0 500 Oops\nServer: x\n\nabc", true, TM_OK, 500, "abc"},
		{"HTTP/1.0 500 Oops\nServer: x\n\nabc", false, TM_EAGAIN, 0, ""},
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:1\r\n\r\na", false, TM_OK,
			200, "a"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
			false, TM_OK, 200, "abc0123456789"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false, TM_EAGAIN, 0,
			""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true, TM_EBADMSG, 0,
			""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", false,
			TM_EBADMSG, 0, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\rd\r\n0\r\n\r\n", false,
			TM_EBADMSG, 0, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\n0\r\n\r\n", false,
			TM_EBADMSG, 0, ""},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nabc", false, TM_EBADMSG, 0,
			""},
		{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", false, TM_EBADMSG, 0, ""},
		{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, TM_EBADMSG, 0, ""},
		{"SSH-2.0-x\r\n", false, TM_EBADMSG, 0, ""},
		{"HTTP/1.1 2", false, TM_EAGAIN, 0, ""},
		{"", true, TM_EBADMSG, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct igd_answer a = {.body = ""};
		char text[256];

		snprintf(text, sizeof(text), "%s", rows[i].text);
		if (igd_answer(text, strlen(text), rows[i].closed, &a) != rows[i].err ||
			a.status != rows[i].status || a.n != strlen(rows[i].body) ||
			memcmp(a.body, rows[i].body, a.n) != 0)
			fail_msg("row %zu: %d \"%.*s\"", i, a.status, (int)a.n, a.body);
	}
}

static void a_fault_is_its_code(void **state)
{
	static const struct {
		int status;
		const char *body;
		unsigned code;
	} rows[] = {
		{500, "<s:Fault><detail><UPnPError><errorCode>725</errorCode></UPnPError></detail></s:Fault>",
			725},
		{200, "<errorCode>725</errorCode>", 0},
		{500, "<errorCode>7 25</errorCode>", 0},
		{500, "<errorCode>99999</errorCode>", 0},
		{404, "<html></html>", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (igd_fault(&(struct igd_answer){rows[i].status, rows[i].body, strlen(rows[i].body)}) !=
			rows[i].code)
			fail_msg("row %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_to_a_search_says_where_the_description_lies),
		cmocka_unit_test(a_description_names_the_connections_to_the_world),
		cmocka_unit_test(a_call_is_whole_and_says_its_length),
		cmocka_unit_test(an_answer_is_taken_when_it_is_whole),
		cmocka_unit_test(a_fault_is_its_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
