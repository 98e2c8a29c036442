# SPDX-License-Identifier: AGPL-3.0-or-later
# ARMv7 with hardware floating point, as Debian has it.
set(CMAKE_SYSTEM_PROCESSOR arm)
set(cross_arch armhf)
set(cross_triplet arm-linux-gnueabihf)
set(cross_qemu qemu-arm-static)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
