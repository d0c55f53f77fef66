// SPDX-License-Identifier: BSD-3-Clause

#include "dots/enforce.h"

#include "base/bits.h"
#include "dots/validate.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

// One request on its way to its subscribers.
struct search {
	const struct enforcer *enforcer;
	const struct policy *policy;
	const struct scope *scope;
	const struct enforce_time *when;
	struct enforcement *found;
	struct err *err;
	unsigned lookups;
	struct holder *holder; // room for one answer
	unsigned room;
	// of the source in hand
	const struct ipprefix *source;
	char text[IPPREFIX_TEXT];
	unsigned held; // holders found, each counted as often as found
};

// ------------------------------------------------------------------ who it is

static uint8_t icmp_of(uint8_t family)
{
	return family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

static bool names_protocol(const struct scope *scope, uint8_t protocol)
{
	return memchr(scope->protocol, protocol, scope->protocols) != NULL;
}

// Whether the request is, or may be, about ICMP of the types it names.
static bool is_about_icmp(const struct scope *scope, uint8_t family)
{
	return scope->source_types && (!scope->protocols || names_protocol(scope, icmp_of(family)));
}

static int add_suspect(struct search *s, const struct holder *holder)
{
	struct enforcement *found = s->found;
	unsigned i = 0;

	while (i < found->suspects &&
		!subkey_equal(&found->suspect[i].holder.subscriber, &holder->subscriber))
		i++;
	if (i == s->policy->max_subscribers)
		return err_set(s->err,
			"source-prefix %s: with it more than %u subscribers are hit, the most for one "
			"request",
			s->text, s->policy->max_subscribers);
	if (i == found->suspects)
		found->suspect[found->suspects++] = (struct suspect){.holder = *holder};
	if (s->source->addr.family == 4)
		found->suspect[i].ipv4 = true;
	else
		found->suspect[i].ipv6 = true;
	return 0;
}

// Addresses that are only used inside (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291). Said of a
// source that is not ours anyway, so that the reader knows what he has mixed up.
static bool is_internal(const struct ipprefix *prefix)
{
	static const char *const internal[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"};

	for (unsigned i = 0; i < ARRAY_LEN(internal); i++) {
		struct ipprefix p;

		ipprefix_parse(internal[i], &p, NULL);
		if (ipprefix_covers(&p, prefix))
			return true;
	}
	return false;
}

// Asks the resolver. 1 and the answer; or -EINVAL, -ENOMEM.
static int ask(struct search *s, struct resolve_req *req, struct resolve_answer *answer)
{
	int rc;

	req->at = s->when->at;
	req->tolerance_s = s->when->tolerance_s;
	if (++s->lookups > ENFORCE_LOOKUPS_MAX)
		return err_set(s->err,
			"more than %d combinations of sources, ports and protocols: split the request",
			ENFORCE_LOOKUPS_MAX);
	*answer = (struct resolve_answer){.holder = s->holder, .room = s->room};
	rc = resolve_outside(s->enforcer->resolver, req, answer);
	if (rc == -EADDRNOTAVAIL && is_internal(s->source))
		return err_set(s->err,
			"source-prefix %s: an internal address, which is not visible outside",
			s->text);
	if (rc == -EADDRNOTAVAIL)
		return err_set(s->err, "source-prefix %s: not an address of this network", s->text);
	if (rc < 0)
		return err_code(s->err, -ENOMEM, "the resolver failed: %s", strerror(-rc));
	if (answer->ambiguous)
		return err_set(s->err,
			"source-prefix %s: ambiguous, more than one subscriber may have held it",
			s->text);
	return 0;
}

static int take_holders(struct search *s, const struct resolve_answer *answer)
{
	s->held += answer->count;
	for (unsigned i = 0; i < answer->count && i < answer->room; i++) {
		int rc = add_suspect(s, &answer->holder[i]);

		if (rc < 0)
			return rc;
	}
	if (answer->count > answer->room)
		return err_set(s->err, "source-prefix %s: held in %u pieces, which are too many",
			s->text, answer->count);
	return 0;
}

// Each port range with each protocol; only what is really held counts.
static int find_by_ports(struct search *s)
{
	const struct scope *scope = s->scope;
	struct resolve_answer answer;

	for (unsigned i = 0; i < scope->source_ports; i++) {
		// no protocol named: any, which is 0 to the resolver
		for (unsigned j = 0; j == 0 || j < scope->protocols; j++) {
			struct resolve_req req = {
				.outside = *s->source,
				.lower = scope->source_port[i].lower,
				.upper = scope->source_port[i].upper,
				.protocol = scope->protocols ? scope->protocol[j] : 0,
			};
			int rc = ask(s, &req, &answer);

			if (rc == 0)
				rc = take_holders(s, &answer);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

// An identifier cannot be expressed in a request, so a shared address is told by who is sending
// ICMP to the target at this time: exactly one subscriber, or we do not know.
static int find_by_target(struct search *s)
{
	const struct scope *scope = s->scope;
	struct subkey only;
	bool one = false;

	for (unsigned i = 0; i < scope->targets; i++) {
		struct resolve_req req = {
			.outside = *s->source,
			.any_port = true,
			.protocol = icmp_of(s->source->addr.family),
			.by_target = true,
			.target = scope->target[i],
		};
		struct resolve_answer answer;
		int rc;

		if (scope->target[i].addr.family != s->source->addr.family)
			continue;
		rc = ask(s, &req, &answer);
		if (rc < 0)
			return rc;
		for (unsigned j = 0; j < answer.count && j < answer.room; j++) {
			if (!one)
				only = answer.holder[j].subscriber;
			one = true;
			if (!subkey_equal(&only, &answer.holder[j].subscriber))
				return err_set(s->err,
					"source-prefix %s: several subscribers send ICMP to the target",
					s->text);
		}
		rc = take_holders(s, &answer);
		if (rc < 0)
			return rc;
	}
	if (!s->held)
		return err_set(
			s->err, "source-prefix %s: nobody there sends ICMP to the target", s->text);
	return 0;
}

static bool is_shared(const struct search *s, const struct resolve_answer *answer)
{
	struct resolver *resolver = s->enforcer->resolver;

	if (s->source->addr.family != 4)
		return false;
	if (s->source->len == 32)
		return resolve_is_shared(resolver, &s->source->addr);
	for (unsigned i = 0; i < answer->count && i < answer->room; i++) {
		if (resolve_is_shared(resolver, &answer->holder[i].outside))
			return true;
	}
	return false;
}

static int find_by_address(struct search *s)
{
	struct resolve_req req = {.outside = *s->source, .any_port = true};
	struct resolve_answer answer;
	int rc = ask(s, &req, &answer);

	if (rc < 0)
		return rc;
	if (!is_shared(s, &answer))
		return take_holders(s, &answer);
	if (is_about_icmp(s->scope, 4))
		return find_by_target(s);
	// RFC 9066 section 5.3.2: behind a shared address the ports tell who it is
	return err_set(s->err,
		"source-prefix %s: shared by several subscribers, it takes source ports or ICMP types",
		s->text);
}

static int find_source(struct search *s, const struct ipprefix *source)
{
	int rc;

	s->source = source;
	s->held = 0;
	ipprefix_format(source, s->text);
	rc = s->scope->source_ports ? find_by_ports(s) : find_by_address(s);
	if (rc == 0 && !s->held)
		return err_set(s->err, "source-prefix %s: nobody holds it%s", s->text,
			s->scope->source_ports ? " with these ports" : "");
	return rc;
}

// ------------------------------------------------------------------ what is closed to him

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_DCCP ||
		protocol == IPPROTO_SCTP || protocol == IPPROTO_UDPLITE;
}

// Takes one rule after the other. Past ENFORCE_RULES_MAX they are too many, and making them stops.
struct rules {
	struct acl_rule *rule; // NULL: only counts
	unsigned count;
};

static void put_rule(struct rules *rules, const struct acl_rule *rule)
{
	if (rules->rule && rules->count < ENFORCE_RULES_MAX)
		rules->rule[rules->count] = *rule;
	rules->count++;
}

// One rule for each target port range; one for all ports without.
static void put_ports(struct rules *rules, const struct scope *scope, struct acl_rule rule)
{
	if (!scope->target_ports)
		put_rule(rules, &rule);
	for (unsigned i = 0; i < scope->target_ports; i++) {
		rule.lower_port = scope->target_port[i].lower;
		rule.upper_port = scope->target_port[i].upper;
		put_rule(rules, &rule);
	}
}

static void put_target(struct rules *rules, const struct scope *scope, struct acl_rule rule)
{
	uint8_t icmp = icmp_of(rule.target.addr.family);
	bool by_type = is_about_icmp(scope, rule.target.addr.family);

	rule.lower_port = 0;
	rule.upper_port = UINT16_MAX;
	for (unsigned i = 0; by_type && i < scope->source_types; i++) {
		rule.protocol = icmp;
		rule.lower_type = scope->source_type[i].lower;
		rule.upper_type = scope->source_type[i].upper;
		put_rule(rules, &rule);
	}
	rule.lower_type = 0;
	rule.upper_type = UINT8_MAX;
	for (unsigned i = 0; i < scope->protocols; i++) {
		rule.protocol = scope->protocol[i];
		if (has_ports(rule.protocol))
			put_ports(rules, scope, rule);
		else if (!by_type || rule.protocol != icmp)
			put_rule(rules, &rule);
	}
	// no protocol named: types alone mean ICMP, ports or nothing mean all that has them
	if (!scope->protocols && (!by_type || scope->source_ports || scope->target_ports)) {
		rule.any_protocol = true;
		put_ports(rules, scope, rule);
	}
}

// Everything of his, wherever to.
static void put_quarantine(struct rules *rules, struct acl_rule rule)
{
	struct ipaddr any = {.family = rule.subscriber.family};

	rule.target = ipprefix_make(&any, 0);
	rule.any_protocol = true;
	rule.upper_port = UINT16_MAX;
	rule.upper_type = UINT8_MAX;
	put_rule(rules, &rule);
}

static void make_rules(struct rules *rules, const struct scope *scope,
	const struct enforcement *enforcement, const char *label)
{
	for (unsigned i = 0; i < enforcement->suspects; i++) {
		const struct suspect *suspect = &enforcement->suspect[i];
		struct acl_rule rule = {.subscriber = suspect->holder.subscriber,
			.action = enforcement->measure.action,
			.rate = enforcement->measure.rate,
			.maker = enforcement->maker};

		if (suspect->delegated || suspect->installed)
			continue;
		memcpy(rule.label, label, strnlen(label, sizeof(rule.label) - 1));
		if (rule.action == ACL_QUARANTINE) {
			put_quarantine(rules, rule);
			continue;
		}
		for (unsigned j = 0; j < scope->targets && rules->count <= ENFORCE_RULES_MAX; j++) {
			rule.target = scope->target[j];
			if (rule.target.addr.family == 4 ? suspect->ipv4 : suspect->ipv6)
				put_target(rules, scope, rule);
		}
	}
}

int enforce_find(const struct enforcer *enforcer, const struct policy *policy,
	const struct scope *scope, const struct enforce_time *when, struct enforcement *found,
	struct err *err)
{
	struct search s = {
		.enforcer = enforcer,
		.policy = policy,
		.scope = scope,
		.when = when,
		.found = found,
		.err = err,
		// a subscriber may hold several blocks
		.room = 4 * policy->max_subscribers + 64,
	};
	struct rules rules = {0};
	int rc;

	*found = (struct enforcement){0};
	s.holder = calloc(s.room, sizeof(*s.holder));
	found->suspect = calloc(policy->max_subscribers, sizeof(*found->suspect));
	if (!s.holder || !found->suspect)
		rc = err_code(err, -ENOMEM, "out of memory");
	else
		rc = validate_domain(scope, policy->domain, policy->domains, err);
	for (unsigned i = 0; i < scope->sources && rc == 0; i++)
		rc = find_source(&s, &scope->source[i]);
	free(s.holder);
	make_rules(&rules, scope, found, "");
	if (rc == 0 && rules.count > ENFORCE_RULES_MAX)
		rc = err_set(err, "takes more than %d rules, the most for one request: split it",
			ENFORCE_RULES_MAX);
	if (rc < 0)
		enforce_end(enforcer, found);
	return rc;
}

unsigned enforce_count(const struct scope *scope, const struct enforcement *found)
{
	struct rules rules = {0};

	make_rules(&rules, scope, found, "");
	return rules.count;
}

// Takes rules out of force.
static void remove_rules(
	const struct enforcer *enforcer, const uint32_t *slot, unsigned slots, unsigned *total)
{
	for (unsigned i = 0; i < slots; i++)
		acl_remove(enforcer->acl, slot[i]);
	if (total)
		*total -= slots;
}

static int add_rules(
	const struct enforcer *enforcer, const struct rules *rules, struct enforcement *enforcement)
{
	unsigned before = enforcement->slots;

	for (unsigned i = 0; i < rules->count; i++) {
		int rc = acl_add(
			enforcer->acl, &rules->rule[i], &enforcement->slot[enforcement->slots]);

		if (rc < 0) {
			while (enforcement->slots > before)
				acl_remove(enforcer->acl, enforcement->slot[--enforcement->slots]);
			return rc;
		}
		enforcement->slots++;
	}
	if (enforcement->total)
		*enforcement->total += rules->count;
	return 0;
}

int enforce_install(const struct enforcer *enforcer, const struct scope *scope, const char *label,
	struct enforcement *enforcement)
{
	struct rules rules = {.rule = calloc(ENFORCE_RULES_MAX, sizeof(*rules.rule))};
	uint32_t *slot;
	int rc = -ENOMEM;

	if (!rules.rule)
		return -ENOMEM;
	make_rules(&rules, scope, enforcement, label);
	slot = realloc(enforcement->slot, (enforcement->slots + rules.count + 1) * sizeof(*slot));
	if (slot) {
		enforcement->slot = slot;
		rc = add_rules(enforcer, &rules, enforcement);
	}
	for (unsigned i = 0; i < enforcement->suspects && rc == 0; i++)
		enforcement->suspect[i].installed = !enforcement->suspect[i].delegated;
	free(rules.rule);
	return rc;
}

int enforce_change(const struct enforcer *enforcer, const struct scope *scope, const char *label,
	const struct measure *measure, struct enforcement *enforcement)
{
	struct enforcement before = *enforcement;
	int rc;

	enforcement->measure = *measure;
	enforcement->slot = NULL;
	enforcement->slots = 0;
	for (unsigned i = 0; i < enforcement->suspects; i++)
		enforcement->suspect[i].installed = false;
	rc = enforce_install(enforcer, scope, label, enforcement);
	if (rc < 0) {
		free(enforcement->slot);
		*enforcement = before;
		return rc;
	}
	// the new ones stand already, so nothing slips through between them
	remove_rules(enforcer, before.slot, before.slots, before.total);
	free(before.slot);
	return 0;
}

void enforce_lift(const struct enforcer *enforcer, struct enforcement *enforcement)
{
	remove_rules(enforcer, enforcement->slot, enforcement->slots, enforcement->total);
	free(enforcement->slot);
	enforcement->slot = NULL;
	enforcement->slots = 0;
	for (unsigned i = 0; i < enforcement->suspects; i++)
		enforcement->suspect[i].installed = false;
}

void enforce_end(const struct enforcer *enforcer, struct enforcement *enforcement)
{
	enforce_lift(enforcer, enforcement);
	free(enforcement->suspect);
	*enforcement = (struct enforcement){0};
}

struct acl_hits enforce_hits(const struct enforcer *enforcer, const struct enforcement *enforcement)
{
	struct acl_hits sum = {0};

	for (unsigned i = 0; i < enforcement->slots; i++) {
		struct acl_hits hits = acl_hits(enforcer->acl, enforcement->slot[i]);

		sum.packets += hits.packets;
		sum.bytes += hits.bytes;
	}
	return sum;
}
