# SPDX-License-Identifier: AGPL-3.0-or-later
# The control socket; included by this folder's CMakeLists.txt.
tm_library(tm_node_ctl SOURCES ${CMAKE_CURRENT_LIST_DIR}/ctl.c ${CMAKE_CURRENT_LIST_DIR}/ctl_users.c LIBS tm_base tm_os tm_loop tm_wire_msg dep_event dep_jansson)
