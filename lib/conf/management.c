// SPDX-License-Identifier: BSD-3-Clause

#include "conf/management.h"

#include "conf/check.h"
#include "conf/judge.h"
#include "conf/tree.h"

void read_management(struct config *config, const struct lyd_node *management)
{
	const struct lyd_node *metrics = tree_child(management, "metrics");
	const char *socket = tree_text(management, "socket");

	config->socket = socket ? socket : "/run/homeport/homeport.sock";
	if (!metrics)
		return;
	config->metrics.node = metrics;
	ipaddr_parse(tree_text(metrics, "address"), &config->metrics.addr);
	config->metrics.port = (uint16_t)tree_number(metrics, "port", 9647);
}

void check_management(struct judge *j, const struct config *config)
{
	const struct config_metrics *m = &config->metrics;

	if (!m->node)
		return;
	check_kernel_address(j, config, m->node, &m->addr);
	for (unsigned i = 0; i < config->client.listeners; i++) {
		const struct config_listener *l = &config->client.listener[i];

		if (l->tls && l->port == m->port && l->addr.family == m->addr.family &&
			(!ipaddr_compare(&l->addr, &m->addr) || ipaddr_is_any(&l->addr) ||
				ipaddr_is_any(&m->addr)))
			judge_fault(j, m->node, "port",
				"%u is that of a listener for homes there. Allowed: another port",
				m->port);
	}
}
