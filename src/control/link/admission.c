/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "control/link/admission.h"

#include <string.h>

#include "base/siphash.h"

enum {
	SLOTS = 16384,
	WIDE_COST = 4, /* how much more a /48 may cost than a /64 */
};

#define LONG_AGO (3600 * SEC) /* all is forgotten */

/* What was paid for and is not forgotten yet, in thousandths, as of `at`. */
struct debt {
	int64_t milli;
	ns_t at;
};

/* A source's debts for what costs. */
struct account {
	struct debt debt;
	struct debt lately; /* the same, forgotten more slowly */
};

struct slot {
	unsigned seats;
	struct account accounts[ADMISSION_COSTS];
};

struct admission {
	struct admission_config cfg;
	struct siphash_key key;
	unsigned seated;
	struct debt all[ADMISSION_COSTS];
	struct slot narrow[SLOTS], wide[SLOTS];
};

/* The slots that a source falls into; IPv4 has no wide one. */
struct source {
	struct slot *narrow, *wide;
};

static struct slot *slot_of(const struct admission *a, struct slot *slots, const struct ip *ip, size_t bytes)
{
	uint8_t text[1 + 8] = {ip->family};

	memcpy(text + 1, ip->bytes, bytes);
	return &slots[siphash(&a->key, text, 1 + bytes) % SLOTS];
}

static struct source source_of(struct admission *a, const struct ip *ip)
{
	if (ip->family == IP_V4)
		return (struct source){.narrow = slot_of(a, a->narrow, ip, 4)};
	return (struct source){slot_of(a, a->narrow, ip, 8), slot_of(a, a->wide, ip, 6)};
}

int admission_new(const struct admission_config *cfg, struct admission **ret_admission)
{
	struct admission *a = calloc(1, sizeof(*a));

	if (!a)
		return TM_ENOMEM;

	int err = siphash_key_random(&a->key);
	if (err) {
		free(a);
		return err;
	}
	a->cfg = *cfg;
	*ret_admission = a;
	return TM_OK;
}

void admission_free(struct admission *a)
{
	free(a);
}

/* --- seats --- */

bool admission_full(const struct admission *a)
{
	return a->seated >= a->cfg.seats;
}

unsigned admission_seated(const struct admission *a)
{
	return a->seated;
}

bool admission_sit(struct admission *a, const struct ip *from)
{
	struct source s = source_of(a, from);
	unsigned share = a->cfg.seats_per_source;

	if (s.narrow->seats >= share || (s.wide && s.wide->seats >= share))
		return false;

	a->seated++;
	s.narrow->seats++;
	if (s.wide)
		s.wide->seats++;
	return true;
}

bool admission_together(struct admission *a, const struct ip *one, const struct ip *other)
{
	struct source x = source_of(a, one), y = source_of(a, other);

	return x.narrow == y.narrow || (x.wide && x.wide == y.wide);
}

void admission_stand(struct admission *a, const struct ip *from)
{
	struct source s = source_of(a, from);

	a->seated--;
	s.narrow->seats--;
	if (s.wide)
		s.wide->seats--;
}

/* --- cost --- */

/* What is left of it. Short steps that forgive nothing yet do not count as time. */
static int64_t debt_now(struct debt *d, int64_t rate_per_s, ns_t now)
{
	int64_t forgiven = rate_per_s * ns_min(now - d->at, LONG_AGO) / MS;

	if (forgiven > 0) {
		d->milli = MAX(d->milli - forgiven, (int64_t)0);
		d->at = now;
	}
	return d->milli;
}

/* May a source with this account have one more? `times`: how much more than an ordinary one it may have. */
static bool account_allows(
	struct account *s, const struct admission_budget *b, int times, bool scarce, ns_t now)
{
	int64_t debt = debt_now(&s->debt, b->rate_per_source * times, now);
	int64_t lately = debt_now(&s->lately, b->modest_rate * times, now);

	if (debt + 1000 > b->burst_per_source * times * (int64_t)1000)
		return false;
	return !scarce || lately + 1000 <= b->modest_burst * times * (int64_t)1000;
}

static void account_charge(struct account *s)
{
	s->debt.milli += 1000;
	s->lately.milli += 1000;
}

bool admission_charge(struct admission *a, enum admission_cost what, const struct ip *from, ns_t now)
{
	const struct admission_budget *b = &a->cfg.budget[what];
	struct source s = source_of(a, from);
	int64_t all = debt_now(&a->all[what], b->rate, now), most = b->burst * (int64_t)1000;
	bool scarce = all > most / 2;

	if (all + 1000 > most || !account_allows(&s.narrow->accounts[what], b, 1, scarce, now))
		return false;
	if (s.wide && !account_allows(&s.wide->accounts[what], b, WIDE_COST, scarce, now))
		return false;

	a->all[what].milli += 1000;
	account_charge(&s.narrow->accounts[what]);
	if (s.wide)
		account_charge(&s.wide->accounts[what]);
	return true;
}

static void debt_forgive(struct debt *d)
{
	d->milli = MAX(d->milli - 1000, (int64_t)0);
}

static void account_forgive(struct account *s)
{
	debt_forgive(&s->debt);
	debt_forgive(&s->lately);
}

void admission_refund(struct admission *a, enum admission_cost what, const struct ip *from)
{
	struct source s = source_of(a, from);

	debt_forgive(&a->all[what]);
	account_forgive(&s.narrow->accounts[what]);
	if (s.wide)
		account_forgive(&s.wide->accounts[what]);
}
