// SPDX-License-Identifier: BSD-3-Clause

#include "dots/validate.h"

#include "base/bits.h"

#include <errno.h>

// Addresses nobody sends from or can be attacked at. A prefix that covers one of them is no better.
// Link-local addresses are allowed (RFC 9066 section 5.3.1).
static const struct {
	const char *prefix;
	const char *what;
} invalid[] = {
	{"127.0.0.0/8", "loopback"},
	{"::1/128", "loopback"},
	{"224.0.0.0/4", "multicast"},
	{"ff00::/8", "multicast"},
	{"255.255.255.255/32", "broadcast"},
};

static int check_prefixes(
	const char *name, const struct ipprefix *prefix, unsigned count, struct err *err)
{
	char text[IPPREFIX_TEXT];

	if (!count)
		return err_set(err, "%s is missing", name);
	for (unsigned i = 0; i < count; i++) {
		for (unsigned j = 0; j < ARRAY_LEN(invalid); j++) {
			struct ipprefix bad;

			ipprefix_parse(invalid[j].prefix, &bad, NULL);
			if (ipprefix_overlaps(&prefix[i], &bad))
				return err_set(err, "%s: %s holds %s addresses", name,
					ipprefix_format(&prefix[i], text), invalid[j].what);
		}
	}
	return 0;
}

static bool has_family(const struct ipprefix *prefix, unsigned count, uint8_t family)
{
	for (unsigned i = 0; i < count; i++) {
		if (prefix[i].addr.family == family)
			return true;
	}
	return false;
}

// A source needs a target that it can reach, and a target a source that can reach it.
static int check_families(const struct scope *scope, struct err *err)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		bool source = has_family(scope->source, scope->sources, family);
		bool target = has_family(scope->target, scope->targets, family);

		if (source != target)
			return err_set(err, "%s is IPv%u but no %s is",
				source ? "a source-prefix" : "a target-prefix", family,
				source ? "target-prefix" : "source-prefix");
	}
	return 0;
}

int validate_request(const struct mitigation_body *body, bool efficacy, struct err *err)
{
	const struct scope *scope = &body->scope;

	// both are mandatory in Call Home (RFC 9066 section 5.3.1)
	if (check_prefixes("source-prefix", scope->source, scope->sources, err) < 0 ||
		check_prefixes("target-prefix", scope->target, scope->targets, err) < 0)
		return -EINVAL;
	if (check_families(scope, err) < 0)
		return -EINVAL;
	// the data channel, where aliases are made, does not exist here (RFC 9132 section 4.4.1.3)
	if (scope->aliases)
		return err_set(err, "alias-name: '%s' is not known here", scope->alias[0]);
	// an efficacy update may leave the lifetime as it runs (RFC 9132 figure 17 has none)
	if (!body->has_lifetime && !efficacy)
		return err_set(err, "lifetime is missing");
	if (body->has_lifetime && body->lifetime == 0)
		return err_set(err, "lifetime 0 is invalid");
	if (body->trigger_off)
		return err_set(err, "trigger-mitigation is false, which Call Home does not have");
	if (efficacy && body->attack_status != ATTACK_UNDER_WAY &&
		body->attack_status != ATTACK_MITIGATED)
		return err_set(err, "an efficacy update without a valid attack-status");
	if (!efficacy && body->attack_status)
		return err_set(err, "attack-status belongs to an efficacy update");
	return 0;
}

int validate_domain(
	const struct scope *scope, const struct ipprefix *domain, unsigned domains, struct err *err)
{
	char text[IPPREFIX_TEXT];

	for (unsigned i = 0; domains && i < scope->sources; i++) {
		unsigned j = 0;

		while (j < domains && !ipprefix_covers(&domain[j], &scope->source[i]))
			j++;
		if (j == domains)
			return err_set(err, "source-prefix: %s is not within this domain",
				ipprefix_format(&scope->source[i], text));
	}
	return 0;
}
