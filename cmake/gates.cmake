# SPDX-License-Identifier: AGPL-3.0-or-later
# Rules about the source text, checked in the ordinary test run. The files are looked up when the test runs, so that a new one counts
# without configuring again.

function(tm_gate name)
	cmake_parse_arguments(A "" "SCRIPT" "FIRST" ${ARGN})
	add_test(NAME ${name}
		COMMAND sh -c "find src -name '*.[ch]' | LC_ALL=C sort | xargs awk -v src=src -f cmake/strip.awk -f cmake/${A_SCRIPT} ${A_FIRST}"
		WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
	set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

tm_gate(layers SCRIPT check-layers.awk FIRST docs/layers.txt)
tm_gate(banned-calls SCRIPT banned-calls.awk)
tm_gate(include-cycles SCRIPT check-cycles.awk)
add_test(NAME gates-can-fail COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/test-gates.sh)
set_tests_properties(gates-can-fail PROPERTIES LABELS unit TIMEOUT 300)
tm_gate(sizes SCRIPT check-sizes.awk)
tm_gate(debts SCRIPT check-debts.awk FIRST docs/debts.txt)
if(NOT TM_SANITIZE)
	add_test(NAME needs-only-libc COMMAND sh ${PROJECT_SOURCE_DIR}/cmake/test-needed.sh $<TARGET_FILE:tunnelmesh>)
	set_tests_properties(needs-only-libc PROPERTIES LABELS unit TIMEOUT 300)
endif()
