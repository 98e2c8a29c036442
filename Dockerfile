# SPDX-License-Identifier: AGPL-3.0-or-later
# The image: one program on Debian 12. It needs NET_ADMIN and /dev/net/tun, and a volume for its state:
#   docker build -t tunnelmesh .
#   docker run -d --cap-add NET_ADMIN --device /dev/net/tun -v tunnelmesh:/var/lib/tunnelmesh tunnelmesh join TOKEN --foreground
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
COPY . .
RUN make install DESTDIR=/out PREFIX=/usr

FROM debian:bookworm-slim
COPY --from=build /out/usr/bin/tunnelmesh /usr/bin/
COPY --from=build /out/usr/share/bash-completion /usr/share/bash-completion
VOLUME /var/lib/tunnelmesh
# The data socket, and the control links of a coordinator.
EXPOSE 51820/udp 8443/tcp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s CMD ["tunnelmesh", "status"]
ENTRYPOINT ["tunnelmesh"]
CMD ["up", "--foreground"]
