# SPDX-License-Identifier: AGPL-3.0-or-later
# What stands between a peer and the others: the test puts its rules into it from outside.
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends tinyproxy-bin && mkdir -p /run/tinyproxy
COPY tinyproxy.conf /etc/tinyproxy/tinyproxy.conf
CMD ["sleep", "infinity"]
