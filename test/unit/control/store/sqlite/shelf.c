/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/unit.h"

#include "unit/control/store/sqlite/shelf.h"

#include "control/store/sqlite/sqlite.h"
#include "crypto/init.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int shelf_setup(void **state)
{
	struct shelf *sh = calloc(1, sizeof(*sh));

	assert_non_null(sh);
	assert_int_equal(crypto_init(NULL), TM_OK);
	snprintf(sh->folder, sizeof(sh->folder), "/tmp/tm-store-XXXXXX");
	assert_non_null(mkdtemp(sh->folder));
	snprintf(sh->path, sizeof(sh->path), "%s/mesh.db", sh->folder);
	*state = sh;
	return 0;
}

int shelf_teardown(void **state)
{
	struct shelf *sh = *state;
	DIR *dir = opendir(sh->folder);
	struct dirent *e;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (unlinkat(dirfd(dir), e->d_name, 0) < 0)
			unlinkat(dirfd(dir), e->d_name, AT_REMOVEDIR);
	closedir(dir);
	rmdir(sh->folder);
	free(sh);
	return 0;
}

struct store_mesh shelf_mesh(void)
{
	struct store_mesh m = {.info = {.name = "home"}, .created = 1000};

	assert_int_equal(prefix_parse("100.101.0.0/16", &m.info.net4), TM_OK);
	assert_int_equal(prefix_parse("fd5c:1::/64", &m.info.net6), TM_OK);
	memset(m.info.secret, 0x5e, sizeof(m.info.secret));
	return m;
}

struct store_node shelf_node(uint32_t number)
{
	struct store_node n = {
		.rec = {.host = number}, .created = 1000 + number, .os = "linux", .version = "0.1.0"};

	snprintf(n.rec.id, sizeof(n.rec.id), "%016x", (unsigned)number);
	snprintf(n.rec.name, sizeof(n.rec.name), "node-%u", (unsigned)number);
	memcpy(n.rec.key, &number, sizeof(number));
	n.rec.key[31] = 1;
	memcpy(n.ed, &number, sizeof(number));
	n.ed[31] = 2;
	n.rec.coordinator = number == 1;
	return n;
}

struct store_node shelf_client(uint32_t number, const struct store_node *via)
{
	struct store_node n = shelf_node(number);

	n.rec.kind = NODE_CLIENT;
	memset(n.ed, 0, sizeof(n.ed));
	memcpy(n.rec.via, via->rec.id, sizeof(n.rec.via));
	return n;
}

struct store_token shelf_token(uint8_t number, uint32_t uses, int64_t expires)
{
	struct store_token t = {.uses = uses, .created = number, .expires = expires};
	uint8_t secret[TOKEN_SECRET];

	memset(t.id, number, sizeof(t.id));
	memset(secret, number, sizeof(secret));
	store_token_hash(secret, t.secret_hash);
	return t;
}

void shelf_create(const struct shelf *sh)
{
	struct store_mesh mesh = shelf_mesh();
	struct store_node first = shelf_node(1);
	struct diag d = {0};

	if (store_create(&store_sqlite, sh->path, &mesh, &first, NULL, &d) != TM_OK)
		fail_msg("%s %s", d.where, d.what);
}

struct store *shelf_open(const struct shelf *sh)
{
	struct store *s;
	struct diag d = {0};

	if (store_open(&store_sqlite, sh->path, &s, &d) != TM_OK)
		fail_msg("%s %s", d.where, d.what);
	return s;
}

struct insertion {
	struct store_node *node;
	uint32_t hosts_max;
};

static int node_body(struct store *s, void *ctx)
{
	struct insertion *i = ctx;

	return store_node_insert(s, i->node, i->hosts_max);
}

int shelf_insert_next(struct store *s, struct store_node *n, uint32_t hosts_max)
{
	struct insertion i = {n, hosts_max};

	return store_transaction(s, node_body, &i);
}

int shelf_insert_node(struct store *s, const struct store_node *n)
{
	struct store_node copy = *n;

	return shelf_insert_next(s, &copy, UINT32_MAX);
}

static int token_body(struct store *s, void *ctx)
{
	return store_token_insert(s, ctx);
}

int shelf_insert_token(struct store *s, const struct store_token *t)
{
	struct store_token copy = *t;

	return store_transaction(s, token_body, &copy);
}

static int remove_body(struct store *s, void *ctx)
{
	return store_node_remove(s, ctx);
}

int shelf_remove_node(struct store *s, const char *id)
{
	char copy[NODE_ID_LEN + 1];

	snprintf(copy, sizeof(copy), "%s", id);
	return store_transaction(s, remove_body, copy);
}

static int count_one(void *ctx, const struct store_node *n)
{
	(void)n;
	++*(unsigned *)ctx;
	return TM_OK;
}

unsigned shelf_count_nodes(struct store *s)
{
	unsigned n = 0;

	assert_int_equal(store_node_each(s, count_one, &n), TM_OK);
	return n;
}

uint8_t *shelf_read(const char *path, size_t *ret_n)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;

	assert_int_equal(fstat(fd, &st), 0);
	uint8_t *p = malloc((size_t)st.st_size + 1);
	assert_non_null(p);
	ssize_t n = read(fd, p, (size_t)st.st_size);
	close(fd);
	if (n < 0) { /* a folder */
		free(p);
		return NULL;
	}
	*ret_n = (size_t)n;
	return p;
}

void shelf_write(const char *path, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, n), (ssize_t)n);
	close(fd);
}
