# SPDX-License-Identifier: AGPL-3.0-or-later
# The configuration file alone, so that the command line and tests can use it without a node.
# Why libyaml: docs/decisions/0007-yaml-by-libyaml.md.
tm_library(tm_node_config
	SOURCES ${CMAKE_CURRENT_LIST_DIR}/config.c ${CMAKE_CURRENT_LIST_DIR}/config_value.c
		${CMAKE_CURRENT_LIST_DIR}/config_yaml.c
	LIBS tm_base tm_base_yamlin tm_mesh tm_os tm_control_portmap tm_data_peer tm_data_plane tm_policy)
