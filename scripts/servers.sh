#!/usr/bin/env bash
# The servers that the tests of the stores start, from Debian. As root. Without them those tests are skipped, and fail where CI=true.
set -euo pipefail

packages=(
  nginx-light  # test/stores/http.test.ts
  redis-server # test/stores/redis.test.ts
)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
  apt-get update -qq
  # Installing must not start them: the tests use ports of their own.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
