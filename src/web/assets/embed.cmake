# SPDX-License-Identifier: AGPL-3.0-or-later
# A file as a C source that defines asset_NAME, asset_NAME_n and asset_NAME_url: cmake -DIN=style.css -DOUT=x.c -DNAME=style_css -P embed.cmake
file(READ ${IN} bytes HEX)
file(SHA256 ${IN} hash)
string(SUBSTRING ${hash} 0 16 hash)
get_filename_component(file ${IN} NAME)
string(LENGTH "${bytes}" digits)
math(EXPR n "${digits} / 2")
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "/* Made of ${NAME} by embed.cmake. */\n#include <stddef.h>\nextern const unsigned char asset_${NAME}[];\nextern const size_t asset_${NAME}_n;\nextern const char asset_${NAME}_url[];\nconst unsigned char asset_${NAME}[] = {${bytes}0};\nconst size_t asset_${NAME}_n = ${n};\nconst char asset_${NAME}_url[] = \"/assets/${hash}/${file}\";\n")
