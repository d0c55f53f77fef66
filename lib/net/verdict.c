// SPDX-License-Identifier: BSD-3-Clause

#include "net/verdict.h"

#define VERDICT_INFO(id, name, kind, help) [id] = {name, kind, help},
const struct verdict_info verdict_info[V_COUNT] = {VERDICTS(VERDICT_INFO)};
#undef VERDICT_INFO

bool verdict_is_refusal(enum verdict verdict)
{
	switch (verdict) {
	case V_MAPPING_RATE:
	case V_QUOTA:
	case V_BLOCK_LIMIT:
	case V_POOL:
	case V_HOLD_DOWN:
	case V_SUBSCRIBER_LIMIT:
	case V_MAPPING_LIMIT:
	case V_HOST_MEMORY:
	case V_SUBSCRIBER_MEMORY:
	case V_MAPPING_MEMORY:
	case V_SESSION_MEMORY:
	case V_SESSION_LIMIT:
	case V_BLOCK_MEMORY:
	case V_LOG_FULL:
		return true;
	default:
		return false;
	}
}
