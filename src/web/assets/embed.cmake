# SPDX-License-Identifier: AGPL-3.0-or-later
# A file as a C source that defines asset_NAME and asset_NAME_n: cmake -DIN=style.css -DOUT=x.c -DNAME=style_css -P embed.cmake
file(READ ${IN} bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR n "${digits} / 2")
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "/* Made of ${NAME} by embed.cmake. */\n#include <stddef.h>\nextern const unsigned char asset_${NAME}[];\nextern const size_t asset_${NAME}_n;\nconst unsigned char asset_${NAME}[] = {${bytes}0};\nconst size_t asset_${NAME}_n = ${n};\n")
