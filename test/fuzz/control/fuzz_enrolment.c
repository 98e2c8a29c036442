/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Any bytes as STATE_DIR/node.json: an enrolment, or a sentence; one that is read reads the same when it was
 * written again. */
#include "fuzz/fuzz.h"

#include "control/agent/enrolment.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct enrolment e, back;
	struct diag d = {0};
	char path[64], dir[] = "/tmp/fuzz-enrolment-XXXXXX", copy[64];
	int fd = memfd_create("node.json", MFD_CLOEXEC);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int err = enrolment_load(path, &e, &d);
	close(fd);
	assert(err == TM_OK || d.what[0]);
	if (err)
		return 0;

	assert(mkdtemp(dir));
	snprintf(copy, sizeof(copy), "%s/node.json", dir);
	assert(enrolment_save(copy, &e, &d) == TM_OK);
	assert(enrolment_load(copy, &back, &d) == TM_OK);
	assert(strcmp(e.self.id, back.self.id) == 0 && strcmp(e.proxy, back.proxy) == 0 &&
		strcmp(e.tun, back.tun) == 0);
	assert(e.n_addresses == back.n_addresses &&
		memcmp(e.addresses, back.addresses, sizeof(e.addresses)) == 0);
	assert(e.listen_port == back.listen_port && e.api_port == back.api_port &&
		e.coordinator == back.coordinator);
	assert(memcmp(e.coordinator_key, back.coordinator_key, 32) == 0 &&
		memcmp(e.mesh.secret, back.mesh.secret, 32) == 0);
	enrolment_wipe(&e);
	enrolment_wipe(&back);
	assert(unlink(copy) == 0 && rmdir(dir) == 0);
	return 0;
}
