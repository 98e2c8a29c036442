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
	X(sessions_begun, COUNTER, "tunnelmesh_sessions_begun_total", "Sessions that began, with new keys")  \
	X(handshakes, COUNTER, "tunnelmesh_handshakes_total",                                                \
		"Questions for a session, by who answered: peers that were asked, or this node")             \
	X(given_up, COUNTER, "tunnelmesh_handshakes_given_up_total",                                         \
		"Times that a peer answered no question for a session until it was given up")                \
	X(received_bytes, COUNTER, "tunnelmesh_received_bytes_total",                                        \
		"Bytes of authentic messages from peers, by whatever path")                                  \
	X(received_packets, COUNTER, "tunnelmesh_received_packets_total",                                    \
		"Authentic messages from peers, by whatever path")                                           \
	X(sent_bytes, COUNTER, "tunnelmesh_sent_bytes_total", "Bytes of messages to peers")                  \
	X(sent_packets, COUNTER, "tunnelmesh_sent_packets_total", "Messages to peers")                       \
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
	X(flows, GAUGE, "tunnelmesh_filter_flows",                                                           \
		"Connections that the packet filter remembers, by whether both ends are members")            \
	X(flows_max, GAUGE, "tunnelmesh_filter_flows_max", "Connections that it can remember")               \
	X(evictions, COUNTER, "tunnelmesh_filter_evictions_total",                                           \
		"Connections that it had to forget before their time")                                       \
	X(decisions, COUNTER, "tunnelmesh_filter_decisions_total",                                           \
		"Connections that the policy decided about at this node, by how")                            \
	X(offload_losses, COUNTER, "tunnelmesh_offload_losses_total",                                        \
		"How often the kernel refused an offload that it had promised")                              \
	X(firewalled, GAUGE, "tunnelmesh_firewalled",                                                        \
		"Whether this machine's own firewall drops what comes out of the tunnel, by family")         \
	X(port_mapped, GAUGE, "tunnelmesh_port_mapped",                                                      \
		"Whether the gateway maps a port to this node, by family")                                   \
	X(link_up, GAUGE, "tunnelmesh_control_link_up", "Whether the link to the coordinator is up")         \
	X(links_begun, COUNTER, "tunnelmesh_control_links_begun_total",                                      \
		"Links to the coordinator that began: the first, and one for each that was lost")            \
	X(policy_behind, GAUGE, "tunnelmesh_policy_behind",                                                  \
		"Whether another policy is in force here than the coordinator told last")                    \
	X(dns, COUNTER, "tunnelmesh_dns_queries_total", "Questions for names, by what became of them")       \
	X(dns_connections, GAUGE, "tunnelmesh_dns_connections", "TCP connections for such questions now")    \
	X(dns_failing, GAUGE, "tunnelmesh_dns_failing",                                                      \
		"Whether names of the mesh may not be found on this machine, by what fails")                 \
	X(relay_on, GAUGE, "tunnelmesh_relay_offered", "Whether this node hands on datagrams of others")     \
	X(relay_members, GAUGE, "tunnelmesh_relay_members", "Members that are reached through this node")    \
	X(relay_packets, COUNTER, "tunnelmesh_relay_packets_total",                                          \
		"Messages of others that were handed on")                                                    \
	X(relay_bytes, COUNTER, "tunnelmesh_relay_bytes_total", "Bytes of others that were handed on")       \
	X(twins, GAUGE, "tunnelmesh_coordinator_twins",                                                      \
		"On the coordinator: members whose identity another machine uses, too")                      \
	X(unsaved, GAUGE, "tunnelmesh_unsaved", "Whether something cannot be written to the disk, by what")  \
	X(clock_ahead, GAUGE, "tunnelmesh_clock_ahead_seconds",                                              \
		"How far this machine's clock is ahead of the coordinator's, below 0: behind it")            \
	X(clock_set_back, GAUGE, "tunnelmesh_clock_set_back_seconds",                                        \
		"How far the clock was set back: handshakes go on from what it had been")                    \
	X(cpu, COUNTER, "tunnelmesh_process_cpu_seconds_total",                                              \
		"Processor time that this process has used, on all cores together")                          \
	X(resident, GAUGE, "tunnelmesh_process_resident_memory_bytes", "Memory that this process has")       \
	X(virtual, GAUGE, "tunnelmesh_process_virtual_memory_bytes", "Address space that this process has")  \
	X(descriptors, GAUGE, "tunnelmesh_process_open_fds", "Descriptors that this process has open")       \
	X(descriptors_max, GAUGE, "tunnelmesh_process_max_fds",                                              \
		"Descriptors that this process may have open")                                               \
	X(threads, GAUGE, "tunnelmesh_process_threads", "Threads of this process")                           \
	X(started, GAUGE, "tunnelmesh_process_start_time_seconds", "When this process started, in Unix time")

/* Of single peers, where that is wished (metrics_peers.c). */
#define METRICS_PEERS(X)                                                                                     \
	X(path, GAUGE, "tunnelmesh_peer_path", "Always 1: by which path a peer is reached")                  \
	X(rtt, GAUGE, "tunnelmesh_peer_rtt_seconds", "Round trip to a peer, smoothed")                       \
	X(received, COUNTER, "tunnelmesh_peer_received_bytes_total",                                         \
		"Bytes of authentic messages from a peer")                                                   \
	X(sent, COUNTER, "tunnelmesh_peer_sent_bytes_total", "Bytes of messages to a peer")                  \
	X(handshake, GAUGE, "tunnelmesh_peer_last_handshake_timestamp_seconds",                              \
		"When the last session with a peer began, in Unix time")

/* Of the whole mesh, on its coordinator (metrics_mesh.c). */
#define METRICS_MESH(X)                                                                                      \
	X(nodes, GAUGE, "tunnelmesh_mesh_nodes", "Nodes, by whether they have a link to the coordinator")    \
	X(clients, GAUGE, "tunnelmesh_mesh_clients", "Stock WireGuard clients")                              \
	X(versions, GAUGE, "tunnelmesh_mesh_node_versions", "Nodes by the version that they say they run")   \
	X(reporting, GAUGE, "tunnelmesh_mesh_reporting_nodes",                                               \
		"Nodes that have told of themselves and of their pairs by the link that they have now")      \
	X(pairs, GAUGE, "tunnelmesh_mesh_pairs",                                                             \
		"Pairs of members in use, by the path of the direction that is worse off")                   \
	X(families, GAUGE, "tunnelmesh_mesh_pair_families",                                                  \
		"Pairs in use with a path, by the family of addresses outside of the tunnel")                \
	X(traffic, GAUGE, "tunnelmesh_mesh_traffic_bytes_per_second",                                        \
		"What pairs tell of their traffic, by whether it goes through a relay")                      \
	X(alarms, GAUGE, "tunnelmesh_mesh_alarms", "Nodes on which something is wrong, by what")             \
	X(policy_old, GAUGE, "tunnelmesh_mesh_policy_behind",                                                \
		"Nodes with a link that do not say that they go by the policy in force")                     \
	X(map_old, GAUGE, "tunnelmesh_coordinator_map_behind",                                               \
		"Nodes with a link that have not been told the newest map of the mesh yet")                  \
	X(jobs, GAUGE, "tunnelmesh_coordinator_jobs", "Requests that wait for the database")                 \
	X(strangers, GAUGE, "tunnelmesh_coordinator_strangers",                                              \
		"Links whose key is no member's, such as of those who join")                                 \
	X(snapshots, GAUGE, "tunnelmesh_coordinator_snapshot_bytes", "Maps that wait in queues of links")    \
	X(memory, GAUGE, "tunnelmesh_coordinator_report_bytes", "Memory that the reports of nodes take")

/* Of its single nodes, where that is wished. */
#define METRICS_MEMBERS(X)                                                                                   \
	X(link, GAUGE, "tunnelmesh_mesh_node_link_up", "Whether a node has a link to the coordinator")       \
	X(seen, GAUGE, "tunnelmesh_mesh_node_last_seen_timestamp_seconds",                                   \
		"When a node was there last, in Unix time; now, while it has a link")

#endif
