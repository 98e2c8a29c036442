# SPDX-License-Identifier: AGPL-3.0-or-later
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(cross_arch arm64)
set(cross_triplet aarch64-linux-gnu)
set(cross_qemu qemu-aarch64-static)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
