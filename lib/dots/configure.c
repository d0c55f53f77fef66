// SPDX-License-Identifier: BSD-3-Clause

#include "dots/configure.h"

// seconds; 0 switches heartbeats off
#define HEARTBEAT_MIN 15
// hundredths of a second: twice what RFC 9132 shows as the most
#define ACK_TIMEOUT_MAX 6000
#define ACK_FACTOR_MAX  1000 // hundredths

void configure(const struct config_set *set, struct exchange *exchange, struct heartbeat *heartbeat)
{
	const struct setting_values *ack = &set->setting[SETTING_ACK_TIMEOUT];
	const struct setting_values *factor = &set->setting[SETTING_ACK_RANDOM_FACTOR];
	const struct setting_values *retransmit = &set->setting[SETTING_MAX_RETRANSMIT];
	struct config_set sane = *set;
	int32_t *interval = &sane.setting[SETTING_HEARTBEAT_INTERVAL].current;

	if (*interval > 0 && *interval < HEARTBEAT_MIN)
		*interval = HEARTBEAT_MIN;
	heartbeat_configure(heartbeat, &sane);
	if (ack->current > 0 && ack->current <= ACK_TIMEOUT_MAX && factor->current >= 100 &&
		factor->current <= ACK_FACTOR_MAX && retransmit->current >= 0)
		exchange_set_timing(exchange,
			&(struct exchange_timing){
				.ack_timeout_ms = 10 * (uint32_t)ack->current,
				.ack_random_factor = (uint32_t)factor->current,
				.max_retransmit = (uint16_t)retransmit->current,
			});
}
