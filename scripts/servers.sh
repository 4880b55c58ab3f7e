#!/usr/bin/env bash
# The servers that the tests of the stores start, from Debian. As root.
set -euo pipefail

packages=(
  nginx-light # test/stores/http.test.ts
)
if ! dpkg --status "${packages[@]}" >/dev/null 2>&1; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi
