/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Why a peer is not reached, from what the daemon tried. */
#include "unit/unit.h"

#include "cli/core/reach.h"

#define PEER(path, session)                                                                                  \
	"\"peer\":{\"name\":\"nas\",\"kind\":\"node\",\"path\":\"" path                                      \
	"\",\"endpoint\":\"192.0.2.7:1\",\"session\":" session "}"
#define PAIR(endpoint, result)                                                                               \
	"{\"endpoint\":\"" endpoint "\",\"candidate\":\"host\",\"result\":\"" result "\",\"rtt_ms\":null}"
#define LINK "\"link\":{\"up\":true,\"error\":null}"
#define MINE ",\"mine\":[{\"endpoint\":\"192.0.2.1:1\"},{\"endpoint\":\"[2001:db8::1]:1\"}]"
#define UP LINK MINE

static void each_reason_has_its_sentence(void **state UNUSED)
{
	static const struct {
		const char *reply, *says; /* "" = nothing is wrong */
	} rows[] = {
		{"{" PEER("direct", "true") "," UP ",\"tried\":[]}", ""},
		{"{\"peer\":{\"name\":\"phone\",\"kind\":\"client\",\"path\":\"none\"}}", ""},
		{"{" PEER("direct", "false") "," UP "}",
			"nas is asked at 192.0.2.7:1, and no handshake is complete yet"},
		{"{" PEER("offline", "false") "," UP "}", "nas has no link to the coordinator: is it up?"},
		{"{" PEER("idle", "false") "," UP "}", "`tunnelmesh ping nas` looks for a way"},
		{"{" PEER("checking", "false") "," UP ",\"tried\":[]}", "no address of nas is known yet"},
		{"{" PEER("checking", "false") ",\"link\":{\"up\":false,\"error\":\"refused\"},\"tried\":[]}",
			"and there is no link to the coordinator: refused"},
		{"{" PEER("checking", "false") "," UP ",\"tried\":[" PAIR("[2001:db8::7]:1", "no_route") "]}",
			"nas has IPv6 addresses only, which this machine cannot reach"},
		{"{" PEER("checking", "false") "," UP ",\"tried\":[" PAIR("192.0.2.7:1", "no_route") "]}",
			"nas has IPv4 addresses only"},
		{"{" PEER("checking", "false") "," UP ",\"tried\":[" PAIR("192.0.2.7:1", "no_route") "," PAIR(
			 "[2001:db8::7]:1", "no_route") "]}",
			"this machine has no route to any address of nas"},
		{"{" PEER("checking", "false") "," LINK
					       ",\"mine\":[{\"endpoint\":\"192.0.2.1:1\"}],\"tried\":[" PAIR(
						       "[2001:db8::7]:1", "no_answer") "]}",
			"nas has IPv6 addresses only"},
		{"{" PEER("checking", "false") "," UP
					       ",\"tried\":[" PAIR("[2001:db8::7]:1", "no_answer") "]}",
			"no address of nas answers: open its UDP port"},
		{"{" PEER("checking", "false") "," UP ",\"tried\":[" PAIR("192.0.2.7:1", "loop") "]}",
			"leads into the mesh itself"},
		{"{" PEER("checking", "false") "," UP ",\"tried\":[" PAIR(
			 "192.0.2.7:1", "no_answer") "," PAIR("[2001:db8::7]:1", "asked") "]}",
			"no address of nas has answered yet"},
		{"{" PEER("checking", "false") "," UP ",\"tried\":[" PAIR(
			 "192.0.2.7:1", "no_answer") "," PAIR("[2001:db8::7]:1", "no_route") "]}",
			"no address of nas answers: open its UDP port"},
		/* What a relay comes to is no address of its own. */
		{"{" PEER("checking", "false") "," UP ",\"tried\":[" PAIR(
			 "192.0.2.7:1", "no_answer") ",{\"endpoint\":\"192.0.2.1:1\",\"candidate\":\"relay\","
						     "\"result\":\"asked\"}]}",
			"no address of nas answers: open its UDP port"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *reply = json_loads(rows[i].reply, 0, NULL);
		char text[REACH_TEXT_LEN];

		assert_non_null(reply);
		reach_explain(reply, text);
		if (*rows[i].says ? !strstr(text, rows[i].says) : *text)
			fail_msg("row %zu: %s", i, text);
		json_decref(reply);
	}
}

static void silence_where_there_is_a_way_has_a_sentence_of_its_own(void **state UNUSED)
{
	static const struct {
		const char *reply, *says;
	} rows[] = {
		{"{" PEER("direct", "true") "," UP "}",
			"the way to nas works: it may have been restarted (try again), "
			"or its firewall drops what comes from the mesh"},
		{"{" PEER("direct", "false") "," UP "}",
			"nas is asked at 192.0.2.7:1, and no handshake is complete yet"},
		{"{" PEER("offline", "false") "," UP "}", "nas has no link to the coordinator: is it up?"},
		{"{\"peer\":{\"name\":\"phone\",\"kind\":\"client\",\"path\":\"direct\",\"session\":true}}",
			""},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *reply = json_loads(rows[i].reply, 0, NULL);
		char text[REACH_TEXT_LEN];

		assert_non_null(reply);
		assert_string_equal(reach_explain_silence(reply, text), rows[i].says);
		json_decref(reply);
	}
}

static void every_address_has_a_row(void **state UNUSED)
{
	static const char reply[] = "{\"tried\":[" PAIR("192.0.2.7:51820", "no_answer") "," PAIR(
		"[2001:db8::7]:51820", "no_route") ",{\"endpoint\":\"192.0.2.1:51820\",\"candidate\":"
						   "\"relay\",\"path\":\"relay\",\"relay\":\"hub\","
						   "\"result\":\"answers\"},{\"endpoint\":"
						   "\"192.0.2.1:8443\",\"candidate\":\"relay\",\"path\":"
						   "\"tcp\",\"relay\":\"hub\",\"result\":"
						   "\"in_use\"}]}";
	json_t *j = json_loads(reply, 0, NULL);
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_int_equal(reach_print_tried(j, f, &(struct screen){0}), TM_OK);
	fclose(f);
	assert_string_equal(text, "  TRIED                RESULT              RTT  KIND\n"
				  "  192.0.2.7:51820      no answer           -    host\n"
				  "  [2001:db8::7]:51820  no route from here  -    host\n"
				  "  192.0.2.1:51820      answers             -    relay hub\n"
				  "  192.0.2.1:8443       in use              -    relay hub by TCP\n");
	free(text);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reason_has_its_sentence),
		cmocka_unit_test(silence_where_there_is_a_way_has_a_sentence_of_its_own),
		cmocka_unit_test(every_address_has_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
