// SPDX-License-Identifier: BSD-3-Clause

// The join of configuration and DOTS: conf knows no DOTS, and DOTS no configuration.

#include "dots/dots.h"
#include "dots/expiry.h"

#include "box.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct credentials_files files_of(const struct config_upstream *u)
{
	return (struct credentials_files){
		.certificate = u->certificate,
		.private_key = u->private_key,
		.ca = u->ca,
		.crl = u->crl,
		.psk_file = u->psk_file,
		.psk_identity = u->psk_identity,
	};
}

static enum relay_policy relay_of(const char *text)
{
	if (!strcmp(text, "home"))
		return RELAY_HOME;
	return strcmp(text, "box") ? RELAY_HOME_THEN_BOX : RELAY_BOX;
}

static struct measure measure_of(const struct config_measure *m)
{
	struct measure measure = {.rate = (uint64_t)m->rate * 1000 / 8};

	acl_action_find(m->action, &measure.action);
	return measure;
}

static struct request_class class_of(const struct config_class *c)
{
	return (struct request_class){
		.target = c->target,
		.targets = c->targets,
		.protocol = c->protocol,
		.protocols = c->protocols,
		.port = {c->lower_port, c->upper_port},
		.measure = measure_of(&c->measure),
	};
}

static int add(struct box *box, const struct config_upstream *u, struct err *err)
{
	struct request_class *class = calloc(u->classes + 1, sizeof(*class));
	struct dots_upstream upstream = {
		.name = u->name,
		.host = u->address,
		.port = u->port,
		.transports = u->transports,
		.peer_name = u->peer_name,
		.credentials = files_of(u),
		.domain = u->prefix,
		.domains = u->prefixes,
		.max_subscribers = u->max_subscribers,
		.max_mitigations = u->max_mitigations,
		.overlap = u->overlap_by_target ? OVERLAP_TARGET : OVERLAP_TARGET_SOURCE,
		.relay = relay_of(u->relay),
		.max_lifetime = u->max_lifetime,
		.retry_interval = u->retry_interval,
		.probe_interval = u->probe_interval,
		.config_lifetime = u->config_lifetime,
		.class = class,
		.classes = u->classes,
		.measure = measure_of(&u->measure),
		.max_rules = u->max_rules,
		.max_affected = u->max_affected,
		.max_packets = u->max_packets,
		.consent = u->consent_ask ? CONSENT_ASK : CONSENT_AUTOMATIC,
		.consent_time = u->consent_timeout,
		.consent_by_default = u->consent_approve,
		.terminating_time = u->terminating_time,
		.heartbeat_interval = u->heartbeat_interval,
	};
	int rc;

	if (!class)
		return err_set(err, "out of memory");
	for (unsigned i = 0; i < u->classes; i++)
		class[i] = class_of(&u->class[i]);
	for (unsigned i = 0; i < u->transports; i++)
		upstream.transport[i] =
			strcmp(u->transport[i], "tls") ? TRANSPORT_DTLS : TRANSPORT_TLS;
	rc = dots_add(box->dots, &upstream, err);
	free(class);
	return rc;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_prefixes(
	const struct ipprefix *a, unsigned as, const struct ipprefix *b, unsigned bs)
{
	if (as != bs)
		return false;
	for (unsigned i = 0; i < as; i++) {
		if (a[i].len != b[i].len || ipaddr_compare(&a[i].addr, &b[i].addr))
			return false;
	}
	return true;
}

static bool same_measure(const struct config_measure *a, const struct config_measure *b)
{
	return same_text(a->action, b->action) && a->rate == b->rate;
}

static bool same_classes(const struct config_upstream *a, const struct config_upstream *b)
{
	if (a->classes != b->classes)
		return false;
	for (unsigned i = 0; i < a->classes; i++) {
		const struct config_class *c = &a->class[i], *d = &b->class[i];

		if (!same_prefixes(c->target, c->targets, d->target, d->targets) ||
			c->protocols != d->protocols ||
			memcmp(c->protocol, d->protocol, c->protocols) != 0 ||
			c->lower_port != d->lower_port || c->upper_port != d->upper_port ||
			!same_measure(&c->measure, &d->measure))
			return false;
	}
	return true;
}

static bool same_transports(const struct config_upstream *a, const struct config_upstream *b)
{
	if (a->transports != b->transports)
		return false;
	for (unsigned i = 0; i < a->transports; i++) {
		if (strcmp(a->transport[i], b->transport[i]))
			return false;
	}
	return true;
}

// Whether the session may stay. The credentials are read anew anyway.
static bool same(const struct config_upstream *a, const struct config_upstream *b)
{
	return same_text(a->address, b->address) && a->port == b->port && same_transports(a, b) &&
		same_text(a->peer_name, b->peer_name) &&
		same_prefixes(a->prefix, a->prefixes, b->prefix, b->prefixes) &&
		a->max_subscribers == b->max_subscribers &&
		a->max_mitigations == b->max_mitigations &&
		a->overlap_by_target == b->overlap_by_target && same_text(a->relay, b->relay) &&
		a->max_lifetime == b->max_lifetime &&
		a->heartbeat_interval == b->heartbeat_interval &&
		a->retry_interval == b->retry_interval && a->probe_interval == b->probe_interval &&
		a->config_lifetime == b->config_lifetime && a->consent_ask == b->consent_ask &&
		same_measure(&a->measure, &b->measure) && same_classes(a, b) &&
		a->max_rules == b->max_rules && a->max_affected == b->max_affected &&
		a->max_packets == b->max_packets && a->consent_timeout == b->consent_timeout &&
		a->consent_approve == b->consent_approve &&
		a->terminating_time == b->terminating_time;
}

// An upstream that stays; one that could not be added before may be so now.
static int renew(struct box *box, const struct config_upstream *u, struct err *err)
{
	struct credentials_files files = files_of(u);
	int rc = dots_renew(box->dots, u->name, &files, err);

	return rc == -ENOENT ? add(box, u, err) : rc;
}

static const struct config_upstream *find(const struct config *config, const char *name)
{
	for (unsigned i = 0; config && i < config->upstreams; i++) {
		if (!strcmp(config->upstream[i].name, name))
			return &config->upstream[i];
	}
	return NULL;
}

// What is always legitimate, from now on.
static void apply_accepts(struct box *box, const struct config *config)
{
	struct accept_entry *entry = calloc(config->accepts + 1, sizeof(*entry));
	struct accept_list list = {entry, config->accepts};

	for (unsigned i = 0; entry && i < config->accepts; i++) {
		const struct config_accept *a = &config->accept[i];

		entry[i] = (struct accept_entry){
			.name = a->name,
			.target = a->target,
			.targets = a->targets,
			.subscriber = a->subscriber,
			.subscribers = a->subscribers,
			.any_protocol = a->any_protocol,
			.protocol = a->protocol,
			.port = {a->lower_port, a->upper_port},
		};
	}
	if (!entry || dots_accept(box->dots, &list) < 0)
		log_error("dots", "no memory for the list of legitimate traffic");
	free(entry);
}

static void apply_inspection(struct box *box, const struct config_inspect *from)
{
	struct inspection inspection = {
		.thresholds = {from->packets, from->octets, from->flows, from->window},
		.time = from->time,
		.confirmed = {.action = ACL_BLOCK},
		.act = from->act,
		.reject = from->reject,
	};

	inspection.confirmed = measure_of(&from->measure);
	dots_inspect(box->dots, &inspection);
}

unsigned upstreams_apply(struct box *box, const struct config *old, const struct config *next)
{
	unsigned faults = 0;
	struct err err;

	apply_accepts(box, next);
	inspect_apply(box, next);
	apply_inspection(box, &next->inspect);
	if (acl_exempt(box->acl, next->quarantine_allow, next->quarantine_allows) < 0)
		log_error("dots", "no memory for what a quarantine leaves open");
	if (dots_hook(box->dots, next->hook) < 0)
		log_error("dots", "no memory for the hook");
	if (!old)
		dots_resume(box->dots);
	for (unsigned i = 0; old && i < old->upstreams; i++) {
		const struct config_upstream *u = &old->upstream[i];
		const struct config_upstream *now = find(next, u->name);

		if (!now || !same(u, now))
			dots_remove(box->dots, u->name, !now);
	}
	for (unsigned i = 0; i < next->upstreams; i++) {
		const struct config_upstream *u = &next->upstream[i];
		const struct config_upstream *was = find(old, u->name);

		if ((was && same(u, was) ? renew(box, u, &err) : add(box, u, &err)) < 0) {
			log_error("dots", "upstream %s: %s", u->name, err.text);
			faults++;
		}
	}
	if (expiry_begin(box->expiry, next->certificate_warning) < 0)
		log_error("dots", "no memory to watch when certificates end");
	return faults;
}

unsigned upstreams_check(
	const struct config *config, void (*report)(void *ctx, const char *text), void *ctx)
{
	unsigned faults = 0;

	for (unsigned i = 0; i < config->upstreams; i++) {
		const struct config_upstream *u = &config->upstream[i];
		struct credentials_files files = files_of(u);
		struct credentials *credentials;
		struct err err;
		char text[1024];

		credentials = credentials_load(&files, &err);
		if (!credentials) {
			snprintf(text, sizeof(text),
				"/homeport:homeport/dots/server/upstream[name='%s']: %s", u->name,
				err.text);
			report(ctx, text);
			faults++;
		}
		credentials_free(credentials);
	}
	return faults;
}
