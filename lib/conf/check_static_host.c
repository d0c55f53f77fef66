// SPDX-License-Identifier: BSD-3-Clause

// What YANG cannot say about the inside hosts of static mappings behind NAT64 and DS-Lite.

#include "conf/aftr.h"
#include "conf/nat64.h"
#include "conf/static_hosts.h"

#include <stdlib.h>
#include <string.h>

#define B4 "ietf-dslite:b4-ipv6-address/address"

void static_refuse_b4(struct judge *j, const struct config_static *s)
{
	if (s->b4_text)
		judge_fault(j, s->node, B4,
			"%s. Allowed: where per-interface-binding is dslite, for entries of sources",
			s->b4_text);
}

static void check_nat64_host(
	struct judge *j, const struct config_instance *instance, const struct config_static *s)
{
	char text[IPPREFIX_TEXT];

	static_refuse_b4(j, s);
	if (s->has_inside && s->inside.addr.family == 6 && !static_policy(instance, s))
		judge_fault(j, s->node, "internal-src-address",
			"%s is no subscriber's. Allowed: addresses in a subscriber-match of the "
			"instance",
			ipprefix_format(&s->inside, text));
}

static void check_dslite_host(struct judge *j, const struct config *config,
	const struct config_instance *instance, const struct config_static *s)
{
	char text[IPPREFIX_TEXT];

	if (!s->has_b4)
		judge_fault(j, s->node, B4,
			"%s. Allowed: the IPv6 address of the B4 that the host is behind",
			s->b4_text ? s->b4_text : "missing");
	else if (!static_policy(instance, s))
		judge_fault(j, s->node, B4,
			"%s is no subscriber's. Allowed: addresses in a subscriber-match of the "
			"instance",
			s->b4_text);
	if (s->has_inside && s->inside.addr.family == 4 && static_aftr(config, instance, s) < 0)
		judge_fault(j, s->node, "internal-src-address",
			"%s. Allowed: addresses that hosts behind the B4s of an AFTR of the "
			"instance may have (homeport:inner-source)",
			ipprefix_format(&s->inside, text));
}

void static_check_host(struct judge *j, const struct config *config,
	const struct config_instance *instance, const struct config_static *s)
{
	if (nat64_is(instance))
		check_nat64_host(j, instance, s);
	else if (instance_is_dslite(instance))
		check_dslite_host(j, config, instance, s);
	else
		static_refuse_b4(j, s);
}

// That a B4 is a subscriber's, as an entry says.
struct said {
	const struct config_policy *policy;
	const struct config_static *entry;
	uint8_t subscriber[16];
};

static int compare_subscribers(const struct said *a, const struct said *b)
{
	if (a->policy != b->policy)
		return a->policy < b->policy ? -1 : 1;
	return memcmp(a->subscriber, b->subscriber, sizeof(a->subscriber));
}

static int compare(const void *a, const void *b)
{
	const struct said *x = a, *y = b;
	int order = compare_subscribers(x, y);

	return order ? order : ipaddr_compare(&x->entry->b4, &y->entry->b4);
}

static unsigned collect(const struct config *config, struct said *said)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance_is_dslite(instance) && k < instance->statics; k++) {
			const struct config_static *s = &instance->static_mapping[k];
			const struct config_policy *policy = static_policy(instance, s);
			struct ipprefix prefix;

			if (!s->has_b4 || !policy)
				continue;
			prefix = ipprefix_make(&s->b4, subscriber_len(policy));
			said[count] = (struct said){.policy = policy, .entry = s};
			memcpy(said[count++].subscriber, prefix.addr.bytes,
				sizeof(said->subscriber));
		}
	}
	return count;
}

void static_check_b4s(struct judge *j, const struct config *config)
{
	unsigned most = 0, count, b4s = 0;
	struct said *said;

	for (unsigned i = 0; i < config->instances; i++)
		most += config->instance[i].statics;
	said = calloc(most + 1, sizeof(*said));
	if (!said) {
		judge_text(j, "out of memory");
		return;
	}
	count = collect(config, said);
	qsort(said, count, sizeof(*said), compare);
	for (unsigned i = 0; i < count; i++) {
		if (!i || compare_subscribers(&said[i - 1], &said[i]))
			b4s = 1;
		else if (!compare(&said[i - 1], &said[i]))
			continue;
		else
			b4s++;
		if (b4s > said[i].policy->softwires.each_subscriber)
			judge_fault(j, said[i].entry->node, B4,
				"%s is one B4 too many of its subscriber. Allowed: as many as "
				"max-softwires-per-subscriber, %u",
				said[i].entry->b4_text, said[i].policy->softwires.each_subscriber);
	}
	free(said);
}
