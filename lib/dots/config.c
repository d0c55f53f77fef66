// SPDX-License-Identifier: BSD-3-Clause

#include "dots/config.h"

#include "base/bits.h"
#include "base/clock.h"

#include <stdio.h>

void config_init(
	struct session_config *config, const struct config_body *offered, uint32_t lifetime)
{
	*config = (struct session_config){.offered = *offered, .lifetime = lifetime};
	config_reset(config);
}

void config_reset(struct session_config *config)
{
	config->agreed = config->offered;
	config->has_sid = false;
	config->ends = UINT64_MAX;
	config->version++;
}

static const char *value_text(enum setting setting, int32_t value, char out[16])
{
	if (setting_is_decimal(setting))
		snprintf(out, 16, "%d.%02d", value / 100, value % 100);
	else
		snprintf(out, 16, "%d", value);
	return out;
}

// Takes the values of one set over, and counts them. 0, or 422.
static unsigned take_set(struct config_set *agreed, const struct config_set *asked,
	const char *name, unsigned *taken, struct err *err)
{
	for (enum setting i = 0; i < SETTINGS; i++) {
		struct setting_values *v = &agreed->setting[i];
		int32_t value = asked->setting[i].current;
		char text[3][16];

		if (value == SETTING_ABSENT)
			continue;
		if (value < v->min || value > v->max) {
			err_set(err, "%s: %s: %s is out of range. Allowed: %s to %s", name,
				schema_find(setting_key(i), IN_SET)->name,
				value_text(i, value, text[0]), value_text(i, v->min, text[1]),
				value_text(i, v->max, text[2]));
			return 422;
		}
		v->current = value;
		++*taken;
	}
	return 0;
}

static void hold(struct session_config *config)
{
	config->ends =
		config->lifetime ? clock_now() + config->lifetime * CLOCK_SECOND : UINT64_MAX;
}

unsigned config_put(struct session_config *config, uint32_t sid, const struct config_body *body,
	struct err *err)
{
	struct config_body agreed = config->offered;
	bool known = config->has_sid && sid == config->sid;
	unsigned taken = 0, code;

	if (config->has_sid && sid < config->sid) {
		err_set(err, "sid %u has been replaced by %u", sid, config->sid);
		return 400;
	}
	code = take_set(&agreed.mitigating, &body->mitigating, "mitigating-config", &taken, err);
	if (!code)
		code = take_set(&agreed.idle, &body->idle, "idle-config", &taken, err);
	if (code)
		return code;
	if (!taken) {
		err_set(err, "signal-config has no current-value of any setting");
		return 400;
	}
	config->agreed = agreed;
	config->has_sid = true;
	config->sid = sid;
	config->version++;
	hold(config);
	return known ? 204 : 201;
}

bool config_refresh(struct session_config *config, uint32_t sid)
{
	if (!config->has_sid || sid != config->sid)
		return false;
	hold(config);
	return true;
}

const struct config_body *config_now(struct session_config *config)
{
	if (clock_now() >= config->ends)
		config_reset(config);
	return &config->agreed;
}

const struct config_set *config_set(struct session_config *config, bool attack)
{
	return attack ? &config->agreed.mitigating : &config_now(config)->idle;
}

bool config_has_changed(struct session_config *config, const struct config_set *set)
{
	bool changed = set != config->in_force || config->version != config->version_in_force;

	config->in_force = set;
	config->version_in_force = config->version;
	return changed;
}

uint32_t config_max_age(const struct session_config *config)
{
	uint64_t now = clock_now();

	if (config->ends == UINT64_MAX)
		return UINT32_MAX;
	return config->ends > now ? (uint32_t)div_round_up(config->ends - now, CLOCK_SECOND) : 1;
}
