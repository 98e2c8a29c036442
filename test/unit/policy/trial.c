/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "unit/policy/trial.h"

#include "unit/unit.h"

#include "base/strbuf.h"
#include "fake/random.h"
#include "policy/local.h"
#include "unit/policy/rig.h"

/* Of every interval that documents and the built-in rules can make, at least one port; of ICMP none that no
 * rule is asked about, and those that services begin at first. */
static const struct {
	unsigned n, named;
	unsigned v[14];
} types[POLICY_PROTO_N] = {
	[POLICY_ICMP] = {9, 5, {1, 2, 7, 8, 9, 6, 10, 42, 255}},
	[POLICY_ICMPV6] = {9, 5, {128, 130, 133, 200, 255, 131, 134, 201, 254}},
	[POLICY_OTHER] = {9, 3, {2, 3, 4, 0, 5, 7, 8, 127, 255}},
};

bool trial_next_port(enum policy_proto p, unsigned *i, unsigned *ret_port)
{
	const unsigned n = types[p].n ? types[p].n : PORTS + 2;

	if (*i >= n)
		return false;
	*ret_port = types[p].n ? types[p].v[*i] : *i;
	++*i;
	return true;
}

uint64_t trial_seed;

uint32_t trial_rnd(uint32_t n)
{
	return fake_random(&trial_seed) % n;
}

static char *random_members(void)
{
	struct strbuf b = {0};

	for (unsigned i = 0; i < NODES; i++) {
		bool client = i > 2 && trial_rnd(4) == 0;

		strbuf_printf(&b, "%sn%u%s", i ? " " : "", i, client ? "@n0" : "");
		for (unsigned t = 0, n = 0; !client && t < 4; t++)
			if (trial_rnd(3) == 0)
				strbuf_printf(&b, "%st%u", n++ ? "," : ":", t);
	}
	return strbuf_take(&b);
}

static const char *const prefixes[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/17", "10.1.128.0/17",
	"10.2.0.0/16", "fd01::/32", "fd01:0:1::/48"};

void trial_add_selector(struct strbuf *b, unsigned groups)
{
	switch (trial_rnd(9)) {
	case 0:
		strbuf_puts(b, "any");
		return;
	case 8:
		strbuf_puts(b, "members");
		return;
	case 1:
	case 2:
		strbuf_printf(b, "n%u", trial_rnd(NODES));
		return;
	case 3:
		strbuf_printf(b, "'route:%s'", prefixes[trial_rnd(ARRAY_LEN(prefixes))]);
		return;
	case 4:
		if (groups) {
			strbuf_printf(b, "group:g%u", trial_rnd(groups));
			return;
		}
		/* fall through */
	default:
		strbuf_printf(b, "tag:t%u", trial_rnd(5)); /* t4 is nobody's */
	}
}

/* Each once: a list that names one twice is a mistake. */
static void add_selectors(struct strbuf *b, unsigned groups)
{
	unsigned n = 1 + trial_rnd(3);
	char *said[3];

	strbuf_puts(b, "[");
	for (unsigned i = 0, kept = 0; i < n; i++) {
		struct strbuf one = {0};
		bool twice = false;

		trial_add_selector(&one, groups);
		for (unsigned k = 0; k < kept; k++)
			twice |= strcmp(said[k], one.s) == 0;
		if (!twice)
			strbuf_printf(b, "%s%s", kept ? ", " : "", one.s);
		said[kept++] = strbuf_take(&one);
		if (i + 1 == n)
			while (kept)
				free(said[--kept]);
	}
	strbuf_puts(b, "]");
}

void trial_add_service(struct strbuf *b)
{
	enum policy_proto p = (enum policy_proto)trial_rnd(POLICY_PROTO_N);
	unsigned first, last;

	if (trial_rnd(6) == 0) {
		strbuf_puts(b, trial_rnd(2) ? "any" : policy_proto_name(p));
		return;
	}
	first = types[p].n ? types[p].v[trial_rnd(types[p].named)] : 1 + trial_rnd(PORTS);
	last = first + (types[p].n ? 0 : trial_rnd(PORTS + 1 - first));
	strbuf_printf(b, "%s/%u-%u", policy_proto_name(p), first, last);
}

char *trial_random_text(void)
{
	unsigned groups = trial_rnd(4), rules = trial_rnd(12);
	struct strbuf b = {0};

	strbuf_puts(&b, "groups:\n");
	for (unsigned g = 0; g < groups; g++) {
		strbuf_printf(&b, "  g%u: ", g);
		add_selectors(&b, g); /* of those before */
		strbuf_puts(&b, "\n");
	}
	strbuf_puts(&b, "rules:\n");
	for (unsigned r = 0; r < rules; r++) {
		static const char *const actions[] = {"allow", "allow", "allow", "deny", "reject"};

		strbuf_printf(&b, "  - id: x%u\n    %s: [", r, actions[trial_rnd(ARRAY_LEN(actions))]);
		trial_add_service(&b);
		for (unsigned i = trial_rnd(3); i; i--) {
			strbuf_puts(&b, ", ");
			trial_add_service(&b);
		}
		strbuf_puts(&b, "]\n    from: ");
		add_selectors(&b, groups);
		strbuf_puts(&b, "\n    to: ");
		add_selectors(&b, groups);
		strbuf_puts(&b, "\n");
	}
	if (trial_rnd(2) == 0)
		strbuf_printf(&b, "local_allow: [tag:t%u]\n", trial_rnd(4));
	return strbuf_take(&b);
}

