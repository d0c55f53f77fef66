// SPDX-License-Identifier: BSD-3-Clause

#include "conf/homes.h"

#include "base/bits.h"
#include "conf/check.h"
#include "conf/judge.h"
#include "conf/nat64.h"
#include "conf/native.h"
#include "conf/read.h"
#include "conf/tree.h"

#include <libyang/libyang.h>

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

// Whether a policy has just this subscriber: an IPv4 address, or an IPv6 prefix of the length that its have.
static bool is_served(const struct config *config, const struct ipprefix *subscriber)
{
	for (unsigned i = 0; i < config->instances; i++) {
		const struct config_instance *instance = &config->instance[i];

		for (unsigned k = 0; k < instance->policies; k++) {
			const struct config_policy *p = &instance->policy[k];

			if (subscriber->addr.family == 6 &&
				(!nat64_is(instance) || subscriber->len != nat64_subscriber_len(p)))
				continue;
			for (unsigned m = 0; m < p->matches; m++) {
				if (ipprefix_has(&p->match[m].prefix, &subscriber->addr))
					return true;
			}
		}
	}
	return false;
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

	return ipaddr_compare(&x->subscriber.addr, &y->subscriber.addr);
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

static void check_native_home(
	struct judge *j, const struct config *config, const struct config_home *h)
{
	const struct config_network *n = native_network_of(config, &h->subscriber.addr);
	char text[IPPREFIX_TEXT];

	ipprefix_format(&h->subscriber, text);
	if (!n)
		judge_fault(j, h->node, "subscriber",
			"%s is in no subscriber-network. Allowed: a subscriber's prefix of one of them",
			text);
	else if (h->subscriber.len != n->len)
		judge_fault(
			j, h->node, "subscriber", "%s. Allowed: a prefix of %u bits", text, n->len);
}

static void check_home(struct judge *j, const struct config *config, const struct config_home *h)
{
	bool by_psk = !strcmp(h->identity_leaf, "psk-identity");
	char text[IPPREFIX_TEXT];

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
	if (h->subscriber.addr.family == 6) {
		if (!is_served(config, &h->subscriber))
			check_native_home(j, config, h);
	} else if (h->subscriber.len != 32) {
		judge_fault(j, h->node, "subscriber",
			"%s. Allowed: one IPv4 address, as in 100.64.0.10/32, or the IPv6 prefix of a "
			"subscriber",
			ipprefix_format(&h->subscriber, text));
	} else if (!is_served(config, &h->subscriber)) {
		judge_fault(j, h->node, "subscriber",
			"%s is served by no NAT policy. Allowed: an inside address that a "
			"subscriber-match covers",
			ipprefix_format(&h->subscriber, text));
	}
}

void check_homes(struct judge *j, const struct config *config)
{
	const struct config_client *c = &config->client;

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
	for (unsigned i = 0; i < c->homes; i++)
		check_home(j, config, &c->home[i]);
	check_unique(j, c);
}
