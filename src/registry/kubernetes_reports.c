/* SPDX-License-Identifier: BSD-2-Clause */
/* EndpointSlices and Services as reports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "registry/fields.h"
#include "registry/kubernetes.h"

enum {
	/* Of one slice, as its reference promises; each endpoint has each port, so both need a bound. */
	PORTS_MAX = 100,
	ENDPOINTS_MAX = 1000,

	HINTS_MAX = 8, /* zones of one endpoint, likewise */
};

struct port {
	const char *name;
	int64_t number;
	enum protocol protocol;
};

/* What all reports of an object share. */
struct subject {
	char service[SERVICE_NAME_SIZE + 1]; /* one that is too long stays too long when it is cut */
	struct port ports[PORTS_MAX];
	size_t n_ports;
	struct snapshot_builder *b;
};

/* "inventory" or "inventory.shop". Two namespaces with a service of one name have it in common without. */
static void name_service(struct subject *s, const char *service, const struct json_value *metadata,
			 enum kubernetes_names names)
{
	const char *namespace = json_text(json_get(metadata, "namespace"));

	if (names == KUBERNETES_SERVICE_NAMESPACE && namespace != NULL)
		snprintf(s->service, sizeof(s->service), "%s.%s", service, namespace);
	else
		snprintf(s->service, sizeof(s->service), "%s", service);
}

static void drop(struct subject *s, enum drop reason, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "%.80s of \"%.80s\"", what, s->service);
	snapshot_builder_drop(s->b, reason, text);
}

/* False for what an SRV of ours cannot say: all ports (null), and a port of a transport that is neither TCP
 * nor UDP. As PROTOCOL_ANY, an SCTP port would be answered to who asks for TCP. */
static bool read_port(struct subject *s, const struct json_value *v, struct port *ret)
{
	const char *protocol = json_text(json_get(v, "protocol"));
	struct port port = { .name = json_text(json_get(v, "name")),
			     .protocol = field_protocol(json_get(v, "protocol")) };

	if (json_kind_of(v) != VALUE_OBJECT || !field_port(json_get(v, "port"), &port.number)) {
		drop(s, DROP_PORT, "a port that is none");
		return false;
	}
	if (protocol == NULL || protocol[0] == '\0')
		port.protocol = PROTOCOL_TCP; /* the default, which servers write out */
	*ret = port;
	return port.number > 0 && port.protocol != PROTOCOL_ANY;
}

static void read_ports(struct subject *s, const struct json_value *ports)
{
	const size_t n = json_count(ports);

	for (size_t i = 0; i < n && i < PORTS_MAX; i++)
		s->n_ports += read_port(s, json_at(ports, i), &s->ports[s->n_ports]);
	if (n > PORTS_MAX)
		drop(s, DROP_LIMIT, "a port beyond the hundredth");
}

/* A report for each port, or one without: the address is good for something even so. */
static int add_reports(struct subject *s, struct report *report)
{
	int r = 0;

	report->service = s->service;
	if (s->n_ports == 0)
		return snapshot_builder_add(s->b, report);
	for (size_t i = 0; r == 0 && i < s->n_ports; i++) {
		report->port_name = s->ports[i].name;
		report->port = s->ports[i].number;
		report->protocol = s->ports[i].protocol;
		r = snapshot_builder_add(s->b, report);
	}
	return r;
}

/* No "ready" means ready. No "serving" has been read as "what ready says" and, later, as true; the mirroring
 * controller never writes it, also where ready is false. So it counts as true for what is terminating only,
 * which is where kube-proxy asks for it. Those who are ready by decree (publishNotReadyAddresses) are ready.
 */
static enum health read_health(const struct json_value *conditions)
{
	const enum json_kind serving = json_kind_of(json_get(conditions, "serving"));
	const bool terminating = json_kind_of(json_get(conditions, "terminating")) == VALUE_TRUE;

	if (json_kind_of(json_get(conditions, "ready")) != VALUE_FALSE)
		return HEALTH_PASSING;
	if (serving == VALUE_TRUE || (serving != VALUE_FALSE && terminating))
		return HEALTH_WARNING;
	return HEALTH_CRITICAL;
}

/* "eu-1a,eu-1c": the zones whose clients should use the endpoint. Empty without hints. */
static void read_hints(const struct json_value *hints, char ret[INSTANCE_TEXT_MAX + 1])
{
	const struct json_value *zones = json_get(hints, "forZones");
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < json_count(zones) && i < HINTS_MAX; i++) {
		const char *zone = json_text(json_get(json_at(zones, i), "name"));

		if (zone == NULL || zone[0] == '\0' || len + 1 + strlen(zone) > INSTANCE_TEXT_MAX)
			continue;
		len += (size_t)sprintf(ret + len, "%s%s", len > 0 ? "," : "", zone);
	}
}

