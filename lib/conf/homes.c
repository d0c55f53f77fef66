// SPDX-License-Identifier: BSD-3-Clause

#include "conf/homes.h"

#include "base/bits.h"
#include "conf/aftr.h"
#include "conf/check.h"
#include "conf/judge.h"
#include "conf/nat64.h"
#include "conf/native.h"
#include "conf/read.h"
#include "conf/tree.h"

#include <libyang/libyang.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ------------------------------------------------------------------ reading

static void read_listener(const struct lyd_node *node, struct config_listener *l)
{
	l->node = node;
	ipaddr_parse(tree_text(node, "address"), &l->addr);
	l->port = (uint16_t)tree_number(node, "port", 4647);
	for (const struct lyd_node *n = tree_child(node, "transport"); n; n = tree_next(n)) {
		l->dtls |= !strcmp(tree_value(n), "dtls");
		l->tls |= !strcmp(tree_value(n), "tls");
	}
	if (!tree_child(node, "transport"))
		l->dtls = l->tls = true;
}

static void read_home(const struct lyd_node *node, struct config_home *h)
{
	static const char *const leaf[] = {"certificate-name", "key-hash", "psk-identity"};

	h->node = node;
	h->name = tree_text(node, "name");
	for (unsigned i = 0; i < ARRAY_LEN(leaf) && !h->identity; i++) {
		h->identity_leaf = leaf[i];
		h->identity = tree_text(node, leaf[i]);
	}
	ipprefix_parse(tree_text(node, "subscriber"), &h->subscriber, NULL);
	h->any_source = tree_flag(node, "any-source", false);
}

void read_homes(struct config *config, const struct lyd_node *client)
{
	struct config_client *c = &config->client;
	const struct lyd_node *drop = tree_child(client, "drop-list");

	if (!client)
		return;
	c->node = client;
	c->certificate = read_path(config, tree_text(client, "certificate"));
	c->private_key = read_path(config, tree_text(client, "private-key"));
	c->ca = read_path(config, tree_text(client, "ca"));
	c->crl = read_path(config, tree_text(client, "crl"));
	c->psk_file = read_path(config, tree_text(client, "psk-file"));
	c->request_rate = tree_number(client, "max-request-rate", 2000);
	c->confirm_time = (uint16_t)tree_number(client, "confirm-time", 10);
	c->drop_failures = (uint16_t)tree_number(drop, "failures", 5);
	c->drop_window = tree_number(drop, "window", 60);
	c->drop_duration = tree_number(drop, "duration", 600);
	c->drop_len4 = (uint8_t)tree_number(drop, "ipv4-prefix-length", 32);
	c->drop_len6 = (uint8_t)tree_number(drop, "ipv6-prefix-length", 64);
	c->listener = calloc(tree_count(client, "listener") + 1, sizeof(*c->listener));
	c->home = calloc(tree_count(client, "home") + 1, sizeof(*c->home));
	config->whole &= c->listener && c->home;
	for (const struct lyd_node *n = tree_child(client, "listener"); n && c->listener;
		n = tree_next(n))
		read_listener(n, &c->listener[c->listeners++]);
	for (const struct lyd_node *n = tree_child(client, "home"); n && c->home; n = tree_next(n))
		read_home(n, &c->home[c->homes++]);
}

void free_homes(struct config *config)
{
	struct config_client *c = &config->client;

	free(c->certificate);
	free(c->private_key);
	free(c->ca);
	free(c->crl);
	free(c->psk_file);
	free(c->listener);
	free(c->home);
}

// ------------------------------------------------------------------ checking

static void check_listener(struct judge *j, const struct config *config, unsigned at)
{
	const struct config_listener *l = &config->client.listener[at];

	check_kernel_address(j, config, l->node, &l->addr);
	for (unsigned i = 0; i < at; i++) {
		const struct config_listener *other = &config->client.listener[i];

		if (other->port == l->port && other->addr.family == l->addr.family &&
			((other->dtls && l->dtls) || (other->tls && l->tls)) &&
			(ipaddr_is_any(&other->addr) || ipaddr_is_any(&l->addr)))
			judge_fault(j, l->node, "port",
				"%u is that of a listener on all addresses. Allowed: another port, or "
				"one listener on all addresses alone",
				l->port);
	}
}

