/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * All metrics, in the order in which they are written: what prints it (metrics_print.c), type, name, help. A
 * test compares docs/metrics.md, the rules in dist/prometheus and the dashboard in dist/grafana with it.
 */
#ifndef TM_NODE_METRICS_CATALOGUE_H
#define TM_NODE_METRICS_CATALOGUE_H

#define METRICS(X)                                                                                           \
	X(build, GAUGE, "tunnelmesh_build_info", "Always 1: which program runs, and what encrypts packets")  \
	X(self, GAUGE, "tunnelmesh_node_info", "Always 1: who this node is")                                 \
	X(members, GAUGE, "tunnelmesh_members", "Other members of the mesh, by kind")                        \
	X(peers, GAUGE, "tunnelmesh_peers", "Other members by the kind of path to them and its family")      \
	X(sessions, GAUGE, "tunnelmesh_sessions", "Peers with whom there are session keys now")              \
	X(not_direct, GAUGE, "tunnelmesh_peers_not_direct",                                                  \
		"Peers that are looked for or reached through a relay, by why not directly")                 \
	X(path_changes, COUNTER, "tunnelmesh_path_changes_total",                                            \
		"Changes of the path in use, by kind and reason; between two of a kind: another address")    \
	X(contact, HISTOGRAM, "tunnelmesh_first_contact_seconds",                                            \
		"From the first traffic for a peer without a path to the first path that answers")           \
	X(direct, HISTOGRAM, "tunnelmesh_direct_contact_seconds",                                            \
		"From the first traffic for a peer without a path to the first direct path that answers")    \
	X(in_vain, COUNTER, "tunnelmesh_path_rounds_failed_total",                                           \
		"Rounds of tries to reach a peer in which nothing answered")                                 \
	X(drops, COUNTER, "tunnelmesh_dropped_packets_total",                                                \
		"Packets and messages that were not delivered, by reason")                                   \
	X(offload_losses, COUNTER, "tunnelmesh_offload_losses_total",                                        \
		"How often the kernel refused an offload that it had promised")                              \
	X(firewalled, GAUGE, "tunnelmesh_firewalled",                                                        \
		"Whether this machine's own firewall drops what comes out of the tunnel, by family")         \
	X(port_mapped, GAUGE, "tunnelmesh_port_mapped",                                                      \
		"Whether the gateway maps a port to this node, by family")                                   \
	X(link_up, GAUGE, "tunnelmesh_control_link_up", "Whether the link to the coordinator is up")         \
	X(policy_behind, GAUGE, "tunnelmesh_policy_behind",                                                  \
		"Whether another policy is in force here than the coordinator told last")                    \
	X(dns, COUNTER, "tunnelmesh_dns_queries_total", "Questions for names, by what became of them")       \
	X(dns_connections, GAUGE, "tunnelmesh_dns_connections", "TCP connections for such questions now")    \
	X(relay_on, GAUGE, "tunnelmesh_relay_offered", "Whether this node hands on datagrams of others")     \
	X(relay_members, GAUGE, "tunnelmesh_relay_members", "Members that are reached through this node")    \
	X(relay_packets, COUNTER, "tunnelmesh_relay_packets_total",                                          \
		"Messages of others that were handed on")                                                    \
	X(relay_bytes, COUNTER, "tunnelmesh_relay_bytes_total", "Bytes of others that were handed on")       \
	X(twins, GAUGE, "tunnelmesh_coordinator_twins",                                                      \
		"On the coordinator: members whose identity another machine uses, too")                      \
	X(unsaved, GAUGE, "tunnelmesh_unsaved", "Whether something cannot be written to the disk, by what")  \
	X(cpu, COUNTER, "tunnelmesh_process_cpu_seconds_total",                                              \
		"Processor time that this process has used, on all cores together")                          \
	X(resident, GAUGE, "tunnelmesh_process_resident_memory_bytes", "Memory that this process has")       \
	X(virtual, GAUGE, "tunnelmesh_process_virtual_memory_bytes", "Address space that this process has")  \
	X(descriptors, GAUGE, "tunnelmesh_process_open_fds", "Descriptors that this process has open")       \
	X(descriptors_max, GAUGE, "tunnelmesh_process_max_fds",                                              \
		"Descriptors that this process may have open")                                               \
	X(threads, GAUGE, "tunnelmesh_process_threads", "Threads of this process")                           \
	X(started, GAUGE, "tunnelmesh_process_start_time_seconds", "When this process started, in Unix time")

#endif
