// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <jansson.h>

// Answers as tables for a person. Each takes the JSON that -j would print.
void output_interfaces(const json_t *answer);
void output_instances(const json_t *answer);
void output_notifications(const json_t *answer);
void output_mappings(const json_t *answer);
void output_bindings(const json_t *answer);
void output_subscribers(const json_t *answer);
void output_deterministic(const json_t *answer);
void output_acls(const json_t *answer);
void output_counters(const json_t *answer);
void output_workers(const json_t *answer);
void output_dots(const json_t *answer);
void output_mitigations(const json_t *answer);
void output_consent(const json_t *answer);
void output_audit(const json_t *answer);
void output_config(const json_t *answer);
void output_lookup(const json_t *answer);