// How long the prefixes of subscribers are that an address may be of: a bit for each length from 1 on.
struct lengths {
	uint64_t bits[4];
};

static void add_length(struct lengths *lengths, unsigned len)
{
	lengths->bits[len / 64] |= bit(len % 64);
}

static bool has_length(const struct lengths *lengths, unsigned len)
{
	return lengths->bits[len / 64] >> (len % 64) & 1;
}

static unsigned policy_length(
	const struct config_instance *instance, const struct config_policy *policy)
{
	if (nat64_is(instance))
		return nat64_subscriber_len(policy);
	return instance_is_dslite(instance) ? subscriber_len(policy) : 32;
}

static void add_policies(
	const struct config *config, const struct ipaddr *addr, struct lengths *lengths)
{
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; instance->enabled && k < instance->policies; k++) {
			const struct config_policy *p = &instance->policy[k];

			for (unsigned m = 0; m < p->matches; m++) {
				if (ipprefix_has(&p->match[m].prefix, addr))
					add_length(lengths, policy_length(instance, p));
			}
		}
	}
}

static int compare_b4s(const void *a, const void *b)
{
	const struct binding_entry *const *x = a, *const *y = b;

	return memcmp((*x)->b4, (*y)->b4, sizeof((*x)->b4));
}

// The bindings by their B4s, of which there may be millions; NULL if memory has run out.
struct b4s {
	uint32_t count;
	const struct binding_entry **entry;
};

static struct b4s sort_b4s(const struct config *config)
{
	struct b4s b4s = {0};
	size_t total = 0;

	for (unsigned i = 0; i < config->softwires; i++)
		total += config->softwire[i].bindings;
	b4s.entry = calloc(total + 1, sizeof(*b4s.entry));
	for (unsigned i = 0; i < config->softwires && b4s.entry; i++) {
		for (uint32_t k = 0; k < config->softwire[i].bindings; k++)
			b4s.entry[b4s.count++] = &config->softwire[i].binding[k].entry;
	}
	if (b4s.entry)
		qsort(b4s.entry, b4s.count, sizeof(*b4s.entry), compare_b4s);
	return b4s;
}

static bool is_b4(const struct b4s *b4s, const struct ipaddr *addr)
{
	struct binding_entry wanted;
	const struct binding_entry *key = &wanted;

	memcpy(wanted.b4, addr->bytes, sizeof(wanted.b4));
	return bsearch(&key, b4s->entry, b4s->count, sizeof(*b4s->entry), compare_b4s) != NULL;
}

// Whatever serves an address, it is by one of these that it calls the subscriber.
static struct lengths lengths_of(
	const struct config *config, const struct b4s *b4s, const struct ipaddr *addr)
{
	const struct config_network *network = native_network_of(config, addr);
	struct lengths lengths = {0};

	add_policies(config, addr, &lengths);
	if (network)
		add_length(&lengths, network->len);
	for (unsigned i = 0; i < config->maps; i++) {
		const struct config_map *map = &config->map[i];

		if (map->used && ipprefix_has(&map->prefix6, addr))
			add_length(&lengths, map_user_len(&map->rule));
	}
	if (addr->family == 6 && is_b4(b4s, addr))
		add_length(&lengths, 128);
	return lengths;
}

static int compare_identities(const void *a, const void *b)
{
	const struct config_home *x = *(struct config_home *const *)a;
	const struct config_home *y = *(struct config_home *const *)b;

	return strcasecmp(x->identity, y->identity);
}

static int compare_subscribers(const void *a, const void *b)
{
	const struct config_home *x = *(struct config_home *const *)a;
	const struct config_home *y = *(struct config_home *const *)b;

	return memcmp(&x->subscriber, &y->subscriber, sizeof(x->subscriber));
}

