# SPDX-License-Identifier: AGPL-3.0-or-later
# Debian 12 libraries, linked statically so that the binary needs only libc at run time.

include(CheckCSourceCompiles)
find_package(Threads REQUIRED)
# What the compiler makes programs for: the system may be another's, as with 32 bits on a 64-bit kernel.
check_c_source_compiles("
	#ifndef __x86_64__
	#error another CPU
	#endif
	int main(void) { return 0; }" TM_X86_64)

set(setup_command "make setup")
if(CMAKE_CROSSCOMPILING)
	set(setup_command "scripts/setup build cross")
endif()

function(tm_static target header)
	add_library(${target} INTERFACE)
	find_path(${target}_INCLUDE ${header} PATH_SUFFIXES libnl3)
	if(NOT ${target}_INCLUDE)
		message(FATAL_ERROR "${header} not found: run `${setup_command}`")
	endif()
	if(NOT ${target}_INCLUDE STREQUAL "/usr/include")
		target_include_directories(${target} SYSTEM INTERFACE ${${target}_INCLUDE})
	endif()
	foreach(lib ${ARGN})
		find_library(${target}_${lib} NAMES lib${lib}.a)
		if(NOT ${target}_${lib})
			message(FATAL_ERROR "lib${lib}.a not found: run `${setup_command}`")
		endif()
		target_link_libraries(${target} INTERFACE ${${target}_${lib}})
	endforeach()
endfunction()

tm_static(dep_crypto openssl/evp.h crypto)
target_link_libraries(dep_crypto INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
tm_static(dep_ssl openssl/ssl.h ssl crypto)
target_link_libraries(dep_ssl INTERFACE dep_crypto)

# Optional: packets by libcrypto's own routines without the way through its public interface. They are internal to it: global in the
# archive of Debian 12, perhaps hidden or gone in another, so it is tried whether they can be linked.
option(TM_LIBCRYPTO_DIRECT "seal and open packets by libcrypto's internal routines where they can be linked" ON)
if(TM_LIBCRYPTO_DIRECT)
	set(CMAKE_REQUIRED_LIBRARIES ${dep_crypto_crypto} Threads::Threads ${CMAKE_DL_LIBS})
	check_c_source_compiles("
		void ChaCha20_ctr32(void), Poly1305_ctx_size(void), Poly1305_Init(void), Poly1305_Update(void), Poly1305_Final(void);
		int main(void)
		{
			ChaCha20_ctr32(), Poly1305_ctx_size(), Poly1305_Init(), Poly1305_Update(), Poly1305_Final();
		}" dep_crypto_DIRECT_LINKS)
	unset(CMAKE_REQUIRED_LIBRARIES)
	if(dep_crypto_DIRECT_LINKS)
		add_library(dep_crypto_direct INTERFACE)
		target_compile_definitions(dep_crypto_direct INTERFACE TM_LIBCRYPTO_DIRECT)
	else()
		message(WARNING "this libcrypto.a does not give its ChaCha20 and Poly1305 routines away, packets will be slower: say -D TM_LIBCRYPTO_DIRECT=OFF to agree")
	endif()
endif()

tm_static(dep_event event2/event.h event_core event_pthreads)
target_link_libraries(dep_event INTERFACE Threads::Threads)
tm_static(dep_jansson jansson.h jansson)
tm_static(dep_yaml yaml.h yaml)
tm_static(dep_qrcodegen qrcodegen/qrcodegen.h qrcodegen)
tm_static(dep_zlib zlib.h z)
tm_static(dep_sqlite sqlite3.h sqlite3)
target_link_libraries(dep_sqlite INTERFACE m Threads::Threads ${CMAKE_DL_LIBS})
tm_static(dep_ldns ldns/ldns.h ldns)
target_link_libraries(dep_ldns INTERFACE dep_crypto)
tm_static(dep_nl netlink/route/link.h nl-route-3 nl-3)
target_link_libraries(dep_nl INTERFACE m Threads::Threads)

# Optional: faster packets on x86-64 with AVX2. Of the archive the linker takes the two members that aead_libgcrypt.c calls by name; they
# are internal to the library, so only the version whose routines are known will do, and it is tried whether they can be linked.
option(TM_LIBGCRYPT "seal and open packets by libgcrypt's routines where the CPU has AVX2 alone" ON)
if(TM_LIBGCRYPT AND TM_X86_64)
	find_path(dep_gcrypt_INCLUDE gcrypt.h)
	find_library(dep_gcrypt_ARCHIVE NAMES libgcrypt.a)
	if(NOT dep_gcrypt_INCLUDE OR NOT dep_gcrypt_ARCHIVE)
		message(WARNING "libgcrypt is not installed, packets will be slower: run `make setup`, or say -D TM_LIBGCRYPT=OFF")
	else()
		set(CMAKE_REQUIRED_INCLUDES ${dep_gcrypt_INCLUDE})
		set(CMAKE_REQUIRED_LIBRARIES ${dep_gcrypt_ARCHIVE})
		check_c_source_compiles("
			#include <gcrypt.h>
			#if GCRYPT_VERSION_NUMBER != 0x010a01
			#error another version
			#endif
			void _gcry_chacha20_amd64_avx2_blocks8(void), _gcry_chacha20_poly1305_amd64_avx2_blocks8(void);
			int _gcry_poly1305_init(void), _gcry_poly1305_update_burn(void), _gcry_poly1305_finish(void);
			void __gcry_burn_stack(void) {}
			void _gcry_log_error(void) {}
			int main(void)
			{
				_gcry_chacha20_amd64_avx2_blocks8(), _gcry_chacha20_poly1305_amd64_avx2_blocks8();
				return _gcry_poly1305_init() + _gcry_poly1305_update_burn() + _gcry_poly1305_finish();
			}" dep_gcrypt_LINKS)
		unset(CMAKE_REQUIRED_INCLUDES)
		unset(CMAKE_REQUIRED_LIBRARIES)
		if(dep_gcrypt_LINKS)
			add_library(dep_gcrypt INTERFACE)
			target_compile_definitions(dep_gcrypt INTERFACE TM_LIBGCRYPT)
			target_link_libraries(dep_gcrypt INTERFACE ${dep_gcrypt_ARCHIVE})
			if(NOT dep_gcrypt_INCLUDE STREQUAL "/usr/include")
				target_include_directories(dep_gcrypt SYSTEM INTERFACE ${dep_gcrypt_INCLUDE})
			endif()
		else()
			message(WARNING "libgcrypt is not version 1.10.1 with its routines for AVX2, packets will be slower: say -D TM_LIBGCRYPT=OFF to agree")
		endif()
	endif()
endif()

# Optional: faster packets on x86-64 with AVX-512. Of the archive's 12 MB the linker takes the three members that aead_ipsecmb.c calls
# by name; they are internal to the library, so only the version whose routines are known will do.
option(TM_IPSEC_MB "seal and open packets by libipsec-mb where the CPU has AVX-512" ON)
if(TM_IPSEC_MB AND TM_X86_64)
	find_path(dep_ipsecmb_INCLUDE intel-ipsec-mb.h)
	find_library(dep_ipsecmb_ARCHIVE NAMES libIPSec_MB.a)
	set(version_line "")
	if(dep_ipsecmb_INCLUDE)
		file(STRINGS ${dep_ipsecmb_INCLUDE}/intel-ipsec-mb.h version_line REGEX "^#define IMB_VERSION_STR ")
	endif()
	if(NOT dep_ipsecmb_INCLUDE OR NOT dep_ipsecmb_ARCHIVE)
		message(WARNING "libipsec-mb is not installed, packets will be slower: run `make setup`, or say -D TM_IPSEC_MB=OFF")
	elseif(NOT version_line MATCHES "\"1\\.3\\.0\"")
		message(WARNING "libipsec-mb is not version 1.3.0 (${version_line}), packets will be slower: say -D TM_IPSEC_MB=OFF to agree")
	else()
		add_library(dep_ipsecmb INTERFACE)
		target_compile_definitions(dep_ipsecmb INTERFACE TM_IPSEC_MB)
		target_link_libraries(dep_ipsecmb INTERFACE ${dep_ipsecmb_ARCHIVE})
		if(NOT dep_ipsecmb_INCLUDE STREQUAL "/usr/include")
			target_include_directories(dep_ipsecmb SYSTEM INTERFACE ${dep_ipsecmb_INCLUDE})
		endif()
	endif()
endif()
