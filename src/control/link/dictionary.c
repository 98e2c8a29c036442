/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the messages of docs/protocol.md, sections 4 and 5, are made of, as they are printed. It is part of
 * the protocol: another text is another PACK_VERSION. The most frequent is last, where deflate finds it most
 * cheaply, and all is short, so that the window of a short message (4 kB) has room for the message.
 */
#include "control/link/pack.h"

/* clang-format off */
#define DICTIONARY \
	"{\"t\":\"removed\",\"why\":\"" \
	"{\"t\":\"reply\",\"id\":1,\"ok\":false,\"error\":\"\",\"hint\":\"" \
	"{\"t\":\"reply\",\"id\":1,\"ok\":true,\"online\":\"" \
	"\"client\":{\"kind\":\"client\",\"via\":\"" \
	"{\"t\":\"welcome\",\"node\":{\"tags\":[\"gateway\"],\"coordinator\":true},\"mesh\":{\"name\":\"\",\"net4\":\"100.100.0.0/16\",\"net6\":\"fd00::/64\",\"secret\":\"" \
	"=\"},\"data_port\":51820,\"addresses\":[\"192.0.2.1:8443\"],\"observed\":\"\",\"time\":17,\"pace_ms\":1000}" \
	"{\"t\":\"candidates\",\"node\":\"\",\"candidates\":[{\"type\":\"relay\",\"addr\":\"" \
	"{\"type\":\"prflx\",\"addr\":\"" \
	"{\"type\":\"srflx\",\"addr\":\"" \
	"{\"type\":\"host\",\"addr\":\"[fd00::1]:51820\"}," \
	"{\"type\":\"host\",\"addr\":\"172.16.0.1:51820\"}," \
	"{\"type\":\"host\",\"addr\":\"192.168.1.10.0.0.1:51820\"}],\"online\":false}\"online\":true}" \
	"],\"removed\":[\"\",\"" \
	"{\"t\":\"netmap\",\"map\":{\"version\":1234567890,\"base\":1234567890,\"nodes\":[{\"id\":\"0123456789abcdef\",\"name\":\"node-\",\"host\":12,\"key\":\"" \
	"=\"},{\"id\":\"\",\"name\":\"\",\"host\":1,\"key\":\"" \
	"=\"}]}}"
/* clang-format on */

const char pack_dictionary[] = DICTIONARY;
const size_t pack_dictionary_len = sizeof(DICTIONARY) - 1;