static void choose_world(struct trial *t)
{
	char *members = random_members();

	t->mesh = rig_mesh(members);
	free(members);
	t->world.mesh = t->mesh;
	for (size_t i = trial_rnd(4); i; i--) {
		struct policy_route *r = &t->routes[t->world.n_routes++];

		assert_int_equal(prefix_parse(prefixes[trial_rnd(ARRAY_LEN(prefixes))], &r->prefix), TM_OK);
		r->via = rig_node(t->mesh, trial_rnd(2) ? "n1" : "n2");
	}
	t->world.routes = t->routes;
	for (size_t i = trial_rnd(3); i; i--)
		t->newcomers[t->world.n_newcomers++] = (struct policy_newcomer){
			"somebody new", trial_rnd(2) ? "t0\0t1\0" : "t4\0", trial_rnd(2)};
	t->world.newcomers = t->newcomers;
}

static void add_who(struct trial *t, const struct mesh_node *n, const struct ip *ip, const char *tags)
{
	assert_true(t->n_who < SUBJECTS_MAX);
	t->who[t->n_who++] = (struct twin_subject){n, ip ? *ip : (struct ip){0}, tags};
}

static void list_people(struct trial *t)
{
	static const char *const addresses[] = {
		"10.0.0.1", "10.1.0.1", "10.1.128.1", "10.2.0.1", "fd01::1", "fd01:0:1::1"};
	const struct mesh_node *n;

	for (size_t i = 0; (n = mesh_next(t->mesh, &i));)
		add_who(t, n, NULL, NULL);
	t->n_members = t->n_who;
	for (size_t a = 0; a < ARRAY_LEN(addresses); a++) {
		struct ip ip;

		assert_int_equal(ip_parse(addresses[a], &ip), TM_OK);
		/* Behind both, where both have a route there: which one packets take is not for rules to say.
		 */
		for (size_t i = 0, done = 0; i < t->world.n_routes && done < 2; i++) {
			bool twice = false;

			for (size_t k = 0; k < i; k++)
				twice |= t->routes[k].via == t->routes[i].via &&
					 prefix_contains(&t->routes[k].prefix, &ip);
			if (twice || !prefix_contains(&t->routes[i].prefix, &ip))
				continue;
			add_who(t, t->routes[i].via, &ip, NULL);
			done++;
		}
	}
	t->n_old = t->n_who;
	for (size_t i = 0; i < t->world.n_newcomers; i++)
		add_who(t, NULL, NULL, t->newcomers[i].tags);
}

bool trial_meet(const struct trial *t, size_t a, size_t b)
{
	if (a == b)
		return a >= t->n_old && t->newcomers[a - t->n_old].many;
	return twin_meet(&t->who[a], &t->who[b]);
}

/* The document as one of the nodes has it. */
static void add_own_rules(struct trial *t)
{
	const char *self = rig_node(t->mesh, trial_rnd(2) ? "n1" : "n2")->id;

	for (unsigned i = trial_rnd(4); i; i--) {
		struct policy_local r = {
			.action = (enum policy_action)trial_rnd(3), .outbound = trial_rnd(4) == 0};
		const unsigned first = 1 + trial_rnd(PORTS);
		struct diag d = {0};

		snprintf(r.id, sizeof(r.id), "local-%u", i);
		snprintf(r.who, sizeof(r.who), trial_rnd(5) ? "tag:t%u,n%u" : "any", trial_rnd(5),
			trial_rnd(NODES));
		snprintf(r.services, sizeof(r.services), trial_rnd(5) ? "tcp/%u-%u,icmp/8,udp/%u" : "any",
			first, first + trial_rnd(PORTS + 1 - first), 1 + trial_rnd(PORTS));
		if (r.action == POLICY_ALLOW)
			r.outbound = false;
		if (policy_local_bind(&r, t->mesh, &d) != TM_OK)
			fail_msg("%s %s: %s", r.who, r.services, d.what);
		assert_int_equal(policy_local_add(t->doc, self, &r), TM_OK);
	}
}

void trial_begin(struct trial *t)
{
	choose_world(t);
	list_people(t);
	t->text = trial_random_text();
	t->doc = rig_doc(t->mesh, t->text);
	add_own_rules(t);
	assert_int_equal(policy_model_new(t->doc, &t->world, &t->model), TM_OK);
}

void trial_end(struct trial *t)
{
	policy_model_free(t->model);
	policy_doc_free(t->doc);
	mesh_free(t->mesh);
	free(t->text);
}
