/* SPDX-License-Identifier: BSD-2-Clause */
#include "registry/dns_items.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/dns.h"

enum { KEY_SIZE = NAME_TEXT_MAX + 16 };

/* --- names of the configuration --- */

/* "_http._tcp.inventory.example" is how DNS says which port of which protocol. */
static void read_port(struct dns_subject *s)
{
	const uint8_t *first = s->name.octets, *second = first + 1 + first[0];

	if (first[0] < 2 || first[1] != '_' || second[0] != 4)
		return;
	if (memcmp(second + 1, "_tcp", 4) == 0)
		s->protocol = PROTOCOL_TCP;
	else if (memcmp(second + 1, "_udp", 4) == 0)
		s->protocol = PROTOCOL_UDP;
	else
		return;
	memcpy(s->port_name, first + 2, first[0] - 1U);
	s->port_name[first[0] - 1] = '\0';
}

static char *copy_service(const char *text, const char *equal_sign)
{
	if (equal_sign != NULL)
		return strndup(text, (size_t)(equal_sign - text));
	while (*text == '_' && strchr(text, '.') != NULL)
		text = strchr(text, '.') + 1;
	return strndup(text, strcspn(text, "."));
}

int dns_subject_read(struct dns_subject *s, const char *text)
{
	const char *equal_sign = strchr(text, '=');
	const char *name = equal_sign != NULL ? equal_sign + 1 : text;

	s->service = copy_service(text, equal_sign);
	if (name_from_text(name, strlen(name), &s->name))
		read_port(s);
	return s->service != NULL ? 0 : -ENOMEM;
}

/* --- instances --- */

/* The first label of a target is the instance's own name, unless it spells the address ("10-1-0-7", or
 * "0a010007.addr" as Consul does), or two targets share it. */
static const char *own_name(const struct dns_srv *srv, char ret[LABEL_OCTETS_MAX + 1])
{
	const uint8_t *label = srv->target.octets, *next = label + 1 + label[0];
	struct address spelt;

	if (!srv->is_apart || label_to_address(label + 1, label[0], &spelt) ||
	    (next[0] == 4 && memcmp(next + 1, "addr", 4) == 0))
		return NULL;
	memcpy(ret, label + 1, label[0]);
	ret[label[0]] = '\0';
	return ret;
}

static int add_instance(const struct dns_subject *s, const struct dns_srv *srv, const char *address,
			const char *target, struct snapshot_builder *b)
{
	const struct metadata metadata = { .key = "target", .value = target };
	char label[LABEL_OCTETS_MAX + 1];
	struct report report = report_blank();

	report.service = s->service;
	report.address = address;
	report.port = srv->port;
	report.priority = srv->priority;
	report.weight = srv->weight;
	report.protocol = s->protocol;
	report.port_name = s->port_name[0] != '\0' ? s->port_name : NULL;
	report.name = own_name(srv, label);
	report.metadata = &metadata;
	report.n_metadata = !name_equal(&srv->target, &s->name);
	return snapshot_builder_add(b, &report);
}

/* --- items --- */

static void write_key(char ret[KEY_SIZE], const char *what, const struct name *target, uint16_t type)
{
	char text[NAME_TEXT_MAX];

	snprintf(ret, KEY_SIZE, "%s%s %s", what, name_to_text(target->octets, text),
		 type == RRTYPE_A ? "A" : "AAAA");
}

int dns_items_stage_service(const struct dns_subject *s, struct snapshot_builder *b)
{
	const int status = snapshot_builder_add_service(b, s->service);

	return status < 0 ? status : ledger_stage(s->ledger, s->part, "", b);
}

/* A service has no more instances than so many, however often two lists multiply. */
int dns_items_stage(const struct dns_subject *s, const struct dns_srv *srvs, size_t n_srvs,
		    const struct dns_address *addresses, size_t n, uint16_t type, struct snapshot_builder *b)
{
	char text[ADDRESS_TEXT_MAX], target[NAME_TEXT_MAX], key[KEY_SIZE];
	size_t left = SERVICE_INSTANCES_MAX;
	bool found = false;
	int status = 0;

	name_to_text(srvs[0].target.octets, target);
	for (size_t a = 0; status == 0 && a < n; a++) {
		if (addresses[a].type != type)
			continue;
		found = true;
		address_to_text(&addresses[a].address, text);
		for (size_t i = 0; status == 0 && i < n_srvs && left > 0; i++, left--)
			status = add_instance(s, &srvs[i], text, target, b);
	}
	if (status < 0 || !found)
		return status;
	write_key(key, "", &srvs[0].target, type);
	return ledger_stage(s->ledger, s->part, key, b);
}

int dns_items_keep(const struct dns_subject *s, const struct name *target, uint16_t type, const char *reason,
		   struct snapshot_builder *b)
{
	const bool is_subject = name_equal(target, &s->name);
	char key[KEY_SIZE], text[NAME_TEXT_MAX];

	write_key(key, "", target, type);
	ledger_keep(s->ledger, s->part, key);
	snapshot_builder_remark(b, "%s%s%s", is_subject ? name_to_text(target->octets, text) : "",
				is_subject ? " " : "", reason);
	write_key(key, "failed: ", target, type);
	return ledger_stage(s->ledger, s->part, key, b);
}

int dns_items_drop(const struct dns_subject *s, const struct name *target, struct snapshot_builder *b)
{
	char key[KEY_SIZE], text[NAME_TEXT_MAX], what[NAME_TEXT_MAX + 32];

	snprintf(what, sizeof(what), "target %s has none", name_to_text(target->octets, text));
	snapshot_builder_drop(b, DROP_ADDRESS, what);
	write_key(key, "dropped: ", target, RRTYPE_A);
	return ledger_stage(s->ledger, s->part, key, b);
}