// A certificate is one home's, and a subscriber has one home. Sorted, for there may be many.
static void check_unique(struct judge *j, const struct config_client *c)
{
	const struct config_home **sorted = calloc(c->homes + 1, sizeof(*sorted));
	char text[IPPREFIX_TEXT];

	for (unsigned i = 0; sorted && i < c->homes; i++)
		sorted[i] = &c->home[i];
	if (sorted)
		qsort(sorted, c->homes, sizeof(*sorted), compare_identities);
	for (unsigned i = 1; sorted && i < c->homes; i++) {
		if (!compare_identities(&sorted[i - 1], &sorted[i]))
			judge_fault(j, sorted[i]->node, sorted[i]->identity_leaf,
				"%s is that of home %s. Allowed: one home for each",
				sorted[i]->identity, sorted[i - 1]->name);
	}
	if (sorted)
		qsort(sorted, c->homes, sizeof(*sorted), compare_subscribers);
	for (unsigned i = 1; sorted && i < c->homes; i++) {
		if (!compare_subscribers(&sorted[i - 1], &sorted[i]))
			judge_fault(j, sorted[i]->node, "subscriber",
				"%s has home %s. Allowed: one home for each subscriber",
				ipprefix_format(&sorted[i]->subscriber, text), sorted[i - 1]->name);
	}
	free(sorted);
}

static void check_subscriber(struct judge *j, const struct config_home *h, struct lengths lengths)
{
	char text[IPPREFIX_TEXT], allowed[8 * 128] = "";
	size_t used = 0;

	ipprefix_format(&h->subscriber, text);
	if (has_length(&lengths, h->subscriber.len))
		return;
	for (unsigned len = 1; len <= 128; len++) {
		if (has_length(&lengths, len))
			used += (size_t)snprintf(allowed + used, sizeof(allowed) - used, "%s%u",
				used ? " or " : "", len);
	}
	if (used)
		judge_fault(j, h->node, "subscriber", "%s. Allowed: a prefix of %s bits", text,
			allowed);
	else if (h->subscriber.addr.family == 4)
		judge_fault(j, h->node, "subscriber",
			"%s is served by no NAT policy. Allowed: an inside address that a "
			"subscriber-match of an enabled instance covers",
			text);
	else
		judge_fault(j, h->node, "subscriber",
			"%s is no subscriber's. Allowed: the prefix of a subscriber of an enabled NAT64 "
			"or DS-Lite instance, of a subscriber-network or of a mapping rule, or a B4's "
			"address",
			text);
}

static void check_home(struct judge *j, const struct config *config, const struct b4s *b4s,
	const struct config_home *h)
{
	bool by_psk = !strcmp(h->identity_leaf, "psk-identity");

	if (by_psk && !config->client.psk_file)
		judge_fault(j, h->node, h->identity_leaf,
			"%s, but the box has a certificate for homes. Allowed: certificate-name or "
			"key-hash, or a psk-file for all homes",
			h->identity);
	else if (!by_psk && config->client.psk_file)
		judge_fault(j, h->node, h->identity_leaf,
			"%s, but the box has pre-shared keys for homes. Allowed: psk-identity, or a "
			"certificate for all homes",
			h->identity);
	check_subscriber(j, h, lengths_of(config, b4s, &h->subscriber.addr));
}

void check_homes(struct judge *j, const struct config *config)
{
	const struct config_client *c = &config->client;
	struct b4s b4s;

	for (unsigned i = 0; i < config->upstreams; i++) {
		const struct config_upstream *u = &config->upstream[i];

		if (strcmp(u->relay, "box") != 0 && !c->node)
			judge_fault(j, u->node, "relay",
				"%s, but there are no homes. Allowed: box, or a dots/client",
				u->relay);
	}
	if (!c->node)
		return;
	if (c->listeners > CONFIG_LISTENERS_MAX)
		judge_fault(j, c->node, "listener", "%u listeners. Allowed: up to %d", c->listeners,
			CONFIG_LISTENERS_MAX);
	for (unsigned i = 0; i < c->listeners; i++)
		check_listener(j, config, i);
	b4s = sort_b4s(config);
	for (unsigned i = 0; i < c->homes && b4s.entry; i++)
		check_home(j, config, &b4s, &c->home[i]);
	free(b4s.entry);
	check_unique(j, c);
}
