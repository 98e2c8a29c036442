# SPDX-License-Identifier: AGPL-3.0-or-later
# Compiler settings and the functions that the CMakeLists.txt files use: tm_library, tm_test, tm_fuzz.

include(CheckCCompilerFlag)
include(CheckCSourceCompiles)

option(TM_TESTS "build the unit tests, fuzz targets and tools" ON)
option(TM_WERROR "warnings are errors (continuous integration)" OFF)
set(TM_SANITIZE "" CACHE STRING "address,undefined or thread")
option(TM_STATIC "libc is in the program as well: it needs nothing of the system that it runs on" OFF)
option(TM_FUZZ_ENGINE "link fuzz targets with libFuzzer (clang) instead of the seed replayer" OFF)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)

# Asserts state what a programmer promised and stay on: CMake's own release flags define NDEBUG.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")

add_library(tm_flags INTERFACE)
target_include_directories(tm_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(tm_flags INTERFACE _GNU_SOURCE TM_VERSION="${PROJECT_VERSION}")
target_compile_options(tm_flags INTERFACE
	-Wall -Wextra -Wno-missing-field-initializers -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wundef -Wformat=2 -Wwrite-strings
	-Wcast-qual -Wpointer-arith -Wswitch-enum -Wimplicit-fallthrough
	-fstack-protector-strong -fno-strict-aliasing
	# The same sources give the same program, wherever they lie.
	-ffile-prefix-map=${PROJECT_SOURCE_DIR}=.)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
	target_compile_options(tm_flags INTERFACE -Wduplicated-cond -Wduplicated-branches -Wlogical-op)
endif()
if(TM_WERROR)
	target_compile_options(tm_flags INTERFACE -Werror)
endif()
if(TM_STATIC AND (TM_SANITIZE OR TM_TESTS))
	message(FATAL_ERROR "TM_STATIC is for the program alone: sanitizers need libc beside it, and tests cmocka, of which there is no static library")
endif()
set(program_is -pie)
if(TM_STATIC)
	# Where in memory it lies is random, too, if libc has what such a program begins with. Debian 12's has, but for armhf.
	set(CMAKE_REQUIRED_LINK_OPTIONS -static-pie)
	check_c_source_compiles("int main(void) { return 0; }" TM_LINKS_STATIC_PIE)
	unset(CMAKE_REQUIRED_LINK_OPTIONS)
	set(program_is $<IF:$<BOOL:${TM_LINKS_STATIC_PIE}>,-static-pie,-static>)
endif()
if(TM_SANITIZE)
	target_compile_options(tm_flags INTERFACE -fsanitize=${TM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
	target_link_options(tm_flags INTERFACE -fsanitize=${TM_SANITIZE})
else()
	# Where control may go to: x86-64 has the first of these, arm64 the second.
	check_c_compiler_flag(-fcf-protection TM_TAKES_CF_PROTECTION)
	check_c_compiler_flag(-mbranch-protection=standard TM_TAKES_BRANCH_PROTECTION)
	target_compile_options(tm_flags INTERFACE $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=3> -fstack-clash-protection
		$<$<BOOL:${TM_TAKES_CF_PROTECTION}>:-fcf-protection> $<$<BOOL:${TM_TAKES_BRANCH_PROTECTION}>:-mbranch-protection=standard>
		-ftrivial-auto-var-init=zero)
	target_link_options(tm_flags INTERFACE ${program_is} -static-libgcc -Wl,-z,relro,-z,now)
	# Half a megabyte less, where the linker knows how (binutils 2.40 does for x86-64); libc has to be of 2022 (2.36), which it has to be anyway.
	set(CMAKE_REQUIRED_LINK_OPTIONS -Wl,--fatal-warnings,-z,pack-relative-relocs)
	check_c_source_compiles("int main(void) { return 0; }" TM_LINKS_PACKED)
	unset(CMAKE_REQUIRED_LINK_OPTIONS)
	if(TM_LINKS_PACKED)
		target_link_options(tm_flags INTERFACE -Wl,-z,pack-relative-relocs)
	endif()
endif()
# Files of any size and number on 32-bit CPUs. Not so the time, which stays as the libraries of Debian 12 have it: until January 2038.
if(CMAKE_SIZEOF_VOID_P EQUAL 4)
	target_compile_definitions(tm_flags INTERFACE _FILE_OFFSET_BITS=64)
endif()
if(TM_FUZZ_ENGINE)
	target_compile_options(tm_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# tm_library(NAME [CONVERSION] SOURCES a.c ... [LIBS other ...]): one static library per folder. CONVERSION adds -Wconversion.
function(tm_library name)
	cmake_parse_arguments(A "CONVERSION" "" "SOURCES;LIBS" ${ARGN})
	add_library(${name} STATIC ${A_SOURCES})
	target_link_libraries(${name} PUBLIC tm_flags ${A_LIBS})
	if(A_CONVERSION)
		target_compile_options(${name} PRIVATE -Wconversion)
	endif()
	# Not in tests: the compiler does not know that a failed assertion of cmocka never returns.
	if(CMAKE_CURRENT_SOURCE_DIR MATCHES "^${PROJECT_SOURCE_DIR}/src")
		target_compile_options(${name} PRIVATE -Wnull-dereference)
	endif()
endfunction()

# tm_test(NAME SOURCES a.c ... LIBS tm_x ...): one cmocka program, one ctest entry labelled "unit".
function(tm_test name)
	cmake_parse_arguments(A "" "TIMEOUT" "SOURCES;LIBS" ${ARGN})
	if(NOT A_TIMEOUT)
		set(A_TIMEOUT 300)
	endif()
	add_executable(${name} ${A_SOURCES})
	target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/test)
	target_link_libraries(${name} PRIVATE tm_flags ${A_LIBS} cmocka)
	add_test(NAME ${name} COMMAND ${name})
	set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT ${A_TIMEOUT})
endfunction()

# tm_fuzz(NAME SOURCE a.c LIBS tm_x ... SEEDS dir): a libFuzzer target; without the engine it replays dir as a test labelled "seeds".
function(tm_fuzz name)
	cmake_parse_arguments(A "" "SOURCE;SEEDS" "LIBS" ${ARGN})
	if(TM_FUZZ_ENGINE)
		add_executable(${name} ${A_SOURCE})
		target_link_options(${name} PRIVATE -fsanitize=fuzzer)
	else()
		add_executable(${name} ${A_SOURCE} ${PROJECT_SOURCE_DIR}/test/fuzz/replay.c)
	endif()
	target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/test)
	target_link_libraries(${name} PRIVATE tm_flags ${A_LIBS})
	add_test(NAME ${name} COMMAND ${name} -runs=0 ${A_SEEDS})
	set_tests_properties(${name} PROPERTIES LABELS seeds TIMEOUT 300)
endfunction()
