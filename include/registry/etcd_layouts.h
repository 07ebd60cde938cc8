/* SPDX-License-Identifier: BSD-2-Clause */
/* registry/etcd_layouts.h -- what keys and values of etcd say about instances.
 *
 *   /skydns/local/service/inventory/x1  {"host":"10.0.0.1","port":80}   --+
 *   services/inventory/10.0.0.1:80      {"Op":0,"Addr":"10.0.0.1:80"}   --+--> reports --> snapshot_builder
 *
 * skydns, as CoreDNS and SkyDNS read it: a key is a name with its labels turned around. A question for a name
 * is there answered by all records below it. So a record becomes an instance of the service that its labels
 * but the innermost spell, which is its own name there; and of each service above that one, without a name.
 * /skydns/local/service/east/inventory/x1 is found as x1.inventory.east.service.local,
 * inventory.east.service.local and east.service.local, here as there. One on the key of a service itself,
 * .../payments, is an instance of it without a name; CoreDNS answers it only while nothing is below it, we
 * answer all of them.
 *
 * naming, as etcd's own client library writes it: SERVICE/ADDRESS, SERVICE being one label, or several turned
 * around in the same way. Where the instance is, only the value says.
 *
 * Feeder thread only.
 */
#ifndef PHONEBOOK_REGISTRY_ETCD_LAYOUTS_H
#define PHONEBOOK_REGISTRY_ETCD_LAYOUTS_H

#include "registry/etcd_messages.h"
#include "registry/options.h"

struct snapshot_builder;

/* What all keys of interest begin with: "/skydns/local/service/". "" or with a slash at the end, because
 * without it "/svc/pay" would be "/svc/payments" too. The caller frees it. -ENOMEM, or -EINVAL when the zone
 * is no name. */
int etcd_make_prefix(const struct etcd_options *o, char **ret);

/* Adds what a key says, of which path is the part behind the prefix. What is wrong with it costs the key:
 * it is dropped, counted, and the remark names it. -ENOMEM. */
int etcd_read_record(enum etcd_layout layout, const char *path, const struct etcd_kv *kv,
		     struct snapshot_builder *b);

#endif