static int add_endpoint(struct subject *s, const struct json_value *endpoint, const char *address)
{
	struct report report = report_blank();
	const char *node = json_text(json_get(endpoint, "nodeName"));
	char hints[INSTANCE_TEXT_MAX + 1];
	struct metadata metadata[2];

	read_hints(json_get(endpoint, "hints"), hints);
	if (hints[0] != '\0')
		metadata[report.n_metadata++] = (struct metadata){ .key = "hints", .value = hints };
	if (node != NULL)
		metadata[report.n_metadata++] = (struct metadata){ .key = "node", .value = node };
	report.metadata = metadata;
	report.address = address;
	report.name = json_text(json_get(endpoint, "hostname"));
	report.zone = json_text(json_get(endpoint, "zone"));
	report.health = read_health(json_get(endpoint, "conditions"));
	return add_reports(s, &report);
}

/* The addresses of one endpoint all lead to it, and clients may use the first alone, as kube-proxy does: it
 * is the one known to work, and one endpoint is one instance. The server lets nothing but IP addresses in; a
 * name from elsewhere would have us look it up. */
static int take_endpoint(struct subject *s, const struct json_value *endpoint)
{
	const char *address = json_text(json_at(json_get(endpoint, "addresses"), 0));
	struct address literal;

	if (address == NULL) {
		drop(s, DROP_SHAPE, "an endpoint without address");
		return 0;
	}
	if (!address_from_text(address, strlen(address), &literal)) {
		drop(s, DROP_ADDRESS, address);
		return 0;
	}
	return add_endpoint(s, endpoint, address);
}

static int take_endpoints(struct subject *s, const struct json_value *endpoints)
{
	const size_t n = json_count(endpoints);
	int r = 0;

	if (json_kind_of(endpoints) > VALUE_NULL && json_kind_of(endpoints) != VALUE_LIST)
		drop(s, DROP_SHAPE, "endpoints that are no list");
	for (size_t i = 0; r == 0 && i < n && i < ENDPOINTS_MAX; i++)
		r = take_endpoint(s, json_at(endpoints, i));
	for (size_t i = ENDPOINTS_MAX; i < n; i++)
		drop(s, DROP_LIMIT, "an endpoint beyond the thousandth");
	return r;
}

/* Type FQDN is deprecated, without a meaning anywhere; a type yet to come may have one that we do not know.
 */
static bool has_ip_addresses(struct subject *s, const struct json_value *slice)
{
	const char *type = json_text(json_get(slice, "addressType"));
	const char *name = json_text(json_get(json_get(slice, "metadata"), "name"));

	if (type == NULL || strcmp(type, "IPv4") == 0 || strcmp(type, "IPv6") == 0)
		return true;
	snapshot_builder_remark(s->b,
				"slice \"%.80s\" of \"%.80s\" has addresses of type \"%.20s\": left out",
				name, s->service, type);
	return false;
}

/* The label names the service, and nothing else does: not the slice's name, nor its owner. */
static int read_slice(const struct json_value *slice, enum kubernetes_names names, struct snapshot_builder *b)
{
	const struct json_value *metadata = json_get(slice, "metadata");
	const char *service = json_text(json_get(json_get(metadata, "labels"), "kubernetes.io/service-name"));
	struct subject s = { .b = b };

	if (service == NULL)
		return 0;
	name_service(&s, service, metadata, names);
	int r = snapshot_builder_add_service(b, s.service);
	if (r < 0 || !has_ip_addresses(&s, slice))
		return r;
	read_ports(&s, json_get(slice, "ports"));
	return take_endpoints(&s, json_get(slice, "endpoints"));
}

/* Slices say everything of a service but that it is there while it has none, and where ExternalName leads.
 * Its ports here are those of the virtual address, except for ExternalName. */
static int read_service(const struct json_value *service, enum kubernetes_names names,
			struct snapshot_builder *b)
{
	const struct json_value *metadata = json_get(service, "metadata"), *spec = json_get(service, "spec");
	const char *type = json_text(json_get(spec, "type"));
	struct report report = report_blank();
	struct subject s = { .b = b };

	name_service(&s, json_text(json_get(metadata, "name")), metadata, names);
	if (type == NULL || strcmp(type, "ExternalName") != 0)
		return snapshot_builder_add_service(b, s.service);
	report.address = json_text(json_get(spec, "externalName"));
	read_ports(&s, json_get(spec, "ports"));
	return add_reports(&s, &report);
}

const struct kubernetes_type kubernetes_slices = {
	.name = "endpointslices",
	.root = "/apis/discovery.k8s.io/v1",
	.list_kind = "EndpointSliceList",
	.read = read_slice,
};

const struct kubernetes_type kubernetes_services = {
	.name = "services",
	.root = "/api/v1",
	.list_kind = "ServiceList",
	.read = read_service,
};
