# SPDX-License-Identifier: AGPL-3.0-or-later
tm_test(test_node_config SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_config.c LIBS tm_node_config)
tm_test(test_node_config_mistakes SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_config_mistakes.c LIBS tm_node_config)
tm_test(test_documents SOURCES ${CMAKE_CURRENT_LIST_DIR}/test_documents.c LIBS tm_cli tm_os)
foreach(test test_node_config test_documents)
	target_compile_definitions(${test} PRIVATE TM_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
endforeach()
