/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const char *field_text(const struct json_value *object, const char *const keys[])
{
	for (; *keys != NULL; keys++) {
		const char *text = json_text(json_get(object, *keys));

		if (text != NULL && text[0] != '\0')
			return text;
	}
	return NULL;
}

bool field_number(const struct json_value *v, double *ret)
{
	const char *text = json_text(v);
	char *end;

	if (json_number(v, ret))
		return true;
	if (text == NULL || text[0] == '\0' || strspn(text, "+-.0123456789eE") != strlen(text))
		return false;

	const double number = strtod(text, &end);
	if (*end != '\0')
		return false;
	*ret = number;
	return true;
}

/* No "+80", " 80" and "8e1" here: in a text, a port is written as digits. */
bool field_port(const struct json_value *v, int64_t *ret)
{
	const char *text = json_text(v);
	const enum json_kind kind = json_kind_of(v);
	double number = 0;
	uint64_t digits;

	if (text != NULL && text_to_uint(text, strlen(text), &digits))
		number = (double)digits;
	else if (!json_number(v, &number) && kind != VALUE_ABSENT && kind != VALUE_NULL)
		return false;
	if (number < 0 || number > UINT16_MAX || number != (double)(int64_t)number)
		return false;
	*ret = (int64_t)number;
	return true;
}

bool field_is_denied(const struct json_value *object, const char *key)
{
	const struct json_value *v = json_get(object, key);
	const char *text = json_text(v);

	return json_kind_of(v) == VALUE_FALSE || (text != NULL && text_equal_fold(text, "false"));
}

enum protocol field_protocol(const struct json_value *v)
{
	const char *text = json_text(v);

	if (text != NULL && text_equal_fold(text, "tcp"))
		return PROTOCOL_TCP;
	if (text != NULL && text_equal_fold(text, "udp"))
		return PROTOCOL_UDP;
	return PROTOCOL_ANY;
}

enum health field_health(const struct json_value *v)
{
	static const struct {
		const char *word;
		enum health health;
	} words[] = {
		{ "warning", HEALTH_WARNING },      { "warn", HEALTH_WARNING },
		{ "critical", HEALTH_CRITICAL },    { "down", HEALTH_CRITICAL },
		{ "unhealthy", HEALTH_CRITICAL },   { "failing", HEALTH_CRITICAL },
		{ "starting", HEALTH_CRITICAL },    { "out_of_service", HEALTH_CRITICAL },
		{ "maintenance", HEALTH_CRITICAL }, { "false", HEALTH_CRITICAL },
	};
	const char *text = json_text(v);

	for (size_t i = 0; text != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
		if (text_equal_fold(text, words[i].word))
			return words[i].health;
	}
	return HEALTH_PASSING;
}
