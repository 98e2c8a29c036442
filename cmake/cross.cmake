# SPDX-License-Identifier: AGPL-3.0-or-later
# For another CPU than this machine's, on any Debian 12. `scripts/setup cross` installs the compiler, and unpacks the libraries of that
# architecture in build/sysroot. Included by a toolchain file of each architecture, which sets cross_arch (Debian's name for it),
# cross_triplet (GCC's) and cross_qemu (that of the emulator, by which ctest runs the unit tests).

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_C_COMPILER ${cross_triplet}-gcc)

cmake_path(SET CMAKE_SYSROOT NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/${cross_arch}")
if(NOT EXISTS "${CMAKE_SYSROOT}/usr/include")
	message(FATAL_ERROR "there are no libraries of ${cross_arch} in ${CMAKE_SYSROOT}: run `scripts/setup build cross`")
endif()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

set(CMAKE_CROSSCOMPILING_EMULATOR ${cross_qemu} -L ${CMAKE_SYSROOT})
